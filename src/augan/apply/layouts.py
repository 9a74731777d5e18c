"""Writing a data set again in its own layout, real items untouched, with new ones beside them."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from augan.core.errors import UserError
from augan.core.files import (
    atomic_file,
    atomic_folder,
    require_absent,
    require_folder_names,
    require_space,
    to_json,
    write_json,
)
from augan.core.item import ItemSpec
from augan.core.npz import NpzWriter, write_array
from augan.core.pictures import to_pillow
from augan.core.sounds import decode, write_wav
from augan.data import Origin, Source, npz_keys, printable, stored_images

Picture = UInt8[np.ndarray, "h w c"]


Batches = Iterable[tuple[np.ndarray, np.ndarray | None]]
"""New items that arrive in batches: images (b, h, w, c) uint8 and their class numbers, or None."""

Manifest = Callable[[list[str]], dict[str, Any]]
"""Given the name of every new item in order, the manifest to write beside them."""


CLIPS_AT_ONCE = 64
FILES = ("folder", "flat-folder", "zip", "flat-zip")
"""Layouts whose real items are the user's own files."""


def write_layout(source: Source, out: Path, count: int, batches: Batches, manifest: Manifest) -> Path:
    """Writes the real items of `source` and `count` new ones to `out`; returns the manifest's path.

    The ending of `out` decides: none is a folder, .zip, .npz, .npy. Real files and arrays are copied as they are.

    Raises:
        UserError: see `check_out`; too little space.
    """
    check_out(source, out)
    if source.item.kind == "video":
        require_space(out, (len(source) + count) * int(np.prod(source.item.shape)))
        return _write_clips(source, out, count, batches, manifest)
    require_space(out, (len(source) + count) * _item_bytes(source))
    writers = {"": _write_folder, ".zip": _write_zip, ".npz": _write_npz, ".npy": _write_npy}
    return writers[out.suffix.lower()](source, out, count, batches, manifest)


def check_out(source: Source, out: Path) -> None:
    """Raises UserError if `write_layout` could not write `out`, before any time is spent."""
    require_absent(out)
    ending, origin = out.suffix.lower(), _origin(source)
    if source.item.kind == "video":
        if ending != ".npz":
            raise UserError(f"Clips are added to in one array: give --out NAME.npz instead of {out}.")
        require_absent(_manifest_path(out))
        return
    if ending not in ("", ".zip", ".npz", ".npy"):
        raise UserError(f"Cannot write '{out.suffix}'. Give a folder name, .zip, .npz or .npy.")
    if source.item.sound is not None and (ending not in ("", ".zip") or source.item.sound.form == "waveform"):
        raise UserError(
            "More sounds are made as spectrograms and written as files: give a folder name or .zip, and leave out "
            "data.form=waveform."
        )
    if origin is not None and origin.path.is_dir() and out.resolve().is_relative_to(origin.path.resolve()):
        raise UserError(f"{out} lies inside the data, {origin.path}, which stays as it is. Choose another --out.")
    if ending in ("", ".zip"):
        if origin is None or origin.layout not in FILES:
            require_folder_names(source.item.class_names or ())
        return
    require_absent(_manifest_path(out))
    if ending == ".npy" and source.labels is not None:
        raise UserError("An .npy file cannot hold labels. Use --out NAME.npz.")
    if origin is not None and _is_own_array(source) and len(source) != stored_images(origin.path).shape[0]:
        raise UserError(
            f"{source.name} was opened without some of its items, and a copied array keeps them all. "
            "Leave data.min_images_per_class at 0, or give a folder as --out."
        )


def _origin(source: Source) -> Origin | None:
    """Where the source came from; sources of other kinds than augan's do not say."""
    origin: Origin | None = getattr(source, "origin", None)
    return origin


def _is_own_array(source: Any) -> bool:
    """Whether the items are all of an array in the user's own file, which is then copied as it is."""
    origin = _origin(source)
    return origin is not None and origin.layout in ("npy", "npz") and getattr(source, "rows", None) is None


def _item_bytes(source: Source) -> int:
    if not _is_own_array(source):
        return int(np.prod(source.item.shape))
    real = stored_images(source.origin.path)  # type: ignore[attr-defined]
    return int(np.prod(real.shape[1:])) * real.dtype.itemsize


# ---------------------------------------------------------------------- files: folders and zips


def _real_files(source: Source) -> Iterator[tuple[str, Path | bytes]]:
    """(relative name, path or bytes) of every real item: the user's own file where there is one, else a PNG."""
    origin = _origin(source)
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
            content = _content(source, source.items(np.array([index]))[0])
            yield f"{folder}{index:0{digits}d}{_ending(source)}", content


def _archive_of(origin: Origin) -> Path:
    """The .zip file of a path that may lead on into it."""
    path = origin.path
    while not path.is_file():
        path = path.parent
    return path


def _inside(origin: Origin, name: str) -> str:
    prefix = origin.path.relative_to(_archive_of(origin)).as_posix()
    return name if prefix == "." else f"{prefix}/{name}"


def _ending(source: Source) -> str:
    return ".png" if source.item.sound is None else ".wav"


def _content(source: Source, item: Picture, highest: int = 255) -> bytes:
    """A file of one item: a PNG, or a .wav file."""
    if source.item.sound is None:
        return _png(item, highest)
    buffer = BytesIO()
    write_wav(buffer, decode(item[None], source.item.sound)[0].numpy(), source.item.sound.rate_hz)
    return buffer.getvalue()


def _png(image: Picture, highest: int = 255) -> bytes:
    """A PNG, of 16 bits where 255 stands for more than that."""
    buffer = BytesIO()
    picture = to_pillow(image)
    if highest > 255:
        picture = Image.fromarray(np.rint(image[:, :, 0] * (highest / 255)).astype(np.uint16))
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def _deep_range(source: Source) -> int:
    """What 255 stood for in the user's grey files of 16 bits, beside which new ones are to be alike; else 255."""
    origin, highest = _origin(source), int(source.item.value_range[1])
    deep = origin is not None and origin.layout in FILES and source.item.channels == 1 and 255 < highest < 65536
    return highest if deep else 255


def _resizer(source: Source) -> Callable[[Picture], Picture]:
    """Brings new images to the size of the originals where these have a common one and are copied as they are."""
    origin = _origin(source)
    sizes = origin.sizes if origin is not None and origin.layout in FILES else None
    if sizes is None or sizes.distinct != 1 or sizes.median == (source.item.height, source.item.width):
        return lambda image: image
    height, width = sizes.median
    return lambda image: _resize(image, height, width)


def _resize(image: Picture, height: int, width: int) -> UInt8[np.ndarray, "H W c"]:
    picture = np.asarray(to_pillow(image).resize((width, height), Image.Resampling.LANCZOS))
    return picture if picture.ndim == 3 else picture[:, :, None]


def _new_name(folder: str, index: int, taken: set[str], ending: str) -> str:
    stem = "synthetic"
    while f"{folder}{stem}-{index:06d}{ending}" in taken:  # of an earlier copy that is balanced again
        stem += "-augan"
    return f"{folder}{stem}-{index:06d}{ending}"


def _class_folders(source: Source) -> list[str]:
    """The folder of each class with its closing slash ('images/cat/' where one folder wraps all classes)."""
    origin, names = _origin(source), source.item.class_names
    if source.labels is None or names is None:
        return []
    if origin is None or not origin.members:
        return [f"{name}/" for name in names]
    parts = [PurePosixPath(member).parts for member in origin.members]
    depth = _class_depth(parts, [names[label] for label in source.labels])
    folders = {int(label): "/".join((*part[: depth + 1], "")) for label, part in zip(source.labels, parts, strict=True)}
    return [folders.get(label, "/".join((*parts[0][:depth], name, ""))) for label, name in enumerate(names)]


def _class_depth(parts: list[tuple[str, ...]], classes: list[str]) -> int:
    """How many folders stand before the class; the deepest that fits, as a wrapper may be called like a class."""
    folders = [part[:-1] for part in parts]
    alike = [a == b for a, b in zip(min(folders), max(folders), strict=False)]
    shared = (*alike, False).index(False)
    for depth in range(shared, 0, -1):
        if all(
            len(part) > depth + 1 and printable(part[depth]) == name for part, name in zip(parts, classes, strict=True)
        ):
            return depth
    return 0


def _all_files(source: Source, batches: Batches) -> Iterator[tuple[str, Path | bytes, bool]]:
    """(name, content, whether it is new) of every file of the result."""
    taken: set[str] = set()
    for name, content in _real_files(source):
        taken.add(name)
        yield name, content, False
    resize, deep, folders, index = _resizer(source), _deep_range(source), _class_folders(source), 0
    for images, labels in batches:
        for row, image in enumerate(images):
            folder = "" if labels is None else folders[int(labels[row])]
            yield _new_name(folder, index, taken, _ending(source)), _content(source, resize(image), deep), True
            index += 1


def _write_folder(source: Source, out: Path, count: int, batches: Batches, manifest: Manifest) -> Path:
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


def _write_zip(source: Source, out: Path, count: int, batches: Batches, manifest: Manifest) -> Path:
    new: list[str] = []
    with atomic_file(out) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, content, is_new in _all_files(source, batches):
            archive.writestr(name, content.read_bytes() if isinstance(content, Path) else content)
            if is_new:
                new.append(name)
        archive.writestr("manifest.json", to_json(manifest(new)))
    return out


# ---------------------------------------------------------------------- arrays: npz and npy


def to_stored(images: UInt8[np.ndarray, "b h w c"], item: ItemSpec, origin: Origin) -> np.ndarray:
    """Generated images as the user's array had them: size, axis order, dtype and range of values."""
    if origin.sizes is not None and origin.sizes.median != (item.height, item.width):
        images = np.stack([_resize(image, *origin.sizes.median) for image in images])
    dtype = np.dtype(origin.dtype)
    low, high = item.value_range
    stored = images if dtype == np.uint8 else (low + images.astype(np.float64) / 255 * (high - low))
    if dtype == np.bool_:
        stored = images > 127
    elif dtype.kind in "iu" and dtype != np.uint8:
        stored = stored.round().clip(0, np.iinfo(dtype).max)
    if origin.bare:
        stored = stored[..., 0]
    elif origin.channels_first:
        stored = np.moveaxis(stored, -1, 1)
    return stored.astype(dtype, copy=False)


@dataclass(frozen=True, kw_only=True)
class _Arrays:
    """Real images in chunks as the user has them (else the decoded items), and the arrays that lie beside them."""

    shape: tuple[int, ...]
    dtype: np.dtype
    chunks: Callable[[], Iterator[np.ndarray]]
    others: dict[str, np.ndarray]
    image_key: str = "images"
    label_key: str = "labels"


def _real_arrays(source: Source) -> _Arrays:
    if not _is_own_array(source):
        item, others = source.item, {} if source.labels is None else {"labels": source.labels}
        if item.class_names:
            others["class_names"] = np.array(item.class_names)
        order = np.arange(len(source))
        return _Arrays(
            shape=(len(source), item.height, item.width, item.channels),
            dtype=np.dtype(np.uint8),
            chunks=lambda: (source.items(order[start : start + 256]) for start in range(0, len(order), 256)),
            others=others,
        )
    path = source.origin.path  # type: ignore[attr-defined]
    real = stored_images(path)
    if path.suffix.lower() != ".npz":
        return _Arrays(shape=real.shape, dtype=real.dtype, chunks=real.chunks, others={})
    image_key, label_key = npz_keys(path)
    with np.load(path, allow_pickle=False) as archive:
        others = {key: archive[key] for key in archive.files if key != image_key}
    return _Arrays(
        shape=real.shape,
        dtype=real.dtype,
        chunks=real.chunks,
        others=others,
        image_key=image_key,
        label_key=label_key or "labels",
    )


def _parts(source: Source, real: _Arrays, batches: Batches, labels: list[np.ndarray]) -> Iterator[np.ndarray]:
    """The real images, then the new ones in the same form; the classes of these are appended to `labels`."""
    yield from real.chunks()
    for images, asked in batches:
        if asked is not None:
            labels.append(asked)
        yield to_stored(images, source.item, source.origin) if _is_own_array(source) else images  # type: ignore[attr-defined]


def _write_npz(source: Source, out: Path, count: int, batches: Batches, manifest: Manifest) -> Path:
    real = _real_arrays(source)
    before, total = real.shape[0], real.shape[0] + count
    asked: list[np.ndarray] = []
    synthetic = np.arange(total) >= before
    with atomic_file(out) as temporary, NpzWriter(temporary) as archive:
        parts = _parts(source, real, batches, asked)
        archive.add_stream(real.image_key, (total, *real.shape[1:]), real.dtype, parts)
        for key, array in real.others.items():
            if key == real.label_key and source.labels is not None:
                first = [int(np.argmax(source.labels == label)) for label in range(source.item.classes)]
                new = array[np.array(first)[np.concatenate(asked)]]
                archive.add(key, np.concatenate([array, new]))
            elif key == "synthetic" and array.shape == (before,):  # an earlier copy that is balanced again
                synthetic[:before] = array
            elif key != "synthetic":
                archive.add(key, array)
        archive.add("synthetic", synthetic)
    return _manifest_beside(out, manifest, real.image_key, before, count)


def _write_clips(source: Source, out: Path, count: int, batches: Batches, manifest: Manifest) -> Path:
    """Real clips as they were opened, then the new ones: `clips`, `labels`, `class_names`, `synthetic`."""
    before, total = len(source), len(source) + count
    asked: list[np.ndarray] = [] if source.labels is None else [source.labels]

    def parts() -> Iterator[np.ndarray]:
        for start in range(0, before, CLIPS_AT_ONCE):
            yield source.items(np.arange(start, min(start + CLIPS_AT_ONCE, before)))
        for clips, labels in batches:
            if labels is not None:
                asked.append(labels)
            yield clips

    with atomic_file(out) as temporary, NpzWriter(temporary) as archive:
        archive.add_stream("clips", (total, *source.item.stored_shape), np.uint8, parts())
        if source.labels is not None:
            archive.add("labels", np.concatenate(asked))
            archive.add("class_names", np.array(source.item.class_names))
        if source.item.frames_per_sec is not None:
            archive.add("frames_per_sec", np.array(source.item.frames_per_sec))
        archive.add("synthetic", np.arange(total) >= before)
    return _manifest_beside(out, manifest, "clips", before, count)


def _write_npy(source: Source, out: Path, count: int, batches: Batches, manifest: Manifest) -> Path:
    real = _real_arrays(source)
    shape = (real.shape[0] + count, *real.shape[1:])
    with atomic_file(out) as temporary, open(temporary, "wb") as file:
        write_array(file, shape, real.dtype, _parts(source, real, batches, []))
    return _manifest_beside(out, manifest, "images", real.shape[0], count)


def _manifest_path(out: Path) -> Path:
    return out.with_suffix(".manifest.json")


def _manifest_beside(out: Path, manifest: Manifest, key: str, start: int, count: int) -> Path:
    path = _manifest_path(out)
    try:
        write_json(path, manifest([f"{key}[{index}]" for index in range(start, start + count)]))
    except BaseException:
        out.unlink()  # not one without the other
        raise
    return path
