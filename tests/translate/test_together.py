"""Two processes that train one translation do what one does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from augan.checkpoint import CheckpointStore, Run, read_tensors

pytestmark = pytest.mark.xdist_group("world")
SMALL = ["width=4", "blocks=2", "patch_width=4", "batch=4", "threads=1", "snapshots=2", "dropout=false"]
MORE = {
    "pix2pix": [],
    "cyclegan": ["pool=6"],
    "cut": [],
    "fastcut": [],
    "sincut": ["crop=8", "zoom=1.5", "noise=false"],
}


def command(processes: int, recipe: str, data: tuple[Path, Path], out: Path, *more: str) -> list[str]:
    start = [sys.executable, "-m"]
    if processes > 1:
        start += ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"]
    settings = [part for setting in [*SMALL, *MORE[recipe]] for part in ("--set", setting)]
    given = [*start, "augan", "translate", "train", *map(str, data), "--recipe", recipe, "--out", str(out), "--quiet"]
    return [*given, *settings, *more]


def train(processes: int, recipe: str, data: tuple[Path, Path], out: Path, *more: str) -> Path:
    given = command(processes, recipe, data, out, *more)
    done = subprocess.run(given, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    return out


def tensors(run: Path) -> dict[str, np.ndarray]:
    last = CheckpointStore(run).last()
    assert last is not None
    found = read_tensors(last / "training.safetensors")
    return {name: value.numpy() for name, value in found.items() if value.is_floating_point() and value.dim() > 1}


def distance(one: Path, other: Path) -> float:
    """The largest relative distance between weights, moments or pools of two runs."""
    first, second = tensors(one), tensors(other)
    assert first.keys() == second.keys()
    return max(
        float(np.linalg.norm(value - second[name]) / max(np.linalg.norm(value), 1e-6)) for name, value in first.items()
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder, random = tmp_path_factory.mktemp("sides"), np.random.default_rng(0)
    for name in ("a", "b"):
        np.save(folder / f"{name}.npy", random.integers(0, 256, (12, 16, 16, 3), dtype=np.uint8))
    return folder / "a.npy", folder / "b.npy"


@pytest.fixture(scope="module")
def single(data: tuple[Path, Path]) -> tuple[Path, Path]:
    from PIL import Image

    paths = data[0].with_suffix(".png"), data[1].with_suffix(".png")
    for array, path in zip(data, paths, strict=True):
        Image.fromarray(np.load(array)[:4].reshape(64, 16, 3)).save(path)
    return paths


@pytest.mark.slow
@pytest.mark.parametrize("recipe", list(MORE))
def test_two_processes_do_what_one_does(
    recipe: str, data: tuple[Path, Path], single: tuple[Path, Path], tmp_path: Path
) -> None:
    sides = single if recipe == "sincut" else data
    runs = [train(count, recipe, sides, tmp_path / str(count), "--images", "16") for count in (1, 2)]
    assert distance(*runs) < 5e-3  # 1e-6 after the first round: sums in another order, which Adam magnifies
    results = [Run(run).result() for run in runs]
    assert [(result or {})["images_seen"] for result in results] == [16, 16]


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(data: tuple[Path, Path], tmp_path: Path) -> None:
    run = train(2, "cyclegan", data, tmp_path / "run", "--images", "8", "--set", "decay_from=1")
    train(1, "cyclegan", data, run, "--resume", "--images", "16")
    whole = train(1, "cyclegan", data, tmp_path / "whole", "--images", "16", "--set", "decay_from=1")
    assert distance(run, whole) < 1e-3


@pytest.mark.slow
def test_sigterm_to_all_saves_once(data: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "run"
    given = command(2, "cut", data, out, "--images", "1000000")
    with subprocess.Popen(given, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        limit = time.monotonic() + 120
        while not (out / "metrics.jsonl").exists() and time.monotonic() < limit:
            time.sleep(0.2)
        os.kill(process.pid, signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert errors.count("Stopped and saved") == 1
    last = CheckpointStore(out).last()
    assert last is not None
    assert json.loads((last / "training.json").read_text())["counters"]["images_seen"] == int(last.name)


@pytest.mark.slow
def test_a_batch_that_cannot_be_divided_is_one_line(data: tuple[Path, Path], tmp_path: Path) -> None:
    given = command(2, "cut", data, tmp_path / "run", "--images", "8", "--set", "batch=3")
    done = subprocess.run(given, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode != 0
    assert "batch of 3 cannot be divided" in done.stderr
    assert "--set batch=2" in done.stderr
    assert not (tmp_path / "run").exists()
