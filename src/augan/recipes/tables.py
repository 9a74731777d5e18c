"""Recipes for rows of tables."""

from __future__ import annotations

from typing import Any

from augan.game.config import GameConfig
from augan.networks import NetworkConfig
from augan.training import RunConfig, TrainingConfig

BATCH, PACK = 500, 10


def ctgan(budget: dict[str, Any]) -> RunConfig:
    """CTGAN as published (arXiv:1907.00503, section 4.4 and its code): WGAN-GP, two layers of 256, packs of ten.

    The average of the generator is what samples, as everywhere in augan.
    """
    return RunConfig(
        recipe="ctgan",
        networks=NetworkConfig(name="ctgan", latent_size=128, width=256, blocks=2, pack=PACK),
        game=GameConfig(objective="wasserstein", r1_gamma=0.0, r2_gamma=0.0, gradient_penalty=10.0, penalty_interval=1),
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
