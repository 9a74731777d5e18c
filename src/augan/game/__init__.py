"""The rules of the game: objectives, penalties, differentiable augmentation. Pure functions, no network in sight."""

from augan.game.augmentation import AUGMENTATIONS, augment
from augan.game.objectives import OBJECTIVES, Objective, minimax_value, objective
from augan.game.patches import ImagePool, PatchProjection, batch_nce, draw_places, patch_nce
from augan.game.penalties import (
    anchored_penalty,
    apply_spectral_norm,
    group_spectral_penalty,
    interpolate,
    one_centered_penalty,
    tail_shares,
    zero_centered_penalty,
)

__all__ = [
    "AUGMENTATIONS",
    "OBJECTIVES",
    "ImagePool",
    "Objective",
    "PatchProjection",
    "anchored_penalty",
    "apply_spectral_norm",
    "augment",
    "batch_nce",
    "draw_places",
    "group_spectral_penalty",
    "interpolate",
    "minimax_value",
    "objective",
    "one_centered_penalty",
    "patch_nce",
    "tail_shares",
    "zero_centered_penalty",
]
