"""What a direction does: attributes of items, how far each moves, and how much of one the direction decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from augan.checkpoint import Model
from augan.core.errors import UserError
from augan.explain.direction import Direction, coordinates, edit
from augan.explain.intake import decode

Attribute = Callable[[Tensor], Tensor]
STRENGTHS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
LATENTS = 64


def _axis(axis: int, spread: bool = False) -> Attribute:
    """Centre, or deviation, of what differs from an item's border, along one axis from the end; -0.5 to 0.5."""

    def measure(items: Tensor) -> Tensor:
        weight = _contrast(items)
        weight = weight.sum([dim for dim in range(1, weight.dim()) if dim != weight.dim() + axis])
        weight = weight / weight.sum(1, keepdim=True).clamp_min(1e-9)
        places = (torch.arange(weight.shape[1]) + 0.5) / weight.shape[1] - 0.5
        centre = (weight * places).sum(1)
        if not spread:
            return centre
        return (weight * (places - centre[:, None]).square()).sum(1).clamp_min(0).sqrt()

    return measure


def _contrast(items: Tensor) -> Tensor:
    """(n, ...) without channels: difference from the median value of each channel, which stands for background."""
    middle = items.flatten(2).median(2).values
    return (items - middle.reshape(*middle.shape, *[1] * (items.dim() - 2))).abs().mean(1)


def _warmth(items: Tensor) -> Tensor:
    return (items[:, 0] - items[:, 2]).flatten(1).mean(1)


def _saturation(items: Tensor) -> Tensor:
    return (items[:, :3].amax(1) - items[:, :3].amin(1)).flatten(1).mean(1)


def _detail(items: Tensor) -> Tensor:
    return items.diff(dim=-1).abs().flatten(1).mean(1)


ATTRIBUTES: dict[str, Attribute] = {
    "brightness": lambda items: items.flatten(1).mean(1),
    "contrast": lambda items: items.flatten(1).std(1),
    "detail": _detail,
    "left to right": _axis(-1),
    "top to bottom": _axis(-2),
    "spread": _axis(-1, spread=True),
    "warmth": _warmth,
    "saturation": _saturation,
}
"""Numbers that any picture has, (n, c, ...) in [-1, 1] -> (n,). Warmth (red less blue) and saturation need colours."""


def attributes_for(channels: int, dimensions: int = 2) -> dict[str, Attribute]:
    """Those that items with so many channels, and axes behind them, have."""
    names = [name for name in ATTRIBUTES if channels >= 3 or name not in ("warmth", "saturation")]
    return {name: ATTRIBUTES[name] for name in names if dimensions >= 2 or name != "top to bottom"}


def responses(
    model: Model,
    direction: Direction,
    attributes: Mapping[str, Attribute],
    *,
    strengths: Sequence[float] = STRENGTHS,
    latents: int = LATENTS,
    seed: int = 0,
) -> Float[np.ndarray, "n s a"]:
    """Attributes of `latents` samples moved along a direction to each strength, from the middle: where a sample lies
    along the direction by itself is taken away first.

    Raises:
        UserError: an attribute gives another shape than (n,).
    """
    codes, labels = model.latents(latents, seed), model.labels(latents)
    own = coordinates(model, codes, direction, labels)
    columns = []
    for strength in strengths:
        items = edit(model, codes, direction, strength - own, labels)
        columns.append(np.stack([_values(name, attribute, items) for name, attribute in attributes.items()], 1))
    return np.stack(columns, 1)


def _values(name: str, attribute: Attribute, items: Tensor) -> Float[np.ndarray, " n"]:
    values = np.asarray(attribute(items).detach().cpu(), dtype=np.float64)
    if values.shape != (len(items),):
        raise UserError(f"The attribute '{name}' gives shape {values.shape}; one number an item is expected.")
    return values


def deviations(
    model: Model, attributes: Mapping[str, Attribute], *, count: int = 500, seed: int = 0
) -> Float[np.ndarray, " a"]:
    """Deviation of each attribute over samples: the unit of effects."""
    latents, labels, rows = model.latents(count, seed), model.labels(count), []
    for part in torch.arange(count).split(64):
        items = decode(model, latents[part], None if labels is None else labels[part])
        rows.append(np.stack([_values(name, attribute, items) for name, attribute in attributes.items()]))
    return np.concatenate(rows, 1).std(1)


def effect_sizes(found: Float[np.ndarray, "n s a"], units: Float[np.ndarray, " a"]) -> Float[np.ndarray, " a"]:
    """For each attribute, the mean over samples of (value at the last strength - value at the first), in deviations.

    Signs that differ from sample to sample cancel: an effect is what a direction does to all.
    """
    return (found[:, -1] - found[:, 0]).mean(0) / np.maximum(units, 1e-9)


def specificity(effects: Mapping[str, float], target: str | None = None) -> tuple[str, float]:
    """(target, its change over the mean change of the other attributes). The target is what changes most, if not given.

    Raises:
        UserError: there are fewer than two attributes, or the target is none of them.
    """
    if len(effects) < 2 or (target is not None and target not in effects):
        raise UserError(f"An effect is compared between two attributes or more, the target among them, not {effects}.")
    target = target or max(effects, key=lambda name: abs(effects[name]))
    others = [abs(value) for name, value in effects.items() if name != target]
    return target, abs(effects[target]) / max(float(np.mean(others)), 1e-9)


def decided_share(found: Float[np.ndarray, "n s a"]) -> Float[np.ndarray, " a"]:
    """R2 of each attribute by the strength alone: the variance between strengths over the variance of all values.

    The correlation ratio of Pearson (1905). 1: the strength decides the attribute, whatever the sample; a direction
    that changes it differently from sample to sample, or little beside how samples differ, is near 0.
    """
    between = found.mean(0).var(0)
    total = found.reshape(-1, found.shape[2]).var(0)
    return between / np.maximum(total, 1e-30)


def with_effects(
    model: Model,
    found: Sequence[Direction],
    attributes: Mapping[str, Attribute],
    *,
    latents: int = LATENTS,
    seed: int = 0,
) -> list[Direction]:
    """The same directions with their effects on these attributes."""
    units = deviations(model, attributes, seed=seed)
    result = []
    for entry in found:
        sizes = effect_sizes(responses(model, entry, attributes, latents=latents, seed=seed, strengths=(-3, 3)), units)
        result.append(replace(entry, effects={name: float(v) for name, v in zip(attributes, sizes, strict=True)}))
    return result
