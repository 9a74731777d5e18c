"""Time series as their users meet them: train, resume, generate, evaluate, lift, inspect, and mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

import augan
from augan.augment import lift
from augan.checkpoint.series import SeriesModel
from augan.cli.app import app
from augan.core.errors import UserError
from augan.data import Windowing
from augan.metrics import series
from common import TINY
from waves import machines, waves

SET = [part for setting in [*TINY, "data.window=12"] for part in ("--set", setting)]


def call(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def done(*arguments: object) -> str:
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def refused(*arguments: object) -> str:
    result = call(*arguments)
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("Error: ")
    return str(line)


@pytest.fixture(autouse=True)
def short_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks that measure learn little."""
    monkeypatch.setattr(series, "STEPS", 5)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a series, several with classes, and a run on each."""
    folder = tmp_path_factory.mktemp("series")
    waves(300).to_csv(folder / "waves.csv", index=False)
    waves(200, seed=3, start="2025-03-01").to_csv(folder / "later.csv", index=False)
    machines().to_csv(folder / "machines.csv", index=False)
    done("train", folder / "waves.csv", "--images", 160, "--out", folder / "run", "-q", *SET)
    label = ("--label", "state", "--set", "data.series=machine")
    done("train", folder / "machines.csv", *label, "--images", 160, "--out", folder / "worn", "-q", *SET)
    return folder


def test_windows_of_a_table_are_inspected(here: Path) -> None:
    found = json.loads(done("inspect", here / "waves.csv", "--set", "data.window=12", "--json"))
    assert (found["item"]["kind"], found["item"]["width"], found["n"]) == ("series", 12, 289)


def test_runs_on_a_series_stand_beside_the_trivial_ways(here: Path, tmp_path: Path) -> None:
    asked = ("compare-runs", here / "run", here / "run", "--against", here / "later.csv", "--json")
    found = json.loads(done(*asked))
    assert found["runs"][:2] == [str(here / "run")] * 2
    assert {"shuffled", "real"} <= set(found["runs"][2:])
    marginal = [one["value"] for one in found["measures"]["marginal_distance"]]
    assert marginal[0] == marginal[1]
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text(
            done("evaluate", here / "run", "--against", here / "later.csv", "--json")
        )
    assert "predictive score" in done("compare-runs", tmp_path / "a.json", tmp_path / "b.json")


def test_a_run_has_previews_measures_and_what_the_data_was(here: Path) -> None:
    run = augan.Run(here / "run")
    previews = sorted((here / "run" / "samples").iterdir())
    assert [path.suffix for path in previews] == [".png", ".png"]
    with Image.open(previews[-1]) as picture:
        assert picture.width > 900
    assert run.data["item"]["kind"] == "series"
    assert run.quality()["features"] == "windows"
    assert "289 windows of 12 moments" in " ".join(run.data["notes"])
    assert run.config["data"]["window"] == 12


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_windows_are_written_a_row_a_moment_in_the_datas_units(here: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"new.{ending}"
    assert "20 windows in" in call("generate", here / "run", "--count", 20, "--out", out).stderr
    read = {"csv": pd.read_csv, "tsv": lambda path: pd.read_csv(path, sep="\t"), "parquet": pd.read_parquet}[ending]
    frame, real = read(out), waves(300)
    assert list(frame.columns) == ["window", "step", "level", "count", "unit"]
    assert len(frame) == 20 * 12
    assert (frame["step"].to_numpy() == np.tile(np.arange(12), 20)).all()
    assert frame["count"].dtype.kind == "i"
    assert frame["level"].to_numpy() == pytest.approx(frame["level"].round(1).to_numpy())
    assert frame["level"].between(real["level"].min(), real["level"].max()).all()
    assert (frame["unit"] == "m").all()


def test_classes_are_asked_for_and_written(here: Path, tmp_path: Path) -> None:
    done("generate", here / "worn", "--count", 6, "--out", tmp_path / "w.csv", "--classes", "worn")
    assert (pd.read_csv(tmp_path / "w.csv")["state"] == "worn").all()
    done("generate", here / "worn", "--count", 6, "--out", tmp_path / "both.npz")
    with np.load(tmp_path / "both.npz", allow_pickle=False) as arrays:
        assert arrays["windows"].shape == (6, 12, 1)
        assert arrays["columns"].tolist() == ["shake"]
        assert arrays["class_names"][arrays["labels"]].tolist() == ["new", "worn"] * 3
    done("generate", here / "worn", "--count", 8, "--out", tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.width > 4 * 96


def test_what_is_written_is_read_again(here: Path, tmp_path: Path) -> None:
    model = augan.load(here / "worn")
    assert isinstance(model, SeriesModel)
    for name in ("w.csv", "w.npz"):
        done("generate", here / "worn", "--count", 10, "--out", tmp_path / name)
        label = "state" if name == "w.csv" else None
        found = augan.open(tmp_path / name, kind="series", label=label)
        np.testing.assert_allclose(found.windows(), model.windows(10), atol=1e-6)
        assert found.labels.tolist() == [0, 1] * 5


def test_a_window_is_a_function_of_seed_and_number(here: Path) -> None:
    model = augan.load(here / "run")
    whole = model.windows(90, seed=3)
    np.testing.assert_array_equal(model.windows(20, seed=3, first=60), whole[60:80])
    assert not np.array_equal(model.windows(90, seed=4), whole)


def test_training_in_two_parts_is_training_at_once(here: Path, tmp_path: Path) -> None:
    settings = [*TINY, "data.window=12", "training.schedule_images=320"]
    once = augan.train(here / "waves.csv", images=320, out=tmp_path / "once", settings=settings)
    augan.train(here / "waves.csv", images=160, out=tmp_path / "twice", settings=settings)
    again = augan.train(here / "waves.csv", images=320, out=tmp_path / "twice", resume=True)
    assert again.load("last").hash == once.load("last").hash
    assert "other data" in refused("train", here / "later.csv", "--out", tmp_path / "twice", "--resume")


def test_held_out_windows_are_watched(here: Path, tmp_path: Path) -> None:
    more = ("--set", "data.held_out=60", "--images", 160, "--out", tmp_path / "run", "-q")
    done("train", here / "waves.csv", *SET, *more)
    assert any("held_out_gap" in row for row in augan.Run(tmp_path / "run").metrics())


def test_evaluate_shows_what_needs_no_generator(here: Path, tmp_path: Path) -> None:
    found = json.loads(done("evaluate", here / "run", "--against", here / "waves.csv", "--json"))
    sides = {"model", "shuffled", "noise", "gaussian", "bootstrap", "real"}
    assert all(set(values) == sides for values in found["measures"].values())
    assert found["windows"]["model"] == found["windows"]["against"]
    shown = done("evaluate", here / "run", "--against", here / "waves.csv", "--holdout", here / "later.csv")
    assert "held-out windows" in shown
    worn = json.loads(done("evaluate", here / "worn", "--against", here / "machines.csv", "--json"))
    assert "accuracy_of_classifier" in worn["measures"]
    done("generate", here / "run", "--count", 50, "--out", tmp_path / "new.csv")
    files = done("evaluate", tmp_path / "new.csv", "--against", here / "waves.csv", "--kind", "series", "--json")
    ours = found["measures"]["marginal_distance"]["noise"]
    assert json.loads(files)["measures"]["marginal_distance"]["noise"] == pytest.approx(ours)


def test_windows_of_a_run_on_arrays_are_measured_against_arrays_and_files(here: Path, tmp_path: Path) -> None:
    source = augan.open(
        here / "machines.csv", windowing=Windowing(window=12, stride=7, series="machine"), label="state"
    )
    np.savez(tmp_path / "real.npz", windows=source.windows(), labels=source.labels, columns=["shake"])
    done("train", tmp_path / "real.npz", "--images", 64, "--out", tmp_path / "run", "-q", *SET)
    found = json.loads(done("evaluate", tmp_path / "run", "--against", tmp_path / "real.npz", "--json"))
    assert "accuracy_of_classifier" in found["measures"]
    done("generate", here / "worn", "--count", 40, "--out", tmp_path / "new.csv")
    assert augan.evaluate(tmp_path / "new.csv", source, kind="series", label="state").windows["against"] > 20


def test_inspect_says_what_the_windows_are(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", windows=np.random.default_rng(0).normal(size=(30, 12, 2)))
    found = json.loads(done("inspect", tmp_path / "w.npz", "--json"))
    assert (found["n"], [column["name"] for column in found["columns"]]) == (30, ["column0", "column1"])


def test_a_model_that_is_given_away_has_plots(here: Path, tmp_path: Path) -> None:
    augan.load(here / "worn").save_pretrained(tmp_path / "mine")
    with Image.open(tmp_path / "mine" / "samples.png") as picture:
        assert picture.width > 8 * 96
    again = augan.load(tmp_path / "mine")
    np.testing.assert_array_equal(again.windows(4), augan.load(here / "worn").windows(4))


def test_mistakes_are_one_line(here: Path, tmp_path: Path) -> None:
    run, data, out = here / "run", here / "waves.csv", tmp_path / "x"
    window = ("--set", "data.window=12", "--images", 100, "--out", out)
    assert "window 500" in refused("train", data, "--set", "data.window=500", "--images", 9, "--out", out)
    assert "Unknown column 'machine'" in refused("train", data, *window, "--label", "machine")
    assert "recipe for items of kind series 'ctgan'. Known: auto" in refused(
        "train", data, *window, "--recipe", "ctgan"
    )
    assert "for images" in refused("train", data, *window, "--size", 32)
    assert "Cannot write windows as '.wav'" in refused("generate", run, "--count", 3, "--out", tmp_path / "x.wav")
    assert "--where" in refused("generate", run, "--count", 3, "--out", tmp_path / "x.csv", "--where", "a=b")
    assert "without classes" in refused("generate", run, "--count", 3, "--out", tmp_path / "x.csv", "--classes", "a")
    assert "too short" in refused("evaluate", run, "--against", _short(tmp_path))
    assert "Unknown column 'date'" in refused("evaluate", run, "--against", here / "machines.csv")
    assert "measured as it is" in refused("evaluate", run, "--against", data, "--size", 8)
    assert "bigger copy of time series is not written" in refused(
        "augment", data, "--set", "data.window=12", "--out", tmp_path / "x.csv"
    )
    assert "inversion and edits" in refused("invert", run, data, "--out", tmp_path / "x")
    assert "inversion and edits" in refused(
        "edit", run, data, "--direction", "1", "--strength", "1", "--out", tmp_path / "x.png"
    )
    with pytest.raises(UserError, match="there is none of time series"):
        lift(augan.open(here / "machines.csv", windowing=Windowing(window=12, series="machine"), label="state"))
    assert not out.exists()


def _short(folder: Path) -> Path:
    waves(60).to_csv(folder / "short.csv", index=False)
    return folder / "short.csv"
