"""A generator as one traced graph, without augan's code: what `torch.export` saves and other runtimes take up."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from augan.checkpoint import Model

OUTPUT = "images"


class Portable(nn.Module):
    """What `Model.decode` computes: the generator, and its images limited to [-1, 1].

    Called with latents (b, latent_size) float32 ~ N(0, I) and, where the generator is conditional, labels (b,) int64.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.generator = model.generator

    def forward(
        self, latents: Float[Tensor, "b d"], labels: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b c *grid"]:
        images: Tensor = self.generator(latents) if labels is None else self.generator(latents, labels)
        return images.float().clamp(-1, 1)


def input_names(model: Model) -> list[str]:
    """What the traced graph is called with, in order."""
    return ["latents", "labels"] if model.conditional else ["latents"]


def trace(model: Model) -> Any:
    """The exported program (`torch.export.ExportedProgram`) of a model, for batches of any size from 1 on."""
    count = 2  # not 1, which would be taken for a constant
    latents, labels = model.latents(count), model.labels(count)
    arguments = (latents,) if labels is None else (latents, labels)
    batch = torch.export.Dim("batch")
    shapes = tuple({0: batch} for _ in arguments)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", FutureWarning)  # of PyTorch at its own code
        on_processor = tuple(argument.to(model.device) for argument in arguments)
        return torch.export.export(Portable(model).eval(), on_processor, dynamic_shapes=shapes)


def save_program(program: Any, path: Path) -> None:
    """Writes a traced model as a .pt2 file, which `torch.export.load` reads without augan."""
    torch.export.save(program, path)
