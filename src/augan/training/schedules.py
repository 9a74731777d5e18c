"""Schedules: pure functions of the share of training that is done."""

from __future__ import annotations

import math


def cosine(start: float, end: float, fraction: float) -> float:
    """From `start` at fraction 0 to `end` at fraction 1 along half a cosine; constant beyond.

    >>> cosine(4.0, 2.0, 0.0), cosine(4.0, 2.0, 0.5), cosine(4.0, 2.0, 7.0)
    (4.0, 3.0, 2.0)
    """
    share = min(max(fraction, 0.0), 1.0)
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def fraction_of(images_seen: int, horizon_images: float) -> float:
    """The share of training that is done, from 0 to 1; 0 while the horizon is not known (0)."""
    return min(images_seen / horizon_images, 1.0) if horizon_images > 0 else 0.0
