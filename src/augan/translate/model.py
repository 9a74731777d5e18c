"""A trained translation: images in, images out, of any size."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from augan.checkpoint import find_checkpoint, read_tensors
from augan.core.config import from_dict
from augan.core.devices import choose_device
from augan.core.errors import UserError
from augan.core.files import read_json
from augan.core.item import ItemSpec, from_unit, to_unit
from augan.translate.config import TranslationConfig
from augan.translate.networks import build_generator

FORMAT = 1
KIND = "translation"
TILE = 512
OVERLAP = 64
PIXELS = {"cpu": 8 * 64 * 64}
MANY_PIXELS = 64 * 64 * 64
"""About so many pixels go through the generator at once: on processors, few enough for their caches."""


class TranslationModel:
    """Generators of one or both directions, in evaluation mode.

    Attributes:
        directions: which can be asked for, 'a2b' or 'b2a'; items: what sides 'a' and 'b' are.
        paired: whether it learnt from pairs.
    """

    paired = True

    def __init__(self, generators: dict[str, nn.Module], a: ItemSpec, b: ItemSpec, device: torch.device | str = "cpu"):
        self.device = torch.device(device)
        self.generators = {
            name: module.to(self.device).eval().requires_grad_(False) for name, module in generators.items()
        }
        self.items = {"a": a, "b": b}
        self.directions = tuple(self.generators)

    @property
    def hash(self) -> str:
        """SHA-256 over names and values of the weights."""
        digest = hashlib.sha256()
        for direction, module in sorted(self.generators.items()):
            for name, value in sorted(module.state_dict().items()):
                digest.update(f"{direction}.{name}".encode())
                digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    def direction(self, wanted: str | None) -> str:
        """The direction, or the only one where none is given.

        Raises:
            UserError: the model does not go there, or goes both ways and none is given.
        """
        if wanted is None:
            if len(self.directions) > 1:
                raise UserError("This model goes both ways: give the direction, a2b or b2a.")
            return self.directions[0]
        if wanted not in self.directions:
            raise UserError(f"This model does not go {wanted}: {' and '.join(self.directions)} only.")
        return wanted

    def translate(
        self, images: UInt8[np.ndarray, "n h w c"], direction: str | None = None
    ) -> UInt8[np.ndarray, "n h w d"]:
        """Images of any size, (n, h, w, c) uint8, to those of the other side, (n, h, w, d) uint8.

        Sides that the generator cannot halve often enough are padded by reflection, and the result is cut again. Images
        larger than 512 pixels go through in tiles that overlap by 64 and are blended. Each image is translated on its
        own: what it becomes does not depend on those beside it.

        Raises:
            UserError: other channels than the side has, a direction that the model does not go.
        """
        way = self.direction(direction)
        wanted = self.items[way[0]].channels
        if images.ndim != 4 or images.shape[3] != wanted:
            raise UserError(f"Images (n, h, w, {wanted}) are expected, got {tuple(images.shape)}.")
        target = self.items[way[2]].channels
        most = PIXELS.get(self.device.type, MANY_PIXELS)
        count = max(1, most // max(1, images.shape[1] * images.shape[2]))
        parts = [np.empty((0, *images.shape[1:3], target), np.uint8)]
        for start in range(0, len(images), count):
            parts.append(from_unit(self._whole(to_unit(images[start : start + count]), way)))
        return np.concatenate(parts)

    @torch.no_grad()
    def _whole(self, images: Float[Tensor, "n c h w"], way: str) -> Float[Tensor, "n d h w"]:
        height, width = images.shape[2:]
        if max(height, width) <= TILE:
            return self._padded(images, way)
        result = torch.zeros(len(images), self.items[way[2]].channels, height, width)
        weights = torch.zeros(1, 1, height, width)
        for top in _starts(height):
            for left in _starts(width):
                part = images[:, :, top : top + TILE, left : left + TILE]
                mask = _ramp(part.shape[2])[:, None] * _ramp(part.shape[3])
                result[:, :, top : top + TILE, left : left + TILE] += self._padded(part, way) * mask
                weights[:, :, top : top + TILE, left : left + TILE] += mask
        return result / weights

    def _padded(self, images: Float[Tensor, "n c h w"], way: str) -> Float[Tensor, "n d h w"]:
        generator = self.generators[way]
        height, width = images.shape[2:]
        images = padded(images, int(generator.multiple))  # type: ignore[arg-type]
        made: Tensor = generator(images.to(self.device)).float().cpu()
        return made[:, :, :height, :width]

    def contract(self, config: dict[str, Any]) -> dict[str, Any]:
        """What model.json holds."""
        items = {side: item.to_json() for side, item in self.items.items()}
        return {"format": FORMAT, "kind": KIND, "items": items, "directions": list(self.directions), "config": config}

    def tensors(self) -> dict[str, Tensor]:
        """All weights by name."""
        return {
            f"{direction}.{name}": value
            for direction, module in self.generators.items()
            for name, value in module.state_dict().items()
        }


def _starts(side: int) -> list[int]:
    if side <= TILE:
        return [0]
    return [*range(0, side - TILE, TILE - OVERLAP), side - TILE]


def _ramp(side: int) -> Tensor:
    """Weights that fall towards the borders of a tile."""
    distance = torch.minimum(torch.arange(side), torch.arange(side - 1, -1, -1)) + 1.0
    return (distance / OVERLAP).clamp(max=1.0)


def padded(images: Float[Tensor, "n c h w"], multiple: int) -> Float[Tensor, "n c H W"]:
    """Padded at the bottom and at the right by reflection to multiples, as often as it takes."""
    for axis in (2, 3):
        wanted = -(-images.shape[axis] // multiple) * multiple
        if images.shape[axis] == 1:
            images = images.repeat_interleave(wanted, axis)
        while images.shape[axis] < wanted:
            step = min(wanted - images.shape[axis], images.shape[axis] - 1)
            images = F.pad(images, (0, 0, 0, step) if axis == 2 else (0, step, 0, 0), mode="reflect")
    return images


def load_translation(path: Path | str, *, which: str = "best", device: str = "cpu") -> TranslationModel:
    """The translation of a run folder or a checkpoint folder.

    Raises:
        UserError: no checkpoint there, damaged files, or a model of another kind.
    """
    checkpoint = find_checkpoint(Path(path), which)
    contract = read_json(checkpoint / "model.json")
    if not isinstance(contract, dict) or contract.get("kind") != KIND or contract.get("format") != FORMAT:
        raise UserError(f"{path} is not a translation. `augan translate train` makes one.")
    items = {side: ItemSpec.from_json(value) for side, value in contract["items"].items()}
    config = from_dict(TranslationConfig, contract["config"])
    tensors = read_tensors(checkpoint / "model.safetensors")
    generators = {}
    with torch.random.fork_rng(devices=[]):
        for direction in contract["directions"]:
            module = build_generator(config, items[direction[0]], items[direction[2]])
            start = f"{direction}."
            own = {key.removeprefix(start): value for key, value in tensors.items() if key.startswith(start)}
            try:
                module.load_state_dict(own)
            except RuntimeError as error:
                raise UserError(f"{checkpoint}/model.safetensors does not fit the generator: {error}") from error
            generators[direction] = module
    model = TranslationModel(generators, items["a"], items["b"], choose_device(device))
    model.paired = config.paired
    return model
