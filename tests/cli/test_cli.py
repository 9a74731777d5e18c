"""The commands as their users meet them: what they write, what they print, how they end."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import augan
from augan.cli.app import app
from common import TINY

SMALL = [part for setting in TINY for part in ("--set", setting)]
COMMANDS = ["train", "generate", "augment", "evaluate", "inspect", "runs", "demo"]


def call(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(tmp_path: Path, *arguments: object) -> str:
    """Runs a command that must end with 2 and one line, having written nothing; returns the line."""
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    result = call(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("Error: ")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    return str(line)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(command: str) -> None:
    result = call(command, "--help")
    assert result.exit_code == 0
    assert f"augan {command}" in result.stdout
    assert "Examples" in result.stdout


def test_version_and_no_arguments() -> None:
    assert call("--version").stdout.strip() == augan.__version__
    assert "Commands" in call().output


def test_a_day_with_augan(bars_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "one"
    shown = json.loads(call("inspect", bars_folder, "--json").stdout)
    assert shown["class_counts"] == {"high": 60, "low": 20, "middle": 30}
    assert "high" in call("inspect", bars_folder).stdout
    trained = call("train", bars_folder, "--images", 64, "--out", run, "--json", *SMALL)
    assert trained.exit_code == 0
    assert json.loads(trained.stdout)["result"]["images_seen"] == 64
    listed = json.loads(call("runs", tmp_path / "runs", "--json").stdout)
    assert [row["run"] for row in listed] == [str(run)]
    assert "finished" in call("runs", tmp_path / "runs").stdout
    made = call("generate", run, "--count", 6, "--out", tmp_path / "a.npz", "--classes", "low,high", "--json")
    assert json.loads(made.stdout)["generator"] == augan.load(run).hash
    assert np.load(tmp_path / "a.npz")["labels"].tolist() == [1, 0, 1, 0, 1, 0]
    grown = call("augment", bars_folder, "--run", run, "--out", tmp_path / "more", "--strategy", "low=25", "--json")
    assert json.loads(grown.stdout)["added"] == {"high": 0, "low": 5, "middle": 0}
    judged = json.loads(call("evaluate", run, "--against", bars_folder, "--json").stdout)
    assert judged["fake"]["images"] == 110
    assert "Fréchet" in call("evaluate", tmp_path / "more", "--against", bars_folder).stdout


def test_plain_output(bars_npz: Path, tmp_path: Path) -> None:
    result = call("train", bars_npz, "--images", 32, "--out", tmp_path / "run", *SMALL)
    assert result.exit_code == 0
    assert "augan generate" in result.stderr
    assert result.stdout == ""
    out = call("generate", tmp_path / "run", "--count", 4, "--out", tmp_path / "s.png")
    assert "4 images" in out.stderr
    grown = call("augment", bars_npz, "--run", tmp_path / "run", "--out", tmp_path / "b.npz")
    assert "60 real + 0 synthetic" in grown.stderr


def test_dry_run_prints_the_settings_and_writes_nothing(bars_npz: Path, tmp_path: Path) -> None:
    result = call("train", bars_npz, "--images", 10, "--dry-run", "--out", tmp_path / "x", "--set", "game.r1_gamma=3")
    config = json.loads(result.stdout)
    assert config["game"]["r1_gamma"] == 3
    assert config["training"]["images"] == 10
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "DATA", "--set", "training.batsh=3"], "Did you mean 'batch'"),
        (["train", "DATA", "--set", "game.objective=hing"], "Did you mean 'hinge'"),
        (["train", "DATA", "--set", 'game.augmentation=["spin"]'], "Known: bands"),
        (["train", "DATA", "--set", 'game.adaptive=["blit*9"]'], "from 0 to 1"),
        (["train", "DATA", "--set", "networks.conditioning=auxiliary"], "game.matching=0"),
        (["train", "DATA", "--recipe", "autto"], "Did you mean 'auto'"),
        (["train", "DATA", "--minutes", "1", "--images", "5"], "not both"),
        (["train", "DATA", "--minutes", "0"], "above 0"),
        (["train", "DATA", "--size", "big"], "size"),
        (["train", "DATA", "--device", "tpu"], "Unknown device"),
        (["train", "DATA", "--out", "RUN"], "overwrites nothing"),
        (["train", "DATA", "--resume"], "--out RUN"),
        (["train", "DATA", "--resume", "--out", "NEW"], "not a run"),
        (["train", "MISSING"], "does not exist"),
        (["generate", "MISSING", "--count", "1", "--out", "NEW.npz"], "does not exist"),
        (["generate", "RUN", "--count", "0", "--out", "NEW.npz"], "at least 1"),
        (["generate", "RUN", "--count", "1", "--out", "NEW.tiff"], "Use .npz"),
        (["generate", "RUN", "--count", "1", "--out", "NEW.npz", "--classes", "cow"], "Unknown class"),
        (["generate", "RUN", "--count", "1", "--out", "NEW.npz", "--truncation", "3"], "Truncation"),
        (["augment", "DATA", "--run", "RUN", "--out", "RUN"], "overwrites nothing"),
        (["augment", "DATA", "--run", "RUN", "--out", "NEW", "--strategy", "more"], "not understood"),
        (["evaluate", "RUN", "--against", "MISSING"], "does not exist"),
        (["inspect", "MISSING"], "does not exist"),
        (["runs", "MISSING"], "does not exist"),
        (["demo", "--out", "RUN"], "overwrites nothing"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, bars_npz: Path, tiny_run: augan.Run, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    names = {"DATA": str(bars_npz), "RUN": str(tiny_run.path), "MISSING": "no/such", "NEW": "new"}
    given = [names.get(part, part) for part in arguments]
    assert message in refused(tmp_path, *given)


def bad_data(kind: str, folder: Path) -> Path:
    """A data set of this kind of badness."""
    folder.mkdir()
    image = Image.fromarray(np.full((16, 16), 99, np.uint8))
    if kind == "one image in a class":
        for name in ("a/1", "a/2", "b/1"):
            (folder / name).parent.mkdir(exist_ok=True)
            image.save(folder / f"{name}.png")
    elif kind == "unreadable":
        for name in "ab":
            (folder / f"{name}.png").write_text("not an image")
    elif kind.startswith("."):
        path = folder.with_suffix(kind)
        path.write_bytes(b"not what it says")
        return path
    elif kind == "traversal":
        path = folder.with_suffix(".zip")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("../../a.png", b"x")
        return path
    elif kind in ("nan", "complex", "rank 2", "objects", "two channels"):
        arrays = {
            "nan": np.full((4, 16, 16), np.nan),
            "complex": np.zeros((4, 16, 16), complex),
            "rank 2": np.zeros((4, 16), np.uint8),
            "objects": np.array([None, {}], dtype=object),
            "two channels": np.zeros((4, 16, 16, 2), np.uint8),
        }
        np.save(folder.with_suffix(".npy"), arrays[kind])
        return folder.with_suffix(".npy")
    return folder


@pytest.mark.parametrize(
    "kind",
    [
        "empty",
        "unreadable",
        "one image in a class",
        ".npy",
        ".npz",
        ".zip",
        ".parquet",
        "traversal",
        "nan",
        "complex",
        "rank 2",
        "objects",
        "two channels",
    ],
)
@pytest.mark.parametrize("command", ["train", "augment", "inspect"])
def test_bad_data_is_one_line(command: str, kind: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    data = bad_data(kind, tmp_path / "data")
    refused(tmp_path, command, data, *([] if command == "inspect" else ["--out", "out"]))


def test_truncated_images_are_named_or_refused(bars_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(bars_folder, tmp_path / "data")
    victim = next(iter((tmp_path / "data" / "high").iterdir()))
    victim.write_bytes(victim.read_bytes()[:60])
    result = call("train", tmp_path / "data", "--images", 16, "--out", tmp_path / "run", *SMALL)
    assert result.exit_code == 0
    assert victim.name in result.stderr
    assert victim.name in refused(tmp_path, "train", tmp_path / "data", "--strict", "--out", tmp_path / "other")


def test_full_disk_is_one_line_and_leaves_nothing(
    bars_npz: Path, tiny_run: augan.Run, tmp_path: Path, monkeypatch: Any
) -> None:
    import augan.core.files

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(augan.core.files, "_sync", full)
    for arguments in (
        ["generate", tiny_run.path, "--count", 3, "--out", tmp_path / "a.npz"],
        ["generate", tiny_run.path, "--count", 3, "--out", tmp_path / "folder"],
        ["augment", bars_npz, "--run", tiny_run.path, "--out", tmp_path / "b.npz"],
    ):
        assert "no space left" in refused(tmp_path, *arguments).lower()


def test_unforeseen_errors_are_one_line_too(monkeypatch: Any, tmp_path: Path) -> None:
    import augan.api

    def broken(*arguments: Any, **options: Any) -> None:
        raise RuntimeError("unforeseen\nand long")

    monkeypatch.setattr(augan.api, "inspect", broken)
    result = call("inspect", tmp_path)
    assert result.exit_code == 1
    assert (
        result.stderr.strip() == "Error: internal, RuntimeError: unforeseen and long. `augan --debug ...` shows where."
    )
    assert isinstance(call("--debug", "inspect", tmp_path).exception, RuntimeError)


def test_wrong_usage_ends_with_2(bars_npz: Path) -> None:
    assert call("trian").exit_code == 2
    assert call("train").exit_code == 2
    assert call("train", bars_npz, "--nothing").exit_code == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_saves_and_resumes(number: int, bars_npz: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-m", "augan", "train", str(bars_npz), "--out", str(run)]
    process = subprocess.Popen([*command, "--images", "100000", *SMALL], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (run / "metrics.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(number)
    sent = time.monotonic()
    _, shown = process.communicate(timeout=60)
    assert time.monotonic() - sent < 30
    assert process.returncode == 1
    assert "--resume" in shown
    seen = augan.Run(run).summary()["images_seen"]
    assert 0 < seen < 100_000
    more = subprocess.run([*command, "--resume", "--images", str(seen + 32), "--quiet"], env=os.environ, check=False)
    assert more.returncode == 0
    assert augan.Run(run).summary()["state"] == "finished"


@pytest.mark.slow
def test_demo(tmp_path: Path, monkeypatch: Any) -> None:
    from augan.recipes import demo

    monkeypatch.setattr(demo, "COUNTS", {name: count // 10 for name, count in demo.COUNTS.items()})
    result = call("demo", "--minutes", 0.05, "--out", tmp_path / "demo")
    assert result.exit_code == 0, result.stderr
    for name in ("samples.png", "interpolation.gif", "quality.json", "balanced/manifest.json", "run/config.json"):
        assert (tmp_path / "demo" / name).stat().st_size > 0
    assert set(augan.data.class_counts(augan.open(tmp_path / "demo" / "balanced")).values()) == {50}
    assert result.stderr.count("augan ") >= 3


def test_evaluate_and_compare_on_the_command_line(tiny_run: augan.Run, bars_npz: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    shown = call("evaluate", tiny_run.path, "--against", bars_npz, "--holdout", bars_npz, "--html", page)
    assert shown.exit_code == 0, shown.output
    for part in ("Fréchet distance", "recall", "high", "data-copying", "note:"):
        assert part in shown.stdout
    assert "report.html" in shown.stderr
    assert page.exists()
    plain = call("evaluate", bars_npz, "--against", bars_npz, "--features", "bundled", "--accuracy-score")
    assert "accuracy of samples (CAS)" in plain.stdout
    assert "not measured" in plain.stdout
    saved = tmp_path / "a.json"
    saved.write_text(call("evaluate", bars_npz, "--against", bars_npz, "--json").stdout)
    assert json.loads(saved.read_text())["against"] == str(bars_npz)
    side_by_side = call("compare-runs", saved, saved)
    assert side_by_side.exit_code == 0, side_by_side.output
    assert "precision" in side_by_side.stdout
    refused = call("compare-runs", saved, tiny_run.path)
    assert refused.exit_code == 2
    assert refused.stderr.startswith("Error: These numbers cannot be compared")
    forced = call("compare-runs", saved, tiny_run.path, "--force")
    assert "warning:" in forced.stdout
    assert json.loads(call("compare-runs", saved, saved, "--json").stdout)["runs"] == [str(saved)] * 2
    anew = call("compare-runs", tiny_run.path, tiny_run.path, "--against", bars_npz, "--count", 40, "--json")
    assert json.loads(anew.stdout)["warnings"] == []
