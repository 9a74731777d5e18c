"""A translation's generator as files for other runtimes, each compared with the model before it is kept."""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from augan.core.errors import UserError
from augan.core.files import atomic_file
from augan.core.version import __version__
from augan.export import LEVELS, Exported, Form, checked, require_writer, session_of, targets_of, write_graph
from augan.translate.model import TranslationModel

INPUT = "source"
TIMED = 3


class _Portable(nn.Module):
    """Images (b, c, h, w) in [-1, 1], sides multiples of the generator's, to (b, d, h, w) in [-1, 1]."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        made: Tensor = self.generator(images)
        return made.float().clamp(-1, 1)


def export_translation(
    model: TranslationModel,
    *,
    onnx: Path | str | None = None,
    program: Path | str | None = None,
    direction: str | None = None,
) -> Exported:
    """Writes one direction as an ONNX file and as an exported program: `source` to `images`, (b, c, h, w) in [-1, 1].

    Batches may be of any size, and sides of any multiple of what the file's metadata (`multiple`) say. Tiles and
    padding, by which `TranslationModel.translate` takes any picture, are the caller's.

    Raises:
        UserError: nothing is asked for, a file exists, a library is missing, a direction that the model does not go, a
            generator of the family style, whose layers know the size of their picture.
        AuganError: a file's images differ from PyTorch's by more than 1e-4; it was not kept.
    """
    targets = targets_of(onnx, program, int8=False)
    if onnx is not None:
        require_writer()
    way = model.direction(direction)
    generator = copy.deepcopy(model.generators[way]).cpu().eval()
    multiple = int(generator.multiple)  # type: ignore[arg-type]
    channels = model.items[way[0]].channels
    portable = _Portable(generator)
    traced = _traced(portable, channels, multiple)
    forms = [_form("PyTorch", portable, portable, (channels, multiple), None)]
    described = {
        "direction": way,
        "a": model.items["a"].to_json(),
        "b": model.items["b"].to_json(),
        "multiple": multiple,
        "translation": model.hash,
        "augan": __version__,
    }
    for name, path in targets.items():
        with atomic_file(path) as temporary:
            if name == "program":
                torch.export.save(traced, temporary)
                made: Any = torch.export.load(temporary).module()
            else:
                write_graph(traced, temporary, [INPUT], described)
                made = _computed_by(session_of(temporary.read_bytes()))
            form = _form(name, made, portable, (channels, multiple), temporary)
            checked(form)
        forms.append(replace(form, path=str(path)))
    return Exported(forms=tuple(forms), threads=torch.get_num_threads())


def _traced(portable: _Portable, channels: int, multiple: int) -> Any:
    """The exported program, for any batch and any whole number of multiples."""
    sides = (_side(multiple, 2), _side(multiple, 3))
    batch, rows, columns = torch.export.Dim("batch"), torch.export.Dim("rows"), torch.export.Dim("columns")
    shapes = ({0: batch, 2: multiple * rows, 3: multiple * columns},)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            return torch.export.export(portable, (torch.zeros(2, channels, *sides),), dynamic_shapes=shapes)
        except (RuntimeError, TypeError) as error:
            raise UserError(
                "This generator cannot be exported: its layers know the size of their picture (recipe sincut). Use "
                "`augan translate apply`, or train with another recipe."
            ) from error


def _side(multiple: int, times: int) -> int:
    """At least 32 pixels, and not the same for height and width: neither is to be taken for a constant."""
    return multiple * max(times, 32 // multiple + times)


def _computed_by(session: Any) -> Callable[[Tensor], Tensor]:
    return lambda images: torch.from_numpy(session.run(["images"], {INPUT: images.numpy()})[0])


@torch.no_grad()
def _form(name: str, made: Any, portable: _Portable, shape: tuple[int, int], path: Path | None) -> Form:
    """Size, speed and differences from PyTorch, over two sizes of pictures and of batches."""
    channels, multiple = shape
    random, apart = np.random.default_rng(0), []
    examples = [
        torch.from_numpy(random.uniform(-1, 1, (count, channels, _side(multiple, rows), _side(multiple, columns))))
        for count, rows, columns in ((1, 3, 2), (3, 1, 4))
    ]
    for example in examples:
        images = example.float()
        apart.append((made(images) - portable(images)).abs().flatten())
    taken: list[float] = []
    images = examples[1].float()
    for _ in range(TIMED):
        start = time.perf_counter()
        made(images)
        taken.append(time.perf_counter() - start)
    return Form(
        name=name,
        path=None if path is None else str(path),
        size_bytes=sum(value.nbytes for value in portable.state_dict().values())
        if path is None
        else path.stat().st_size,
        images_per_sec=len(images) / sorted(taken)[TIMED // 2],
        largest_difference=max(float(part.max()) for part in apart),
        mean_levels=LEVELS * float(torch.cat(apart).mean()),
    )
