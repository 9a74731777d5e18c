"""Half an hour on two processor cores: sheets of samples, with the nearest real picture under each of the last row's.

`python -m bench.pictures emoji flags` trains augan's `auto` on Twemoji's pictures by category, and on 200 flags.
Each sheet goes to docs/images/, each run's measures into the section `pictures` of docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import augan
from augan.core.files import read_json, write_json
from augan.core.item import from_unit, to_unit
from augan.core.pictures import sheet
from augan.data import Source, cache_folder
from augan.metrics import in_domain, nearest_neighbours
from augan.training import ConsoleObserver
from bench.report import machine, table, write_section
from bench.sets import emoji_flags, emoji_pictures

IMAGES = Path(__file__).parent.parent / "docs" / "images"
KEPT = Path(__file__).parent / "picture_runs"
COLUMNS = 10


@dataclass(frozen=True)
class Plan:
    """What is trained on, and what of the recipe is changed."""

    images: np.ndarray
    labels: np.ndarray | None
    names: tuple[str, ...]
    settings: tuple[str, ...] = ()

    def source(self) -> Source:
        """The data, opened."""
        return augan.open(self.images if self.labels is None else (self.images, self.labels))


def _emoji() -> Plan:
    images, labels, names = emoji_pictures()
    return Plan(images, labels, names)


def _flags() -> Plan:
    changes = ('game.adaptive=["flip", "translation", "cutout"]', "game.adaptive_images=50000")
    return Plan(emoji_flags(200), None, (), changes)


PLANS = {"emoji": _emoji, "flags": _flags}


def train(name: str, minutes: float) -> None:
    """Trains, draws the sheet, keeps the measures."""
    plan = PLANS[name]()
    source = plan.source()
    with tempfile.TemporaryDirectory() as folder:
        run = augan.train(
            source, minutes=minutes, out=Path(folder) / "run", settings=plan.settings, observer=ConsoleObserver()
        )
        model, quality, result = run.load(), run.quality() or {}, run.result() or {}
        config = run.config
    rows = len(plan.names) or 6
    classes = [label for label in range(rows) for _ in range(COLUMNS)] if plan.names else None
    images = from_unit(model.sample(rows * COLUMNS, classes))
    nearest = _nearest(source, images[-COLUMNS:])
    pictures = np.concatenate([images, nearest])
    labelled = [*plan.names, "nearest real ones"] if plan.names else [""] * rows + ["nearest"]
    IMAGES.mkdir(parents=True, exist_ok=True)
    sheet(pictures, COLUMNS, labelled if plan.names else None).save(IMAGES / f"{name}-samples.png", optimize=True)
    kept = {
        key: quality.get(key) for key in ("frechet", "precision", "recall", "agreement", "diversity", "near_copies")
    }
    document = {
        "data": name,
        "images": len(source),
        "minutes": minutes,
        "machine": machine(),
        "settings": list(plan.settings),
        "width": config["networks"]["width"],
        "images_per_sec": result["images_per_sec"],
        "images_seen": result["images_seen"],
        "quality": kept,
    }
    write_json(KEPT / f"{name}.json", document)
    print(json.dumps(document, indent=1))


def _nearest(source: Source, images: np.ndarray) -> np.ndarray:
    """For each sample the real picture that is nearest in the features of the data's own space."""
    space = in_domain.cached_extractor(source, source.key, cache_folder())
    real = source.items(np.arange(len(source)))
    found = nearest_neighbours(space.features(to_unit(images)), space.features(to_unit(real)))
    return real[found.indices[:, 0]]


def report() -> None:
    """Writes the section from the runs that are there."""
    rows = []
    for path in sorted((KEPT).glob("*.json")):
        found = read_json(path)
        quality = found["quality"]
        rows.append(
            [
                found["data"],
                found["images"],
                f"{found['minutes']:g}",
                found["width"],
                f"{found['images_seen']:,}",
                f"{found['images_per_sec']:.0f}",
                *(
                    "" if quality[key] is None else f"{quality[key]:.2f}"
                    for key in ("frechet", "precision", "recall", "agreement", "near_copies")
                ),
            ]
        )
    header = ["data", "pictures", "minutes", "width", "images seen", "images/s"]
    header += ["Fréchet", "precision", "recall", "agreement", "near copies"]
    body = [
        f"On {machine()}. {' '.join((__doc__ or '').split())} Measures are the run's own: of its best checkpoint, "
        "against the pictures that it learned from, in a feature space learned from them.",
        table(header, rows),
    ]
    write_section("pictures", "Half an hour of pictures", "\n\n".join(body))


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *PLANS], help="which; none: only write the section")
    parser.add_argument("--minutes", type=float, default=30.0)
    asked = parser.parse_args()
    for name in asked.names:
        train(name, asked.minutes)
    report()


if __name__ == "__main__":
    main()
