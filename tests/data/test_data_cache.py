"""Decoded once, found again by content, rebuilt when damaged, whole or not there at all."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import class_folder, pictures, save, zip_folder

from augan import data
from augan.core.errors import UserError
from augan.data.cache import Cache, NpyWriter, cache_folder


def forbid_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise AssertionError("decoded again")

    monkeypatch.setattr("augan.data.feed.decode", fail)
    monkeypatch.setattr("augan.data.feed.convert", fail)


def entries(cache: Path) -> list[Path]:
    return sorted((cache / "images").iterdir())


def test_unchanged_files_are_not_even_read(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = class_folder(tmp_path / "f", {"a": 2, "b": 2})
    first = data.open(folder)
    forbid_decoding(monkeypatch)
    monkeypatch.setattr("augan.data.feed.probe", None)
    again = data.open(folder)
    assert again.key == first.key
    assert again.notes == first.notes
    assert again.origin == first.origin
    np.testing.assert_array_equal(again.items(np.arange(4)), first.items(np.arange(4)))
    assert isinstance(again.array, np.memmap)
    assert sorted(p.name for p in entries(cache)[0].iterdir()) == ["items.npy", "labels.npy", "source.json"]


def test_same_bytes_elsewhere_are_not_decoded(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = class_folder(tmp_path / "f", {"a": 2, "b": 2})
    first = data.open(folder)
    archive = zip_folder(folder, tmp_path / "f.zip")
    folder.rename(tmp_path / "moved")
    forbid_decoding(monkeypatch)
    assert data.open(tmp_path / "moved").key == data.open(archive).key == first.key
    assert len(entries(cache)) == 1


def test_same_pixels_in_another_layout_share_the_entry(tmp_path: Path, cache: Path) -> None:
    images = pictures(4)
    np.savez(tmp_path / "a.npz", images=images, labels=["a", "a", "b", "b"])
    data.write_folder(images, np.array([0, 0, 1, 1]), ["a", "b"], tmp_path / "f")
    assert data.open(tmp_path / "a.npz").key == data.open(tmp_path / "f").key
    assert len(entries(cache)) == 1
    assert data.open(images).key != data.open(tmp_path / "f").key  # without labels it is other content


def test_arrays_in_memory_are_found_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    images = pictures(4)
    key = data.open(images).key
    forbid_decoding(monkeypatch)
    assert data.open(images.copy()).key == key
    with pytest.raises(AssertionError, match="decoded again"):
        data.open(images[::-1])


def test_changes_and_options_are_noticed(tmp_path: Path) -> None:
    folder = class_folder(tmp_path, {"a": 2, "b": 2})
    first = data.open(folder)
    assert data.open(folder, size=32).key != first.key
    save(pictures(1, seed=77)[0], folder / "a" / "0.png")
    os.utime(folder / "a" / "0.png", ns=(1, 1))
    changed = data.open(folder)
    assert changed.key != first.key
    save(pictures(1)[0], folder / "a" / "new.png")
    assert len(data.open(folder)) == 5


@pytest.mark.parametrize("kind", ["short", "missing", "json", "labels", "shape", "index"])
def test_damaged_entries_are_rebuilt(tmp_path: Path, cache: Path, kind: str) -> None:
    folder = class_folder(tmp_path / "f", {"a": 2, "b": 2})
    first = data.open(folder)
    entry = cache / "images" / first.key
    del first
    if kind == "short":
        (entry / "items.npy").write_bytes((entry / "items.npy").read_bytes()[:-100])
    elif kind == "missing":
        (entry / "items.npy").unlink()
    elif kind == "json":
        (entry / "source.json").write_text("{")
    elif kind == "labels":
        np.save(entry / "labels.npy", np.zeros(3, np.int64))
    elif kind == "shape":
        saved = json.loads((entry / "source.json").read_text())
        (entry / "source.json").write_text(json.dumps({**saved, "count": 9}))
    else:
        for file in (cache / "index").iterdir():
            file.write_text("nonsense")
    again = data.open(folder)
    np.testing.assert_array_equal(again.items(np.arange(2)), pictures(2, seed=0))
    assert [p.name for p in entries(cache)] == [again.key]


def test_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    for thing in (pictures(4), [pictures(1)[0]] * 2):
        with pytest.raises(UserError, match=r"cannot be used: not writable .* AUGAN_CACHE") as caught:
            data.open(thing, cache=tmp_path / "file")
        assert "\n" not in str(caught.value)
    monkeypatch.setenv("AUGAN_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="AUGAN_CACHE"):
        data.open(pictures(4))


@pytest.mark.parametrize("place", ["append", "finish", "__init__"])
def test_full_disk_leaves_nothing(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(NpyWriter, place, full)
    with pytest.raises(UserError, match=r"no space left .* AUGAN_CACHE"):
        data.open(class_folder(tmp_path / "f", {"a": 2, "b": 2}))
    assert entries(cache) == []


def test_full_disk_at_the_index(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("augan.core.files._sync", full)
    with pytest.raises(UserError, match=r"no space left .* AUGAN_CACHE"):
        data.open(pictures(4))


def test_too_little_space_is_known_beforehand(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("U", (), {"free": 10})())
    with pytest.raises(UserError, match="MB needed"):
        data.open(pictures(4))


def test_interrupted_work_leaves_nothing_and_old_leftovers_go(tmp_path: Path, cache: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        data.open(pictures(4), progress=stop)
    assert entries(cache) == []
    old, new = cache / "images" / ".building-old", cache / "images" / ".building-new"
    old.mkdir()
    new.mkdir()
    os.utime(old, (time.time() - 1e6,) * 2)
    source = data.open(pictures(4))
    assert [p.name for p in entries(cache)] == [".building-new", source.key]


def test_progress_counts_items(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    data.open(class_folder(tmp_path, {"a": 3, "b": 2}), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 5) for i in range(1, 6)]


def test_concurrent_builders_share_one_entry(tmp_path: Path, cache: Path) -> None:
    folder = class_folder(tmp_path / "f", {"a": 6, "b": 6})
    keys: list[str] = []
    threads = [threading.Thread(target=lambda: keys.append(data.open(folder).key)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 6
    assert len(set(keys)) == 1
    assert [p.name for p in entries(cache)] == [keys[0]]


def test_an_entry_that_appears_meanwhile_is_used(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process publishes the same content between the check and the renaming."""
    images = pictures(4)
    key = data.open(images).key
    real, answers = Cache._is_whole, iter([False])
    monkeypatch.setattr(Cache, "_is_whole", lambda self, key: next(answers, None) is not False and real(self, key))
    monkeypatch.setattr(Cache, "_remove", lambda self, target: None)
    np.save(cache / "unrelated.npy", images)
    assert data.open(cache / "unrelated.npy", strict=True).key == key


def test_memory_stays_flat_in_the_number_of_images(tmp_path: Path) -> None:
    """Peak Python memory while decoding is far below the decoded size (48 MB), for files and for arrays."""
    (tmp_path / "f").mkdir()
    first = save(pictures(1, 256, 256)[0], tmp_path / "f" / "0.png", compress_level=1)
    for i in range(1, 250):
        os.link(first, tmp_path / "f" / f"{i}.png")
    np.save(tmp_path / "a.npy", np.zeros((250, 256, 256, 3), np.uint16))
    np.savez(tmp_path / "a.npz", images=np.zeros((250, 256, 256, 3), np.uint8))
    for path, limit in ((tmp_path / "f", 12e6), (tmp_path / "a.npy", 35e6), (tmp_path / "a.npz", 35e6)):
        tracemalloc.start()
        source = data.open(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(source) == 250
        assert peak < limit, f"{path.name}: {peak / 1e6:.0f} MB"


def test_cache_folder_choices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder(tmp_path) == tmp_path
    monkeypatch.delenv("AUGAN_CACHE")
    assert "augan" in str(cache_folder())
