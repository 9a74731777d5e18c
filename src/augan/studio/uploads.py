"""Data that arrive from the browser: into a new folder, file after file, within limits."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from augan.core.errors import UserError
from augan.core.files import require_absent, require_space
from augan.studio.workspace import ARCHIVES, Workspace, file_name, upload_path

FOLDER = "uploads"
MOST_FILES = 200_000
CHUNK_BYTES = 1 << 20


@dataclass
class Upload:
    """One folder that is being filled.

    Attributes:
        folder: where it is filled, hidden; target: the name that it takes in the end.
        left_bytes, left_files: what may still come.
    """

    folder: Path
    target: Path
    left_bytes: int
    left_files: int


class Uploads:
    """Uploads that have begun and not ended, by a name that cannot be guessed."""

    def __init__(self, workspace: Workspace, limit_bytes: int) -> None:
        self.workspace, self.limit_bytes = workspace, limit_bytes
        self._open: dict[str, Upload] = {}
        self._lock = threading.Lock()

    def begin(self, name: str, files: int, size_bytes: int) -> str:
        """Starts one; returns its key.

        Raises:
            UserError: too much or nothing, a name that is taken or cannot be one, too little space.
        """
        if not 0 < files <= MOST_FILES:
            raise UserError(f"{files:,} files: between 1 and {MOST_FILES:,} can be uploaded at once.")
        if size_bytes > self.limit_bytes:
            raise UserError(
                f"{size_bytes / 1e6:,.0f} MB are more than the {self.limit_bytes / 1e6:,.0f} MB that may be uploaded. "
                "Give the path of the data instead, or start with a larger --upload-limit."
            )
        target = self.workspace.root / FOLDER / file_name(name, "data set")
        require_absent(target, "Choose another name.")
        require_space(target, size_bytes)
        key = secrets.token_urlsafe(12)
        folder = target.parent / f".{target.name}.{secrets.token_hex(4)}.part"
        folder.mkdir(parents=True)
        with self._lock:
            self._open[key] = Upload(folder, target, size_bytes, files)
        return key

    async def take(self, key: str, name: str, chunks: AsyncIterator[bytes]) -> int:
        """Writes one file of an upload; returns its size in bytes.

        Raises:
            UserError: no such upload, a name or kind that is not taken, more than was announced.
        """
        upload = self._find(key)
        path = upload.folder.joinpath(*upload_path(name).parts)
        upload.left_files -= 1
        if upload.left_files < 0:
            raise UserError("More files come than were announced.")
        path.parent.mkdir(parents=True, exist_ok=True)
        size = 0
        try:
            with open(path, "xb") as file:
                async for chunk in chunks:
                    size += len(chunk)
                    upload.left_bytes -= len(chunk)
                    if upload.left_bytes < 0:
                        raise UserError("More bytes come than were announced.")
                    file.write(chunk)
        except FileExistsError as error:
            raise UserError(f"{name} is there twice.") from error
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return size

    def end(self, key: str) -> str:
        """Gives the folder its name; returns the path of the data, seen from the workspace.

        A single archive is the data itself; a single folder inside is looked through.
        """
        upload = self._find(key)
        require_absent(upload.target, "Choose another name.")
        upload.folder.rename(upload.target)
        with self._lock:
            self._open.pop(key, None)
        found, inner = upload.target, list(upload.target.iterdir())
        if len(inner) == 1 and inner[0].suffix.lower() in ARCHIVES:
            found = inner[0]
        return self.workspace.shown(found)

    def forget(self, key: str) -> None:
        """Removes an upload that failed."""
        with self._lock:
            upload = self._open.pop(key, None)
        if upload is not None:
            shutil.rmtree(upload.folder, ignore_errors=True)

    def close(self) -> None:
        """Removes all that have not ended."""
        for key in list(self._open):
            self.forget(key)

    def _find(self, key: str) -> Upload:
        with self._lock:
            upload = self._open.get(key)
        if upload is None:
            raise UserError("There is no such upload: begin it anew.")
        return upload
