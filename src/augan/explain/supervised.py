"""Directions along which a score grows, learnt from the model's own samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from augan.checkpoint import Model
from augan.core.errors import UserError
from augan.core.rng import derive
from augan.explain.direction import Direction
from augan.explain.intake import Intake, codes_of, decode, intakes

Scores = Callable[[Tensor], Any]
"""Items (n, c, ...) in [-1, 1] to one number each, (n,)."""
FIT = 2_000
RIDGE = 1e-2
AT_ONCE = 64


def supervised(
    model: Model,
    scores: Scores,
    name: str,
    *,
    count: int = FIT,
    seed: int = 0,
    apart_from: Sequence[Direction] = (),
) -> Direction:
    """The direction along which a score grows, by linear regression from codes (arXiv:1907.10786, section 3, which
    has a linear classifier there); by logistic regression where the score has two values only.

    Args:
        scores: items (n, c, ...) in [-1, 1] to (n,) numbers or truth values, each item on its own: a classifier's
            output, a measure, labels.
        count: samples to learn from; a fifth of them only judges.
        apart_from: directions whose part is taken out (conditional manipulation, equation 6).

    Raises:
        UserError: scores of another shape, not finite, or all equal.
    """
    found, refused = learnt(model, {name: scores}, count=count, seed=seed, apart_from=apart_from)
    if refused:
        raise UserError(refused[0])
    return found[0]


def learnt(
    model: Model,
    scores: Mapping[str, Scores],
    *,
    count: int = FIT,
    seed: int = 0,
    apart_from: Sequence[Direction] = (),
) -> tuple[list[Direction], list[str]]:
    """As `supervised` for many scores of the same samples: (directions, why others cannot be learnt)."""
    known = intakes(model)
    home = known.get("style") or known.get("latent") or Intake("latent", (), model.latent_size, torch.eye(1).double())
    latents, labels = model.latents(count, derive(seed, "codes")), model.labels(count)
    values: dict[str, list[Any]] = {name: [] for name in scores}
    for rows in torch.arange(count).split(AT_ONCE):
        items = decode(model, latents[rows], None if labels is None else labels[rows])
        for name, score in scores.items():
            values[name].append(_column(score(items), len(items), name))
    codes = latents if home.place == "latent" else codes_of(model, home.layers[0], latents, labels)
    found, refused = [], []
    for name, parts in values.items():
        try:
            vector, fit = _regression(codes.double(), _checked(torch.cat(parts), name))
            vector = _apart(vector, [one for one in apart_from if one.place == home.place], name)
        except UserError as reason:
            refused.append(str(reason))
            continue
        unit = 1.0 if home.place == "latent" else float((codes @ vector).std())
        found.append(Direction(name=name, method="supervised", place=home.place, vector=vector, unit=unit, fit=fit))
    return found, refused


def _apart(vector: Float[Tensor, " d"], others: Sequence[Direction], name: str) -> Float[Tensor, " d"]:
    """What is left of a vector beside what others span, of length 1."""
    if others:
        basis, _ = torch.linalg.qr(torch.stack([other.vector.double() for other in others], 1))
        whole = vector.norm()
        vector = vector - basis @ (basis.T @ vector)
        if vector.norm() < 1e-6 * whole:
            raise UserError(f"Nothing is left of the direction for '{name}' apart from the others.")
    return (vector / vector.norm().clamp_min(1e-30)).float()


def _column(scores: Any, count: int, name: str) -> Float[Tensor, " n"]:
    values = torch.as_tensor(np.asarray(scores.detach().cpu() if isinstance(scores, Tensor) else scores)).double()
    if values.shape != (count,):
        raise UserError(f"The scores for '{name}' have shape {tuple(values.shape)}; one number an item is expected.")
    return values


def _checked(values: Float[Tensor, " n"], name: str) -> Float[Tensor, " n"]:
    if not bool(values.isfinite().all()):
        raise UserError(f"Some scores for '{name}' are not finite numbers.")
    if float(values.max() - values.min()) < 1e-12:
        raise UserError(f"All scores for '{name}' are equal: there is no direction along which they grow.")
    return values


def _regression(codes: Float[Tensor, "n d"], values: Float[Tensor, " n"]) -> tuple[Float[Tensor, " d"], float]:
    """(weights, R2 or accuracy above chance on the last fifth)."""
    cut = len(codes) * 4 // 5
    deviation = codes[:cut].std(0).clamp_min(1e-9)
    x = (codes - codes[:cut].mean(0)) / deviation
    x = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1)
    if len(values.unique()) == 2:
        truth = (values == values.max()).double()
        weights = _logistic(x[:cut], truth[:cut])
        right = ((x[cut:] @ weights > 0).double() == truth[cut:]).double().mean()
        chance = max(truth[cut:].mean(), 1 - truth[cut:].mean())
        fit = float((right - chance) / (1 - chance).clamp_min(1e-9))
    else:
        ridge = RIDGE * len(x[:cut]) * torch.eye(x.shape[1], dtype=x.dtype)
        ridge[-1, -1] = 0
        weights = torch.linalg.solve(x[:cut].T @ x[:cut] + ridge, x[:cut].T @ values[:cut])
        rest = (values[cut:] - x[cut:] @ weights).square().sum()
        fit = float(1 - rest / (values[cut:] - values[cut:].mean()).square().sum().clamp_min(1e-30))
    return weights[:-1] / deviation, fit


def _logistic(x: Float[Tensor, "n e"], truth: Float[Tensor, " n"]) -> Float[Tensor, " e"]:
    """Newton's method with a ridge, which keeps separable classes finite."""
    weights = torch.zeros(x.shape[1], dtype=x.dtype)
    ridge = RIDGE * len(x) * torch.eye(x.shape[1], dtype=x.dtype)
    for _ in range(25):
        chances = torch.sigmoid(x @ weights)
        gradient = x.T @ (chances - truth) + ridge @ weights
        curvature = (x * (chances * (1 - chances))[:, None]).T @ x + ridge
        step = torch.linalg.solve(curvature, gradient)
        weights = weights - step
        if float(step.norm()) < 1e-8:
            break
    return weights
