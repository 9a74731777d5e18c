"""How clips move, in numbers that need no network, and how far two sets of clips are apart in them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

Statistics = Float[np.ndarray, "_ k"]
STATISTICS = ("change", "unevenness", "far change", "speed", "turning")
"""Of a clip: the mean difference of neighbouring frames, in 0 to 1; its deviation over time; the mean difference of
frames half a clip apart; how far the centre of what stands out moves each frame, in diagonals; and how much that step
changes each frame."""
LEAST_SCALE = 1e-3


def motion_statistics(clips: UInt8[np.ndarray, "n t h w c"]) -> Statistics:
    """STATISTICS of each clip, (n, 5)."""
    found = [_of_clip(clip.astype(np.float32).mean(3) / 255) for clip in clips]
    return np.array(found, dtype=np.float64).reshape(len(clips), len(STATISTICS))


def _of_clip(frames: Float[np.ndarray, "t h w"]) -> list[float]:
    length, height, width = frames.shape
    change = np.abs(np.diff(frames, axis=0)).mean((1, 2))
    far = np.abs(frames[length // 2 :] - frames[: length - length // 2]).mean()
    weight = np.abs(frames - np.median(frames, axis=(1, 2), keepdims=True)) + 1e-6
    total = weight.sum((1, 2))
    rows = (weight.sum(2) @ np.arange(height, dtype=np.float32)) / total
    columns = (weight.sum(1) @ np.arange(width, dtype=np.float32)) / total
    steps = np.diff(np.stack([rows, columns], 1), axis=0) / np.hypot(height, width)
    turning = np.linalg.norm(np.diff(steps, axis=0), axis=1).mean() if length > 2 else 0.0
    return [float(change.mean()), float(change.std()), float(far), float(np.linalg.norm(steps, axis=1).mean()), turning]


def motion_distance(real: Statistics, fake: Statistics) -> float:
    """The mean over STATISTICS of the Wasserstein distance between both sides' values, over the real ones' root mean
    square.

    0 is best; clips that stand still, all of whose statistics are 0, are at most 1 away.
    """
    shares = (np.arange(max(len(real), len(fake))) + 0.5) / max(len(real), len(fake))
    ours, theirs = (np.quantile(side, shares, axis=0) for side in (fake, real))
    scale = np.maximum(np.sqrt((real**2).mean(0)), LEAST_SCALE)
    return float((np.abs(ours - theirs).mean(0) / scale).mean())
