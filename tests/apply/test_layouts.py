"""Copies of data sets in every layout, as awkward as users' data are."""

from __future__ import annotations

import errno
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import augan
from augan.apply import layouts
from augan.core.errors import UserError
from augan.core.item import from_unit
from augan.data import class_counts, subset, write_folder
from augan.networks import NetworkConfig, build
from common import shapes


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores are not of interest here."""
    monkeypatch.setattr("augan.metrics.in_domain.STEPS", 2)


def untrained(data: Any, size: Any = None) -> augan.Model:
    item = augan.open(data, size=size).item
    return augan.Model(build(NetworkConfig(width=4, latent_size=4), item)[0], item)


def grow(data: Any, out: Path, strategy: str = "auto", **options: Any) -> Any:
    return augan.augment(data, out, run=untrained(data), strategy=strategy, **options)


def pngs(folder: Path, counts: dict[str, int], seed: int = 0) -> Path:
    """PNG files in these subfolders ('a/b' is two deep)."""
    images, labels = shapes(counts, seed=seed)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / list(counts)[label] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[:, :, 0]).save(path)
    return folder


# ---------------------------------------------------------------------- folders and zips


@pytest.mark.parametrize(
    ("counts", "new"),
    [
        ({"a": 5, "b": 3}, "b"),
        ({"wrapper/a": 5, "wrapper/b": 3}, "wrapper/b"),
        ({"cat/cat": 5, "cat/dog": 3}, "cat/dog"),  # a wrapper that is called like a class
        ({"dog/cat": 5, "dog/dog": 3}, "dog/dog"),
        ({"a/a": 5, "b/b": 3}, "b"),  # folders in classes
        ({"a/x/y": 5, "b/x": 3}, "b"),
        ({"1/2/a": 5, "1/2/b": 3}, "1/2/b"),
        ({"synthetic-a": 5, "synthetic-b": 3}, "synthetic-b"),
    ],
)
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_new_files_lie_in_the_folder_of_their_class(
    kind: str, counts: dict[str, int], new: str, tmp_path: Path
) -> None:
    data, out = pngs(tmp_path / "in", counts), tmp_path / "out"
    if kind == "zip":
        with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
            for path in sorted(data.rglob("*.png")):
                archive.write(path, path.relative_to(data).as_posix())
        data, out = tmp_path / "in.zip", tmp_path / "out.zip"
    grow(data, out)
    names = (
        zipfile.ZipFile(out).namelist()
        if kind == "zip"
        else [p.relative_to(out).as_posix() for p in out.rglob("*.png")]
    )
    assert sorted(name for name in names if "/synthetic-0" in name) == [
        f"{new}/synthetic-00000{i}.png" for i in range(2)
    ]
    before, after = augan.open(data), augan.open(out)
    assert after.item.class_names == before.item.class_names
    assert set(class_counts(after).values()) == {5}


def test_a_copy_of_a_copy(tmp_path: Path) -> None:
    data = pngs(tmp_path / "in", {"synthetic-a": 5, "b": 3})
    grow(data, tmp_path / "one")
    grow(tmp_path / "one", tmp_path / "two", "6")
    grow(tmp_path / "two", tmp_path / "three", "8")
    assert set(class_counts(augan.open(tmp_path / "three")).values()) == {8}
    for path in (tmp_path / "two").rglob("*.png"):
        assert (tmp_path / "three" / path.relative_to(tmp_path / "two")).read_bytes() == path.read_bytes()
    assert {path.parent.name for path in (tmp_path / "three").rglob("*.png")} == {"synthetic-a", "b"}


def test_manifest_of_a_copy_makes_every_file_again(tmp_path: Path) -> None:
    data = pngs(tmp_path / "in", {"a": 6, "b": 4, "c": 3})
    model = untrained(data)
    result = augan.augment(data, tmp_path / "out", run=model, strategy="all", seed=11, truncation=0.7)
    manifest = json.loads(result.manifest.read_text())
    assert len(manifest["items"]) == sum(result.added.values()) == 23
    for item in manifest["items"]:
        again = model.sample(1, [item["class"]], seed=item["seed"], truncation=0.7, first=item["index"])
        assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / item["file"])), from_unit(again)[0, :, :, 0])
        assert item["file"].startswith(item["class"] + "/")
    assert [item["index"] for item in manifest["items"]] == list(range(23))
    assert manifest["truncation"] == 0.7
    assert result.to_json()["added"] == {"a": 6, "b": 8, "c": 9}


@pytest.mark.skipif(os.name == "nt", reason="file names are text there")
def test_classes_whose_names_are_not_utf8(tmp_path: Path) -> None:
    data = pngs(tmp_path / "in", {"caf\udce9": 5, "th\udce9": 3})
    grow(data, tmp_path / "out")
    assert sorted(os.listdir(os.fsencode(tmp_path / "out"))) == [b"caf\xe9", b"manifest.json", b"th\xe9"]
    assert len(list((tmp_path / "out" / "th\udce9").iterdir())) == 5


def test_sixteen_bit_grey_files_get_sixteen_bit_company(tmp_path: Path) -> None:
    for name, count in (("a", 5), ("b", 3)):
        (tmp_path / "in" / name).mkdir(parents=True)
        for i in range(count):
            levels = np.random.default_rng(i).integers(0, 4096, (16, 16)).astype(np.uint16)
            Image.fromarray(levels).save(tmp_path / "in" / name / f"{i}.png")
    grow(tmp_path / "in", tmp_path / "out")
    new = np.asarray(Image.open(tmp_path / "out" / "b" / "synthetic-000000.png"))
    assert 255 < new.max() <= 4095
    assert augan.open(tmp_path / "out").item == augan.open(tmp_path / "in").item
    assert not [note for note in augan.open(tmp_path / "out").notes if "depth" in note]


def test_mixed_sizes_keep_their_files(tmp_path: Path) -> None:
    data = pngs(tmp_path / "in", {"a": 5, "b": 3})
    Image.new("L", (40, 24)).save(data / "a" / "large.png")
    grow(data, tmp_path / "out")
    sizes = {Image.open(path).size for path in (tmp_path / "out").rglob("*.png")}
    assert sizes == {(16, 16), (40, 24)}


def test_small_classes_that_were_left_out_are_left_out_of_the_copy(tmp_path: Path) -> None:
    data = pngs(tmp_path / "in", {"w/a": 5, "w/b": 3, "w/c": 1})
    source = augan.open(data, min_images_per_class=2)
    grow(source, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out" / "w").iterdir()) == ["a", "b"]
    one = augan.open(data, min_images_per_class=4)
    grow(one, tmp_path / "one", "7")
    assert len(list((tmp_path / "one" / "w" / "a").iterdir())) == 7


def test_part_of_a_folder(tmp_path: Path) -> None:
    source = augan.open(pngs(tmp_path / "in", {"a": 5, "b": 3, "c": 2}))
    grow(subset(source, np.array([0, 1, 5, 6, 7])), tmp_path / "out", "a=3,c=1")
    found = sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.png"))
    assert found == [
        "a/0.png",
        "a/1.png",
        "a/synthetic-000000.png",
        "b/5.png",
        "b/6.png",
        "b/7.png",
        "c/synthetic-000001.png",
    ]


@pytest.mark.parametrize("name", ["../../evil", "/evil", "a/b", "..", "", ".hidden", "a\\b"])
def test_class_names_that_lead_elsewhere_are_refused(name: str, tmp_path: Path) -> None:
    images, labels = shapes({"a": 5, "b": 3})
    data, deep = tmp_path / "in.npz", tmp_path / "x" / "y"
    np.savez(data, images=images, labels=labels, class_names=np.array(["a", name]))
    model = untrained(data)
    for out in ("out", "out.zip"):
        with pytest.raises(UserError, match="cannot be the name of a folder"):
            augan.augment(data, deep / out, run=model)
    with pytest.raises(UserError, match="cannot be the name of a folder"):
        augan.generate(model, 4, deep / "samples")
    assert list(tmp_path.rglob("*")) == [data]
    assert not Path("/evil").exists()
    augan.augment(data, tmp_path / "out.npz", run=model)
    assert np.load(tmp_path / "out.npz")["class_names"].tolist() == ["a", name]


def test_the_data_folder_itself_stays_as_it_is(tmp_path: Path) -> None:
    data = pngs(tmp_path / "in", {"a": 5, "b": 3})
    for out in (data / "out", data / "a" / "out.npz", data / ".." / "in" / "x"):
        with pytest.raises(UserError, match="lies inside the data"):
            grow(data, out)
    with pytest.raises(UserError, match="lies inside the data"):
        augan.train(data, images=16, out=data / "run")
    assert sorted(path.name for path in data.iterdir()) == ["a", "b"]


# ---------------------------------------------------------------------- arrays


def test_npz_of_a_copy_remembers_what_was_synthetic(tmp_path: Path) -> None:
    images, labels = shapes({"a": 5, "b": 3})
    np.savez(tmp_path / "in.npz", x=images, y=labels[:, None], ids=np.arange(8), other=np.array("text"))
    grow(tmp_path / "in.npz", tmp_path / "one.npz")
    grow(tmp_path / "one.npz", tmp_path / "two.npz", "6")
    with np.load(tmp_path / "two.npz") as out:
        assert set(out.files) == {"x", "y", "ids", "other", "synthetic"}
        assert out["y"].tolist() == [[v] for v in [*labels, 1, 1, 0, 1]]
        assert out["synthetic"].tolist() == [False] * 8 + [True] * 4
        assert out["other"] == "text"
        assert np.array_equal(out["x"][:8], images)


DTYPES: dict[str, Any] = {
    "int8": lambda images: (images // 2).astype(np.int8),
    "int16": lambda images: images.astype(np.int16) * 8,
    "big-endian": lambda images: images.astype(">u2"),
    "float16": lambda images: (images / 255).astype(np.float16),
    "fortran order": np.asfortranarray,
}


@pytest.mark.parametrize("ending", ["npz", "npy"])
@pytest.mark.parametrize("kind", DTYPES)
def test_every_kind_of_array_stays_what_it_is(kind: str, ending: str, tmp_path: Path) -> None:
    images = DTYPES[kind](shapes({"only": 8})[0])
    data, out = tmp_path / f"in.{ending}", tmp_path / f"out.{ending}"
    np.savez(data, images=images) if ending == "npz" else np.save(data, images)
    grow(data, out, "12")
    grown = np.load(out)["images"] if ending == "npz" else np.load(out)
    assert grown.dtype == images.dtype
    assert np.array_equal(grown[:8], images)
    assert grown.shape == (12, *images.shape[1:])
    assert grown[8:].min() >= 0


def test_arrays_larger_than_the_networks_get_images_of_their_size(tmp_path: Path) -> None:
    images, labels = shapes({"a": 3, "b": 2}, side=300, channels=3)
    np.savez(tmp_path / "in.npz", images=images, labels=labels)
    model = untrained(tmp_path / "in.npz", size=16)
    augan.augment(tmp_path / "in.npz", tmp_path / "out.npz", run=model)
    with np.load(tmp_path / "out.npz") as out:
        assert np.array_equal(out["images"][:5], images)
        assert out["images"].shape == (6, 300, 300, 3)
    augan.augment(tmp_path / "in.npz", tmp_path / "out", run=model)  # files are new: as large as the decoded items
    assert {Image.open(path).size for path in (tmp_path / "out").rglob("*.png")} == {(16, 16)}


@pytest.mark.parametrize("kind", ["uint16", "bare", "channels first", "large", "float"])
def test_arrays_in_memory(kind: str, tmp_path: Path) -> None:
    """They have no file to be copied: the copy holds the decoded items, real and new alike."""
    images, labels = shapes({"a": 5, "b": 3}, side=300 if kind == "large" else 16, channels=3)
    changed: Any = {
        "uint16": lambda: images.astype(np.uint16) * 256,
        "bare": lambda: images[..., 0],
        "channels first": lambda: np.moveaxis(images, 3, 1),
        "large": lambda: images,
        "float": lambda: images.astype(np.float32) / 255,
    }[kind]()
    source = augan.open((changed, labels), size=16)
    grow(source, tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as out:
        assert np.array_equal(out["images"][:8], source.items(np.arange(8)))
        expected = from_unit(untrained(source).sample(1)).shape[1:]
        assert out["images"].shape == (10, *expected)
        assert out["images"].dtype == np.uint8
        assert out["images"][8:].std() > 0
        assert out["labels"].tolist() == [*labels, 1, 1]
    grow(source, tmp_path / "out")
    assert class_counts(augan.open(tmp_path / "out")) == {"0": 5, "1": 5}


def test_new_items_of_an_array_in_memory_are_the_models(tmp_path: Path) -> None:
    images, labels = shapes({"a": 5, "b": 3}, channels=3)
    source = augan.open((np.moveaxis(images, 3, 1), labels))
    model = untrained(source)
    augan.augment(source, tmp_path / "out.npz", run=model, seed=2)
    assert np.array_equal(np.load(tmp_path / "out.npz")["images"][8:], from_unit(model.sample(2, ["1"], seed=2)))


def test_part_of_an_array_file(tmp_path: Path) -> None:
    images, labels = shapes({"a": 5, "b": 3})
    np.savez(tmp_path / "in.npz", images=images.astype(np.uint16), labels=labels)
    part = subset(augan.open(tmp_path / "in.npz"), np.array([0, 1, 2, 6, 7]))
    grow(part, tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as out:
        assert np.array_equal(out["images"][:5], images[[0, 1, 2, 6, 7]])
        assert out["labels"].tolist() == [0, 0, 0, 1, 1, 1]


def test_array_opened_without_small_classes_is_refused_before_any_work(tmp_path: Path, monkeypatch: Any) -> None:
    images, labels = shapes({"a": 5, "b": 3, "c": 1})
    np.savez(tmp_path / "in.npz", images=images, labels=labels)
    monkeypatch.setattr("augan.api.copies.train", None)
    few = ["data.min_images_per_class=2"]
    with pytest.raises(UserError, match="without some of its items"):
        augan.augment(tmp_path / "in.npz", tmp_path / "out.npz", settings=few)
    source = augan.open(tmp_path / "in.npz", min_images_per_class=2)
    grow(source, tmp_path / "out")
    assert class_counts(augan.open(tmp_path / "out")) == {"0": 5, "1": 5}


def test_a_manifest_is_not_overwritten(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", shapes({"only": 5})[0])
    (tmp_path / "out.manifest.json").write_text("mine")
    with pytest.raises(UserError, match="manifest.json exists already"):
        grow(tmp_path / "in.npy", tmp_path / "out.npy", "8")
    assert (tmp_path / "out.manifest.json").read_text() == "mine"
    assert not (tmp_path / "out.npy").exists()


def test_no_array_without_its_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "in.npy", shapes({"only": 5})[0])

    def full(path: Path, value: Any) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(layouts, "write_json", full)
    with pytest.raises(OSError, match="full"):
        grow(tmp_path / "in.npy", tmp_path / "out.npy", "8")
    assert [path.name for path in tmp_path.iterdir()] == ["in.npy"]


def test_space_is_counted_in_the_arrays_own_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "in.npy", shapes({"only": 5})[0].astype(np.float64) / 255)
    asked: list[int] = []
    monkeypatch.setattr(layouts, "require_space", lambda path, needed: asked.append(needed))
    grow(tmp_path / "in.npy", tmp_path / "out.npy", "8")
    assert asked == [8 * 16 * 16 * 8]


# ---------------------------------------------------------------------- other sources


@pytest.mark.parametrize("out", ["out", "out.zip", "out.npz"])
def test_parquet(out: str, tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    images, labels = shapes({"a": 5, "b": 3})
    write_folder(images, labels, ("a", "b"), tmp_path / "files")
    files = sorted((tmp_path / "files").rglob("*.png"))
    rows = [{"bytes": file.read_bytes(), "path": file.name} for file in files]
    pq.write_table(pa.table({"image": rows, "label": [file.parent.name for file in files]}), tmp_path / "in.parquet")
    grow(tmp_path / "in.parquet", tmp_path / out)
    assert class_counts(augan.open(tmp_path / out)) == {"a": 5, "b": 5}


@pytest.mark.parametrize("out", ["out", "out.npz"])
def test_torch_dataset(out: str, tmp_path: Path) -> None:
    images, labels = shapes({"a": 5, "b": 3}, channels=3)
    pairs = [
        (torch.from_numpy(image).permute(2, 0, 1), int(label)) for image, label in zip(images, labels, strict=True)
    ]
    source = augan.open(pairs)
    grow(source, tmp_path / out)
    assert class_counts(augan.open(tmp_path / out)) == {"0": 5, "1": 5}


@pytest.mark.parametrize("out", ["out", "out.npz"])
def test_a_source_of_ones_own(out: str, tmp_path: Path) -> None:
    inner = augan.open(shapes({"a": 5, "b": 3}))

    class Mine:
        item, labels, key, name, notes = inner.item, inner.labels, "mine", "mine", ()

        def __len__(self) -> int:
            return 8

        def items(self, indices: np.ndarray) -> np.ndarray:
            return inner.items(indices)

    augan.augment(Mine(), tmp_path / out, run=untrained(inner))
    assert class_counts(augan.open(tmp_path / out)) == {"0": 5, "1": 5}


def test_numbers_that_are_only_digits_to_unicode(bars: augan.Source, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not understood"):
        grow(bars, tmp_path / "out", "²")
    with pytest.raises(UserError, match="whole number|valid integer"):
        augan.train(bars, settings=["data.min_images_per_class=²"])


def test_classes_are_asked_for_by_name_where_the_model_numbers_them_otherwise(tmp_path: Path) -> None:
    data = pngs(tmp_path / "in", {"a": 5, "b": 3})
    images, labels = shapes({"b": 4, "x": 4, "a": 4})
    np.savez(tmp_path / "other.npz", images=images, labels=labels, class_names=np.array(["b", "x", "a"]))
    model = untrained(tmp_path / "other.npz")
    augan.augment(data, tmp_path / "out", run=model)
    new = np.asarray(Image.open(tmp_path / "out" / "b" / "synthetic-000000.png"))
    assert np.array_equal(new, from_unit(model.sample(1, [0]))[0, :, :, 0])


def test_unlabelled_data_and_a_model_with_classes(tmp_path: Path) -> None:
    labelled = pngs(tmp_path / "in", {"a": 5, "b": 3})
    model, flat = untrained(labelled), pngs(tmp_path / "flat", {".": 6})
    result = augan.augment(flat, tmp_path / "out", run=model, strategy="9")
    items = json.loads(result.manifest.read_text())["items"]
    assert [(item["class"], set(item["scores"])) for item in items] == [(None, {"nearest_real"})] * 3
    for item in items:
        again = from_unit(model.sample(1, seed=item["seed"], first=item["index"]))[0, :, :, 0]
        assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / item["file"])), again)
