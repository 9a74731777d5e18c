"""Runs side by side: what can be compared is, and what cannot is refused with the reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import augan
from augan.core.errors import UserError
from augan.metrics import Estimate
from common import TINY, shapes


def named(count: int, seed: int) -> tuple:
    images, labels = shapes({"high": count, "middle": count, "low": count}, seed=seed)
    return images, [("high", "middle", "low")[label] for label in labels]


@pytest.fixture(scope="module")
def second_run(bars_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> augan.Run:
    out = tmp_path_factory.mktemp("runs") / "second"
    return augan.train(bars_npz, images=160, out=out, recipe="strided", settings=TINY, seed=5)


@pytest.fixture(scope="module")
def other_run(tmp_path_factory: pytest.TempPathFactory) -> augan.Run:
    out = tmp_path_factory.mktemp("runs") / "other"
    return augan.train(named(20, 9), images=64, out=out, recipe="strided", settings=TINY)


def test_runs_on_the_same_data(tiny_run: augan.Run, second_run: augan.Run) -> None:
    contest = augan.compare_runs([tiny_run.path, second_run.path])
    quality = tiny_run.quality()
    assert quality is not None
    first = contest.rows["frechet"][0]
    assert first is not None
    assert first.value == quality["frechet"]
    assert not contest.warnings
    assert json.loads(json.dumps(contest.to_json()))["runs"] == [str(tiny_run.path), str(second_run.path)]


def test_runs_on_other_data_are_refused(tiny_run: augan.Run, other_run: augan.Run) -> None:
    with pytest.raises(UserError) as caught:
        augan.compare_runs([tiny_run.path, other_run.path])
    message = str(caught.value)
    assert "the feature space differs" in message
    assert "the real images differ" in message
    assert "--against" in message
    forced = augan.compare_runs([tiny_run.path, other_run.path], force=True)
    assert forced.warnings
    assert forced.best == {}


def test_measured_anew_under_the_same_conditions(tiny_run: augan.Run, other_run: augan.Run, bars_npz: Path) -> None:
    contest = augan.compare_runs([tiny_run.path, other_run.path], against=bars_npz, count=50)
    assert not contest.warnings
    expected = augan.evaluate(other_run.path, bars_npz, count=50)
    assert contest.rows["kernel"][1] == expected.measures["kernel"]


def test_files_of_evaluations(bars_npz: Path, tmp_path: Path) -> None:
    good = augan.evaluate(named(40, 3), bars_npz)
    images, names = named(40, 3)
    bad = augan.evaluate((255 - images, names), bars_npz)
    paths = [tmp_path / "good.json", tmp_path / "bad.json"]
    for path, found in zip(paths, (good, bad), strict=True):
        path.write_text(json.dumps(found.to_json()))
    contest = augan.compare_runs(paths)
    assert contest.best["frechet"] == contest.best["precision"] == 0
    assert contest.rows["frechet"] == [good.measures["frechet"], bad.measures["frechet"]]
    paths[1].write_text(json.dumps(augan.evaluate(named(30, 3), bars_npz).to_json()))
    with pytest.raises(UserError, match=r"the number of samples differs \(110, 90\)|number of samples"):
        augan.compare_runs(paths)
    document = good.to_json() | {"torch": "0.1"}
    paths[1].write_text(json.dumps(document))
    assert "different versions" in augan.compare_runs(paths).notes[0]


def test_close_values_have_no_winner(bars_npz: Path, tmp_path: Path) -> None:
    found = augan.evaluate(named(40, 3), bars_npz).to_json()
    close = json.loads(json.dumps(found))
    close["measures"]["frechet"]["value"] *= 1.0001
    far = json.loads(json.dumps(found))
    far["measures"]["diversity"] = Estimate(5.0, 0.01).to_json()
    for name, document in (("a", found), ("b", close), ("c", far)):
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    assert "frechet" not in augan.compare_runs([tmp_path / "a.json", tmp_path / "b.json"]).best
    assert augan.compare_runs([tmp_path / "c.json", tmp_path / "b.json"]).best["diversity"] == 1


def test_refusals(tiny_run: augan.Run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at least two runs"):
        augan.compare_runs([tiny_run.path])
    with pytest.raises(UserError, match="neither a run nor a file"):
        augan.compare_runs([tiny_run.path, tmp_path])
    with pytest.raises(UserError, match="give --against"):
        augan.compare_runs([tiny_run.path, tiny_run.path], holdout=tmp_path)
    for text in ("[]", "{}", '{"format": 1}'):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(UserError, match="not an evaluation"):
            augan.compare_runs([tiny_run.path, tmp_path / "a.json"])
    silent = tmp_path / "silent"
    augan.train(named(10, 0), images=32, out=silent, recipe="strided", settings=[*TINY, "training.measure_images=0"])
    with pytest.raises(UserError, match="has no measures yet"):
        augan.compare_runs([tiny_run.path, silent])
