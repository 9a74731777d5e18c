"""Two processes learn one generator of sentences."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from augan.checkpoint import CheckpointStore, Run, read_tensors

pytestmark = [pytest.mark.xdist_group("world"), pytest.mark.slow]
SMALL = ["embedding=8", "width=16", "discriminator_width=8", "batch=8", "likelihood_batch=8", "snapshots=1",
         "threads=1", "dropout=0", "held_out=0"]  # fmt: skip


def train(processes: int, recipe: str, data: Path, out: Path) -> dict[str, np.ndarray]:
    start = [sys.executable, "-m"]
    if processes > 1:
        start += ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"]
    settings = [part for setting in SMALL for part in ("--set", setting)]
    given = [*start, "augan", "train", str(data), "--recipe", recipe, "--out", str(out), "--images", "32", "--quiet"]
    done = subprocess.run([*given, *settings], capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    last = CheckpointStore(out).last()
    assert last is not None
    return {name: value.numpy() for name, value in read_tensors(last / "model.safetensors").items()}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path, random = tmp_path_factory.mktemp("text") / "words.txt", np.random.default_rng(0)
    path.write_text("\n".join(" ".join(random.choice(list("abcdef"), random.integers(2, 6))) for _ in range(40)))
    return path


def test_two_processes_learn_the_likelihood_that_one_does(data: Path, tmp_path: Path) -> None:
    one, two = (train(count, "mle", data, tmp_path / str(count)) for count in (1, 2))
    assert max(np.abs(value - two[name]).max() for name, value in one.items()) < 1e-4


def test_two_processes_play_one_game(data: Path, tmp_path: Path) -> None:
    train(2, "scratchgan", data, tmp_path / "run")
    assert (Run(tmp_path / "run").result() or {})["images_seen"] == 32
