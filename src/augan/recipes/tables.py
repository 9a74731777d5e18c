"""Recipes for rows of tables."""

from __future__ import annotations

from typing import Any

from augan.game.config import GameConfig
from augan.networks import NetworkConfig
from augan.training import RunConfig, TrainingConfig

BATCH = 64
GAMMA = 0.1
CTGAN_BATCH, PACK = 500, 10


def rows(budget: dict[str, Any]) -> RunConfig:
    """CTGAN's sampling and its networks without batch normalisation, dropout and packs, in many small batches of the
    relativistic game with lazy penalties on both sides (arXiv:2501.05441).

    A classifier learns more from its rows than from those of the package `ctgan` (docs/benchmarks.md); what else was
    tried is in docs/experiments.md.
    """
    return RunConfig(
        recipe="auto",
        networks=NetworkConfig(name="rows", latent_size=128, width=128, blocks=2),
        game=GameConfig(objective="relativistic", r1_gamma=GAMMA, r2_gamma=GAMMA, penalty_interval=4, reuse=True),
        training=TrainingConfig(
            **budget,
            batch=BATCH,
            learning_rate=1e-3,
            learning_rate_end=2e-4,
            beta2=0.9,
            ema_half_life_images=2_000,
            precision="fp32",
        ),
        reasons=("rows of a table: CTGAN's sampling, plain networks and small batches in the relativistic game",),
    )


def ctgan(budget: dict[str, Any]) -> RunConfig:
    """CTGAN's networks, game and rates as published (arXiv:1907.00503, section 4.4 and its code).

    WGAN-GP, two layers of 256, packs of ten. What it does not share: the asked value is written into the row instead of
    a penalty, there is no weight decay, and it is the average of the generator that makes rows.
    """
    return RunConfig(
        recipe="ctgan",
        networks=NetworkConfig(name="ctgan", latent_size=128, width=256, blocks=2, pack=PACK),
        game=GameConfig(objective="wasserstein", r1_gamma=0, r2_gamma=0, gradient_penalty=10, penalty_interval=1),
        training=TrainingConfig(
            **budget,
            batch=CTGAN_BATCH,
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
