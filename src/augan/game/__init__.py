"""The rules of the game: objectives, penalties, differentiable augmentation. Pure functions, no network in sight."""

from augan.game.augmentation import AUGMENTATIONS, augment
from augan.game.objectives import OBJECTIVES, Objective, minimax_value, objective
from augan.game.penalties import (
    anchored_penalty,
    apply_spectral_norm,
    interpolate,
    one_centered_penalty,
    zero_centered_penalty,
)

__all__ = [
    "AUGMENTATIONS",
    "OBJECTIVES",
    "Objective",
    "anchored_penalty",
    "apply_spectral_norm",
    "augment",
    "interpolate",
    "minimax_value",
    "objective",
    "one_centered_penalty",
    "zero_centered_penalty",
]
