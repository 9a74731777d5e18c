"""From a model to files."""

from __future__ import annotations

import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import augan
from augan.apply.generate import FRAMES_PER_STEP, interpolation, slerp
from augan.core.errors import UserError
from augan.core.item import ItemSpec, from_unit
from augan.core.npz import NpzWriter


@pytest.fixture(scope="module")
def model(tiny_run: augan.Run) -> augan.Model:
    return augan.load(tiny_run.path)


def test_npz(model: augan.Model, tmp_path: Path) -> None:
    ticks: list[int] = []
    augan.generate(model, 100, tmp_path / "a.npz", classes=["low", "high"], seed=5, tick=ticks.append)
    with np.load(tmp_path / "a.npz") as archive:
        assert set(archive.files) == {"images", "labels", "class_names"}
        assert archive["images"].dtype == np.uint8
        assert archive["labels"].dtype == np.int64
        assert archive["class_names"].tolist() == ["high", "middle", "low"]
        assert archive["labels"][:4].tolist() == [2, 0, 2, 0]
        expected = from_unit(model.sample(100, ["low", "high"], seed=5))
        assert np.array_equal(archive["images"], expected)
    assert ticks[-1] == 100
    assert augan.open(tmp_path / "a.npz").item.class_names == ("high", "low")  # the third has no image


def test_folder(model: augan.Model, tmp_path: Path) -> None:
    augan.generate(model, 12, tmp_path / "out")
    assert {path.name: len(list(path.iterdir())) for path in (tmp_path / "out").iterdir()} == {
        "high": 4,
        "middle": 4,
        "low": 4,
    }
    first = np.asarray(Image.open(tmp_path / "out" / "high" / "00.png"))
    assert np.array_equal(first, from_unit(model.sample(1))[0, :, :, 0])


def test_sheet_has_a_named_row_for_each_class(model: augan.Model, tmp_path: Path) -> None:
    augan.generate(model, 12, tmp_path / "a.png")
    augan.generate(model, 9, tmp_path / "b.png", classes=["low"])
    wide, square = Image.open(tmp_path / "a.png"), Image.open(tmp_path / "b.png")
    assert wide.height == 3 * 66 + 2
    assert wide.width > 4 * 66 + 2
    assert square.height == 66 + 2
    with pytest.raises(UserError, match="at most 1000"):
        augan.generate(model, 1001, tmp_path / "c.png")


def test_gif_and_mp4(model: augan.Model, tmp_path: Path) -> None:
    augan.generate(model, 3, tmp_path / "a.gif")
    assert getattr(Image.open(tmp_path / "a.gif"), "n_frames", 1) > FRAMES_PER_STEP
    augan.generate(model, 2, tmp_path / "a.mp4")
    assert (tmp_path / "a.mp4").read_bytes()[4:8] == b"ftyp"


def test_interpolation_passes_through_its_points_and_closes(model: augan.Model) -> None:
    frames = list(interpolation(model, 3, classes=["high"], seed=2))
    points = from_unit(model.sample(3, ["high"], seed=2))
    assert len(frames) == 3 * FRAMES_PER_STEP
    for index in range(3):
        assert np.abs(frames[index * FRAMES_PER_STEP].astype(int) - points[index]).max() <= 1
    steps = [np.abs(a.astype(int) - b).mean() for a, b in zip(frames, [*frames[1:], frames[0]], strict=True)]
    assert max(steps) < 40


def test_slerp() -> None:
    start, end = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    path = slerp(start, end, torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(path, torch.tensor([[1.0, 0.0], [0.5**0.5, 0.5**0.5], [0.0, 1.0]]))
    torch.testing.assert_close(slerp(start, 2 * start, torch.tensor([0.5])), 1.5 * start[None])
    assert slerp(start, -start, torch.linspace(0, 1, 5)).isfinite().all()


@pytest.mark.parametrize(
    ("name", "count", "options", "message"),
    [
        ("a.tar", 3, {}, "Use .npz"),
        ("a.npz", 0, {}, "at least 1"),
        ("a.npz", 3, {"classes": ["lo"]}, "Did you mean 'low'"),
        ("a.npz", 3, {"truncation": 2.0}, "Truncation"),
        ("a.npz", 10**15, {}, "MB are free"),
        ("there", 3, {}, "overwrites nothing"),
    ],
)
def test_bad_input_writes_nothing(
    model: augan.Model, tmp_path: Path, name: str, count: int, options: dict[str, object], message: str
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").touch()
    with pytest.raises(UserError, match=message):
        augan.generate(model, count, tmp_path / name, **options)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.rglob("*")] == ["there", "file"]


def test_npz_writer_writes_what_numpy_reads(tmp_path: Path) -> None:
    parts = [np.arange(12, dtype=np.uint16).reshape(4, 3), np.arange(6, dtype=np.uint16).reshape(2, 3)]
    with NpzWriter(tmp_path / "a.npz") as archive:
        archive.add_stream("x", (6, 3), np.uint16, iter(parts))
        archive.add("names", np.array(["ä", "b"]))
    with np.load(tmp_path / "a.npz", allow_pickle=False) as loaded:
        assert np.array_equal(loaded["x"], np.concatenate(parts))
        assert loaded["names"].tolist() == ["ä", "b"]
    assert zipfile.ZipFile(tmp_path / "a.npz").testzip() is None


def test_memory_stays_flat(tmp_path: Path) -> None:
    """20,000 images of 32x32x3 are 61 MB on disk, and never in memory."""

    class Flat(torch.nn.Module):
        latent_size, classes = 1, 0

        def forward(self, latents: torch.Tensor) -> torch.Tensor:
            return latents[:, :, None, None].expand(-1, 3, 32, 32)

    model = augan.Model(Flat(), ItemSpec(channels=3, height=32, width=32))
    tracemalloc.start()
    augan.generate(model, 20_000, tmp_path / "a.npz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "a.npz").stat().st_size > 61e6
    assert peak < 10e6
