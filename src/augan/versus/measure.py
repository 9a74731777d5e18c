"""Every number of a trained model: what it reconstructs, what it makes, and what its latents hold."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from augan.core.item import from_unit, to_unit
from augan.core.rng import numpy_stream, torch_stream
from augan.metrics import FeatureSpace, frechet_distance, kernel_distance, manifolds
from augan.metrics.space import perceptual_distances
from augan.versus.players import BATCH, Found, Images, Player

PATHS = 200
STEP = 1e-3
"""Of path length, as a share of the whole way; the published 1e-4 leaves too few digits of float32."""
TIMED = 512
TURNS = 3
RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
SHOWN = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Bench:
    """What all models are measured on: the same for each of them.

    Attributes:
        space: learnt from the training images.
        real: features of the held-out images, (n, d).
        held_out: held-out images to reconstruct, (m, h, w, c); probed: training images for the linear probe.
        labels: of these two, or None where there are none.
        sharpness: of all held-out images.
        clock: of the speed of sampling.
    """

    space: FeatureSpace
    real: Float[np.ndarray, "n d"]
    held_out: UInt8[np.ndarray, "m h w c"]
    probed: UInt8[np.ndarray, "p h w c"]
    labels: tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " m"]] | None
    sharpness: float
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """Numbers by name (those of `COLUMNS`; a missing one is not defined), and pictures: (8, h, w, c) each."""

    values: dict[str, float]
    reconstructions: UInt8[np.ndarray, "s h w c"]
    samples: UInt8[np.ndarray, "s h w c"]


def laplacian_variance(images: UInt8[np.ndarray, "n h w c"]) -> float:
    """Mean over images of the variance of x_up + x_down + x_left + x_right - 4 x of the grey image in [0, 1]."""
    total = 0.0
    for start in range(0, len(images), 256):
        grey = images[start : start + 256].astype(np.float64).mean(3) / 255
        around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
        total += float((around - 4 * grey[:, 1:-1, 1:-1]).var((1, 2)).sum())
    return total / len(images)


def measured(player: Player, bench: Bench, seed: int) -> Outcome:
    """All of them, under `seed`."""
    held_out = to_unit(bench.held_out)
    found = player.find(held_out)
    values = {
        "reconstruction": float((found.images - held_out).square().mean()) / 4,  # of values from 0 to 1
        "find_seconds": found.seconds,
    }
    count = len(bench.real)
    samples = np.concatenate([from_unit(player.decode(part)) for part in player.draw(count, seed).split(BATCH)])
    values |= of_samples(samples, bench)
    values |= _bound(player, held_out) | _probe(player, bench, found)
    values["path_length"] = path_length(player, bench.space, seed)
    values["samples_per_sec"] = speed(player, seed, bench.clock)
    values |= {"parameters": player.parameters, "sampling_parameters": player.sampling_parameters}
    return Outcome(values=values, reconstructions=from_unit(found.images[:SHOWN]), samples=samples[:SHOWN])


def of_samples(samples: UInt8[np.ndarray, "n h w c"], bench: Bench) -> dict[str, float]:
    """What samples are against the held-out images."""
    parts = [bench.space.features(to_unit(samples[start : start + 256])) for start in range(0, len(samples), 256)]
    fake = np.concatenate(parts)
    near = manifolds(bench.real, fake)
    shares = {name: float(getattr(near, name).mean()) for name in ("precision", "recall", "density", "coverage")}
    return {
        "frechet": frechet_distance(bench.real, fake),
        "kernel": kernel_distance(bench.real, fake).value,
        **shares,
        "sharpness": laplacian_variance(samples) / max(bench.sharpness, 1e-12),
    }


def _bound(player: Player, images: Images) -> dict[str, float]:
    nats = player.bound(images)
    if nats is None:
        return {}
    return {"elbo": nats, "bits_per_dim": -nats / (images[0].numel() * math.log(2))}


def _probe(player: Player, bench: Bench, found: Found) -> dict[str, float]:
    """How well classes are told from latents by a linear map."""
    if bench.labels is None or not len(bench.probed):
        return {}
    learnt = player.find(to_unit(bench.probed)).latents
    return {"probe": probe_accuracy(learnt, bench.labels[0], found.latents, bench.labels[1])}


def probe_accuracy(
    latents: Float[Tensor, "p d"],
    labels: Int64[np.ndarray, " p"],
    others: Float[Tensor, "m d"],
    truth: Int64[np.ndarray, " m"],
) -> float:
    """Accuracy on `others` of ridge regression of classes on scaled latents, a fifth of which choose the ridge."""
    x, z = latents.double(), others.double()
    centre, scale = x.mean(0), x.std(0).clamp_min(1e-9)
    x, z = (x - centre) / scale, (z - centre) / scale
    order = numpy_stream(0, "probe").permutation(len(x))
    kept, judge = order[len(x) // 5 :], order[: len(x) // 5]
    known = int(max(labels.max(), truth.max())) + 1
    targets = torch.eye(known, dtype=torch.float64)[torch.from_numpy(labels)]

    def accuracy(rows: np.ndarray, ridge: float, inputs: Tensor, answers: np.ndarray) -> float:
        side, wanted = x[rows], targets[rows]
        mean = wanted.mean(0)
        moment = side.T @ side + ridge * len(rows) * torch.eye(x.shape[1], dtype=x.dtype)
        scores = inputs @ torch.linalg.solve(moment, side.T @ (wanted - mean)) + mean
        return float((scores.argmax(1).numpy() == answers).mean())

    ridge = max(RIDGES, key=lambda one: accuracy(kept, one, x[judge], labels[judge])) if len(judge) else 1.0
    return accuracy(order, ridge, z, truth)


def path_length(player: Player, space: FeatureSpace, seed: int) -> float:
    """Mean squared perceptual change a unit of the way between two samples (arXiv:1812.04948, section 4.1)."""
    a, b = player.draw(2 * PATHS, seed + 1).chunk(2)
    share = torch.rand(PATHS, 1, generator=torch_stream(seed, "path")) * (1 - STEP)
    found = []
    for x, y, t in zip(a.split(BATCH), b.split(BATCH), share.split(BATCH), strict=True):
        here, there = (player.decode(player.between(x, y, place)) for place in (t, t + STEP))
        found.append(perceptual_distances(space, here, there) / STEP**2)
    return float(np.concatenate(found).mean())


def speed(player: Player, seed: int, clock: Callable[[], float]) -> float:
    """Samples a second, drawing latents included: the median of 3 turns of 512, after one to warm up."""
    times = []
    for turn in range(TURNS + 1):
        start = clock()
        for part in player.draw(TIMED, seed + turn).split(BATCH):
            player.decode(part)
        times.append(clock() - start)
    return TIMED / float(np.median(times[1:]))
