"""From a folder, a zip or an array to films with their classes."""

from __future__ import annotations

import functools
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from augan.core.errors import UserError
from augan.data.arrays import stored_shapes
from augan.data.build import Input, safe_name
from augan.data.cache import fingerprint_of
from augan.data.clips import check_cutting, clip_input
from augan.data.decode import SUFFIXES, Unreadable
from augan.data.films import Cutting, Film, frames_film, video_film
from augan.data.kinds import VIDEO_SUFFIXES, recognise
from augan.data.listing import FolderStream, arrange_as, is_junk, walk
from augan.data.policy import kind_of
from augan.data.source import Layout, Origin
from augan.data.zips import ZipStream, list_zip, split_zip_path

CLIP_KEYS = ("clips", "images", "x", "X", "data", "arr_0")
CHANNELS = (1, 3, 4)
WANTED = "(N, T, H, W) or (N, T, H, W, C) with 1, 3 or 4 channels"


def read_clips(data: Any, kind: str | None, cutting: Cutting) -> Input | None:
    """`data` as clips, if that is what it holds; None if it is of another kind.

    Raises:
        UserError: see `read_files` and `read_array`; or `kind` says so, and it cannot hold any.
    """
    if kind not in (None, "video"):
        return None
    pair = data if isinstance(data, tuple) and len(data) == 2 else (data, None)
    if all(isinstance(part, np.ndarray | torch.Tensor | None) for part in pair) and pair[0] is not None:
        clips, labels = (None if part is None else np.asarray(part) for part in pair)
        assert clips is not None
        return read_array(clips, labels, cutting) if kind == "video" or clips.ndim == 5 else None
    if not isinstance(data, str | Path):
        return None
    path = Path(data).expanduser()
    archive = split_zip_path(path)
    if archive is not None or path.is_dir():
        files = files_of(path, archive)
        return read_files(files, cutting) if is_video(files, kind) else None
    if path.suffix.lower() in (".npy", ".npz") and path.is_file():
        return read_array_file(path, cutting) if kind == "video" or has_clips(path) else None
    if kind == "video" and path.exists():
        raise UserError(f"{path} is not a folder, zip or array of clips. Give the folder that holds the clips.")
    return None


@dataclass(frozen=True, kw_only=True)
class Files:
    """Where clips lie: names of all files, and how to get at one."""

    where: Path
    names: Sequence[str]
    stream: Callable[[tuple[str, ...]], Iterator[tuple[int, bytes | Unreadable]]]
    layout: str
    name: str
    fingerprint: str
    folder: Path | None

    def opened(self, name: str) -> str | io.BytesIO:
        """A path, or the content: what PyAV opens."""
        if self.folder is not None:
            return str(self.folder / name)
        _, raw = next(self.stream((name,)))
        if isinstance(raw, Unreadable):
            raise OSError(str(raw))
        return io.BytesIO(raw)


def files_of(path: Path, archive: tuple[Path, str] | None) -> Files:
    """The files of a folder, or of a zip."""
    everything = lambda members: np.ones(len(members), dtype=bool)  # noqa: E731
    if archive is None:
        found = walk(path)
        return Files(
            where=path,
            names=[name for name, _, _ in found],
            stream=lambda members: FolderStream(path, members)(everything(members)),
            layout="folder",
            name=safe_name(path.resolve().name),
            fingerprint=fingerprint_of("clips", str(path.resolve()), found),
            folder=path,
        )
    file, inside = archive
    status = file.stat()
    return Files(
        where=path,
        names=list_zip(file, inside),
        stream=lambda members: ZipStream(file, inside, members)(everything(members)),
        layout="zip",
        name=safe_name(f"{file.stem}-{inside}" if inside else file.stem),
        fingerprint=fingerprint_of("clips", inside, str(file.resolve()), status.st_size, status.st_mtime_ns),
        folder=None,
    )


def is_video(files: Files, kind: str | None) -> bool:
    """Whether these files are clips: as `kind` says, or most of them; GIFs if the first one moves."""
    names = [name for name in files.names if not is_junk(name)]
    if kind is None and any(name.lower().endswith(".gif") for name in names):
        others = {PurePosixPath(name).suffix.lower() for name in names} & {*SUFFIXES, *VIDEO_SUFFIXES} - {".gif"}
        if not others:
            return _moves(files, min(name for name in names if name.lower().endswith(".gif")))
        names = [name for name in names if not name.lower().endswith(".gif")]
    return recognise(names, kind, str(files.where)) == "video"


def _moves(files: Files, name: str) -> bool:
    """Whether a GIF has more than one frame."""
    try:
        with Image.open(files.opened(name), formats=("GIF",)) as image:
            return getattr(image, "n_frames", 1) > 1
    except (OSError, ValueError, EOFError):
        return False


def read_files(files: Files, cutting: Cutting) -> Input:
    """Video files, or where there are none, folders of frames, as clips.

    Raises:
        UserError: there are neither, or see `clip_input`.
    """
    check_cutting(cutting)
    names = [name for name in files.names if not is_junk(name)]
    videos = any(name.lower().endswith(VIDEO_SUFFIXES) for name in names)
    frames: dict[str, list[str]] = {}
    if not videos:
        for name in sorted(name for name in names if PurePosixPath(name).suffix.lower() in SUFFIXES):
            frames.setdefault(PurePosixPath(name).parent.as_posix(), []).append(name)
        if not frames:
            raise UserError(
                f"{files.where} holds no clips: video files ({', '.join(VIDEO_SUFFIXES)}), or folders of frames, one "
                "a clip. Check the path."
            )
        if "." in frames:
            raise UserError(
                f"{files.where} holds loose frames, and a folder is a clip: put the frames of each clip into a folder "
                "of its own, or give --kind image."
            )
    listing = arrange_as(list(frames) or names, str(files.where), VIDEO_SUFFIXES if videos else None, "clips")
    if videos:
        films = [video_film(name, partial(files.opened, name)) for name in listing.members]
    else:
        films = [_folder_film(files, name, tuple(frames[name])) for name in listing.members]
    layout: Layout = files.layout if listing.class_names else f"flat-{files.layout}"  # type: ignore[assignment]
    return clip_input(
        films,
        listing.labels,
        listing.class_names,
        cutting,
        Origin(path=files.where, layout=layout, members=listing.members),
        files.name,
        listing.notes,
        files.fingerprint,
    )


def _folder_film(files: Files, name: str, members: tuple[str, ...]) -> Film:
    return frames_film(name, len(members), lambda: (raw for _, raw in files.stream(members)))


def has_clips(path: Path) -> bool:
    """Whether an .npy or .npz file holds an array with a time axis."""
    try:
        return _clip_key(path) is not None
    except UserError:
        return False  # whoever reads it as images says what is wrong


def _clip_key(path: Path) -> str | None:
    """The name of the array of clips: the first known one of rank 5, or one of rank 4 that is called clips."""
    shapes = stored_shapes(path)
    ranks = {key: len(shapes[key][0]) for key in ("", *CLIP_KEYS) if key in shapes}
    return next((key for key, rank in ranks.items() if rank == 5 or (key == CLIP_KEYS[0] and rank == 4)), None)


def read_array_file(path: Path, cutting: Cutting) -> Input:
    """Clips of an .npy or .npz file: `clips` or `images` (N, T, H, W[, C]), and perhaps `labels`.

    Raises:
        UserError: no such array, or see `read_array`.
    """
    shapes = stored_shapes(path)
    key = _clip_key(path)
    if key is None:
        key = next((key for key in ("", *CLIP_KEYS) if key in shapes), None)
    if key is None:
        raise UserError(f"{path} has no array named 'clips'. Save it with numpy.savez(path, clips=..., labels=...).")

    @functools.cache
    def whole() -> np.ndarray:
        try:
            found = np.load(path, mmap_mode="r", allow_pickle=False)
            return found if isinstance(found, np.ndarray) else found[key]
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise UserError(f"{path}: array '{key}' is cut off or damaged. Save the file again.") from error

    labels, names = None, None
    if path.suffix.lower() == ".npz":
        with np.load(path, allow_pickle=False) as beside:
            labels = next((beside[name] for name in ("labels", "y") if name in shapes), None)
            names = tuple(str(name) for name in beside["class_names"]) if "class_names" in shapes else None
            if cutting.frames_per_sec is None and "frames_per_sec" in shapes:
                cutting = replace(cutting, frames_per_sec=float(beside["frames_per_sec"]))
    status = path.stat()
    stamp = fingerprint_of("clips", str(path.resolve()), status.st_size, status.st_mtime_ns)
    layout: Layout = "npz" if path.suffix.lower() == ".npz" else "npy"
    return _array(Stored(*shapes[key], whole), labels, cutting, names, path, layout, stamp)


def read_array(clips: np.ndarray, labels: np.ndarray | None, cutting: Cutting) -> Input:
    """Clips of an array (N, T, H, W[, C]) in memory.

    Raises:
        UserError: not a shape or type that clips have, or labels of another number.
    """
    stored = Stored(clips.shape, clips.dtype, lambda: clips)
    return _array(stored, labels, cutting, None, Path("array"), "array", None)


class Stored(NamedTuple):
    """An array that is read when its first clip is."""

    shape: tuple[int, ...]
    dtype: np.dtype
    whole: Callable[[], np.ndarray]

    def clip(self, number: int) -> Iterator[np.ndarray]:
        """The frames of one clip, (h, w, c) each."""
        found = self.whole()[number]
        return iter(found if found.ndim == 4 else found[..., None])


def _array(
    stored: Stored,
    labels: np.ndarray | None,
    cutting: Cutting,
    names: tuple[str, ...] | None,
    path: Path,
    layout: Layout,
    fingerprint: str | None,
) -> Input:
    check_cutting(cutting)
    shape, dtype = stored.shape, stored.dtype
    channels = shape[4] if len(shape) == 5 else 1
    if len(shape) not in (4, 5) or min(shape) < 1 or channels not in CHANNELS or kind_of(dtype) is None:
        raise UserError(f"An array of shape {shape} and type {dtype} does not hold clips: {WANTED}.")
    if labels is not None and len(labels) != shape[0]:
        raise UserError(f"There are {len(labels)} labels for {shape[0]} clips. Give each clip exactly one label.")
    if shape[1] < 2:
        raise UserError(f"The clips of {path} have one frame. Give --kind image with an array (N, H, W, C) of images.")
    if cutting.frames is None:
        cutting = replace(cutting, frames=len(range(0, shape[1], cutting.step)))
        check_cutting(cutting)
    films = [
        Film(
            name=f"clip {number}",
            times=np.arange(shape[1], dtype=np.float64),
            frames=partial(stored.clip, number),
            timed=False,
        )
        for number in range(shape[0])
    ]
    origin = Origin(path=path, layout=layout, dtype=dtype.name)
    return clip_input(films, labels, names, cutting, origin, safe_name(path.stem), (), fingerprint)
