"""A model, or any images, against real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import augan
from augan.core.errors import UserError
from common import shapes


def test_run_against_its_data(tiny_run: augan.Run, bars_folder: Path) -> None:
    quality = augan.evaluate(tiny_run.path, bars_folder, count=60)
    assert (quality.real_images, quality.fake_images) == (60, 60)
    assert quality.agreement is not None
    assert augan.evaluate(augan.load(tiny_run.path), bars_folder, count=60) == quality


def test_images_against_images(bars_npz: Path, bars_folder: Path, tmp_path: Path) -> None:
    same = augan.evaluate(bars_folder, bars_npz)
    assert same.frechet == pytest.approx(0, abs=1e-4)
    assert same.precision == same.recall == 1
    noise = np.random.default_rng(0).integers(0, 256, (80, 16, 16), dtype=np.uint8)
    worse = augan.evaluate(noise, bars_npz)
    assert worse.frechet > 10 * same.frechet + 1
    assert worse.precision < 0.2
    assert worse.agreement is None


def test_classes_are_matched_by_name(bars_npz: Path) -> None:
    """The other side has two of the three classes, in another order."""
    images, labels = shapes({"high": 20, "middle": 20, "low": 20}, seed=2)
    chosen = labels != 1
    folder = bars_npz.parent / "two"
    if not folder.exists():
        augan.data.write_folder(images[chosen], (labels[chosen] == 0).astype(np.int64), ("low", "high"), folder)
    quality = augan.evaluate(folder, bars_npz)
    assert quality.agreement is not None
    assert quality.agreement > 0.9


def test_refusals(bars_npz: Path, tiny_run: augan.Run) -> None:
    rgb = np.zeros((6, 16, 16, 3), dtype=np.uint8)
    with pytest.raises(UserError, match="channels"):
        augan.evaluate(rgb, bars_npz)
    with pytest.raises(UserError, match="channels"):
        augan.evaluate(tiny_run.path, rgb)
    images, labels = shapes({"a": 4, "b": 4})
    with pytest.raises(UserError, match="does not have these classes"):
        augan.evaluate((images, labels + 5), bars_npz)
    with pytest.raises(UserError, match="at least 5"):
        augan.evaluate(np.zeros((3, 16, 16), np.uint8), bars_npz)
