"""Runs that begin with another's networks, and classes that come in later."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import augan
from augan.checkpoint import find_checkpoint
from augan.cli.app import app
from augan.core import devices
from augan.core.errors import UserError
from augan.core.item import ItemSpec
from augan.networks import NetworkConfig, build
from augan.nn import set_class_strength
from augan.training.state import Saved
from common import TINY, shapes


def data(names: tuple[str, ...], folder: Path) -> Path:
    images, labels = shapes(dict.fromkeys(names, 20))
    np.savez(folder / f"{'-'.join(names)}.npz", images=images, labels=labels, class_names=np.array(names))
    return folder / f"{'-'.join(names)}.npz"


def weights(run: augan.Run) -> dict[str, torch.Tensor]:
    return Saved.read(find_checkpoint(run.path, "last")).tensors


def test_weights_are_taken_and_classes_go_by_name(tiny_run: augan.Run, tmp_path: Path) -> None:
    path = data(("low", "new", "high"), tmp_path)
    # The rate is too small to move anything: what the run ends with is what it began with.
    still = [*TINY, "training.learning_rate=1e-12", "training.learning_rate_end=0"]
    run = augan.train(path, images=16, out=tmp_path / "run", start=tiny_run.path, settings=still)
    theirs, ours = Saved.read(find_checkpoint(tiny_run.path)).tensors, weights(run)
    torch.testing.assert_close(ours["generator.dense.weight"], theirs["generator.dense.weight"])
    name = "generator.condition.embedding.weight"
    known = tiny_run.load().item.class_names or ()
    for row, label in enumerate(("low", "new", "high")):
        equal = label in known and torch.allclose(ours[name][row], theirs[name][known.index(label)])
        assert equal == (label != "new")
    assert run.config["start"] == str(tiny_run.path)
    assert run.config["networks"]["width"] == 8
    torch.testing.assert_close(run.load("last").generator.state_dict()["dense.weight"], ours["generator.dense.weight"])


def test_a_resumed_run_does_not_start_anew(tiny_run: augan.Run, tmp_path: Path) -> None:
    path = data(("low", "high"), tmp_path)
    whole = augan.train(path, images=96, out=tmp_path / "whole", start=tiny_run.path, settings=TINY)
    seen = 0

    def stop() -> bool:
        nonlocal seen
        seen += 1
        return seen == 3

    with pytest.raises(augan.Interrupted):
        augan.train(path, images=96, out=tmp_path / "parts", start=tiny_run.path, settings=TINY, should_stop=stop)
    parts = augan.train(path, out=tmp_path / "parts", resume=True)
    assert parts.load("last").hash == whole.load("last").hash


def test_the_measured_precision_is_part_of_the_run(
    bars_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy machine may measure otherwise when the run goes on: it must compute as it did."""
    settings = [*TINY, "training.measure_images=0"]
    monkeypatch.setattr(devices, "_cpu_prefers_bfloat16", lambda: True)
    whole = augan.train(bars_npz, images=64, out=tmp_path / "whole", recipe="strided", settings=settings)
    assert whole.config["training"]["precision"] == "bf16"
    rounds = 0

    def stop() -> bool:
        nonlocal rounds
        rounds += 1
        return rounds == 2

    with pytest.raises(augan.Interrupted):
        augan.train(bars_npz, images=64, out=tmp_path / "parts", recipe="strided", settings=settings, should_stop=stop)
    monkeypatch.setattr(devices, "_cpu_prefers_bfloat16", lambda: False)
    parts = augan.train(bars_npz, out=tmp_path / "parts", resume=True)
    assert parts.load("last").hash == whole.load("last").hash


def test_what_does_not_fit_is_said(tiny_run: augan.Run, tmp_path: Path) -> None:
    path = data(("low", "high"), tmp_path)
    other = [*TINY, "networks.name=article", "networks.width=4"]
    with pytest.raises(UserError, match="fits these networks"):
        augan.train(path, images=16, out=tmp_path / "run", start=tiny_run.path, settings=other)
    with pytest.raises(UserError, match="does not exist"):
        augan.train(path, images=16, out=tmp_path / "run", start=tmp_path / "nowhere", settings=TINY)


def test_the_command(tiny_run: augan.Run, tmp_path: Path) -> None:
    path = data(("low", "high"), tmp_path)
    found = CliRunner().invoke(app, ["train", str(path), "--from", str(tiny_run.path), "--dry-run"])
    config = json.loads(found.stdout)
    assert config["start"] == str(tiny_run.path)
    assert config["networks"]["width"] == 8


@pytest.mark.parametrize("name", ["article", "skip", "strided"])
def test_classes_count_nothing_at_first_and_in_full_at_last(name: str) -> None:
    item = ItemSpec(channels=1, height=16, width=16, class_names=("a", "b"))
    torch.manual_seed(0)
    pair = build(NetworkConfig(name=name, width=8, latent_size=8, transition=0.5), item)
    torch.manual_seed(0)
    plain = build(NetworkConfig(name=name, width=8, latent_size=8), item)
    latents, images = torch.randn(4, 8), torch.randn(4, 1, 16, 16)
    ones, zeros = torch.ones(4, dtype=torch.int64), torch.zeros(4, dtype=torch.int64)
    for network, usual, inputs in zip(pair, plain, (latents, images), strict=True):
        network.eval()
        usual.eval()
        torch.testing.assert_close(network(inputs, ones), network(inputs, zeros))
        set_class_strength(network, 1.0)
        torch.testing.assert_close(network(inputs, ones), usual(inputs, ones))
        assert not torch.allclose(network(inputs, ones), network(inputs, zeros))


def test_a_run_lets_classes_in(bars_npz: Path, tmp_path: Path) -> None:
    settings = [*TINY, "networks.transition=0.5"]
    run = augan.train(bars_npz, images=160, out=tmp_path / "run", recipe="strided", settings=settings)
    found = weights(run)
    assert float(found["generator.condition.strength"]) == float(found["discriminator.head.strength"]) == 1.0
    assert run.load("last").sample(2, classes=["low"]).shape == (2, 1, 16, 16)


@pytest.mark.parametrize("wrong", [{"name": "style"}, {"name": "residual"}, {"conditioning": "auxiliary"}])
def test_transition_is_refused_where_it_does_nothing(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"networks\.transition is for"):
        NetworkConfig(transition=0.5, **wrong)  # type: ignore[arg-type]
