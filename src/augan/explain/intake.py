"""How a latent enters a generator: which layers take it, and how to move what they take.

Nothing here knows a family of networks. A generator is run once with hooks on its layers, which show what each was
given; so a user's own module, and items of any rank, are read in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from augan.checkpoint import Model

Place = Literal["latent", "style"]
PROBES = 8
AT_ONCE = 64
SAME = 1e-3
"""Relative difference up to which float32 numbers count as equal."""


@dataclass(frozen=True, eq=False)
class Call:
    """What a layer with weights was given: its name, itself, its input, and its place in the order of calls."""

    name: str
    module: nn.Module
    value: Tensor


@dataclass(frozen=True, eq=False)
class Intake:
    """Linear layers that all take one code.

    Attributes:
        place: latent, if the code begins with the latent; style, if networks have made it from the latent.
        layers: their names.
        size: numbers in the code that directions move: the latent's, or the style's.
        gram: A^T A of the layers' matrices A, one above the other, (size, size).
    """

    place: Place
    layers: tuple[str, ...]
    size: int
    gram: Float[Tensor, "d d"]


def render(model: Model, latents: Float[Tensor, "n d"], labels: Int64[Tensor, " n"] | None) -> Float[Tensor, "n ..."]:
    """Items of latents as the generator gives them, not cut to [-1, 1], and with gradients."""
    arguments = [latents.to(model.device)]
    if model.conditional and labels is not None:
        arguments.append(labels.to(model.device))
    return model.generator(*arguments).float()


@torch.no_grad()
def decode(model: Model, latents: Float[Tensor, "n d"], labels: Int64[Tensor, " n"] | None) -> Float[Tensor, "n ..."]:
    """Items in [-1, 1] on the CPU, some at a time."""
    parts = []
    for start in range(0, len(latents), AT_ONCE):
        rows = slice(start, start + AT_ONCE)
        parts.append(render(model, latents[rows], None if labels is None else labels[rows]).clamp(-1, 1).cpu())
    return torch.cat(parts)


@torch.no_grad()
def record(model: Model, latents: Float[Tensor, "n d"], labels: Int64[Tensor, " n"] | None) -> list[Call]:
    """The first call of every layer that has weights and no layers inside, in order."""
    calls: list[Call] = []
    seen: set[str] = set()

    def hook_of(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def hook(module: nn.Module, given: tuple[Any, ...]) -> None:
            if name not in seen and given and isinstance(given[0], Tensor) and given[0].is_floating_point():
                seen.add(name)
                calls.append(Call(name, module, given[0]))

        return hook

    hooks = [module.register_forward_pre_hook(hook_of(name)) for name, module in _layers(model.generator)]
    try:
        render(model, latents, labels)
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def _layers(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, module in network.named_modules():
        weight = getattr(module, "weight", None)
        if isinstance(weight, Tensor) and weight.dim() >= 2 and not list(module.children()):
            yield name, module


def intakes(model: Model) -> dict[Place, Intake]:
    """The layers that take the latent, and those that share a style made from it, where there are such.

    A layer takes the latent if its input begins with it, row by row up to a positive factor (networks that scale
    latents to one length are meant), and if it is linear. The style is what most other linear layers share, at least
    two of them.
    """
    latents, labels = model.latents(PROBES, seed=1), model.labels(PROBES)
    codes = [call for call in record(model, latents, labels) if _flat(call.value)]
    groups: dict[int, list[Call]] = {}
    for call in codes:
        groups.setdefault(call.value.data_ptr(), []).append(call)
    found: dict[Place, Intake] = {}
    direct = [call for call in codes if _begins_with(call.value, latents.to(call.value.device))]
    if entry := _intake("latent", direct, model.latent_size):
        found["latent"] = entry
    shared = [calls for calls in groups.values() if len(calls) > 1 and calls[0] not in direct]
    for calls in sorted(shared, key=len, reverse=True):
        if entry := _intake("style", calls, calls[0].value.shape[1]):
            found["style"] = entry
            break
    return found


def _flat(value: Tensor) -> bool:
    return value.dim() >= 2 and len(value) == PROBES and value.numel() == PROBES * value.shape[1]


def _begins_with(code: Tensor, latents: Tensor) -> bool:
    part = code.flatten(1)[:, : latents.shape[1]]
    if part.shape != latents.shape:
        return False
    cosine = nn.functional.cosine_similarity(part.float(), latents, dim=1)
    return bool((cosine > 1 - SAME).all()) and latents.shape[1] > 1


def _intake(place: Place, calls: list[Call], size: int) -> Intake | None:
    names, gram = [], torch.zeros(size, size, dtype=torch.float64)
    for call in calls:
        matrix = _matrix(call, size)
        if matrix is not None:
            names.append(call.name)
            gram += matrix.T @ matrix
    return Intake(place, tuple(names), size, gram) if names else None


@torch.no_grad()
def _matrix(call: Call, size: int) -> Float[Tensor, "k d"] | None:
    """A of a layer A x + b, by what it does to unit vectors: kinds of layers and their scales need not be known.

    None for a layer that is not linear.
    """
    shape = call.value.shape[1:]
    zero = torch.zeros(1, *shape, device=call.value.device, dtype=call.value.dtype)
    offset = call.module(zero).cpu().double()
    units = torch.eye(zero.numel(), device=zero.device, dtype=zero.dtype)[:size].reshape(size, *shape)
    rows = torch.cat([(call.module(part).cpu().double() - offset).flatten(1) for part in units.split(AT_ONCE)])
    probe = call.value.clone()
    probe.flatten(1)[:, size:] = 0
    expected = probe.flatten(1)[:, :size].cpu().double() @ rows
    got = (call.module(probe).cpu().double() - offset).flatten(1)
    if (got - expected).norm() > SAME * got.norm().clamp_min(1e-12):
        return None
    return rows.T.cpu()


@contextmanager
def moved(model: Model, layers: tuple[str, ...], change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Within the block, these layers of the generator are given `change(code)` instead of their code (n, k)."""

    def hook(module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        code = given[0]
        return (change(code.flatten(1)).reshape(code.shape).to(code.dtype), *given[1:])

    hooks = [model.generator.get_submodule(name).register_forward_pre_hook(hook) for name in layers]
    try:
        yield
    finally:
        for entry in hooks:
            entry.remove()


def codes_of(
    model: Model, layer: str, latents: Float[Tensor, "n d"], labels: Int64[Tensor, " n"] | None
) -> Float[Tensor, "n k"]:
    """What a layer of the generator is given for each latent, on the CPU; later layers are not run."""
    parts: list[Tensor] = []

    def keep(module: nn.Module, given: tuple[Any, ...]) -> None:
        parts.append(given[0].detach().flatten(1).float().cpu())
        raise _SeenEnough

    hook = model.generator.get_submodule(layer).register_forward_pre_hook(keep)
    try:
        for rows in torch.arange(len(latents)).split(AT_ONCE):
            with suppress(_SeenEnough), torch.no_grad():
                render(model, latents[rows], None if labels is None else labels[rows])
    finally:
        hook.remove()
    return torch.cat(parts)


class _SeenEnough(Exception):
    """Ends a run through a generator."""
