"""Waveforms as pictures, for measures and classifiers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from augan.core.item import ItemSpec
from augan.core.sounds import decode, encode, spectrogram_spec
from augan.data.source import Source


def picture_item(item: ItemSpec) -> ItemSpec:
    """What `as_pictures` makes of items: waveforms become spectrograms, anything else stays."""
    if item.sound is None or item.sound.form != "waveform":
        return item
    spec = spectrogram_spec(item.sound)
    height, width = spec.grid
    return replace(item, height=height, width=width, value_range=(spec.floor_db, spec.top_db), sound=spec)


def to_pictures(items: np.ndarray, item: ItemSpec) -> np.ndarray:
    """Stored items as pictures: (b, 1, samples, c) int16 as (b, h, w, c) uint8, others as they are."""
    spec = picture_item(item).sound
    if item.sound is None or spec is None or item.sound.form != "waveform":
        return items
    return encode(decode(items, item.sound), spec)


def as_pictures(source: Source) -> Source:
    """The source, or where it holds waveforms, their spectrograms: what measures and classifiers see."""
    if source.item.sound is None or source.item.sound.form != "waveform":
        return source
    return SpectrogramSource(parent=source)


@dataclass(frozen=True, kw_only=True, eq=False)
class SpectrogramSource:
    """Waveforms of another source as spectrograms, made as they are asked for."""

    parent: Source

    @property
    def item(self) -> ItemSpec:
        return picture_item(self.parent.item)

    @property
    def labels(self) -> np.ndarray | None:
        return self.parent.labels

    @property
    def key(self) -> str:
        return hashlib.sha256(f"spectrograms {self.parent.key}".encode()).hexdigest()

    @property
    def name(self) -> str:
        return self.parent.name

    @property
    def notes(self) -> tuple[str, ...]:
        return self.parent.notes

    def __len__(self) -> int:
        return len(self.parent)

    def items(self, indices: np.ndarray) -> np.ndarray:
        return to_pictures(self.parent.items(indices), self.parent.item)
