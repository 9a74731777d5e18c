"""What tests share: small settings and small images. (Not in conftest.py: there are several of that name.)"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from augan.core.item import ItemSpec
from augan.core.series import SeriesColumn, SeriesSpec
from augan.core.sounds import SoundSpec

TINY = [
    "networks.width=8",
    "networks.latent_size=8",
    "training.batch=16",
    "training.snapshots=2",
    "training.measure_images=40",
    "training.threads=1",
]
"""Settings that make any recipe small."""


def shapes(
    per_class: dict[str, int], side: int = 16, channels: int = 1, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Images that a small network tells apart at once: bright bars (class by class lower), with noise."""
    random = np.random.default_rng(seed)
    images, labels = [], []
    for label, count in enumerate(per_class.values()):
        for _ in range(count):
            image = random.integers(0, 60, (side, side, channels))
            row = (label * side) // len(per_class) + int(random.integers(0, 2))
            image[row : row + 3, 2:-2] = random.integers(180, 256)
            images.append(image)
            labels.append(label)
    return np.array(images, dtype=np.uint8), np.array(labels, dtype=np.int64)


def fitting(name: str, spec: ItemSpec) -> ItemSpec:
    """The item, or for networks of waveforms and series one with as many samples or moments as the item has pixels."""
    if name == "series":
        columns = tuple(SeriesColumn(name=f"c{place}", dtype="float64", high=1.0) for place in range(spec.channels))
        moments = spec.height * spec.width
        return replace(spec, height=1, width=moments, kind="series", series=SeriesSpec(columns=columns))
    if name != "wavegan":
        return spec
    samples = spec.height * spec.width
    sound = SoundSpec(rate_hz=8000, samples=samples, form="waveform")
    return replace(spec, height=1, width=samples, kind="sound", sound=sound)
