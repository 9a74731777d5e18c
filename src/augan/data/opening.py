"""`open`: anything that holds images, as a source."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal, overload

import numpy as np
import torch

from augan.core.errors import UserError, unknown_name
from augan.core.item import ItemSpec
from augan.data.arrays import Images, as_images, open_npy, open_npz
from augan.data.build import Input, Options, Progress, build, safe_name
from augan.data.cache import Cache, cache_folder, fingerprint_of
from augan.data.cliplisting import read_clips
from augan.data.decode import SUFFIXES
from augan.data.feed import ImageFeed
from augan.data.films import Cutting
from augan.data.kinds import KINDS, SOUND_SUFFIXES, recognise
from augan.data.labels import encode_labels
from augan.data.listing import FolderStream, arrange, is_junk, require_exists, walk
from augan.data.parquet import SUFFIXES as PARQUET_SUFFIXES
from augan.data.parquet import open_table, parquet_files
from augan.data.policy import parse_size
from augan.data.series import is_series, open_series
from augan.data.shards import REMOTE, Shards, ShardSource, is_shards, list_shards
from augan.data.sounds import SoundReading, build_sounds, holds_waveforms, memory_sounds, stored_sounds
from augan.data.source import ArraySource, Layout, Origin, Source
from augan.data.tables import TableSource, frame_of, is_frame, is_table, open_frame
from augan.data.torch_dataset import spool_dataset
from augan.data.windows import SeriesSource, Windowing
from augan.data.zips import ZipStream, list_zip, split_zip_path

KNOWN = "a folder of images, clips or sounds, a .zip of one, .npy, .npz, .parquet, .tar, .csv or .tsv"


@overload
def open(
    data: ArraySource,
    *,
    size: int | str | tuple[int, int] | None = None,
    strict: bool = False,
    min_images_per_class: int = 0,
    cache: Path | None = None,
    progress: Progress | None = None,
    stream: bool = False,
    kind: str | None = None,
    sound: SoundReading | None = None,
    cutting: Cutting | None = None,
    label: str | None = None,
    windowing: Windowing | None = None,
) -> ArraySource: ...
@overload
def open(
    data: Source,
    *,
    size: int | str | tuple[int, int] | None = None,
    strict: bool = False,
    min_images_per_class: int = 0,
    cache: Path | None = None,
    progress: Progress | None = None,
    stream: bool = False,
    kind: str | None = None,
    sound: SoundReading | None = None,
    cutting: Cutting | None = None,
    label: str | None = None,
    windowing: Windowing | None = None,
) -> Source: ...
@overload
def open(
    data: Any,
    *,
    size: int | str | tuple[int, int] | None = None,
    strict: bool = False,
    min_images_per_class: int = 0,
    cache: Path | None = None,
    progress: Progress | None = None,
    stream: Literal[False] = False,
    kind: str | None = None,
    sound: SoundReading | None = None,
    cutting: Cutting | None = None,
    label: str | None = None,
    windowing: Windowing | None = None,
) -> ArraySource: ...
@overload
def open(
    data: Any,
    *,
    size: int | str | tuple[int, int] | None = None,
    strict: bool = False,
    min_images_per_class: int = 0,
    cache: Path | None = None,
    progress: Progress | None = None,
    stream: bool = False,
    kind: str | None = None,
    sound: SoundReading | None = None,
    cutting: Cutting | None = None,
    label: str | None = None,
    windowing: Windowing | None = None,
) -> Source: ...


def open(
    data: Any,
    *,
    size: int | str | tuple[int, int] | None = None,
    strict: bool = False,
    min_images_per_class: int = 0,
    cache: Path | None = None,
    progress: Progress | None = None,
    stream: bool = False,
    kind: str | None = None,
    sound: SoundReading | None = None,
    cutting: Cutting | None = None,
    label: str | None = None,
    windowing: Windowing | None = None,
) -> Source:
    """Opens images of any layout as a source, decoded once to a memory-mapped uint8 cache.

    Args:
        data: a path (folder with or without class subfolders; zip of either, also 'file.zip/folder'; .npy;
            .npz with images[, labels[, class_names]]; Parquet file, folder or 'folder/train-*.parquet'; tar files
            as WebDataset has them, 'part-{000..099}.tar', also at http:// or s3:// addresses), an array
            (N, H, W[, C]) or (N, C, H, W), an (images, labels) pair, a map-style torch Dataset, or a source,
            which is returned as it is.
        size: S, "S", "HxW" or (H, W); None keeps a common size up to 256, and makes squares of mixed sizes
            (`augan.data.policy` states it in full).
        strict: an unreadable image is an error instead of a note.
        min_images_per_class: leave smaller classes out.
        cache: where decoded data goes; None is AUGAN_CACHE or the user's cache folder.
        progress: called with (items done, items in all) while decoding.
        stream: read tar files as images are needed and keep nothing decoded, for sets larger than the disk.
        kind: one of `augan.data.kinds.KINDS`; None goes by what most files are.
        sound: rate, length and form of sounds; None goes by the data.
        cutting: how films become clips of one length.
        label: the column of a table that is the class of a row.
        windowing: how tables and arrays become windows of time series.

    Raises:
        UserError: what is wrong with the data and what to do about it.

    >>> source = open(np.zeros((8, 16, 16), np.uint8))  # doctest: +SKIP
    >>> source.item.shape  # doctest: +SKIP
    (1, 16, 16)
    """
    wanted = parse_size(size)
    if isinstance(data, Source) and not isinstance(data, (str, Path)):
        if wanted is not None and wanted != (data.item.height, data.item.width):
            raise UserError(
                f"A source that is open already has size {data.item.height}x{data.item.width}. Open the data anew."
            )
        return data
    if min_images_per_class < 0:
        raise UserError(f"min_images_per_class is {min_images_per_class}, and it starts at 0.")
    if kind is not None and kind not in KINDS:
        raise unknown_name("kind of item", kind, KINDS)
    rows: TableSource | SeriesSource | None = _open_series(data, kind, label, windowing or Windowing())
    rows = rows or _open_table(data, kind, label)
    if rows is not None and (wanted is not None or stream or min_images_per_class):
        raise UserError(f"{rows.name} is a table or series: size, stream and min_images_per_class are for images.")
    if rows is not None:
        return rows
    kept = None if kind in ("image", "video") else kind  # the input itself tells these two apart
    options = Options(size=wanted, strict=strict, min_images_per_class=min_images_per_class, kind=kept)
    store = Cache(cache_folder(cache))
    shards = _find_shards(data, store)
    if stream:
        return _stream(data, shards, options)
    if shards is not None:
        return build(_shard_input(data, shards), options, store, progress)
    found = read_clips(data, kind, cutting or Cutting()) or read_input(data, store, kind, sound)
    if found.kind == "sound":
        return build_sounds(found, options, sound or SoundReading(), store, progress)
    return build(found, options, store, progress)


def _stream(data: Any, shards: Shards | None, options: Options) -> ShardSource:
    """Tar files, read as images are needed."""
    if shards is None:
        raise UserError("Only tar files can be read as a stream. Leave data.stream out, or pack the images as .tar.")
    if options.strict or options.min_images_per_class:
        raise UserError(
            "data.strict and data.min_images_per_class need all images decoded first. Leave them out with data.stream."
        )
    return ShardSource(shards, _shard_name(data), options.size)


def open_like(data: Any, item: ItemSpec, **options: Any) -> Source:
    """Opens `data` at the size of other items; sounds are stored exactly as those are.

    Raises:
        UserError: see `open`.
    """
    if item.sound is None or (isinstance(data, Source) and not isinstance(data, (str, Path))):
        size = None if item.sound is not None else f"{item.height}x{item.width}"
        return open(data, size=size, kind=item.kind, **options)
    reading = SoundReading(like=item.sound, channels=item.channels)
    return open(data, kind="sound", sound=reading, **options)


def _open_series(data: Any, kind: str | None, label: str | None, windowing: Windowing) -> SeriesSource | None:
    """The windows that this is read as; None for other data."""
    if not is_series(data, kind, windowing):
        return None
    name = safe_name(Path(data).stem) if isinstance(data, str | Path) else "series"
    return open_series(data, windowing, label, name)


def _open_table(data: Any, kind: str | None, label: str | None) -> TableSource | None:
    """The table that this is; None for other data."""
    if isinstance(data, (str, Path)) and REMOTE.match(str(data)):
        return None
    if not is_table(data, kind):
        if label is not None:
            raise UserError("--label names the column of a table that is the class, and this is not a table.")
        return None
    path = None if is_frame(data) else Path(data).expanduser()
    return open_frame(frame_of(data), label, "table" if path is None else safe_name(path.stem), path)


def _find_shards(data: Any, store: Cache) -> Shards | None:
    """The tar files that a path, a folder of nothing else, or an address stands for; None for other data."""
    if not isinstance(data, (str, Path)):
        return None
    text = str(data) if REMOTE.match(str(data)) else str(Path(data).expanduser())
    folder = Path(text)
    if not REMOTE.match(text) and folder.is_dir():
        files = [name for name in os.listdir(folder) if not is_junk(name)]
        if not any(name.lower().endswith(".tar") for name in files) or any((folder / name).is_dir() for name in files):
            return None
        text = str(folder / "*.tar")
    elif not is_shards(text):
        return None
    elif not REMOTE.match(text) and not set("*{") & set(text):
        require_exists(folder)
    return list_shards(text, store.folder)


def _shard_name(data: Any) -> str:
    return safe_name(re.sub(r"[{*].*$", "", PurePosixPath(str(data)).name.removesuffix(".tar")) or "shards")


def _shard_input(data: Any, shards: Shards) -> Input:
    return Input(
        feed=ImageFeed(len(shards), shards.stream, shards.name_of),
        labels=shards.labels,
        class_names=shards.class_names,
        origin=Origin(path=Path(str(data)), layout="tar", members=shards.members),
        name=_shard_name(data),
        notes=shards.notes,
        fingerprint=fingerprint_of("tar", shards.stamp),
    )


def read_input(data: Any, store: Cache, kind: str | None = None, sound: SoundReading | None = None) -> Input:
    """Raw items of a path or a Python object, nothing decoded yet."""
    if isinstance(data, (str, Path)):
        return _read_path(Path(data).expanduser(), kind)
    if kind == "sound":
        return memory_sounds(data, sound)
    if (
        isinstance(data, tuple)
        and len(data) == 2
        and all(isinstance(part, (np.ndarray, torch.Tensor, list)) for part in data)
    ):
        return _read_memory(data[0], data[1])
    if isinstance(data, (np.ndarray, torch.Tensor)):
        return _read_memory(data, None)
    if not hasattr(data, "__getitem__") and not hasattr(data, "__iter__"):
        raise UserError(f"Data of type {type(data).__name__} cannot be opened. Give {KNOWN}, an array or a Dataset.")
    return _read_dataset(data, store)


def _read_path(path: Path, kind: str | None = None) -> Input:
    inside_zip = split_zip_path(path)
    if inside_zip is not None:
        return _read_zip(path, *inside_zip, kind)
    if "*" not in path.name:
        require_exists(path)
    suffix = path.suffix.lower()
    if path.is_dir():
        return _read_folder(path, kind)
    if suffix == ".npz" and holds_waveforms(path):
        return stored_sounds(path)
    if suffix == ".npy":
        return _array_input(open_npy(path), _Labels(), "npy", path)
    if suffix == ".npz":
        images, labels, names, notes = open_npz(path)
        return _array_input(images, _Labels(values=labels, names=names), "npz", path, notes)
    if suffix in PARQUET_SUFFIXES:
        return _read_parquet(path, parquet_files(path))
    if suffix in SUFFIXES:
        raise UserError(f"{path} is a single image. Give the folder that holds the images: {path.parent}")
    if suffix in SOUND_SUFFIXES:
        raise UserError(f"{path} is a single sound. Give the folder that holds the sounds: {path.parent}")
    raise UserError(f"{path} is not a kind of data that augan knows. Give {KNOWN}.")


def _kind_of(names: list[str], kind: str | None, where: str) -> str:
    """Sounds, or else images; a .gif may be either picture or clip, and does not tell."""
    found = recognise([name for name in names if not name.lower().endswith(".gif")], kind, where)
    return found if found == "sound" else "image"


def _read_folder(path: Path, kind: str | None = None) -> Input:
    files = walk(path)
    tables = [name for name, _, _ in files if name.lower().endswith(PARQUET_SUFFIXES)]
    if tables and not any(name.lower().endswith(tuple(SUFFIXES)) for name, _, _ in files):
        return _read_parquet(path, parquet_files(path))
    kind = _kind_of([name for name, _, _ in files], kind, str(path))
    listing = arrange([name for name, _, _ in files], str(path), kind)
    return Input(
        feed=ImageFeed(len(listing.members), FolderStream(path, listing.members), listing.members.__getitem__),
        labels=listing.labels,
        class_names=listing.class_names,
        origin=Origin(path=path, layout="folder" if listing.class_names else "flat-folder", members=listing.members),
        name=safe_name(path.resolve().name),
        notes=listing.notes,
        fingerprint=fingerprint_of("folder", str(path.resolve()), files),
        kind=kind,
    )


def _read_zip(path: Path, archive: Path, inside: str, kind: str | None = None) -> Input:
    files = list_zip(archive, inside)
    kind = _kind_of([name for name in files if not is_junk(name)], kind, str(path))
    listing = arrange(files, str(path), kind)
    return Input(
        feed=ImageFeed(len(listing.members), ZipStream(archive, inside, listing.members), listing.members.__getitem__),
        labels=listing.labels,
        class_names=listing.class_names,
        origin=Origin(path=path, layout="zip" if listing.class_names else "flat-zip", members=listing.members),
        name=safe_name(f"{archive.stem}-{inside}" if inside else archive.stem),
        notes=listing.notes,
        fingerprint=fingerprint_of("zip", inside, _stamp(archive)),
        kind=kind,
    )


def _read_parquet(path: Path, files: tuple[Path, ...]) -> Input:
    if not files:
        raise UserError(f"No Parquet file matches {path}. Check the path.")
    table = open_table(files)
    labels, names = None, None
    if table.labels is not None:
        labels, names = encode_labels(table.labels, len(table), table.class_names)
    return Input(
        feed=ImageFeed(len(table), table.stream, table.name_of),
        labels=labels,
        class_names=names,
        origin=Origin(path=path, layout="parquet"),
        name=safe_name(path.stem),
        fingerprint=fingerprint_of("parquet", [_stamp(file) for file in files]),
    )


@dataclass(frozen=True, kw_only=True)
class _Labels:
    values: np.ndarray | None = None
    names: list[str] | None = None


def _array_input(images: Images, labels: _Labels, layout: Layout, path: Path, notes: tuple[str, ...] = ()) -> Input:
    numbers, class_names = None, None
    if labels.values is not None:
        numbers, class_names = encode_labels(labels.values, len(images.feed), labels.names)
    origin = Origin(
        path=path,
        layout=layout,
        dtype=images.dtype,
        channels_first=images.axes.channels_first,
        bare=images.axes.bare,
    )
    return Input(
        feed=images.feed,
        labels=numbers,
        class_names=class_names,
        origin=origin,
        name=safe_name(path.stem),
        notes=(*notes, *images.axes.notes),
        fingerprint=None if layout == "array" else fingerprint_of(layout, _stamp(path)),
    )


def _read_memory(images: Any, labels: Any) -> Input:
    known = _Labels() if labels is None else _Labels(values=_numpy(labels))
    return _array_input(as_images(_numpy(images)), known, "array", Path("array"))


def _numpy(values: Any) -> np.ndarray:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        values = values.float() if values.dtype == torch.bfloat16 else values
        return np.asarray(values.numpy())
    try:
        return np.asarray(values)
    except ValueError as error:
        raise UserError(
            "A list of images in a pair must hold images of one shape. Give a Dataset for mixed sizes."
        ) from error


def _read_dataset(data: Any, store: Cache) -> Input:
    spool, values, known = spool_dataset(data, store)
    if not len(spool):
        raise UserError("The data set is empty. Give at least 2 images.")
    labels, names = (None, None) if values is None else encode_labels(values, len(spool), known)
    return Input(
        feed=ImageFeed(len(spool), spool.stream, spool.name_of),
        labels=labels,
        class_names=names,
        origin=Origin(path=Path("dataset"), layout="dataset"),
        name=safe_name(type(data).__name__.lower()),
    )


def _stamp(path: Path) -> tuple[str, int, int]:
    status = path.stat()
    return str(path.resolve()), status.st_size, status.st_mtime_ns
