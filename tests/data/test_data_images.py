"""Modes, depths, orientation, and the policies for size, channels and values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data_files import pictures, png16, save, tiff16
from PIL import Image

from augan import data
from augan.core.errors import UserError
from augan.data.policy import float_scale, integer_scale, parse_size


def opened(folder: Path, **options: object) -> tuple[data.ArraySource, np.ndarray]:
    source = data.open(folder, **options)  # type: ignore[call-overload]
    return source, source.items(np.arange(len(source)))


SUFFIXES = ["png", "webp", "bmp", "gif", "tif", "tiff", "ppm", "jpg", "jpeg"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_formats(tmp_path: Path, suffix: str) -> None:
    flat = np.full((16, 16, 3), (200, 40, 90), np.uint8)
    options = {"lossless": True} if suffix == "webp" else {}
    for i in range(2):
        save(flat, tmp_path / f"{i}.{suffix}", **options)
    source, items = opened(tmp_path)
    assert source.item.shape == (3, 16, 16)
    tolerance = 3 if suffix in ("jpg", "jpeg", "gif") else 0
    assert np.abs(items.astype(int) - flat).max() <= tolerance


MODES = [("1", 1), ("L", 1), ("LA", 4), ("P", 3), ("RGB", 3), ("RGBA", 4), ("CMYK", 3), ("YCbCr", 3)]


@pytest.mark.parametrize(("mode", "channels"), MODES)
def test_modes(tmp_path: Path, mode: str, channels: int) -> None:
    grey = np.zeros((16, 16, 3), np.uint8)
    grey[4:12, 4:12] = 255
    suffix = {"CMYK": "tif", "YCbCr": "jpg"}.get(mode, "png")
    for i in range(2):
        Image.fromarray(grey).convert(mode).save(tmp_path / f"{i}.{suffix}")
    source, items = opened(tmp_path)
    assert source.item.channels == channels
    assert np.abs(items[0][..., 0].astype(int) - grey[..., 0]).max() <= (60 if mode == "YCbCr" else 0)
    assert (items[..., 3] == 255).all() if channels == 4 else True


def test_palette_with_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (16, 16))
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.paste(1, (8, 0, 16, 16))
    for i in range(2):
        image.save(tmp_path / f"{i}.png", transparency=0)
    source, items = opened(tmp_path)
    assert source.item.channels == 4
    assert items[0, 0, 0, 3] == 0
    assert items[0, 0, 15].tolist() == [255, 0, 0, 255]


@pytest.mark.parametrize(("suffix", "orientation"), [("jpg", 6), ("png", 6), ("webp", 8), ("tif", 6), ("jpg", 3)])
def test_exif_orientation(tmp_path: Path, suffix: str, orientation: int) -> None:
    stored = np.zeros((16, 32, 3), np.uint8)
    stored[:8, :16] = 255  # the top left corner
    exif = Image.Exif()
    exif[0x0112] = orientation
    for i in range(2):
        Image.fromarray(stored).save(tmp_path / f"{i}.{suffix}", exif=exif)
    source, items = opened(tmp_path)
    upright = {6: np.rot90(stored, -1), 8: np.rot90(stored), 3: np.rot90(stored, 2)}[orientation]
    assert (source.item.height, source.item.width) == upright.shape[:2]
    assert source.notes == ()
    assert np.abs(items[0].astype(int) - upright).mean() < 3


def test_mixed_channels_are_noted(tmp_path: Path) -> None:
    save(pictures(1, channels=1)[0], tmp_path / "a.png")
    save(pictures(1, channels=3)[0], tmp_path / "b.png")
    source, items = opened(tmp_path)
    assert source.item.channels == 3
    assert (items[0][..., 0] == items[0][..., 2]).all()
    assert any("1 grey, 1 colour" in note for note in source.notes)
    save(pictures(1, channels=4)[0], tmp_path / "c.png")
    source, items = opened(tmp_path)
    assert source.item.channels == 4
    assert (items[:2, ..., 3] == 255).all()
    np.testing.assert_array_equal(items[2], pictures(1, channels=4)[0])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_keeps_all_bits(tmp_path: Path, channels: int) -> None:
    """Twelve bits in sixteen: Pillow alone would leave the top four of colour images only."""
    raw = np.random.default_rng(0).integers(0, 4096, (2, 16, 16, channels), dtype=np.uint16)
    raw[0, 0, 0] = 4095
    for i, image in enumerate(raw):
        (tmp_path / f"{i}.png").write_bytes(png16(image))
    source, items = opened(tmp_path)
    assert source.item.value_range == (0, 4095)
    expected = np.rint(raw * (255 / 4095)).astype(int)
    expected = expected[..., (0, 0, 0, 1)] if channels == 2 else expected
    assert np.abs(items.astype(int) - expected).max() == 0


@pytest.mark.parametrize("compression", [1, 8])
def test_16_bit_colour_tiff(tmp_path: Path, compression: int) -> None:
    raw = np.random.default_rng(0).integers(0, 1024, (2, 16, 16, 3), dtype=np.uint16)
    raw[0, 0, 0] = 1023
    for i, image in enumerate(raw):
        (tmp_path / f"{i}.tif").write_bytes(tiff16(image, compression))
    source, items = opened(tmp_path)
    assert source.item.value_range == (0, 1023)
    np.testing.assert_array_equal(items, np.rint(raw * (255 / 1023)).astype(np.uint8))


@pytest.mark.parametrize(("dtype", "top"), [(np.uint16, 4095), (np.int32, 131071), (np.float32, 1)])
def test_deep_grey_tiff(tmp_path: Path, dtype: type, top: float) -> None:
    raw = (np.linspace(0, 1, 256).reshape(16, 16) * top).astype(dtype)
    for i in range(2):
        save(raw, tmp_path / f"{i}.tif")
    source, items = opened(tmp_path)
    assert source.item.value_range == (0, top)
    np.testing.assert_array_equal(items[0, :, :, 0], np.rint(raw * (255 / top)).astype(np.uint8))


def test_mixed_depths(tmp_path: Path) -> None:
    save(np.full((16, 16), 100, np.uint8), tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(png16(np.full((16, 16, 1), 1023, np.uint16)))
    source, items = opened(tmp_path)
    assert items[:, 0, 0, 0].tolist() == [100, 255]
    assert source.item.value_range == (0, 255)
    assert any("differ in depth" in note for note in source.notes)


def test_resizing_is_before_scaling() -> None:
    """A 16-bit gradient whose steps are below one level of uint8 stays monotone and exact after resizing."""
    raw = np.tile(np.linspace(0, 4095, 64).astype(np.uint16), (2, 64, 1))
    source = data.open(raw, size=32)
    row = source.items(np.array([0]))[0, 16, :, 0].astype(int)
    exact = raw[0, 0].reshape(32, 2).mean(1) * 255 / 4095
    assert np.abs(row - exact)[2:-2].max() <= 0.6


def values(array: np.ndarray) -> tuple[tuple[float, float], list[int]]:
    source = data.open(np.broadcast_to(array[:, None, None], (len(array), 8, 8)))
    return source.item.value_range, source.items(np.arange(len(array)))[:, 0, 0, 0].tolist()


VALUES = [
    (np.array([0.0, 0.5, 1.0]), (0, 1), [0, 128, 255]),
    (np.array([-1.0, 0.0, 1.0]), (-1, 1), [0, 128, 255]),
    (np.array([0.0, 99.6, 255.0]), (0, 255), [0, 100, 255]),
    (np.array([0.5, 1.00005], np.float16), (0, 1), [128, 255]),
    (np.array([False, True]), (0, 1), [0, 255]),
    (np.array([0, 255], np.int64), (0, 255), [0, 255]),
    (np.array([0, 300], np.int64), (0, 511), [0, 150]),
    (np.array([0, 65535], ">u2"), (0, 65535), [0, 255]),
    (np.array([7, 9], np.uint8), (0, 255), [7, 9]),
]


@pytest.mark.parametrize(("array", "value_range", "levels"), VALUES)
def test_value_policy(array: np.ndarray, value_range: tuple[float, float], levels: list[int]) -> None:
    assert values(array) == (value_range, levels)


@pytest.mark.parametrize("dtype", [bool, np.uint16, np.int32, np.float32, np.float64, np.uint8])
def test_every_dtype_resizes(dtype: type) -> None:
    array = (np.arange(4 * 24 * 24).reshape(4, 24, 24) % 2).astype(dtype)
    assert data.open(array, size=16).item.shape == (1, 16, 16)


def test_scales() -> None:
    assert integer_scale(0.0, 65535.0) == (0, 65535)
    assert integer_scale(0.0, 256.0) == (0, 511)
    assert float_scale(0.0, 0.0) == (0, 1)
    with pytest.raises(UserError, match=r"from -3 to 2.*Scale them"):
        float_scale(-3.0, 2.0)


SIZES = [
    ((100, 100), None, (100, 100)),
    ((48, 80), None, (48, 80)),
    ((512, 300), None, (256, 150)),
    ((256, 256), None, (256, 256)),
    ((30, 40), 32, (32, 32)),
    ((30, 40), "24x48", (24, 48)),
    ((30, 40), (24, 48), (24, 48)),
    ((30, 40), "32", (32, 32)),
]


@pytest.mark.parametrize(("stored", "size", "expected"), SIZES)
def test_size_policy(stored: tuple[int, int], size: object, expected: tuple[int, int]) -> None:
    source = data.open(np.zeros((2, *stored, 3), np.uint8), size=size)  # type: ignore[call-overload]
    assert (source.item.height, source.item.width) == expected
    assert bool(source.notes) == (stored != expected)
    assert source.origin is not None
    assert source.origin.sizes is not None
    assert source.origin.sizes.median == stored


@pytest.mark.parametrize(("sides", "expected"), [((40, 50, 60), 32), ((9, 10, 12), 16), ((600, 700, 900), 256)])
def test_mixed_sizes_become_squares(tmp_path: Path, sides: tuple[int, ...], expected: int) -> None:
    for side in sides:
        save(np.full((side, side + 7, 3), 90, np.uint8), tmp_path / f"{side}.png")
    source, items = opened(tmp_path)
    assert source.item.shape == (3, expected, expected)
    assert (items == 90).all()
    assert any("3 different sizes" in note and "--size" in note for note in source.notes)


def test_resizing_cuts_evenly_and_keeps_aspect() -> None:
    wide = np.zeros((2, 32, 96, 1), np.uint8)
    wide[:, :, 32:64] = 255  # the middle third is what a square keeps
    items = data.open(wide, size=16).items(np.array([0]))[0]
    assert items[:, 1:-1].min() >= 254


def test_resizing_is_antialiased() -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), 64)[None, None, :, None].repeat(128, 1).repeat(2, 0)
    items = data.open(stripes, size=32).items(np.array([0]))
    assert np.abs(items.astype(int) - 128).max() < 12


def test_large_jpeg_decodes_at_reduced_scale_alike(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 255, 1200).astype(np.uint8)[None, :, None], (1000, 1, 3))
    for i in range(2):
        save(ramp, tmp_path / f"{i}.jpg", quality=95)
    _, items = opened(tmp_path, size=32)
    expected = np.asarray(Image.fromarray(ramp).resize((32, 32), Image.Resampling.LANCZOS, box=(100, 0, 1100, 1000)))
    assert np.abs(items[0].astype(int) - expected).max() <= 4


@pytest.mark.parametrize("size", ["big", "1x2x3", 4, 2000, "8x4000", ""])
def test_wrong_sizes(size: object) -> None:
    with pytest.raises(UserError, match="size"):
        parse_size(size)  # type: ignore[arg-type]


def test_transparent_colours_do_not_bleed(tmp_path: Path) -> None:
    image = np.zeros((32, 32, 4), np.uint8)
    image[:, :16] = (255, 0, 0, 255)
    image[:, 16:] = (0, 255, 0, 0)
    for i in range(2):
        save(image, tmp_path / f"{i}.png")
    _, items = opened(tmp_path, size=8)
    assert items[0, :, :4, 1].max() <= 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_large_reductions_keep_the_mean(dtype: type, channels: int) -> None:
    """Far enough down that Pillow first averages boxes."""
    top = 1 if dtype is np.float32 else np.iinfo(dtype).max
    noise = np.random.default_rng(0).random((2, 320, 320, channels)) * top
    source = data.open(noise.astype(dtype), size=16)
    assert abs(source.items(np.arange(2)).mean() - 127.5) < 2


def test_orientation_of_16_bit_images(tmp_path: Path) -> None:
    raw = np.arange(16 * 32, dtype=np.uint16).reshape(16, 32) * 128
    exif = Image.Exif()
    exif[0x0112] = 6
    for i in range(2):
        save(raw, tmp_path / f"{i}.png", exif=exif)
    source, items = opened(tmp_path)
    assert source.item.shape == (1, 32, 16)
    np.testing.assert_array_equal(items[0, :, :, 0], np.rot90(np.rint(raw * (255 / 65535)), -1))
