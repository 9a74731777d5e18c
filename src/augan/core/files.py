"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import json
import mmap
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from augan.core.errors import AuganError, UserError

MANY_FILES = 256
PART = re.compile(r"\..+\.[0-9a-f]{8}\.part(\.[^.]+)?")
"""Names of files and folders that are being written."""
"""From here on, one flush of the whole disk is faster than one for each file (a millisecond and more)."""

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)
NO_PLACE = (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY, errno.ENAMETOOLONG, errno.ELOOP)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns 'no space left', 'not permitted', 'read-only' and impossible paths into one clear line."""
    try:
        yield
    except AuganError:
        raise
    except Exception as error:
        number = _system_error(error)
        if number in NO_SPACE:
            raise UserError(
                f"No space left on the disk while writing {path}. Nothing half-written is left there. "
                "Free some space or choose another place with --out."
            ) from error
        if number in NOT_ALLOWED:
            raise UserError(f"Not allowed to write {path}. Choose another place with --out.") from error
        if number in NO_PLACE:
            raise UserError(f"Cannot write {path} ({os.strerror(number)}). Choose another place with --out.") from error
        raise


def _system_error(error: Exception) -> int:
    """The operating system's number for an error, also where a library wrapped it in one of its own; 0 if none."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    text = str(error)
    named = re.search(r"\(os error (\d+)\)", text)  # libraries written in Rust, such as safetensors
    if named:
        return int(named[1])
    short_write = isinstance(error, OSError) and re.search(r"\d+ requested and \d+ written", text)  # ndarray.tofile
    return errno.ENOSPC if short_write or "No space left" in text else 0


def require_absent(path: Path, remedy: str = "Choose another --out, or remove it first.") -> None:
    """Raises UserError if something is at `path` (an empty folder counts as absent)."""
    with disk_errors(path):
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            return
        there = path.exists() or path.is_symlink()
        for parent in path.parents:
            if parent.exists():
                if not parent.is_dir():
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
                break
    if there:
        raise UserError(f"{path} exists already, and augan overwrites nothing. {remedy}")


def require_folder_names(names: Iterable[str]) -> None:
    """Raises UserError if a class name cannot be the name of a visible folder just below another one."""
    for name in names:
        if not name or name.startswith(".") or any(symbol in name for symbol in "/\\\0"):
            raise UserError(
                f"The class name '{name}' cannot be the name of a folder. Choose an --out that ends in .npz, or rename "
                "the class."
            )


def require_space(path: Path, needed_bytes: int) -> None:
    """Raises UserError if the disk that holds `path` has fewer than `needed_bytes` free."""
    folder = path
    with disk_errors(path):
        while not folder.exists():
            folder = folder.parent
        free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise UserError(
            f"Writing {path} needs {needed_bytes / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB are free. "
            "Free some space or choose another place."
        )


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; when the block ends well it takes the name `path`, else it is removed."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _beside(path, f".part{path.suffix}")
        try:  # from before the file is there: a signal may come at any moment
            temporary.touch(0o600, exist_ok=False)
            yield temporary
            _sync(temporary)
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """As `atomic_file`, for a folder. `path` must not exist, or be empty."""
    with disk_errors(path):
        require_absent(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _beside(path, ".part")
        try:
            temporary.mkdir(0o700)
            yield temporary
            os.chmod(temporary, 0o777 & ~_umask())
            files = [file for file in temporary.rglob("*") if file.is_file()]
            if len(files) > MANY_FILES and hasattr(os, "sync"):
                os.sync()
            else:
                for file in files:
                    _sync(file)
            os.replace(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def remove_parts(folder: Path) -> None:
    """Removes what `atomic_file` and `atomic_folder` left in a folder, at any depth, when their process was killed.

    Nothing else may be writing there.
    """
    for path in [path for path in folder.rglob(".*") if PART.fullmatch(path.name)]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def release_pages(array: np.ndarray) -> None:
    """Gives the pages of a memory-mapped array that were read back to the system, which keeps them while it can.

    They count as this process's memory otherwise, so that a set larger than the machine's memory looks as if it were
    in it. Arrays in memory, and maps whose changes are private, are left alone.
    """
    mapped = getattr(array, "_mmap", None)
    if mapped is not None and getattr(array, "mode", "") in ("r", "r+") and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def write_text(path: Path, text: str) -> None:
    """Writes a text file atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes JSON atomically, indented, refusing NaN (which JSON does not have)."""
    write_text(path, to_json(value) + "\n")


def to_json(value: Any) -> str:
    """JSON, indented, refusing NaN; file names that are not UTF-8 become escapes that Python reads back."""
    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode()


def read_json(path: Path) -> Any:
    """Reads JSON; a missing or damaged file is one line that names it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing.") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"{path} is not valid JSON ({error}).") from error


def _beside(path: Path, suffix: str) -> Path:
    """A hidden name in the same folder that nothing has."""
    return path.parent / f".{path.name}.{secrets.token_hex(4)}{suffix}"


def _sync(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value
