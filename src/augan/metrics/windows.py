"""Windows of time series as features: their numbers in deviations, and how much each column moves."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from augan.core.item import ItemSpec
from augan.core.rng import numpy_stream
from augan.core.series import SeriesSpec
from augan.metrics.space import FeatureSpace

MOST_NUMBERS = 128
"""Longer windows are projected onto so many random directions."""


def in_deviations(spec: SeriesSpec, windows: Float[np.ndarray, "n t c"]) -> Float[np.ndarray, "n t c"]:
    """Windows in the data's units as deviations from the mean of each column, float64."""
    mean = np.array([column.mean for column in spec.learnt])
    deviation = np.array([column.deviation for column in spec.learnt])
    return (windows - mean) / deviation


def window_features(spec: SeriesSpec, windows: Float[np.ndarray, "n t c"]) -> Float[np.ndarray, "n d"]:
    """Of windows in the data's units, float32: their numbers in deviations (projected, if there are more than 128), and
    of each column the spread of its numbers, and of its steps from moment to moment."""
    scaled = in_deviations(spec, windows)
    numbers = scaled.reshape(len(scaled), scaled.shape[1] * scaled.shape[2])
    if numbers.shape[1] > MOST_NUMBERS:
        directions = numpy_stream(0, "directions of windows").standard_normal((numbers.shape[1], MOST_NUMBERS))
        numbers = numbers @ (directions / MOST_NUMBERS**0.5)
    spreads = [scaled.std(1), np.diff(scaled, axis=1).std(1)]
    return np.concatenate([numbers, *spreads], 1).astype(np.float32)


class WindowSpace(FeatureSpace):
    """`window_features` as a feature space: nothing is learnt."""

    head = None
    accuracy = None

    def __init__(self, item: ItemSpec) -> None:
        assert item.series is not None
        self.item, self.spec, self.name = item, item.series, "windows"
        self.hash = hashlib.sha256(json.dumps(item.to_json(), sort_keys=True).encode()).hexdigest()[:16]
        self.preprocessing = "numbers in deviations, and spreads of numbers and steps"
        self.dimensions = self.features(torch.zeros(1, *item.shape)).shape[1]

    def features(self, images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, "n d"]:
        """Features of encoded windows (n, columns, 1, moments)."""
        windows = images[:, :, 0].permute(0, 2, 1).numpy()
        return window_features(self.spec, self.spec.decode(windows))
