"""What a data set is to the rest of augan: numbered uint8 items, their labels, and where they came from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol, cast, runtime_checkable

import numpy as np
from jaxtyping import Int16, Integer, UInt8

from augan.core.errors import UserError
from augan.core.files import release_pages
from augan.core.item import ItemSpec
from augan.core.notebook import card
from augan.core.pictures import sheet

SHOWN = 16
"""Images that a notebook shows."""
Layout = Literal["folder", "flat-folder", "zip", "flat-zip", "npy", "npz", "parquet", "tar", "dataset", "array"]


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """(height, width) of the originals, before any resizing; `distinct` counts the different ones."""

    smallest: tuple[int, int]
    median: tuple[int, int]
    largest: tuple[int, int]
    distinct: int

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Sizes:
        """The sizes that `dataclasses.asdict` gave, after a round through JSON."""
        smallest, median, largest = ((int(h), int(w)) for h, w in (value[k] for k in ("smallest", "median", "largest")))
        return cls(smallest=smallest, median=median, largest=largest, distinct=value["distinct"])


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a source came from, in the detail that writing the same layout again needs.

    `members` names each item relative to `path` (folders and zips, in item order). For arrays: the stored
    dtype, whether channels stood first, and whether there was no channel axis (`bare`).
    """

    path: Path
    layout: Layout
    members: tuple[str, ...] = ()
    dtype: str = "uint8"
    channels_first: bool = False
    bare: bool = False
    sizes: Sizes | None = None


@runtime_checkable
class Source(Protocol):
    """A finite, ordered, labelled or unlabelled set of items. Any object like this can be trained on."""

    @property
    def item(self) -> ItemSpec:
        """What one item is."""
        ...

    @property
    def labels(self) -> np.ndarray | None:
        """(n,) int64 class numbers into `item.class_names`, or None."""
        ...

    @property
    def key(self) -> str:
        """SHA-256 of items, labels and spec: the same content has the same key wherever it lies."""
        ...

    @property
    def name(self) -> str:
        """Short and safe for file names."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided or left out on the way in, in plain language."""
        ...

    def __len__(self) -> int: ...

    def items(self, indices: np.ndarray) -> np.ndarray:
        """(b,) indices to (b, h, w, c) uint8; clips are (b, t, h, w, c); waveforms (b, 1, samples, c) int16."""
        ...


class ShownInNotebooks:
    """What every source of augan shows of itself: facts, notes, and images spread over it."""

    def _repr_html_(self) -> str:
        source = cast(Source, self)
        counts = class_counts(source)
        facts = {
            "items": len(source),
            "size": " x ".join(map(str, source.item.stored_shape)),
            "classes": ", ".join(f"{name} ({count:,})" for name, count in counts.items()) or None,
        }
        spread = np.linspace(0, len(source) - 1, min(SHOWN, len(source))).astype(np.int64)
        drawn = sheet(source.items(spread), SHOWN // 2) if source.item.kind == "image" and len(source) else None
        return card(f"augan data: {source.name}", facts, drawn, source.notes)


@dataclass(frozen=True, kw_only=True, eq=False)
class ArraySource(ShownInNotebooks):
    """A source over a (memory-mapped) array. `rows` picks and orders its items; None takes all."""

    array: UInt8[np.ndarray, "m *grid c"] | Int16[np.ndarray, "m *grid c"] = field(repr=False)
    item: ItemSpec
    key: str
    name: str = "data"
    labels: Integer[np.ndarray, " n"] | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
    origin: Origin | None = field(default=None, repr=False)
    rows: Integer[np.ndarray, " n"] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.array) if self.rows is None else len(self.rows)

    def items(self, indices: Integer[np.ndarray, " b"]) -> np.ndarray:
        """(b, *grid, c): items with these numbers, copied out of the memory map."""
        rows = indices if self.rows is None else self.rows[indices]
        chosen = np.array(self.array[rows])
        release_pages(self.array)
        return chosen


@dataclass(frozen=True, kw_only=True, eq=False)
class SubsetSource(ShownInNotebooks):
    """Some items of any other source, in a chosen order."""

    parent: Source
    rows: Integer[np.ndarray, " n"] = field(repr=False)
    key: str

    @property
    def item(self) -> ItemSpec:
        return self.parent.item

    @property
    def labels(self) -> np.ndarray | None:
        labels = self.parent.labels
        return None if labels is None else labels[self.rows]

    @property
    def name(self) -> str:
        return self.parent.name

    @property
    def notes(self) -> tuple[str, ...]:
        return self.parent.notes

    def __len__(self) -> int:
        return len(self.rows)

    def items(self, indices: Integer[np.ndarray, " b"]) -> np.ndarray:
        return self.parent.items(self.rows[indices])


def subset(source: Source, indices: np.ndarray) -> Source:
    """The items with these numbers, in this order, as a source; nothing is copied, class names stay.

    Raises:
        UserError: an index is not there.
    """
    indices = np.asarray(indices, dtype=np.int64).reshape(-1)
    if len(indices) and (indices.min() < 0 or indices.max() >= len(source)):
        raise UserError(
            f"A subset takes item numbers from 0 to {len(source) - 1}, got {indices.min()} to {indices.max()}."
        )
    key = hashlib.sha256(source.key.encode() + indices.astype("<i8").tobytes()).hexdigest()
    if hasattr(source, "subset"):  # a table
        return source.subset(indices, key)
    if not isinstance(source, ArraySource):
        return SubsetSource(parent=source, rows=indices, key=key)
    origin = source.origin
    if origin is not None and origin.members:
        origin = replace(origin, members=tuple(origin.members[i] for i in indices))
    return replace(
        source,
        key=key,
        labels=None if source.labels is None else source.labels[indices],
        origin=origin,
        rows=indices if source.rows is None else source.rows[indices],
    )


def class_counts(source: Source) -> dict[str, int]:
    """How many items each class has, in class order; empty where items have no label."""
    names = source.item.class_names
    if source.labels is None or not names:
        return {}
    counts = np.bincount(source.labels, minlength=len(names))
    return {name: int(count) for name, count in zip(names, counts, strict=True)}
