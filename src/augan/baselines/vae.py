"""A convolutional variational autoencoder on the GAN's own generator: what a GAN has to beat, and what it differs from.

The decoder is the strided generator, the encoder the strided discriminator without its head: same capacity, another
game. Encoder and decoder maximise the evidence lower bound (arXiv:1312.6114) with the optimal shared variance of pixels
(arXiv:2006.13202, equation 6): there is no weight between reconstruction and prior to choose.
"""

from __future__ import annotations

import time
from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from augan.core.errors import UserError
from augan.core.item import ItemSpec, from_unit, to_unit
from augan.core.rng import derive, numpy_stream
from augan.data import Source
from augan.networks import NetworkConfig, StridedDiscriminator, build
from augan.nn import channels_last

LATENT = 64
WIDTH = 32
BATCH = 64
RATE = 1e-3
LEAST_ERROR = 1e-6
LOG_VARIANCES = (-10.0, 4.0)


class VAE(nn.Module):
    """Encodes images (b, c, h, w) in [-1, 1] to Gaussians of (b, 64) latents, and decodes them.

    `classes` is 0 for an unconditional one; else both directions take labels (b,) int64.
    """

    def __init__(self, item: ItemSpec, classes: int, width: int = WIDTH) -> None:
        super().__init__()
        self.item, self.classes, self.latent_size = item, classes, LATENT
        networks = NetworkConfig(name="strided", width=width, latent_size=LATENT, conditional=classes > 0)
        self.decoder, encoder = build(networks, item)
        self.encoder = cast(StridedDiscriminator, encoder)
        self.encoder.head = nn.Identity()
        with torch.no_grad():
            found = self.encoder.features(torch.zeros(1, *item.shape)).shape[1]
        self.embedding = nn.Embedding(classes, LATENT) if classes else None
        self.posterior = nn.Linear(found + (LATENT if classes else 0), 2 * LATENT)

    def encode(
        self, images: Float[Tensor, "b c h w"], labels: Int64[Tensor, " b"] | None = None
    ) -> tuple[Float[Tensor, "b d"], Float[Tensor, "b d"]]:
        """Means and log-variances of q(z | x)."""
        features = self.encoder.features(images)
        if self.embedding is not None:
            features = torch.cat([features, self.embedding(labels)], 1)
        mean, log_variance = self.posterior(features).chunk(2, 1)
        return mean, log_variance.clamp(*LOG_VARIANCES)

    def decode(
        self, latents: Float[Tensor, "b d"], labels: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        """Means of p(x | z), in [-1, 1]."""
        images: Tensor = self.decoder(latents, labels) if self.classes else self.decoder(latents)
        return images

    @torch.no_grad()
    def reconstruct(
        self, images: UInt8[np.ndarray, "n h w c"], labels: Int64[np.ndarray, " n"] | None = None
    ) -> UInt8[np.ndarray, "n h w c"]:
        """Images through the mean of their latents."""
        self.eval()
        parts = []
        for start in range(0, len(images), 256):
            marks = None if labels is None else torch.from_numpy(labels[start : start + 256])
            mean, _ = self.encode(to_unit(images[start : start + 256]), marks)
            parts.append(from_unit(self.decode(mean, marks)))
        return np.concatenate(parts)

    @torch.no_grad()
    def make(self, label: int, count: int, seed: int) -> UInt8[np.ndarray, "n h w c"]:
        """`count` images of a class (any number without classes), from latents drawn from the prior."""
        self.eval()
        random = torch.Generator().manual_seed(derive(seed, "vae", label))
        latents = torch.randn(count, LATENT, generator=random)
        parts = [np.empty((0, self.item.height, self.item.width, self.item.channels), np.uint8)]
        for start in range(0, count, 256):
            part = latents[start : start + 256]
            marks = torch.full((len(part),), label, dtype=torch.int64) if self.classes else None
            parts.append(from_unit(self.decode(part, marks)))
        return np.concatenate(parts)


def elbo_terms(
    images: Float[Tensor, "b c h w"],
    decoded: Float[Tensor, "b c h w"],
    mean: Float[Tensor, "b d"],
    log_variance: Float[Tensor, "b d"],
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """(reconstruction, divergence), nats an image: D / 2 log of the mean squared error; KL(q(z | x) || N(0, I))."""
    error = F.mse_loss(decoded, images).clamp_min(LEAST_ERROR)
    divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1).mean()
    return 0.5 * images[0].numel() * error.log(), divergence


def fit_vae(
    source: Source, *, minutes: float | None = None, steps: int | None = None, seed: int = 0, width: int = WIDTH
) -> VAE:
    """A VAE after `minutes` of training or `steps` batches of 64, classes drawn equally often.

    Raises:
        UserError: neither or both budgets.
    """
    if (minutes is None) == (steps is None):
        raise UserError("Give minutes or steps.")
    labels = None if source.labels is None else np.asarray(source.labels, np.int64)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "vae networks"))
        vae = channels_last(VAE(source.item, source.item.classes if labels is not None else 0, width))
    chances = None
    if labels is not None:
        chances = 1.0 / np.bincount(labels, minlength=labels.max() + 1)[labels]
        chances = chances / chances.sum()
    optimizer = torch.optim.Adam(vae.parameters(), RATE)
    noise = torch.Generator().manual_seed(derive(seed, "vae noise"))
    begun, step = time.monotonic(), 0
    while (done := (time.monotonic() - begun) / (60 * minutes) if minutes is not None else step / (steps or 1)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - 0.9 * done)
        rows = numpy_stream(seed, "vae batch", step).choice(len(source), BATCH, p=chances)
        images = to_unit(source.items(rows))
        marks = None if labels is None else torch.from_numpy(labels[rows])
        vae.train()
        mean, log_variance = vae.encode(images, marks)
        latents = mean + (0.5 * log_variance).exp() * torch.randn(mean.shape, generator=noise)
        reconstruction, divergence = elbo_terms(images, vae.decode(latents, marks), mean, log_variance)
        optimizer.zero_grad(set_to_none=True)
        (reconstruction + divergence).backward()
        optimizer.step()
        step += 1
    return vae.eval()
