"""Every mistake is one clear line that names the thing and the remedy, and leaves nothing behind."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data_files import class_folder, pictures, save, zip_folder
from PIL import Image

from augan import data
from augan.core.errors import UserError


def refused(thing: Any, match: str, **options: Any) -> str:
    with pytest.raises(UserError, match=match) as caught:
        data.open(thing, **options)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_missing_path_suggests_siblings(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    refused(tmp_path / "picturs", r"does not exist\. Did you mean .*pictures\?")
    refused(str(tmp_path / "nowhere" / "x"), "there is no folder")


def test_folders_without_images(tmp_path: Path) -> None:
    refused(tmp_path, "is empty")
    (tmp_path / "a.txt").write_text("x")
    refused(tmp_path, "holds no images")
    save(pictures(1)[0], tmp_path / "one" / "a.png")
    refused(tmp_path / "one", "1 usable images, and at least 2")
    refused(tmp_path / "one" / "a.png", "is a single image")
    refused(tmp_path / "a.txt", "not a kind of data")


def test_mixed_loose_and_class_folders(tmp_path: Path) -> None:
    class_folder(tmp_path, {"a": 2, "b": 2})
    save(pictures(1)[0], tmp_path / "loose.png")
    refused(tmp_path, r"1 loose images \(loose\.png\) with 2 folders \(a, b\)\. Move")


def damage(folder: Path) -> None:
    whole = (folder / "a" / "0.png").read_bytes()
    (folder / "a" / "t.png").write_bytes(whole[: len(whole) // 2])
    (folder / "a" / "u.png").write_text("I am text")
    (folder / "a" / "v.png").write_bytes(b"")
    (folder / "a" / "w.jpg").write_bytes(b"\0\1\2\3" * 50)
    (folder / "b" / "x.png").symlink_to(folder / "gone.png")
    buffer = io.BytesIO()
    Image.fromarray(pictures(1, 64, 64)[0]).save(buffer, "JPEG")
    (folder / "b" / "y.jpg").write_bytes(buffer.getvalue()[:900])


def test_damaged_files_are_counted_named_and_skipped(tmp_path: Path) -> None:
    folder = class_folder(tmp_path / "f", {"a": 3, "b": 3})
    damage(folder)
    source = data.open(folder)
    note = next(note for note in source.notes if "could not be read" in note)
    assert note.startswith("6 of 12 images could not be read (")
    assert "a/t.png (truncated)" in note
    assert "a/u.png (text, not an image)" in note
    assert "a/v.png (empty file)" in note
    assert "a/w.jpg (not an image)" in note
    assert note.endswith(" and 1 more) and were skipped.")
    assert data.class_counts(source) == {"a": 3, "b": 3}
    assert source.origin is not None
    assert len(source.origin.members) == 6
    assert data.open(folder).notes == source.notes
    refused(folder, "6 of 12 images could not be read .*--strict", strict=True)


def test_strict_meets_damage_that_only_decoding_shows(tmp_path: Path) -> None:
    folder = class_folder(tmp_path / "f", {"a": 2, "b": 3})
    whole = (folder / "b" / "0.png").read_bytes()
    (folder / "b" / "0.png").write_bytes(whole[: len(whole) // 2])
    refused(folder, r"1 of 5 .*b/0\.png \(truncated\)", strict=True)
    assert data.class_counts(data.open(folder)) == {"a": 2, "b": 2}


def test_all_unreadable(tmp_path: Path) -> None:
    for i in range(3):
        (tmp_path / f"{i}.png").write_text("no")
    refused(tmp_path, "3 of 3 images could not be read .*none is left")


def test_decompression_bomb_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(2):
        save(pictures(1)[0], tmp_path / f"{i}.png")
    save(pictures(1, 64, 64)[0], tmp_path / "huge.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    source = data.open(tmp_path)
    assert any("huge.png (far too many pixels)" in note for note in source.notes)


def test_class_with_one_image(tmp_path: Path) -> None:
    folder = class_folder(tmp_path, {"a": 3, "x": 1, "c": 2})
    refused(folder, "class 'x' has 1 image; at least 2 are needed.*--set data.min_images_per_class=2")
    source = data.open(folder, min_images_per_class=2)
    assert source.item.class_names == ("a", "c")
    assert any("1 classes with fewer than 2 images were left out: x (1)" in note for note in source.notes)
    refused(folder, "0 usable images after leaving out", min_images_per_class=9)
    refused(folder, "starts at 0", min_images_per_class=-1)


def test_class_that_shrinks_below_the_minimum_while_decoding(tmp_path: Path) -> None:
    folder = class_folder(tmp_path, {"a": 3, "b": 2})
    whole = (folder / "b" / "0.png").read_bytes()
    (folder / "b" / "0.png").write_bytes(whole[: len(whole) // 2])
    refused(folder, "class 'b' has 1 image")
    source = data.open(folder, min_images_per_class=2)
    assert data.class_counts(source) == {"a": 3}
    assert source.labels is not None
    assert source.labels.tolist() == [0, 0, 0]


def test_arrays_of_wrong_shape() -> None:
    refused(np.zeros((4, 16, 16, 2), np.uint8), "Expected .*1, 3 or 4 channels")
    refused(np.zeros((4, 5, 16, 16), np.uint8), "Expected .*1, 3 or 4 channels")
    refused(np.zeros((16, 16), np.uint8), "not that of images")
    refused(np.zeros((16, 16, 3), np.uint8), "a single image")
    refused(np.zeros((0, 16, 16), np.uint8), "not that of images")
    refused(np.zeros((1, 16, 16), np.uint8), "1 usable images")
    refused(np.zeros((4, 2, 100), np.uint8), "sides below 8")


@pytest.mark.parametrize("dtype", [np.complex64, object, "U4", "datetime64[s]"])
def test_arrays_of_wrong_dtype(dtype: Any) -> None:
    refused(np.zeros((4, 16, 16), dtype), "cannot hold images")


def test_values_out_of_range() -> None:
    floats = np.zeros((5, 16, 16), np.float32)
    floats[3, 2, 1] = np.nan
    floats[4, 0, 0] = np.inf
    refused(floats, "2 of 5 images hold NaN or infinite values, the first is item 3")
    refused(np.full((4, 16, 16), -5, np.int16), "Integer images go from 0 up")
    refused(np.full((4, 16, 16), 1e4, np.float32), "Float images go from 10000")


def test_nan_in_a_file_is_named(tmp_path: Path) -> None:
    for i in range(3):
        save(np.full((16, 16), np.nan if i == 1 else 0.5, np.float32), tmp_path / f"{i}.tif")
    refused(tmp_path, r"1 of 3 images hold NaN .* 1\.tif")


LABELS = [
    ([0, 1], "2 labels for 4 images"),
    (np.eye(4), "shape \\(4, 4\\).*argmax"),
    ([0.0, 1.0, np.nan, 0.0], "1 labels are NaN or infinite, the first at item 2"),
    ([0.0, 1.5, 1.0, 0.0], "item 1 has 1.5, which is not whole"),
    (np.zeros(4, complex), "not usable"),
    (np.array([1, None, "a", 2], object), "not usable"),
    (np.zeros((2, 2, 1)), "shape"),
]


@pytest.mark.parametrize(("labels", "match"), LABELS)
def test_wrong_labels(labels: Any, match: str) -> None:
    refused((pictures(4), np.asarray(labels)), match)


@pytest.mark.parametrize("labels", [[0.0, 0, 1, 1], [True, False, True, False], [[0], [0], [1], [1]], [b"a", b"b"] * 2])
def test_labels_that_can_be_understood(labels: Any) -> None:
    assert data.open((pictures(4), np.asarray(labels))).item.classes == 2


def test_labels_against_class_names(tmp_path: Path) -> None:
    def write(labels: Any, names: list[str]) -> Path:
        np.savez(tmp_path / "a.npz", images=pictures(4), labels=labels, class_names=names)
        return tmp_path / "a.npz"

    refused(write([0, 1, 5, 1], ["a", "b"]), "1 labels are outside 0 to 1.*item 2 has 5")
    refused(write([0, 1, 1, 1], ["a", "a"]), "holds a name twice")
    refused(write(["a", "b", "z", "b"], ["a", "b"]), "'z' is not among")
    assert data.open(write(["a", "b", "a", "b"], ["b", "a"])).item.class_names == ("b", "a")


def test_numpy_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_text("not numpy")
    refused(tmp_path / "a.npy", "not a valid .npy file")
    (tmp_path / "a.npz").write_text("not numpy")
    refused(tmp_path / "a.npz", "not a zip file|not a valid")
    np.save(tmp_path / "b.npy", pictures(4))
    (tmp_path / "b.npy").write_bytes((tmp_path / "b.npy").read_bytes()[:1000])
    refused(tmp_path / "b.npy", "cut off")
    np.save(tmp_path / "c.npy", np.array([{}, None], object), allow_pickle=True)
    refused(tmp_path / "c.npy", "pickle")
    np.savez(tmp_path / "d.npz", images=pictures(4), labels=np.array([{}] * 4, object))
    refused(tmp_path / "d.npz", "pickle")
    np.savez(tmp_path / "e.npz", u=pictures(4), v=pictures(4))
    refused(tmp_path / "e.npz", r"no array named 'images' \(it has u, v\)")
    np.savez(tmp_path / "f.npz")
    refused(tmp_path / "f.npz", "holds no arrays")
    (tmp_path / "g.npy").write_bytes((tmp_path / "e.npz").read_bytes())
    refused(tmp_path / "g.npy", r"is a \.npz file by its content")


def test_npz_with_a_short_or_damaged_array(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, pictures(4))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("images.npy", buffer.getvalue()[:-10])
    refused(tmp_path / "a.npz", "cut off or damaged")
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("images.npy", b"nonsense")
    refused(tmp_path / "b.npz", "'images' is damaged")


def make_zip(path: Path, *names: str, mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, b"data")
    return path


@pytest.mark.parametrize("name", ["../a.png", "/a.png", "x/../../a.png", "C:/a.png", "..\\a.png", "\\\\host\\a.png"])
def test_zip_names_that_lead_outside(tmp_path: Path, name: str) -> None:
    refused(make_zip(tmp_path / "a.zip", "ok.png", name), "leads outside")
    assert not (tmp_path / "a.png").exists()


def test_zip_links_and_non_zips(tmp_path: Path) -> None:
    refused(make_zip(tmp_path / "a.zip", "l.png", mode=0o120777), "holds the link 'l.png'")
    (tmp_path / "b.zip").write_text("hello")
    refused(tmp_path / "b.zip", "not a zip file")
    folder = class_folder(tmp_path / "f", {"a": 2, "b": 2})
    archive = zip_folder(folder, tmp_path / "c.zip")
    archive.write_bytes(archive.read_bytes()[:-30])
    refused(archive, "not a zip file, or it is damaged")
    refused(make_zip(tmp_path / "d.zip"), "is empty")


def edit_directory(path: Path, offset: int, value: bytes) -> Path:
    """Overwrites a field of the first entry in the central directory."""
    raw = bytearray(path.read_bytes())
    start = raw.index(b"PK\x01\x02") + offset
    raw[start : start + len(value)] = value
    path.write_bytes(raw)
    return path


def test_encrypted_zip(tmp_path: Path) -> None:
    refused(edit_directory(make_zip(tmp_path / "a.zip", "a.png"), 8, b"\1\0"), "encrypted.*without a password")


def test_zip_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = struct.pack("<I", (1 << 30) + 1)
    refused(edit_directory(make_zip(tmp_path / "a.zip", "a.png"), 24, large), "zip bomb.*'a.png'")
    ratio = struct.pack("<I", 200_000_000)
    refused(edit_directory(make_zip(tmp_path / "b.zip", "a.png"), 24, ratio), "zip bomb.*'a.png'")
    monkeypatch.setattr("augan.data.zips.LARGEST_TOTAL_BYTES", 7)
    refused(make_zip(tmp_path / "c.zip", "a.png", "b.png"), "zip bomb: it declares")


def test_zip_members_that_lie_or_are_damaged_are_skipped(tmp_path: Path) -> None:
    folder = class_folder(tmp_path / "f", {"a": 3, "b": 3})
    archive = edit_directory(zip_folder(folder, tmp_path / "a.zip"), 24, struct.pack("<I", 10))
    assert any("1 of 6 images could not be read (a/0.png" in note for note in data.open(archive).notes)
    broken = zip_folder(folder, tmp_path / "b.zip")
    raw = bytearray(broken.read_bytes())
    raw[60:70] = b"0123456789"
    broken.write_bytes(raw)
    assert any("a/0.png (damaged in the zip" in note for note in data.open(broken).notes)


def test_parquet_problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "a.parquet").write_text("nope")
    refused(tmp_path / "a.parquet", "not a Parquet file")
    pq.write_table(pa.table({"x": [1, 2]}), tmp_path / "b.parquet")
    refused(tmp_path / "b.parquet", r"no columns of encoded images \(columns: x\)", kind="image")
    pq.write_table(pa.table({"u": [b"1"], "v": [b"2"]}), tmp_path / "c.parquet")
    refused(tmp_path / "c.parquet", "several columns")
    pq.write_table(pa.table({"image": [b"1", b"2"], "label": [1, None]}), tmp_path / "d.parquet")
    refused(tmp_path / "d.parquet", "1 rows have no 'label'")
    refused(tmp_path / "z-*.parquet", "No Parquet file matches")
    (tmp_path / "two").mkdir()
    pq.write_table(pa.table({"image": [b"1"], "label": [1]}), tmp_path / "two" / "a.parquet")
    pq.write_table(pa.table({"image": [b"1"]}), tmp_path / "two" / "b.parquet")
    refused(tmp_path / "two", "has no column 'label'")
    raw = (tmp_path / "d.parquet").read_bytes()
    monkeypatch.setattr("augan.core.optional.importlib.import_module", _no_module)
    (tmp_path / "e.parquet").write_bytes(raw)
    refused(tmp_path / "e.parquet", r"pip install 'augan\[parquet\]'")


def _no_module(name: str) -> Any:
    raise ImportError(name)


DATASETS: list[tuple[Callable[[], Any], str]] = [
    (lambda: iter([1]), "cannot be indexed"),
    (lambda: 5, "cannot be opened"),
    (list, "is empty"),
    (lambda: ["text", "text"], "Item 0 of the data set is a str"),
    (lambda: [torch.zeros(2, 5, 5)] * 2, "Item 0 of the data set has shape"),
    (lambda: [torch.zeros(5)] * 2, "Item 0 of the data set has shape"),
    (lambda: [(torch.zeros(8, 8), 1), torch.zeros(8, 8)], "1 of 2 items have a label"),
    (lambda: [torch.full((8, 8), torch.nan)] * 2, "2 of 2 images hold NaN"),
    (lambda: ([np.zeros((8, 8)), np.zeros((9, 9))], [0, 1]), "images of one shape"),
]


@pytest.mark.parametrize(("make", "match"), DATASETS)
def test_wrong_datasets(make: Callable[[], Any], match: str) -> None:
    refused(make(), match)


def test_a_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = class_folder(tmp_path / "f", {"a": 2, "b": 2})
    real = os.scandir

    def scandir(path: Any) -> Any:
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    refused(folder, "f/b cannot be read .Permission denied")


def test_files_without_permission_or_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = class_folder(tmp_path / "f", {"a": 4, "b": 2})
    real = Path.read_bytes

    def read_bytes(self: Path) -> bytes:
        if self.name == "1.png" and self.parent.name == "a":
            raise PermissionError(13, "Permission denied")
        return real(self)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    monkeypatch.setattr("augan.data.listing.LARGEST_FILE_BYTES", 10_000)
    (folder / "a" / "big.png").write_bytes(bytes(10_001))
    note = " ".join(data.open(folder).notes)
    assert "a/1.png (no permission to read it)" in note
    assert "a/big.png (larger than 1 GiB)" in note
