"""Clips to pictures that move, to sheets of frames, and to video files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from augan.core.files import atomic_file
from augan.core.optional import require
from augan.core.pictures import save_gif, save_sheet, to_pillow

Clips = UInt8[np.ndarray, "n t h w c"]
Clip = UInt8[np.ndarray, "t h w c"]
USUAL_RATE = 10.0
"""Frames a second of clips whose rate nobody said."""
MOST_SHOWN_FRAMES = 16


def mosaic(clips: Clips, columns: int | None = None, gap: int = 2) -> Iterator[UInt8[np.ndarray, "h w c"]]:
    """Frames in which all clips play beside one another, in rows of `columns`."""
    count, length, height, width, channels = clips.shape
    columns = columns or round(count**0.5) or 1
    rows = -(-count // columns)
    shape = (rows * (height + gap) + gap, columns * (width + gap) + gap, channels)
    for moment in range(length):
        page = np.full(shape, 128 if channels < 4 else 0, dtype=np.uint8)
        for index in range(count):
            row, column = divmod(index, columns)
            top, left = gap + row * (height + gap), gap + column * (width + gap)
            page[top : top + height, left : left + width] = clips[index, moment]
        yield page


def save_mosaic(path: Path, clips: Clips, rate: float | None, columns: int | None = None) -> None:
    """Writes an endless GIF in which all clips play beside one another."""
    save_gif(path, mosaic(clips, columns), rate or USUAL_RATE, 2 if clips.shape[3] < 48 else 1)


def save_frames(path: Path, clips: Clips, row_names: Sequence[str] | None = None) -> None:
    """Writes a sheet as PNG, a clip a row; of clips longer than 16 frames, 16 that are evenly spread."""
    length = clips.shape[1]
    shown = np.linspace(0, length - 1, min(length, MOST_SHOWN_FRAMES)).round().astype(np.int64)
    save_sheet(path, clips[:, shown].reshape(-1, *clips.shape[2:]), len(shown), row_names)


def save_clip(path: Path, clip: Clip, rate: float | None) -> None:
    """Writes one clip in its own size as .gif, or as .mp4, whose sides are cut to even numbers.

    Raises:
        UserError: an .mp4 without PyAV.
    """
    if path.suffix.lower() == ".gif":
        save_gif(path, iter(clip), rate or USUAL_RATE, 1)
        return
    write_mp4(path, iter(clip), rate or USUAL_RATE)


def write_mp4(path: Path, frames: Iterator[UInt8[np.ndarray, "h w c"]], rate: float) -> None:
    """Frames as H.264 in an .mp4 file, nearly without loss; transparent ones on white.

    Raises:
        UserError: PyAV is missing.
    """
    av: Any = require("av", "video", "Writing .mp4")
    with atomic_file(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        stream = None
        for frame in frames:
            picture = to_pillow(frame)
            if picture.mode == "RGBA":
                page = Image.new("RGBA", picture.size, "white")
                page.alpha_composite(picture)
                picture = page
            array = np.asarray(picture.convert("RGB"))[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2]
            if stream is None:
                stream = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1000))
                stream.height, stream.width = array.shape[:2]
                stream.pix_fmt, stream.options = "yuv420p", {"crf": "12"}
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format="rgb24")):
                container.mux(packet)
        assert stream is not None
        for packet in stream.encode(None):
            container.mux(packet)
