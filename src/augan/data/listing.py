"""From the relative names of a folder's or zip's files to images, classes and layout; folders themselves."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Bool, Int64

from augan.core.errors import UserError
from augan.data.decode import Unreadable
from augan.data.kinds import KINDS, NOUNS

JUNK = frozenset(("__macosx", "thumbs.db", "desktop.ini"))
SPLITS = frozenset(("train", "training", "test", "testing", "val", "valid", "validation", "eval", "dev"))
LARGEST_FILE_BYTES = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The images of a folder or zip in order, with classes where class subfolders give them."""

    members: tuple[str, ...]
    labels: Int64[np.ndarray, " n"] | None
    class_names: tuple[str, ...] | None
    notes: tuple[str, ...]


def require_exists(path: Path) -> None:
    """Raises UserError, with similar names from the same folder, if nothing is at `path`."""
    if path.exists():
        return
    folder = path.parent
    close = get_close_matches(path.name, [p.name for p in folder.iterdir()], n=3) if folder.is_dir() else []
    hint = f" Did you mean {' or '.join(str(folder / name) for name in close)}?" if close else ""
    where = "" if folder.is_dir() else f" (there is no folder {folder} either)"
    raise UserError(f"{path} does not exist{where}.{hint or ' Check the path.'}")


def is_junk(name: str) -> bool:
    """Whether a relative name is hidden or what an operating system leaves behind."""
    return any(part.startswith(".") or part.lower() in JUNK for part in PurePosixPath(name).parts)


def arrange(names: Sequence[str], where: str, kind: str = "image") -> Listing:
    """Orders the items of a kind among `names` (relative, with '/') and finds classes; errors speak of `where`.

    Images in subfolders of the top get the subfolder as their class, however deep they lie. Folders that wrap
    everything else are looked through; a single folder of images is unlabelled.

    Raises:
        UserError: no images, train and test parts side by side, or loose images beside class folders.
    """
    return arrange_as(names, where, KINDS[kind], NOUNS[kind])


def arrange_as(names: Sequence[str], where: str, suffixes: Collection[str] | None, noun: str) -> Listing:
    """The same for items of another kind, which have these endings; None takes all names."""
    names = [name for name in names if not is_junk(name)]
    known = suffixes or ()
    images = sorted(name for name in names if suffixes is None or PurePosixPath(name).suffix.lower() in known)
    if not names:
        raise UserError(f"{where} is empty. Put {noun} into it, loose or in one subfolder a class.")
    if not images:
        raise UserError(f"{where} holds no {noun} (known endings: {', '.join(sorted(known))}). Check the path.")
    notes = []
    if len(images) < len(names):
        notes.append(_ignored(names, known, noun))
    depth = _wrapper_depth(images)
    tops = [_top(name, depth) for name in images]
    classes = sorted({top for top in tops if top is not None})
    _refuse_parts(classes, images[0], depth, where)
    loose = tops.count(None)
    if not classes:
        return Listing(members=tuple(images), labels=None, class_names=None, notes=tuple(notes))
    if loose:
        example = next(name for name, top in zip(images, tops, strict=True) if top is None)
        raise UserError(
            f"{where} mixes {loose} loose {noun} ({example}) with {len(classes)} folders "
            f"({', '.join(classes[:3])}). "
            f"Move the loose ones into class folders, or all {noun} into one folder."
        )
    number = {name: i for i, name in enumerate(classes)}
    labels = np.array([number[top] for top in tops if top is not None], dtype=np.int64)
    return Listing(members=tuple(images), labels=labels, class_names=tuple(map(printable, classes)), notes=tuple(notes))


def _ignored(names: Sequence[str], known: Collection[str], noun: str) -> str:
    suffixes = [PurePosixPath(name).suffix.lower() or "no ending" for name in names]
    other = Counter(suffix for suffix in suffixes if suffix not in known)
    kinds = ", ".join(f"{count} {suffix}" for suffix, count in other.most_common(5))
    return f"{sum(other.values())} files that are not {noun} were ignored ({kinds})."


def _wrapper_depth(images: Sequence[str]) -> int:
    """How many leading folders all images share."""
    folders = [PurePosixPath(name).parts[:-1] for name in images]
    depth = 0
    for level in zip(*(min(folders), max(folders)), strict=False):  # all lie between the first and the last
        if level[0] != level[1]:
            break
        depth += 1
    return depth


def _top(name: str, depth: int) -> str | None:
    parts = PurePosixPath(name).parts[depth:]
    return parts[0] if len(parts) > 1 else None


def _refuse_parts(classes: Sequence[str], example: str, depth: int, where: str) -> None:
    parts = [name for name in classes if name.lower() in SPLITS]
    if len(parts) == len(classes) >= 2:
        wrapper = "/".join((where, *PurePosixPath(example).parts[:depth]))
        best = next((name for name in parts if name.lower().startswith("train")), parts[0])
        raise UserError(
            f"{where} holds parts of a data set ({', '.join(parts)}), not classes. Give one part: {wrapper}/{best}"
        )


def walk(folder: Path) -> list[tuple[str, int, int]]:
    """(relative name, bytes, mtime in ns) of every file under `folder`, sorted; linked folders once."""
    found: list[tuple[str, int, int]] = []
    seen: set[tuple[int, int]] = set()
    for top, folders, files in os.walk(folder, followlinks=True, onerror=_unreadable_folder):
        status = os.stat(top)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not is_junk(name))
        relative = Path(top).relative_to(folder)
        for name in files:
            if is_junk(name):
                continue
            try:
                details = os.stat(os.path.join(top, name))
                found.append(((relative / name).as_posix(), details.st_size, details.st_mtime_ns))
            except OSError:  # a dangling link: listed, and reported as unreadable when it is read
                found.append(((relative / name).as_posix(), -1, 0))
    return sorted(found)


def _unreadable_folder(error: OSError) -> None:
    raise UserError(f"The folder {error.filename} cannot be read ({error.strerror}). Check its permissions.")


def printable(name: str) -> str:
    """A file name as text that can be printed and stored: bytes that are not UTF-8 become '?'."""
    return name.encode("utf-8", "replace").decode()


@dataclass(frozen=True)
class FolderStream:
    """Reads the chosen members of a folder in order."""

    folder: Path
    members: tuple[str, ...]

    def __call__(self, chosen: Bool[np.ndarray, " n"]) -> Iterator[tuple[int, bytes | Unreadable]]:
        for index in np.flatnonzero(chosen):
            yield int(index), _read(self.folder / self.members[index])


def _read(path: Path) -> bytes | Unreadable:
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            return Unreadable("larger than 1 GiB")
        return path.read_bytes()
    except PermissionError:
        return Unreadable("no permission to read it")
    except OSError as error:
        return Unreadable(error.strerror or "cannot be read")
