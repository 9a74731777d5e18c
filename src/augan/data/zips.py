"""Images in zip files: read in place, never extracted, and refused if they look like an attack."""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Bool

from augan.core.errors import UserError
from augan.data.decode import Unreadable

LARGEST_TOTAL_BYTES = 64 << 30
LARGEST_MEMBER_BYTES = 1 << 30
SUSPICIOUS_BYTES, SUSPICIOUS_RATIO = 100_000_000, 1000


def open_zip(path: Path) -> zipfile.ZipFile:
    """The zip at `path`.

    Raises:
        UserError: it is not a zip file, whatever its name says, or it is damaged.
    """
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError) as error:
        kind = "an .npz file" if path.suffix.lower() == ".npz" else "a zip file"
        raise UserError(f"{path} is not {kind}, or it is damaged ({error}). Download or pack it again.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}). Check its permissions.") from error


def check_zip(
    path: Path, members: Sequence[zipfile.ZipInfo], largest_member: int | None = LARGEST_MEMBER_BYTES
) -> None:
    """Raises UserError for names that leave the zip, links, encryption, and sizes of an attack."""
    total = 0
    for member in members:
        if not _is_inside(member.orig_filename):
            raise UserError(
                f"{path} holds '{member.orig_filename}', a name that leads outside of it. Pack the zip again."
            )
        if stat.S_ISLNK(member.external_attr >> 16):
            raise UserError(f"{path} holds the link '{member.filename}'. Pack the zip again with real files.")
        if member.flag_bits & 1:
            raise UserError(f"{path} is encrypted ('{member.filename}'). Pack it again without a password.")
        total += member.file_size
        ratio = member.file_size / max(1, member.compress_size)
        bomb = member.file_size > SUSPICIOUS_BYTES and ratio > SUSPICIOUS_RATIO
        if bomb or (largest_member is not None and member.file_size > largest_member):
            raise UserError(
                f"{path} looks like a zip bomb: '{member.filename}' unpacks from {member.compress_size:,} to "
                f"{member.file_size:,} bytes. Use a zip of ordinary images."
            )
    if total > LARGEST_TOTAL_BYTES:
        raise UserError(
            f"{path} looks like a zip bomb: it declares {total / 2**30:,.0f} GiB, and "
            f"{LARGEST_TOTAL_BYTES >> 30} GiB "
            "is the limit. Unpack it yourself and give the folder."
        )


def _is_inside(name: str) -> bool:
    name = name.replace("\\", "/")
    return not (
        name.startswith("/") or re.match(r"^[A-Za-z]:", name) or ".." in PurePosixPath(name).parts or "\0" in name
    )


def split_zip_path(path: Path) -> tuple[Path, str] | None:
    """For 'file.zip' or 'file.zip/folder' the zip and the folder inside ('' for all of it); None for other
    paths."""
    for candidate in (path, *path.parents):
        if candidate.suffix.lower() == ".zip" and candidate.is_file():
            inside = path.relative_to(candidate).as_posix()
            return candidate, "" if inside == "." else inside
    return None


def list_zip(path: Path, inside: str) -> list[str]:
    """Names of the files in the zip, relative to the folder `inside` it.

    Raises:
        UserError: see `open_zip` and `check_zip`; or the folder is not in the zip (its folders are listed).
    """
    with open_zip(path) as archive:
        members = archive.infolist()
    check_zip(path, members)
    files = list(dict.fromkeys(member.filename for member in members if not member.is_dir()))
    if not inside:
        return files
    prefix = inside + "/"
    chosen = [name[len(prefix) :] for name in files if name.startswith(prefix)]
    if not chosen:
        folders = sorted({name.split("/")[0] for name in files if "/" in name})
        raise UserError(f"{path} has no folder '{inside}'. Its folders: {', '.join(folders[:10]) or 'none'}.")
    return chosen


@dataclass(frozen=True)
class ZipStream:
    """Reads the chosen members of a zip in order. `members` are relative to the folder `inside`."""

    path: Path
    inside: str
    members: tuple[str, ...]

    def __call__(self, chosen: Bool[np.ndarray, " n"]) -> Iterator[tuple[int, bytes | Unreadable]]:
        with open_zip(self.path) as archive:
            for index in np.flatnonzero(chosen):
                name = f"{self.inside}/{self.members[index]}" if self.inside else self.members[index]
                yield int(index), _read_member(archive, name)


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes | Unreadable:
    try:
        declared = archive.getinfo(name).file_size
        with archive.open(name) as file:
            data = file.read(declared + 1)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        NotImplementedError,
        RuntimeError,
        KeyError,
    ) as error:
        return Unreadable(f"damaged in the zip: {error}")
    return data if len(data) == declared else Unreadable("its size differs from what the zip declares")
