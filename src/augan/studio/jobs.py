"""Trainings that the page starts: commands of augan in processes of their own.

They are known by files, so that a studio that was killed finds them again.

A pause saves and ends the process, and its run goes on bit for bit by `--resume`: nothing is held in memory meanwhile.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from augan.checkpoint import Run
from augan.core.errors import UserError, unknown_name
from augan.core.files import read_json, write_json
from augan.recipes import RECIPES
from augan.studio.workspace import Workspace
from augan.translate import RECIPES as TRANSLATIONS

FOLDER = ".studio"
"""Beside the runs: what was started, what it said, what was curated."""
STOP_SEC = 60.0
LIVE_SEC = 20.0
"""A log that was written so short a time ago belongs to a run that is being trained, by whomever."""
FRESH: dict[str, Mapping[str, Any]] = {"train": RECIPES, "translate": TRANSLATIONS}


def train_command(workspace: Workspace, wish: Mapping[str, Any]) -> tuple[list[str], Path]:
    """The command, and the run's folder, of what the form asks for.

    Args:
        wish: `task` (train or translate), `data` (for translate also `b`, `paired`), `name`, `minutes` or `images`,
            and if wanted `recipe`, `size`, `seed`, `settings` (lines of KEY=VALUE).

    Raises:
        UserError: paths outside the workspace or not there, a name that is taken, an unknown recipe, no budget.
    """
    task = wish.get("task") or "train"
    if task not in FRESH:
        raise unknown_name("task", str(task), FRESH)
    out = workspace.new_run(str(wish.get("name") or ""))
    paths = [_existing(workspace, wish.get(key)) for key in ("data", "b") if task == "translate" or key == "data"]
    command = ["train", *map(str, paths)] if task == "train" else ["translate", "train", *map(str, paths)]
    if task == "translate":
        command.append("--paired" if wish.get("paired") else "--unpaired")
    command += ["--out", str(out), *_budget(wish)]
    recipe = str(wish.get("recipe") or "auto")
    if recipe != "auto":
        if recipe not in FRESH[task]:
            raise unknown_name("recipe", recipe, FRESH[task])
        command += ["--recipe", recipe]
    if wish.get("size"):
        command += ["--size", _plain(wish["size"])]
    if wish.get("seed"):
        command += ["--seed", str(_whole(wish["seed"], "seed"))]
    for line in str(wish.get("settings") or "").splitlines():
        if line.strip():
            command += ["--set", _plain(line.strip())]
    return command, out


def _existing(workspace: Workspace, path: Any) -> Path:
    if not path:
        raise UserError("Say which images to learn from: a path, or an upload.")
    found = workspace.inside(str(path))
    if not found.exists():
        raise UserError(f"{path} does not exist in {workspace.root}. Check the path.")
    return found


def _budget(wish: Mapping[str, Any]) -> list[str]:
    if wish.get("images"):
        return ["--images", str(_whole(wish["images"], "images"))]
    try:
        minutes = float(wish.get("minutes") or 5)
    except (TypeError, ValueError) as error:
        raise UserError(f"'{wish.get('minutes')}' is no number of minutes.") from error
    if not 0 < minutes < 1e6:
        raise UserError(f"{minutes:g} minutes: more than 0 are needed.")
    return ["--minutes", f"{minutes:g}"]


def _whole(value: Any, name: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError) as error:
        raise UserError(f"'{value}' is no whole number, as {name} has to be.") from error
    if number < 0:
        raise UserError(f"{name} {number}: 0 or more is expected.")
    return number


def _plain(value: Any) -> str:
    text = str(value)
    if text.startswith("-") or "\n" in text or "\0" in text:
        raise UserError(f"'{text}' is not a value.")
    return text


class JobBoard:
    """Starts, pauses, stops and goes on with trainings, and says how each stands."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.folder = workspace.runs / FOLDER
        self._own: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.RLock()

    # ------------------------------------------------------------------ what the buttons do

    def start(self, wish: Mapping[str, Any]) -> str:
        """Starts a training; returns the run's name.

        Raises:
            UserError: see `train_command`.
        """
        with self._lock:
            command, out = train_command(self.workspace, wish)
            name = out.name
            if self.alive(name):
                raise UserError(f"'{name}' is being trained already. Choose another name.")
            self._launch(name, command, command)
            return name

    def halt(self, name: str, wanted: str) -> None:
        """Saves and ends a training; `wanted` is 'paused' or 'stopped', and decides what is offered next.

        Raises:
            UserError: it is not being trained from here.
        """
        with self._lock:
            record = self._record(name)
            process = self._process(name, record)
            if record is None or process is None:
                raise UserError(f"'{name}' is not being trained from this studio.")
            if record["wanted"] == "run":  # a second signal would not save a second time
                process.terminate()
            write_json(self._path(name), {**record, "wanted": wanted})

    def resume(self, name: str, minutes: float | None = None) -> None:
        """Goes on with a run: with what is left of its budget, or for so many minutes more.

        Raises:
            UserError: it is being trained, or where its data is is not known.
        """
        with self._lock:
            run = self.workspace.run(name)
            if self.alive(name) or (self._record(name) is None and _written_lately(run)):
                raise UserError(f"'{name}' is being trained already.")
            base = self._sources(name, run)
            command = [*base, "--out", str(run.path), "--resume"]
            if minutes is not None:
                done = elapsed_sec(run) / 60
                command += ["--minutes", f"{done + float(_budget({'minutes': minutes})[1]):.4f}"]
            self._launch(name, command, base)

    def forget(self, name: str) -> None:
        """Forgets a training that failed before it had a run."""
        with self._lock:
            if self.alive(name):
                raise UserError(f"'{name}' is being trained.")
            for path in (self._path(name), self._log(name)):
                path.unlink(missing_ok=True)

    def close(self) -> list[str]:
        """Pauses what this studio has started, and waits until it is saved; returns the names."""
        with self._lock:
            names = [name for name in self._own if self.alive(name)]
            for name in names:
                self.halt(name, "paused")
        for name in names:
            try:
                self._own[name].wait(STOP_SEC)
            except subprocess.TimeoutExpired:  # it goes on saving, and ends by itself
                continue
        return names

    # ------------------------------------------------------------------ how they stand

    def state(self, name: str, run: Run | None) -> str:
        """starting, training, saving, paused, stopped, failed, finished, stopped early, not finished."""
        record = self._record(name)
        if record is not None and self._process(name, record) is not None:
            return "saving" if record["wanted"] != "run" else "starting" if run is None else "training"
        result = None if run is None else run.result()
        if result is not None:
            return str(result["state"])
        if record is not None:
            return {"run": "failed"}.get(record["wanted"], str(record["wanted"]))
        return "training" if run is not None and _written_lately(run) else "not finished"

    def waiting(self) -> list[str]:
        """Names of trainings that have been started and have no run folder, the newest first."""
        if not self.folder.is_dir():
            return []
        found = sorted(self.folder.glob("*.job.json"), key=lambda path: -path.stat().st_mtime)
        names = [read_json(path)["name"] for path in found]
        known = {self.workspace.name(run) for run in self.workspace.find()}
        return [name for name in names if name not in known]

    def ours(self, name: str) -> bool:
        """Whether it can be paused and stopped from here."""
        return self.alive(name)

    def alive(self, name: str) -> bool:
        """Whether its process runs."""
        record = self._record(name)
        return record is not None and self._process(name, record) is not None

    def said(self, name: str, lines: int = 12) -> str:
        """The last lines that its process wrote."""
        path = self._log(name)
        if not path.exists():
            return ""
        text = path.read_bytes()[-20_000:].decode("utf-8", "replace")
        return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])

    # ------------------------------------------------------------------ processes and their records

    def _launch(self, name: str, command: Sequence[str], base: Sequence[str]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        options: dict[str, Any] = {"start_new_session": True}  # Ctrl-C in the terminal is for the studio
        if sys.platform == "win32":
            options = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        with open(self._log(name), "wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "augan", *command, "--quiet"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.workspace.root,
                env={**os.environ, "NO_COLOR": "1"},
                **options,
            )
        self._own[name] = process
        record = {"name": name, "pid": process.pid, "created": _created(process.pid), "wanted": "run"}
        write_json(self._path(name), {**record, "sources": _without_options(base)})

    def _record(self, name: str) -> dict[str, Any] | None:
        path = self._path(name)
        found: dict[str, Any] | None = read_json(path) if path.exists() else None
        return found

    def _process(self, name: str, record: Mapping[str, Any] | None) -> psutil.Process | None:
        """The living process of a record; another one that got its number is not it."""
        own = self._own.get(name)
        if own is not None:
            own.poll()  # a child that ended is there until it is asked
        if record is None:
            return None
        try:
            process = psutil.Process(record["pid"])
            same = abs(process.create_time() - record["created"]) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return None
        return process if same else None

    def _sources(self, name: str, run: Run) -> list[str]:
        """The part of the command that says what to learn from."""
        record = self._record(name)
        if record is not None:
            return list(record["sources"])
        path = (run.config.get("data") or {}).get("path")
        if path is None:
            raise UserError(f"'{name}' does not say where its images are: go on with it where it was started.")
        return ["train", path]

    def _path(self, name: str) -> Path:
        return self.folder / f"{_slug(name)}.job.json"

    def _log(self, name: str) -> Path:
        return self.folder / f"{_slug(name)}.log"


def _slug(name: str) -> str:
    return name.replace("/", "~")


def _without_options(command: Sequence[str]) -> list[str]:
    """`train DATA` or `translate train A B` of a command."""
    return list(command[: command.index("--out")]) if "--out" in command else list(command)


def _created(pid: int) -> float:
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:  # it has ended already
        return 0.0


def _written_lately(run: Run) -> bool:
    path = run.path / "metrics.jsonl"
    return run.result() is None and path.exists() and time.time() - path.stat().st_mtime < LIVE_SEC


def elapsed_sec(run: Run) -> float:
    """Seconds that a run has been trained."""
    result = run.result()
    if result is not None:
        return float(result.get("elapsed_sec") or result.get("training_sec") or 0)  # as GANs, as translations
    last = run.store.last()
    if last is None:
        return 0.0
    counters = json.loads((last / "training.json").read_text(encoding="utf-8"))["counters"]
    return float(counters["elapsed_sec"])
