"""Precision, recall, density and coverage, and whatever else asks for nearest neighbours.

Distances come from matrix products in float32, which a processor does fastest, and decide nothing where they could be
wrong: every pair that lies within the rounding error of a decision is computed again in float64. Results equal those
of exact distances. Memory is that of one block of pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from augan.core.errors import UserError

Features = Float[np.ndarray, "_ d"]
BLOCK = 2_048
ELEMENTS = 1 << 20
"""How many differences are computed again at a time."""
SPARE = 8
"""How many more neighbours than asked for are kept as candidates."""
ROUNDING = 1e-12
"""Squared distances that differ by a smaller share are taken for equal."""
DOUBT = 0.01
"""The share of doubtful pairs above which a whole block is computed in float64."""


class _Cloud:
    """Items as they came, and about a common centre, which keeps rounding errors small, with their squared lengths."""

    def __init__(self, features: Features, centre: Tensor) -> None:
        self.exact = torch.from_numpy(np.ascontiguousarray(features))
        self.rough = (self.exact - centre.to(self.exact.dtype)).float()
        self.rough_squares = torch.linalg.vecdot(self.rough, self.rough)
        self.squares = self.rough_squares.double()

    def __len__(self) -> int:
        return len(self.exact)


def _clouds(*sides: Features) -> list[_Cloud]:
    centre = torch.from_numpy(np.ascontiguousarray(sides[0])).mean(0)
    clouds: dict[int, _Cloud] = {}
    for side in sides:
        if id(side) not in clouds:
            clouds[id(side)] = _Cloud(side, centre)
    return [clouds[id(side)] for side in sides]


def _slack(x: _Cloud, rows: slice, limits: Tensor) -> Tensor:
    """How far off a squared distance near `limits` may be in float32, for each of the rows.

    The error is bounded by a multiple of |x|^2 + |y|^2, and an item within the limit has |y| <= |x| + limit^(1/2).
    """
    lengths = x.squares[rows].sqrt()
    farthest = (lengths + limits.sqrt()) ** 2 + x.squares[rows]
    return farthest * float(torch.finfo(torch.float32).eps) * (16 + 2 * x.rough.shape[1] ** 0.5)


def _rough(x: _Cloud, y: _Cloud, rows: slice) -> Tensor:
    """Squared distances in float32, (rows, len(y)); they may be a little off, and below 0."""
    squared = x.rough_squares[rows, None] + y.rough_squares
    return squared.addmm_(x.rough[rows], y.rough.T, alpha=-2)


def _exact(x: _Cloud, y: _Cloud, i: Tensor, j: Tensor) -> Tensor:
    """Squared distances of the pairs (i, j) in float64."""
    at_once = max(1, ELEMENTS // x.rough.shape[1])
    parts = [
        (x.exact[p].double().sub_(y.exact[q])).square_().sum(1)
        for p, q in zip(i.split(at_once), j.split(at_once), strict=True)
    ]
    return torch.cat(parts) if parts else torch.empty(0, dtype=torch.float64)


def _full_row(x: _Cloud, y: _Cloud, row: int) -> Tensor:
    """Squared distances of one item to all in float64."""
    return _exact(x, y, torch.full((len(y),), row), torch.arange(len(y)))


def _blocks(count: int) -> Iterator[slice]:
    for start in range(0, count, BLOCK):
        yield slice(start, min(start + BLOCK, count))


@dataclass(frozen=True)
class Neighbours:
    """The nearest items of each point.

    Attributes:
        distances: (n, k) float64, rising along a row.
        indices: (n, k), which items they are.
    """

    distances: Float[np.ndarray, "n k"]
    indices: Int64[np.ndarray, "n k"]


def nearest_neighbours(points: Features, support: Features, neighbours: int = 1, *, itself: bool = False) -> Neighbours:
    """The `neighbours` nearest items of `support` for each point, exactly.

    Args:
        itself: `support` is `points`, and no item counts as its own neighbour.

    Raises:
        UserError: `support` has too few items.
    """
    if len(support) - itself < neighbours:
        raise UserError(f"{neighbours} neighbours need more than {len(support)} items.")
    x, y = _clouds(points, support)
    wanted = tuple(range(1, neighbours + 1))
    squared, indices = _nearest_of_itself(x, wanted) if itself else _nearest(x, y, wanted)
    return Neighbours(squared.sqrt().numpy(), indices.numpy())


def _nearest(x: _Cloud, y: _Cloud, wanted: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Squared distances and indices, (n, len(wanted)), of the wanted-th nearest ones: 1 is the nearest."""
    found = [(torch.empty(0, len(wanted), dtype=torch.float64), torch.empty(0, len(wanted), dtype=torch.int64))]
    for rows in _blocks(len(x)):
        values, where = _smallest(_rough(x, y, rows), max(wanted) + SPARE)
        found.append(_refined(x, y, rows, values, where, wanted, itself=False))
    return torch.cat([one for one, _ in found]), torch.cat([other for _, other in found])


def _nearest_of_itself(x: _Cloud, wanted: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The same within one set: each pair of blocks once, since the matrix is symmetric."""
    width = min(max(wanted) + SPARE, len(x) - 1)
    values = torch.full((len(x), width), torch.inf)
    where = torch.zeros((len(x), width), dtype=torch.int64)
    for rows in _blocks(len(x)):
        for columns in _blocks(len(x)):
            if columns.start < rows.start:
                continue
            squared = x.rough_squares[rows, None] + x.rough_squares[columns]
            squared.addmm_(x.rough[rows], x.rough[columns].T, alpha=-2)
            if rows == columns:
                squared.fill_diagonal_(torch.inf)
            else:
                _merge(values, where, columns, squared.T.contiguous(), rows.start)
            _merge(values, where, rows, squared, columns.start)
    found = [_refined(x, x, rows, values[rows], where[rows], wanted, itself=True) for rows in _blocks(len(x))]
    return torch.cat([one for one, _ in found]), torch.cat([other for _, other in found])


def _smallest(squared: Tensor, wanted: int) -> tuple[Tensor, Tensor]:
    values, where = squared.topk(min(wanted, squared.shape[1]), dim=1, largest=False)
    return values, where


def _merge(values: Tensor, where: Tensor, rows: slice, squared: Tensor, offset: int) -> None:
    """The smallest of what was known of `rows` and of a new block of columns that starts at `offset`."""
    new, index = _smallest(squared, values.shape[1])
    best, chosen = torch.cat([values[rows], new], 1).topk(values.shape[1], dim=1, largest=False)
    where[rows] = torch.cat([where[rows], index + offset], 1).gather(1, chosen)
    values[rows] = best


def _refined(
    x: _Cloud, y: _Cloud, rows: slice, values: Tensor, where: Tensor, wanted: tuple[int, ...], *, itself: bool
) -> tuple[Tensor, Tensor]:
    """The exact wanted-th nearest ones among rough candidates, which rise along a row.

    If all distances are off by less than s, so is the k-th smallest: candidates more than 2 s below it are surely
    nearer, those more than 2 s above it surely farther, and only the rest are computed again. Rows whose candidates
    end within 2 s are done in full.
    """
    rough = values.double()
    ranks = torch.tensor(wanted) - 1
    edges = rough[:, ranks]
    reach = 2 * torch.stack([_slack(x, rows, edge.clamp_min(0)) for edge in edges.unbind(1)], 1)
    unsure = ((rough[:, :, None] - edges[:, None]).abs() <= reach[:, None]).any(2)
    i, j = unsure.nonzero(as_tuple=True)
    squared = rough.clone()
    squared[i, j] = _exact(x, y, i + rows.start, where[i, j])
    results, indices = torch.empty_like(edges), torch.empty(edges.shape, dtype=torch.int64)
    for column, rank in enumerate(ranks.tolist()):
        nearer = rough < (edges - reach)[:, column, None]
        farther = rough > (edges + reach)[:, column, None]
        sorting = squared.masked_fill(nearer, -torch.inf).masked_fill(farther, torch.inf).sort(dim=1)
        results[:, column], indices[:, column] = sorting.values[:, rank], where.gather(1, sorting.indices)[:, rank]
    if where.shape[1] < len(y) - itself:
        cut_off = (rough[:, -1, None] <= edges + reach) & (results > 0)
        for row in cut_off.any(1).nonzero()[:, 0].tolist():
            full = _full_row(x, y, rows.start + row)
            if itself:
                full[rows.start + row] = torch.inf
            best = full.topk(int(ranks.max()) + 1, largest=False)
            results[row], indices[row] = best.values[ranks], best.indices[ranks]
    return results, indices


def neighbour_radii(features: Features, neighbours: int = 3) -> Float[np.ndarray, " n"]:
    """Each item's distance to its `neighbours`-th nearest other item."""
    return nearest_neighbours(features, features, neighbours, itself=True).distances[:, -1]


def nearest_distances(points: Features, support: Features) -> Float[np.ndarray, " n"]:
    """Each point's distance to the nearest item of `support`."""
    return nearest_neighbours(points, support).distances[:, 0]


PRECISION_NEIGHBOURS = 3
DENSITY_NEIGHBOURS = 5


@dataclass(frozen=True)
class Manifolds:
    """What each item adds to precision, recall, density and coverage; each measure is the mean of its array.

    Attributes:
        precision: (generated,) 1 where the sample is within the third-neighbour radius of a real item, else 0.
        recall: (real,) 1 where the real item is within the third-neighbour radius of a sample, else 0.
        density: (generated,) real items within whose fifth-neighbour radius the sample lies, over 5.
        coverage: (real,) 1 where a sample lies within the real item's fifth-neighbour radius, else 0.
    """

    precision: Float[np.ndarray, " f"]
    recall: Float[np.ndarray, " r"]
    density: Float[np.ndarray, " f"]
    coverage: Float[np.ndarray, " r"]


def manifolds(
    real: Features,
    fake: Features,
    precision_neighbours: int = PRECISION_NEIGHBOURS,
    density_neighbours: int = DENSITY_NEIGHBOURS,
) -> Manifolds:
    """Precision and recall (arXiv:1904.06991, equation 1), density and coverage (arXiv:2002.09797, equations 3, 4).

    A distance equal to a radius is within it.

    Raises:
        UserError: a side has not more items than neighbours.
    """
    most = max(precision_neighbours, density_neighbours)
    for side, needed in ((real, most), (fake, precision_neighbours)):
        if len(side) <= needed:
            raise UserError(
                f"Precision and recall with {needed} neighbours need more than {needed} items a side, not {len(side)}."
            )
    r, f = _clouds(real, fake)
    near, wide = _nearest_of_itself(r, (precision_neighbours, density_neighbours))[0].unbind(1)
    around_fake = _nearest_of_itself(f, (precision_neighbours,))[0][:, 0]
    precise, dense = torch.zeros(len(f)), torch.zeros(len(f), dtype=torch.int64)
    recalled, covered = torch.zeros(len(r)), torch.zeros(len(r))
    for rows in _blocks(len(r)):
        squared = _rough(r, f, rows)
        around_real = _within(r, f, rows, squared, wide[rows, None])
        dense += torch.bincount(around_real[1], minlength=len(f))
        covered[around_real[0] + rows.start] = 1
        if density_neighbours != precision_neighbours:
            around_real = _within(r, f, rows, squared, near[rows, None])
        precise[around_real[1]] = 1
        recalled[_within(r, f, rows, squared, around_fake)[0] + rows.start] = 1
    return Manifolds(
        precise.double().numpy(),
        recalled.double().numpy(),
        dense.double().numpy() / density_neighbours,
        covered.double().numpy(),
    )


def _within(x: _Cloud, y: _Cloud, rows: slice, squared: Tensor, limits: Tensor) -> tuple[Tensor, Tensor]:
    """The pairs (i, j) with squared[i, j] <= limits for exact squared distances.

    `limits` is for each row, (rows, 1), or for each column, (columns,).
    """
    of_rows = limits.ndim > 1
    slack = float(_slack(x, rows, limits[:, 0] if of_rows else limits.max()).max())
    i, j = (squared <= (limits + slack).float()).nonzero(as_tuple=True)
    edge = limits[i, 0] if of_rows else limits[j]
    kept = squared[i, j].double() <= edge - slack
    doubtful = (~kept).nonzero()[:, 0]
    if len(doubtful) > DOUBT * squared.numel():  # many distances repeat exactly
        mode = "donot_use_mm_for_euclid_dist"
        full = torch.cdist(x.exact[rows].double(), y.exact.double(), compute_mode=mode) ** 2
        i, j = (full <= limits * (1 + ROUNDING)).nonzero(as_tuple=True)
        return i, j
    exact = _exact(x, y, i[doubtful] + rows.start, j[doubtful])
    kept[doubtful] = exact <= edge[doubtful] * (1 + ROUNDING)
    return i[kept], j[kept]


def precision_recall(real: Features, fake: Features, neighbours: int = PRECISION_NEIGHBOURS) -> tuple[float, float]:
    """(precision, recall) of arXiv:1904.06991, equation 1: shares of generated items near the real manifold, and
    of real items near the generated one. Both from 0 to 1, higher is better."""
    found = manifolds(real, fake, neighbours, neighbours)
    return float(found.precision.mean()), float(found.recall.mean())


def realism(fake: Features, real: Features, neighbours: int = PRECISION_NEIGHBOURS) -> Float[np.ndarray, " n"]:
    """How far inside the real manifold each sample lies (arXiv:1904.06991, equation 3); 1 is its edge, higher is
    better. Half of the real items, those with the widest balls, are left out, as in the paper."""
    radii = neighbour_radii(real, neighbours)
    kept = radii <= np.median(radii)
    base, reach = real[kept], torch.from_numpy(radii[kept])
    x, y = _clouds(fake, base)
    parts = []
    for rows in _blocks(len(x)):
        distances = _rough(x, y, rows).double().clamp_min(1e-24).sqrt()
        parts.append((reach / distances).amax(1))
    return torch.cat(parts).numpy()
