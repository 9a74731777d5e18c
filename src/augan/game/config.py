"""Settings of the game."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from augan.core.config import STRICT
from augan.core.errors import UserError
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
        lecam: weight of a penalty that holds logits near the other side's moving average (arXiv:2104.03310), for few
            images; 0 is off. Not for the relativistic objective, whose logits have no level of their own.
        tail: weight of a penalty on what small classes alone can change in the generator (arXiv:2208.09932, there 0.5);
            0 is off. Needs classes, and networks.name = strided.
        penalty_interval: gradient penalties are computed every so many rounds, and multiplied by it.
        spectral_norm: divide the discriminator's weights by their largest singular values.
        matching: weight of a term that also ranks a real image with its own class above the same image with another
            class (after arXiv:1605.05396, section 4.1); 0 is off. It needs classes.
        auxiliary: weight of the class loss of networks.conditioning = auxiliary, for both players.
        reconstruction: weight of the discriminator's reconstruction of real images (networks.name = skip).
        reuse: judge the generator by the images that it made for the discriminator's turn, instead of fresh ones,
            against the real images' logits of that turn: up to an eighth faster.
        critic_turns: turns of the discriminator for one of the generator, all on the same real items; of clips it sees
            other frames in each.
        gamma_end: the penalties' weights end at this multiple of themselves, along a half cosine.
        augmentation: what is done to every image before the discriminator sees it, in order.
        adaptive: what is done to it with a probability that moves, in order, after the former.
        adaptive_control: overfitting moves the probability by how often the discriminator calls real images real;
            schedule moves it from 0 to its limit along a half cosine.
        adaptive_target: the share of signs that is aimed at (r_t of arXiv:2006.06676); control overfitting only.
        adaptive_images: images in which the probability can go from 0 to 1, or does go from 0 to its limit.
        adaptive_limit: the highest probability; beyond 0.8 changes can leak into samples.
    """

    objective: str = "relativistic"
    r1_gamma: float = Field(default=0.5, ge=0)
    r2_gamma: float = Field(default=0.5, ge=0)
    gradient_penalty: float = Field(default=0.0, ge=0)
    lecam: float = Field(default=0.0, ge=0)
    tail: float = Field(default=0.0, ge=0)
    penalty_interval: int = Field(default=4, ge=1)
    spectral_norm: bool = False
    matching: float = Field(default=0.0, ge=0)
    auxiliary: float = Field(default=0.5, ge=0)
    reconstruction: float = Field(default=1.0, ge=0)
    reuse: bool = False
    critic_turns: int = Field(default=1, ge=1, le=16)
    gamma_end: float = Field(default=1.0, ge=0)
    augmentation: tuple[str, ...] = ()
    adaptive: tuple[str, ...] = ()
    adaptive_control: Literal["overfitting", "schedule"] = "overfitting"
    adaptive_target: float = Field(default=0.6, gt=0, lt=1)
    adaptive_images: float = Field(default=500_000, gt=0)
    adaptive_limit: float = Field(default=0.8, gt=0, le=1)

    def __post_init__(self) -> None:
        relative = objective(self.objective).generator_sees_real
        if self.lecam and relative:
            raise UserError(
                f"game.lecam holds logits near a level, which the objective {self.objective} does not have. "
                "Choose another, such as --set game.objective=hinge, or --set game.lecam=0."
            )
        for name in (*self.augmentation, *self.adaptive):
            operation(name)

    @property
    def penalised(self) -> bool:
        """Whether any gradient penalty is on."""
        return self.r1_gamma > 0 or self.r2_gamma > 0 or self.gradient_penalty > 0
