"""A bigger, balanced copy: real items untouched, each synthetic one listed and reproducible."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import augan
from augan.apply import images_to_add
from augan.core.errors import UserError
from augan.core.item import from_unit
from augan.networks import NetworkConfig, build
from common import TINY, shapes

COUNTS = {"high": 60, "middle": 30, "low": 20}


@pytest.mark.parametrize(
    ("strategy", "added"),
    [
        ("auto", {"high": 0, "middle": 30, "low": 40}),
        ("all", {"high": 60, "middle": 90, "low": 100}),
        ("50", {"high": 0, "middle": 20, "low": 30}),
        ("low=25, high=61", {"high": 1, "middle": 0, "low": 5}),
    ],
)
def test_strategies(strategy: str, added: dict[str, int]) -> None:
    assert images_to_add(COUNTS, strategy) == added


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ("most", "auto, all, a number"),
        ("10", "larger number"),
        ("-5", "not understood"),
        ("low=10", "never removed"),
        ("lo=30", "Did you mean 'low'"),
        ("low=30,low=40", "twice"),
        ("low=30,40", "no '='"),
        ("low=many", "not understood"),
    ],
)
def test_wrong_strategies(strategy: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        images_to_add(COUNTS, strategy)


def test_class_names_may_hold_an_equals_sign() -> None:
    assert images_to_add({"a=b": 1, "c": 3}, "a=b=2") == {"a=b": 1, "c": 0}


def test_folder_to_folder(bars_folder: Path, tiny_run: augan.Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = augan.augment(bars_folder, out, run=tiny_run.path, seed=4)
    assert result.added == {"high": 0, "middle": 30, "low": 40}
    for path in bars_folder.rglob("*.png"):
        assert (out / path.relative_to(bars_folder)).read_bytes() == path.read_bytes()
    assert {name: len(list((out / name).iterdir())) for name in COUNTS} == dict.fromkeys(COUNTS, 60)
    manifest = json.loads(result.manifest.read_text())
    listed = {item["file"] for item in manifest["items"]}
    assert listed == {str(path.relative_to(out)) for path in out.rglob("synthetic-*.png")}
    model = augan.load(tiny_run.path)
    assert manifest["generator"] == model.hash
    for item in (manifest["items"][0], manifest["items"][-1]):
        again = model.sample(1, classes=[item["class"]], seed=item["seed"], first=item["index"])
        assert np.array_equal(np.asarray(Image.open(out / item["file"])), from_unit(again)[0, :, :, 0])
        assert item["generator"] == model.hash[:16]
        assert 0 <= item["scores"]["class_probability"] <= 1
        assert item["scores"]["nearest_real"] >= 0
    assert augan.open(out).item == augan.open(bars_folder).item


def untrained(data: Any) -> augan.Model:
    """A model that fits the data."""
    item = augan.open(data).item
    return augan.Model(build(NetworkConfig(width=8, latent_size=8), item)[0], item)


ARRAYS: dict[str, Any] = {
    "uint8": lambda images: images,
    "uint16": lambda images: images.astype(np.uint16) * 16,
    "float": lambda images: images.astype(np.float32) / 255,
    "signed": lambda images: images.astype(np.float64) / 127.5 - 1,
    "bool": lambda images: images > 120,
    "bare": lambda images: images[..., 0],
    "channels first": lambda images: np.moveaxis(images.repeat(3, 3), 3, 1),
}


@pytest.mark.parametrize("kind", ARRAYS)
@pytest.mark.parametrize("labels", ["names", "strings", "numbers"])
def test_npz_to_npz(kind: str, labels: str, tmp_path: Path) -> None:
    images, numbers = shapes({"a": 8, "b": 5})
    images = ARRAYS[kind](images)
    arrays = {"images": images, "labels": numbers, "extra": np.arange(3)}
    if labels == "names":
        arrays["class_names"] = np.array(["a", "b"])
    elif labels == "strings":
        arrays["labels"] = np.array(["a", "b"])[numbers]
    else:
        arrays["labels"] = numbers * 7 + 3
    np.savez(tmp_path / "in.npz", **arrays)
    result = augan.augment(tmp_path / "in.npz", tmp_path / "out.npz", run=untrained(tmp_path / "in.npz"))
    with np.load(tmp_path / "out.npz") as out:
        assert out["images"].dtype == images.dtype
        assert out["images"].shape == (16, *images.shape[1:])
        assert np.array_equal(out["images"][:13], images)
        new = out["images"][13:].astype(np.float64)
        assert images.min() - 1e-9 <= new.min() <= new.max() <= max(images.max(), 4095 * (kind == "uint16"))
        assert out["labels"].dtype == arrays["labels"].dtype
        assert out["labels"][13:].tolist() == [arrays["labels"][numbers == 1][0]] * 3
        assert out["synthetic"].tolist() == [False] * 13 + [True] * 3
        assert np.array_equal(out["extra"], arrays["extra"])
    manifest = json.loads(result.manifest.read_text())
    assert [item["file"] for item in manifest["items"]] == ["images[13]", "images[14]", "images[15]"]
    assert set(augan.data.class_counts(augan.open(tmp_path / "out.npz")).values()) == {8}


def zipped(folder: Path, path: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, prefix + str(file.relative_to(folder)))
    return path


@pytest.mark.parametrize("prefix", ["", "wrapper/"])
def test_zip_to_zip(prefix: str, bars_folder: Path, tiny_run: augan.Run, tmp_path: Path) -> None:
    data = zipped(bars_folder, tmp_path / "in.zip", prefix)
    augan.augment(data, tmp_path / "out.zip", run=tiny_run.path)
    with zipfile.ZipFile(data) as before, zipfile.ZipFile(tmp_path / "out.zip") as after:
        assert all(after.read(name) == before.read(name) for name in before.namelist())
        assert len([name for name in after.namelist() if "synthetic-" in name]) == 70
        assert len(json.loads(after.read("manifest.json"))["items"]) == 70
    assert set(augan.data.class_counts(augan.open(tmp_path / "out.zip")).values()) == {60}


def test_part_of_a_zip_to_a_folder(bars_folder: Path, tiny_run: augan.Run, tmp_path: Path) -> None:
    data = zipped(bars_folder, tmp_path / "in.zip", "train/")
    with zipfile.ZipFile(data, "a") as archive:
        archive.writestr("test/high/a.png", (next(iter((bars_folder / "high").iterdir()))).read_bytes())
    augan.augment(f"{data}/train", tmp_path / "out", run=tiny_run.path)
    assert len(list((tmp_path / "out").rglob("*.png"))) == 180


def test_unlabelled_array_and_folder(tmp_path: Path) -> None:
    images, _ = shapes({"only": 12}, channels=3)
    np.save(tmp_path / "in.npy", images)
    run = untrained(tmp_path / "in.npy")
    with pytest.raises(UserError, match="no labels.*--strategy N"):
        augan.augment(tmp_path / "in.npy", tmp_path / "out.npy", run=run)
    augan.augment(tmp_path / "in.npy", tmp_path / "out.npy", run=run, strategy="20")
    out = np.load(tmp_path / "out.npy")
    assert out.shape == (20, 16, 16, 3)
    assert np.array_equal(out[:12], images)
    folder = augan.data.write_folder(images, None, None, tmp_path / "flat")
    augan.augment(folder, tmp_path / "more", run=run, strategy="15")
    assert len(list((tmp_path / "more").glob("*.png"))) == 15


def test_other_layouts(bars_npz: Path, bars_folder: Path, tiny_run: augan.Run, tmp_path: Path) -> None:
    augan.augment(bars_npz, tmp_path / "folder", run=tiny_run.path)
    augan.augment(bars_folder, tmp_path / "array.npz", run=tiny_run.path)
    for out in (tmp_path / "folder", tmp_path / "array.npz"):
        assert set(augan.data.class_counts(augan.open(out)).values()) == {60}
    with pytest.raises(UserError, match="cannot hold labels"):
        augan.augment(bars_npz, tmp_path / "a.npy", run=tiny_run.path)
    with pytest.raises(UserError, match="Cannot write '.tar'"):
        augan.augment(bars_npz, tmp_path / "a.tar", run=tiny_run.path)


def test_images_get_the_size_of_the_originals(tmp_path: Path) -> None:
    images, labels = shapes({"a": 5, "b": 3}, side=300)
    augan.data.write_folder(images, labels, ("a", "b"), tmp_path / "in")
    run = augan.train(tmp_path / "in", images=16, size=16, out=tmp_path / "run", settings=TINY).path
    augan.augment(tmp_path / "in", tmp_path / "out", run=run)
    assert {Image.open(path).size for path in (tmp_path / "out").rglob("*.png")} == {(300, 300)}


def test_trains_first_without_a_run(bars_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    augan.augment(bars_npz, tmp_path / "out.npz", minutes=0.02, settings=TINY, force=True)
    assert (tmp_path / "runs" / "bars-1" / "result.json").exists()
    assert (tmp_path / "out.npz").exists()


def test_refusals_leave_nothing(bars_npz: Path, tiny_run: augan.Run, tmp_path: Path) -> None:
    model = augan.load(tiny_run.path)
    rgb, labels = shapes(COUNTS, channels=3)
    small = shapes({"high": 5, "odd": 3})
    np.savez(tmp_path / "odd.npz", images=small[0], labels=small[1], class_names=np.array(["high", "odd"]))
    even = shapes({"high": 5, "low": 5})
    np.savez(tmp_path / "even.npz", images=even[0], labels=even[1], class_names=np.array(["high", "low"]))
    plain = untrained(rgb[:20])
    for data, run, message in (
        ((rgb, labels), model, "1 channels.* has 3"),
        (tmp_path / "odd.npz", model, "does not know these classes.*odd"),
        (tmp_path / "even.npz", model, "Nothing to add"),
        ((rgb, labels), plain, "without classes"),
    ):
        with pytest.raises(UserError, match=message):
            augan.augment(data, tmp_path / "out", run=run)
    with pytest.raises(UserError, match="has size 16x16"):
        augan.augment(augan.open(bars_npz), tmp_path / "out", run=other_size(model))
    assert not (tmp_path / "out").exists()


def other_size(model: augan.Model) -> augan.Model:
    from dataclasses import replace

    return augan.Model(model.generator, replace(model.item, height=32, width=32))
