"""Autoencoders of the GAN's own networks: its generator decodes, the trunk of its discriminator encodes."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from augan.core.errors import UserError
from augan.core.item import ItemSpec
from augan.networks import NetworkConfig, build

LOG_VARIANCES = (-10.0, 4.0)


class Coder(nn.Module):
    """Encodes images (b, c, h, w) in [-1, 1] to latents (b, latent_size), and decodes them.

    Attributes:
        decoder: the generator that `networks` names, without classes.
        encoder: the discriminator that it names, without its last layer.
        head: what stands in its place: a mean, and where `gaussian` a log-variance, for each number of the latent.

    Raises:
        UserError: a family whose discriminator shows no features.
    """

    def __init__(self, networks: NetworkConfig, item: ItemSpec, gaussian: bool) -> None:
        super().__init__()
        self.gaussian, self.latent_size = gaussian, networks.latent_size
        self.decoder, encoder = build(networks, item)
        if not hasattr(encoder, "features"):
            raise UserError(
                f"networks.name={networks.name} has no trunk to encode with. Compare with strided or skip networks."
            )
        self.encoder = encoder
        self.encoder.head = nn.Identity()
        with torch.no_grad():
            found = self.features(torch.zeros(2, *item.shape)).shape[1]
        self.head = nn.Linear(found, (2 if gaussian else 1) * self.latent_size)

    def features(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b f"]:
        """What the head sees."""
        return cast(Any, self.encoder).features(images)

    def encode(self, images: Float[Tensor, "b c h w"]) -> tuple[Float[Tensor, "b d"], Float[Tensor, "b d"] | None]:
        """Means of latents, and, where they are Gaussian, their log-variances."""
        found = self.head(self.features(images)).float()
        if not self.gaussian:
            return found, None
        mean, log_variance = found.chunk(2, 1)
        return mean, log_variance.clamp(*LOG_VARIANCES)

    def decode(self, latents: Float[Tensor, "b d"]) -> Float[Tensor, "b c h w"]:
        """Images in [-1, 1]."""
        images: Tensor = self.decoder(latents)
        return images.float()


def log_probability(
    levels: Float[Tensor, "b c h w"], means: Float[Tensor, "b c h w"], deviation: float
) -> Float[Tensor, " b"]:
    """log P of 8-bit images, in nats an image, where a Gaussian about `means` is rounded to levels and cut at the ends.

    Images and means are in [-1, 1], 2 / 255 from level to level; the lowest and the highest level hold the tails. A
    probability of a discrete image, hence at most 0: unlike densities, such bounds can be compared.
    """
    x, mean, half = levels.double(), means.double(), 1 / 255
    below, above = (x - mean - half) / deviation, (x - mean + half) / deviation
    # In the upper tail both are mirrored: differences of numbers near 0 keep their digits, those near 1 lose them.
    low, high = torch.where(below > 0, -above, below), torch.where(below > 0, -below, above)
    inside = torch.special.log_ndtr(high) + _log1mexp(torch.special.log_ndtr(high) - torch.special.log_ndtr(low))
    bottom, top = torch.special.log_ndtr(above), torch.special.log_ndtr(-below)
    found = torch.where(x < -1 + half, bottom, torch.where(x > 1 - half, top, inside))
    return found.flatten(1).sum(1).float()


def _log1mexp(x: Tensor) -> Tensor:
    """log(1 - e^-x) for x > 0."""
    x = x.clamp_min(1e-300)
    return torch.where(x < math.log(2), (-torch.expm1(-x)).log(), torch.log1p(-(-x).exp()))


def divergence(mean: Float[Tensor, "b d"], log_variance: Float[Tensor, "b d"]) -> Float[Tensor, " b"]:
    """KL(q(z | x) || N(0, I)) of each item, in nats."""
    return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1)
