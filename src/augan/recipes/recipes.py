"""Recipes: what to train with, from what the data is and how much time there is.

A recipe is a function `(Facts) -> RunConfig`. Each choice comes with a reason in plain words; docs/experiments.md has
the measurements behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from augan.core.errors import UserError, unknown_name
from augan.core.item import ItemSpec
from augan.game.config import GameConfig
from augan.networks import NetworkConfig
from augan.nn import Canvas
from augan.training import DataConfig, RunConfig, TrainingConfig

DEFAULT_MINUTES = 5.0


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Time in minutes, or real images shown. Neither means 5 minutes.

    Raises:
        UserError: both are given, or one is not above 0.
    """

    minutes: float | None = None
    images: int | None = None

    def __post_init__(self) -> None:
        if self.minutes is not None and self.images is not None:
            raise UserError("Give --minutes or --images, not both.")
        for name, value in (("--minutes", self.minutes), ("--images", self.images)):
            if value is not None and not 0 < value < float("inf"):
                raise UserError(f"{name} {value}: a number above 0 is expected.")

    def resolved(self) -> Budget:
        """The default filled in."""
        return self if self.minutes or self.images else Budget(minutes=DEFAULT_MINUTES)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What recipes decide by: the item, how many there are, how many of each class, and the budget."""

    item: ItemSpec
    count: int
    classes: Mapping[str, int]
    budget: Budget

    @property
    def imbalance(self) -> float:
        """The largest class over the smallest; 1 without classes."""
        return max(self.classes.values()) / max(1, min(self.classes.values())) if self.classes else 1.0

    @property
    def canvas_pixels(self) -> int:
        """Pixels of the grid that the networks work on."""
        height, width = Canvas.fit(self.item.height, self.item.width).size
        return height * width


def _budget(facts: Facts) -> dict[str, Any]:
    return {"minutes": facts.budget.minutes, "images": facts.budget.images}


def _balance(facts: Facts) -> tuple[float, list[str]]:
    if facts.imbalance < 1.5:
        return 0.0, []
    return 1.0, [
        f"classes are shown equally often, as the largest has {facts.imbalance:.1f} times the smallest's images"
    ]


def strided(facts: Facts) -> RunConfig:
    """The fast pair with the relativistic objective and both gradient penalties."""
    balance, reasons = _balance(facts)
    return RunConfig(
        recipe="strided",
        data=DataConfig(balance=balance),
        networks=NetworkConfig(name="strided", width=32, latent_size=64),
        game=GameConfig(objective="relativistic", r1_gamma=0.5, r2_gamma=0.5, penalty_interval=4),
        training=TrainingConfig(**_budget(facts), learning_rate=8e-4, learning_rate_end=1e-4),
        reasons=tuple(reasons),
    )


def article(facts: Facts) -> RunConfig:
    """The textbook pair with the exact minimax pay-off: latent 100, batch normalisation, Adam (0.5, 0.999)."""
    balance, reasons = _balance(facts)
    return RunConfig(
        recipe="article",
        data=DataConfig(balance=balance),
        networks=NetworkConfig(name="article", width=64, latent_size=100),
        game=GameConfig(objective="minimax", r1_gamma=0.0, r2_gamma=0.0),
        training=TrainingConfig(**_budget(facts), learning_rate=2e-4, learning_rate_end=2e-4, beta1=0.5, beta2=0.999),
        reasons=tuple(reasons),
    )


def residual(facts: Facts) -> RunConfig:
    """R3GAN's blocks, objective and penalties, with the penalties at every fourth round."""
    balance, reasons = _balance(facts)
    return RunConfig(
        recipe="residual",
        data=DataConfig(balance=balance),
        networks=NetworkConfig(name="residual", width=32, latent_size=64),
        game=GameConfig(objective="relativistic", r1_gamma=0.5, r2_gamma=0.5, penalty_interval=4),
        training=TrainingConfig(**_budget(facts), learning_rate=8e-4, learning_rate_end=1e-4),
        reasons=tuple(reasons),
    )


def auto(facts: Facts) -> RunConfig:
    """Chooses by the data and the budget."""
    return strided(facts)


RECIPES: dict[str, Callable[[Facts], RunConfig]] = {
    "auto": auto,
    "article": article,
    "strided": strided,
    "residual": residual,
}
"""What `--recipe NAME` may name."""


def recipe_config(name: str, item: ItemSpec, count: int, classes: Mapping[str, int], budget: Budget) -> RunConfig:
    """The configuration of the recipe called `name` for this data and budget.

    Raises:
        UserError: there is no such recipe; the message lists them.
    """
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    return RECIPES[name](Facts(item=item, count=count, classes=classes, budget=budget.resolved()))
