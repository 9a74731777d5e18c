"""The space of latents: how fast items change on ways through it, where classes lie, truncation, what is copied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from augan.checkpoint import Model
from augan.core.item import from_unit, to_unit
from augan.core.rng import derive, numpy_stream
from augan.explain.intake import PROBES, codes_of, decode, intakes, moved, record
from augan.metrics import FeatureSpace, near_copies, nearest_neighbours, nearest_ratio
from augan.metrics.space import perceptual_distances

STEP = 1e-3
PATHS = 200
TRUNCATIONS = (0.0, 0.25, 0.5, 0.75, 1.0)


def spherical(
    a: Float[Tensor, "n d"], b: Float[Tensor, "n d"], share: Float[Tensor, " n"] | float
) -> Float[Tensor, "n d"]:
    """Points on the way from a to b that turn at a constant rate, lengths in between (slerp).

    Directions that are equal or opposite are joined by the straight line.
    """
    t = torch.as_tensor(share, dtype=a.dtype).reshape(-1, 1)
    lengths = [side.norm(dim=1, keepdim=True).clamp_min(1e-12) for side in (a, b)]
    cosine = (a / lengths[0] * (b / lengths[1])).sum(1, keepdim=True).clamp(-1, 1)
    angle = torch.arccos(cosine)
    sine = torch.sin(angle)
    turned = (torch.sin((1 - t) * angle) * a / lengths[0] + torch.sin(t * angle) * b / lengths[1]) / sine
    scaled = turned * ((1 - t) * lengths[0] + t * lengths[1])
    return torch.where(sine.abs() < 1e-4, (1 - t) * a + t * b, scaled)


@dataclass(frozen=True)
class PathLength:
    """Perceptual path length: mean of d(G(z), G(z + a small step)) / step^2 over places on ways between latents.

    Attributes:
        features: mean of distances in the maps of a feature space; None where there is no space.
        features_error: its standard error.
        pixels: mean squared difference of a value; pixels_error: its standard error.
        paths: how many. step: the share of a way that a step is.
        sampling: whole: anywhere on a way; ends: at its start.
    """

    features: float | None
    features_error: float | None
    pixels: float
    pixels_error: float
    paths: int
    step: float
    sampling: str


def path_length(
    model: Model,
    space: FeatureSpace | None = None,
    *,
    paths: int = PATHS,
    sampling: Literal["whole", "ends"] = "whole",
    step: float = STEP,
    seed: int = 0,
) -> PathLength:
    """Perceptual path length in latents (arXiv:1812.04948, section 4.1, equation 2).

    The paper's distance is LPIPS on images cropped to a face, and its step 1e-4; here it is
    `augan.metrics.space.perceptual_distances` in `space`, without its learnt weights, and 1e-3, above the resolution of
    float32: compare numbers of one space and step only. Both ends of a way have the same class.
    """
    random = numpy_stream(seed, "paths")
    ends = [model.latents(paths, derive(seed, "paths", side)) for side in range(2)]
    labels = model.labels(paths)
    share = torch.from_numpy(random.random(paths).astype(np.float32)) if sampling == "whole" else torch.zeros(paths)
    a, b = (decode(model, spherical(ends[0], ends[1], share + ahead), labels) for ahead in (0.0, step))
    pixels = (a - b).flatten(1).square().double().mean(1).numpy() / step**2
    seen = None
    if space is not None and a.dim() == 4:
        parts = torch.arange(paths).split(64)
        seen = np.concatenate([perceptual_distances(space, a[rows], b[rows]) for rows in parts]) / step**2
    return PathLength(
        features=None if seen is None else float(seen.mean()),
        features_error=None if seen is None else float(seen.std(ddof=1) / paths**0.5),
        pixels=float(pixels.mean()),
        pixels_error=float(pixels.std(ddof=1) / paths**0.5),
        paths=paths,
        step=step,
        sampling=sampling,
    )


def interpolations(model: Model, rows: int = 4, columns: int = 9, seed: int = 0) -> Float[Tensor, "r k *item"]:
    """Ways from one sample to another of its class, the ends included."""
    a, b = (model.latents(rows, derive(seed, "interpolations", side)) for side in range(2))
    labels = model.labels(rows)
    shares = torch.linspace(0, 1, columns)
    return torch.stack([decode(model, spherical(a, b, torch.full((rows,), float(t))), labels) for t in shares], 1)


def truncated(
    model: Model, latents: Float[Tensor, "n d"], truncation: float, labels: Int64[Tensor, " n"] | None
) -> Float[Tensor, "n ..."]:
    """Items whose code is drawn towards the middle: w' = m + psi (w - m) in a style (arXiv:1812.04948, appendix B),
    with m the mean style of each item's class; where there is no style, latents are multiplied."""
    style = intakes(model).get("style")
    if style is None:
        return decode(model, truncation * latents, labels)
    parts = []
    kinds = [None] if labels is None else labels.unique().tolist()
    middles = {}
    for kind in kinds:
        drawn = model.latents(256, seed=1)
        own = None if kind is None else torch.full((256,), kind)
        middles[kind] = codes_of(model, style.layers[0], drawn, own).mean(0).to(model.device)
    for row in range(len(latents)):
        kind = None if labels is None else int(labels[row])
        middle = middles[kind]
        with moved(model, style.layers, lambda code, m=middle: m + truncation * (code - m)):  # type: ignore[misc]
            parts.append(decode(model, latents[row : row + 1], None if labels is None else labels[row : row + 1]))
    return torch.cat(parts)


def truncation_sweep(model: Model, columns: int = 8, seed: int = 0) -> tuple[Float[Tensor, "t k *item"], list[float]]:
    """The same samples at each of TRUNCATIONS, and how much they differ from one another: the mean distance between
    samples in pixels, over that without truncation."""
    latents, labels = model.latents(columns, derive(seed, "truncation")), model.labels(columns)
    rows = torch.stack([truncated(model, latents, amount, labels) for amount in TRUNCATIONS])
    spread = [float(torch.pdist(row.flatten(1)).mean()) if columns > 1 else 0.0 for row in rows]
    return rows, [value / max(spread[-1], 1e-12) for value in spread]


@dataclass(frozen=True, eq=False)
class ClassMap:
    """Classes as points of a plane.

    Attributes:
        places: (k, 2), the two first principal components. share: of the variance that they hold.
        of: what the points are: the generator's embedding, or mean features of samples.
        nearest: for each class, the number of the nearest other one in the whole space.
    """

    places: Float[np.ndarray, "k 2"]
    share: float
    of: str
    nearest: list[int]


def class_map(model: Model, space: FeatureSpace | None = None, *, each: int = 32, seed: int = 0) -> ClassMap | None:
    """Where classes lie: rows of the generator's class embedding, or, where none is found, mean features (or pixels) of
    samples. None for a model with fewer than 3 classes."""
    classes = model.item.classes if model.conditional else 0
    if classes < 3:
        return None
    points, of = _embedding(model, classes), "class embedding of the generator"
    if points is None:
        labels = torch.arange(classes).repeat_interleave(each)
        items = decode(model, model.latents(len(labels), derive(seed, "class map")), labels)
        values = items.flatten(1).numpy() if space is None else space.features(items)
        points = values.reshape(classes, each, -1).mean(1).astype(np.float64)
        of = "mean pixels of samples" if space is None else f"mean features of samples ({space.name})"
    centred = points - points.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    places = np.zeros((classes, 2))
    kept = min(2, len(s))
    places[:, :kept] = u[:, :kept] * s[:kept]
    share = float((s[:2] ** 2).sum() / max((s**2).sum(), 1e-30))
    return ClassMap(places, share, of, distances.argmin(1).tolist())


@torch.no_grad()
def _embedding(model: Model, classes: int) -> Float[np.ndarray, "k e"] | None:
    """Rows of an embedding of the classes, or what a layer makes of the classes as unit vectors."""
    for module in model.generator.modules():
        if isinstance(module, torch.nn.Embedding) and module.num_embeddings == classes:
            return module.weight.cpu().double().numpy()
    labels = model.labels(PROBES)
    for call in record(model, model.latents(PROBES), labels):
        given = call.value.flatten(1).cpu()
        if labels is not None and given.shape[1] == classes:
            units = torch.nn.functional.one_hot(labels, classes).to(given.dtype)
            if given.shape == units.shape and torch.equal(given, units):
                return call.module(torch.eye(classes, device=call.value.device)).cpu().double().numpy()
    return None


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Samples, and the real items nearest to each in a feature space.

    Attributes:
        samples: (n, c, ...); the likeliest copies first. nearest: (n, k) numbers of real items. distances: (n, k).
        ratio: median distance from a sample to its nearest real item, over that between real items; 0 means copies.
        copies: share of near copies.
    """

    samples: Float[Tensor, "n ..."]
    nearest: Int64[np.ndarray, "n k"]
    distances: Float[np.ndarray, "n k"]
    ratio: float
    copies: float


def nearest_real(
    model: Model, real: Float[np.ndarray, "m d"], space: FeatureSpace, *, count: int = 256, k: int = 3, seed: int = 0
) -> Neighbours:
    """The `k` nearest of real items, whose features are given, to each of `count` samples."""
    images = to_unit(from_unit(model.sample(count, seed=derive(seed, "neighbours"))))
    features = space.features(images)
    found = nearest_neighbours(features, real, k)
    order = np.argsort(found.distances[:, 0], kind="stable")
    return Neighbours(
        samples=images[torch.from_numpy(order)],
        nearest=found.indices[order],
        distances=found.distances[order],
        ratio=nearest_ratio(real, features),
        copies=float(near_copies(real, features).mean()),
    )
