"""`augan init` writes what `augan train --config` reads, and nothing that is not known is passed over."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from augan.cli.app import app
from augan.core.config import to_dict
from augan.recipes import config_text
from augan.training import RunConfig, TrainingConfig


def call(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def resolved(*arguments: object) -> dict[str, Any]:
    result = call("train", *arguments, "--dry-run")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def uncommented(text: str) -> str:
    """The file with every setting in force that has a value."""
    lines = []
    for line in text.splitlines():
        setting = line.startswith("# ") and " = " in line and not line.endswith("# not set")
        lines.append(line[2:] if setting else line)
    return "\n".join(lines)


def test_every_setting_is_there_with_its_value_and_meaning() -> None:
    config = RunConfig(training=TrainingConfig(minutes=5.0))
    text = config_text(config, "augan.toml", chosen=False)
    values = to_dict(config)
    read = tomllib.loads(uncommented(text))
    for group in ("data", "networks", "game", "training"):
        assert read.get(group, {}) == {name: value for name, value in values[group].items() if value is not None}
        for name in values[group]:
            at = next(
                number
                for number, line in enumerate(text.splitlines())
                if line.removeprefix("# ").startswith(f"{name} =")
            )
            assert text.splitlines()[at - 1].startswith("## ")
    assert tomllib.loads(text) == {
        "recipe": "auto", "seed": 0, "data": {}, "networks": {}, "game": {}, "training": {"minutes": 5.0}
    }  # fmt: skip


def test_init_for_data_and_train_by_the_file(bars_npz: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    result = call("init", bars_npz, "--out", file)
    assert result.exit_code == 0, result.output
    assert f"augan train --config {file}" in result.stderr.replace("\n", "")
    assert resolved("--config", file) == resolved(bars_npz)
    assert call("init", "--out", file).exit_code == 2  # what is there stays
    text = file.read_text().replace('recipe = "auto"', 'recipe = "strided"').replace("seed = 0", "seed = 7")
    file.write_text(text.replace("[game]", '[game]\nobjective = "hinge"').replace("minutes = 5.0", "images = 64"))
    config = resolved("--config", file)
    assert (config["recipe"], config["seed"], config["game"]["objective"]) == ("strided", 7, "hinge")
    assert (config["training"]["images"], config["training"]["minutes"]) == (64, None)


def test_options_win_over_the_file(bars_npz: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'recipe = "strided"\nseed = 7\n[data]\nsize = "8"\n[game]\nobjective = "hinge"\n'
        '[training]\nminutes = 2\ndevice = "cuda"\nlog = ["tensorboard"]\n'
    )
    given = [bars_npz, "--config", file, "--seed", "3", "--images", "32", "--device", "cpu", "--size", "12"]
    config = resolved(*given, "--set", "game.objective=minimax", "--log", "mlflow")
    assert config["seed"] == 3
    assert config["training"]["images"] == 32
    assert config["training"]["minutes"] is None
    assert config["training"]["device"] == "cpu"
    assert config["training"]["log"] == ["mlflow"]
    assert config["data"]["size"] == "12"
    assert config["game"]["objective"] == "minimax"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recipee = 'auto'", "Unknown name"),
        ("[training]\nbach = 3", "Did you mean 'batch'"),
        ("[training.inner]\nbatch = 3", "inner"),
        ("training = 3", "group of settings"),
        ("[seed]\nx = 1", "'seed' is a value"),
        ("seed = 'one'", "wrong kind"),
        ("[training]\nminutes = true", "wrong kind"),
        ("[training]\nbatch = 'many'", "training.batch"),
        ("batch =", "not TOML"),
        ("recipe = 'fast'", "fast"),
    ],
)
def test_what_is_not_known_is_refused(text: str, message: str, bars_npz: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    result = call("train", bars_npz, "--config", file, "--images", "32", "--out", tmp_path / "run")
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert message in line
    assert not (tmp_path / "run").exists()


def test_without_data_or_file(tmp_path: Path) -> None:
    assert "Missing argument DATA" in call("train").stderr
    assert "no-such.toml" in call("train", "--config", tmp_path / "no-such.toml").stderr
