"""What the page may reach: one folder and what lies in it, nothing else on the disk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from augan.checkpoint import Run, find_runs
from augan.core.errors import UserError
from augan.core.files import require_absent, require_folder_names
from augan.data.decode import SUFFIXES

ARCHIVES = (".zip", ".npz", ".npy", ".parquet", ".tar")
"""Files that hold many images."""
NAME = re.compile(r"[^\W_][\w .+-]{0,79}")
LISTED = 200


class Workspace:
    """A folder, and the folder of runs inside it.

    Attributes:
        root: everything that is read or written lies here; runs: the folder of runs.
    """

    def __init__(self, runs: Path | str, root: Path | str = ".") -> None:
        """Raises UserError if `root` is no folder or `runs` lies outside it; neither is made."""
        self.root = Path(root).resolve()
        if not self.root.is_dir():
            raise UserError(f"{root} is not a folder. Give a folder as --workspace.")
        self.runs = Path(runs).resolve()
        if not self.runs.is_relative_to(self.root):
            raise UserError(
                f"{runs} lies outside the workspace, {self.root}, to which the page is confined. "
                "Start it there, or give a folder that holds both as --workspace."
            )

    def inside(self, path: str) -> Path:
        """An existing or new place in the workspace, links followed.

        Raises:
            UserError: it lies outside, or is not a path.
        """
        if not path or "\0" in path:
            raise UserError("No path was given.")
        found = (self.root / path).resolve()
        if not found.is_relative_to(self.root):
            raise UserError(
                f"{path} lies outside the workspace, {self.root}. Move it there, or start the studio above."
            )
        return found

    def shown(self, path: Path) -> str:
        """A place as people type it: seen from the workspace."""
        return path.resolve().relative_to(self.root).as_posix()

    # ------------------------------------------------------------------ runs

    def find(self) -> list[Run]:
        """All runs, the newest first; none where the folder is not there yet."""
        return find_runs(self.runs)[::-1] if self.runs.is_dir() else []

    def name(self, run: Run) -> str:
        """What the page calls a run: its path below the folder of runs ('.' for that folder itself)."""
        return run.path.resolve().relative_to(self.runs).as_posix()

    def run(self, name: str) -> Run:
        """The run of that name.

        Raises:
            UserError: there is none.
        """
        for run in self.find():
            if self.name(run) == name:
                return run
        raise UserError(f"There is no run '{name}' in {self.runs}.")

    def new_run(self, name: str) -> Path:
        """Where a new run is to be.

        Raises:
            UserError: the name cannot be a folder's, or something is there.
        """
        path = self.runs / file_name(name, "run")
        require_absent(path, "Choose another name.")
        return path

    # ------------------------------------------------------------------ data

    def data(self) -> list[str]:
        """Folders and files that may hold images, to be offered; what is two levels down, and no runs."""
        offered = [self.shown(path) for path in self._candidates() if _holds_images(path)]
        return sorted(offered)[:LISTED]

    def _candidates(self) -> Iterator[Path]:
        for path in _visible(self.root):
            if path == self.runs or (path / "config.json").exists():
                continue
            yield path
            if path.is_dir():
                yield from (inner for inner in _visible(path) if inner != self.runs)


def _visible(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".") and not path.is_symlink()][:LISTED]
    except OSError:  # a folder that may not be read offers nothing
        return []


def _holds_images(path: Path) -> bool:
    """Whether it looks like data: an archive, or a folder with pictures in it or in its first folders."""
    if path.is_file():
        return path.suffix.lower() in ARCHIVES
    inner = _visible(path)
    folders = [one for one in inner if one.is_dir()][:3]
    return any(one.suffix.lower() in SUFFIXES for folder in (path, *folders) for one in _visible(folder)[:20])


def file_name(text: str, kind: str) -> str:
    """A name for one new file or folder, as it is.

    Raises:
        UserError: it is not one: empty, hidden, with a slash, too long.
    """
    text = text.strip()
    if not NAME.fullmatch(text) or text.endswith((".", " ")):
        raise UserError(
            f"'{text}' cannot be the name of a {kind}. Use up to 80 letters, digits, spaces, and any of . _ + -"
        )
    require_folder_names([text])
    return text


def upload_path(text: str) -> PurePosixPath:
    """The place of an uploaded file below its folder: at most four names deep, a picture or an archive.

    Raises:
        UserError: another kind of file, a way out of the folder, or a name that cannot be one.
    """
    parts = text.replace("\\", "/").split("/")
    if len(parts) > 4 or any(not part or part.startswith(".") or len(part) > 200 for part in parts) or "\0" in text:
        raise UserError(f"'{text[:200]}' cannot be the name of an uploaded file.")
    path = PurePosixPath(*parts)
    if path.suffix.lower() not in {*SUFFIXES, *ARCHIVES}:
        raise UserError(f"{path.name} is neither a picture nor one of {', '.join(ARCHIVES)}: it is not taken.")
    return path
