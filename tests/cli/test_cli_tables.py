"""Tables as their users meet them: train, resume, generate, evaluate, augment, lift, inspect, and mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from typer.testing import CliRunner

import augan
from augan.augment import lift
from augan.checkpoint.tables import TableModel
from augan.cli.app import app
from augan.metrics import tables
from mixed_rows import mixed

SMALL = ["networks.width=16", "networks.latent_size=8", "training.batch=20", "training.snapshots=2"]
SET = [part for setting in SMALL for part in ("--set", setting)]


def call(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(*arguments: object) -> str:
    result = call(*arguments)
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("Error: ")
    return str(line)


@pytest.fixture(autouse=True)
def small_forests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classifiers that measure are small."""
    monkeypatch.setattr(tables, "TREES", 10)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table, another of the same kind, and a run that learnt from the first."""
    folder = tmp_path_factory.mktemp("tables")
    mixed().to_csv(folder / "rows.csv", index=False)
    mixed(seed=1).to_csv(folder / "held.csv", index=False)
    result = call("train", folder / "rows.csv", "--label", "sex", "--images", 400, "--out", folder / "run", "-q", *SET)
    assert result.exit_code == 0, result.output
    return folder


def test_a_run_has_previews_and_measures(here: Path) -> None:
    run = augan.Run(here / "run")
    previews = sorted((here / "run" / "samples").iterdir())
    assert [path.suffix for path in previews] == [".csv", ".csv"]
    assert len(pd.read_csv(previews[-1])) == 20
    assert run.data["item"]["kind"] == "table"
    assert run.quality()["features"] == "rows"
    assert "'id' names each row" in " ".join(run.data["notes"])


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "npz"])
def test_rows_are_written_with_the_columns_of_the_table(here: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"new.{ending}"
    assert call("generate", here / "run", "--count", 30, "--out", out).exit_code == 0
    wanted = [name for name in mixed().columns if name not in ("id", "row")]
    if ending == "npz":
        with np.load(out, allow_pickle=False) as arrays:
            assert list(arrays) == wanted
            assert len(arrays["city"]) == 30
        return
    read = {"csv": pd.read_csv, "tsv": lambda path: pd.read_csv(path, sep="\t"), "parquet": pd.read_parquet}[ending]
    frame = read(out)
    assert list(frame.columns) == wanted
    assert len(frame) == 30
    assert (frame["always"] == 7).all()
    assert set(frame["city"]) <= {"Rome", "Oslo", "Bern"}
    assert frame["number"].between(mixed()["number"].min(), mixed()["number"].max()).all()


def test_what_is_asked_for_is_what_comes(here: Path, tmp_path: Path) -> None:
    call("generate", here / "run", "--count", 40, "--out", tmp_path / "m.csv", "--classes", "m")
    assert (pd.read_csv(tmp_path / "m.csv")["sex"] == "m").all()
    asked = ("--where", "city=Rome", "--where", "children=2", "--where", "sex=f")
    result = call("generate", here / "run", "--count", 25, "--out", tmp_path / "where.csv", *asked)
    assert result.exit_code == 0, result.output
    frame = pd.read_csv(tmp_path / "where.csv")
    assert len(frame) == 25
    assert ((frame["city"] == "Rome") & (frame["children"] == 2) & (frame["sex"] == "f")).all()


def test_a_row_is_a_function_of_seed_and_number(here: Path) -> None:
    model = augan.load(here / "run")
    assert isinstance(model, TableModel)
    whole = model.rows(100, seed=3)
    pd.testing.assert_frame_equal(model.rows(20, seed=3, first=70), whole[70:90].reset_index(drop=True))
    assert not model.rows(100, seed=4).equals(whole)


def test_rows_that_nobody_asks_for_have_the_shares_of_the_data(here: Path) -> None:
    labels = augan.load(here / "run").labels(6_000)
    spec = augan.load(here / "run").spec
    shares = np.bincount(labels.numpy(), minlength=len(spec.conditions)) / 6_000
    counts = np.array([count for block in spec.asked for count in spec.columns[block.column].counts])
    np.testing.assert_allclose(shares, counts / 120 / len(spec.asked), atol=0.02)


def test_training_in_two_parts_is_training_at_once(here: Path, tmp_path: Path) -> None:
    settings = [*SMALL, "training.threads=1", "training.schedule_images=400"]
    source = augan.open(here / "rows.csv", label="sex")
    once = augan.train(source, images=400, out=tmp_path / "once", settings=settings)
    augan.train(source, images=200, out=tmp_path / "twice", settings=settings)
    again = augan.train(source, images=400, out=tmp_path / "twice", resume=True)
    assert again.load("last").hash == once.load("last").hash


def test_evaluate_shows_the_trivial_baselines(here: Path) -> None:
    result = call("evaluate", here / "run", "--against", here / "rows.csv", "--holdout", here / "held.csv", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert set(found["measures"]["column_shapes"]) == {"model", "independent", "bootstrap", "real"}
    assert found["measures"]["auc_of_classifier"]["bootstrap"] > 0.9
    shown = call("evaluate", here / "held.csv", "--against", here / "rows.csv", "--label", "sex")
    assert shown.exit_code == 0, shown.output
    assert "independent" in shown.stdout


def test_the_report_of_a_table_has_all_numbers(here: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    asked = ("evaluate", here / "run", "--against", here / "rows.csv", "--html", page)
    assert call(*asked).exit_code == 0
    text = page.read_text()
    for part in ("AUC of classifier", "bootstrap: real rows drawn again", "<td>city</td>", "<td>number</td>"):
        assert part in text
    assert "exists" in refused(*asked)


def test_runs_of_a_table_stand_beside_the_trivial_ways(here: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert call("train", here / "rows.csv", "--label", "sex", "--images", 60, "--out", other, "-q", *SET).exit_code == 0
    asked = ("compare-runs", here / "run", other, "--against", here / "rows.csv", "--json")
    found = json.loads(call(*asked).stdout)
    assert found["runs"] == [str(here / "run"), str(other), "independent", "bootstrap", "real"]
    assert [one["value"] for one in found["measures"]["copies"][:4]] == [0.0, 0.0, 0.0, 1.0]
    for name in ("a", "b"):
        made = call("evaluate", here / "run", "--against", here / "rows.csv", "--json").stdout
        (tmp_path / f"{name}.json").write_text(made)
    again = call("compare-runs", tmp_path / "a.json", tmp_path / "b.json")
    assert again.exit_code == 0, again.output
    assert "pair trends" in again.stdout


def test_a_bigger_table_keeps_the_real_rows(here: Path, tmp_path: Path) -> None:
    out = tmp_path / "bigger.csv"
    result = call("augment", here / "rows.csv", "--run", here / "run", "--out", out, "--strategy", "100")
    assert result.exit_code == 0, result.output
    bigger, real = pd.read_csv(out), pd.read_csv(here / "rows.csv")
    pd.testing.assert_frame_equal(bigger[: len(real)], real, check_dtype=False)
    assert bigger["sex"].value_counts().to_dict() == {"f": 100, "m": 100}
    assert bigger["id"][len(real) :].isna().all()
    manifest = json.loads((tmp_path / "bigger.manifest.json").read_text())
    assert sum(item["rows"][1] - item["rows"][0] for item in manifest["items"]) == 200 - len(real)
    model = augan.load(here / "run")
    for item in manifest["items"]:
        rows = bigger[slice(*item["rows"])].reset_index(drop=True)
        for place in (0, len(rows) - 1):
            again = model.rows(1, [item["class"]], first=item["numbers"][place])
            assert rows["number"][place] == pytest.approx(again["number"][0])
        chosen = manifest["selection"][item["class"]]
        assert chosen["made"] == 3 * len(rows)
        assert chosen["passed"] + sum(chosen["left_out"].values()) == chosen["made"]
        assert max(item["numbers"]) - min(item["numbers"]) >= len(rows)


def test_rows_are_added_as_they_come_where_that_is_asked_for(here: Path, tmp_path: Path) -> None:
    out = tmp_path / "bigger.csv"
    asked = ("--run", here / "run", "--out", out, "--strategy", "100", "--no-select")
    assert call("augment", here / "rows.csv", *asked).exit_code == 0
    manifest = json.loads((tmp_path / "bigger.manifest.json").read_text())
    assert "selection" not in manifest
    numbers = [number for item in manifest["items"] for number in item["numbers"]]
    assert numbers == list(range(len(numbers)))


def test_selected_rows_are_surer_of_their_class(here: Path) -> None:
    from augan.augment.frames import choose_rows

    source, model = augan.open(here / "rows.csv", label="sex"), augan.load(here / "run")
    added = {"f": 40, "m": 0}
    numbers, how = choose_rows(source, model, added, seed=0)
    assert set(numbers) == set(how) == {"f"}
    every = model.rows(120, ["f"])["number"]
    distance = (every - 0.0).abs()  # of f the number is about 0, of m about 4
    assert distance[numbers["f"]].mean() < distance.mean()


def test_lift_of_a_table_with_held_out_rows_and_categories() -> None:
    frame = mixed(150).drop(columns=["id", "row", "odd"])
    frame = pd.concat([frame[frame["sex"] == "f"], frame[frame["sex"] == "m"].iloc[:30]])
    found = lift(
        frame,
        label="sex",
        holdout=mixed(60, seed=2),
        folds=2,
        minutes=0.02,
        classifier=RandomForestClassifier(10),
        arms=["real", "weights", "oversampling", "smote", "smotenc", "gan", "gan-selected"],
    )
    rows = {row["arm"]: row for row in found.table()}
    assert set(rows) == {"real", "weights", "oversampling", "smote", "smotenc", "gan", "gan-selected"}
    assert rows["smotenc"]["balanced_accuracy"] > 0.8
    assert found.verdict.word in ("HELPS", "NO EVIDENCE", "HURTS")


def test_smotenc_makes_rows_of_known_values() -> None:
    from augan.augment.frames import FrameTask

    source = augan.open(mixed(80), label="sex")
    task = FrameTask(source, lambda part, seed: pytest.fail("no generator is asked"))
    rows, labels = task._resampled("smotenc", task._items, task.labels, 0)
    counts = np.bincount(labels)
    assert counts[0] == counts[1]
    for group in task._groups_of_places:
        np.testing.assert_allclose(rows[:, group].sum(1), 0.5**0.5, rtol=1e-6)


def test_inspect_says_what_each_column_is(here: Path) -> None:
    shown = call("inspect", here / "rows.csv", "--label", "sex")
    assert shown.exit_code == 0, shown.output
    assert "'never' is empty" in shown.stdout
    columns = json.loads(call("inspect", here / "rows.csv", "--json").stdout)["columns"]
    assert next(one for one in columns if one["name"] == "gaps")["missing"] == 14


def test_no_message_of_a_table_speaks_of_images(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from augan.training import console, loop

    monkeypatch.setattr(loop, "TICK_SEC", 0.0)
    monkeypatch.setattr(console, "PLAIN_LINE_SEC", 0.0)
    run, rows = tmp_path / "run", here / "rows.csv"
    told = [
        call("train", rows, "--label", "sex", "--images", 400, "--out", run, *SET),
        call("train", rows, "--out", run, "--resume", "--images", 600),
        call("inspect", rows, "--label", "sex"),
        call("doctor", run),
        call("evaluate", run, "--against", rows),
        call("generate", run, "--count", 3, "--out", tmp_path / "new.csv"),
        call("augment", rows, "--run", run, "--out", tmp_path / "bigger.csv", "--strategy", "100"),
        call("generate", run, "--count", 0, "--out", tmp_path / "x.csv"),
        call("generate", run, "--count", 3, "--frames", 3, "--out", tmp_path / "x.csv"),
        call("augment", rows, "--run", run, "--out", tmp_path / "x.csv", "--strategy", "10"),
        call("train", rows, "--out", tmp_path / "x", "--images", 9, *SET, "--set", "data.held_out=999"),
    ]
    assert [result.exit_code for result in told] == [0] * 7 + [2] * 4
    text = "".join(result.output for result in told)
    assert "rows/s" in text
    assert "real rows that the samples reach" in text
    assert "image" not in text.replace("--images", "")


def test_mistakes_are_one_line(here: Path, tmp_path: Path) -> None:
    run, rows = here / "run", here / "rows.csv"
    assert "column" in refused("train", rows, "--label", "sux", "--images", 100, "--out", tmp_path / "x")
    assert "recipe for items of kind table 'article'. Known: auto, ctgan" in refused(
        "train", rows, "--recipe", "article", "--images", 9, "--out", tmp_path / "x"
    )
    pack = ("--set", "training.batch=64")
    assert "packs" in refused("train", rows, "--recipe", "ctgan", "--images", 100, "--out", tmp_path / "x", *pack)
    assert "Cannot write rows" in refused("generate", run, "--count", 3, "--out", tmp_path / "x.png")
    assert "city=Paris" in refused("generate", run, "--count", 3, "--out", tmp_path / "x.csv", "--where", "city=Paris")
    assert "COLUMN=VALUE" in refused("generate", run, "--count", 3, "--out", tmp_path / "x.csv", "--where", "city")
    assert not (tmp_path / "x").exists()
    assert "other data" in refused("train", here / "held.csv", "--out", run, "--resume")
