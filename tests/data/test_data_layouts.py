"""Every layout opens, in a stable order, and the same content has the same key."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data_files import class_folder, pictures, png16, save, zip_folder
from PIL import Image

from augan import data
from augan.core.errors import UserError


def all_items(source: data.Source) -> np.ndarray:
    return source.items(np.arange(len(source)))


def test_class_folders_nested_hidden_and_foreign_files(tmp_path: Path) -> None:
    folder = class_folder(tmp_path / "pets", {"dog": 3, "cat": 2})
    save(pictures(1, seed=9)[0], folder / "cat" / "more" / "deep" / "z.png")
    for junk in (".hidden.png", "cat/.DS_Store", "__MACOSX/a.png", "Thumbs.db", "cat/desktop.ini"):
        (folder / junk).parent.mkdir(exist_ok=True)
        (folder / junk).write_bytes(b"junk")
    (folder / "readme.txt").write_text("hello")
    source = data.open(folder)
    assert source.item.class_names == ("cat", "dog")
    assert source.labels is not None
    assert source.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert source.origin is not None
    assert source.origin.members == (
        "cat/0.png",
        "cat/1.png",
        "cat/more/deep/z.png",
        "dog/0.png",
        "dog/1.png",
        "dog/2.png",
    )
    assert source.origin.layout == "folder"
    assert any("1 files that are not images" in note and ".txt" in note for note in source.notes)
    assert source.name == "pets"
    assert data.class_counts(source) == {"cat": 3, "dog": 3}
    np.testing.assert_array_equal(all_items(source)[2], pictures(1, seed=9)[0])


def test_flat_folder_and_single_class_folder_are_unlabelled(tmp_path: Path) -> None:
    images = pictures(4)
    for i, image in enumerate(images):
        save(image, tmp_path / "flat" / f"{i}.png")
        save(image, tmp_path / "one" / "class" / f"{i}.png")
    flat, one = data.open(tmp_path / "flat"), data.open(tmp_path / "one")
    assert flat.labels is None
    assert flat.item.classes == 0
    assert flat.key == one.key
    assert flat.origin is not None
    assert flat.origin.layout == "flat-folder"
    assert one.origin is not None
    assert one.origin.members[0] == "class/0.png"
    np.testing.assert_array_equal(all_items(flat), images)


@pytest.mark.parametrize("prefix", ["", "wrapper/", "a/b/"])
def test_zip_equals_folder(tmp_path: Path, prefix: str) -> None:
    folder = class_folder(tmp_path / "f", {"a": 2, "b": 3})
    archive = zip_folder(folder, tmp_path / "f.zip", prefix)
    source, zipped = data.open(folder), data.open(archive)
    assert zipped.key == source.key
    assert zipped.origin is not None
    assert zipped.origin.layout == "zip"
    assert zipped.origin.members[0] == prefix + "a/0.png"
    np.testing.assert_array_equal(all_items(zipped), all_items(source))


def test_flat_zip(tmp_path: Path) -> None:
    for i, image in enumerate(pictures(3)):
        save(image, tmp_path / "f" / f"{i}.png")
    source = data.open(zip_folder(tmp_path / "f", tmp_path / "f.zip"))
    assert source.origin is not None
    assert source.origin.layout == "flat-zip"
    assert source.labels is None


def test_wrapped_folder_equals_folder(tmp_path: Path) -> None:
    class_folder(tmp_path / "outer" / "inner", {"a": 2, "b": 2})
    assert data.open(tmp_path / "outer").key == data.open(tmp_path / "outer" / "inner").key


def test_train_and_test_parts(tmp_path: Path) -> None:
    folder = tmp_path / "cifar"
    class_folder(folder / "train", {"a": 2, "b": 2})
    class_folder(folder / "test", {"a": 2, "b": 2})
    with pytest.raises(UserError, match=r"parts of a data set .*cifar/train$"):
        data.open(folder)
    archive = zip_folder(tmp_path / "cifar", tmp_path / "c.zip")
    with pytest.raises(UserError, match=r"c\.zip/train"):
        data.open(archive)
    part = data.open(archive / "train")
    assert part.item.class_names == ("a", "b")
    assert part.name == "c-train"
    assert part.key == data.open(folder / "train").key
    with pytest.raises(UserError, match=r"no folder 'tran'. Its folders: test, train"):
        data.open(archive / "tran")


@pytest.mark.parametrize("name", ["bare", "last1", "last3", "last4", "first1", "first3", "first4"])
def test_npy_axes(tmp_path: Path, name: str) -> None:
    channels = int(name[-1]) if name != "bare" else 1
    images = pictures(5, 12, 10, channels)
    array = images[..., 0] if name == "bare" else images
    array = np.moveaxis(array, 3, 1) if name.startswith("first") else array
    np.save(tmp_path / "a.npy", array)
    source = data.open(tmp_path / "a.npy")
    assert source.item.shape == (channels, 12, 10)
    assert source.origin is not None
    assert (source.origin.bare, source.origin.channels_first) == (name == "bare", name.startswith("first"))
    np.testing.assert_array_equal(all_items(source), images)
    assert data.open(array).key == source.key


def test_ambiguous_axes_are_noted() -> None:
    source = data.open(np.zeros((4, 3, 16, 3), np.uint8), size=8)
    assert any("taken as last" in note for note in source.notes)
    assert source.item.channels == 3


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npz(tmp_path: Path, compressed: bool, order: str) -> None:
    images = pictures(6)
    write = np.savez_compressed if compressed else np.savez
    write(tmp_path / "a.npz", images=np.asarray(images, order=order), labels=[2, 2, 7, 7, 7, 2])  # type: ignore[call-overload]
    source = data.open(tmp_path / "a.npz")
    assert source.item.class_names == ("2", "7")
    assert source.labels is not None
    assert source.labels.tolist() == [0, 0, 1, 1, 1, 0]
    assert source.notes == ()
    np.testing.assert_array_equal(all_items(source), images)


def test_npz_class_names_and_unused_class(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=pictures(4), labels=[0, 0, 2, 2], class_names=["a", "b", "c"])
    source = data.open(tmp_path / "a.npz")
    assert source.item.class_names == ("a", "c")
    assert any("b (0)" in note for note in source.notes)


def test_npz_text_labels_and_other_keys(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=pictures(4), y_train=["u", "v", "v", "u"])
    source = data.open(tmp_path / "a.npz")
    assert source.item.class_names == ("u", "v")
    assert any("'x_train'" in note for note in source.notes)
    assert any("'y_train'" in note for note in source.notes)
    np.savez(tmp_path / "b.npz", faces=pictures(4))
    assert any("'faces'" in note for note in data.open(tmp_path / "b.npz").notes)


def parquet(path: Path, images: np.ndarray, labels: Any = None, names: Any = None, struct: bool = True) -> Path:
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    encoded = []
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        encoded.append({"bytes": buffer.getvalue(), "path": None} if struct else buffer.getvalue())
    columns: dict[str, Any] = {"image" if struct else "blob": encoded}
    if labels is not None:
        columns["label"] = labels
    table = pa.table(columns)
    if names:
        features = {"label": {"_type": "ClassLabel", "names": names}, "image": {"_type": "Image"}}
        metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
        table = table.replace_schema_metadata(metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=2)
    return path


def test_parquet_with_class_label(tmp_path: Path) -> None:
    images = pictures(5)
    source = data.open(parquet(tmp_path / "a.parquet", images, [1, 0, 1, 0, 1], ["no", "yes"]))
    assert source.item.class_names == ("no", "yes")
    assert source.labels is not None
    assert source.labels.tolist() == [1, 0, 1, 0, 1]
    np.testing.assert_array_equal(all_items(source), images)


@pytest.mark.parametrize("labels", [["a", "b", "b", "a"], [3, 9, 9, 3], None])
def test_parquet_folder(tmp_path: Path, labels: list[Any] | None) -> None:
    images = pictures(4)
    for part in (0, 1):
        rows = slice(2 * part, 2 * part + 2)
        name = tmp_path / "hub" / "data" / f"train-0000{part}.parquet"
        parquet(name, images[rows], None if labels is None else labels[rows], struct=False)
    source = data.open(tmp_path / "hub")
    np.testing.assert_array_equal(all_items(source), images)
    expected = None if labels is None else tuple(str(v) for v in sorted(set(labels)))
    assert source.item.class_names == expected
    parquet(tmp_path / "hub" / "data" / "test-00000.parquet", images)
    with pytest.raises(UserError, match=r"several parts .*train-\*\.parquet"):
        data.open(tmp_path / "hub")
    assert data.open(tmp_path / "hub" / "data" / "train-*.parquet").key == source.key


def test_parquet_damaged_row_is_named(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    good = [png16(np.full((16, 16, 1), i * 1000, np.uint16)) for i in (1, 65)]
    pq.write_table(pa.table({"image": [*good, b"nonsense", None]}), tmp_path / "a.parquet")
    source = data.open(tmp_path / "a.parquet")
    assert len(source) == 2
    assert any("row 2 of a.parquet (text" in n and "row 3 of a.parquet (the row holds" in n for n in source.notes)


class Pairs(torch.utils.data.Dataset[Any]):
    classes = ("zero", "one")

    def __init__(self, items: list[Any]) -> None:
        self.entries = items
        self.reads = 0

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Any:
        self.reads += 1
        return self.entries[index]


@pytest.mark.parametrize("kind", ["tensor", "float", "array", "pil", "dict", "bfloat16"])
def test_dataset(kind: str) -> None:
    images = pictures(4) if kind != "bfloat16" else np.zeros((4, 16, 16, 3), np.uint8)
    make = {
        "tensor": lambda a: (torch.from_numpy(a).permute(2, 0, 1), torch.tensor(1)),
        "float": lambda a: (torch.from_numpy(a).permute(2, 0, 1) / 255, np.int64(1)),
        "bfloat16": lambda a: (torch.from_numpy(a).permute(2, 0, 1).bfloat16(), 1),
        "array": lambda a: (a, 1),
        "pil": lambda a: (Image.fromarray(a), 1),
        "dict": lambda a: {"image": a, "label": 1},
    }[kind]
    dataset = Pairs([make(image) for image in images])
    source = data.open(dataset)
    assert dataset.reads == 4
    assert source.item.class_names == ("one",)
    assert source.name == "pairs"
    np.testing.assert_array_equal(all_items(source), images)


def test_dataset_without_labels_and_of_mixed_sizes() -> None:
    source = data.open([torch.zeros(20, 30), torch.ones(40, 40)])
    assert source.labels is None
    assert source.item.shape == (1, 16, 16)
    assert all_items(source)[:, 0, 0, 0].tolist() == [0, 255]


def test_pairs_of_arrays_and_tensors() -> None:
    images = pictures(4)
    first = data.open((images, np.array([0, 1, 1, 0])))
    second = data.open((torch.from_numpy(images), torch.tensor([0, 1, 1, 0])))
    assert first.key == second.key
    assert first.item.class_names == ("0", "1")
    assert data.open(torch.from_numpy(images).permute(0, 3, 1, 2)).item.channels == 3


def test_open_source_is_returned_as_it_is() -> None:
    source = data.open(pictures(4))
    assert data.open(source) is source
    with pytest.raises(UserError, match="open already has size 16x16"):
        data.open(source, size=32)


def test_subset(tmp_path: Path) -> None:
    source = data.open(class_folder(tmp_path / "f", {"a": 3, "b": 3}))
    part = data.subset(source, np.array([5, 0, 3]))
    again = data.subset(part, np.array([2, 0]))
    assert isinstance(again, data.ArraySource)
    assert again.labels is not None
    assert again.labels.tolist() == [1, 1]
    assert again.origin is not None
    assert again.origin.members == ("b/0.png", "b/2.png")
    np.testing.assert_array_equal(all_items(again), all_items(source)[[3, 5]])
    assert len({source.key, part.key, again.key}) == 3
    with pytest.raises(UserError, match="from 0 to 5"):
        data.subset(source, np.array([6]))


class Foreign:
    """A source of somebody else."""

    def __init__(self, inner: data.ArraySource) -> None:
        self.item, self.labels, self.key = inner.item, inner.labels, inner.key
        self.name, self.notes, self._inner = "foreign", (), inner

    def __len__(self) -> int:
        return len(self._inner)

    def items(self, indices: np.ndarray) -> np.ndarray:
        return self._inner.items(indices)


def test_subset_of_a_foreign_source() -> None:
    inner = data.open((pictures(4), np.array([0, 0, 1, 1])))
    foreign = Foreign(inner)
    assert data.open(foreign) is foreign
    part = data.subset(foreign, np.array([3, 1]))
    assert (len(part), part.name, part.notes, part.item) == (2, "foreign", (), inner.item)
    assert part.labels is not None
    assert part.labels.tolist() == [1, 0]
    np.testing.assert_array_equal(all_items(part), all_items(inner)[[3, 1]])


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    class_folder(tmp_path / "f", {"a": 2, "b": 2})
    shutil.copytree(tmp_path / "f" / "a", tmp_path / "elsewhere")
    (tmp_path / "f" / "c").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "f" / "a" / "loop").symlink_to(tmp_path / "f")
    assert data.class_counts(data.open(tmp_path / "f")) == {"a": 2, "b": 2, "c": 2}


def test_file_names_that_are_not_utf8(tmp_path: Path) -> None:
    folder = class_folder(tmp_path / "f", {"a": 2, "b": 2})
    strange = Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9"))
    (folder / "b").rename(strange)
    (strange / os.fsdecode(b"\xff.png")).write_text("no image")
    source = data.open(folder)
    assert source.item.class_names == ("a", "caf?")
    assert any("caf?/?.png (text" in note for note in source.notes)
    assert data.open(folder).notes == source.notes
