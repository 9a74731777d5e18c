"""Tables as data: .csv, .tsv and Parquet files and DataFrames, a row an item."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int64

from augan.core.errors import UserError, unknown_name
from augan.core.item import ItemSpec
from augan.core.optional import require
from augan.core.rng import numpy_stream
from augan.core.table import Codes, TableSpec, expand
from augan.data.columns import encode, read_column
from augan.data.kinds import TABLE_SUFFIXES
from augan.data.listing import require_exists
from augan.data.parquet import SUFFIXES as PARQUET_SUFFIXES
from augan.data.parquet import readable

DRAWS = 4096
"""Rows that are drawn at once."""
Rows = Int64[np.ndarray, " _"]
WIDEST = 20_000
"""Numbers in an encoded row, at most."""


def is_frame(data: Any) -> bool:
    """Whether this is a pandas DataFrame; pandas is not imported for it."""
    return type(data).__module__.split(".")[0] == "pandas" and hasattr(data, "columns") and hasattr(data, "iloc")


def holds_table(path: Path) -> bool:
    """Whether a Parquet file holds a table and no encoded images."""
    if path.suffix.lower() not in PARQUET_SUFFIXES or not path.is_file():
        return False
    pq: Any = require("pyarrow.parquet", "parquet", "Reading Parquet files")
    import pyarrow.types as kinds

    def encoded(kind: Any) -> bool:
        if kinds.is_struct(kind):
            return any(encoded(part.type) for part in kind)
        return bool(kinds.is_binary(kind) or kinds.is_large_binary(kind))

    with readable(path), pq.ParquetFile(path) as table:
        return not any(encoded(column.type) for column in table.schema_arrow)


def read_frame(path: Path) -> Any:
    """The DataFrame in a file.

    Raises:
        UserError: it is not UTF-8 or Latin-1 text, has no rows, or rows of different lengths.
    """
    pd = require("pandas", "tables", "Reading tables")
    if path.suffix.lower() in PARQUET_SUFFIXES:
        require("pyarrow.parquet", "parquet", "Reading Parquet files")
        with readable(path):
            return pd.read_parquet(path)
    separator = "\t" if path.suffix.lower() == ".tsv" else None
    for encoding in ("utf-8-sig", "latin-1"):
        try:
            return _parsed(pd, path, separator, encoding)
        except UnicodeDecodeError:
            continue
    raise UserError(f"{path} is not text. Save it as UTF-8.")


def _parsed(pd: Any, path: Path, separator: str | None, encoding: str) -> Any:
    if separator is None:
        with open(path, encoding=encoding) as file:
            head = file.readline()
        separator = max((",", ";", "\t", "|"), key=head.count)
    try:
        return pd.read_csv(path, sep=separator, encoding=encoding, low_memory=False, skipinitialspace=True)
    except pd.errors.EmptyDataError as error:
        raise UserError(f"{path} is empty. A table has a line of column names, and a line a row.") from error
    except pd.errors.ParserError as error:
        reason = str(error).split("C error: ")[-1].strip()
        raise UserError(f"{path} is not a table: {reason}. Each line needs as many cells as the first.") from error
    except PermissionError as error:
        raise UserError(f"{path} cannot be read: no permission.") from error


class Draw(NamedTuple):
    """Rows to show, and for each the number of the condition that it was drawn by."""

    rows: Rows
    conditions: Rows | None


class ConditionStream:
    """Rows by condition, as a pure function of (seed, position) (training by sampling, arXiv:1907.00503, section 4.3).

    A category column, each equally likely; one of its values, by the logarithm of how often it comes up; a row that has
    it. Without categories, any row.
    """

    def __init__(self, spec: TableSpec, codes: Codes, seed: int, chosen: Rows | None) -> None:
        self.seed, self.rows = seed, np.arange(len(codes)) if chosen is None else chosen
        self._firsts, self._order, self._starts, self._bounds = spec.first_conditions, [], [], []
        places = {id(block): index for index, block in enumerate(spec.blocks)}
        for block in spec.asked:
            own = codes.places[self.rows, places[id(block)]]
            counts = np.bincount(own, minlength=block.hot.stop - block.hot.start)
            weights = np.log1p(counts)
            self._order.append(np.argsort(own, kind="stable"))
            self._starts.append((np.cumsum(counts) - counts, counts))
            self._bounds.append(np.cumsum(weights) / weights.sum())
        self._block: tuple[int, Draw] | None = None

    def take(self, position: int, count: int) -> Draw:
        """What is shown at positions `position` to `position + count - 1`."""
        numbers = range(position // DRAWS, -(-(position + count) // DRAWS))
        drawn = [self._drawn(number) for number in numbers]
        part = slice(position - numbers.start * DRAWS, position - numbers.start * DRAWS + count)
        rows = np.concatenate([one.rows for one in drawn])[part]
        asked = [one.conditions for one in drawn if one.conditions is not None]
        return Draw(self.rows[rows], np.concatenate(asked)[part] if asked else None)

    def _drawn(self, number: int) -> Draw:
        if self._block is None or self._block[0] != number:
            self._block = (number, self._draw(number))
        return self._block[1]

    def _draw(self, number: int) -> Draw:
        random = numpy_stream(self.seed, "conditions", number)
        if not self._order:
            return Draw(random.integers(len(self.rows), size=DRAWS), None)
        columns, which, where = random.integers(len(self._order), size=DRAWS), *random.random((2, DRAWS))
        rows, conditions = np.empty(DRAWS, np.int64), np.empty(DRAWS, np.int64)
        for column, (starts, counts) in enumerate(self._starts):
            own = columns == column
            values = np.minimum(
                np.searchsorted(self._bounds[column], which[own], side="right"), np.flatnonzero(counts)[-1]
            )
            inside = (where[own] * counts[values]).astype(np.int64)
            rows[own] = self._order[column][starts[values] + inside]
            conditions[own] = self._firsts[column] + values
        return Draw(rows, conditions)


@dataclass(frozen=True, kw_only=True, eq=False)
class TableSource:
    """Rows of a table, encoded as `item.table` says: (b, 1, 1, width) float32 in [-1, 1].

    Attributes:
        frame: the rows as they were read, for what compares tables and writes them again.
        path: where they were read from; None for a DataFrame.
    """

    frame: Any = field(repr=False)
    codes: Codes = field(repr=False)
    item: ItemSpec
    key: str
    name: str = "table"
    notes: tuple[str, ...] = ()
    path: Path | None = None

    @property
    def spec(self) -> TableSpec:
        """What its columns are."""
        assert self.item.table is not None
        return self.item.table

    @property
    def labels(self) -> Rows | None:
        """(n,) class numbers, where a column is the class."""
        if self.spec.label is None:
            return None
        index = self.spec.blocks.index(self.spec.asked[0])
        return self.codes.places[:, index].astype(np.int64)

    def __len__(self) -> int:
        return len(self.codes)

    def items(self, indices: Rows) -> Float32[np.ndarray, "b 1 1 width"]:
        """Encoded rows."""
        return expand(self.spec, self.codes.take(indices))[:, None, None, :]

    def draws(self, seed: int, chosen: Rows | None) -> ConditionStream:
        """The order in which training shows rows."""
        return ConditionStream(self.spec, self.codes, seed, chosen)

    def conditions_of(self, rows: Rows) -> Rows | None:
        """For each row one of the conditions that it fulfils: of its category columns in turn."""
        asked = self.spec.asked
        if not asked:
            return None
        columns = np.arange(len(rows)) % len(asked)
        blocks = np.array([self.spec.blocks.index(block) for block in asked])[columns]
        return np.asarray(self.spec.first_conditions)[columns] + self.codes.places[rows, blocks].astype(np.int64)

    def subset(self, rows: Rows, key: str) -> TableSource:
        """These rows, encoded as before."""
        return replace(self, frame=self.frame.iloc[rows].reset_index(drop=True), codes=self.codes.take(rows), key=key)


def open_frame(data: Any, label: str | None, name: str, path: Path | None = None) -> TableSource:
    """A DataFrame, or the file that it was read from, as a source.

    Raises:
        UserError: fewer than two rows, no column to learn from, two columns of one name, an unknown label, and what
            `read_column` raises.
    """
    frame = data.reset_index(drop=True)
    frame.columns = [str(column) for column in frame.columns]
    spec, notes = read_columns(frame, label)
    return source_of(frame, spec, name, path, notes)


def read_columns(frame: Any, label: str | None) -> tuple[TableSpec, tuple[str, ...]]:
    """What the columns of a DataFrame are, and what should be known about them."""
    names = list(frame.columns)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(f"Two columns are called '{twice[0]}'. Give each a name of its own.")
    if len(frame) < 2:
        raise UserError(f"The table has {len(frame)} rows, and at least 2 are needed.")
    if label is not None and label not in names:
        raise unknown_name("column", label, names)
    found = [read_column(name, frame[name], name == label) for name in names]
    spec = TableSpec(columns=tuple(read.column for read in found), label=label)
    if not spec.blocks:
        raise UserError("No column of the table is left to learn from: each is constant, empty or an identifier.")
    if spec.width > WIDEST:
        raise UserError(f"A row would be {spec.width:,} numbers, and {WIDEST:,} is the most. Leave columns out.")
    return spec, tuple(note for read in found for note in read.notes)


def source_of(
    frame: Any, spec: TableSpec, name: str, path: Path | None = None, notes: tuple[str, ...] = ()
) -> TableSource:
    """The rows of a DataFrame, encoded as a given spec says.

    Raises:
        UserError: see `augan.data.columns.encode`; a column of the spec is not there.
    """
    missing = [spec.columns[block.column].name for block in spec.blocks]
    missing = [column for column in missing if column not in frame.columns]
    if missing:
        raise UserError(f"The table has no column '{missing[0]}', which the model has learnt.")
    codes = encode(spec, frame)
    item = ItemSpec(
        channels=spec.width,
        height=1,
        width=1,
        class_names=spec.class_names,
        value_range=(-1.0, 1.0),
        kind="table",
        table=spec,
    )
    digest = hashlib.sha256(json.dumps(item.to_json(), sort_keys=True).encode())
    digest.update(codes.numbers.tobytes() + codes.places.tobytes())
    return TableSource(frame=frame, codes=codes, item=item, key=digest.hexdigest(), name=name, notes=notes, path=path)


def is_table(data: Any, kind: str | None = None) -> bool:
    """Whether `open` reads this as a table."""
    if is_frame(data):
        return True
    if not isinstance(data, str | Path) or kind not in (None, "table"):
        return False
    path = Path(data).expanduser()
    return kind == "table" or path.suffix.lower() in TABLE_SUFFIXES or holds_table(path)


def frame_of(data: Any) -> Any:
    """The DataFrame that this is, or that is in the .csv, .tsv or Parquet file at this path.

    Raises:
        UserError: see `read_frame`; it is no table.
    """
    if is_frame(data):
        return data
    path = Path(str(data)).expanduser()
    require_exists(path)
    if path.suffix.lower() not in (*TABLE_SUFFIXES, *PARQUET_SUFFIXES):
        raise UserError(f"{path} is not a table. Give a .csv, .tsv or .parquet file.")
    return read_frame(path)
