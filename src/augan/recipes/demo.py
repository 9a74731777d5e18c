"""The main job on real images: make a set imbalanced, train, look, measure, balance."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from augan.apply import Augmented, augment, evaluate, generate
from augan.core.files import require_absent, write_json
from augan.data import class_counts, demo_digits, imbalanced, open, write_folder
from augan.metrics import Evaluation
from augan.recipes.recipes import Budget, recipe_config
from augan.training import Observer, Trainer

COUNTS = {"0": 500, "1": 450, "2": 400, "3": 350, "4": 300, "5": 250, "6": 200, "7": 150, "8": 125, "9": 100}
"""Images of each digit that are kept: the largest class has five times the smallest."""


@dataclass(frozen=True, kw_only=True)
class Demo:
    """Where everything lies, and how good it is."""

    folder: Path
    data: Path
    run: Path
    sheet: Path
    interpolation: Path
    quality: Evaluation
    report: Path
    balanced: Augmented
    training_sec: float
    images_per_sec: float

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(self).items()}
        return values | {"quality": self.quality.to_json(), "balanced": self.balanced.to_json()}


def run_demo(folder: Path, minutes: float = 1.0, seed: int = 0, observer: Observer | None = None) -> Demo:
    """Does it all into `folder`, which must not exist.

    The data are 5,000 handwritten digits, made imbalanced on purpose. Quality is measured against all 5,000, most of
    the rare digits among which the generator never saw, by a classifier trained on them alone.

    Raises:
        UserError: the folder exists, or the package with the digits is missing.
    """
    require_absent(folder)
    observer = observer or Observer()
    observer.stage("Opening 5,000 handwritten digits, and making them imbalanced")
    images, labels = demo_digits()
    names = tuple(COUNTS)
    few = imbalanced(images, labels, list(COUNTS.values()), seed)
    data = write_folder(few[0], few[1], names, folder / "data")
    source = open(data)
    config = recipe_config("auto", source.item, len(source), class_counts(source), Budget(minutes=minutes))
    run = Trainer(source, config, folder / "run", observer=observer).run()
    model = run.load()
    observer.stage("Drawing a sheet and an interpolation")
    sheet = generate(model, 100, folder / "samples.png", seed=seed)
    walk = generate(model, 10, folder / "interpolation.gif", seed=seed)
    observer.stage("Measuring against all 5,000 digits, by a classifier trained on them")
    report = folder / "report.html"
    quality = evaluate(model, (images, labels), count=2_000, seed=seed, html=report)
    assert isinstance(quality, Evaluation)
    write_json(folder / "quality.json", quality.to_json())
    observer.stage("Writing a balanced copy")
    balanced = augment(source, model, folder / "balanced", strategy="auto", seed=seed)
    result = run.result() or {}
    return Demo(
        folder=folder,
        data=data,
        run=run.path,
        sheet=sheet,
        interpolation=walk,
        quality=quality,
        report=report,
        balanced=balanced,
        training_sec=result["elapsed_sec"],
        images_per_sec=result["images_per_sec"],
    )
