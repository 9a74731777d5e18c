"""How data is read and played with: from arguments and settings to an opened source and a configuration."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from augan.checkpoint import Model, Run, find_checkpoint, load_item
from augan.checkpoint.tables import TableModel
from augan.core.config import from_dict, override
from augan.core.errors import UserError
from augan.data import SoundReading, Source, class_counts, open
from augan.recipes import READINGS, Budget, recipe_config
from augan.training import DataConfig, RunConfig

SHARED = ("name", "latent_size", "width", "widest", "blocks", "mapping", "conditioning")
"""Settings of networks that decide whether weights fit."""


def resolve(
    data: Any,
    *,
    minutes: float | None = None,
    images: int | None = None,
    recipe: str = "auto",
    settings: Sequence[str] = (),
    size: int | str | None = None,
    strict: bool = False,
    seed: int = 0,
    device: str = "auto",
    processes: int = 1,
    start: Path | str | None = None,
    kind: str | None = None,
    label: str | None = None,
) -> tuple[Source, RunConfig]:
    """The opened data and the configuration that `train` would use; nothing is trained.

    Raises:
        UserError: data that cannot be opened, an unknown recipe or setting, two budgets.
    """
    reading = reading_of((*READINGS.get(recipe, ()), *settings), size, strict, kind, label)
    source = open_reading(data, reading)
    budget = Budget(minutes=minutes, images=images, processes=processes)
    config = recipe_config(recipe, source.item, len(source), class_counts(source), budget, device)
    own: dict[str, Any] = {} if start is None else _like_start(Path(start), source.item.kind)
    own |= {
        "seed": seed,
        "training.device": device,
        "data.size": reading.size,
        "data.kind": reading.kind,
        "data.frames": reading.frames,
        "data.frames_per_sec": reading.frames_per_sec,
        "data.step": reading.step,
        "data.label": reading.label,
        "data.strict": reading.strict,
        "data.min_images_per_class": reading.min_images_per_class,
        "data.form": reading.form,
        **{f"data.{name}": value for name, value in asdict(reading.windowing).items()},
    }
    config = override(config, [f"{key}={json.dumps(value)}" for key, value in own.items()])
    config = override(config, settings)
    path = str(data) if isinstance(data, str | Path) else None
    return source, override(config, [f"data.path={json.dumps(path)}"])


def _like_start(start: Path, kind: str) -> dict[str, Any]:
    """The networks of a run whose weights are to be taken; of another kind of item, what does not name a family."""
    checkpoint = find_checkpoint(start)
    run = Run(checkpoint if (checkpoint / "config.json").exists() else checkpoint.parents[1])
    theirs = run.config["networks"]
    if kind != load_item(checkpoint).kind:
        theirs = {name: theirs[name] for name in ("latent_size", "width")}
    return {"start": str(start)} | {f"networks.{name}": value for name, value in theirs.items() if name in SHARED}


def reading_of(
    settings: Sequence[str],
    size: int | str | None,
    strict: bool,
    kind: str | None = None,
    label: str | None = None,
) -> DataConfig:
    """How the data is to be read: needed before there is a recipe. Settings win over arguments."""
    given = DataConfig(size=None if size is None else str(size), strict=strict, kind=kind, label=label)
    wanted = [text for text in settings if text.strip().startswith("data.")]
    return override(RunConfig(data=given), wanted).data


def reading_for(
    model: Model | None, settings: Sequence[str], size: int | str | None, strict: bool, label: str | None
) -> DataConfig:
    """How data is read to which a model's items are added."""
    if isinstance(model, TableModel):
        label = model.spec.label
    elif model is not None and size is None and model.item.sound is None:
        size = f"{model.item.height}x{model.item.width}"
    reading = reading_of(settings, size, strict, label=label)
    if model is not None and model.item.frames is not None:
        reading = replace(reading, frames=model.item.frames, kind="video")
    return reading


def open_reading(data: Any, reading: DataConfig) -> Source:
    return open(
        data,
        size=reading.size,
        strict=reading.strict,
        min_images_per_class=reading.min_images_per_class,
        stream=reading.stream,
        kind=reading.kind,
        sound=SoundReading(rate_hz=reading.rate_hz, seconds=reading.seconds, form=reading.form),
        cutting=reading.cutting,
        windowing=reading.windowing,
        label=reading.label,
    )


def open_by(
    data: Any,
    settings: Sequence[str] = (),
    *,
    size: int | str | None = None,
    strict: bool = False,
    kind: str | None = None,
    label: str | None = None,
) -> Source:
    """Data as a run with these settings, such as `data.frames=8`, would read it.

    Raises:
        UserError: a wrong setting, or see `augan.open`.
    """
    return open_reading(data, reading_of(settings, size, strict, kind, label))


def resolve_resumed(
    data: Any,
    out: Path | str | None,
    minutes: float | None = None,
    images: int | None = None,
    settings: Sequence[str] = (),
    device: str = "auto",
) -> tuple[Source, RunConfig]:
    """The opened data and the configuration with which `train(resume=True)` would go on.

    Raises:
        UserError: `out` is not a run, the data cannot be opened, a wrong setting.
    """
    config = resumed_config(out, minutes, images, settings, device)
    return open_reading(data, config.data), config


def resumed_config(
    out: Path | str | None, minutes: float | None, images: int | None, settings: Sequence[str], device: str
) -> RunConfig:
    if out is None:
        raise UserError("Say which run to resume: --out RUN.")
    config = from_dict(RunConfig, Run(out).config)
    budget = {"training.minutes": minutes, "training.images": images}
    if any(value is not None for value in budget.values()):
        changes = [f"{key}={'null' if value is None else value}" for key, value in budget.items()]
        config = override(config, changes)
    config = override(config, settings)
    if device != "auto":
        config = override(config, [f"training.device={device}"])
    return config
