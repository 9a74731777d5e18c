"""Small files of every kind for the tests of augan.data."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def pictures(count: int = 6, height: int = 16, width: int = 16, channels: int = 3, seed: int = 0) -> np.ndarray:
    """(count, height, width, channels) uint8 noise."""
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, channels), dtype=np.uint8)


def save(image: np.ndarray, path: Path, **options: object) -> Path:
    """One image file by its ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = image[:, :, 0] if image.ndim == 3 and image.shape[2] == 1 else image
    Image.fromarray(pixels).save(path, **options)
    return path


def class_folder(path: Path, counts: dict[str, int], channels: int = 3, size: int = 16) -> Path:
    """Class subfolders of PNGs."""
    for number, (name, count) in enumerate(counts.items()):
        for i, image in enumerate(pictures(count, size, size, channels, seed=number)):
            save(image, path / name / f"{i}.png")
    return path


def zip_folder(folder: Path, path: Path, prefix: str = "") -> Path:
    """All files of a folder in a zip."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, prefix + file.relative_to(folder).as_posix())
    return path


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png16(pixels: np.ndarray) -> bytes:
    """A 16-bit PNG of (h, w, 1 | 2 | 3 | 4) uint16, which Pillow itself cannot write."""
    height, width, channels = pixels.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    body = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def tiff16(pixels: np.ndarray, compression: int = 1) -> bytes:
    """A 16-bit colour TIFF of (h, w, 3) uint16: uncompressed (1) or deflated (8)."""
    height, width, channels = pixels.shape
    data = pixels.astype("<u2").tobytes()
    data = zlib.compress(data) if compression == 8 else data
    tags = [(256, width), (257, height), (258, -1), (259, compression), (262, 2), (273, -2), (277, channels)]
    tags += [(278, height), (279, len(data))]
    after = 8 + 2 + 12 * len(tags) + 4
    places = {-1: after, -2: after + 2 * channels}
    out = b"II*\0" + struct.pack("<IH", 8, len(tags))
    for tag, value in tags:
        count = channels if tag == 258 else 1
        kind = 3 if tag == 258 else 4
        out += struct.pack("<HHII", tag, kind, count, places.get(value, value))
    return out + b"\0" * 4 + struct.pack(f"<{channels}H", *[16] * channels) + data
