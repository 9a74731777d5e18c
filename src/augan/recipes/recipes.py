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
from augan.recipes.speed import reference_rate
from augan.training import DataConfig, RunConfig, TrainingConfig

DEFAULT_MINUTES = 5.0
WIDTHS = {16: 0.0, 24: 10_000.0, 32: 15_000.0, 48: 150_000.0, 64: 300_000.0}
"""Widths that `auto` chooses from, and how many images each needs to see to be worth it."""


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
    """What recipes decide by: the item, how many there are, how many of each class, the budget, and, where that is a
    time, the machine's `reference_rate`."""

    item: ItemSpec
    count: int
    classes: Mapping[str, int]
    budget: Budget
    rate: float = 0.0

    @property
    def imbalance(self) -> float:
        """The largest class over the smallest; 1 without classes."""
        return max(self.classes.values()) / max(1, min(self.classes.values())) if self.classes else 1.0

    @property
    def canvas_pixels(self) -> int:
        """Pixels of the grid that the networks work on."""
        height, width = Canvas.fit(self.item.height, self.item.width).size
        return height * width

    def affordable_images(self, width: int) -> float:
        """How many images the budget allows the strided pair of this width to see."""
        if self.budget.minutes is None:
            return float(self.budget.images or 0)
        work = self.canvas_pixels / (32 * 32) * (width / 32) ** 2
        return 60 * self.budget.minutes * self.rate / work


def _budget(facts: Facts) -> dict[str, Any]:
    return {"minutes": facts.budget.minutes, "images": facts.budget.images}


def _balance(facts: Facts) -> tuple[float, list[str]]:
    if facts.imbalance < 1.5:
        return 0.0, []
    return 1.0, [
        f"classes are shown equally often, as the largest has {facts.imbalance:.1f} times the smallest's images"
    ]


def _strided(facts: Facts, name: str, width: int, planned: float, reasons: list[str]) -> RunConfig:
    balance, why = _balance(facts)
    gamma = _gamma(facts)
    rate = 1.6e-3 * min(1.0, 32 / width)
    long_run = planned > 100_000
    return RunConfig(
        recipe=name,
        data=DataConfig(balance=balance),
        networks=NetworkConfig(name="strided", width=width, latent_size=64),
        game=GameConfig(
            objective="relativistic",
            r1_gamma=gamma,
            r2_gamma=gamma,
            penalty_interval=4,
            matching=0.2 if len(facts.classes) > 1 else 0.0,
        ),
        training=TrainingConfig(
            **_budget(facts),
            batch=64 if planned > 15_000 else 32,
            learning_rate=rate,
            learning_rate_end=rate / 8 if long_run else rate,
            ema_half_life_images=max(5_000.0, 0.02 * planned),
        ),
        reasons=(*reasons, *why),
    )


def _gamma(facts: Facts) -> float:
    """0.5 at 32x32, in proportion to the number of pixels: squared gradients grow with it."""
    return 0.5 * facts.canvas_pixels / 1024


def strided(facts: Facts) -> RunConfig:
    """The fast pair at width 32, with the relativistic objective, both gradient penalties and class matching."""
    return _strided(facts, "strided", 32, facts.affordable_images(32), [])


def auto(facts: Facts) -> RunConfig:
    """The fast pair, as wide as the budget can train: wide enough to learn, narrow enough to see enough images."""
    fitting = [width for width, needed in WIDTHS.items() if facts.affordable_images(width) >= needed]
    width = max(fitting, default=min(WIDTHS))
    planned = facts.affordable_images(width)
    size = f"{facts.item.height}x{facts.item.width}"
    reason = f"width {width}, with which the budget is enough for about {planned:,.0f} images of {size}"
    return _strided(facts, "auto", width, planned, [reason])


def article(facts: Facts) -> RunConfig:
    """The textbook pair with the exact minimax pay-off, latent 100 and batch normalisation, and nothing else.

    The discriminator learns at a quarter of the generator's rate: at equal rates it wins within seconds, and
    log(1 - D(G(z))) then has no slope left to learn from.
    """
    balance, reasons = _balance(facts)
    return RunConfig(
        recipe="article",
        data=DataConfig(balance=balance),
        networks=NetworkConfig(name="article", width=64, latent_size=100),
        game=GameConfig(objective="minimax", r1_gamma=0.0, r2_gamma=0.0),
        training=TrainingConfig(
            **_budget(facts),
            learning_rate=4e-4,
            learning_rate_end=1e-4,
            discriminator_rate=0.25,
        ),
        reasons=(
            *reasons,
            "the discriminator learns at a quarter of the generator's rate, lest the exact game saturate",
        ),
    )


def residual(facts: Facts) -> RunConfig:
    """R3GAN's blocks, objective and penalties, with the penalties at every fourth round."""
    balance, reasons = _balance(facts)
    gamma = _gamma(facts)
    return RunConfig(
        recipe="residual",
        data=DataConfig(balance=balance),
        networks=NetworkConfig(name="residual", width=32, latent_size=64),
        game=GameConfig(
            objective="relativistic",
            r1_gamma=gamma,
            r2_gamma=gamma,
            penalty_interval=4,
            matching=0.2 if len(facts.classes) > 1 else 0.0,
        ),
        training=TrainingConfig(**_budget(facts), learning_rate=8e-4, learning_rate_end=4e-4),
        reasons=tuple(reasons),
    )


RECIPES: dict[str, Callable[[Facts], RunConfig]] = {
    "auto": auto,
    "article": article,
    "strided": strided,
    "residual": residual,
}
"""What `--recipe NAME` may name."""


def recipe_config(
    name: str, item: ItemSpec, count: int, classes: Mapping[str, int], budget: Budget, device: str = "auto"
) -> RunConfig:
    """The configuration of the recipe called `name` for this data and budget.

    Raises:
        UserError: there is no such recipe; the message lists them.
    """
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    budget = budget.resolved()
    rate = 0.0 if budget.minutes is None else reference_rate(device)
    return RECIPES[name](Facts(item=item, count=count, classes=classes, budget=budget, rate=rate))
