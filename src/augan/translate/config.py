"""Settings of a translation, and the published ways to set them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from augan.core.config import STRICT
from augan.core.errors import UserError, unknown_name
from augan.training import require_loggers

Direction = Literal["a2b", "b2a", "both"]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TranslationConfig:
    """Everything that decides a translation's run.

    Attributes:
        recipe: its name.
        paired: whether image i of one side belongs to image i of the other.
        direction: a2b, b2a, or both (two generators, as cycles need).
        generator: unet, resnet or style; width: its base channels; blocks: of resnet and style; downs: halvings of
            unet, null: as many as the image allows, at most 8; up: transposed, resize or smooth; norm: batch, instance
            or none.
        dropout: in unet and resnet; noise: in style; shortcut: resnet adds to its input what is to change, where both
            sides have as many channels; gain: what the generator gives is the gain, at most 1, of each frequency and
            time (paired sounds as spectrograms, for which it is on).
        patch_width, patch_layers, patch_norm: of the discriminator; the last two are for patches only, and
            patch_norm is null for the generator's.
        objective: cross-entropy or least-squares.
        adversarial, l1, cycle, identity, nce: weights of the generator's terms; identity multiplies cycle, where there
            is one.
        snr: weight of the error's energy over the target's in magnitudes, in bels (paired
            sounds, for which it is 30): what is loud counts.
        nce_identity: also hold images of the target side to themselves by patches; nce_places: patches of each image
            and layer; nce_whole: told from those of the whole batch, and not of their own image only.
        r1: weight of the discriminator's squared slope at real images (arXiv:1801.04406), halved.
        flip_equivariance: mirror images and features now and then, instead.
        pool: earlier translations kept for the discriminator; 0: none.
        discriminator_weight: of its loss.
        enlarge: images are enlarged to so many times their size, and cut at random; flip: mirrored in half of cases.
        crop: each side is one image, of which squares of so many pixels are learnt from and judged whole; null: sides
            of many images; zoom: before each batch of crops the image is made smaller by up to so many times.
        minutes, images: the budget; one of them. An image is one of each side, or a crop of each.
        average: images in which the weight of what generators were halves in their moving average, which is what is
            kept; 0: generators as they are.
        batch, learning_rate, beta1, beta2: of Adam; decay_from: share of the run after which the rate falls to 0.
        snapshots: panels and checkpoints in the run; held_out: pairs (or images a side) kept for measures.
        seed, device, threads: as in any run.
        log: loggers beside metrics.jsonl, as with --log: tensorboard, wandb, mlflow.
    """

    recipe: str = "custom"
    paired: bool = True
    direction: Direction = "a2b"
    generator: Literal["unet", "resnet", "style"] = "unet"
    width: int = Field(default=32, ge=1)
    blocks: int = Field(default=6, ge=1)
    downs: int | None = Field(default=None, ge=2)
    up: Literal["transposed", "resize", "smooth"] = "resize"
    norm: Literal["batch", "instance", "none"] = "batch"
    dropout: bool = True
    noise: bool = True
    shortcut: bool = False
    gain: bool = False
    patch_width: int = Field(default=32, ge=1)
    patch_layers: int = Field(default=2, ge=1)
    patch_norm: Literal["batch", "instance", "none"] | None = None
    objective: Literal["cross-entropy", "least-squares"] = "cross-entropy"
    adversarial: float = Field(default=1.0, ge=0)
    l1: float = Field(default=0.0, ge=0)
    cycle: float = Field(default=0.0, ge=0)
    identity: float = Field(default=0.0, ge=0)
    nce: float = Field(default=0.0, ge=0)
    snr: float = Field(default=0.0, ge=0)
    nce_identity: bool = False
    nce_places: int = Field(default=256, ge=1)
    nce_whole: bool = False
    r1: float = Field(default=0.0, ge=0)
    flip_equivariance: bool = False
    pool: int = Field(default=0, ge=0)
    discriminator_weight: float = Field(default=0.5, gt=0)
    enlarge: float = Field(default=1.12, ge=1)
    flip: bool = True
    crop: int | None = Field(default=None, ge=8)
    zoom: float = Field(default=3.0, ge=1)
    minutes: float | None = Field(default=None, gt=0)
    images: int | None = Field(default=None, ge=1)
    batch: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=2e-4, gt=0)
    beta1: float = Field(default=0.5, ge=0, lt=1)
    beta2: float = Field(default=0.999, ge=0, lt=1)
    decay_from: float = Field(default=0.5, ge=0, le=1)
    snapshots: int = Field(default=8, ge=1)
    held_out: int = Field(default=0, ge=0)
    average: float = Field(default=0.0, ge=0)
    seed: int = 0
    device: str = "auto"
    threads: int | None = Field(default=None, ge=1)
    log: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_loggers(self.log)
        if (self.minutes is None) == (self.images is None):
            raise UserError("Give a budget: either minutes or images, and not both.")
        if self.l1 and not self.paired:
            raise UserError("The L1 term compares pairs, and these images have none: l1=0, or --paired.")
        if not self.paired and (self.gain or self.snr):
            raise UserError("A gain and its error are of pairs, and these sounds have none: gain=false and snr=0.")
        if bool(self.cycle) != (self.direction == "both"):
            raise UserError("Cycles go both ways: cycle above 0 needs direction=both, and nothing else takes it.")
        if self.nce and self.generator == "unet":
            raise UserError("Patch losses look into the resnet and style generators: give one of them, or nce=0.")
        if self.nce_whole and self.nce_places * self.batch < 2:
            raise UserError("One patch has no others to be told from: raise batch or nce_places.")
        if self.crop and (self.paired or self.held_out):
            raise UserError("Crops of single images are not paired, and leave none to hold out: crop=null, or neither.")


def _pix2pix() -> dict[str, Any]:
    return {"paired": True, "generator": "unet", "l1": 100.0, "batch": 8}


_UNPAIRED: dict[str, Any] = {"batch": 4, "shortcut": True, "average": 1_000.0}
"""Not published, and what a budget of minutes needs: see docs/experiments.md."""


def _cyclegan() -> dict[str, Any]:
    return {
        "paired": False,
        "direction": "both",
        "generator": "resnet",
        "norm": "instance",
        "dropout": False,
        "objective": "least-squares",
        "cycle": 10.0,
        "identity": 0.5,
        "pool": 50,
        **_UNPAIRED,
    }


def _cut() -> dict[str, Any]:
    return {
        "paired": False,
        "generator": "resnet",
        "norm": "instance",
        "dropout": False,
        "objective": "least-squares",
        "nce": 1.0,
        "nce_identity": True,
        **_UNPAIRED,
    }


def _fastcut() -> dict[str, Any]:
    return _cut() | {"nce": 10.0, "nce_identity": False, "flip_equivariance": True, "decay_from": 0.75}


def _sincut() -> dict[str, Any]:
    return {
        "paired": False,
        "generator": "style",
        "width": 16,
        "patch_width": 8,
        "norm": "none",
        "dropout": False,
        "nce": 4.0,
        "nce_identity": True,
        "nce_places": 1,
        "nce_whole": True,
        "identity": 1.0,
        "r1": 1.0,
        "crop": 64,
        "batch": 16,
        "learning_rate": 2e-3,
        "beta1": 0.0,
        "beta2": 0.99,
    }


RECIPES: dict[str, Callable[[], dict[str, Any]]] = {
    "pix2pix": _pix2pix,
    "cyclegan": _cyclegan,
    "cut": _cut,
    "fastcut": _fastcut,
    "sincut": _sincut,
}
"""What `--recipe` may name: arXiv:1611.07004, arXiv:1703.10593, arXiv:2007.15651, and its variants: the fast one, and
that for one image a side."""

_LARGE = {"batch": 1, "width": 64, "patch_width": 64, "patch_layers": 3, "shortcut": False, "average": 0.0}
PUBLISHED: dict[str, dict[str, Any]] = {
    "pix2pix": {**_LARGE, "up": "transposed"},
    "cyclegan": {**_LARGE, "up": "transposed", "blocks": 9},
    "cut": {**_LARGE, "up": "smooth", "blocks": 9},
    "fastcut": {**_LARGE, "up": "smooth", "blocks": 9},
    "sincut": {"width": 80, "patch_width": 32},
}
"""What the papers have otherwise than the sizes for a processor."""


def translation_config(
    recipe: str, *, published: bool = False, direction: str | None = None, **values: Any
) -> TranslationConfig:
    """A recipe's settings, of a size for a processor, or as published: 64 channels, patches of 70 pixels, batch 1; for
    single images 80 channels and crops of 64 pixels.

    Raises:
        UserError: an unknown recipe; a direction that it does not go; settings that contradict one another.
    """
    if recipe not in RECIPES:
        raise unknown_name("recipe", recipe, RECIPES)
    chosen = RECIPES[recipe]()
    if published:
        chosen |= PUBLISHED[recipe]
    if direction is not None:
        if recipe == "cyclegan" and direction != "both":
            raise UserError("cyclegan goes both ways. Leave --direction out, or take cut for one.")
        chosen["direction"] = direction
    if chosen.get("direction") == "both" and recipe != "cyclegan":
        raise UserError(f"{recipe} goes one way: --direction a2b or b2a.")
    known = {name: value for name, value in values.items() if value is not None}
    return replace(TranslationConfig(recipe=recipe, **{"images": 1, **chosen}), **_budget(known))


def _budget(values: dict[str, Any]) -> dict[str, Any]:
    """Values with both budgets, of which the one that is not given is null; 5 minutes if none is."""
    if values.get("minutes") is None and values.get("images") is None:
        values = {**values, "minutes": 5.0}
    return {"minutes": None, "images": None, **values}
