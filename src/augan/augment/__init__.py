"""More data where it helps, and the proof beside it.

    from augan.augment import GANSampler, lift

    lift("photos/", minutes=2).verdict.word          # HELPS, NO EVIDENCE or HURTS
    GANSampler(random_state=0).fit_resample(X, y)    # an imbalanced-learn sampler

The package can be called as well: `augan.augment(...)` is `augan.api.augment`, whether or not this was imported.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from augan.augment.foreign import fit_translation
from augan.augment.lift import Lift, lift
from augan.augment.mixture import SyntheticMix
from augan.augment.selection import Selection, Side, select
from augan.augment.sentences import lift_text
from augan.augment.study import Outcome, Plan, Record
from augan.augment.verdict import Verdict, judge
from augan.core.optional import require

if TYPE_CHECKING:
    from augan.augment.sampler import GANSampler

__all__ = [
    "GANSampler",
    "Lift",
    "Outcome",
    "Plan",
    "Record",
    "Selection",
    "Side",
    "SyntheticMix",
    "Verdict",
    "fit_translation",
    "judge",
    "lift",
    "lift_text",
    "select",
]


class _Callable(ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """`augan.api.augment`."""
        return import_module("augan.api").augment(*arguments, **options)


sys.modules[__name__].__class__ = _Callable


def __getattr__(name: str) -> Any:
    if name == "GANSampler":  # imbalanced-learn is imported where it is used
        require("imblearn", "augment", "GANSampler")
        return import_module("augan.augment.sampler").GANSampler
    raise AttributeError(f"module 'augan.augment' has no attribute '{name}'")
