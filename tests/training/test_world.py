"""Several processes that train one model: equal to one process, resumed by another number of them."""

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
import torch
from torch import nn

from augan.checkpoint import CheckpointStore, Run, read_tensors
from augan.core.errors import UserError
from augan.core.rng import Stream
from augan.core.world import World, _buckets, join
from common import TINY, shapes

pytestmark = pytest.mark.xdist_group("world")
SETTINGS = [*TINY, "training.precision=fp32", "training.measure_images=0"]


def command(processes: int, data: Path, out: Path, *more: str) -> list[str]:
    start = [sys.executable, "-m"]
    if processes > 1:
        start += ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"]
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    return [*start, "augan", "train", str(data), "--out", str(out), "--quiet", *settings, *more]


def train(processes: int, data: Path, out: Path, *more: str) -> Path:
    done = subprocess.run(
        command(processes, data, out, *more), capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    return out


def distance(one: Path, other: Path) -> float:
    """The largest relative distance between the tensors of two runs' last checkpoints."""
    pairs = []
    for run in (one, other):
        last = CheckpointStore(run).last()
        assert last is not None
        pairs.append(read_tensors(last / "training.safetensors") | read_tensors(last / "model.safetensors"))
    assert pairs[0].keys() == pairs[1].keys()
    found = []
    for name, value in pairs[0].items():
        if value.is_floating_point() and value.dim() > 1:
            found.append(float((value - pairs[1][name]).norm() / value.norm().clamp_min(1e-6)))
    return max(found)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("world") / "bars.npz"
    images, labels = shapes({"a": 40, "b": 24})
    np.savez(path, images=images, labels=labels)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        ["--recipe", "strided", "--set", 'game.adaptive=["geometry"]', "--set", "game.adaptive_images=200"],
        ["--recipe", "article", "--set", "game.gradient_penalty=1", "--set", 'game.augmentation=["translation"]'],
    ],
    ids=["strided", "article"],
)
def test_two_processes_do_what_one_does(data: Path, tmp_path: Path, more: list[str]) -> None:
    runs = [train(count, data, tmp_path / str(count), "--images", "64", *more) for count in (1, 2)]
    assert distance(*runs) < 1e-3
    rows = [list(Run(run).metrics()) for run in runs]
    assert [row["images_seen"] for row in rows[0] if "quality" in row] == [
        row["images_seen"] for row in rows[1] if "quality" in row
    ]


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(data: Path, tmp_path: Path) -> None:
    constant = ["--set", "training.learning_rate_end=0.0016"]  # else it would fall by each budget
    run = train(2, data, tmp_path / "run", "--images", "32", *constant)
    train(1, data, run, "--resume", "--images", "64")
    train(2, data, run, "--resume", "--images", "96")
    whole = train(1, data, tmp_path / "whole", "--images", "96", *constant)
    result = Run(run).result()
    assert result is not None
    assert result["images_seen"] == 96
    assert distance(run, whole) < 1e-2


@pytest.mark.slow
def test_sigterm_to_all_saves_once(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with subprocess.Popen(
        command(2, data, out, "--images", "1000000"), stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        limit = time.monotonic() + 120
        while not (out / "metrics.jsonl").exists() and time.monotonic() < limit:
            time.sleep(0.2)
        os.kill(process.pid, signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert errors.count("Stopped and saved") == 1
    last = CheckpointStore(out).last()
    assert last is not None
    assert json.loads((last / "training.json").read_text())["counters"]["images_seen"] == int(last.name)


def test_a_batch_that_cannot_be_divided_is_refused() -> None:
    assert World(1, 4).share(64) == 16
    with pytest.raises(UserError, match=r"batch of 30 cannot be divided among 4 processes.*training.batch=28"):
        World(1, 4).share(30)
    with pytest.raises(UserError, match="at least 2 images"):
        World(1, 4).share(4)


def test_alone_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    world = join()
    assert world.alone
    assert world.first
    assert world.sums(1.5, 2) == [1.5, 2]
    assert world.decided(lambda: "x") == world.in_turn(lambda: "x") == "x"


@pytest.mark.parametrize("parts", [1, 2])
def test_streams_give_each_process_its_rows(parts: int) -> None:
    def draw(count: int, random: torch.Generator | None) -> torch.Tensor:
        return torch.randn(count, 3, generator=random)

    def stream(rank: int, world: int) -> Stream:
        made = Stream(torch.Generator().manual_seed(0), rank, world)
        return made.pairs() if parts == 2 else made

    whole = stream(0, 1).rows(12, draw).view(parts, 2, -1, 3)
    for rank in (0, 1):
        own = stream(rank, 2).rows(6, draw).view(parts, -1, 3)
        assert torch.equal(own, whole[:, rank])


def test_buckets_hold_every_parameter_once() -> None:
    parameters = [nn.Parameter(torch.zeros(count)) for count in (10, 2_000_000, 5, 5)]
    buckets = list(_buckets(parameters))
    assert [len(bucket) for bucket in buckets] == [1, 1, 2]
    assert [id(value) for bucket in buckets for value in bucket] == [id(value) for value in parameters]
