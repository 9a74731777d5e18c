"""When a run goes back, and how it goes on: rules over its measures and counters."""

from __future__ import annotations

from augan.health import COLLAPSE, DIVERGED
from augan.metrics import Quality
from augan.training.state import Counters

EARLY = 0.5
"""Share of a run before which samples may be all alike."""


class GoneWrong(Exception):
    """Something that going back at a lower rate may mend.

    Attributes:
        kind: "not finite", "worse" or "collapsed".
        reason: the same in a sentence, with its numbers.
        back_to: which checkpoint, "good" or "best"; "here" for none.
    """

    def __init__(self, kind: str, reason: str, back_to: str) -> None:
        super().__init__(kind, reason, back_to)
        self.kind, self.reason, self.back_to = kind, reason, back_to


def trouble(quality: Quality, best_frechet: float, fraction: float, has_best: bool) -> GoneWrong | None:
    """What is wrong with samples, if it is something that another try at a lower rate may mend.

    `best_frechet` is the best distance before, `fraction` the share of the run that is done, `has_best` whether a
    checkpoint of that distance is kept.
    """
    if quality.frechet > DIVERGED * best_frechet:
        reason = f"the Fréchet distance went from {best_frechet:.2f} to {quality.frechet:.2f}"
        return GoneWrong("worse", reason, "best")
    if quality.diversity < COLLAPSE and fraction >= EARLY:
        known = has_best and best_frechet < quality.frechet
        if known or fraction < 1:
            reason = f"samples differ {quality.diversity:.2f} times as much as real images"
            return GoneWrong("collapsed", reason, "best" if known else "here")
    return None


def gentler(restored: Counters, before: Counters, wrong: GoneWrong) -> str:
    """Lets `restored` go on where `before` was in time, at half the rate; what was done, in words.

    Penalties are doubled as well, unless a number was not finite.
    """
    restored.elapsed_sec, restored.horizon_images = before.elapsed_sec, before.horizon_images
    restored.best_frechet, restored.snapshots = before.best_frechet, before.snapshots
    restored.rescues = before.rescues + 1
    restored.rate_factor = before.rate_factor / 2
    restored.gamma_factor = before.gamma_factor * (1 if wrong.back_to == "good" else 2)
    place = "" if wrong.back_to == "here" else f"back to {restored.images_seen:,} images and "
    stronger = "" if wrong.back_to == "good" else " and penalties doubled"
    return f"{wrong.reason}: {place}on with the learning rate halved{stronger}"
