"""Clips from the command line: train, resume, generate in every form, evaluate, inspect; and what is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import augan
from augan.augment import gate
from augan.cli.app import app
from augan.core.errors import Interrupted, UserError
from augan.core.optional import require
from augan.training import Observer
from common_clips import TINY_CLIPS, moving, write_video

RUNNER = CliRunner()


def call(*arguments: object) -> str:
    result = RUNNER.invoke(app, [str(argument) for argument in arguments], catch_exceptions=True)
    if result.exit_code:
        raise AssertionError(f"{result.exit_code}: {result.output} {result.exception!r}")
    return result.stdout


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips") / "set"
    for name in ("right", "down"):
        for number, clip in enumerate(moving(16, right=name == "right", seed=len(name))):
            write_video(folder / name / f"{number:02d}.gif", clip)
    return folder


@pytest.fixture(scope="module")
def run(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "clips"
    settings = [part for setting in [*TINY_CLIPS, "data.frames=8"] for part in ("--set", setting)]
    call("train", clips, "--images", 64, "--out", out, "--quiet", *settings)
    return out


def test_a_run_has_a_sheet_of_frames_and_a_moving_one(run: Path) -> None:
    data = json.loads((run / "data.json").read_text())
    assert data["item"]["kind"] == "video"
    assert data["item"]["frames"] == 8
    assert json.loads((run / "config.json").read_text())["networks"]["name"] == "video"
    (sheet,) = (run / "samples").glob("*.png")
    with Image.open(sheet.with_suffix(".gif")) as moving_sheet:
        assert moving_sheet.n_frames == 8
    model = augan.load(run)
    found = model.sample(5, ["right"], seed=3)
    assert found.shape == (5, 1, 8, 16, 16)
    assert np.array_equal(model.sample(1, ["right"], seed=3, first=4), found[4:])


def test_every_form_of_output(run: Path, tmp_path: Path) -> None:
    call("generate", run, "--out", tmp_path / "clips.gif")
    with Image.open(tmp_path / "clips.gif") as picture:
        assert picture.n_frames == 8
    call("generate", run, "--out", tmp_path / "one.mp4", "--count", 1, "--frames", 24, "--fps", 25)
    av: Any = require("av", "video", "Reading videos")
    with av.open(str(tmp_path / "one.mp4")) as film:
        assert len(list(film.decode(video=0))) == 24
        assert float(film.streams.video[0].average_rate) == 25
    call("generate", run, "--out", tmp_path / "long.npz", "--count", 4, "--frames", 80)
    with np.load(tmp_path / "long.npz") as arrays:
        assert arrays["clips"].shape == (4, 80, 16, 16, 1)
        assert arrays["class_names"].tolist() == ["down", "right"]
    call("generate", run, "--out", tmp_path / "sheet.png", "--count", 4)
    call("generate", run, "--out", tmp_path / "grid.gif", "--count", 2, "--grid", 3)
    call("generate", run, "--out", tmp_path / "folder", "--count", 12)
    again = augan.open(tmp_path / "folder", cutting=augan.data.Cutting(frames=8))
    assert (again.item.shape, again.item.class_names, len(again)) == ((1, 8, 16, 16), ("down", "right"), 12)


def test_a_longer_clip_begins_as_the_shorter_one_and_a_grid_row_shares_its_content(run: Path, tmp_path: Path) -> None:
    model = augan.load(run)
    augan.generate(model, 2, tmp_path / "short.npz")
    augan.generate(model, 2, tmp_path / "long.npz", frames=20)
    with np.load(tmp_path / "short.npz") as short, np.load(tmp_path / "long.npz") as long:
        assert np.abs(short["clips"].astype(int) - long["clips"][:, :8]).max() <= 1


def test_evaluation_prints_trivial_clips_beside_the_model(run: Path, clips: Path) -> None:
    found = json.loads(call("evaluate", run, "--against", clips, "--json", "--count", 32))
    assert set(found["baselines"]) == {"real, the other half", "real, frozen", "real, shuffled"}
    for name in ("frozen", "shuffled"):
        for measure in ("frechet", "motion"):
            rows = found["baselines"]
            assert rows[f"real, {name}"][measure] > rows["real, the other half"][measure], (name, measure)
    assert {"frechet", "coverage", "agreement", "frame_frechet", "motion"} <= set(found["measures"])
    with pytest.raises(UserError, match="'bundled' is of images"):
        augan.evaluate(run, clips, features="bundled")


def test_two_sets_of_clips_and_the_report(clips: Path, run: Path, tmp_path: Path) -> None:
    call("generate", run, "--out", tmp_path / "made.npz", "--count", 16)
    page = tmp_path / "report.html"
    eight = augan.open(clips, cutting=augan.data.Cutting(frames=8))
    found = augan.evaluate(tmp_path / "made.npz", eight, html=page)
    assert "real, frozen" in page.read_text()
    assert found["motion"] >= 0
    with pytest.raises(UserError, match="single images"):
        augan.evaluate(np.zeros((8, 16, 16), np.uint8), eight)


def test_resuming_equals_going_through(clips: Path, tmp_path: Path) -> None:
    settings = [*TINY_CLIPS, "data.frames=8", "training.measure_images=0", "game.critic_turns=2"]
    whole = augan.train(clips, images=48, out=tmp_path / "whole", settings=settings)
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) == 3

    with pytest.raises(Interrupted):
        augan.train(clips, images=48, out=tmp_path / "parts", settings=settings, should_stop=stop)
    resumed = augan.train(clips, out=tmp_path / "parts", resume=True)
    assert resumed.load().hash == whole.load().hash


@pytest.mark.parametrize("recipe", ["mocogan", "video-3d"])
def test_other_recipes_train_and_sample(recipe: str, clips: Path, tmp_path: Path) -> None:
    settings = [*TINY_CLIPS, "data.frames=8", "training.measure_images=0"]
    run = augan.train(clips, images=16, out=tmp_path / "run", recipe=recipe, settings=settings)
    assert run.load().sample(2).shape == (2, 1, 8, 16, 16)


def test_what_is_not_for_clips_is_refused(run: Path, clips: Path, tmp_path: Path, tiny_run: augan.Run) -> None:
    with pytest.raises(UserError, match="recipe for items of kind video"):
        augan.train(clips, images=16, out=tmp_path / "no", recipe="article", settings=["data.frames=8"])
    model = augan.load(run)
    with pytest.raises(UserError, match="Cannot write '.jpg'"):
        augan.generate(model, 2, tmp_path / "a.jpg")
    with pytest.raises(UserError, match="--fps 0"):
        augan.generate(model, 2, tmp_path / "a.gif", fps=0)
    with pytest.raises(UserError, match="--frames, --fps and --grid are for models of clips"):
        augan.generate(tiny_run.load(), 2, tmp_path / "a.png", frames=4)
    assert not list(tmp_path.iterdir())


def test_inspect_says_what_a_set_of_clips_is(tmp_path: Path) -> None:
    np.savez(tmp_path / "grey.npz", clips=moving(8)[..., 0])  # by its name, without an axis of channels
    assert json.loads(call("inspect", tmp_path / "grey.npz", "--json"))["item"]["frames"] == 8
    np.savez(tmp_path / "set.npz", clips=moving(8))
    found = json.loads(call("inspect", tmp_path / "set.npz", "--json"))
    assert found["item"]["frames"] == 8
    assert found["n"] == 8
    assert found["problems"][0].startswith("Only 8 clips")


def test_a_copy_of_clips_is_balanced_in_one_array(run: Path, clips: Path, tmp_path: Path) -> None:
    found = augan.augment(clips, tmp_path / "more.npz", run=run, strategy="20")
    assert found.added == {"down": 4, "right": 4}
    copy = augan.open(tmp_path / "more.npz")
    assert (len(copy), copy.item.frames, copy.item.class_names) == (40, 8, ("down", "right"))
    with np.load(tmp_path / "more.npz") as arrays:
        assert arrays["synthetic"].sum() == 8
        made = augan.load(run).sample(1, ["down"], first=0)
        assert np.abs(arrays["clips"][32] - augan.core.item.from_unit(made)[0].astype(int)).max() <= 1
    assert len(json.loads(Path(str(found.manifest)).read_text())["items"]) == 8
    with pytest.raises(UserError, match="give --out NAME.npz"):
        augan.augment(clips, tmp_path / "folder", run=run, strategy="20")


def test_a_study_of_clips_has_a_verdict_a_page_and_an_exit_code(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("augan.metrics.clips.MOST_STEPS", 8)
    arguments = ("lift", clips, "--minutes", 0.02, "--folds", 2, "--steps", 2, "--arms", "classical,gan-raw", "--force")
    settings = [part for setting in [*TINY_CLIPS, "data.frames=8"] for part in ("--set", setting)]
    page = tmp_path / "study.html"
    result = RUNNER.invoke(app, [*map(str, arguments), *settings, "--json", "--report", str(page)])
    assert result.exit_code in (0, 3, 4), result.output
    found = json.loads(result.stdout)
    assert {row["arm"] for row in found["arms"]} == {"real", "classical", "gan-raw"}
    assert found["settings"]["steps"] == 2
    assert found["verdict"]["word"] in page.read_text()


def test_what_a_copy_of_clips_would_hold_is_studied(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("augan.metrics.clips.MOST_STEPS", 4)
    source = augan.open(clips, cutting=augan.data.Cutting(frames=8))
    settings = [*TINY_CLIPS, "training.measure_images=0"]
    found = gate.prove(source, "20", minutes=0.01, settings=settings, folds=2, steps=1, force=True)
    assert {"classical", "gan-classical", "smote"} <= set(found.record.measured)
    assert not {"vae", "gan-swept"} & set(found.record.measured)


def test_a_run_on_images_is_begun_with_and_stills_are_mixed_in(clips: Path, tmp_path: Path) -> None:
    images = moving(40, frames=1)[:, 0]
    wide = [*TINY_CLIPS, "networks.width=16"]
    still = augan.train(images, images=32, out=tmp_path / "still", settings=wide, recipe="strided")
    heard: list[str] = []

    class Hears(Observer):
        def begin(self, folder: Path, lines: Sequence[str]) -> None:
            heard.extend(lines)

    np.save(tmp_path / "stills.npy", images)
    (tmp_path / "stills").mkdir()
    for name in ("down", "right"):
        augan.data.write_folder(images[:8], np.zeros(8, np.int64), (name,), tmp_path / "parts" / name)
        (tmp_path / "parts" / name / name).rename(tmp_path / "stills" / name)
    settings = [*wide, "data.frames=8", "training.measure_images=0", f"data.stills={tmp_path / 'stills'}"]
    run = augan.train(clips, images=16, out=tmp_path / "run", settings=settings, start=still.path, observer=Hears())
    assert any("of its weights fit" in line for line in heard)
    assert run.config["networks"]["name"] == "video"
    assert run.load().sample(1).shape == (1, 1, 8, 16, 16)
    wrong = [*settings[:-1], f"data.stills={tmp_path / 'stills.npy'}"]
    with pytest.raises(UserError, match="has no classes, and the clips have down, right"):
        augan.train(clips, images=16, out=tmp_path / "no", settings=wrong)
    with pytest.raises(UserError, match="networks.name=video"):
        augan.train(clips, images=16, out=tmp_path / "no", settings=settings, recipe="mocogan")
