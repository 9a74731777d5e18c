"""Every example runs, with a tiny budget, in a folder and with a cache of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "examples"
SCRIPTS = sorted(path.name for path in FOLDER.glob("*.py") if path.name != "shapes.py")


@pytest.mark.parametrize("name", SCRIPTS)
def test_example(name: str, tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, str(FOLDER / name), "--images", "64"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()
    assert (tmp_path / "run" / "result.json").exists()


@pytest.mark.parametrize("name", SCRIPTS)
def test_example_is_short_and_says_what_it_is(name: str) -> None:
    text = (FOLDER / name).read_text()
    assert text.startswith('"""')
    assert len(text.splitlines()) <= 40


def test_example_leaves_a_run_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").touch()
    command = [sys.executable, str(FOLDER / "train_and_sample.py"), "--images", "64"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode != 0
    assert "overwrites nothing" in result.stderr
