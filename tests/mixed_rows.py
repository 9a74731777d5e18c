"""A small table with a column of every kind."""

from __future__ import annotations

import numpy as np
import pandas as pd


def mixed(count: int = 120, seed: int = 0) -> pd.DataFrame:
    """`number` depends on `sex`, `city` on nothing."""
    random = np.random.default_rng(seed)
    sex = random.choice(["f", "m"], count)
    sex[:4] = ["f", "m", "f", "m"]
    gaps = random.exponential(3.0, count)
    gaps[::9] = np.nan
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 700, count), "D")
    return pd.DataFrame(
        {
            "number": random.normal(np.where(sex == "f", 0.0, 4.0), 1.0),
            "children": random.integers(0, 4, count),
            "sex": sex,
            "city": np.where(np.arange(count) % 3 == 0, "Rome", np.where(np.arange(count) % 3 == 1, "Oslo", "Bern")),
            "member": random.random(count) < 0.3,
            "born": days,
            "seen": [str(day.date()) for day in days],
            "gaps": gaps,
            "always": 7,
            "never": [None] * count,
            "id": [f"case-{number:05d}" for number in range(count)],
            "row": np.arange(100, 100 + count),
            "odd": [number % 3 if number % 2 else "text" for number in range(count)],
        }
    )
