"""Arrays as data: .npy and .npz files and arrays in memory, read in chunks whatever their order of axes."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from augan.core.errors import UserError
from augan.core.files import release_pages
from augan.data.feed import ArrayFeed
from augan.data.policy import kind_of
from augan.data.zips import check_zip, open_zip

CHUNK_BYTES = 8 << 20
CHANNELS = (1, 3, 4)
IMAGE_KEYS = ("images", "x", "X", "data", "x_train", "X_train", "arr_0")
LABEL_KEYS = ("labels", "y", "Y", "label", "targets", "y_train", "arr_1")
WANTED = "(N, H, W), (N, H, W, C) or (N, C, H, W) with 1, 3 or 4 channels"


@dataclass(frozen=True, kw_only=True)
class Axes:
    """Where an array of images has its channels."""

    channels_first: bool
    bare: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Images:
    """Images as an array feed, with what is needed to write the same kind of array again."""

    feed: ArrayFeed
    axes: Axes
    dtype: str


def read_axes(shape: tuple[int, ...]) -> Axes:
    """Which axis holds channels.

    Raises:
        UserError: not a shape that images have.
    """
    if len(shape) == 3 and shape[-1] in CHANNELS:
        raise UserError(f"Shape {shape} is that of a single image. Give many, as {WANTED}.")
    if len(shape) not in (3, 4) or min(shape) < 1:
        raise UserError(f"Shape {shape} is not that of images. Expected {WANTED}.")
    if len(shape) == 3:
        return Axes(channels_first=False, bare=True)
    last, first = shape[3] in CHANNELS, shape[1] in CHANNELS
    if not (last or first):
        raise UserError(
            f"Shape {shape} has neither {shape[1]} nor {shape[3]} as a possible number of channels. Expected {WANTED}."
        )
    ambiguous = last and first
    notes = (f"Shape {shape} could have channels first or last: taken as last.",) if ambiguous else ()
    return Axes(channels_first=not last, bare=False, notes=notes)


def as_images(array: np.ndarray) -> Images:
    """An array (in memory or memory-mapped) as images.

    Raises:
        UserError: wrong rank, shape or dtype.
    """
    return _images(array.shape, array.dtype, lambda: _slices(array))


def _slices(array: np.ndarray) -> Iterator[np.ndarray]:
    for start, stop in _ranges(array.shape, array.dtype):
        yield array[start:stop]
        release_pages(array)


def _ranges(shape: tuple[int, ...], dtype: Any) -> Iterator[tuple[int, int]]:
    step = max(1, CHUNK_BYTES // max(1, int(np.prod(shape[1:])) * dtype.itemsize))
    for start in range(0, shape[0], step):
        yield start, min(start + step, shape[0])


def _images(shape: tuple[int, ...], dtype: Any, raw_chunks: Callable[[], Iterator[np.ndarray]]) -> Images:
    if kind_of(dtype) is None:
        raise UserError(f"Arrays of type {dtype} cannot hold images. Expected uint8, uint16, float32 or bool.")
    axes = read_axes(shape)

    def chunks() -> Iterator[np.ndarray]:
        for chunk in raw_chunks():
            if axes.channels_first:
                yield np.moveaxis(chunk, 1, -1)
            else:
                yield chunk[..., None] if axes.bare else chunk

    count, *rest = shape
    if axes.bare:
        height, width, channels = *rest, 1
    elif axes.channels_first:
        channels, height, width = rest
    else:
        height, width, channels = rest
    feed = ArrayFeed((count, height, width, channels), dtype, chunks)
    return Images(feed=feed, axes=axes, dtype=dtype.name)


def open_npy(path: Path) -> Images:
    """The array in an .npy file, memory-mapped.

    Raises:
        UserError: not an .npy file, cut off, pickled, or not images.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, TypeError) as error:
        raise _not_numpy(path, ".npy", error) from error
    if not isinstance(array, np.ndarray):
        raise UserError(f"{path} is a .npz file by its content. Rename it to end in .npz.")
    return as_images(array)


def _not_numpy(path: Path, kind: str, error: Exception) -> UserError:
    text = str(error).lower()
    named = "pickle" in text or "python objects" in text
    if named and _magic(path).startswith((b"\x93NUMPY", b"PK")):
        return UserError(
            f"{path} holds Python objects (pickle), which augan never loads. Save a plain array: one dtype, one shape."
        )
    if isinstance(error, PermissionError):
        return UserError(f"{path} cannot be read: no permission.")
    return UserError(f"{path} is not a valid {kind} file, or it is cut off. Save it again with numpy.")


def _magic(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(6)


def open_npz(path: Path) -> tuple[Images, np.ndarray | None, list[str] | None, tuple[str, ...]]:
    """(images, labels, class names, notes) of an .npz file; images are streamed, never all in memory.

    Raises:
        UserError: not an .npz file, no array of images in it, pickled, or not images.
    """
    headers = _headers(path)
    key, notes = _choose_images(path, headers)
    shape, fortran, dtype = headers[key]
    label_key = _label_key(headers, key)
    if fortran:  # columns first on disk: cannot be read image by image
        images = as_images(_load_array(path, key))
    else:
        images = _images(shape, dtype, lambda: _npz_chunks(path, key, shape, dtype))
    labels = None if label_key is None else _load_array(path, label_key)
    names = [str(name) for name in _load_array(path, "class_names").tolist()] if "class_names" in headers else None
    if label_key not in (None, "labels"):
        notes = (*notes, f"Labels are taken from '{label_key}'.")
    return images, labels, names, notes


def npz_keys(path: Path) -> tuple[str, str | None]:
    """The names under which an .npz file keeps its images and its labels (None where it has none).

    Raises:
        UserError: as `open_npz`.
    """
    headers = _headers(path)
    key, _ = _choose_images(path, headers)
    return key, _label_key(headers, key)


def stored_shapes(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Shape and type of each array in an .npy ('' is its name) or .npz file.

    Raises:
        UserError: not such a file, cut off or pickled.
    """
    if path.suffix.lower() == ".npz":
        return {key: (shape, dtype) for key, (shape, _, dtype) in _headers(path).items()}
    try:
        with open(path, "rb") as file:
            shape, _, dtype = _read_header(file)
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        raise _not_numpy(path, ".npy", error) from error
    return {"": (shape, dtype)}


@dataclass(frozen=True, kw_only=True)
class StoredArray:
    """An array as a file holds it, read a few megabytes at a time along its first axis."""

    shape: tuple[int, ...]
    dtype: np.dtype
    chunks: Callable[[], Iterator[np.ndarray]]


def stored_images(path: Path) -> StoredArray:
    """The images of an .npy or .npz file exactly as they are stored.

    Raises:
        UserError: as `open_npy` and `open_npz`.
    """
    if path.suffix.lower() == ".npz":
        headers = _headers(path)
        key, _ = _choose_images(path, headers)
        shape, fortran, dtype = headers[key]
        if not fortran:
            return StoredArray(shape=shape, dtype=dtype, chunks=lambda: _npz_chunks(path, key, shape, dtype))
        array = _load_array(path, key)
    else:
        open_npy(path)
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    return StoredArray(shape=array.shape, dtype=array.dtype, chunks=lambda: _slices(array))


def _label_key(headers: dict[str, tuple[tuple[int, ...], bool, Any]], image_key: str) -> str | None:
    return next((key for key in LABEL_KEYS if key in headers and key != image_key), None)


def _headers(path: Path) -> dict[str, tuple[tuple[int, ...], bool, Any]]:
    with open_zip(path) as archive:
        members = archive.infolist()
        check_zip(path, members, largest_member=None)
        keys = [m.filename.removesuffix(".npy") for m in members if m.filename.endswith(".npy")]
        if not keys:
            raise UserError(f"{path} holds no arrays. Save it with numpy.savez(path, images=..., labels=...).")
        return {key: _header(path, archive, key) for key in keys}


def _choose_images(path: Path, headers: dict[str, tuple[tuple[int, ...], bool, Any]]) -> tuple[str, tuple[str, ...]]:
    key = next((k for k in IMAGE_KEYS if k in headers), None)
    if key is None:
        candidates = [
            k for k, (shape, _, dtype) in headers.items() if len(shape) in (3, 4) and kind_of(dtype) is not None
        ]
        if len(candidates) != 1:
            raise UserError(
                f"{path} has no array named 'images' (it has {', '.join(sorted(headers))}). "
                "Save it with numpy.savez(path, images=..., labels=...)."
            )
        key = candidates[0]
    if key == "images":
        return key, ()
    return key, (f"Images are taken from '{key}'.",)


def _read_header(file: Any) -> tuple[tuple[int, ...], bool, Any]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


def _header(path: Path, archive: zipfile.ZipFile, key: str) -> tuple[tuple[int, ...], bool, Any]:
    try:
        with archive.open(f"{key}.npy") as file:
            shape, fortran, dtype = _read_header(file)
    except (
        ValueError,
        EOFError,
        OSError,
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        SyntaxError,
    ) as error:
        raise UserError(f"{path}: array '{key}' is damaged ({error}). Save the file again.") from error
    if dtype.hasobject:
        raise _not_numpy(path, ".npz", ValueError("pickle"))
    return shape, fortran, dtype


def _npz_chunks(path: Path, key: str, shape: tuple[int, ...], dtype: Any) -> Iterator[np.ndarray]:
    item_bytes = int(np.prod(shape[1:])) * dtype.itemsize
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{key}.npy") as file:
            _read_header(file)
            for start, stop in _ranges(shape, dtype):
                data = _read_exactly(file, (stop - start) * item_bytes)
                yield np.frombuffer(data, dtype=dtype).reshape(stop - start, *shape[1:])
    except (EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path}: array '{key}' is cut off or damaged. Save the file again.") from error


def _read_exactly(file: Any, count: int) -> bytes:
    data: bytes = file.read(count)
    if len(data) != count:
        raise EOFError("cut off")
    return data


def _load_array(path: Path, key: str) -> np.ndarray:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return np.asarray(arrays[key])
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise _not_numpy(path, ".npz", error) from error
