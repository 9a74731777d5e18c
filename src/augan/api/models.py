"""What has been trained: loaded, made use of, exported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, overload

from torch import nn

from augan import text
from augan.apply import generate as _generate
from augan.checkpoint import Model, load_model
from augan.checkpoint.series import SeriesModel
from augan.checkpoint.tables import TableModel
from augan.explain import OpenModel
from augan.export import Exported
from augan.export import export_model as _export_model


@overload
def load(run: Path | str, *, generator: nn.Module, which: str = "best", device: str = "cpu") -> OpenModel: ...
@overload
def load(run: Path | str, *, generator: None = None, which: str = "best", device: str = "cpu") -> Any: ...
def load(run: Path | str, *, generator: nn.Module | None = None, which: str = "best", device: str = "cpu") -> Any:
    """The model of a run folder or checkpoint folder; see `augan.checkpoint.load_model`. Of text a `TextModel`."""
    if generator is None and text.is_text_run(run):
        return text.load(run, which=which, device=device)
    model = load_model(run, generator=generator, which=which, device=device)
    return model if isinstance(model, TableModel | SeriesModel) else OpenModel.of(model)


def generate(
    model: Model | text.TextModel,
    count: int,
    out: Path | str,
    *,
    classes: Sequence[str | int] | None = None,
    truncation: float = 1.0,
    seed: int = 0,
    tick: Callable[[int], None] = lambda done: None,
    **own: Any,
) -> Path:
    """Writes `count` items to `out`: see `augan.apply.generate` and, of sentences, `augan.text.generate_text`.

    `truncation` is the temperature of sentences, which may also be above 1. `own`: what rows (`where`) and clips
    (`frames`, `fps`, `grid`) have beside.
    """
    if isinstance(model, text.TextModel):
        return text.generate(model, count, out, classes=classes, temperature=truncation, seed=seed, tick=tick)
    return _generate(model, count, out, classes=classes, truncation=truncation, seed=seed, tick=tick, **own)


def export_model(
    run: Path | str | Model,
    *,
    onnx: Path | str | None = None,
    program: Path | str | None = None,
    int8: bool = False,
    against: Any = None,
    count: int = 1_000,
    which: str = "best",
) -> Exported:
    """Writes a run's generator (or a model) as files for other programs; see `augan.export.export_model`."""
    model = run if isinstance(run, Model) else load_model(run, which=which)
    return _export_model(model, onnx=onnx, program=program, int8=int8, against=against, count=count)
