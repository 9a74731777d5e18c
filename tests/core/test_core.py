"""Files that are whole or absent, streams that depend on their names, items and their tensors, devices."""

from __future__ import annotations

import errno
import mmap
import platform
import resource
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from augan.core import files
from augan.core.devices import autocast_dtype, choose_device
from augan.core.errors import UserError
from augan.core.files import (
    atomic_file,
    atomic_folder,
    disk_errors,
    read_json,
    release_pages,
    remove_parts,
    require_absent,
    require_space,
    write_json,
    write_text,
)
from augan.core.item import ItemSpec, from_unit, to_unit
from augan.core.optional import require
from augan.core.pictures import save_gif, sheet, to_pillow
from augan.core.rng import derive, numpy_stream, torch_stream
from augan.core.threads import keep_freed_memory


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(FileNotFoundError), atomic_file(path) as temporary:
        (temporary.parent / "missing").rename(temporary)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_failed_folder_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_folder(tmp_path / "a" / "b") as temporary:
        (temporary / "missing").rename(temporary / "file")
    assert not (tmp_path / "a" / "b").exists()
    assert not list((tmp_path / "a").iterdir())


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "No space left.*choose another place"),
        (errno.EACCES, "Not allowed"),
        (errno.EROFS, "Not allowed"),
    ],
)
def test_disk_errors_are_one_line(number: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message), disk_errors(tmp_path):
        raise OSError(number, "from the system")
    with pytest.raises(OSError, match="other"), disk_errors(tmp_path):
        raise OSError(errno.EIO, "other")


def test_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from augan.core import files

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(files, "_sync", full)
    with pytest.raises(UserError, match="No space left"):
        write_json(tmp_path / "a.json", {"a": 1})
    assert not list(tmp_path.iterdir())


def test_space_and_absence(tmp_path: Path) -> None:
    require_absent(tmp_path)  # an empty folder counts as absent
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="exists already"):
        require_absent(tmp_path)
    require_space(tmp_path / "not" / "yet", 1)
    with pytest.raises(UserError, match="MB are free"):
        require_space(tmp_path, 10**18)


def test_json_refuses_what_json_has_not(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", float("nan"))
    with pytest.raises(UserError, match="missing"):
        read_json(tmp_path / "b.json")
    (tmp_path / "c.json").write_text("{")
    with pytest.raises(UserError, match="not valid JSON"):
        read_json(tmp_path / "c.json")


def test_streams_depend_on_seed_and_names() -> None:
    assert derive(0, "a", 1) == derive(0, "a", 1)
    seeds = {derive(0, "a", 1), derive(0, "a", 11), derive(0, "a1", 1), derive(1, "a", 1), derive(0, "a")}
    assert len(seeds) == 5
    assert numpy_stream(3, "x").random() == numpy_stream(3, "x").random()
    first, second = (torch.rand(2, generator=torch_stream(3, "x")) for _ in range(2))
    assert torch.equal(first, second)


@given(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 3, 4]), st.integers(0, 1000))
def test_items_survive_the_way_to_networks_and_back(n: int, h: int, w: int, c: int, seed: int) -> None:
    items = np.random.default_rng(seed).integers(0, 256, (n, h, w, c), dtype=np.uint8)
    tensor = to_unit(items)
    assert tensor.shape == (n, c, h, w)
    assert -1 <= tensor.min() <= tensor.max() <= 1
    assert np.array_equal(from_unit(tensor), items)


def test_spec_survives_json() -> None:
    spec = ItemSpec(channels=3, height=4, width=5, class_names=("a", "b"), value_range=(0.0, 4095.0))
    assert ItemSpec.from_json(spec.to_json()) == spec
    assert (spec.classes, spec.shape) == (2, (3, 4, 5))


def test_devices() -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(UserError, match="Unknown device 'gpu'"):
        choose_device("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="not available"):
            choose_device("cuda")
    assert autocast_dtype(torch.device("cpu"), "fp32") is None
    assert autocast_dtype(torch.device("cpu"), "bf16") is torch.bfloat16
    assert autocast_dtype(torch.device("cpu")) in (None, torch.bfloat16)
    assert autocast_dtype(torch.device("mps")) is None
    with pytest.raises(UserError, match="precision"):
        autocast_dtype(torch.device("cpu"), "half")


def test_missing_library_names_its_extra() -> None:
    with pytest.raises(UserError, match=r"pip install 'augan\[video\]'"):
        require("no_such_library", "video", "Writing .mp4")
    assert require("json", "none", "nothing").loads("1") == 1


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures(channels: int, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 10, channels), dtype=np.uint8)
    picture = sheet(images, 3, ["one", "two"])
    assert picture.mode == "RGB"
    assert picture.width > 3 * 60
    to_pillow(images[0]).save(tmp_path / "a.png")
    save_gif(tmp_path / "a.gif", list(images))
    from PIL import Image

    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")).reshape(8, 10, channels), images[0])
    assert getattr(Image.open(tmp_path / "a.gif"), "n_frames", 1) == 6


def test_sheet_places_images_in_reading_order() -> None:
    images = np.stack([np.full((64, 64, 1), value, dtype=np.uint8) for value in (10, 20, 30, 40)])
    picture = np.asarray(sheet(images, 2, scale=1))
    assert [picture[30, 30, 0], picture[30, 96, 0], picture[96, 30, 0], picture[96, 96, 0]] == [10, 20, 30, 40]


def test_folders_of_many_files_are_flushed_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[object] = []
    monkeypatch.setattr(files, "_sync", flushed.append)
    monkeypatch.setattr(files.os, "sync", lambda: flushed.append("all"))
    for count in (3, files.MANY_FILES + 1):
        with atomic_folder(tmp_path / str(count)) as temporary:
            for i in range(count):
                (temporary / str(i)).touch()
    assert len(flushed) == 4
    assert flushed[-1] == "all"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RuntimeError("I/O error: No space left on device (os error 28)"), "No space left"),
        (RuntimeError("I/O error: Permission denied (os error 13)"), "Not allowed"),
        (OSError("1600 requested and 12 written"), "No space left"),
        (OSError("ffmpeg failed: av_interleaved_write_frame(): No space left on device"), "No space left"),
        (OSError(errno.ENAMETOOLONG, "long"), "Cannot write"),
        (NotADirectoryError(errno.ENOTDIR, "file"), "Cannot write"),
    ],
)
def test_disk_errors_in_other_clothes(error: Exception, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message), disk_errors(tmp_path / "a"):
        raise error
    for other in (ValueError("5 requested and 4 written"), KeyError("x"), OSError(errno.EIO, "broken")):
        with pytest.raises(type(other)), disk_errors(tmp_path / "a"):
            raise other


def test_freed_memory_is_kept_where_the_allocator_can_be_told() -> None:
    """A large array freed and asked for again has its pages already: hardly any new page faults."""
    keep_freed_memory()
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library than GNU's: nothing is set")

    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        np.ones(64 * 2**20, np.uint8)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    faults()
    assert faults() < 64 * 2**20 / 4096 / 4


def test_pages_of_a_mapped_file_are_given_back(tmp_path: Path) -> None:
    path, size = tmp_path / "large.npy", 64 * 2**20
    np.save(path, np.ones(size, np.uint8))
    mapped, process = np.load(path, mmap_mode="r"), psutil.Process()
    assert mapped.sum() == size
    before = process.memory_info().rss
    release_pages(mapped)
    freed = before - process.memory_info().rss
    assert freed > size // 2 or not hasattr(mmap, "MADV_DONTNEED")
    assert mapped[12345] == 1
    changed = np.load(path, mmap_mode="c")
    changed[0] = 7
    release_pages(changed)  # its changes are in memory only
    assert changed[0] == 7
    release_pages(np.zeros(3))


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "a.json") as part:
        left = [tmp_path / "deep" / part.name, tmp_path / "deep" / ".b.0123abcd.part" / "c.txt"]
    for path in (*left, kept := tmp_path / ".hidden.part"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    remove_parts(tmp_path)
    assert kept.exists()
    assert list((tmp_path / "deep").iterdir()) == []
