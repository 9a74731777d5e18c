"""Recipes for windows of time series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from augan.game.config import GameConfig
from augan.networks import NetworkConfig
from augan.training import DataConfig, RunConfig, TrainingConfig

GAMMA = 1.0
MATCHING = 0.1
UNEVEN = 1.5


def windows(budget: dict[str, Any], classes: Mapping[str, int]) -> RunConfig:
    """One-dimensional convolutions in the relativistic game, with lazy penalties on both sides (arXiv:2501.05441)."""
    uneven = bool(classes) and max(classes.values()) >= UNEVEN * max(1, min(classes.values()))
    more = ("classes are shown equally often, as they differ in size",) if uneven else ()
    return RunConfig(
        recipe="auto",
        data=DataConfig(balance=float(uneven)),
        networks=NetworkConfig(name="series", latent_size=32, width=16),
        game=GameConfig(
            objective="relativistic",
            r1_gamma=GAMMA,
            r2_gamma=GAMMA,
            penalty_interval=4,
            matching=MATCHING if len(classes) > 1 else 0.0,
            reuse=True,
        ),
        training=TrainingConfig(
            **budget, batch=64, learning_rate=2e-3, learning_rate_end=2e-4, beta2=0.9, precision="fp32"
        ),
        reasons=("windows of a time series: one-dimensional convolutions", *more),
    )


SERIES_RECIPES = {"auto": windows}
"""What `--recipe NAME` may name for time series."""
