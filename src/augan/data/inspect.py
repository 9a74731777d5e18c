"""What is in a data set: counts, sizes, duplicates, and what may go wrong when training on it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from augan.core.item import ItemSpec
from augan.core.table import Column
from augan.data.kinds import NOUNS
from augan.data.opening import open
from augan.data.source import ArraySource, Sizes, Source, class_counts
from augan.data.tables import TableSource
from augan.data.windows import SeriesSource

CHUNK_BYTES = 8 << 20
FEW_IMAGES, FEW_IN_CLASS, IMBALANCED = 200, 20, 3.0


@dataclass(frozen=True, kw_only=True)
class DataReport:
    """The findings of `inspect`.

    `imbalance` is the largest class over the smallest (1 without classes). `duplicates` counts items that
    repeat an earlier one exactly after decoding; `duplicates_across_classes` counts distinct images found in
    several classes. `mean` and `std` are per channel, in 0 to 255. `notes` say what was done on the way in,
    `problems` what to mind. Of a table, `columns` says what each one is, and there is no mean, deviation or size.
    """

    name: str
    key: str
    n: int
    item: ItemSpec
    class_counts: dict[str, int]
    imbalance: float
    sizes: Sizes | None
    duplicates: int
    duplicates_across_classes: int
    constant: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    notes: tuple[str, ...]
    problems: tuple[str, ...]
    columns: tuple[dict[str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "item": self.item.to_json()}


def inspect(data: Any, **options: Any) -> DataReport:
    """Examines `data` (anything that `open` takes, with its options) in one pass over the decoded items.

    Raises:
        UserError: see `open`.
    """
    source: Source = open(data, **options)
    if isinstance(source, TableSource):
        return _of_rows(source)
    if isinstance(source, SeriesSource):
        return _of_windows(source)
    tally = _Tally(source.item.channels)
    for start, items in _chunks(source):
        labels = None if source.labels is None else source.labels[start : start + len(items)]
        tally.add(items, labels)
    counts = class_counts(source)
    present = [count for count in counts.values() if count]
    mean, std = tally.moments()
    report = DataReport(
        name=source.name,
        key=source.key,
        n=len(source),
        item=source.item,
        class_counts=counts,
        imbalance=max(present) / min(present) if present else 1.0,
        sizes=source.origin.sizes if isinstance(source, ArraySource) and source.origin else None,
        duplicates=tally.duplicates,
        duplicates_across_classes=len(tally.across),
        constant=tally.constant,
        mean=mean,
        std=std,
        notes=source.notes,
        problems=(),
    )
    noun = NOUNS[source.item.kind]
    return replace(report, problems=tuple(text.replace("images", noun) for text in _problems(report)))


def _of_rows(source: TableSource) -> DataReport:
    """The same of a table."""
    duplicates = int(source.frame.astype(str).duplicated().sum())
    return _without_pictures(source, duplicates, tuple(_column(column) for column in source.spec.columns))


def _of_windows(source: SeriesSource) -> DataReport:
    """The same of time series."""
    flat = source.items(np.arange(len(source))).reshape(len(source), -1)
    columns = tuple(
        {"name": column.name, "kind": "constant" if column.constant else "number", "type": column.dtype, "missing": 0}
        | ({} if column.constant else {"low": column.low, "high": column.high, "mean": column.mean})
        for column in source.spec.columns
    )
    return _without_pictures(source, len(flat) - len(np.unique(flat, axis=0)), columns)


def _without_pictures(
    source: TableSource | SeriesSource, duplicates: int, columns: tuple[dict[str, Any], ...]
) -> DataReport:
    counts, noun = class_counts(source), NOUNS[source.item.kind]
    present = [count for count in counts.values() if count]
    imbalance = max(present) / min(present) if present else 1.0
    few = [f"{name} ({count})" for name, count in counts.items() if count < FEW_IN_CLASS]
    problems = [f"{len(few)} classes have fewer than {FEW_IN_CLASS} {noun}: {', '.join(few[:5])}."] if few else []
    if len(source) < FEW_IMAGES:
        problems.append(f"Only {len(source)} {noun}: expect new ones close to them.")
    return DataReport(
        name=source.name,
        key=source.key,
        n=len(source),
        item=source.item,
        class_counts=counts,
        imbalance=imbalance,
        sizes=None,
        duplicates=duplicates,
        duplicates_across_classes=0,
        constant=0,
        mean=(),
        std=(),
        notes=source.notes,
        problems=tuple(problems),
        columns=columns,
    )


def _column(column: Column) -> dict[str, Any]:
    found: dict[str, Any] = {"name": column.name, "kind": column.kind, "type": column.dtype, "missing": column.missing}
    if column.kind == "category":
        found["values"] = dict(zip(column.labels(), column.counts, strict=True))
    elif column.scalar:
        found |= {"low": column.low, "high": column.high, "mean": column.mean, "modes": len(column.means)}
    return found


class _Tally:
    """Sums, constant images and repeated images over chunks of items."""

    def __init__(self, channels: int) -> None:
        self.duplicates = self.constant = self._pixels = 0
        self.across: set[bytes] = set()
        self._first_label: dict[bytes, int] = {}
        self._sum, self._squares = np.zeros(channels), np.zeros(channels)

    def add(self, items: np.ndarray, labels: np.ndarray | None) -> None:
        """Counts (b, ..., c) uint8 items with their labels."""
        flat = items.reshape(len(items), -1, items.shape[-1])
        values = flat.astype(np.float64)
        self._sum += values.sum((0, 1))
        self._squares += (values**2).sum((0, 1))
        self._pixels += flat.shape[0] * flat.shape[1]
        self.constant += int((flat.max(1) == flat.min(1)).all(1).sum())
        for number, item in enumerate(items):
            digest = hashlib.blake2b(np.ascontiguousarray(item).data, digest_size=16).digest()
            label = -1 if labels is None else int(labels[number])
            self.duplicates += digest in self._first_label
            if self._first_label.setdefault(digest, label) != label:
                self.across.add(digest)

    def moments(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """(mean, standard deviation) per channel."""
        mean = self._sum / self._pixels
        variance = np.maximum(self._squares / self._pixels - mean**2, 0)
        return tuple(mean.tolist()), tuple(np.sqrt(variance).tolist())


def _problems(report: DataReport) -> Iterator[str]:
    noun = NOUNS[report.item.kind]
    if report.n < FEW_IMAGES:
        yield f"Only {report.n} {noun}: expect samples close to them. More {noun} help most."
    few = [f"{name} ({count})" for name, count in report.class_counts.items() if count < FEW_IN_CLASS]
    if few:
        yield f"{len(few)} classes have fewer than {FEW_IN_CLASS} {noun}: {', '.join(few[:5])}."
    if report.imbalance >= IMBALANCED:
        times = f"{report.imbalance:.1f} times"
        yield f"The largest class has {times} the {noun} of the smallest: 'augan augment' balances them."
    if report.duplicates:
        yield f"{report.duplicates} {noun} repeat another one exactly: remove them, they weigh double."
    if report.duplicates_across_classes:
        across = report.duplicates_across_classes
        yield f"{across} {noun} lie in several classes: at least one of their labels is wrong."
    if report.constant:
        yield f"{report.constant} {noun} are a single flat colour: check whether they are meant to be there."


def _chunks(source: Source) -> Iterator[tuple[int, np.ndarray]]:
    step = max(1, CHUNK_BYTES // int(np.prod(source.item.shape)))
    for start in range(0, len(source), step):
        yield start, source.items(np.arange(start, min(start + step, len(source))))
