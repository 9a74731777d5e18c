"""A direction, what it makes of items, and where it is kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from safetensors.torch import save_file
from torch import Tensor

from augan.checkpoint import Model, read_tensors
from augan.core.errors import UserError, unknown_name
from augan.core.files import atomic_folder, read_json, write_json
from augan.core.rng import derive
from augan.explain.intake import Intake, Place, codes_of, decode, intakes, moved

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
    middle = codes_at(model, style, RANDOM_CODES, 0).mean(0)
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


def codes_at(model: Model, home: Intake, count: int, seed: int) -> Float[Tensor, "n d"]:
    """Codes of the model's own latents."""
    latents = model.latents(count, derive(seed, "codes"))
    if home.place == "latent":
        return latents
    return codes_of(model, home.layers[0], latents, model.labels(count))


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
