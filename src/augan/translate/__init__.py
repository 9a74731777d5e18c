"""From image to image: paired and unpaired translation.

import augan

run = augan.translate.train("masks/", "photos/", paired=True, minutes=15)
model = augan.translate.load(run.path)
photos = model.translate(masks)  # (n, h, w, c) uint8, any size
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from augan.checkpoint import Run
from augan.core.config import from_dict, override
from augan.core.errors import UserError
from augan.core.files import require_absent
from augan.core.world import join
from augan.training import Sink
from augan.translate.config import RECIPES, TranslationConfig, translation_config
from augan.translate.exporting import export_translation
from augan.translate.files import Translated, translate_files
from augan.translate.measure import Row, TranslationQuality, channels_like, measure_translation, two_sample_accuracy
from augan.translate.model import TranslationModel, load_translation
from augan.translate.sides import Sides, open_sides, open_single
from augan.translate.sounds import translate_wave
from augan.translate.trainer import Reading, TranslationTrainer

UNCHANGED = ("flip=false", "enlarge=1.0", "flip_equivariance=false")
SOUND_PAIRS = ("gain=true", "snr=30", "l1=30", "dropout=false", "norm=instance", "learning_rate=1e-3")
"""What pairs of sounds need (docs/experiments.md)."""
load = load_translation
apply = translate_files
export = export_translation

__all__ = [
    "RECIPES",
    "Reading",
    "Row",
    "Sides",
    "Translated",
    "TranslationConfig",
    "TranslationModel",
    "TranslationQuality",
    "TranslationTrainer",
    "apply",
    "channels_like",
    "export",
    "load",
    "measure_translation",
    "open_sides",
    "open_single",
    "train",
    "translate_files",
    "translate_wave",
    "translation_config",
    "two_sample_accuracy",
]


def train(
    a: Any,
    b: Any = None,
    *,
    paired: bool | None = None,
    recipe: str | None = None,
    direction: str | None = None,
    minutes: float | None = None,
    images: int | None = None,
    out: Path | str,
    size: int | str | None = None,
    published: bool = False,
    settings: Sequence[str] = (),
    seed: int = 0,
    device: str = "auto",
    resume: bool = False,
    tell: Callable[[Reading], None] = lambda reading: None,
    should_stop: Callable[[], bool] = lambda: False,
    sinks: Sequence[Sink] = (),
) -> Run:
    """Trains a translation between two sides into the run folder `out`.

    Args:
        a, b: whatever `augan.open` takes; without `b`, an .npz with arrays a and b, or images with both sides beside
            one another; for sincut one picture each.
        paired: whether images belong together; None: as the recipe has it, else if there is no `b`.
        recipe: pix2pix, cyclegan, cut, fastcut or sincut; None: pix2pix for pairs, cut for others.
        direction: a2b, b2a; cyclegan goes both ways.
        minutes, images: the budget; 5 minutes if none is given.
        published: the papers' sizes instead of those for a processor.
        settings: 'key=value' changes of `TranslationConfig`.
        resume: go on with the run in `out`, with its own settings; `minutes` or `images` extend its budget.
        sinks: loggers of your own, beside those of the setting `log` (`augan.training.Sink`).

    Raises:
        UserError: sides, settings or folder do not do; nothing was overwritten.
        Interrupted: stopped and saved.
    """
    folder, world = Path(out), join()

    def resumed() -> TranslationConfig:
        config = from_dict(TranslationConfig, Run(folder).config)
        budget = {"minutes": minutes, "images": images}
        if any(value is not None for value in budget.values()):
            config = override(config, [f"{name}={'null' if v is None else v}" for name, v in budget.items()])
        return override(config, settings)

    def chosen(paired: bool | None = paired) -> TranslationConfig:
        require_absent(folder, "Go on with it by --resume, or choose another --out.")
        if paired is None:
            paired = b is None if recipe is None else RECIPES[recipe]()["paired"] if recipe in RECIPES else True
        name = recipe or ("pix2pix" if paired else "cut")
        config = translation_config(
            name, published=published, direction=direction, minutes=minutes, images=images, seed=seed, device=device
        )
        config = override(config, settings)
        if config.paired != paired:
            raise UserError(
                f"{name} is for {'pairs' if config.paired else 'unpaired images'}. Choose another --recipe."
            )
        return config

    config = world.decided(resumed if resume else chosen)
    if config.crop:
        sides = world.in_turn(lambda: open_single(a, b, size=size))
    else:
        sides = world.in_turn(lambda: open_sides(a, b, paired=config.paired, size=size))
    if sides.item("a").sound is not None and not resume:  # a sound backwards, or cut, is another sound
        own = UNCHANGED + (SOUND_PAIRS if config.paired else ())
        config = override(override(config, own), settings)
    trainer = TranslationTrainer(sides, config, folder, tell=tell, should_stop=should_stop, world=world, sinks=sinks)
    return trainer.run(resume)
