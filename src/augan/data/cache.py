"""The folder of decoded data sets: written once, keyed by content, read through memory maps.

    <cache>/images/<key>/   items.npy (n, h, w, c) uint8 · labels.npy (n,) int64 · source.json (the ItemSpec)
    <cache>/index/<fingerprint>.json   which key a path (with names, sizes, times and policy) or raw content
    has

Deleting any of it is safe: it is built again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from augan.core.errors import UserError
from augan.core.files import read_json, write_json
from augan.core.item import ItemSpec

FORMAT = 1  # goes up when policies or files change, so that nothing old is taken for new
ABANDONED_SEC = 24 * 3600
REMEDY = "Point the environment variable AUGAN_CACHE to a folder with room that can be written."


def cache_folder(cache: Path | None = None) -> Path:
    """`cache`, or AUGAN_CACHE, or the platform's cache folder for augan."""
    chosen = cache or os.environ.get("AUGAN_CACHE") or platformdirs.user_cache_dir("augan")
    return Path(chosen).expanduser()


class NpyWriter:
    """Writes uint8 items to an .npy file one block after another; how many is known only at the end.

    `digest` is the SHA-256 of what was written, without the header.
    """

    def __init__(self, path: Path, item_shape: tuple[int, ...]) -> None:
        self.path = path
        self.count = 0
        self.digest = hashlib.sha256()
        self._item_shape = item_shape
        self._file = open(path, "wb")  # noqa: SIM115 (closed by close)
        self._write_header()
        self._start = self._file.tell()

    def append(self, items: np.ndarray) -> None:
        """Adds (b, h, w, c) uint8 items."""
        assert items.dtype == np.uint8
        assert items.shape[1:] == self._item_shape
        data = np.ascontiguousarray(items).data
        self.digest.update(data)
        self._file.write(data)
        self.count += len(items)

    def finish(self) -> None:
        """Puts the final number into the header."""
        self._file.seek(0)
        self._write_header()
        assert self._file.tell() == self._start  # NumPy pads the header for a growing first axis
        self._file.close()

    def close(self) -> None:
        """Closes the file as it is; after a failure, what could not be written is of no interest."""
        with suppress(OSError):
            self._file.close()

    def _write_header(self) -> None:
        header = {"descr": "|u1", "fortran_order": False, "shape": (self.count, *self._item_shape)}
        np.lib.format.write_array_header_1_0(self._file, header)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a cache entry says about its items."""

    spec: ItemSpec
    count: int
    labels: np.ndarray | None


class Cache:
    """The decoded data sets under one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def lookup(self, fingerprint: str | None) -> dict[str, Any] | None:
        """What `remember` stored, if its entry is still whole."""
        if fingerprint is None:
            return None
        path = self._index(fingerprint)
        if not path.is_file():
            return None
        try:
            record = read_json(path)
            self.load(record["key"])
        except (UserError, OSError, KeyError, TypeError):
            return None
        return dict(record)

    def remember(self, fingerprint: str | None, record: dict[str, Any]) -> None:
        """Stores `record` (with the "key" of an entry) under a fingerprint."""
        if fingerprint is not None:
            with self.write_errors():
                write_json(self._index(fingerprint), record)

    def load(self, key: str) -> tuple[ItemSpec, np.ndarray, np.ndarray | None]:
        """(spec, items as a memory map, labels) of an entry.

        Raises:
            UserError: missing or damaged.
        """
        folder = self.folder / "images" / key
        saved = read_json(folder / "source.json")
        try:
            spec = ItemSpec.from_json(saved["item"])
            items = np.load(folder / "items.npy", mmap_mode="r", allow_pickle=False)
            labels = np.load(folder / "labels.npy", allow_pickle=False) if saved["labelled"] else None
            whole = items.shape == (saved["count"], *spec.stored_shape) and items.dtype == np.uint8
            whole = whole and (labels is None or (labels.shape == (len(items),) and labels.dtype == np.int64))
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise UserError(f"The cached data in {folder} is damaged. Remove that folder.") from error
        if not whole:
            raise UserError(f"The cached data in {folder} is damaged. Remove that folder.")
        return spec, items, labels

    @contextmanager
    def building(self, needed_bytes: int) -> Iterator[Path]:
        """A temporary folder inside the cache, gone when the block ends (unless it was published)."""
        images = self.folder / "images"
        with self.write_errors():
            images.mkdir(parents=True, exist_ok=True)
            self._clear_abandoned(images)
            free = shutil.disk_usage(images).free
            if free < needed_bytes:
                raise OSError(errno.ENOSPC, f"{needed_bytes / 1e6:,.0f} MB needed, {free / 1e6:,.0f} MB free")
            temporary = Path(tempfile.mkdtemp(dir=images, prefix=".building-"))
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def publish(self, temporary: Path, key: str, entry: Entry) -> None:
        """Completes the entry in `temporary` (items.npy is there) and gives it its name, all at once."""
        target = self.folder / "images" / key
        labels = entry.labels
        with self.write_errors():
            if labels is not None:
                np.save(temporary / "labels.npy", labels)
            saved = {"count": entry.count, "labelled": labels is not None, "item": entry.spec.to_json()}
            write_json(temporary / "source.json", saved)
            for file in temporary.iterdir():
                with open(file, "rb+") as handle:
                    os.fsync(handle.fileno())
            os.chmod(temporary, 0o755)
            if self._is_whole(key):
                return  # the same content is here already, perhaps written by another process meanwhile
            self._remove(target)
            try:
                os.replace(temporary, target)
            except OSError:
                if not self._is_whole(key):  # else another process was faster, with the same content
                    raise

    def _is_whole(self, key: str) -> bool:
        try:
            self.load(key)
        except (UserError, OSError):
            return False
        return True

    @contextmanager
    def write_errors(self) -> Iterator[None]:
        """Turns failures to write the cache into one line that names AUGAN_CACHE."""
        try:
            yield
        except (OSError, UserError) as error:
            # core.files has already put what the operating system said into words that speak of --out
            cause = error.__cause__ if isinstance(error, UserError) else error
            if not isinstance(cause, OSError):
                raise
            reason = "no space left" if cause.errno in (errno.ENOSPC, errno.EDQUOT) else "not writable"
            detail = cause.strerror or str(cause)
            raise UserError(f"The cache folder {self.folder} cannot be used: {reason} ({detail}). {REMEDY}") from error

    def _index(self, fingerprint: str) -> Path:
        return self.folder / "index" / f"{fingerprint}.json"

    def _remove(self, target: Path) -> None:
        """Takes a damaged entry out of the way in one step."""
        if not target.exists():
            return
        grave = Path(tempfile.mkdtemp(dir=target.parent, prefix=".building-"))
        try:
            os.replace(target, grave / "old")
        except FileNotFoundError:
            pass
        finally:
            shutil.rmtree(grave, ignore_errors=True)

    def _clear_abandoned(self, images: Path) -> None:
        """Removes what killed processes left behind."""
        for path in images.glob(".building-*"):
            try:
                if time.time() - path.stat().st_mtime > ABANDONED_SEC:
                    shutil.rmtree(path, ignore_errors=True)
            except FileNotFoundError:
                continue


def fingerprint_of(*parts: Any) -> str:
    """A SHA-256 over plain values."""
    return hashlib.sha256(json.dumps([FORMAT, *parts], sort_keys=True, default=str).encode()).hexdigest()
