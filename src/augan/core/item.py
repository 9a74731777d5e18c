"""What one item of a data set is, and how its tensor relates to its file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int16, UInt8
from torch import Tensor

from augan.core.series import SeriesSpec
from augan.core.sounds import FULL_SCALE, SoundSpec
from augan.core.table import TableSpec


@dataclass(frozen=True, kw_only=True)
class ItemSpec:
    """The contract between data, networks and files.

    An image is stored as (height, width, channels) uint8, and reaches networks as (channels, height, width) float in
    [-1, 1]. `value_range` is what 0 and 255 stood for in the user's file: (0, 255) for 8-bit images, (0, 4095) for
    12 bits in a 16-bit file, (0, 1) for floats. A clip (`kind` "video") has `frames` of these, at `frames_per_sec`: it
    is stored as (frames, height, width, channels), and reaches networks as (channels, frames, height, width).
    A sound (`kind` "sound") is stored as `sound` says: as a picture of its spectrogram, or as int16 of height 1.
    A row of a table (`kind` "table", described by `table`) has 1x1 pixels and a channel for each number of an encoded
    row; it is stored as float32 in [-1, 1], as networks see it.
    A window of a time series (`kind` "series", described by `series`) has height 1, a pixel for each moment and a
    channel for each column that changes; it is stored as float32, too.
    """

    channels: int
    height: int
    width: int
    class_names: tuple[str, ...] | None = None
    value_range: tuple[float, float] = (0.0, 255.0)
    kind: str = "image"
    frames: int | None = None
    frames_per_sec: float | None = None
    sound: SoundSpec | None = None
    table: TableSpec | None = None
    series: SeriesSpec | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of items as they are stored."""
        if self.table is not None or self.series is not None:
            return np.dtype(np.float32)
        return np.dtype(np.int16 if self.sound is not None and self.sound.form == "waveform" else np.uint8)

    @property
    def classes(self) -> int:
        """How many classes there are; 0 where items have no label."""
        return len(self.class_names) if self.class_names else 0

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels, height, width); of a clip (channels, frames, height, width)."""
        time = () if self.frames is None else (self.frames,)
        return (self.channels, *time, self.height, self.width)

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The same with channels last, as items are stored."""
        return (*self.shape[1:], self.channels)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; `from_json` is its inverse. What an image does not have is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None or name == "class_names"}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> ItemSpec:
        """The spec that `to_json` wrote."""
        names = value.get("class_names")
        low, high = value["value_range"]
        known = {**value, "class_names": tuple(names) if names else None, "value_range": (low, high)}
        if value.get("sound") is not None:
            known["sound"] = SoundSpec(**value["sound"])
        if known.get("table") is not None:
            known["table"] = TableSpec.from_json(known["table"])
        if known.get("series") is not None:
            known["series"] = SeriesSpec.from_json(known["series"])
        return cls(**known)


Stored = UInt8[np.ndarray, "b *grid c"] | Int16[np.ndarray, "b *grid c"] | Float32[np.ndarray, "b *grid c"]


def to_unit(items: Stored) -> Float[Tensor, "b c *grid"]:
    """Stored items to what networks see: channels second, float32 in [-1, 1], channels last in memory.

    Items that are stored as float32 are in that range already.
    """
    values = torch.from_numpy(items).movedim(-1, 1)
    if items.dtype == np.float32:
        return values
    values = values.to(torch.float32)
    return values.div_(FULL_SCALE).clamp_(-1, 1) if items.dtype == np.int16 else values.div_(127.5).sub_(1)


def from_unit(items: Float[Tensor, "b c *grid"], dtype: np.dtype[Any] | type = np.uint8) -> Stored:
    """The inverse of `to_unit`, rounded and clipped to [0, 255], or for int16 to [-32767, 32767]."""
    values = items.detach().float()
    if np.dtype(dtype) == np.int16:
        levels = values.clamp(-1, 1).mul(FULL_SCALE).round().to(torch.int16)
    else:
        levels = values.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(levels.movedim(1, -1).cpu().numpy())


def stills(items: np.ndarray) -> np.ndarray:
    """The middle frames of clips, (n, t, h, w, c); anything else as it is."""
    return items[:, items.shape[1] // 2] if items.ndim == 5 else items
