"""What the page's functions do without a page: places, commands, records, curating, exploring."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import augan
from augan.core.errors import UserError
from augan.core.files import read_json, write_json
from augan.core.item import from_unit
from augan.studio import Curation, JobBoard, Workspace, explore, export_curated, look
from augan.studio.jobs import train_command
from augan.studio.workspace import upload_path


@pytest.fixture
def place(tmp_path: Path, bars_folder: Path) -> Workspace:
    (tmp_path / "photos").mkdir()
    for path in sorted(bars_folder.rglob("*.png"))[:6]:
        (tmp_path / "photos" / path.name).write_bytes(path.read_bytes())
    return Workspace(tmp_path / "runs", tmp_path)


# ---------------------------------------------------------------------- places


@pytest.mark.parametrize("path", ["..", "../x", "photos/../../x", "/etc/passwd", "", "a\0b"])
def test_nothing_outside_of_the_workspace_is_reached(place: Workspace, path: str) -> None:
    with pytest.raises(UserError, match="outside the workspace|No path"):
        place.inside(path)


def test_links_do_not_lead_out(place: Workspace, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (place.root / "link").symlink_to(elsewhere)
    with pytest.raises(UserError, match="outside"):
        place.inside("link/x")
    assert "link" not in place.data()


def test_runs_lie_in_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    with pytest.raises(UserError, match="--workspace"):
        Workspace(tmp_path / "runs", tmp_path / "inner")


def test_data_are_offered_and_runs_are_not(place: Workspace) -> None:
    (place.root / "runs" / "photos-1").mkdir(parents=True)
    (place.root / "notes").mkdir()
    np.save(place.root / "set.npy", np.zeros((2, 8, 8), np.uint8))
    assert place.data() == ["photos", "set.npy"]


@pytest.mark.parametrize(
    "name", ["../x.png", "a/../x.png", ".ssh/x.png", "/x.png", "a//x.png", "x.py", "x", "a/b/c/d/x.png"]
)
def test_uploads_that_are_not_taken(name: str) -> None:
    with pytest.raises(UserError, match="cannot be|neither a picture"):
        upload_path(name)


def test_uploads_that_are_taken() -> None:
    assert upload_path("cats\\a b.PNG").as_posix() == "cats/a b.PNG"
    assert upload_path("größe/x.jpeg").parts == ("größe", "x.jpeg")


# ---------------------------------------------------------------------- commands


def test_the_form_becomes_a_command(place: Workspace) -> None:
    wish = {"data": "photos", "name": "mine", "minutes": "2.5", "recipe": "article", "size": "32", "seed": "3"}
    command, out = train_command(place, {**wish, "settings": "game.objective=hinge\n\n training.batch=8 "})
    assert out == place.runs / "mine"
    head = ["train", str(place.root / "photos"), "--out", str(out), "--minutes", "2.5", "--recipe", "article"]
    assert command[:8] == head
    assert command[8:] == ["--size", "32", "--seed", "3", "--set", "game.objective=hinge", "--set", "training.batch=8"]
    both = {"task": "translate", "data": "photos", "b": "photos", "paired": True, "name": "t", "images": 64}
    assert train_command(place, both)[0][:5] == ["translate", "train", *[str(place.root / "photos")] * 2, "--paired"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": ""}, "which images"),
        ({"data": "nowhere"}, "does not exist"),
        ({"data": "../x"}, "outside the workspace"),
        ({"name": "a/b"}, "cannot be the name"),
        ({"name": "-x"}, "cannot be the name"),
        ({"name": "there"}, "exists already"),
        ({"minutes": "soon"}, "no number of minutes"),
        ({"minutes": "-1"}, "more than 0"),
        ({"images": "many"}, "no whole number"),
        ({"recipe": "autoo"}, "Did you mean 'auto'"),
        ({"task": "dream"}, "Unknown task"),
        ({"settings": "--out=x"}, "not a value"),
    ],
)
def test_wrong_wishes_start_nothing(place: Workspace, change: dict[str, str], message: str) -> None:
    (place.runs / "there" / "x").mkdir(parents=True)
    with pytest.raises(UserError, match=message):
        JobBoard(place).start({"data": "photos", "name": "mine", **change})
    assert [path.name for path in place.runs.iterdir()] == ["there"]


def test_a_training_that_fails_says_why_and_can_be_removed(place: Workspace) -> None:
    board = JobBoard(place)
    board.start({"data": "photos", "name": "mine", "images": 64, "settings": "game.objective=hing"})
    board._own["mine"].wait(60)
    assert board.waiting() == ["mine"]
    card = look.waiting_card(board, "mine")
    assert (card["state"], card["ours"]) == ("failed", False)
    assert "hinge" in card["said"]
    assert "Traceback" not in card["said"]
    board.forget("mine")
    assert board.waiting() == []
    with pytest.raises(UserError, match="not being trained from this studio"):
        board.halt("mine", "paused")


def test_another_process_with_the_same_number_is_not_the_training(place: Workspace, tiny_run: augan.Run) -> None:
    board = JobBoard(place)
    import os

    record = {"name": "mine", "pid": os.getpid(), "created": 0.0, "wanted": "paused", "sources": ["train", "x"]}
    write_json(board.folder / "mine.job.json", record)
    assert not board.alive("mine")
    assert board.state("mine", None) == "paused"


# ---------------------------------------------------------------------- looking


@pytest.fixture
def home(tiny_run: augan.Run) -> Workspace:
    return Workspace(tiny_run.path.parent, tiny_run.path.parent)


def test_a_run_is_shown_in_full(home: Workspace, tiny_run: augan.Run) -> None:
    page = look.run_page(home, JobBoard(home), home.run("tiny"))
    assert (page["name"], page["state"], page["kind"], page["classes"]) == (
        "tiny",
        "finished",
        "image",
        ["high", "middle", "low"],
    )
    assert page["fraction"] == 1
    assert page["quality"] == tiny_run.quality()
    assert page["sheets"] == sorted(path.name for path in (tiny_run.path / "samples").iterdir())
    distances = {chart["title"]: chart["lines"] for chart in page["curves"]}["Fréchet distance: lower is better"]
    measured = [row for row in tiny_run.metrics() if "quality" in row]
    assert distances[0]["points"] == [(row["images_seen"], row["quality"]["frechet"]) for row in measured]


def test_files_of_a_run_go_by_names_that_it_has(tiny_run: augan.Run) -> None:
    for name in ("../config.json", "x.png", ""):
        with pytest.raises(UserError, match="no sheet"):
            look.sheet_path(tiny_run, name)
        with pytest.raises(UserError, match="no report"):
            look.report_path(tiny_run, name)


def test_a_damaged_run_is_a_card_too(tmp_path: Path) -> None:
    (tmp_path / "runs" / "x").mkdir(parents=True)
    for name in ("config.json", "data.json"):
        (tmp_path / "runs" / "x" / name).write_text("{")
    place = Workspace(tmp_path / "runs", tmp_path)
    assert look.run_card(place, JobBoard(place), place.run("x"))["state"] == "damaged"


def test_numbers_that_json_has_not_become_null() -> None:
    assert look.as_json({"a": [float("nan"), 1.5]}) == b'{"a": [null, 1.5]}'


# ---------------------------------------------------------------------- exploring


def test_a_move_of_nothing_is_the_sample(tiny_run: augan.Run) -> None:
    model = tiny_run.load()
    shown = explore.samples(model, 4, ["low"], 5, 0.7)
    moved = explore.moved(model, seed=5, index=2, label="low", truncation=0.7, offsets=[0.0] * 3, toward=9, share=0.0)
    assert pixels(moved) == pytest.approx(pixels(shown[2]), abs=1)  # another batch size, another last bit
    there = explore.moved(model, seed=5, index=2, label="low", truncation=0.7, toward=9, share=1.0)
    assert pixels(there) == pytest.approx(pixels(explore.samples(model, 3, ["low"], 9, 0.7)[2]), abs=1)
    assert not np.array_equal(pixels(there), pixels(moved))


def pixels(address: str) -> np.ndarray:
    import base64
    import io

    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))).astype(int)


def test_axes_are_at_right_angles(tiny_run: augan.Run) -> None:
    rows = torch.stack([axis.direction for axis in explore.axes(tiny_run.load())])
    assert torch.allclose(rows @ rows.T, torch.eye(len(rows)), atol=1e-5)


def test_directions_that_were_found_come_first(tiny_run: augan.Run) -> None:
    model = tiny_run.load()
    axes = explore.axes(model, tiny_run)
    assert axes
    assert all(axis.found for axis in axes)
    assert [axis.name for axis in axes] == [one.name for one in explore.found_directions(model)]
    assert all(abs(float(axis.direction.norm()) - 1) < 1e-5 for axis in axes)


@pytest.mark.parametrize("wrong", [{"truncation": 0}, {"share": 2}, {"label": "hig"}, {"offsets": [0.0] * 99}])
def test_wrong_moves_are_refused(tiny_run: augan.Run, wrong: dict[str, object]) -> None:
    with pytest.raises(UserError):
        explore.moved(tiny_run.load(), **{"seed": 0, **wrong})  # type: ignore[arg-type]


# ---------------------------------------------------------------------- curating


def test_what_was_accepted_is_exported_and_can_be_made_again(tiny_run: augan.Run, tmp_path: Path) -> None:
    model = tiny_run.load()
    curation = Curation(tmp_path, model, "tiny", seed=3, truncation=0.8)
    curation.decide("low", {0: "accept", 70: "accept", 2: "reject", 5: "reject"})
    curation.decide("high", {1: "accept", 2: "accept"})
    curation.decide("low", {5: None})
    again = Curation(tmp_path, model, "tiny", seed=3, truncation=0.8)
    assert again.counts()["low"] == {"accept": 2, "reject": 1}
    assert Curation(tmp_path, model, "tiny", seed=4).counts()["low"] == {"accept": 0, "reject": 0}

    manifest = export_curated(again, tmp_path / "set")
    assert read_json(tmp_path / "set" / "manifest.json") == manifest
    assert manifest["generator"] == model.hash
    assert manifest["rejected"] == [{"class": "low", "index": 2}]
    assert sorted(
        path.relative_to(tmp_path / "set").as_posix() for path in (tmp_path / "set").rglob("*.png")
    ) == sorted(item["file"] for item in manifest["items"])
    for item in manifest["items"]:
        made = model.sample(1, [item["class"]], item["seed"], manifest["truncation"], item["index"])
        assert np.array_equal(from_unit(made)[0, :, :, 0], np.asarray(Image.open(tmp_path / "set" / item["file"])))

    export_curated(again, tmp_path / "set.zip")
    with zipfile.ZipFile(tmp_path / "set.zip") as archive:
        assert len(archive.namelist()) == 5
    assert augan.open(tmp_path / "set").item.class_names == ("high", "low")


def test_wrong_decisions_and_exports_are_refused(tiny_run: augan.Run, tmp_path: Path) -> None:
    curation = Curation(tmp_path, tiny_run.load(), "tiny")
    with pytest.raises(UserError, match="Nothing was accepted"):
        export_curated(curation, tmp_path / "set")
    for name, changes in (("lo", {0: "accept"}), ("low", {0: "keep"}), ("low", {-1: "accept"})):
        with pytest.raises(UserError):
            curation.decide(name, changes)
    curation.decide("low", {0: "accept"})
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "x").touch()
    for out, message in (("set.rar", "Cannot write"), ("taken", "exists already")):
        with pytest.raises(UserError, match=message):
            export_curated(curation, tmp_path / out)
