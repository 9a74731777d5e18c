"""Nothing synthetic is written unless it helps, or unless forced."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import augan
from augan.apply import plan_additions
from augan.augment import gate
from augan.augment.lift import Lift
from augan.cli.app import app
from augan.core.errors import UserError
from common import TINY, shapes

QUICK: dict[str, Any] = {"minutes": 0.006, "folds": 2, "steps": 2, "settings": TINY}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_no_evidence_writes_nothing(bars_npz: Path, here: Path) -> None:
    found = augan.augment(bars_npz, here / "out.npz", report=here / "page.html", verdict=here / "verdict.json", **QUICK)
    assert found.verdict in ("NO EVIDENCE", "HURTS")
    assert found.out is None
    assert found.added == {}
    assert sorted(path.name for path in here.iterdir()) == ["page.html", "verdict.json"]
    document = json.loads((here / "verdict.json").read_text())
    assert document["verdict"]["word"] == found.verdict == found.to_json()["verdict"]
    assert found.verdict in (here / "page.html").read_text()


def test_held_out_images_judge_a_gan_of_all_the_data(bars_npz: Path, here: Path) -> None:
    held = shapes({"high": 12, "middle": 12, "low": 12}, seed=9)
    np.savez(here / "held.npz", images=held[0], labels=held[1], class_names=np.array(["high", "middle", "low"]))
    found = augan.augment(bars_npz, here / "out.npz", holdout=here / "held.npz", **QUICK)
    assert found.study is not None
    assert found.study["verdict"]["second"]["items"] == 36
    assert "36 held-out items" in found.study["verdict"]["reasons"][-1]


def test_what_helps_is_written_selected(
    bars_npz: Path, here: Path, tiny_run: augan.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = gate.prove

    def helps(*given: Any, **options: Any) -> Lift:
        found = real(*given, **options)
        return replace(found, verdict=replace(found.verdict, word="HELPS"))

    monkeypatch.setattr(gate, "prove", helps)
    monkeypatch.setattr("augan.api.copies.train", lambda *given, **options: tiny_run)
    monkeypatch.setattr(gate, "choose_samples", lambda *given: (CHOSEN, {"low": {"copy": 2}}))
    found = augan.augment(bars_npz, here / "out.npz", seed=3, **QUICK)
    assert found.verdict == "HELPS"
    assert found.added == {"high": 0, "middle": 2, "low": 3}
    assert found.manifest is not None
    document = json.loads(found.manifest.read_text())
    assert [item["index"] for item in document["items"]] == [4, 70, 90, 91, 200]
    assert document["rejected"] == {"low": {"copy": 2}}
    with np.load(here / "out.npz") as out:
        written = out["images"][-5:]
        names = out["class_names"]
    model = tiny_run.load()
    for item, image in zip(document["items"], written, strict=True):
        again = model.sample(1, classes=[item["class"]], seed=3, first=item["index"])
        assert np.array_equal(((again[0, 0].numpy() + 1) * 127.5).round().astype(np.uint8), image.squeeze())
    assert names.tolist() == ["high", "middle", "low"]


CHOSEN = {"high": np.empty(0, np.int64), "middle": np.array([4, 70]), "low": np.array([90, 91, 200])}


def test_nothing_that_passes_is_said(bars_npz: Path, here: Path, tiny_run: augan.Run) -> None:
    source, empty = augan.open(bars_npz), np.empty(0, np.int64)
    with pytest.raises(UserError, match="No sample passed"):
        augan.apply.augment(source, tiny_run.load(), here / "out.npz", numbers={"low": empty})  # type: ignore[attr-defined]
    assert not (here / "out.npz").exists()


def test_what_is_studied_is_what_would_be_added(bars_npz: Path) -> None:
    source = augan.open(bars_npz)
    added = plan_additions(source, "low=60")
    wanted = gate.scaled_additions(source, added)
    assert wanted(np.repeat([0, 1, 2], (30, 15, 10))) == {0: 0, 1: 0, 2: 20}


def test_a_test_needs_labels_and_its_own_generators(bars_npz: Path, tiny_run: augan.Run, here: Path) -> None:
    for data, options, said in (
        (bars_npz, {"run": tiny_run.path, "report": here / "page.html"}, "has seen all"),
        (shapes({"a": 30})[0], {"strategy": "40", "verdict": here / "v.json"}, "no labels"),
    ):
        with pytest.raises(UserError, match=said):
            augan.augment(data, here / "out", **options)
    (here / "page.html").write_text("mine")
    with pytest.raises(UserError, match="overwrites nothing"):
        augan.augment(bars_npz, here / "out.npz", report=here / "page.html", **QUICK)
    assert (here / "page.html").read_text() == "mine"


def test_small_classes_are_refused_unless_forced(here: Path) -> None:
    images, labels = shapes({"a": 30, "b": 8})
    np.savez(here / "few.npz", images=images, labels=labels)
    with pytest.raises(UserError, match="8 items"):
        augan.augment(here / "few.npz", here / "out.npz", **QUICK)
    forced = augan.augment(here / "few.npz", here / "out.npz", force=True, **QUICK)
    assert forced.study is None
    assert forced.added == {"0": 0, "1": 22}


def test_the_command(bars_npz: Path, here: Path) -> None:
    settings = [part for setting in TINY for part in ("--set", setting)]
    quick = ["--minutes", "0.006", "--folds", "2", "--steps", "2", "--quiet", *settings]
    (here / "groups.txt").write_text("\n".join(str(row // 2) for row in range(110)))
    given = [str(bars_npz), "--out", str(here / "out.npz"), "--groups", str(here / "groups.txt"), *quick]
    done = CliRunner().invoke(app, ["augment", *given])
    assert done.exit_code in (3, 4)
    assert "Nothing was written" in done.stderr
    assert not (here / "out.npz").exists()
    refused = CliRunner().invoke(app, ["augment", *given[:3], "--groups", str(here / "none.txt")])
    assert refused.exit_code == 2


def test_the_time_is_what_is_asked_for() -> None:
    each = gate.share_of_each(10.0, folds=5, holdout=True)
    assert 5 * each + 5 * gate.AUTOENCODER * each + each + each == pytest.approx(10.0)


def test_a_run_adds_selected_images_where_that_is_asked_for(
    bars_npz: Path, here: Path, tiny_run: augan.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "choose_samples", lambda *given: (CHOSEN, {"low": {"copy": 2}}))
    found = augan.augment(bars_npz, here / "chosen.npz", run=tiny_run.path, select=True)
    assert found.manifest is not None
    assert json.loads(found.manifest.read_text())["rejected"] == {"low": {"copy": 2}}
    with pytest.raises(UserError, match="has no labels, by which"):
        augan.augment(np.zeros((9, 8, 8), np.uint8), here / "x.npy", run=tiny_run.path, strategy="20", select=True)
