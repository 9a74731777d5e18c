"""Directions in which the code of a generator can be moved: found without labels, from scores, or at random."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from safetensors.torch import save_file
from torch import Tensor

from augan.checkpoint import Model, read_tensors
from augan.core.errors import UserError, unknown_name
from augan.core.files import atomic_folder, read_json, write_json
from augan.core.rng import derive, torch_stream
from augan.explain.intake import Intake, Place, codes_of, decode, intakes, moved, record, render

Scores = Callable[[Tensor], Any]
"""Items (n, c, ...) in [-1, 1] to one number each, (n,)."""
METHODS = ("sefa", "pca", "jacobian", "random")
CODES = 1_000
FIT = 2_000
RIDGE = 1e-2
JACOBIAN_LATENTS = 16
STEP = 0.05
LINEAR = 0.99
DEEPEST = 6
RANDOM_CODES = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class Direction:
    """A way to move a code.

    Attributes:
        name: unique among those of a model, such as 'sefa-1'.
        method: sefa, pca, jacobian, random or supervised.
        place: whether it moves the latent itself or the style.
        vector: of length 1, (d,).
        unit: deviation of the codes along it; a strength of 1 moves by that much.
        layers: those whose style is moved; None for all. Nothing for latents.
        share: of the method's total that it explains; None where there is no such total.
        effects: by attribute, how far strengths of -3 to 3 move it, see `augan.explain.effects`.
        fit: of supervised directions, R2 (or accuracy above chance, from 0 to 1) on codes that were not learnt from.
    """

    name: str
    method: str
    place: Place
    vector: Float[Tensor, " d"]
    unit: float
    layers: tuple[str, ...] | None = None
    share: float | None = None
    effects: dict[str, float] = field(default_factory=dict)
    fit: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Everything but the vector."""
        values = {key: getattr(self, key) for key in ("name", "method", "place", "unit", "share", "effects", "fit")}
        return values | {"layers": None if self.layers is None else list(self.layers)}


def edit(
    model: Model,
    latents: Float[Tensor, "n d"],
    direction: Direction,
    strength: float | Float[Tensor, " n"],
    labels: Int64[Tensor, " n"] | None = None,
) -> Float[Tensor, "n ..."]:
    """Items in [-1, 1] of latents moved along a direction by `strength` times the deviation of codes along it.

    Raises:
        UserError: the direction is of a model with other sizes or layers.
    """
    amounts = torch.as_tensor(strength, dtype=torch.float32).expand(len(latents)) * direction.unit
    if direction.place == "latent":
        if len(direction.vector) != model.latent_size:
            raise _foreign(direction, model)
        return decode(model, latents + amounts[:, None] * direction.vector, labels)
    layers = direction.layers or _style_of(model, direction).layers
    parts = []
    for rows in torch.arange(len(latents)).split(64):
        change = (amounts[rows, None] * direction.vector).to(model.device)
        with moved(model, layers, lambda code, change=change: code + change):  # type: ignore[misc]
            parts.append(decode(model, latents[rows], None if labels is None else labels[rows]))
    return torch.cat(parts) if parts else decode(model, latents, labels)


def coordinates(
    model: Model, latents: Float[Tensor, "n d"], direction: Direction, labels: Int64[Tensor, " n"] | None = None
) -> Float[Tensor, " n"]:
    """Where the codes of latents lie along a direction, in its units, from the middle of all codes."""
    if direction.place == "latent":
        return latents @ direction.vector / direction.unit
    style = _style_of(model, direction)
    codes = codes_of(model, style.layers[0], latents, labels)
    middle = _codes(model, style, RANDOM_CODES, 0).mean(0)
    return (codes - middle) @ direction.vector / direction.unit


def _style_of(model: Model, direction: Direction) -> Intake:
    """The style that a direction moves, which the model must have."""
    style = intakes(model).get("style")
    known = style is not None and style.size == len(direction.vector)
    if style is None or not known or not set(direction.layers or ()) <= set(style.layers):
        raise _foreign(direction, model)
    return style


def _foreign(direction: Direction, model: Model) -> UserError:
    return UserError(
        f"Direction '{direction.name}' moves {len(direction.vector)} numbers of a {direction.place}, which this model "
        f"(latent size {model.latent_size}) does not have. Take directions of the same run."
    )


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
    codes = _codes(model, home, RANDOM_CODES, seed)
    result = []
    for number, (vector, share) in enumerate(zip(vectors, shares, strict=True), start=1):
        one = (vector / vector.norm().clamp_min(1e-30)).float()
        one = one * one[one.abs().argmax()].sign()
        unit = 1.0 if home.place == "latent" else float((codes @ one).std())
        result.append(
            Direction(name=f"{method}-{number}", method=method, place=home.place, vector=one, unit=unit, share=share)
        )
    return result


def _codes(model: Model, home: Intake, count: int, seed: int) -> Float[Tensor, "n d"]:
    """Codes of the model's own latents."""
    latents = model.latents(count, derive(seed, "codes"))
    if home.place == "latent":
        return latents
    return codes_of(model, home.layers[0], latents, model.labels(count))


def _principal(model: Model, home: Intake, count: int, seed: int) -> list[Direction]:
    codes = _codes(model, home, CODES, seed)
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
        ahead, behind = (render(model, latent + sign * steps, own).flatten(1).cpu() for sign in (1, -1))
        jacobian = ((ahead - behind) / (2 * STEP)).double()
        gram += jacobian @ jacobian.T / JACOBIAN_LATENTS
    return gram


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
        scores: items (n, c, ...) in [-1, 1] to (n,) numbers or truth values: a classifier's output, a measure, labels.
        count: samples to learn from; a fifth of them only judges.
        apart_from: directions whose part is taken out (conditional manipulation, equation 6).

    Raises:
        UserError: scores of another shape, not finite, or all equal.
    """
    found = intakes(model)
    home = found.get("style") or found.get("latent") or Intake("latent", (), model.latent_size, torch.eye(1).double())
    latents, labels = model.latents(count, derive(seed, "codes")), model.labels(count)
    items = decode(model, latents, labels)
    values = _checked(scores(items), count, name)
    codes = latents if home.place == "latent" else codes_of(model, home.layers[0], latents, labels)
    vector, fit = _regression(codes.double(), values)
    for other in apart_from:
        if other.place == home.place and len(other.vector) == len(vector):
            vector = vector - (vector @ other.vector.double()) * other.vector.double()
    if vector.norm() < 1e-9:
        raise UserError(f"Nothing is left of the direction for '{name}' apart from the others.")
    vector = (vector / vector.norm()).float()
    unit = 1.0 if home.place == "latent" else float((codes @ vector).std())
    return Direction(name=name, method="supervised", place=home.place, vector=vector, unit=unit, fit=fit)


def _checked(scores: Any, count: int, name: str) -> Float[Tensor, " n"]:
    values = torch.as_tensor(np.asarray(scores.detach().cpu() if isinstance(scores, Tensor) else scores)).double()
    if values.shape != (count,):
        raise UserError(f"The scores for '{name}' have shape {tuple(values.shape)}; one number an item is expected.")
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


def on_layers(direction: Direction, *patterns: str) -> Direction:
    """A style's direction for the layers whose names match one of the patterns (regular expressions) only.

    Raises:
        UserError: it moves the latent, or no pattern is given.
    """
    if direction.place != "style" or not patterns or direction.layers is None:
        raise UserError("Only directions of a style that name their layers can be kept to some of them.")
    kept = tuple(name for name in direction.layers if any(re.search(pattern, name) for pattern in patterns))
    if not kept:
        raise UserError(f"No layer matches {', '.join(patterns)}. There are {', '.join(direction.layers)}.")
    return replace(direction, layers=kept)


def save_directions(found: Sequence[Direction], folder: Path) -> None:
    """Writes `directions.safetensors` and `directions.json` into a new folder."""
    with atomic_folder(folder) as temporary:
        write_directions(found, temporary)


def write_directions(found: Sequence[Direction], folder: Path) -> None:
    """As `save_directions`, into a folder that is there."""
    save_file({entry.name: entry.vector.contiguous() for entry in found}, folder / "directions.safetensors")
    write_json(folder / "directions.json", [entry.to_json() for entry in found])


def load_directions(folder: Path | str) -> list[Direction]:
    """What `save_directions` or `augan explain` wrote.

    Raises:
        UserError: missing or damaged files.
    """
    vectors = read_tensors(Path(folder) / "directions.safetensors")
    try:
        return [
            Direction(
                **(row | {"layers": None if row["layers"] is None else tuple(row["layers"])}),
                vector=vectors[row["name"]],
            )
            for row in read_json(Path(folder) / "directions.json")
        ]
    except (KeyError, TypeError) as error:
        raise UserError(f"{folder}/directions.json is damaged ({error!r}). Run `augan explain` again.") from error


def chosen(found: Sequence[Direction], name: str) -> Direction:
    """The direction with this name, or with this number (from 1).

    Raises:
        UserError: there is none; the message lists them.
    """
    names = {entry.name: entry for entry in found}
    if name in names:
        return names[name]
    if name.isdigit() and 1 <= int(name) <= len(found):
        return found[int(name) - 1]
    raise unknown_name("direction", name, names)
