"""`augan doctor` on a real run: what it reads, says and draws."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

import augan
from augan.apply import diagnose_run, plot_run
from augan.apply.diagnosis import record_of
from augan.cli.app import app
from augan.core.errors import UserError


@pytest.fixture
def run(tiny_run: augan.Run, tmp_path: Path) -> Path:
    shutil.copytree(tiny_run.path, tmp_path / "run")
    with open(tmp_path / "run" / "metrics.jsonl", "a") as file:
        for seen in (490, 500):
            row = {"images_seen": seen, "loss_discriminator": 1.0, "loss_generator": 1.0, "real_logit": 30.0}
            file.write(json.dumps({**row, "fake_logit": 0.0, "overfitting": 0.5, "spread": 0.8}) + "\n")
        file.write(json.dumps({"images_seen": 500, "act": "it broke: back", "rate_factor": 0.5}) + "\n")
    return tmp_path / "run"


def test_a_run_is_read(run: Path) -> None:
    record = record_of(augan.Run(run))
    assert (record.images, record.classes, record.state) == (110, 3, "finished")
    assert len(record.measures) == 2
    diagnosis = diagnose_run(run)
    assert diagnosis.acts == ("after 500 images: it broke: back",)
    assert "the learning rate is too high" in [finding.cause for finding in diagnosis.findings]


def test_the_command_says_and_draws_it(run: Path) -> None:
    said = CliRunner().invoke(app, ["doctor", str(run)])
    assert said.exit_code == 0
    assert "learning rate is too high" in said.output
    assert "What it did about itself" in said.output
    with Image.open(run / "doctor.png") as picture:
        assert min(picture.size) > 300
    document = json.loads(CliRunner().invoke(app, ["doctor", str(run), "--json", "--plots", str(run / "x.png")]).stdout)
    assert document["plots"].endswith("x.png")
    assert (run / "x.png").exists()
    assert document["findings"][0].keys() == {"cause", "evidence", "advice"}


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run"):
        diagnose_run(tmp_path)
    with pytest.raises(UserError, match="is not a run"):
        plot_run(tmp_path, tmp_path / "x.png")
