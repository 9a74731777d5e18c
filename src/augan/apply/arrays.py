"""Arrays written in parts."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np


class NpzWriter:
    """An .npz file written array by array, each in parts, so that it never has to fit into memory."""

    def __init__(self, path: Path) -> None:
        self._archive = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True)

    def __enter__(self) -> NpzWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self._archive.close()

    def add(self, name: str, array: np.ndarray) -> None:
        """Adds a whole array."""
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, array, allow_pickle=False)
        self._archive.writestr(f"{name}.npy", buffer.getvalue())

    def add_stream(self, name: str, shape: tuple[int, ...], dtype: Any, parts: Iterator[np.ndarray]) -> None:
        """Adds an array of known shape from parts along its first axis."""
        with self._archive.open(f"{name}.npy", "w", force_zip64=True) as file:
            write_array(file, shape, dtype, parts)


def write_array(file: Any, shape: tuple[int, ...], dtype: Any, parts: Iterator[np.ndarray]) -> None:
    """Writes an array of known shape in .npy form from parts along its first axis."""
    descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
    np.lib.format.write_array_header_2_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    rows = 0
    for part in parts:
        assert part.shape[1:] == shape[1:]
        rows += len(part)
        file.write(np.ascontiguousarray(part, dtype=dtype).tobytes())
    assert rows == shape[0]
