"""What programs rely on: standard output, exit codes, one line for each mistake, nothing left behind."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

import augan
from augan.cli.app import app
from augan.cli.console import counting
from common import TINY, shapes

SMALL = [part for setting in TINY for part in ("--set", setting)]


def call(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(folder: Path, *arguments: object) -> str:
    """Runs a command that must end with 2 and one line, with nothing in `folder` changed; returns the line."""
    before = {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}
    result = call(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert "Traceback" not in line
    assert {path: path.lstat().st_mtime_ns for path in folder.rglob("*")} == before
    return str(line)


# ---------------------------------------------------------------------- usage


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "No such command 'trian'"),
        (["--nothing"], "No such option: --nothing"),
        (["train"], "Missing argument"),
        (["train", "x", "--nothing"], "`augan train --help`"),
        (["train", "x", "--images", "few"], "--images"),
        (["train", "x", "--seed", "-1"], "--seed"),
        (["generate", "x"], "Missing option"),
        (["evaluate", "x", "--against", "y", "--count", "4"], "--count"),
        (["augment", "x"], "--out"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], message: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused(tmp_path, *arguments).replace("trian'. Did you mean 'train'", "trian'")


def test_no_arguments_show_the_help() -> None:
    shown = call()
    assert "Usage" in shown.output
    assert "Error" not in shown.output


# ---------------------------------------------------------------------- bad data, each through the command line


def text_as_png(folder: Path) -> Path:
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        for i in range(3):
            (folder / name / f"{i}.png").write_text("GIF89a, it says")
    return folder


def one_broken(folder: Path) -> Path:
    augan.data.write_folder(*shapes({"a": 4, "b": 4}), ("a", "b"), folder)
    victim = folder / "a" / "0.png"
    victim.write_bytes(victim.read_bytes()[:50])
    return folder


def zip_bomb(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("a.png", bytes(101_000_000))
        archive.writestr("b.png", b"x")
    return path


def pickled(folder: Path) -> Path:
    np.savez(folder.with_suffix(".npz"), images=np.array([{}, None], dtype=object))
    return folder.with_suffix(".npz")


def wrong_labels(folder: Path) -> Path:
    np.savez(folder.with_suffix(".npz"), images=shapes({"a": 6})[0], labels=np.arange(4))
    return folder.with_suffix(".npz")


def single_image(folder: Path) -> Path:
    Image.new("L", (16, 16)).save(folder.with_suffix(".png"))
    return folder.with_suffix(".png")


def parts(folder: Path) -> Path:
    images, labels = shapes({"train": 3, "test": 3})
    return augan.data.write_folder(images, labels, ("train", "test"), folder)


def loose(folder: Path) -> Path:
    augan.data.write_folder(*shapes({"a": 4, "b": 4}), ("a", "b"), folder)
    Image.new("L", (16, 16)).save(folder / "loose.png")
    return folder


def tiny_images(folder: Path) -> Path:
    np.save(folder.with_suffix(".npy"), np.zeros((5, 6, 7), np.uint8))
    return folder.with_suffix(".npy")


def cut_npy(folder: Path) -> Path:
    path = folder.with_suffix(".npy")
    np.save(path, shapes({"a": 6})[0])
    path.write_bytes(path.read_bytes()[:400])
    return path


BAD: dict[str, tuple[Any, str, list[str]]] = {
    "files that lie about their format": (text_as_png, "6 of 6 images could not be read", []),
    "a truncated image, strictly": (one_broken, "0.png", ["--strict"]),
    "zip bomb": (zip_bomb, "zip bomb", []),
    "pickle": (pickled, "pickle", []),
    "labels of another number": (wrong_labels, "4 labels for 6 images", []),
    "a single image": (single_image, "single image", []),
    "parts of a data set": (parts, "parts of a data set", []),
    "loose images beside classes": (loose, "loose.png", []),
    "images of 6 pixels": (tiny_images, "smallest allowed", []),
    "a cut array": (cut_npy, "cut off", []),
    "size out of range": (loose, "out of range", ["--size", "4"]),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("command", ["train", "augment", "inspect"])
def test_bad_data(command: str, kind: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    make, message, options = BAD[kind]
    data = make(tmp_path / "data")
    out = [] if command == "inspect" else ["--out", "out"]
    assert message in refused(tmp_path, command, data, *out, *options)


@pytest.mark.parametrize("kind", ["files that lie about their format", "zip bomb", "a cut array"])
def test_bad_data_to_measure_against(kind: str, bars_npz: Path, tmp_path: Path) -> None:
    data = BAD[kind][0](tmp_path / "data")
    refused(tmp_path, "evaluate", data, "--against", bars_npz)
    refused(tmp_path, "evaluate", bars_npz, "--against", data)


def test_mixed_sizes_are_brought_to_one_and_that_is_said(tmp_path: Path) -> None:
    data = augan.data.write_folder(*shapes({"a": 4, "b": 4}), ("a", "b"), tmp_path / "data")
    Image.new("L", (40, 24)).save(data / "a" / "large.png")
    result = call("inspect", data, "--json")
    assert "2 different sizes" in " ".join(json.loads(result.stdout)["notes"])


@pytest.mark.parametrize("command", ["train", "augment", "generate", "demo"])
def test_nothing_is_overwritten(command: str, bars_npz: Path, tiny_run: augan.Run, tmp_path: Path) -> None:
    taken = [tmp_path / "folder", tmp_path / "file.npz", tmp_path / "link"]
    taken[0].mkdir()
    (taken[0] / "mine").write_text("mine")
    taken[1].write_text("mine")
    taken[2].symlink_to(tmp_path / "nowhere")
    arguments = {
        "train": [bars_npz, "--images", 16, *SMALL],
        "augment": [bars_npz, "--run", tiny_run.path],
        "generate": [tiny_run.path, "--count", 2],
        "demo": [],
    }[command]
    for out in taken:
        assert "exists already" in refused(tmp_path, command, *arguments, "--out", out)


@pytest.mark.parametrize("command", ["train", "augment", "generate", "demo"])
def test_places_that_cannot_be(command: str, bars_npz: Path, tiny_run: augan.Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    arguments = {
        "train": [bars_npz, "--images", 16, *SMALL],
        "augment": [bars_npz, "--run", tiny_run.path],
        "generate": [tiny_run.path, "--count", 2],
        "demo": [],
    }[command]
    for name in ("file/out", "n" * 300):
        assert "Cannot write" in refused(tmp_path, command, *arguments, "--out", tmp_path / name)


def test_damaged_runs_are_one_line(tiny_run: augan.Run, bars_npz: Path, tmp_path: Path) -> None:
    import shutil

    run = shutil.copytree(tiny_run.path, tmp_path / "run")
    for path in run.glob("checkpoints/0*/model.safetensors"):
        path.write_bytes(path.read_bytes()[:-9])
    out = tmp_path / "out"
    assert "damaged" in refused(tmp_path, "generate", run, "--count", 1, "--out", out)
    assert "damaged" in refused(tmp_path, "augment", bars_npz, "--run", run, "--out", out)
    assert "damaged" in refused(tmp_path, "evaluate", run, "--against", bars_npz)
    for path in run.glob("checkpoints/0*/training.safetensors"):
        path.write_bytes(path.read_bytes()[:-9])
    assert "damaged" in refused(tmp_path, "train", bars_npz, "--out", run, "--resume", "--images", 999, "--quiet")
    (run / "config.json").write_text("{")
    assert "not valid JSON" in refused(tmp_path, "train", bars_npz, "--out", run, "--resume")
    assert json.loads(call("runs", tmp_path, "--json").stdout)[0]["state"] == "damaged"
    assert "damaged" in call("runs", tmp_path).stdout


# ---------------------------------------------------------------------- full, read-only and forbidden disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 300 kB of its own, where that can be had."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)]
    if (
        not hasattr(os, "geteuid")
        or os.geteuid()
        or subprocess.run(command, check=False, capture_output=True).returncode
    ):
        pytest.skip("no right to mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize(
    ("command", "out"),
    [("generate", out) for out in ("a.npz", "folder", "a.mp4", "a.gif", "a.png")]
    + [("augment", out) for out in ("a.npz", "folder", "a.zip")],
)
def test_a_disk_that_fills_up(
    command: str, out: str, small_disk: Path, bars_npz: Path, tiny_run: augan.Run, monkeypatch: Any
) -> None:
    for module in ("augan.apply.generate", "augan.apply.layouts"):
        monkeypatch.setattr(sys.modules[module], "require_space", lambda path, needed: None)
    (small_disk / "ballast").write_bytes(bytes(290_000))
    arguments: list[object] = [tiny_run.path, "--count", 100]
    if command == "augment":
        arguments = [bars_npz, "--run", tiny_run.path, "--strategy", 900]
    assert "No space left" in refused(small_disk, command, *arguments, "--out", small_disk / out)


def test_a_disk_that_fills_up_while_training(small_disk: Path, bars_npz: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("augan.training.journal.require_space", lambda path, needed: None)
    line = refused(small_disk, "train", bars_npz, "--images", 64, "--out", small_disk / "run", "--quiet", *SMALL)
    assert "No space left" in line


def test_too_little_space_is_said_beforehand(small_disk: Path, bars_npz: Path, tiny_run: augan.Run) -> None:
    for arguments in (
        ["train", bars_npz, "--images", 64, "--quiet", *SMALL],
        ["generate", tiny_run.path, "--count", 10_000],
        ["augment", bars_npz, "--run", tiny_run.path, "--strategy", 9_000],
    ):
        assert "MB are free" in refused(small_disk, *arguments, "--out", small_disk / "out")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EPERM])
def test_places_that_must_not_be_written(
    number: int, bars_npz: Path, tiny_run: augan.Run, tmp_path: Path, monkeypatch: Any
) -> None:
    def forbidden(*arguments: Any, **options: Any) -> Any:
        raise OSError(number, os.strerror(number))

    place = tmp_path / "place"
    place.mkdir()
    make = os.mkdir

    def mkdir(path: Any, *arguments: Any, **options: Any) -> None:
        if place in Path(path).parents:
            forbidden()
        make(path, *arguments, **options)

    monkeypatch.setattr(os, "mkdir", mkdir)
    for arguments in (
        ["train", bars_npz, "--images", 64, "--quiet", *SMALL, "--out", place / "run"],
        ["generate", tiny_run.path, "--count", 5, "--out", place / "a" / "b.npz"],
        ["augment", bars_npz, "--run", tiny_run.path, "--out", place / "a" / "b"],
    ):
        assert "Not allowed to write" in refused(tmp_path, *arguments)


# ---------------------------------------------------------------------- output


def test_names_with_brackets_are_not_markup(tiny_run: augan.Run, tmp_path: Path, monkeypatch: Any) -> None:
    """Rich reads [/b] as the end of something, and fails where nothing began."""
    monkeypatch.chdir(tmp_path)
    images, labels = shapes({"a": 5, "b": 3})
    Path("[red]in[").mkdir()
    np.savez("[red]in[/b].npz", images=images, labels=labels, class_names=np.array(["[/x]", "[bold]"]))
    data = "[red]in[/b].npz"
    assert "[/x]" in call("inspect", data).stdout
    trained = call("train", data, "--images", 32, "--out", "[red]run[/c]", "--quiet", *SMALL)
    assert "[red]run[/c]" in trained.stderr
    run = "[red]run[/c]"
    assert "[red]out[/d]" in call("generate", run, "--count", 2, "--out", "[red]out[/d]/a.npz").stderr
    grown = call("augment", data, "--run", run, "--out", "[red]more[/e].npz", "--quiet")
    assert "[/x]: 5 real + 0 synthetic" in grown.stderr
    assert "[bold]: 3 real + 2 synthetic" in grown.stderr
    assert call("evaluate", run, "--against", data).exit_code == 0
    assert "[red]run[/c]" in call("runs", ".").stdout.replace("\n", "")


def test_long_paths_are_printed_whole(bars_npz: Path, tiny_run: augan.Run, tmp_path: Path) -> None:
    out = tmp_path / ("long-" * 30) / "a.npz"
    assert str(out) in call("generate", tiny_run.path, "--count", 2, "--out", out).stderr
    shown = call("runs", tiny_run.path.parent).stdout
    assert "…" not in shown.splitlines()[2]


@pytest.mark.skipif(os.name == "nt", reason="file names are text there")
def test_names_that_are_not_utf8_can_be_told(tmp_path: Path) -> None:
    folder = tmp_path / "caf\udce9"
    augan.data.write_folder(*shapes({"a": 4, "b": 4}), ("a", "b"), folder)
    result = subprocess.run(
        [sys.executable, "-m", "augan", "generate", os.fsencode(folder), "--count", "1", "--out", "x"],
        capture_output=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr.startswith(b"Error: ")


def test_json_alone_on_standard_output(bars_npz: Path, tiny_run: augan.Run, tmp_path: Path) -> None:
    run = tiny_run.path
    commands: dict[str, list[object]] = {
        "train": [bars_npz, "--images", 32, "--out", tmp_path / "run", *SMALL],
        "generate": [run, "--count", 3, "--out", tmp_path / "a.npz"],
        "augment": [bars_npz, "--run", run, "--out", tmp_path / "b.npz"],
        "evaluate": [run, "--against", bars_npz],
        "inspect": [bars_npz],
        "runs": [run.parent],
    }
    for command, arguments in commands.items():
        result = call(command, *arguments, "--json")
        assert result.exit_code == 0, result.stderr
        json.loads(result.stdout, parse_constant=lambda text: pytest.fail(f"{text} is not JSON"))


def test_dry_run_of_a_resumed_run_shows_its_own_settings(bars_npz: Path, tiny_run: augan.Run) -> None:
    result = call("train", bars_npz, "--out", tiny_run.path, "--resume", "--images", 999, "--dry-run")
    config = json.loads(result.stdout)
    assert config["networks"]["width"] == 8
    assert config["training"]["images"] == 999
    assert tiny_run.config["training"]["images"] == 480


def test_debug_shows_the_traceback_of_a_mistake(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "augan", "--debug", "inspect", str(tmp_path / "none")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "Traceback" in result.stderr
    assert "UserError" in result.stderr


def test_progress_appears_at_the_first_tick_and_in_terminals_only() -> None:
    for terminal, quiet, shown in ((True, False, True), (True, True, False), (False, False, False)):
        text = io.StringIO()
        with counting(Console(file=text, force_terminal=terminal), "Adding", 10, quiet) as tick:
            assert text.getvalue() == ""
            tick(3)
            tick(10)
        assert ("Adding 10" in text.getvalue()) == shown


@pytest.mark.parametrize(
    ("error", "code", "shown"),
    [
        (KeyboardInterrupt(), 1, "Interrupted; nothing half-written is left.\n"),
        (augan.Interrupted("Stopped and saved."), 1, "Stopped and saved.\n"),
        (augan.AuganError("Diverged\n  badly."), 1, "Error: Diverged badly.\n"),
        (augan.UserError("Wrong \udce9."), 2, "Error: Wrong \\udce9.\n"),
        (
            ZeroDivisionError("by zero"),
            1,
            "Error: internal, ZeroDivisionError: by zero. `augan --debug ...` shows where.\n",
        ),
    ],
)
def test_exit_codes(error: BaseException, code: int, shown: str, monkeypatch: Any) -> None:
    def failing(*arguments: Any, **options: Any) -> None:
        raise error

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(augan.api, "inspect", failing)
    result = call("inspect", "x")
    assert (result.exit_code, result.stderr, result.stdout) == (code, shown, "")
    assert signal.getsignal(signal.SIGTERM) is before
    if not isinstance(error, KeyboardInterrupt):
        assert call("--debug", "inspect", "x").exception is error
