"""Which units of a generator draw what: maps of units against masks of the items (arXiv:1811.10597)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from augan.checkpoint import Model
from augan.core.errors import UserError
from augan.core.rng import derive
from augan.explain.attribution import MODES
from augan.explain.intake import render

Masks = Callable[[Tensor], Any]
"""Items (n, c, ...) in [-1, 1] to truth values of each place, (n, ...)."""
LEVELS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
SAMPLES = 128


@dataclass(frozen=True)
class Unit:
    """A unit and the mask that it fits best.

    Attributes:
        layer, unit: which.
        mask: the name of the mask.
        iou: of its map above a threshold with that mask, on samples by which neither threshold nor mask was chosen.
        chance: the same with the masks of other samples.
    """

    layer: str
    unit: int
    mask: str
    iou: float
    chance: float


def layers_with_maps(model: Model) -> list[str]:
    """Names of the generator's modules whose result has channels and more than one place, in order of their calls."""
    found: list[str] = []
    hooks = []
    for name, module in model.generator.named_modules():

        def hook(module: nn.Module, given: Any, result: Any, name: str = name) -> None:
            if name and isinstance(result, Tensor) and result.dim() >= 3 and min(result.shape[2:]) > 1:
                found.append(name)

        hooks.append(module.register_forward_hook(hook))
    try:
        with torch.no_grad():
            render(model, model.latents(1), model.labels(1))
    finally:
        for entry in hooks:
            entry.remove()
    return list(dict.fromkeys(found))


def dissect(
    model: Model, masks: Mapping[str, Masks], layer: str, *, samples: int = SAMPLES, seed: int = 0
) -> list[Unit]:
    """Every unit of a layer with the mask that it fits best, best first.

    A unit's map is enlarged to the item's size and cut at a quantile of its values, of six, that fits a mask best on
    one half of the samples; the other half gives the IoU.

    Args:
        masks: by name, functions of items to truth values.
        layer: one of `layers_with_maps`.

    Raises:
        UserError: an unknown layer, no mask, or masks of another shape.
    """
    known = layers_with_maps(model)
    if layer not in known:
        raise UserError(f"The generator has no maps at '{layer}'. It has some at {', '.join(known)}.")
    if not masks:
        raise UserError("Dissection needs at least one mask: a function of items (n, c, ...) to truth values (n, ...).")
    maps, items = _maps(model, layer, samples, seed)
    truth = torch.stack([_mask(name, mask, items) for name, mask in masks.items()])
    half = samples // 2
    names = list(masks)
    result = []
    for unit in range(maps.shape[1]):
        values = maps[:, unit].flatten(1)
        cuts = torch.quantile(values[:half].flatten()[:1_000_000].float(), torch.tensor(LEVELS))
        fits = torch.stack([_iou(values[:half] > cut, truth[:, :half]) for cut in cuts])
        level, mask = divmod(int(fits.argmax()), len(names))
        on = values[half:] > cuts[level]
        own = truth[mask : mask + 1, half:]
        result.append(Unit(layer, unit, names[mask], float(_iou(on, own)[0]), float(_iou(on, own.roll(1, dims=1))[0])))
    return sorted(result, key=lambda entry: -entry.iou)


@torch.no_grad()
def _maps(model: Model, layer: str, samples: int, seed: int) -> tuple[Float[Tensor, "n u *places"], Tensor]:
    kept: list[Tensor] = []
    module = model.generator.get_submodule(layer)
    hook = module.register_forward_hook(lambda module, given, result: kept.append(result.float().cpu()))
    latents, labels = model.latents(samples, derive(seed, "dissection")), model.labels(samples)
    items, enlarged = [], []
    try:
        for rows in torch.arange(samples).split(64):
            kept.clear()
            made = render(model, latents[rows], None if labels is None else labels[rows]).clamp(-1, 1).cpu()
            items.append(made)
            size = tuple(made.shape[2:])
            enlarged.append(F.interpolate(kept[0], size=size, mode=MODES[len(size)], align_corners=False))
    finally:
        hook.remove()
    return torch.cat(enlarged), torch.cat(items)


def _mask(name: str, mask: Masks, items: Tensor) -> Bool[Tensor, "n p"]:
    values = torch.as_tensor(np.asarray(mask(items)))
    if values.shape != (len(items), *items.shape[2:]):
        raise UserError(
            f"The mask '{name}' has shape {tuple(values.shape)}; {(len(items), *items.shape[2:])} is expected."
        )
    return values.bool().flatten(1)


def _iou(on: Bool[Tensor, "n p"], truth: Bool[Tensor, "m n p"]) -> Float[Tensor, " m"]:
    both, either = (on & truth).sum((1, 2)), (on | truth).sum((1, 2))
    return both.float() / either.clamp_min(1).float()
