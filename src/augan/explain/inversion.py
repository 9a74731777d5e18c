"""From an image back to a latent: optimisation from the nearest of many samples, or from what an encoder says."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from pydantic import Field
from pydantic.dataclasses import dataclass as strict_dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from augan.checkpoint import Model
from augan.core.config import STRICT
from augan.core.errors import UserError
from augan.core.rng import derive, numpy_stream
from augan.explain.intake import decode, render
from augan.metrics import Encoder, reduced

Features = Callable[[Tensor], Tensor]
"""Items (n, c, ...) to features (n, f), with gradients."""
AT_ONCE = 256
PIXEL_PART = 0.5
"""The share of the steps, at the end, in which only pixels count."""


@strict_dataclass(frozen=True, kw_only=True, config=STRICT)
class InversionConfig:
    """How latents are looked for.

    Attributes:
        candidates: samples among which the nearest ones are the starts.
        restarts: starts for each image.
        steps: of Adam, for all starts at once.
        rate: of Adam at the first step; it falls to 0 along a half cosine.
        feature_weight: of the features' loss beside the pixels', in the first half of the steps; both losses are
            divided by their value at the start.
        norm_weight: of (|z| / d^(1/2) - 1)^2, which holds latents where the generator has seen them.
    """

    candidates: int = Field(default=10_000, ge=1)
    restarts: int = Field(default=4, ge=1)
    steps: int = Field(default=200, ge=1)
    rate: float = Field(default=0.1, gt=0)
    feature_weight: float = Field(default=0.5, ge=0)
    norm_weight: float = Field(default=1e-3, ge=0)


@dataclass(frozen=True, eq=False)
class Inversion:
    """Latents of images, and how well they do.

    Attributes:
        latents: (n, d). labels: (n,) classes in which they were found; None for a model without.
        images: what was given, in [-1, 1]. reconstructions: of the latents, cut to [-1, 1].
        nearest: the nearest of the candidates to each image.
        errors: mean squared difference of a value, on the scale of [-1, 1], (n,). nearest_errors: of `nearest`.
        candidates: how many samples there were. seconds: in all.
    """

    latents: Float[Tensor, "n d"]
    labels: Int64[Tensor, " n"] | None
    images: Float[Tensor, "n ..."]
    reconstructions: Float[Tensor, "n ..."]
    nearest: Float[Tensor, "n ..."]
    errors: Float[Tensor, " n"]
    nearest_errors: Float[Tensor, " n"]
    candidates: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Numbers for each image, and in all."""
        rows = zip(self.errors.tolist(), self.nearest_errors.tolist(), strict=True)
        return {
            "images": len(self.images),
            "candidates": self.candidates,
            "seconds": self.seconds,
            "seconds_per_image": self.seconds / max(1, len(self.images)),
            "mean_error": float(self.errors.mean()),
            "mean_nearest_error": float(self.nearest_errors.mean()),
            "better_than_nearest": float((self.errors < self.nearest_errors).double().mean()),
            "errors": [{"error": error, "nearest_error": other} for error, other in rows],
            "labels": None if self.labels is None else self.labels.tolist(),
        }


def invert(
    model: Model,
    images: Float[Tensor, "n ..."],
    labels: Int64[Tensor, " n"] | None = None,
    *,
    config: InversionConfig | None = None,
    features: Features | None = None,
    encoder: Callable[[Tensor], Tensor] | None = None,
    seed: int = 0,
    tick: Callable[[int], None] = lambda done: None,
) -> Inversion:
    """Latents whose items are like `images` (optimisation-based inversion, arXiv:2101.05278, section 3.2).

    Each image starts from the nearest of `config.candidates` samples, so that its error is at most theirs; a latent of
    the whole path with the lowest error in pixels is kept.

    Args:
        model: any model.
        images: in [-1, 1], of the model's size.
        labels: their classes; None tries all: candidates are drawn in each.
        features: for a loss beside that of pixels, such as a discriminator's.
        encoder: images to latents (n, d), as `train_encoder` makes one; its answer is one more start.
        tick: hears how many images are done.

    Raises:
        UserError: images of another shape, no images, or labels for a model without classes.
    """
    config = config or InversionConfig()
    _check(model, images, labels)
    began = time.perf_counter()
    start, classes, nearest = _nearest(model, images, labels, config, seed)
    rows = max(1, AT_ONCE // (config.restarts + (encoder is not None)))
    found, kinds = [], []
    for chosen in torch.arange(len(images)).split(rows):
        latents, own = start[chosen], None if classes is None else classes[chosen]
        if encoder is not None:
            with torch.no_grad():
                guess = encoder(images[chosen].to(model.device)).float().cpu()
            latents = torch.cat([latents, guess[:, None]], 1)
            own = None if own is None else torch.cat([own, own[:, :1]], 1)
        best, which = _descend(model, images[chosen], latents, own, config, features)
        found.append(best)
        kinds.append(None if own is None else own[torch.arange(len(own)), which])
        tick(int(chosen[-1]) + 1)
    result = torch.cat(found)
    classes = None if classes is None else torch.cat([kind for kind in kinds if kind is not None])
    made = decode(model, result, classes)
    nearest_errors = _squared(nearest, images)
    return Inversion(
        latents=result,
        labels=classes,
        images=images,
        reconstructions=made,
        nearest=nearest,
        errors=_squared(made, images),
        nearest_errors=nearest_errors,
        candidates=config.candidates,
        seconds=time.perf_counter() - began,
    )


def _check(model: Model, images: Tensor, labels: Tensor | None) -> None:
    if not len(images):
        raise UserError("There are no images to invert.")
    wanted = tuple(decode(model, model.latents(1), model.labels(1)).shape[1:])
    if tuple(images.shape[1:]) != wanted:
        raise UserError(f"The images have shape {tuple(images.shape[1:])}, and the model makes {wanted}.")
    if labels is not None and not model.conditional:
        raise UserError("This generator was trained without classes: leave the labels out.")
    if labels is not None and len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < model.item.classes:
        raise UserError(
            f"Labels go from 0 to {model.item.classes - 1}, got {int(labels.min())} to {int(labels.max())}."
        )


def _squared(a: Tensor, b: Tensor) -> Float[Tensor, " n"]:
    return (a - b).flatten(1).square().mean(1)


def _nearest(
    model: Model, images: Tensor, labels: Tensor | None, config: InversionConfig, seed: int
) -> tuple[Float[Tensor, "n r d"], Int64[Tensor, "n r"] | None, Tensor]:
    """(latents of the nearest candidates, their classes, the nearest one's item), by squared difference of values."""
    count, restarts = config.candidates, min(config.restarts, config.candidates)
    latents = model.latents(count, derive(seed, "candidates"))
    classes = model.labels(count)
    if labels is not None:  # candidates in the classes that are asked for, and images look among their own
        kinds = labels.unique()
        classes = kinds[torch.arange(count) % len(kinds)]
    flat = images.flatten(1)
    best = torch.full((len(images), restarts), math.inf)
    rows = torch.zeros(len(images), restarts, dtype=torch.int64)
    for chosen in torch.arange(count).split(AT_ONCE):
        own = None if classes is None else classes[chosen]
        made = decode(model, latents[chosen], own).flatten(1)
        distances = torch.cdist(flat, made, compute_mode="donot_use_mm_for_euclid_dist")
        if labels is not None and own is not None:
            distances = distances.masked_fill(labels[:, None] != own[None], math.inf)
        joined, order = torch.cat([best, distances], 1).sort(dim=1, stable=True)
        best = joined[:, :restarts]
        rows = torch.cat([rows, chosen.expand(len(images), -1)], 1).gather(1, order[:, :restarts])
    starts = latents[rows]
    kinds_of = None if classes is None else (classes[rows] if labels is None else labels[:, None].expand_as(rows))
    first = None if kinds_of is None else kinds_of[:, 0]
    return starts, kinds_of, decode(model, starts[:, 0], first)


def _descend(
    model: Model,
    images: Tensor,
    starts: Float[Tensor, "n r d"],
    classes: Int64[Tensor, "n r"] | None,
    config: InversionConfig,
    features: Features | None,
) -> tuple[Float[Tensor, "n d"], Int64[Tensor, " n"]]:
    """(the best latent of each image, the number of the start that led there)."""
    count, restarts, size = starts.shape
    labels = None if classes is None else classes.reshape(-1)
    targets = images.repeat_interleave(restarts, 0).to(model.device)
    wanted = None if features is None else _normal(features, targets).detach()
    latents = starts.reshape(-1, size).to(model.device).clone().requires_grad_()
    optimizer = torch.optim.Adam([latents], lr=config.rate, betas=(0.9, 0.99))
    best, kept = torch.full((len(targets),), math.inf, device=model.device), latents.detach().clone()
    scales: tuple[Tensor, Tensor] | None = None
    for step in range(config.steps + 1):
        optimizer.param_groups[0]["lr"] = config.rate * 0.5 * (1 + math.cos(math.pi * step / config.steps))
        made = render(model, latents, labels)
        pixels = _squared(made, targets)
        with torch.no_grad():
            shown = _squared(made.clamp(-1, 1), targets)
            better = shown < best
            best, kept = torch.where(better, shown, best), torch.where(better[:, None], latents.detach(), kept)
        if step == config.steps:
            break
        early = features is not None and step < (1 - PIXEL_PART) * config.steps
        apart = _squared(_normal(features, made), wanted) if early and features and wanted is not None else None
        if scales is None:
            scales = (pixels.detach().clamp_min(1e-6), torch.ones(()) if apart is None else apart.detach() + 1e-6)
        loss = pixels / scales[0]
        if apart is not None:
            loss = loss + config.feature_weight * apart / scales[1]
        loss = loss + config.norm_weight * (latents.norm(dim=1) / size**0.5 - 1).square()
        optimizer.zero_grad(set_to_none=True)
        (gradient,) = torch.autograd.grad(loss.sum(), latents)
        latents.grad = gradient
        optimizer.step()
    which = best.view(count, restarts).argmin(1).cpu()
    return kept.view(count, restarts, size).cpu()[torch.arange(count), which], which


def _normal(features: Features, items: Tensor) -> Tensor:
    return F.normalize(features(items).flatten(1).float(), dim=1)


class LatentEncoder(nn.Module):
    """Images (n, c, h, w) in [-1, 1] -> latents (n, d)."""

    def __init__(self, channels: int, latent_size: int) -> None:
        super().__init__()
        self.encoder = Encoder(channels)
        self.head = nn.Sequential(nn.Flatten(), nn.LazyLinear(256), nn.LeakyReLU(0.2), nn.Linear(256, latent_size))

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        latents: Tensor = self.head(self.encoder.maps(reduced(images))[-1])
        return latents


def train_encoder(
    model: Model, *, steps: int = 600, batch: int = 64, rate: float = 2e-3, seed: int = 0
) -> LatentEncoder:
    """An encoder that has learnt latents from the model's own samples, by squared error; for images only.

    Its answers are starts for `invert`, not inversions: latents of real images are another matter.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "encoder"))
        network = LatentEncoder(model.item.channels, model.latent_size)
        network(torch.zeros(2, *model.item.shape))  # sizes of the lazy layer
    network.to(model.device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=rate, total_steps=steps)
    network.train()
    for step in range(steps):
        random = numpy_stream(seed, "encoder batch", step)
        latents = torch.from_numpy(random.standard_normal((batch, model.latent_size), dtype="float32"))
        labels = torch.from_numpy(random.integers(0, model.item.classes, batch)) if model.conditional else None
        with torch.no_grad():
            images = render(model, latents, labels).clamp(-1, 1)
        loss = F.mse_loss(network(images), latents.to(model.device))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval().requires_grad_(False)
