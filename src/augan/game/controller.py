"""How likely changes of adaptive augmentation are: by overfitting, or by a schedule."""

from __future__ import annotations

WINDOW = 4
"""Rounds between two moves of the probability."""


def next_probability(
    probability: float, signs: float, images: int, *, target: float, full_range: float, limit: float
) -> float:
    """The probability after `images` more images, given r_t = mean sign of the real images' logits, `signs`.

    p grows while the discriminator is too sure of the real images, and falls otherwise, by images / full_range; it
    stays within [0, limit] (arXiv:2006.06676, section 3.2).

    >>> next_probability(0.1, 0.9, 256, target=0.6, full_range=2560, limit=0.8)
    0.2
    >>> next_probability(0.0, 0.1, 256, target=0.6, full_range=2560, limit=0.8)
    0.0
    """
    step = images / full_range
    moved = probability + (step if signs > target else -step if signs < target else 0.0)
    return min(max(moved, 0.0), limit)
