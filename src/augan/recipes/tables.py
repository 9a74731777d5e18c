"""Recipes for rows of tables."""

from __future__ import annotations

from typing import Any

from augan.game.config import GameConfig
from augan.networks import NetworkConfig
from augan.training import RunConfig, TrainingConfig

BATCH, PACK = 500, 10
GAMMA = 0.5


def _networks() -> NetworkConfig:
    return NetworkConfig(name="ctgan", latent_size=128, width=256, blocks=2, pack=PACK)


def rows(budget: dict[str, Any]) -> RunConfig:
    """CTGAN's networks and sampling with the relativistic game and lazy penalties on both sides (arXiv:2501.05441).

    For as many rounds, a classifier learns as much or more from its rows than from those of the package `ctgan`, in
    half the time (docs/benchmarks.md).
    """
    return RunConfig(
        recipe="auto",
        networks=_networks(),
        game=GameConfig(objective="relativistic", r1_gamma=GAMMA, r2_gamma=GAMMA, penalty_interval=4, reuse=True),
        training=TrainingConfig(
            **budget, batch=BATCH, learning_rate=1e-3, learning_rate_end=2e-4, beta2=0.9, precision="fp32"
        ),
        reasons=("rows of a table: CTGAN's networks and sampling, in the relativistic game",),
    )


def ctgan(budget: dict[str, Any]) -> RunConfig:
    """CTGAN's networks, game and rates as published (arXiv:1907.00503, section 4.4 and its code).

    WGAN-GP, two layers of 256, packs of ten. What it does not share: the asked value is written into the row instead of
    a penalty, there is no weight decay, and it is the average of the generator that makes rows.
    """
    return RunConfig(
        recipe="ctgan",
        networks=_networks(),
        game=GameConfig(objective="wasserstein", r1_gamma=0, r2_gamma=0, gradient_penalty=10, penalty_interval=1),
        training=TrainingConfig(
            **budget,
            batch=BATCH,
            learning_rate=2e-4,
            learning_rate_end=2e-4,
            beta1=0.5,
            beta2=0.9,
            precision="fp32",
        ),
        reasons=("rows of a table: CTGAN's networks, game and sampling",),
    )


TABLE_RECIPES = {"auto": rows, "ctgan": ctgan}
"""What `--recipe NAME` may name for tables."""
