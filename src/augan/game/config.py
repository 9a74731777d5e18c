"""Settings of the game."""

from __future__ import annotations

from pydantic import Field
from pydantic.dataclasses import dataclass

from augan.core.config import STRICT
from augan.game.augmentation import operation
from augan.game.objectives import objective


@dataclass(frozen=True, kw_only=True, config=STRICT)
class GameConfig:
    """What the players play for.

    Attributes:
        objective: minimax, non-saturating, hinge, least-squares, wasserstein or relativistic.
        r1_gamma: weight of the zero-centred penalty on real images (gamma / 2 times its mean); 0 is off.
        r2_gamma: the same on generated images.
        gradient_penalty: weight of the WGAN-GP penalty; 0 is off.
        penalty_interval: penalties are computed every so many rounds, and multiplied by it.
        spectral_norm: divide the discriminator's weights by their largest singular values.
        matching: weight of a term that also ranks a real image with its own class above the same image with another
            class (after arXiv:1605.05396, section 4.1); 0 is off. It needs classes.
        augmentation: what is done to images before the discriminator sees them, in order.
    """

    objective: str = "relativistic"
    r1_gamma: float = Field(default=0.5, ge=0)
    r2_gamma: float = Field(default=0.5, ge=0)
    gradient_penalty: float = Field(default=0.0, ge=0)
    penalty_interval: int = Field(default=4, ge=1)
    spectral_norm: bool = False
    matching: float = Field(default=0.0, ge=0)
    augmentation: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        objective(self.objective)
        for name in self.augmentation:
            operation(name)

    @property
    def penalised(self) -> bool:
        """Whether any gradient penalty is on."""
        return self.r1_gamma > 0 or self.r2_gamma > 0 or self.gradient_penalty > 0
