"""The first health rules: non-finite values, a discriminator that has won, a generator that has collapsed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from augan.data.kinds import NOUNS


@dataclass(frozen=True)
class Health:
    """A word for the progress line, and a sentence that says what it means and what to do."""

    word: str
    sentence: str

    @property
    def good(self) -> bool:
        """Whether nothing needs doing."""
        return self.word in ("healthy", "warming up")


HEALTHY = Health("healthy", "Both players learn.")
WARMING_UP = Health("warming up", "Too early to say.")

COLLAPSE = 0.2
DOMINANCE = 12.0
DIVERGED = 3.0
"""How many times the best Fréchet distance is too much."""


def first_non_finite(values: Mapping[str, float]) -> str | None:
    """The name of the first value that is NaN or infinite, or None."""
    return next((name for name, value in values.items() if not math.isfinite(value)), None)


def diagnose(values: Mapping[str, float], diversity: float | None, fraction: float, kind: str = "image") -> Health:
    """The state of a run.

    Args:
        values: running means of the watched numbers (`real_logit`, `fake_logit`, losses).
        diversity: mean distance between generated items of a class over that between real ones (1 is as diverse as
            the data); None if it was not measured yet.
        fraction: share of training that is done.
        kind: of item.
    """
    broken = first_non_finite(values)
    if broken:
        return Health("diverged", f"{broken} is not finite. Lower training.learning_rate or raise game.r1_gamma.")
    if diversity is not None and diversity < COLLAPSE and fraction > 0.4:
        return Health(
            "collapsing",
            f"Generated {NOUNS[kind]} differ {diversity:.2f} times as much as real ones: raise game.r1_gamma and "
            "game.r2_gamma, or lower training.learning_rate.",
        )
    gap = values.get("real_logit", 0.0) - values.get("fake_logit", 0.0)
    if gap > DOMINANCE:
        advice = "raise game.r1_gamma" + ("." if kind == "table" else ", or add game.augmentation.")
        return Health("D wins", f"Logits are {gap:.0f} apart: {advice}")
    return WARMING_UP if fraction < 0.1 else HEALTHY
