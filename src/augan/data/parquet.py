"""Parquet files with encoded images and optional labels, as the Hugging Face hub stores them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from augan.core.errors import UserError
from augan.core.optional import require
from augan.data.decode import Unreadable
from augan.data.listing import SPLITS

SUFFIXES = (".parquet", ".pq")
IMAGE_COLUMNS = ("image", "img", "images", "bytes")
LABEL_COLUMNS = ("label", "labels", "class", "target", "fine_label", "category")
ROWS_AT_A_TIME = 64


@dataclass(frozen=True, kw_only=True)
class Table:
    """The rows of one or several Parquet files: which columns to read, and all labels."""

    files: tuple[Path, ...]
    rows: tuple[int, ...]
    image_column: str
    labels: np.ndarray | None
    class_names: tuple[str, ...] | None

    def __len__(self) -> int:
        return sum(self.rows)

    def name_of(self, index: int) -> str:
        """'row 5 of a.parquet'."""
        for file, rows in zip(self.files, self.rows, strict=True):
            if index < rows:
                return f"row {index} of {file.name}"
            index -= rows
        raise IndexError(index)

    def stream(self, chosen: Bool[np.ndarray, " n"]) -> Iterator[tuple[int, bytes | Unreadable]]:
        """Reads the chosen rows in order, a few dozen at a time."""
        start = 0
        for file, rows in zip(self.files, self.rows, strict=True):
            if chosen[start : start + rows].any():
                yield from _stream_file(file, self.image_column, chosen, start)
            start += rows


def parquet_files(path: Path) -> tuple[Path, ...]:
    """The Parquet files at `path`: itself, or all below a folder, sorted; a '*' in the name chooses.

    Raises:
        UserError: the folder holds several parts (train, test) of a data set.
    """
    if "*" in path.name:
        found = sorted(path.parent.glob(path.name))
    elif path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
        parts = sorted({p.name.split("-")[0].split(".")[0].lower() for p in found} & SPLITS)
        if len(parts) > 1:
            example = next(p for p in found if p.name.lower().startswith(parts[-1]))
            raise UserError(
                f"{path} holds several parts of a data set ({', '.join(parts)}). "
                f"Give one, for example '{example.parent / parts[-1]}-*.parquet' or {example}"
            )
    else:
        found = [path]
    return tuple(p for p in found if p.suffix.lower() in SUFFIXES)


def open_table(files: tuple[Path, ...]) -> Table:
    """Reads schema and labels of Parquet files that belong together.

    Raises:
        UserError: pyarrow is missing, a file is damaged, or no column holds images.
    """
    pq: Any = require("pyarrow.parquet", "parquet", "Reading Parquet files")
    rows, labels = [], []
    image_column = label_column = ""
    names: tuple[str, ...] | None = None
    for number, file in enumerate(files):
        with readable(file), pq.ParquetFile(file) as table:
            schema = table.schema_arrow
            if number == 0:
                image_column = _choose_image_column(file, schema)
                label_column, names = _choose_label_column(schema, image_column)
            missing = {image_column, label_column} - {"", *schema.names}
            if missing:
                raise UserError(
                    f"{file} has no column '{missing.pop()}', which {files[0].name} has. Give files of one table."
                )
            rows.append(table.metadata.num_rows)
            if label_column:
                labels.append(_read_labels(file, table, label_column))
    return Table(
        files=files,
        rows=tuple(rows),
        image_column=image_column,
        labels=np.concatenate(labels) if labels else None,
        class_names=names,
    )


@contextmanager
def readable(file: Path) -> Iterator[None]:
    pyarrow: Any = require("pyarrow", "parquet", "Reading Parquet files")
    try:
        yield
    except UserError:
        raise
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{file} is not a Parquet file, or it is damaged ({reason}). Download it again.") from error


def _choose_image_column(file: Path, schema: Any) -> str:
    import pyarrow.types as kinds

    def holds_bytes(kind: Any) -> bool:
        if kinds.is_struct(kind):
            index = kind.get_field_index("bytes")
            return index >= 0 and holds_bytes(kind.field(index).type)
        return bool(kinds.is_binary(kind) or kinds.is_large_binary(kind))

    columns = [field.name for field in schema if holds_bytes(field.type)]
    named = [name for name in IMAGE_COLUMNS if name in columns]
    if named or len(columns) == 1:
        return str((named or columns)[0])
    raise UserError(
        f"{file} has {'several' if columns else 'no'} columns of encoded images (columns: "
        f"{', '.join(schema.names)}). "
        "Name the one to use 'image'."
    )


def _choose_label_column(schema: Any, image_column: str) -> tuple[str, tuple[str, ...] | None]:
    features = _features(schema)
    for column, feature in features.items():
        if column in schema.names and isinstance(feature, dict) and feature.get("_type") == "ClassLabel":
            names = feature.get("names")
            return column, tuple(map(str, names)) if names else None
    return next((c for c in LABEL_COLUMNS if c in schema.names and c != image_column), ""), None


def _features(schema: Any) -> dict[str, Any]:
    """The column descriptions that the datasets library leaves in the schema; none if there are none."""
    try:
        found = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _read_labels(file: Path, table: Any, column: str) -> np.ndarray:
    values = table.read(columns=[column]).column(0)
    if values.null_count:
        raise UserError(f"{file}: {values.null_count} rows have no '{column}'. Fill them in or leave those rows out.")
    array = np.asarray(values.to_numpy(zero_copy_only=False))
    return array.astype(str) if array.dtype == object and all(isinstance(v, str) for v in array) else array


def _stream_file(file: Path, column: str, chosen: np.ndarray, start: int) -> Iterator[tuple[int, bytes | Unreadable]]:
    pq: Any = require("pyarrow.parquet", "parquet", "Reading Parquet files")
    with readable(file), pq.ParquetFile(file) as table:
        index = start
        for batch in table.iter_batches(batch_size=ROWS_AT_A_TIME, columns=[column], use_threads=False):
            for value in batch.column(0):
                if chosen[index]:
                    yield index, _encoded(value.as_py())
                index += 1


def _encoded(value: Any) -> bytes | Unreadable:
    data = value.get("bytes") if isinstance(value, dict) else value
    return data if isinstance(data, bytes) else Unreadable("the row holds no image")
