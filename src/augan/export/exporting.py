"""A model as files for other runtimes, each compared with the model before it is kept."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from augan.checkpoint import Model
from augan.core.errors import AuganError, UserError
from augan.core.files import atomic_file, require_absent
from augan.data import Source, cache_folder
from augan.data import open as open_data
from augan.export.onnx import load_onnx, require_writer, save_onnx
from augan.export.program import save_program, trace
from augan.export.quantise import quantise
from augan.metrics import LEAST_IMAGES
from augan.training.quality import QualityMeter

TOLERANCE = 1e-4
"""Largest difference from PyTorch's images, whose values lie in [-1, 1]."""
LEVELS = 127.5
"""Steps of an 8-bit image in one unit of these values."""
PACE_SEC = 1.0


@dataclass(frozen=True, kw_only=True)
class Form:
    """One form of a generator: as PyTorch has it, or as a file.

    Attributes:
        name: PyTorch, program, ONNX or int8.
        path: the file; None for PyTorch.
        size_bytes: of the file; for PyTorch of its weights.
        images_per_sec: in batches of `Model.block` images, on `threads` threads.
        largest_difference: from PyTorch's images, in [-1, 1], over batches of 1, 3 and `Model.block` images.
        mean_levels: the mean of the same, in steps of an 8-bit image (0 to 255).
        frechet: Fréchet distance from the data in the data's own feature space; None where no data was given.
    """

    name: str
    path: str | None
    size_bytes: int
    images_per_sec: float
    largest_difference: float
    mean_levels: float
    frechet: float | None = None


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written, PyTorch's own form first."""

    forms: tuple[Form, ...]
    threads: int
    measured_images: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def export_model(
    model: Model,
    *,
    onnx: Path | str | None = None,
    program: Path | str | None = None,
    int8: bool = False,
    against: Any = None,
    count: int = 1_000,
) -> Exported:
    """Writes a model as an ONNX file, as an exported program, and as an ONNX file of 8 bits.

    Args:
        model: of `augan.load`.
        onnx: where to write the ONNX file; what onnxruntime makes of it is compared with PyTorch first.
        program: where to write the exported program (.pt2), likewise.
        int8: also write `NAME-int8.onnx` beside the ONNX file.
        against: the real data: then Fréchet distances of PyTorch's images and of the 8-bit file's are measured.
        count: images for that measure.

    Raises:
        UserError: nothing is asked for, a file exists, a library is missing, other data than the model makes.
        AuganError: a file's images differ from PyTorch's by more than 1e-4; it was not kept.
    """
    targets = targets_of(onnx, program, int8)
    if onnx is not None:
        require_writer()
    source = None if against is None else _open_like(model, against)
    model = Model(model.generator, model.item)  # files are compared and timed on the processor
    traced = trace(model)
    forms = [_form("PyTorch", model, model, None)]
    for name, path in targets.items():
        with atomic_file(path) as temporary:
            found = _written(name, temporary, traced, model, targets)
            form = _form(name, found, model, temporary)
            if name != "int8":
                checked(form)
        forms.append(replace(form, path=str(path)))
    threads = torch.get_num_threads()
    if source is None:
        return Exported(forms=tuple(forms), threads=threads)
    count = max(LEAST_IMAGES, count)
    return Exported(forms=_measured(forms, model, source, count), threads=threads, measured_images=count)


def _written(name: str, path: Path, traced: Any, model: Model, targets: dict[str, Path]) -> Model:
    """Writes one form to `path`, and reads it back."""
    if name == "program":
        save_program(traced, path)
        return Model(_Program(torch.export.load(path), model), model.item)
    if name == "ONNX":
        save_onnx(traced, model, path)
    else:
        quantise(targets["ONNX"], model, path)
    return load_onnx(path)


def targets_of(onnx: Path | str | None, program: Path | str | None, int8: bool) -> dict[str, Path]:
    """The files to write, by the name of their form."""
    targets = {}
    for name, path, ending in (("program", program, ".pt2"), ("ONNX", onnx, ".onnx")):
        if path is not None:
            targets[name] = Path(path)
            if targets[name].suffix.lower() != ending:
                raise UserError(f"--{name.lower()} {path}: the name must end in {ending}.")
    if int8:
        if onnx is None:
            raise UserError("--int8 is made from the ONNX file: say also where that goes, --onnx FILE.")
        targets["int8"] = targets["ONNX"].with_name(f"{targets['ONNX'].stem}-int8.onnx")
    if not targets:
        raise UserError("Nothing to export: say --onnx FILE.onnx or --program FILE.pt2, or both.")
    for path in targets.values():
        require_absent(path, "Choose another name, or remove it first.")
    return targets


def _open_like(model: Model, against: Any) -> Source:
    """The data at the model's size; raises UserError unless the model could have learnt from it."""
    source = open_data(against, size=f"{model.item.height}x{model.item.width}")
    if source.item.shape != model.item.shape:
        raise UserError(
            f"{source.name} has items of shape {source.item.shape}, and the model makes {model.item.shape}."
        )
    if model.conditional and source.item.class_names != model.item.class_names:
        raise UserError(f"{source.name} has other classes than the model was trained on. Measure against its own data.")
    return source


class _Program(torch.nn.Module):
    """An exported program with what `Model` asks of a generator."""

    def __init__(self, program: Any, model: Model) -> None:
        super().__init__()
        self.latent_size, self.classes = model.latent_size, model.item.classes if model.conditional else 0
        self._module = program.module()

    def train(self, mode: bool = True) -> _Program:
        """A program has no modes: it was traced for evaluation."""
        return self

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        images: torch.Tensor = self._module(*inputs)
        return images


def _form(name: str, found: Model, model: Model, path: Path | None) -> Form:
    """Size, speed and differences from `model` of one form."""
    worst, levels = (0.0, 0.0) if path is None else differences(found, model)
    weights = sum(value.nbytes for value in model.generator.state_dict().values())
    return Form(
        name=name,
        path=None if path is None else str(path),
        size_bytes=weights if path is None else path.stat().st_size,
        images_per_sec=pace(found),
        largest_difference=worst,
        mean_levels=levels,
    )


def checked(form: Form) -> None:
    """Raises AuganError if a file's images differ from PyTorch's by more than is allowed."""
    if not form.largest_difference <= TOLERANCE:
        raise AuganError(
            f"The images of the {form.name} differ from PyTorch's by {form.largest_difference:.2g}, and {TOLERANCE:g} "
            "is allowed. The file was not kept."
        )


def differences(found: Model, model: Model) -> tuple[float, float]:
    """The largest difference between two models' images in [-1, 1], and the mean one in levels of 8 bits."""
    apart = []
    for count in (1, 3, model.block):
        latents, labels = model.latents(count), model.labels(count)
        apart.append((found.decode(latents, labels) - model.decode(latents, labels)).abs())
    return max(float(part.max()) for part in apart), LEVELS * float(
        torch.cat([part.flatten() for part in apart]).mean()
    )


def pace(model: Model, seconds: float = PACE_SEC) -> float:
    """Images a second, in batches of `Model.block`, after one to warm up: the median batch of about `seconds`."""
    latents, labels = model.latents(model.block), model.labels(model.block)
    model.decode(latents, labels)
    taken: list[float] = []
    while sum(taken) < seconds or len(taken) < 3:
        start = time.perf_counter()
        model.decode(latents, labels)
        taken.append(time.perf_counter() - start)
    return model.block / sorted(taken)[len(taken) // 2]


def _measured(forms: list[Form], model: Model, source: Source, count: int) -> tuple[Form, ...]:
    """With Fréchet distances: of PyTorch's form and of those that are allowed to differ."""
    meter = QualityMeter(source, cache_folder())
    found = []
    for form in forms:
        other = model if form.name == "PyTorch" else load_onnx(str(form.path)) if form.name == "int8" else None
        found.append(form if other is None else replace(form, frechet=meter.measure(other, count).frechet))
    return tuple(found)
