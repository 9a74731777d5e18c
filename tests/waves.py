"""Time series that tests share."""

from __future__ import annotations

import numpy as np
import pandas as pd


def waves(moments: int = 300, seed: int = 0, start: str = "2024-01-01") -> pd.DataFrame:
    """A day a row: a wave with a period of twelve days, whole numbers that follow it, and a constant."""
    random = np.random.default_rng(seed)
    phase = 2 * np.pi * np.arange(moments) / 12 + random.uniform(0, 6)
    level = 20 + 5 * np.sin(phase) + random.normal(0, 0.5, moments)
    return pd.DataFrame(
        {
            "date": pd.date_range(start, periods=moments).strftime("%Y-%m-%d"),
            "level": level.round(1),
            "count": (100 + 30 * np.cos(phase) + random.normal(0, 3, moments)).round().astype(int),
            "unit": "m",
        }
    )


def machines(series: int = 12, moments: int = 40, seed: int = 0) -> pd.DataFrame:
    """Several series: every other machine is worn, and shakes twice as fast."""
    parts = []
    for number in range(series):
        random = np.random.default_rng([seed, number])
        worn = number % 2
        phase = (1 + worn) * 2 * np.pi * np.arange(moments) / 16 + random.uniform(0, 6)
        shake = np.sin(phase) + random.normal(0, 0.1, moments)
        state = "worn" if worn else "new"
        parts.append(pd.DataFrame({"machine": f"m{number}", "shake": shake.round(3), "state": state}))
    return pd.concat(parts, ignore_index=True)
