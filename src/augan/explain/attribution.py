"""Where a score looks: integrated gradients with their own check, Grad-CAM, and what becomes of both without training.

The score is a discriminator's logit or any other function of items to one number each; items have any rank.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from augan.core.errors import UserError
from augan.core.rng import torch_stream

Score = Callable[[Tensor], Tensor]
"""Items (n, c, ...) to (n,), each on its own, with gradients."""
TOLERANCE = 0.01
FIRST_STEPS = 32
MOST_STEPS = 4_096
AT_ONCE = 256
LEAST_CHANGE = 1e-6
MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


@dataclass(frozen=True, eq=False)
class Attribution:
    """How much each value of an item adds to its score.

    Attributes:
        values: (n, c, ...), which sum to the score's change from the baseline to the item.
        change: that change, (n,).
        error: |sum of values - change| / |change|, (n,); completeness (arXiv:1703.01365, proposition 1).
        steps: points on the path, for each item, (n,).
    """

    values: Float[Tensor, "n ..."]
    change: Float[Tensor, " n"]
    error: Float[Tensor, " n"]
    steps: np.ndarray

    @property
    def complete(self) -> bool:
        """Whether every item's error is at most 1 %."""
        return bool((self.error <= TOLERANCE).all())


def integrated_gradients(
    score: Score,
    items: Float[Tensor, "n ..."],
    baseline: Float[Tensor, "*item"] | None = None,
    *,
    tolerance: float = TOLERANCE,
    most_steps: int = MOST_STEPS,
) -> Attribution:
    """(x - b) times the mean gradient of the score on the way from b to x (arXiv:1703.01365, equation 1).

    The mean is taken at the middles of equal steps. Where leaky rectifiers bend the score, gradients jump, and some
    hundred steps are needed: they are doubled, from 32, for the items whose completeness error is above `tolerance`,
    up to `most_steps`. What is left of the error is in the result.

    Args:
        score: see `Score`.
        items: in [-1, 1].
        baseline: one item from which to start, such as the mean of the data; None is the middle grey, 0.

    Raises:
        UserError: a baseline of another shape.
    """
    start = torch.zeros_like(items[0]) if baseline is None else baseline
    if start.shape != items.shape[1:]:
        raise UserError(f"The baseline has shape {tuple(start.shape)}, and items {tuple(items.shape[1:])}.")
    with torch.no_grad():
        change = (score(items) - score(start.expand_as(items).contiguous())).cpu().double()
    values = torch.zeros_like(items)
    error = torch.full((len(items),), torch.inf, dtype=torch.float64)
    taken = np.zeros(len(items), dtype=np.int64)
    steps = FIRST_STEPS
    while steps <= most_steps and bool((error > tolerance).any()):
        for row in torch.nonzero(error > tolerance).flatten().tolist():
            values[row] = _along(score, items[row], start, steps)
            total = values[row].cpu().double().sum()
            error[row] = (total - change[row]).abs() / change[row].abs().clamp_min(LEAST_CHANGE)
            taken[row] = steps
        steps *= 2
    return Attribution(values.cpu(), change, error, taken)


def _along(score: Score, item: Tensor, start: Tensor, steps: int) -> Tensor:
    total = torch.zeros(item.shape, dtype=torch.float64)
    shares = (torch.arange(steps, device=item.device) + 0.5) / steps
    for part in shares.split(AT_ONCE):
        points = start + part.view(-1, *[1] * item.dim()) * (item - start)
        total += _gradient(score, points).cpu().double().sum(0)
    return (total / steps * (item - start).cpu()).to(item.dtype).to(item.device)


def _gradient(score: Score, items: Tensor) -> Tensor:
    points = items.detach().requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(score(points).sum(), points)
    return gradient


def grad_cam(
    score: Score, network: nn.Module, items: Float[Tensor, "n ..."], layer: str | None = None
) -> Float[Tensor, "n ..."]:
    """Maps of where the score is from, at the size of the items' places: relu(sum_k a_k A_k), with a_k the mean
    gradient of the score by map k (arXiv:1610.02391, equations 1 and 2). Not negative; 0 where nothing speaks for it.

    Args:
        score: of items, through `network`.
        network: where the maps are; layer: which of its modules gives them, None for `last_maps`.

    Raises:
        UserError: the network has no such layer, or none gives maps.
    """
    layer = layer or last_maps(score, network, items)
    modules = dict(network.named_modules())
    if layer not in modules:
        raise UserError(f"The network has no layer '{layer}'.")
    kept: list[Tensor] = []

    def keep(module: nn.Module, given: Any, result: Any) -> None:
        if isinstance(result, Tensor) and result.requires_grad:  # a score may also try things without gradients
            kept.append(result)

    hook = modules[layer].register_forward_hook(keep)
    try:
        with torch.enable_grad():
            value = score(items.detach().requires_grad_())
            gradients = torch.autograd.grad(value.sum(), kept)  # several where items are judged one at a time
    finally:
        hook.remove()
    maps, gradient = torch.cat(kept).detach(), torch.cat(gradients)
    weights = gradient.flatten(2).mean(2).reshape(*gradient.shape[:2], *[1] * (maps.dim() - 2))
    found = F.relu((weights * maps).sum(1, keepdim=True)).float()
    size = tuple(items.shape[2:])
    return F.interpolate(found, size=size, mode=MODES[len(size)], align_corners=False)[:, 0].cpu()


def last_maps(score: Score, network: nn.Module, items: Float[Tensor, "n ..."]) -> str:
    """The last layer with weights whose result has more than one place on each axis.

    Raises:
        UserError: there is none.
    """
    found: list[str] = []

    def hook_of(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, given: Any, result: Any) -> None:
            if isinstance(result, Tensor) and result.dim() == items.dim() and min(result.shape[2:]) > 1:
                found.append(name)

        return hook

    layers = [(name, module) for name, module in network.named_modules() if list(module.parameters(recurse=False))]
    hooks = [module.register_forward_hook(hook_of(name)) for name, module in layers]
    try:
        with torch.no_grad():
            score(items)
    finally:
        for hook in hooks:
            hook.remove()
    if not found:
        raise UserError("No layer of this network gives maps: Grad-CAM needs one.")
    return found[-1]


def randomised(network: nn.Module, seed: int = 0, only: Sequence[str] | None = None) -> nn.Module:
    """A copy whose weights are normal draws with each weight's own mean and deviation (arXiv:1810.03292, section 3).

    `only`: names of the parameters to draw; None draws all.
    """
    copied = copy.deepcopy(network)
    stream = torch_stream(seed, "randomised")
    with torch.no_grad():
        for name, value in copied.named_parameters():
            draw = torch.randn(value.shape, generator=stream)
            if only is None or name in only:
                mean, deviation = value.mean(), value.std() if value.numel() > 1 else torch.zeros(())
                value.copy_(mean + deviation * draw.to(value.device))
    return copied


def rank_correlation(a: Float[Tensor, "n ..."], b: Float[Tensor, "n ..."]) -> Float[np.ndarray, " n"]:
    """Spearman's correlation of each item's values in a and in b; 0 where all are equal."""

    def ranks(values: Tensor) -> Tensor:
        result = values.flatten(1).argsort(1).argsort(1).cpu().double()
        return result - result.mean(1, keepdim=True)

    x, y = ranks(a), ranks(b)
    flat = (a.flatten(1).std(1) == 0) | (b.flatten(1).std(1) == 0)
    correlation = (x * y).sum(1) / (x.square().sum(1) * y.square().sum(1)).sqrt().clamp_min(1e-30)
    return torch.where(flat.cpu(), 0.0, correlation).numpy()


def sanity(
    network: nn.Module,
    score_of: Callable[[nn.Module], Score],
    items: Float[Tensor, "n ..."],
    baseline: Float[Tensor, "*item"] | None = None,
    *,
    draws: int = 3,
    seed: int = 0,
    grad_cams: bool = True,
) -> dict[str, float]:
    """Mean rank correlation of attributions before and after all weights are drawn at random (arXiv:1810.03292).

    A method whose maps stay as they were shows the item and not what the network has learnt. For integrated gradients
    the signed values are compared, and their sizes, which the factor (x - b) keeps alike in any network.

    Args:
        network: the trained one; score_of: how a network of its form scores items.
        draws: of random weights, over which the mean goes.
        grad_cams: also Grad-CAM, for which the network needs maps of the items.
    """
    found: dict[str, list[float]] = {"integrated_gradients": [], "integrated_gradients_size": []}
    own = integrated_gradients(score_of(network), items, baseline, most_steps=256).values
    if grad_cams:
        found["grad_cam"] = []
        layer = last_maps(score_of(network), network, items)
        cam = grad_cam(score_of(network), network, items, layer)
    for draw in range(draws):
        other = randomised(network, seed + draw)
        theirs = integrated_gradients(score_of(other), items, baseline, most_steps=256).values
        found["integrated_gradients"].append(float(rank_correlation(own, theirs).mean()))
        found["integrated_gradients_size"].append(float(rank_correlation(own.abs(), theirs.abs()).mean()))
        if grad_cams:
            after = grad_cam(score_of(other), other, items, layer)
            found["grad_cam"].append(float(rank_correlation(cam, after).mean()))
    return {name: float(np.mean(values)) for name, values in found.items()}


@torch.no_grad()
def sureness(score: Score, items: Float[Tensor, "n ..."]) -> Float[np.ndarray, " n"]:
    """Scores of items, some at a time."""
    parts = [score(part).cpu().double() for part in items.split(AT_ONCE)]
    return torch.cat(parts).numpy() if parts else np.empty(0)
