"""Small clips for tests: bright squares that move, and files of them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from augan.core.optional import require

TINY_CLIPS = [
    "networks.width=4",
    "networks.latent_size=8",
    "training.batch=8",
    "training.snapshots=1",
    "training.measure_images=12",
    "training.threads=1",
]


def moving(count: int, frames: int = 8, side: int = 16, right: bool | None = None, seed: int = 0) -> np.ndarray:
    """(count, frames, side, side, 1) uint8: a square of 5 that steps right, or down, or either."""
    random = np.random.default_rng(seed)
    clips = np.zeros((count, frames, side, side, 1), dtype=np.uint8)
    for clip in clips:
        along = bool(random.integers(2)) if right is None else right
        across, start = int(random.integers(side - 5)), int(random.integers(3))
        for time, frame in enumerate(clip):
            place = (across, start + time) if along else (start + time, across)
            frame[place[0] : place[0] + 5, place[1] : place[1] + 5] = random.integers(200, 256)
    return clips


def write_video(
    path: Path, frames: np.ndarray, rate: int = 10, times: list[float] | None = None, sound: bool = False
) -> Path:
    """Frames (t, h, w, 1 | 3) as a video by its ending; `times` in seconds make its rate vary."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gif":
        pictures = [Image.fromarray(frame[..., 0] if frame.shape[2] == 1 else frame) for frame in frames]
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=1000 // rate, loop=0)
        return path
    codec = {".mp4": "libx264", ".webm": "libvpx", ".avi": "mpeg4"}[path.suffix]
    av: Any = require("av", "video", "Reading videos")
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        if codec == "libx264":
            stream.options = {"crf": "10"}
        audio: Any = container.add_stream("aac", rate=8000) if sound else None
        for number, frame in enumerate(np.repeat(frames, 3 // frames.shape[3], 3)):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture.time_base = Fraction(1, 1000)
            picture.pts = round(1000 * (number / rate if times is None else times[number]))
            stream.codec_context.time_base = Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        if audio is not None:
            noise = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            noise.sample_rate = 8000
            container.mux(audio.encode(noise))
            container.mux(audio.encode(None))
    return path


def write_frames(folder: Path, frames: np.ndarray) -> Path:
    """Frames as numbered PNG files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames):
        Image.fromarray(frame[..., 0] if frame.shape[2] == 1 else frame).save(folder / f"{number:03d}.png")
    return folder
