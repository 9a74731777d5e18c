"""One film (a video file, or a folder of frames): when its frames are, and the frames themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Float, Int64

from augan.core.optional import require
from augan.data.decode import Unreadable, decode

Reader = Callable[[], Iterator[np.ndarray]]
UNEVEN = 1.5
"""A film in which a frame lasts so many times the usual one, or more, has a variable rate."""


@dataclass(frozen=True, kw_only=True)
class Cutting:
    """How films become clips of one length.

    Attributes:
        frames: of a clip; None is 16, and for arrays their own number.
        frames_per_sec: films are resampled to it by the times of their frames; None takes frames as they come. Folders
            of frames and arrays have no times: there it says what their rate is.
        step: every so many-th frame is taken.
    """

    frames: int | None = None
    frames_per_sec: float | None = None
    step: int = 1


@dataclass(frozen=True, kw_only=True)
class Film:
    """A film before it is cut.

    Attributes:
        name: to be named by in messages.
        times: of its frames, in seconds from the first one; where `timed` is false, their numbers.
        frames: reads them all, in order, (height, width, 1 | 3 | 4) each. Raises Unreadable.
        sound: whether it has a track of sound.
        broken: why it cannot be read; None if it can.
    """

    name: str
    times: Float[np.ndarray, " f"]
    frames: Reader
    timed: bool = True
    sound: bool = False
    broken: str | None = None

    @property
    def uneven(self) -> bool:
        """Whether its rate varies."""
        gaps = np.diff(self.times)
        return self.timed and len(gaps) > 1 and float(gaps.max()) > UNEVEN * float(np.median(gaps))

    @property
    def rate(self) -> float | None:
        """Frames a second, on average; None where there are no times, or is one frame."""
        if not self.timed or len(self.times) < 2 or self.times[-1] <= 0:
            return None
        return (len(self.times) - 1) / float(self.times[-1])

    def chosen(self, cutting: Cutting) -> Int64[np.ndarray, " k"]:
        """Which frames are taken, in order; the same one more than once where a higher rate is asked for.

        At each moment k / rate that the film lasts for, it is the last frame that has begun by then.
        """
        rate = cutting.frames_per_sec if self.timed else None
        if rate is None and self.uneven:
            rate = self.rate
        if rate is None or len(self.times) < 2:
            taken = np.arange(len(self.times))
        else:
            moments = np.arange(int(self.times[-1] * rate + 1e-6) + 1) / rate
            taken = np.searchsorted(self.times, moments + 1e-6, side="right") - 1
        return taken[:: cutting.step].astype(np.int64)


def broken_film(name: str, reason: str) -> Film:
    """Stands for a film that cannot be read."""
    return Film(name=name, times=np.zeros(1), frames=lambda: iter(()), broken=reason)


def video_film(name: str, opened: Callable[[], str | BinaryIO]) -> Film:
    """A video file; `opened` gives its path, or a file object, each time anew. Reads no picture yet."""
    av: Any = require("av", "video", "Reading videos")
    try:
        with av.open(opened()) as container:
            if not container.streams.video:
                return broken_film(name, "it has no pictures")
            stream = container.streams.video[0]
            stamps = [packet.pts for packet in container.demux(stream) if packet.pts is not None]
            base = float(stream.time_base or 0)
            sound = len(container.streams.audio) > 0
    except (av.error.FFmpegError, OSError, ValueError) as error:
        return broken_film(name, _reason(error))
    if not stamps:
        return broken_film(name, "no frames in it")
    times = np.unique(np.array(stamps, dtype=np.float64)) * base
    return Film(name=name, times=times - times[0], frames=lambda: _decoded(opened), sound=sound)


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"damaged, or not a video: {text}"


def _decoded(opened: Callable[[], str | BinaryIO]) -> Iterator[np.ndarray]:
    av: Any = require("av", "video", "Reading videos")
    try:
        with av.open(opened()) as container:
            stream = container.streams.video[0]
            for frame in container.decode(stream):
                grey = frame.format.name.startswith("gray")
                picture = frame.to_ndarray(format="gray" if grey else "rgb24")
                yield picture[..., None] if grey else picture
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise Unreadable(_reason(error)) from error


def frames_film(name: str, count: int, contents: Callable[[], Iterator[bytes | Unreadable]]) -> Film:
    """A folder of frames; `contents` gives their encoded bytes in order."""

    def read() -> Iterator[np.ndarray]:
        for raw in contents():
            if isinstance(raw, Unreadable):
                raise raw
            yield decode(raw)

    return Film(name=name, times=np.arange(count, dtype=np.float64), frames=read, timed=False)
