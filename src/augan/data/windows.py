"""Time series as windows of successive moments, and splits of windows that share no moment."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64

from augan.core.errors import UserError
from augan.core.item import ItemSpec
from augan.core.rng import numpy_stream
from augan.core.series import SeriesSpec

Indices = Int64[np.ndarray, " _"]
UNEVEN = 0.2
"""A step between two moments that is off the usual one by more than this share of it is uneven."""
MOSTLY = 0.9
"""Moments are evenly spaced where this share of their steps is."""
BREAK = 10.0
"""Of moments that are not evenly spaced, a step so many times the usual one breaks a series."""
MANY_SERIES = 10
BLOCK_WINDOWS = 2
"""A stretch of time that stays on one side of a split is at least so many windows long: half of its windows, or more,
lie in no other."""
BLOCKS = 20


@dataclass(frozen=True, kw_only=True)
class Windowing:
    """How rows become windows.

    Attributes:
        window: moments in a window; None for arrays: all.
        stride: moments from the start of a window to that of the next.
        series: the column that says which series a row is of; None where there is one.
        time: the column that orders them; None for the only column of dates, or the order of the rows.
        columns: which to learn from; None for all others.
        fill: holes of up to so many moments are filled by straight lines; windows with longer ones are left out.
    """

    window: int | None = None
    stride: int = 1
    series: str | None = None
    time: str | None = None
    columns: tuple[str, ...] | None = None
    fill: int = 3


class Strand(NamedTuple):
    """One series in its order: values (m, c), NaN where missing, and the class of each moment, or None."""

    values: Float[np.ndarray, "m c"]
    labels: Int64[np.ndarray, " m"] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class SeriesSource:
    """Windows of time series, as `item.series` says: (b, 1, window, columns) float32 about [-1, 1].

    Windows lie in the series that they are cut from, so that overlapping ones take no more room.

    Attributes:
        values: the moments of all series, one series after another.
        starts: (n,) where each window begins. owners: (n,) which series it is of.
    """

    values: Float32[np.ndarray, "m c"] = field(repr=False)
    starts: Indices = field(repr=False)
    owners: Indices = field(repr=False)
    labels: Indices | None = field(default=None, repr=False)
    item: ItemSpec
    key: str
    name: str = "series"
    notes: tuple[str, ...] = ()
    path: Path | None = None

    @property
    def spec(self) -> SeriesSpec:
        """What its columns are."""
        assert self.item.series is not None
        return self.item.series

    @property
    def window(self) -> int:
        """Moments in a window."""
        return self.item.width

    def __len__(self) -> int:
        return len(self.starts)

    def items(self, indices: Indices) -> Float32[np.ndarray, "b 1 t c"]:
        """Encoded windows."""
        return self.values[self.starts[indices][:, None] + np.arange(self.window)][:, None]

    def windows(self, indices: Indices | None = None) -> Float[np.ndarray, "b t c"]:
        """Windows in the data's units, all of them for None."""
        return self.spec.decode(self.items(np.arange(len(self)) if indices is None else indices)[:, 0])

    def subset(self, rows: Indices, key: str) -> SeriesSource:
        """These windows."""
        labels = None if self.labels is None else self.labels[rows]
        return replace(self, starts=self.starts[rows], owners=self.owners[rows], labels=labels, key=key)

    def blocks(self) -> Indices:
        """(n,) for each window the stretch of time that it lies in; -1 where it lies in two. No moment is in windows of
        two stretches.

        Of ten series and more, each is a stretch. Fewer are cut into up to twenty, of two windows' length or longer.
        """
        if len(np.unique(self.owners)) >= MANY_SERIES:
            return np.unique(self.owners, return_inverse=True)[1].astype(np.int64)
        found, first = np.full(len(self), -1, np.int64), 0
        for owner in np.unique(self.owners):
            own = np.flatnonzero(self.owners == owner)
            begins = self.starts[own] - self.starts[own].min()
            length = int(begins.max()) + self.window
            count = max(1, min(BLOCKS, length // (BLOCK_WINDOWS * self.window)))
            edge = -(-length // count)
            block = begins // edge
            inside = (begins + self.window - 1) // edge == block
            found[own[inside]] = first + block[inside]
            first += count
        return found

    def divided(self, held_out: int, seed: int) -> tuple[Indices, Indices]:
        """(shown, held out) windows without a common moment: at least `held_out` of whole series where there are ten
        and more, else the last ones, and what overlaps them is in neither.

        Raises:
            UserError: fewer than 2 would be left.
        """
        owners = np.unique(self.owners)
        if len(owners) >= MANY_SERIES:
            order = numpy_stream(seed, "held out").permutation(len(owners))
            counts = np.cumsum([(self.owners == owners[place]).sum() for place in order])
            taken = owners[order[: int(np.searchsorted(counts, held_out)) + 1]]
            away = np.isin(self.owners, taken)
            shown, held = np.flatnonzero(~away), np.flatnonzero(away)
        else:
            order = np.argsort(self.starts, kind="stable")
            held = np.sort(order[-held_out:])
            first = self.starts[held].min()
            shown = np.flatnonzero(self.starts + self.window <= first)
        if len(shown) < 2:
            raise UserError(
                f"data.held_out={held_out} of {len(self)} windows leaves {len(shown)} that share no moment with them, "
                "and 2 are needed to learn from. Hold out fewer."
            )
        return shown, held


class Filled(NamedTuple):
    """Values with short holes filled, and how many moments had one."""

    values: Float[np.ndarray, "m c"]
    moments: int


def filled(values: Float[np.ndarray, "m c"], most: int) -> Filled:
    """Straight lines over holes of up to `most` moments that have numbers on both sides; longer ones stay NaN."""
    found, touched = values.copy(), np.zeros(len(values), bool)
    for column in range(values.shape[1]):
        known = np.flatnonzero(~np.isnan(values[:, column]))
        gaps = np.diff(known)
        for place in np.flatnonzero((gaps > 1) & (gaps <= most + 1)):
            left, right = known[place], known[place + 1]
            between = np.arange(left + 1, right)
            found[between, column] = np.interp(between, [left, right], values[[left, right], column])
            touched[between] = True
    return Filled(found, int(touched.sum()))


def spaced(stamps: Float[np.ndarray, " m"], fill: int) -> tuple[Indices, bool]:
    """Where moments at rising `stamps` stand when missing ones have a place of their own, and whether they are even.

    A gap is at most `fill + 1` places, which is a hole too long to be filled. Of uneven moments (days without weekends)
    one follows the other, but for steps of ten times the usual one.
    """
    if len(stamps) < 2:
        return np.zeros(len(stamps), np.int64), True
    steps = np.diff(stamps)
    usual = float(np.median(steps))
    even = float((np.abs(steps - usual) <= UNEVEN * usual).mean()) >= MOSTLY
    jumps = np.maximum(1, np.round(steps / usual)) if even else np.where(steps > BREAK * usual, fill + 2, 1)
    return np.concatenate([[0], np.cumsum(np.minimum(jumps, fill + 2))]).astype(np.int64), even


def spread_out(strand: Strand, places: Indices) -> Strand:
    """The moments at their places, with NaN between them; a missing moment has the class of the one before."""
    values = np.full((int(places[-1]) + 1, strand.values.shape[1]), np.nan)
    values[places] = strand.values
    if strand.labels is None:
        return Strand(values, None)
    before = np.searchsorted(places, np.arange(len(values)), side="right") - 1
    return Strand(values, strand.labels[before])


@dataclass(frozen=True, kw_only=True)
class Cut:
    """What `cut` found: see `SeriesSource`; and how much was left out."""

    values: Float[np.ndarray, "m c"]
    starts: Indices
    owners: Indices
    labels: Indices | None
    short: int
    holed: int
    mixed: int
    longest: int


def cut(strands: Sequence[Strand], window: int, stride: int) -> Cut:
    """Windows of all series, but for those with a missing number or of two classes."""
    starts, owners, labels = [], [], []
    short = holed = mixed = offset = 0
    for owner, strand in enumerate(strands):
        length = len(strand.values)
        short += length < window
        begins = np.arange(0, length - window + 1, stride, dtype=np.int64)
        whole = _none_in(np.isnan(strand.values).any(1), begins, window)
        holed += int((~whole).sum())
        begins = begins[whole]
        if strand.labels is not None and length:
            changes = np.concatenate([strand.labels[1:] != strand.labels[:-1], [False]])
            same = _none_in(changes, begins, window - 1)
            mixed += int((~same).sum())
            begins = begins[same]
            labels.append(strand.labels[begins])
        starts.append(begins + offset)
        owners.append(np.full(len(begins), owner, np.int64))
        offset += length
    return Cut(
        values=np.concatenate([strand.values for strand in strands]),
        starts=np.concatenate(starts),
        owners=np.concatenate(owners),
        labels=np.concatenate(labels).astype(np.int64) if labels else None,
        short=short,
        holed=holed,
        mixed=mixed,
        longest=max(len(strand.values) for strand in strands),
    )


def _none_in(marks: Bool[np.ndarray, " m"], begins: Indices, length: int) -> Bool[np.ndarray, " n"]:
    """For each beginning whether none of the next `length` moments is marked."""
    sums = np.concatenate([[0], np.cumsum(marks)])
    return np.asarray(sums[np.minimum(begins + length, len(marks))] == sums[begins])


def source_of_cut(found: Cut, spec: SeriesSpec, window: int, class_names: tuple[str, ...] | None, name: str,
                  path: Path | None, notes: tuple[str, ...]) -> SeriesSource:  # fmt: skip
    """Windows as a source.

    Raises:
        UserError: there are none.
    """
    if not len(found.starts):
        if found.longest < window:
            raise UserError(
                f"The longest series of {name} has {found.longest} moments, and a window {window}. Choose a smaller "
                "data.window."
            )
        raise UserError(
            f"No window of {window} moments of {name} is whole: {found.holed} have holes longer than data.fill="
            f"{spec.fill}, {found.mixed} are of two classes. Choose a smaller data.window, or fill the holes."
        )
    item = ItemSpec(
        channels=len(spec.learnt),
        height=1,
        width=window,
        class_names=class_names,
        value_range=(-1.0, 1.0),
        kind="series",
        series=spec,
    )
    values = np.nan_to_num(spec.encode(found.values))
    digest = hashlib.sha256(json.dumps(item.to_json(), sort_keys=True).encode())
    for part in (values, found.starts, found.labels):
        digest.update(b"" if part is None else np.ascontiguousarray(part).tobytes())
    return SeriesSource(
        values=values,
        starts=found.starts,
        owners=found.owners,
        labels=found.labels,
        item=item,
        key=digest.hexdigest(),
        name=name,
        notes=(*notes, *left_out(found, window, spec)),
        path=path,
    )


def left_out(found: Cut, window: int, spec: SeriesSpec) -> Iterator[str]:
    """What should be known about the windows."""
    yield f"{len(found.starts):,} windows of {window} moments, one at every {spec.stride}."
    if found.short:
        yield f"{found.short:,} series are shorter than a window of {window} moments, and left out."
    if found.holed:
        yield f"{found.holed:,} windows hold a hole longer than data.fill={spec.fill}, and are left out."
    if found.mixed:
        yield f"{found.mixed:,} windows are of two classes, and left out."
