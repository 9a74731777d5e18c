"""Tar files: what is found in them, that they give what a folder gives, streaming, damage."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import augan
from augan.core.errors import UserError
from augan.data.shards import ShardSource, expand
from common import TINY, shapes

IMAGES, LABELS = shapes({"a": 20, "b": 16, "c": 12})
NAMES = "abc"


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image[:, :, 0]).save(buffer, "PNG")
    return buffer.getvalue()


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    about = tarfile.TarInfo(name)
    about.size = len(data)
    archive.addfile(about, io.BytesIO(data))


def write(folder: Path, kind: str = "cls", files: int = 3) -> Path:
    """The images in a few tar files, in their order."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, part in enumerate(np.array_split(np.arange(len(IMAGES)), files)):
        with tarfile.open(folder / f"part-{number:02d}.tar", "w") as archive:
            for index in part:
                label = NAMES[LABELS[index]]
                if kind == "folders":
                    add(archive, f"{label}/{index:05d}.png", png(IMAGES[index]))
                    continue
                add(archive, f"{index:05d}.png", png(IMAGES[index]))
                if kind == "cls":
                    add(archive, f"{index:05d}.cls", label.encode())
                if kind == "json":
                    add(archive, f"{index:05d}.json", json.dumps({"label": label}).encode())
    return folder


@pytest.mark.parametrize("kind", ["cls", "json", "folders"])
@pytest.mark.parametrize("stream", [False, True])
def test_tar_files_hold_images_and_classes(tmp_path: Path, kind: str, stream: bool) -> None:
    source = augan.open(write(tmp_path / "tars", kind), stream=stream)
    assert source.item.class_names == ("a", "b", "c")
    assert source.labels is not None
    assert np.array_equal(source.labels, LABELS)
    assert np.array_equal(source.items(np.arange(len(source))), IMAGES)


@pytest.mark.parametrize("stream", [False, True])
def test_images_without_classes(tmp_path: Path, stream: bool) -> None:
    source = augan.open(write(tmp_path / "tars", "none", 1) / "part-00.tar", stream=stream)
    assert source.labels is None
    assert len(source) == len(IMAGES)


def test_braces_and_stars_name_several(tmp_path: Path) -> None:
    folder = write(tmp_path / "tars")
    for name in ("part-{00..02}.tar", "part-*.tar"):
        assert len(augan.open(folder / name)) == len(IMAGES)
    assert len(augan.open(folder / "part-{00..01}.tar")) == 32
    assert expand("x-{8..10}.tar") == ("x-8.tar", "x-9.tar", "x-10.tar")


def test_an_array_a_memory_map_and_tar_files_train_alike(tmp_path: Path) -> None:
    folder = write(tmp_path / "tars")
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=np.array(list(NAMES))[LABELS])
    ways = {"array": (tmp_path / "a.npz", []), "cached": (folder, []), "streamed": (folder, ["data.stream=true"])}
    runs = {
        name: augan.train(
            data,
            images=64,
            out=tmp_path / name,
            recipe="strided",
            settings=[*TINY, "training.measure_images=0", *more],
        )
        for name, (data, more) in ways.items()
    }
    hashes = {run.load("last").hash for run in runs.values()}
    assert len(hashes) == 1
    again = augan.train(folder, images=96, out=tmp_path / "streamed", resume=True)
    assert again.summary()["images_seen"] == 96


def test_files_on_another_machine(tmp_path: Path) -> None:
    import fsspec

    folder = write(tmp_path / "tars", files=2)
    memory = fsspec.filesystem("memory")
    for path in folder.iterdir():
        memory.pipe(f"/bucket/{path.name}", path.read_bytes())
    source = augan.open("memory://bucket/part-{00..01}.tar", stream=True)
    assert isinstance(source, ShardSource)
    assert np.array_equal(source.items(np.array([3, 40, 3])), IMAGES[[3, 40, 3]])
    with pytest.raises(UserError, match="part-07.tar cannot be read"):
        augan.open("memory://bucket/part-07.tar")


def test_a_damaged_image_is_replaced_by_its_neighbour_of_the_class(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for index, image in enumerate(IMAGES[:6]):
            add(archive, f"{index}.png", b"no image" if index == 2 else png(image))
            add(archive, f"{index}.cls", b"0" if index != 3 else b"1")
    source = augan.open(tmp_path / "x.tar", stream=True)
    assert np.array_equal(source.items(np.array([2]))[0], IMAGES[4])


def test_other_kinds_of_images_are_converted(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for index in range(600):
            buffer = io.BytesIO()
            mode = "RGB" if index == 1 else "L"
            Image.new(mode, (20, 16) if index == 1 else (16, 16), 128 if mode == "L" else (90, 90, 90)).save(
                buffer, "PNG"
            )
            add(archive, f"{index:04d}.png", buffer.getvalue())
    source = augan.open(tmp_path / "x.tar", stream=True)
    assert source.items(np.array([0, 1])).shape == (2, 16, 16, 1)
    assert source.items(np.array([1])).mean() == 90


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: (folder / "x.tar").write_bytes(b"not a tar" * 100), "not a tar file, or it is damaged"),
        (lambda folder: tarfile.open(folder / "x.tar", "w").close(), "holds no images"),
    ],
)
def test_bad_tar_files_are_one_line(tmp_path: Path, make: object, message: str) -> None:
    make(tmp_path)  # type: ignore[operator]
    with pytest.raises(UserError, match=message):
        augan.open(tmp_path / "x.tar")


def test_what_a_stream_cannot_do_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "tars")
    with pytest.raises(UserError, match="Only tar files"):
        augan.open(IMAGES, stream=True)
    with pytest.raises(UserError, match="need all images decoded first"):
        augan.open(folder, stream=True, strict=True)
    with pytest.raises(UserError, match="compressed"):
        expand("x.tar.gz")
    with pytest.raises(UserError, match="No tar file matches"):
        augan.open(tmp_path / "none-*.tar")
    with pytest.raises(UserError, match="does not exist"):
        augan.open(tmp_path / "none.tar")
