"""What is compared: anything that makes images from latents, and finds the latents of an image."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from augan.checkpoint import Model
from augan.core.item import to_unit
from augan.core.rng import Stream, torch_stream
from augan.data import Source
from augan.versus.coders import divergence, log_probability
from augan.versus.density import Mixture, fit_mixture
from augan.versus.fit import Fitted, drawn

Images = Float[Tensor, "n c h w"]
Latents = Float[Tensor, "n d"]
BATCH = 64
CANDIDATES = 256
"""Samples among which an inversion looks for its starts."""
RATE, RATE_END = 0.1, 0.01
MOST_LATENTS = 10_000
"""Training images whose latents a mixture is fitted to, at most."""
DRAWS = 4
"""Latents an image, over which its bound is averaged."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """Images in [-1, 1] again, the latents that give them, and the seconds that each image took."""

    images: Images
    latents: Latents
    seconds: float


@runtime_checkable
class Player(Protocol):
    """A trained model, whichever way it was trained."""

    parameters: int
    sampling_parameters: int

    def draw(self, count: int, seed: int) -> Latents:
        """Latents of samples."""
        ...

    def decode(self, latents: Latents) -> Images:
        """Their images, in [-1, 1]."""
        ...

    def between(self, a: Latents, b: Latents, share: Float[Tensor, "n 1"]) -> Latents:
        """Points on the way from a to b that stay where the model's latents are."""
        ...

    def find(self, images: Images) -> Found:
        """Reconstructions."""
        ...

    def bound(self, images: Images) -> float | None:
        """Mean evidence lower bound of log P(image) in nats, where there is one."""
        ...


def slerp(a: Latents, b: Latents, share: Float[Tensor, "n 1"]) -> Latents:
    """Along the great circle: where latents are N(0, I), the straight way passes lengths that they hardly ever have."""
    unit_a, unit_b = (torch.nn.functional.normalize(side, dim=1) for side in (a, b))
    angle = (unit_a * unit_b).sum(1, keepdim=True).clamp(-1 + 1e-6, 1 - 1e-6).acos()
    ways = torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b
    return ways / torch.sin(angle)


class GanPlayer:
    """A generator: latents of an image are found by optimisation.

    For each image the best of 256 samples' latents are starts; Adam lowers the squared error of pixels along a half
    cosine of its rate from 0.1 to 0.01; the best end counts (arXiv:1811.10597 and many others do so).
    """

    def __init__(
        self,
        model: Model,
        parameters: int,
        restarts: int,
        steps: int,
        seed: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock, self.model, self.parameters = clock, model, parameters
        self.sampling_parameters = sum(value.numel() for value in model.generator.parameters())
        self.restarts, self.steps, self.seed = restarts, steps, seed

    def draw(self, count: int, seed: int) -> Latents:
        return self.model.latents(count, seed)

    def decode(self, latents: Latents) -> Images:
        return self.model.decode(latents, None)

    def between(self, a: Latents, b: Latents, share: Float[Tensor, "n 1"]) -> Latents:
        return slerp(a, b, share)

    def bound(self, images: Images) -> float | None:
        """A generator has no likelihood."""
        return None

    def find(self, images: Images) -> Found:
        start = self.clock()
        candidates = self.draw(CANDIDATES, self.seed)
        shown = torch.cat([self.decode(part) for part in candidates.split(BATCH)])
        parts = [self._inverted(part, candidates, shown) for part in images.split(BATCH)]
        seconds = (self.clock() - start) / len(images)
        latents = torch.cat(parts)
        return Found(images=torch.cat([self.decode(part) for part in latents.split(BATCH)]), latents=latents,
                     seconds=seconds)  # fmt: skip

    def _inverted(self, images: Images, candidates: Float[Tensor, "k d"], shown: Float[Tensor, "k c h w"]) -> Latents:
        device = self.model.device
        nearest = torch.cdist(images.flatten(1), shown.flatten(1)).topk(self.restarts, largest=False).indices
        latents = candidates[nearest.reshape(-1)].to(device).clone().requires_grad_()
        wanted = images.to(device).repeat_interleave(self.restarts, 0)
        optimizer = torch.optim.Adam([latents], RATE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps, RATE_END)
        for _ in range(self.steps):
            error = (self.model.generator(latents).float() - wanted).square().flatten(1).mean(1)
            (latents.grad,) = torch.autograd.grad(error.sum(), [latents])
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            error = (self.model.generator(latents).float() - wanted).square().flatten(1).mean(1)
        best = error.view(-1, self.restarts).argmin(1)
        rows = torch.arange(len(images)) * self.restarts + best.cpu()
        return latents.detach().cpu()[rows]


class CoderPlayer:
    """An autoencoder: its encoder gives the latents.

    Samples come from N(0, I) where latents are Gaussian, else from a mixture over the training images' latents.
    """

    def __init__(self, fitted: Fitted, source: Source, seed: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.coder = fitted.coder.eval().requires_grad_(False)
        self.device = next(self.coder.parameters()).device
        self.parameters = fitted.parameters
        self.sampling_parameters = sum(value.numel() for value in self.coder.decoder.parameters())
        self.seed = seed
        self.mixture: Mixture | None = None
        order = torch.randperm(len(source), generator=torch_stream(seed, "coded")).numpy()[:MOST_LATENTS]
        parts = [to_unit(source.items(order[start : start + BATCH])) for start in range(0, len(order), BATCH)]
        if not self.coder.gaussian:
            self.mixture = fit_mixture(torch.cat([self._means(part) for part in parts]), seed)
        self.deviation = self._deviation(parts) if self.coder.gaussian else 0.0

    @torch.no_grad()
    def _means(self, images: Images) -> Latents:
        return self.coder.encode(images.to(self.device))[0].cpu()

    @torch.no_grad()
    def _deviation(self, parts: list[Tensor]) -> float:
        """Root of the mean squared error of training images, which is the best shared deviation of pixels."""
        random = torch_stream(self.seed, "deviation", device=self.device)
        errors = [(self._noisy(part, random) - part).square().mean().item() * len(part) for part in parts]
        return max(float(sum(errors) / sum(map(len, parts))), 1e-6) ** 0.5

    def _noisy(self, images: Images, random: torch.Generator) -> Images:
        mean, log_variance = self.coder.encode(images.to(self.device))
        assert log_variance is not None
        return self.coder.decode(drawn(mean, log_variance, Stream(random))).cpu()

    def draw(self, count: int, seed: int) -> Latents:
        if self.mixture is not None:
            return self.mixture.sample(count, seed)
        return torch.randn(count, self.coder.latent_size, generator=torch_stream(seed, "prior"))

    @torch.no_grad()
    def decode(self, latents: Latents) -> Images:
        return self.coder.decode(latents.to(self.device)).clamp(-1, 1).cpu()

    def between(self, a: Latents, b: Latents, share: Float[Tensor, "n 1"]) -> Latents:
        return torch.lerp(a, b, share) if self.mixture is not None else slerp(a, b, share)

    def find(self, images: Images) -> Found:
        start = self.clock()
        latents = torch.cat([self._means(part) for part in images.split(BATCH)])
        found = torch.cat([self.decode(part) for part in latents.split(BATCH)])
        return Found(images=found, latents=latents, seconds=(self.clock() - start) / len(images))

    @torch.no_grad()
    def bound(self, images: Images) -> float | None:
        if not self.coder.gaussian:
            return None
        random, total = torch_stream(self.seed, "bound", device=self.device), 0.0
        for part in images.split(BATCH):
            mean, log_variance = self.coder.encode(part.to(self.device))
            assert log_variance is not None
            chances = [log_probability(part, self._noisy(part, random), self.deviation) for _ in range(DRAWS)]
            likelihood = torch.stack(chances).mean(0)
            total += float((likelihood - divergence(mean, log_variance).cpu()).sum())
        return total / len(images)
