"""Real processes: signals, pipes, imports."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import augan
from common import TINY

SMALL = [part for setting in TINY for part in ("--set", setting)]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are others there")


def start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "augan", *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_before_the_first_round(number: int, bars_npz: Path, tmp_path: Path) -> None:
    """The run is there, has learned nothing, and can be gone on with."""
    run = tmp_path / "run"
    slow = ["--set", "training.measure_images=0", "--set", "networks.width=16"]
    process = start("train", bars_npz, "--out", run, "--images", 1_000_000, *SMALL, *slow)
    wait_for((run / "config.json").exists, process)
    process.send_signal(number)
    _, shown = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "--resume" in shown.splitlines()[-1]
    assert "Traceback" not in shown
    more = augan.train(bars_npz, out=run, resume=True, images=augan.Run(run).summary()["images_seen"] + 32)
    assert more.summary()["state"] == "finished"


def test_a_second_interrupt_does_not_wait(bars_npz: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start("train", bars_npz, "--out", run, "--images", 1_000_000, *SMALL)
    wait_for((run / "metrics.jsonl").exists, process)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.001)
    _, shown = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in shown
    assert augan.train(bars_npz, out=run, resume=True, images=augan.Run(run).summary()["images_seen"] + 32).path == run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("out", ["many.npz", "many"])
def test_stopped_while_writing_leaves_nothing(number: int, out: str, tiny_run: augan.Run, tmp_path: Path) -> None:
    process = start("generate", tiny_run.path, "--count", 10_000_000, "--out", tmp_path / out)
    wait_for(lambda: any(tmp_path.iterdir()), process)
    process.send_signal(number)
    _, shown = process.communicate(timeout=60)
    assert process.returncode == 1
    assert shown == "Interrupted; nothing half-written is left.\n"
    assert not list(tmp_path.iterdir())


def test_a_reader_that_goes_away_is_no_error(bars_npz: Path) -> None:
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "augan", "inspect", str(bars_npz), "--json"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(read)
    os.close(write)
    _, shown = process.communicate(timeout=60)
    assert process.returncode == 0
    assert shown == ""


def test_help_and_version_load_nothing_heavy() -> None:
    code = (
        "import sys\nfrom augan.__main__ import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'PIL', 'pyarrow'} & set(sys.modules)))"
    )
    for arguments in (["--help"], ["--version"], ["augment", "--help"]):
        result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
        assert result.stdout.splitlines()[-1] == "[]"


def test_mistakes_in_a_real_process_are_one_line(tmp_path: Path) -> None:
    """With the warnings of all libraries, which tests elsewhere do not see."""
    from PIL import Image

    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(2):
            Image.new("RGB", (20, 20)).save(tmp_path / "data" / name / f"{i}.jpg")
            path = tmp_path / "data" / name / f"{i}.jpg"
            path.write_bytes(path.read_bytes()[:-40])
    command = [
        sys.executable,
        "-m",
        "augan",
        "train",
        str(tmp_path / "data"),
        "--out",
        str(tmp_path / "run"),
        "--strict",
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()
