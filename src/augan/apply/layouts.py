"""Writing a data set again in its own layout, real items untouched, with new ones beside them."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from augan.apply.generate import NpzWriter
from augan.core.errors import UserError
from augan.core.files import atomic_file, atomic_folder, require_absent, write_json
from augan.core.item import ItemSpec
from augan.core.pictures import to_pillow
from augan.data import ArraySource, Origin, npz_keys

Picture = UInt8[np.ndarray, "h w c"]


Batches = Iterable[tuple[np.ndarray, np.ndarray | None]]
"""New items that arrive in batches: images (b, h, w, c) uint8 and their class numbers, or None."""

Manifest = Callable[[list[str]], dict[str, Any]]
"""Given the name of every new item in order, the manifest to write beside them."""


def write_layout(source: ArraySource, out: Path, count: int, batches: Batches, manifest: Manifest) -> Path:
    """Writes the real items of `source` and `count` new ones to `out`; returns the manifest's path.

    The ending of `out` decides: none is a folder, .zip, .npz, .npy. Real files and arrays are copied as they are.

    Raises:
        UserError: `out` exists, has another ending, or does not suit the source.
    """
    writers = {"": _write_folder, ".zip": _write_zip, ".npz": _write_npz, ".npy": _write_npy}
    if out.suffix.lower() not in writers:
        raise UserError(f"Cannot write '{out.suffix}'. Give a folder name, .zip, .npz or .npy.")
    require_absent(out)
    return writers[out.suffix.lower()](source, out, count, batches, manifest)


def check_out(source: ArraySource, out: Path) -> None:
    """Raises UserError if `write_layout` could not write `out`, before any time is spent."""
    require_absent(out)
    if out.suffix.lower() not in ("", ".zip", ".npz", ".npy"):
        raise UserError(f"Cannot write '{out.suffix}'. Give a folder name, .zip, .npz or .npy.")
    if out.suffix.lower() == ".npy" and source.labels is not None:
        raise UserError("An .npy file cannot hold labels. Use --out NAME.npz.")


# ---------------------------------------------------------------------- files: folders and zips


def _real_files(source: ArraySource) -> Iterator[tuple[str, Path | bytes]]:
    """(relative name, path or bytes) of every real item: the user's own file where there is one, else a PNG."""
    origin = source.origin
    if origin is not None and origin.layout in ("folder", "flat-folder"):
        yield from ((name, origin.path / name) for name in origin.members)
    elif origin is not None and origin.layout in ("zip", "flat-zip"):
        with zipfile.ZipFile(_archive_of(origin)) as archive:
            for name in origin.members:
                yield name, archive.read(_inside(origin, name))
    else:
        names, digits = source.item.class_names, len(str(len(source) - 1))
        for index in range(len(source)):
            folder = "" if source.labels is None or names is None else f"{names[source.labels[index]]}/"
            yield f"{folder}{index:0{digits}d}.png", _png(source.items(np.array([index]))[0])


def _archive_of(origin: Origin) -> Path:
    """The .zip file of a path that may lead on into it."""
    path = origin.path
    while not path.is_file():
        path = path.parent
    return path


def _inside(origin: Origin, name: str) -> str:
    prefix = origin.path.relative_to(_archive_of(origin)).as_posix()
    return name if prefix == "." else f"{prefix}/{name}"


def _png(image: Picture) -> bytes:
    buffer = BytesIO()
    to_pillow(image).save(buffer, format="PNG")
    return buffer.getvalue()


def _resizer(source: ArraySource) -> Callable[[Picture], Picture]:
    """Brings new images to the size of the originals where these have a common one."""
    sizes = source.origin.sizes if source.origin else None
    if sizes is None or sizes.distinct != 1 or sizes.median == (source.item.height, source.item.width):
        return lambda image: image
    height, width = sizes.median
    return lambda image: _resize(image, height, width)


def _resize(image: Picture, height: int, width: int) -> UInt8[np.ndarray, "H W c"]:
    picture = np.asarray(to_pillow(image).resize((width, height), Image.Resampling.LANCZOS))
    return picture if picture.ndim == 3 else picture[:, :, None]


def _new_names(source: ArraySource, labels: np.ndarray | None, start: int, count: int, taken: set[str]) -> list[str]:
    names, result = source.item.class_names, []
    prefix = _class_prefix(source)
    for index in range(count):
        folder = "" if labels is None or names is None else f"{prefix}{names[int(labels[index])]}/"
        name = f"{folder}synthetic-{start + index:06d}.png"
        while name in taken:
            name = name.replace("synthetic-", "synthetic-augan-")
        result.append(name)
    return result


def _class_prefix(source: ArraySource) -> str:
    """What stands before the class in the real files' names ('images/' where one folder wraps all classes)."""
    origin, names = source.origin, source.item.class_names
    if origin is None or not origin.members or source.labels is None or names is None:
        return ""
    parts = origin.members[0].split("/")
    return "/".join([*parts[: parts.index(names[int(source.labels[0])])], ""])


def _all_files(source: ArraySource, batches: Batches) -> Iterator[tuple[str, Path | bytes, bool]]:
    """(name, content, whether it is new) of every file of the result."""
    taken: set[str] = set()
    for name, content in _real_files(source):
        taken.add(name)
        yield name, content, False
    resize, start = _resizer(source), 0
    for images, labels in batches:
        for name, image in zip(_new_names(source, labels, start, len(images), taken), images, strict=True):
            yield name, _png(resize(image)), True
        start += len(images)


def _write_folder(source: ArraySource, out: Path, count: int, batches: Batches, manifest: Manifest) -> Path:
    new: list[str] = []
    with atomic_folder(out) as temporary:
        for name, content, is_new in _all_files(source, batches):
            target = temporary / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                shutil.copy2(content, target)
            else:
                target.write_bytes(content)
            if is_new:
                new.append(name)
        write_json(temporary / "manifest.json", manifest(new))
    return out / "manifest.json"


def _write_zip(source: ArraySource, out: Path, count: int, batches: Batches, manifest: Manifest) -> Path:
    new: list[str] = []
    with atomic_file(out) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, content, is_new in _all_files(source, batches):
            archive.writestr(name, content.read_bytes() if isinstance(content, Path) else content)
            if is_new:
                new.append(name)
        archive.writestr("manifest.json", json.dumps(manifest(new), indent=2))
    return out


# ---------------------------------------------------------------------- arrays: npz and npy


def to_stored(images: UInt8[np.ndarray, "b h w c"], item: ItemSpec, origin: Origin | None) -> np.ndarray:
    """Generated images as the user's array had them: size, axis order, dtype and range of values."""
    if origin is None or origin.layout not in ("npy", "npz", "array"):
        return images
    if origin.sizes is not None and origin.sizes.median != (item.height, item.width):
        images = np.stack([_resize(image, *origin.sizes.median) for image in images])
    dtype = np.dtype(origin.dtype)
    low, high = item.value_range
    stored = images if dtype == np.uint8 else (low + images.astype(np.float64) / 255 * (high - low))
    if dtype == np.bool_:
        stored = images > 127
    elif dtype.kind in "iu" and dtype != np.uint8:
        stored = stored.round()
    if origin.bare:
        stored = stored[..., 0]
    elif origin.channels_first:
        stored = np.moveaxis(stored, -1, 1)
    return stored.astype(dtype, copy=False)


def _real_array(source: ArraySource) -> tuple[np.ndarray, dict[str, np.ndarray], str, str]:
    """(images, other arrays, name of the images, name of the labels) as the user has them; else the decoded items."""
    origin = source.origin
    if origin is not None and origin.layout == "npy":
        return np.load(origin.path, mmap_mode="r", allow_pickle=False), {}, "images", "labels"
    if origin is not None and origin.layout == "npz":
        image_key, label_key = npz_keys(origin.path)
        with np.load(origin.path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
        return arrays.pop(image_key), arrays, image_key, label_key or "labels"
    arrays = {} if source.labels is None else {"labels": source.labels}
    if source.item.class_names:
        arrays["class_names"] = np.array(source.item.class_names)
    return source.items(np.arange(len(source))), arrays, "images", "labels"


def _stored_batches(source: ArraySource, batches: Batches, labels: list[np.ndarray]) -> Iterator[np.ndarray]:
    for images, asked in batches:
        if asked is not None:
            labels.append(asked)
        yield to_stored(images, source.item, source.origin)


def _write_npz(source: ArraySource, out: Path, count: int, batches: Batches, manifest: Manifest) -> Path:
    real, others, image_key, label_key = _real_array(source)
    if label_key in others and len(real) != len(source):
        raise UserError(
            f"{source.name} was opened without some of its items, and an .npz keeps them all. "
            "Leave data.min_images_per_class at 0, or give a folder as --out."
        )
    asked: list[np.ndarray] = []

    def parts() -> Iterator[np.ndarray]:
        yield from (real[start : start + 1024] for start in range(0, len(real), 1024))
        yield from _stored_batches(source, batches, asked)

    with atomic_file(out) as temporary, NpzWriter(temporary) as archive:
        archive.add_stream(image_key, (len(real) + count, *real.shape[1:]), real.dtype, parts())
        if label_key in others and source.labels is not None:
            stored = others.pop(label_key)
            flat = stored.reshape(-1)
            first = [int(np.argmax(source.labels == label)) for label in range(source.item.classes)]
            new = flat[np.array(first)[np.concatenate(asked)]] if asked else flat[:0]
            archive.add(label_key, np.concatenate([flat, new]))
        archive.add("synthetic", np.arange(len(real) + count) >= len(real))
        for key, array in others.items():
            if key != "synthetic":
                archive.add(key, array)
    return _manifest_beside(out, manifest, image_key, len(real), count)


def _write_npy(source: ArraySource, out: Path, count: int, batches: Batches, manifest: Manifest) -> Path:
    real, _, _, _ = _real_array(source)
    with atomic_file(out) as temporary:
        shape = (len(real) + count, *real.shape[1:])
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=real.dtype, shape=shape)
        for start in range(0, len(real), 1024):
            array[start : min(start + 1024, len(real))] = real[start : start + 1024]
        end = len(real)
        for part in _stored_batches(source, batches, []):
            array[end : end + len(part)] = part
            end += len(part)
        array.flush()
        del array
    return _manifest_beside(out, manifest, "images", len(real), count)


def _manifest_beside(out: Path, manifest: Manifest, key: str, start: int, count: int) -> Path:
    path = out.with_suffix(".manifest.json")
    write_json(path, manifest([f"{key}[{index}]" for index in range(start, start + count)]))
    return path
