"""What decides a comparison, as one strict configuration that is saved with it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from augan.core.config import STRICT
from augan.core.errors import UserError, unknown_name

MODELS = {
    "gan": "a generator against a discriminator, by the recipe",
    "ae": "a deterministic autoencoder, sampled from a Gaussian mixture over its latents (arXiv:1903.12436)",
    "vae": "a variational autoencoder (arXiv:1312.6114)",
    "vae-gan": "a variational autoencoder whose decoder also plays the game (arXiv:1512.09300)",
}
"""What `--models` may name."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class VersusConfig:
    """A comparison.

    Attributes:
        models: which, of gan, ae, vae and vae-gan.
        seeds: each model is trained once with each of them.
        minutes: training time of each model and seed. Or give images.
        clock: what minutes are of: wall, or processor, which other work on the machine does not take away.
        images: budget of each in real images shown.
        beta: what the divergence from the prior counts in the VAE (arXiv:1804.03599); 1 is the bound itself.
        held_out: share of the images that no model sees, at most 1,000 of them; all measures are against these.
        inverted: held-out images that are reconstructed, the same by all models; the GAN's by optimisation.
        probed: training images whose latents the linear probe learns from.
        restarts: starts of an inversion, of which the best end counts.
        steps: of an inversion.
        seed: decides which images are held out.
    """

    models: tuple[str, ...] = tuple(MODELS)
    seeds: tuple[int, ...] = (0, 1, 2)
    minutes: float | None = Field(default=None, gt=0)
    images: int | None = Field(default=None, ge=1)
    clock: Literal["wall", "processor"] = "wall"
    beta: float = Field(default=1.0, gt=0)
    held_out: float = Field(default=0.2, gt=0, lt=1)
    inverted: int = Field(default=100, ge=1)
    probed: int = Field(default=300, ge=0)
    restarts: int = Field(default=1, ge=1)
    steps: int = Field(default=100, ge=1)
    seed: int = Field(default=0, ge=0)

    def __post_init__(self) -> None:
        for name in self.models:
            if name not in MODELS:
                raise unknown_name("model", name, MODELS)
        for what, given in (("model", self.models), ("seed", self.seeds)):
            if not given or len(set(given)) < len(given):
                raise UserError(f"--{what}s takes at least one {what}, each once, got {given or 'none'}.")
        if (self.minutes is None) == (self.images is None):
            raise UserError("Give a budget: either minutes or images, and not both.")
