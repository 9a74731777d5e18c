"""kill -9 while a checkpoint is written and between two of them: the resumed run is the one that nobody killed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import augan
from common import TINY

pytestmark = pytest.mark.xdist_group("kill")
IMAGES, LIMIT = 3_200, 120.0


def start(data: Path, out: Path, *more: str) -> subprocess.Popen[bytes]:
    settings = [*TINY, "training.snapshots=50", "training.measure_images=0", "training.threads=1"]
    command = [sys.executable, "-m", "augan", "train", str(data), "--out", str(out), "--quiet", *more]
    if "--resume" not in more:
        command += ["--images", str(IMAGES), "--recipe", "strided"]
        command += [part for setting in settings for part in ("--set", setting)]
    return subprocess.Popen(command, stderr=subprocess.PIPE)


def kill_when(process: subprocess.Popen[bytes], moment: Callable[[], bool]) -> None:
    begun = time.monotonic()
    while not moment():
        assert process.poll() is None, "the run ended before the moment came"
        assert time.monotonic() - begun < LIMIT
    process.kill()
    process.communicate()
    assert process.returncode == -9


def finish(process: subprocess.Popen[bytes]) -> None:
    _, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, errors.decode()


def checkpoints(out: Path) -> list[str]:
    folder = out / "checkpoints"
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


@pytest.fixture(scope="module")
def whole(bars_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("whole") / "run"
    finish(start(bars_npz, out))
    return augan.Run(out).load("last").hash


@pytest.mark.parametrize("when", ["a checkpoint is begun", "some are written"])
def test_a_killed_run_goes_on_bit_for_bit(when: str, whole: str, bars_npz: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"

    def begun() -> bool:
        names = checkpoints(out)
        return any(not name[0].isdigit() for name in names) and any(name.isdigit() for name in names)

    def written() -> bool:
        return any(name.isdigit() and int(name) >= IMAGES // 4 for name in checkpoints(out))

    kill_when(start(bars_npz, out), begun if when == "a checkpoint is begun" else written)
    assert (out / "config.json").exists()
    assert not (out / "result.json").exists()
    finish(start(bars_npz, out, "--resume"))
    assert augan.Run(out).load("last").hash == whole
    assert all(name.isdigit() or name == "index.json" for name in checkpoints(out))  # nothing half-written is left
