"""`augan compare` from end to end, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import augan
from augan.cli.app import app
from augan.core.errors import UserError
from augan.data import ArraySource, Source
from augan.versus import Versus, compare
from augan.versus import study as studies
from augan.versus.fit import fit
from augan.versus.study import divided, run_config
from common import shapes

SMALL = ["networks.width=8", "networks.latent_size=8", "training.batch=16", "training.threads=1"]
QUICK: dict[str, Any] = {"images": 160, "settings": SMALL, "inverted": 8, "probed": 24, "steps": 5}


def call(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def whole(bars: ArraySource, tmp_path_factory: pytest.TempPathFactory) -> Versus:
    """All four models, two seeds."""
    return compare(bars, tmp_path_factory.mktemp("versus") / "out", seeds=(0, 1), **QUICK)


def test_all_models_have_all_numbers(whole: Versus) -> None:
    everywhere = {"reconstruction", "frechet", "kernel", "precision", "recall", "density", "coverage", "sharpness"}
    everywhere |= {"probe", "path_length", "samples_per_sec", "parameters", "train_seconds", "train_images"}
    for model, values in whole.values.items():
        assert everywhere <= set(values), model
        assert all(len(found) == 2 and np.isfinite(found).all() for found in values.values())
        assert values["train_images"] == [160, 160]
        assert ("elbo" in values) == (model in ("vae", "vae-gan"))
    sizes = {model: values["sampling_parameters"][0] for model, values in whole.values.items()}
    assert len(set(sizes.values())) == 1  # the same decoder
    assert whole.values["gan"]["find_seconds"][0] > whole.values["ae"]["find_seconds"][0]


def test_the_folder_holds_the_report(whole: Versus) -> None:
    page = (whole.out / "report.html").read_text()
    assert whole.reading[0].split(",")[0] in page
    assert "http" not in page.split("</style>")[1]
    document = json.loads((whole.out / "report.json").read_text())
    assert document == whole.to_json()
    assert {one["column"] for one in document["expectations"]} == {"reconstruction", "precision", "sharpness"}
    with Image.open(whole.out / "sheet-1.png") as sheet:
        assert sheet.height > 9 * 64
    for model in whole.values:
        assert (whole.out / "models" / f"{model}-0" / "config.json").exists()
    assert augan.load(whole.out / "models" / "gan-0").sample(2).shape == (2, 1, 16, 16)


def test_held_out_images_are_seen_by_none(bars: ArraySource) -> None:
    config = studies.VersusConfig(images=1)
    shown, kept = divided(bars, config)
    assert isinstance(shown, ArraySource)
    assert isinstance(kept, ArraySource)
    assert shown.rows is not None
    assert kept.rows is not None
    assert sorted([*shown.rows, *kept.rows]) == list(range(len(bars)))
    again = divided(bars, config)[1]
    assert again.key == kept.key


@pytest.mark.parametrize("model", ["ae", "vae", "vae-gan"])
def test_coders_learn(model: str, bars: ArraySource, tmp_path: Path) -> None:
    config = studies.VersusConfig(images=2400)
    run = run_config(bars, config, SMALL, "cpu")
    fitted = fit(model, bars, run, tmp_path / "fitted")
    from augan.core.item import to_unit
    from augan.versus.players import CoderPlayer

    images = to_unit(bars.items(np.arange(100)))
    error = (CoderPlayer(fitted, bars, 0).find(images).images - images).square().mean()
    assert error < 0.5 * images.var(0).mean()
    rows = [json.loads(line) for line in (tmp_path / "fitted" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["images_seen"] == 2400
    assert not (model == "ae" and "divergence" in rows[-1])


def test_training_is_a_function_of_the_seed(bars: ArraySource, tmp_path: Path) -> None:
    run = run_config(bars, studies.VersusConfig(images=64), SMALL, "cpu")
    seeds = {"a": 0, "b": 0, "c": 1}
    found = {
        name: fit("vae-gan", bars, replace(run, seed=seed), tmp_path / name).coder.state_dict()
        for name, seed in seeds.items()
    }
    assert all(np.array_equal(found["a"][name], found["b"][name]) for name in found["a"])
    assert any(not np.array_equal(found["a"][name], found["c"][name]) for name in found["a"])


# ---------------------------------------------------------------------- the command


def test_the_command_prints_a_table_and_what_it_says(bars_npz: Path, tmp_path: Path) -> None:
    arguments = ["compare", bars_npz, "--out", tmp_path / "out", "--models", "ae,vae", "--images", 64, "--seeds", "0,1"]
    sets = [part for setting in SMALL for part in ("--set", setting)]
    result = call(*arguments, *sets, "--inverted", 8, "--probed", 20)
    assert result.exit_code == 0, result.output
    assert "reconstruction MSE" in result.stdout
    assert "is best with" in result.stdout
    again = call(*arguments, *sets, "--inverted", 8, "--probed", 20, "--resume", "--json")
    assert again.exit_code == 0, again.output
    assert set(json.loads(again.stdout)["models"]) == {"ae", "vae"}
    assert "training" not in again.stderr  # everything was there
    other = call(*arguments, *sets, "--inverted", 9, "--probed", 20, "--resume")
    assert other.exit_code == 2
    assert "other settings or data" in other.stderr


def test_a_time_budget_is_kept(bars_npz: Path, tmp_path: Path) -> None:
    options = {**QUICK, "images": None, "minutes": 0.01, "clock": "processor"}
    found = compare(bars_npz, tmp_path / "out", seeds=[0], **options)
    for values in found.values.values():
        assert 0.6 <= values["train_seconds"][0] < 1.6


def test_a_stopped_comparison_goes_on(bars: ArraySource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = studies.fit

    def stop(*arguments: Any, **options: Any) -> Any:
        if arguments[0] == "vae":
            raise augan.Interrupted("Stopped.")
        return real(*arguments, **options)

    monkeypatch.setattr(studies, "fit", stop)
    options: dict[str, Any] = {"models": ["ae", "vae"], "seeds": [0], **QUICK}
    with pytest.raises(augan.Interrupted, match="--resume"):
        compare(bars, tmp_path / "out", **options)
    assert (tmp_path / "out" / "cells" / "ae-0.npz").exists()
    monkeypatch.setattr(studies, "fit", real)
    heard: list[str] = []
    found = compare(bars, tmp_path / "out", resume=True, tell=heard.append, **options)
    assert set(found.values) == {"ae", "vae"}
    assert not any(line.startswith("ae") for line in heard)


# ---------------------------------------------------------------------- what is refused, and what is left out


def refused(folder: Path, *arguments: object) -> str:
    result = call("compare", *arguments)
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert not folder.exists()
    return str(line)


def test_mistakes_are_one_line(bars_npz: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "Unknown model 'gam'. Did you mean 'gan'?" in refused(out, bars_npz, "--out", out, "--models", "gam,ae")
    assert "--seeds takes" in refused(out, bars_npz, "--out", out, "--seeds", "0,x")
    assert "Give a budget" in refused(out, bars_npz, "--out", out, "--minutes", 1, "--images", 5)
    few = tmp_path / "few.npy"
    np.save(few, shapes({"a": 30})[0])
    assert "at least 10 images held out" in refused(out, few, "--out", out)
    style = ["--set", "networks.name=style", "--images", 16]
    assert "no trunk to encode with" in refused(out, bars_npz, "--out", out, "--models", "ae", *style)
    budget = refused(out, bars_npz, "--out", out, "--images", 16, "--set", "training.images=99")
    assert "by --minutes or --images" in budget


def test_a_folder_inside_the_data_is_refused(bars_folder: Path) -> None:
    assert "lies inside the data" in refused(bars_folder / "out", bars_folder, "--out", bars_folder / "out")


def test_an_existing_folder_is_left_alone(bars_npz: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    result = call("compare", bars_npz, "--out", tmp_path)
    assert result.exit_code == 2
    assert "exists already" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_other_kinds_of_items_are_refused(bars: ArraySource, tmp_path: Path) -> None:
    sounds: Source = replace(bars, item=replace(bars.item, kind="sound"))
    with pytest.raises(UserError, match="compare is for images"):
        compare(sounds, tmp_path / "out", images=16)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("channels", [1, 3])
def test_unlabelled_images_have_no_probe(channels: int, tmp_path: Path) -> None:
    images = shapes({"a": 40, "b": 40}, channels=channels)[0]
    found = compare(images, tmp_path / "out", models=["gan", "vae"], seeds=[0], **QUICK)
    assert all("probe" not in values for values in found.values.values())
    assert any("no linear probe" in note for note in found.notes)
    assert "linear probe</td>" not in (tmp_path / "out" / "report.html").read_text()
