"""What a study of clips has of its own: which clips are of one film, and what its arms do."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from jaxtyping import Int64

from augan.augment.study import Arm
from augan.data import Source


def films_of(source: Source) -> Int64[np.ndarray, " n"] | None:
    """The number of each clip's film, where films were cut into several clips; None where each is its own."""
    origin = getattr(source, "origin", None)
    names = () if origin is None else origin.members
    if len(names) != len(source):
        return None
    films = [re.sub(r"#\d+$", "", name) for name in names]
    _, codes = np.unique(films, return_inverse=True)
    return None if len(set(films)) == len(names) else codes.astype(np.int64)


def clip_arms(arms: Mapping[str, Arm]) -> dict[str, Arm]:
    """The arms for images as those for clips."""
    changed = {
        "real": Arm(meaning="the real clips as they are"),
        "classical": Arm(meaning="cropped, moved and changed in contrast at random, all frames of a clip alike"),
    }
    return {name: changed.get(name, arm) for name, arm in arms.items()}
