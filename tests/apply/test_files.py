"""Sheets, walks and disks: what is written when things are large or go wrong."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import augan
from augan.apply.generate import FRAMES_PER_STEP, interpolation, slerp
from augan.core.errors import UserError
from augan.core.item import ItemSpec
from augan.core.npz import NpzWriter


class Flat(torch.nn.Module):
    """Images of one colour."""

    latent_size, classes = 2, 0

    def __init__(self, channels: int = 3, height: int = 8, width: int = 8) -> None:
        super().__init__()
        self.size = (channels, height, width)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        return latents[:, :1, None, None].expand(-1, *self.size)


def flat(channels: int = 3, height: int = 8, width: int = 8) -> augan.Model:
    return augan.Model(Flat(channels, height, width), ItemSpec(channels=channels, height=height, width=width))


def peak_bytes(model: augan.Model, count: int, out: Path) -> int:
    tracemalloc.start()
    try:
        augan.generate(model, count, out)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    model = flat()
    augan.generate(model, 100, tmp_path / "first.npz")
    assert peak_bytes(model, 20_000, tmp_path / "a.npz") < 2e6  # 3.8 MB of images
    assert np.load(tmp_path / "a.npz")["images"].shape == (20_000, 8, 8, 3)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("ending", [".png", ".gif", ".mp4", ".npz", ""])
def test_every_ending_takes_every_image(channels: int, ending: str, tmp_path: Path) -> None:
    out = augan.generate(flat(channels, 9, 13), 3, tmp_path / f"out{ending}")
    if ending == "":
        mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
        assert [(p.name, Image.open(p).mode) for p in sorted(out.iterdir())] == [(f"{i}.png", mode) for i in range(3)]
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_mp4_frames(tmp_path: Path) -> None:
    imageio = pytest.importorskip("imageio.v3")
    augan.generate(flat(1, 9, 13), 2, tmp_path / "a.mp4")
    frames = imageio.imread(tmp_path / "a.mp4")
    assert frames.shape == (2 * FRAMES_PER_STEP, 180, 260, 3)
    expected = [frame.mean() for frame in interpolation(flat(1, 9, 13), 2)]
    np.testing.assert_allclose(frames.mean((1, 2, 3)), expected, atol=4)


def test_mp4_needs_no_memory_for_all_frames(tmp_path: Path) -> None:
    model = flat(3, 64, 64)
    augan.generate(model, 1, tmp_path / "first.mp4")
    assert peak_bytes(model, 12, tmp_path / "a.mp4") < 20e6  # 240 frames of 196,608 bytes


@pytest.mark.parametrize("ending", [".gif", ".mp4"])
def test_endless_walks_are_refused(ending: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at most 500 points"):
        augan.generate(flat(), 501, tmp_path / f"a{ending}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seed", range(4))
def test_slerp_keeps_the_length_and_turns_steadily(seed: int) -> None:
    start, end = torch.randn(2, 16, dtype=torch.float32, generator=torch.Generator().manual_seed(seed))
    end = end * start.norm() / end.norm()
    path = slerp(start, end, torch.linspace(0, 1, 9))
    torch.testing.assert_close(path.norm(dim=1), start.norm().expand(9), rtol=1e-4, atol=0)
    torch.testing.assert_close(path[0], start, atol=1e-5, rtol=0)
    torch.testing.assert_close(path[8], end, atol=1e-5, rtol=0)
    steps = (path[1:] - path[:-1]).norm(dim=1)
    torch.testing.assert_close(steps, steps.mean().expand(8), rtol=1e-3, atol=0)


def test_slerp_of_vectors_without_an_angle_between_them() -> None:
    shares, vector = torch.linspace(0, 1, 3), torch.tensor([0.0, 3.0])
    torch.testing.assert_close(slerp(vector, vector, shares), vector.expand(3, 2))
    torch.testing.assert_close(slerp(vector, -vector, shares)[[0, 2]], torch.stack([vector, -vector]))
    torch.testing.assert_close(slerp(torch.zeros(2), torch.zeros(2), shares), torch.zeros(3, 2))


def test_npz_is_what_savez_writes(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {
        "a": np.arange(6.0).reshape(2, 3),
        "names": np.array(["x", "yy"]),
        "empty": np.empty((0, 2)),
    }
    np.savez(tmp_path / "theirs.npz", **arrays)
    with NpzWriter(tmp_path / "ours.npz") as archive:
        for name, array in arrays.items():
            archive.add_stream(name, array.shape, array.dtype, iter([array]))
    with np.load(tmp_path / "theirs.npz") as theirs, np.load(tmp_path / "ours.npz") as ours:
        assert theirs.files == ours.files
        for name in arrays:
            assert theirs[name].dtype == ours[name].dtype
            assert np.array_equal(theirs[name], ours[name])


@pytest.mark.parametrize("name", ["file/out.npz", "file/out", "file/deep/out.png", "n" * 300 + ".npz", "link"])
def test_impossible_places_are_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file, not a folder")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match="Choose another"):
        augan.generate(flat(), 3, tmp_path / name)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_without_a_checkpoint_is_not_taken_for_images(
    tiny_run: augan.Run, bars_npz: Path, tmp_path: Path
) -> None:
    import shutil

    shutil.copytree(tiny_run.path, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints"))
    with pytest.raises(UserError, match="no checkpoint"):
        augan.evaluate(tmp_path / "run", bars_npz)
