"""What a run does about itself: going back, lower rates, stopping early, and what it holds out to know."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import augan
from augan.api import resolve
from augan.core.errors import UserError
from augan.game import OBJECTIVES
from augan.game.objectives import Objective
from augan.health import COLLAPSE
from augan.metrics import Quality
from augan.training import Observer, Trainer
from augan.training.quality import divide
from augan.training.state import step_share
from common import TINY

SETTINGS = [*TINY, "training.precision=fp32", "training.measure_images=0", "training.snapshots=4", "game.matching=0"]
SETTINGS += ["training.learning_rate_end=0.0016"]  # constant


class Acts(Observer):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def act(self, text: str) -> None:
        self.texts.append(text)


def failing_once(at: int) -> Objective:
    """The usual objective, whose `at`-th discriminator loss is not a number."""
    usual, calls = OBJECTIVES["non-saturating"], iter(range(1, 1_000_000))

    def loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
        value = usual.discriminator_loss(real, fake)
        return value * torch.nan if next(calls) == at else value

    return replace(usual, discriminator_loss=loss)


@pytest.mark.parametrize("at", [3, 12])
def test_a_run_that_breaks_goes_back_and_on_at_half_the_rate(bars: augan.Source, tmp_path: Path, at: int) -> None:
    _, config = resolve(bars, images=320, recipe="strided", settings=SETTINGS)
    acts = Acts()
    trainer = Trainer(bars, config, tmp_path / "run", objective_pair=failing_once(at), observer=acts)
    run = trainer.run()
    counters = trainer.state.counters
    assert (counters.rescues, counters.rate_factor, counters.gamma_factor) == (1, 0.5, 1.0)
    assert trainer.state.optimizer_g.param_groups[0]["lr"] == pytest.approx(config.training.learning_rate / 2)
    back = 0 if at == 3 else 160
    assert len(acts.texts) == 1
    assert f"back to {back:,} images" in acts.texts[0]
    assert all(value.isfinite().all() for value in trainer.state.average.state_dict().values())
    assert [row["act"] for row in run.metrics() if "act" in row] == acts.texts
    assert run.result()["state"] == "finished"  # type: ignore[index]
    assert any("broken" in row for row in run.metrics())


def quality(frechet: float, diversity: float = 1.0) -> Quality:
    return Quality(
        frechet=frechet,
        precision=0.5,
        recall=0.5,
        density=1.0,
        coverage=0.5,
        agreement=None,
        class_agreement=None,
        diversity=diversity,
        class_diversity=None,
        concentration=0.01,
        near_copies=0.0,
        features="made up",
        features_hash="0",
        classifier_accuracy=None,
        real_images=10,
        fake_images=10,
    )


class Meter:
    """Gives the measures that it is told to."""

    def __init__(self, *found: Quality) -> None:
        self.found = list(found)

    def measure(self, *rest: Any) -> Quality:
        return self.found.pop(0) if len(self.found) > 1 else self.found[0]


def measured(source: augan.Source, folder: Path, meter: Meter, monkeypatch: pytest.MonkeyPatch, *more: str) -> Trainer:
    monkeypatch.setattr("augan.training.loop.QualityMeter", lambda *_: meter)
    _, config = resolve(source, images=320, recipe="strided", settings=[*SETTINGS, "training.measure_images=40", *more])
    return Trainer(source, config, folder, observer=Acts())


def test_a_run_whose_samples_get_far_worse_goes_back_to_its_best(
    bars: augan.Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = Meter(quality(2.0), quality(1.0), quality(4.0), quality(0.9))
    trainer = measured(bars, tmp_path / "run", meter, monkeypatch)
    trainer.run()
    assert "from 1.00 to 4.00: back to 160 images" in trainer.observer.texts[0]  # type: ignore[attr-defined]
    counters = trainer.state.counters
    assert (counters.rescues, counters.rate_factor, counters.gamma_factor) == (1, 0.5, 2.0)
    assert counters.best_frechet == 0.9
    best = trainer.store.best()
    assert best is not None
    assert best.name == "000000240"  # where it was 4.0 before, and the first of several equal ones


def test_collapse_from_the_outset_lowers_the_rate_where_it_is(
    bars: augan.Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = Meter(quality(9.0, COLLAPSE / 2), quality(8.0, COLLAPSE / 2), quality(1.0))
    trainer = measured(bars, tmp_path / "run", meter, monkeypatch)
    trainer.run()
    texts = trainer.observer.texts  # type: ignore[attr-defined]
    assert len(texts) == 1  # the first measure comes too early to judge
    assert "samples differ 0.10 times" in texts[0]
    assert "back to" not in texts[0]


def test_a_collapse_seen_at_the_end_is_kept_as_it_is(
    bars: augan.Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = Meter(quality(9.0), quality(8.0), quality(7.0), quality(6.0, COLLAPSE / 2))
    trainer = measured(bars, tmp_path / "run", meter, monkeypatch)
    run = trainer.run()
    assert trainer.observer.texts == []  # type: ignore[attr-defined]
    assert run.summary()["images_seen"] == 320


def test_rescues_can_be_switched_off(bars: augan.Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = measured(bars, tmp_path / "run", Meter(quality(1.0), quality(9.0)), monkeypatch, "training.rescues=0")
    trainer.run()
    assert trainer.observer.texts == []  # type: ignore[attr-defined]


def test_patience_stops_early(bars: augan.Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = measured(bars, tmp_path / "run", Meter(quality(1.0)), monkeypatch, "training.patience=1")
    run = trainer.run()
    assert run.result()["state"] == "stopped early"  # type: ignore[index]
    assert run.summary()["images_seen"] < 320


def test_held_out_images_are_never_shown(bars: augan.Source, tmp_path: Path) -> None:
    shown, held_out = divide(bars, 10, 0)
    assert shown is not None
    assert sorted([*shown, *held_out]) == list(range(len(bars)))
    with pytest.raises(UserError, match="leaves fewer than 2"):
        divide(bars, len(bars) - 1, 0)
    settings = [*SETTINGS, "training.measure_images=40", "data.held_out=10"]
    run = augan.train(bars, images=64, out=tmp_path / "run", recipe="strided", settings=settings)
    gaps = [row["held_out_gap"] for row in run.metrics() if "held_out_gap" in row]
    assert gaps
    assert np.abs(gaps).max() <= 1


def test_a_network_without_matrices_has_no_step_share() -> None:
    assert step_share(torch.optim.Adam([torch.zeros(1)], lr=0.1)) == 0.0
    assert step_share(torch.optim.Adam([torch.full((2, 3), 0.5)], lr=0.1)) == pytest.approx(0.2)


def test_going_back_leaves_no_newer_checkpoint(tiny_run: augan.Run, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(tiny_run.path, tmp_path / "run")
    store = augan.Run(tmp_path / "run").store
    index = json.loads((store.folder / "index.json").read_text())
    store.forget_after(int(index["best"]))
    last = store.last()
    assert last is not None
    assert last.name == index["best"]
    store.forget_after(0)
    assert store.last() is None
