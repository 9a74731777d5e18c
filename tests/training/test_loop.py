"""Whole runs: what lies in the folder, exact resumption, interruption, divergence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import augan
from augan.api import resolve
from augan.core.errors import AuganError, Interrupted, UserError
from augan.training import Observer, Trainer
from common import TINY

STATE = ["training.safetensors", "model.safetensors"]


def checkpoint_tensors(run: augan.Run) -> dict[str, torch.Tensor]:
    last = run.store.last()
    assert last is not None
    return {f"{name}:{key}": value for name in STATE for key, value in load_file(last / name).items()}


def test_run_folder_can_be_read_without_augan(tiny_run: augan.Run) -> None:
    folder = tiny_run.path
    config = json.loads((folder / "config.json").read_text())
    assert config["training"]["images"] == 480
    data = json.loads((folder / "data.json").read_text())
    assert data["classes"] == {"high": 60, "middle": 30, "low": 20}
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert any("quality" in row for row in rows)
    assert [row["images_seen"] for row in rows] == sorted(row["images_seen"] for row in rows)
    assert len(list((folder / "samples").glob("*.png"))) == 2
    assert json.loads((folder / "result.json").read_text())["state"] == "finished"
    assert {path.name for path in (folder / "checkpoints").iterdir()} <= {"000000240", "000000480", "index.json"}
    assert not [path for path in folder.rglob("*") if path.suffix in (".pt", ".pth", ".pkl")]


def test_summary(tiny_run: augan.Run) -> None:
    summary = tiny_run.summary()
    assert summary["images_seen"] == 480
    assert summary["state"] == "finished"
    assert summary["quality"]["fake_images"] == 40


@pytest.mark.parametrize("recipe", ["strided", "article", "residual", "stylegan2-ada", "r3gan-cifar10"])
def test_four_rounds_are_two_and_two_resumed(recipe: str, bars_npz: Path, tmp_path: Path) -> None:
    settings = [*TINY, "training.precision=fp32", "training.measure_images=0"]
    whole = augan.train(bars_npz, images=64, out=tmp_path / "whole", recipe=recipe, settings=settings)
    calls = iter([False, True])
    with pytest.raises(Interrupted, match="--resume"):
        augan.train(
            bars_npz,
            images=64,
            out=tmp_path / "parts",
            recipe=recipe,
            settings=settings,
            should_stop=lambda: next(calls),
        )
    assert augan.Run(tmp_path / "parts").summary()["state"] == "not finished"
    parts = augan.train(bars_npz, out=tmp_path / "parts", resume=True)
    expected, found = checkpoint_tensors(whole), checkpoint_tensors(parts)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_anchors_of_logits_are_state(bars_npz: Path, tmp_path: Path) -> None:
    settings = [
        *TINY,
        "game.objective=hinge",
        "game.lecam=0.3",
        "training.measure_images=0",
        "training.learning_rate_end=0.0016",
    ]
    whole = augan.train(bars_npz, images=64, out=tmp_path / "whole", recipe="strided", settings=settings)
    augan.train(bars_npz, images=32, out=tmp_path / "parts", recipe="strided", settings=settings)
    documents = [
        json.loads((run / "checkpoints" / name / "training.json").read_text())
        for run, name in ((tmp_path / "whole", "000000064"), (tmp_path / "parts", "000000032"))
    ]
    before, after = (document["counters"]["logit_real"] for document in documents[::-1])
    assert None not in (before, after)
    assert before != after
    parts = augan.train(bars_npz, images=64, out=tmp_path / "parts", resume=True)
    expected, found = checkpoint_tensors(whole), checkpoint_tensors(parts)
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_lecam_needs_logits_with_a_level(bars_npz: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="game.objective=hinge"):
        augan.train(bars_npz, images=64, out=tmp_path / "run", settings=["game.lecam=0.3"])


def test_small_classes_are_held_back_where_that_is_asked(bars_npz: Path, tmp_path: Path) -> None:
    settings = [*TINY, "training.measure_images=0"]
    runs = [
        augan.train(
            bars_npz, images=32, out=tmp_path / name, recipe="strided", settings=[*settings, f"game.tail={weight}"]
        )
        for name, weight in (("free", 0), ("held", 5.0))
    ]
    sizes = []
    for run in runs:
        state = checkpoint_tensors(run)
        names = [name for name in state if "generator.modulations" in name and name.endswith("linear.weight")]
        latent_size = runs[0].load().generator.latent_size
        assert names
        sizes.append(sum(float(state[name][:, latent_size:].square().sum()) for name in names))
    assert sizes[1] < sizes[0]


def test_a_tail_needs_classes_that_the_generator_knows(bars_npz: Path, tmp_path: Path) -> None:
    for setting in ("networks.conditional=false", "networks.name=article"):
        with pytest.raises(UserError, match="game.tail"):
            augan.train(bars_npz, images=64, out=tmp_path / "run", recipe="strided", settings=["game.tail=1", setting])


def test_same_seed_same_run_and_another_seed_another(bars_npz: Path, tmp_path: Path) -> None:
    runs = [
        augan.train(bars_npz, images=32, out=tmp_path / f"{index}", recipe="strided", settings=TINY, seed=seed)
        for index, seed in enumerate((0, 0, 1))
    ]
    first, again, other = (run.load("last").hash for run in runs)
    assert first == again != other


def test_resume_goes_on_to_a_larger_budget(bars_npz: Path, tmp_path: Path) -> None:
    augan.train(bars_npz, images=32, out=tmp_path / "run", recipe="strided", settings=TINY)
    run = augan.train(bars_npz, images=96, out=tmp_path / "run", resume=True)
    assert run.summary()["images_seen"] == 96
    assert run.summary()["state"] == "finished"


def test_time_budget_ends_in_time(bars_npz: Path, tmp_path: Path) -> None:
    run = augan.train(bars_npz, minutes=0.05, out=tmp_path / "run", recipe="strided", settings=TINY)
    result = run.result()
    assert result is not None
    assert 3.0 <= result["elapsed_sec"] < 20  # a round more, however slow the machine
    state = json.loads((run.store.last() / "training.json").read_text())["counters"]  # type: ignore[operator]
    assert state["horizon_images"] == pytest.approx(result["images_seen"], rel=0.9)


def test_existing_run_is_not_overwritten(tiny_run: augan.Run, bars_npz: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in tiny_run.path.rglob("*")}
    with pytest.raises(UserError, match="overwrites nothing.*--resume"):
        augan.train(bars_npz, images=16, out=tiny_run.path, settings=TINY)
    assert {path: path.stat().st_mtime_ns for path in tiny_run.path.rglob("*")} == before


def test_resume_needs_the_same_data(tiny_run: augan.Run) -> None:
    other = np.random.default_rng(0).integers(0, 255, (20, 16, 16), dtype=np.uint8)
    with pytest.raises(UserError, match="other data"):
        augan.train(other, out=tiny_run.path, resume=True)


def test_resume_of_nothing(bars_npz: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a run"):
        augan.train(bars_npz, out=tmp_path / "none", resume=True)
    with pytest.raises(UserError, match="--out"):
        augan.train(bars_npz, resume=True)


def test_stopped_before_the_first_checkpoint_starts_anew(bars_npz: Path, tmp_path: Path) -> None:
    run = augan.train(bars_npz, images=32, out=tmp_path / "run", recipe="strided", settings=TINY)
    first = run.load("last").hash
    shutil.rmtree(run.path / "checkpoints")
    assert augan.train(bars_npz, out=run.path, resume=True).load("last").hash == first


def test_divergence_stops_with_the_last_good_checkpoint_named(bars: augan.Source, tmp_path: Path) -> None:
    _, config = resolve(bars, images=10_000, recipe="strided", settings=[*TINY, "training.snapshots=200"])

    ends: list[str] = []

    class Poison(Observer):
        def end(self, state: str) -> None:
            ends.append(state)

        def snapshot(self, images_seen: int, *rest: Any) -> None:
            with torch.no_grad():
                next(trainer.state.discriminator.parameters()).fill_(torch.nan)

    trainer = Trainer(bars, config, tmp_path / "run", observer=Poison())
    with pytest.raises(AuganError, match=r"not finite after \d+ images.*last good checkpoint is .*checkpoints/\d+"):
        trainer.run()
    assert ends == ["failed"]  # so that a live display lets go of the terminal before the error is shown
    assert augan.load(tmp_path / "run").sample(2).isfinite().all()


class Recorder(Observer):
    def __init__(self) -> None:
        self.events: list[str] = []

    def begin(self, folder: Path, lines: Any) -> None:
        self.events.append("begin")

    def progress(self, progress: Any) -> None:
        self.events.append("progress")
        assert 0 <= progress.fraction <= 1
        assert progress.images_per_sec > 0
        assert progress.health.word

    def snapshot(self, images_seen: int, quality: Any, sheet: Path, best: bool) -> None:
        self.events.append("snapshot")
        assert sheet.exists()

    def end(self, state: str) -> None:
        self.events.append(state)


def test_observer_hears_everything(bars_npz: Path, tmp_path: Path) -> None:
    recorder = Recorder()
    augan.train(bars_npz, minutes=0.05, out=tmp_path / "run", recipe="strided", settings=TINY, observer=recorder)
    assert recorder.events[0] == "begin"
    assert recorder.events[-2:] == ["snapshot", "finished"]
    assert "progress" in recorder.events


def test_unlabelled_data_trains_without_classes(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (30, 16, 16, 3), dtype=np.uint8)
    run = augan.train(images, images=32, out=tmp_path / "run", settings=TINY)
    model = run.load()
    assert not model.conditional
    assert model.sample(3).shape == (3, 3, 16, 16)


def test_conditional_can_be_switched_off(bars_npz: Path, tmp_path: Path) -> None:
    settings = [*TINY, "networks.conditional=false"]
    run = augan.train(bars_npz, images=32, out=tmp_path / "run", recipe="strided", settings=settings)
    assert not run.load().conditional


def test_best_checkpoint_has_the_lowest_distance(bars_npz: Path, tmp_path: Path) -> None:
    settings = [*TINY, "training.snapshots=6"]
    run = augan.train(bars_npz, images=480, out=tmp_path / "run", recipe="strided", settings=settings)
    measured = {row["images_seen"]: row["quality"]["frechet"] for row in run.metrics() if "quality" in row}
    best = run.store.best()
    assert best is not None
    assert int(best.name) == min(measured, key=lambda seen: measured[seen])
    assert len(list((run.path / "checkpoints").glob("[0-9]*"))) <= 2


def test_unmeasured_the_newest_checkpoint_is_the_best(bars_npz: Path, tmp_path: Path) -> None:
    settings = [*TINY, "training.measure_images=0", "training.snapshots=4"]
    run = augan.train(bars_npz, images=128, out=tmp_path / "run", recipe="strided", settings=settings)
    assert run.store.best() == run.store.last()


@pytest.mark.parametrize("text", ["8", "8x8", '"8"'])
def test_size_as_a_setting_is_applied_and_resumes(text: str, bars_npz: Path, tmp_path: Path) -> None:
    settings = [*TINY, f"data.size={text}"]
    run = augan.train(bars_npz, images=32, out=tmp_path / "run", recipe="strided", settings=settings)
    assert run.load().item.height == 8
    assert augan.train(bars_npz, images=64, out=run.path, resume=True).summary()["images_seen"] == 64


def test_own_discriminator_of_any_kind(bars: augan.Source, tmp_path: Path) -> None:
    class Linear(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(256, 1)

        def forward(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            return self.layer(images.flatten(1))  # (b, 1) is taken, too

    run = augan.train(bars, images=64, out=tmp_path / "run", settings=TINY, discriminator=Linear())
    assert run.summary()["state"] == "finished"


def test_adaptive_augmentation_moves_and_is_resumed(bars_npz: Path, tmp_path: Path) -> None:
    """The controller's state is saved between two of its moves: six rounds are three and three."""
    adaptive = ['game.adaptive=["scale", "cutout"]', "game.adaptive_images=200", "game.adaptive_target=0.01"]
    settings = [*TINY, "training.precision=fp32", "training.measure_images=0", *adaptive]
    whole = augan.train(bars_npz, images=160, out=tmp_path / "whole", recipe="strided", settings=settings)
    assert json.loads((whole.store.last() / "training.json").read_text())["counters"]["augment_probability"] > 0  # type: ignore[operator]
    calls = iter([False, False, True])
    with pytest.raises(Interrupted):
        augan.train(
            bars_npz,
            images=160,
            out=tmp_path / "parts",
            recipe="strided",
            settings=settings,
            should_stop=lambda: next(calls),
        )
    parts = augan.train(bars_npz, out=tmp_path / "parts", resume=True)
    first, second = checkpoint_tensors(whole), checkpoint_tensors(parts)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_schedules_reach_their_ends(bars_npz: Path, tmp_path: Path) -> None:
    settings = [*TINY, "training.beta2_end=0.5", "training.schedule_images=100", "training.learning_rate_end=1e-5"]
    settings += ["game.gamma_end=0.25", "game.penalty_interval=1", "training.ema_half_life_start=0"]
    settings += ["training.ema_half_life_images=50", 'game.adaptive=["flip"]', "game.adaptive_control=schedule"]
    settings += ["game.adaptive_images=100", "game.adaptive_limit=0.3"]
    source, config = resolve(bars_npz, images=400, recipe="strided", settings=settings)
    trainer = Trainer(source, config, tmp_path / "run")
    trainer.state.counters.images_seen = 0
    trainer.plan.set_rates()
    assert trainer.state.optimizer_g.param_groups[0]["betas"] == (0.0, 0.9)
    assert trainer.plan.penalty_weight() == 1.0
    trainer.state.counters.images_seen = 200
    trainer.plan.set_rates()
    group = trainer.state.optimizer_d.param_groups[0]
    assert (group["lr"], group["betas"]) == (pytest.approx(1e-5), (0.0, 0.5))
    assert trainer.plan.penalty_weight() == 0.25
    assert trainer.plan.decay(50) == pytest.approx(0.5)
    trainer.plan.adapt({}, 16)
    assert trainer.state.counters.augment_probability == pytest.approx(0.3)
