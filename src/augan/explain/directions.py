"""Directions found without labels: closed form, principal components, the Jacobian, or at random."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from augan.checkpoint import Model
from augan.core.errors import UserError, unknown_name
from augan.core.rng import derive, torch_stream
from augan.explain.direction import RANDOM_CODES, Direction, codes_at
from augan.explain.intake import AT_ONCE, Intake, codes_of, intakes, record, render

METHODS = ("sefa", "pca", "jacobian", "random")
CODES = 1_000
JACOBIAN_LATENTS = 16
STEP = 0.05
LINEAR = 0.99
DEEPEST = 6


def directions(model: Model, method: str = "sefa", count: int = 8, seed: int = 0) -> tuple[list[Direction], list[str]]:
    """The first `count` directions that a method finds, most important first, and what is to be known about them.

    sefa: eigenvectors of A^T A of the linear layers that take the style, or else the latent (arXiv:2007.06600,
    equation 5). pca: principal components of styles, or of the first activations that are not linear in the latent,
    brought back to latents by regression (arXiv:2004.02546, equation 3). jacobian: eigenvectors of the mean of J^T J,
    with J the derivative of items by the latent in central differences; for any generator. random: of uniform
    directions, as a control. A generator that shows no linear layer for sefa or pca gets jacobian, and a note says so.

    Raises:
        UserError: an unknown method, or a count below 1.
    """
    if method not in METHODS:
        raise unknown_name("method of directions", method, METHODS)
    if count < 1:
        raise UserError(f"{count} directions: at least 1 is needed.")
    found = intakes(model)
    home = found.get("style") or found.get("latent")
    notes: list[str] = []
    if home is None and method in ("sefa", "pca"):
        notes.append(
            f"{method}: no linear layer of this generator takes the latent as it is; directions are those of the "
            "Jacobian instead."
        )
        method = "jacobian"
    if method == "jacobian":
        gram = _mean_jacobian_gram(model, seed)
        return _from_gram(model, "jacobian", Intake("latent", (), model.latent_size, gram), count, seed), notes
    if method == "random":
        home = home or Intake("latent", (), model.latent_size, torch.eye(model.latent_size).double())
        vectors = torch.randn(count, home.size, generator=torch_stream(seed, "directions"))
        return _named(model, "random", home, list(vectors), [None] * count, seed), notes
    assert home is not None
    if method == "sefa":
        return _from_gram(model, "sefa", home, count, seed), notes
    return _principal(model, home, count, seed), notes


def _from_gram(model: Model, method: str, home: Intake, count: int, seed: int) -> list[Direction]:
    values, vectors = torch.linalg.eigh(home.gram)
    order = values.argsort(descending=True)[:count]
    shares = [float(values[k] / values.sum().clamp_min(1e-30)) for k in order]
    return _named(model, method, home, [vectors[:, k] for k in order], shares, seed)


def _named(
    model: Model, method: str, home: Intake, vectors: Sequence[Tensor], shares: Sequence[float | None], seed: int
) -> list[Direction]:
    """Directions of length 1 whose largest number is positive, so that signs are the same each time."""
    codes = codes_at(model, home, RANDOM_CODES, seed)
    result = []
    for number, (vector, share) in enumerate(zip(vectors, shares, strict=True), start=1):
        one = (vector / vector.norm().clamp_min(1e-30)).float()
        one = one * one[one.abs().argmax()].sign()
        unit = 1.0 if home.place == "latent" else float((codes @ one).std())
        result.append(
            Direction(name=f"{method}-{number}", method=method, place=home.place, vector=one, unit=unit, share=share)
        )
    return result


def _principal(model: Model, home: Intake, count: int, seed: int) -> list[Direction]:
    codes = codes_at(model, home, CODES, seed)
    values = codes if home.place == "style" else _first_activations(model, home, codes)
    centred = values - values.mean(0)
    squares, vectors = torch.linalg.eigh((centred @ centred.T).double())  # of samples, who are fewer than activations
    squares, vectors = squares.flip(0).clamp_min(0), vectors.flip(1)
    count = min(count, values.shape[1], len(squares) - 1)
    places = vectors[:, :count] * squares[:count].sqrt()
    shares = [float(part) for part in squares[:count] / squares.sum().clamp_min(1e-30)]
    # u_k = sum_j x_jk z_j / sum_j x_jk^2, the least-squares way back from coordinates to codes
    back = (places / places.square().sum(0).clamp_min(1e-30)).T @ (codes - codes.mean(0)).double()
    return _named(model, "pca", home, list(back), shares, seed)


def _first_activations(model: Model, home: Intake, latents: Tensor) -> Float[Tensor, "n p"]:
    """What the first layer is given whose input is not linear in the latent; the last of six if all are."""
    labels = None if not model.conditional else torch.zeros(len(latents), dtype=torch.int64)
    calls = [call for call in record(model, latents[:2], None if labels is None else labels[:2])]
    later = [call.name for call in calls if call.name not in home.layers][:DEEPEST]
    values = latents
    for name in later:
        values = codes_of(model, name, latents, labels)
        if _linear_share(latents, values) < LINEAR:
            break
    return values


def _linear_share(latents: Tensor, values: Tensor) -> float:
    """R2 of the linear regression of (some 256) values on latents, on the second half of the rows."""
    half = len(latents) // 2
    design = torch.cat([latents, torch.ones(len(latents), 1)], 1).double()
    chosen_ones = torch.linspace(0, values.shape[1] - 1, min(256, values.shape[1])).long()
    values = values[:, chosen_ones].double()
    weights = torch.linalg.lstsq(design[:half], values[:half], driver="gelsd").solution
    rest = values[half:] - design[half:] @ weights
    total = (values[half:] - values[half:].mean(0)).square().sum()
    return 1.0 if total < 1e-20 else float(1 - rest.square().sum() / total)


@torch.no_grad()
def _mean_jacobian_gram(model: Model, seed: int) -> Float[Tensor, "d d"]:
    """Mean of J^T J over latents, J by central differences."""
    size = model.latent_size
    gram = torch.zeros(size, size, dtype=torch.float64)
    steps = STEP * torch.eye(size)
    labels = model.labels(JACOBIAN_LATENTS)
    for number, latent in enumerate(model.latents(JACOBIAN_LATENTS, derive(seed, "jacobian"))):
        own = None if labels is None else labels[number].expand(size)
        ahead, behind = (_raw(model, latent + sign * steps, own) for sign in (1, -1))
        jacobian = ahead.sub_(behind).div_(2 * STEP)
        gram += (jacobian @ jacobian.T).double() / JACOBIAN_LATENTS
    return gram


def _raw(model: Model, latents: Tensor, labels: Tensor | None) -> Float[Tensor, "n v"]:
    """Values of items, not cut, some items at a time."""
    parts = [
        render(model, latents[rows], None if labels is None else labels[rows]).flatten(1).cpu()
        for rows in torch.arange(len(latents)).split(AT_ONCE)
    ]
    return torch.cat(parts)
