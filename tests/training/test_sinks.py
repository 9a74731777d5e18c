"""Loggers hear what metrics.jsonl holds; one that fails or is missing costs no run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import augan
from augan.cli.app import app
from augan.core.errors import UserError
from augan.core.sounds import write_wav
from augan.training import Observer
from augan.training.config import LOGGERS
from augan.training.sinks import SINKS, flat, scalars
from common import TINY

SMALL = [part for setting in TINY for part in ("--set", setting)]


class Heard:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.sheets: list[Path] = []
        self.events: list[str] = []

    def begin(self, folder: Path, config: Any, images_seen: int) -> None:
        self.events.append(f"begin {folder.name} {config.seed} {images_seen}")

    def add(self, row: Mapping[str, Any]) -> None:
        self.rows.append(dict(row))

    def sheet(self, images_seen: int, path: Path) -> None:
        assert path.is_file()
        self.sheets.append(path)

    def end(self, state: str) -> None:
        self.events.append(f"end {state}")


class Broken(Heard):
    """A sink whose server is away."""

    def add(self, row: Mapping[str, Any]) -> None:
        raise ConnectionError("no route to host")


class Acts(Observer):
    """Remembers what the run says about itself."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def act(self, text: str) -> None:
        self.said.append(text)


def test_a_sink_hears_each_line_of_the_journal_and_each_sheet(bars_npz: Path, tmp_path: Path) -> None:
    heard = Heard()
    out = tmp_path / "run"
    run = augan.train(bars_npz, images=96, out=out, recipe="strided", settings=TINY, log=[heard])
    assert heard.rows == list(run.metrics())
    assert heard.sheets == sorted((out / "samples").iterdir())
    assert heard.events == ["begin run 0 0", "end finished"]
    again = Heard()
    augan.train(bars_npz, images=128, out=out, resume=True, log=[again])
    assert again.events == ["begin run 0 96", "end finished"]


def _sentences(folder: Path, heard: Heard) -> augan.Run:
    lines = [f"{a} {b} {c}" for a in "abcdefgh" for b in "klmno" for c in "xyzuvw"]
    small = ["width=8", "embedding=4", "likelihood_batch=4", "snapshots=2", "held_out=0.3", "threads=1"]
    return augan.train(lines, kind="text", images=16, out=folder, settings=small, log=[heard])


def _translation(folder: Path, heard: Heard) -> augan.Run:
    images = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 1), dtype=np.uint8)
    small = ["width=4", "patch_width=4", "batch=2", "snapshots=2", "held_out=2", "threads=1"]
    return augan.translate.train(images, 255 - images, paired=True, images=8, out=folder, settings=small, sinks=[heard])


def _vocoder(folder: Path, heard: Heard) -> augan.Run:
    for number in range(4):
        wave = np.sin(np.arange(4096) * (0.1 + 0.05 * number))[None].astype(np.float32)
        (folder.parent / "sounds").mkdir(exist_ok=True)
        write_wav(folder.parent / "sounds" / f"{number}.wav", 0.5 * wave, 8_000)
    layers = (
        '{"channels":8,"rates":[8,4],"kernels":[16,8],"block_kernels":[3],"dilations":[[1]],"inverse_hop":4,"guide":2}'
    )
    small = [f"generator={layers}", "batch=2", "segment=1024", "judges=16", "held_out=1", "snapshots=2", "threads=1"]
    return augan.vocoder.train(folder.parent / "sounds", steps=4, out=folder, settings=small, sinks=[heard])


@pytest.mark.parametrize("train", [_sentences, _translation, _vocoder])
def test_other_trainers_tell_their_sinks_the_same(train: Callable[[Path, Heard], augan.Run], tmp_path: Path) -> None:
    heard = Heard()
    run = train(tmp_path / "run", heard)
    assert heard.rows == list(run.metrics())
    assert len(heard.rows) >= 2
    assert heard.events == ["begin run 0 0", "end finished"]
    assert heard.sheets == sorted((run.path / "samples").glob("*.png"))


@pytest.mark.parametrize(
    "command", [("train", "words.txt"), ("translate", "train", "words.txt"), ("vocoder", "train", "x")]
)
def test_other_commands_know_the_names_of_loggers(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("one two\nthree four\n" * 20)
    places = [str(tmp_path / part) if "." in part else part for part in command]
    result = CliRunner().invoke(app, [*places, "--log", "tensorbord", "--out", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert "Unknown logger 'tensorbord'. Did you mean 'tensorboard'?" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_sink_that_fails_is_left_out_and_said_once(bars_npz: Path, tmp_path: Path) -> None:
    acts, well = Acts(), Heard()
    run = augan.train(
        bars_npz, images=96, out=tmp_path / "run", recipe="strided", settings=TINY, log=[Broken(), well], observer=acts
    )
    assert acts.said == ["The logger Broken failed (ConnectionError: no route to host); the run goes on without it."]
    assert well.rows == list(run.metrics())


def test_names_are_known_before_anything_is_written(bars_npz: Path, tmp_path: Path) -> None:
    assert tuple(SINKS) == LOGGERS
    asked = ["train", str(bars_npz), "--recipe", "strided", "--log", "tensorbord", "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 2
    assert "Unknown logger 'tensorbord'. Did you mean 'tensorboard'?" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_missing_logger_says_what_brings_it(bars_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    with pytest.raises(UserError, match=r"--log wandb needs wandb. Install it with: pip install 'augan\[wandb\]'"):
        augan.train(bars_npz, images=96, out=tmp_path / "run", recipe="strided", settings=TINY, log=["wandb"])
    assert not (tmp_path / "run").exists()


def test_numbers_of_a_row_and_keys_of_settings() -> None:
    row = {"images_seen": 1, "elapsed_sec": 2.0, "quality": {"frechet": 3, "class_agreement": {"cat": 0.5}}, "ok": True}
    assert scalars(row) == {"quality/frechet": 3.0, "quality/class_agreement/cat": 0.5}
    assert flat({"a": {"b": 1}, "c": [2]}) == {"a.b": 1, "c": [2]}


def trained(bars_npz: Path, out: Path, *names: str) -> augan.Run:
    """A run by the command line, with loggers, and resumed."""
    log = [part for name in names for part in ("--log", name)]
    for options in (["--images", "64", "--recipe", "strided", *SMALL, *log], ["--images", "96", "--resume"]):
        result = CliRunner().invoke(app, ["train", str(bars_npz), "--out", str(out), "--quiet", *options])
        assert result.exit_code == 0, result.output
        assert "failed" not in result.stderr
    return augan.Run(out)


def test_tensorboard_reads_what_was_logged(bars_npz: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = trained(bars_npz, tmp_path / "run", "tensorboard")
    assert run.config["training"]["log"] == ["tensorboard"]  # so that it goes on where the run is resumed
    read = EventAccumulator(str(run.path / "tensorboard"))
    read.Reload()
    logged = [(event.step, event.value) for event in read.Scalars("quality/frechet")]
    expected = [(row["images_seen"], row["quality"]["frechet"]) for row in run.metrics() if "quality" in row]
    assert [step for step, _ in logged] == [step for step, _ in expected]
    assert [value for _, value in logged] == pytest.approx([value for _, value in expected])
    assert [image.step for image in read.Images("samples")] == sorted({step for step, _ in expected})
    assert read.Images("samples")[0].width > 16


def test_mlflow_reads_what_was_logged(bars_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run = trained(bars_npz, tmp_path / "run", "mlflow")
    client = mlflow.MlflowClient((run.path / "mlruns").as_uri())
    experiment = client.get_experiment_by_name("augan")
    resumed, first = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"])
    assert resumed.info.status == first.info.status == "FINISHED"
    assert first.data.params["networks.width"] == "8"
    measured = [row["quality"]["frechet"] for row in run.metrics() if "quality" in row]
    history = [
        entry.value
        for one in (first, resumed)
        for entry in client.get_metric_history(one.info.run_id, "quality/frechet")
    ]
    assert history == pytest.approx(measured)
    assert client.list_artifacts(first.info.run_id, "samples")


def test_wandb_keeps_an_offline_run(bars_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    run = trained(bars_npz, tmp_path / "run", "wandb")
    kept = sorted((run.path / "wandb").glob("offline-run-*/*.wandb"))
    assert kept
    assert b"quality/frechet" in b"".join(path.read_bytes() for path in kept)
    assert list((run.path / "wandb").glob("offline-run-*/files/media/images/samples*.png"))
