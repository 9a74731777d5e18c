"""What an evaluation of clips has beside the measures in their feature space, and trivial baselines beside it all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Float, UInt8

from augan.core.errors import UserError
from augan.core.item import ItemSpec, to_unit
from augan.data import ArraySource, Source, cache_folder
from augan.metrics import (
    LEAST_IMAGES,
    SPACES,
    Estimate,
    Evaluation,
    FeatureSpace,
    InDomainSpace,
    cached_extractor,
    frechet_distance,
    manifolds,
    motion_distance,
    motion_statistics,
)
from augan.metrics.clips import CHANGES, changed_clips

MOST_CLIPS = 500
"""Of which frames and motion are measured; features are of all."""
FRAME_STEPS = 200
AT_ONCE = 64
Clips = UInt8[np.ndarray, "_ t h w c"]
Features = Float[np.ndarray, "_ d"]


def check_space(features: object) -> None:
    """Raises UserError for a space of images by name."""
    if isinstance(features, str) and features in SPACES and features != "in-domain":
        raise UserError(f"The feature space '{features}' is of images. Clips are measured in 'in-domain', or in yours.")


@dataclass(frozen=True, kw_only=True)
class Judge:
    """What is needed to measure any clips against the real ones; `frames` is the space of single frames."""

    real: Clips
    features: Features
    frames: InDomainSpace

    @staticmethod
    def of(source: Source, rows: np.ndarray, features: Features) -> Judge:
        """For the chosen real clips of a source, with their features."""
        real = source.items(rows[:MOST_CLIPS])
        return Judge(real=real, features=features, frames=frame_space(real, source))

    def rows(self, clips: Clips) -> dict[str, float]:
        """The Fréchet distance between single frames, and the distance of motion."""
        ours, theirs = (self.frames.features(to_unit(some_frames(side))) for side in (clips, self.real))
        statistics = (motion_statistics(side) for side in (self.real, clips[:MOST_CLIPS]))
        return {"frame_frechet": frechet_distance(theirs, ours), "motion": motion_distance(*statistics)}

    def row(self, clips: Clips, features: Features, against: Features | None = None) -> dict[str, float]:
        """The same and the measures of the space, which have no intervals."""
        real = self.features if against is None else against
        found = manifolds(real, features)
        measured = {"frechet": frechet_distance(real, features)}
        measured |= {name: float(getattr(found, name).mean()) for name in ("precision", "coverage")}
        return measured | self.rows(clips)


def frame_space(clips: Clips, source: Source) -> InDomainSpace:
    """A space of single frames, made from those of these clips."""
    item = ItemSpec(channels=clips.shape[4], height=clips.shape[2], width=clips.shape[3])
    frames = clips.reshape(-1, *clips.shape[2:])
    key = hashlib.sha256(f"frames of {source.key}".encode()).hexdigest()
    items = ArraySource(array=frames, item=item, key=key)
    return cached_extractor(items, key, cache_folder(), steps=min(FRAME_STEPS, max(60, len(frames) // 8)))


def some_frames(clips: Clips) -> UInt8[np.ndarray, "n h w c"]:
    """A frame of each clip, from all times alike."""
    return clips[np.arange(len(clips)), np.arange(len(clips)) * 7 % clips.shape[1]]


def with_clip_measures(
    evaluation: Evaluation,
    space: FeatureSpace,
    source: Source,
    rows: np.ndarray,
    features: tuple[Features, Features],
    clips: Callable[[int], Clips],
    seed: int,
) -> Evaluation:
    """The evaluation with measures of frames and motion, and with the baselines' rows.

    Args:
        rows: which clips of `source` are the real side; `features` are theirs, and the other side's.
        clips: gives the first of the other side.
    """
    judge = Judge.of(source, rows, features[0])
    found = judge.rows(clips(MOST_CLIPS))
    measures = evaluation.measures | {name: Estimate(value) for name, value in found.items()}
    return replace(evaluation, measures=measures, baselines=baselines(judge, space, source, rows, seed))


def baselines(
    judge: Judge, space: FeatureSpace, source: Source, rows: np.ndarray, seed: int
) -> dict[str, dict[str, float]]:
    """Half of the real clips against the other half; and all with a frame frozen, or shuffled, against themselves."""
    found: dict[str, dict[str, float]] = {}
    half = len(rows) // 2
    if half >= LEAST_IMAGES:
        real = judge.features
        held = Judge(real=source.items(rows[half:][:MOST_CLIPS]), features=real[half:], frames=judge.frames)
        found["real, the other half"] = held.row(source.items(rows[:half][:MOST_CLIPS]), real[:half])
    for name in ("frozen", "shuffled"):
        change = partial(_changed, source, rows, name, seed)
        parts = [space.features(to_unit(change(start))) for start in range(0, len(rows), AT_ONCE)]
        some = np.concatenate([change(start) for start in range(0, min(len(rows), MOST_CLIPS), AT_ONCE)])
        found[f"real, {name}"] = judge.row(some[:MOST_CLIPS], np.concatenate(parts))
    return found


def _changed(source: Source, rows: np.ndarray, name: str, seed: int, start: int) -> Clips:
    """Some real clips with that done to them; the same each time."""
    clips = source.items(rows[start : start + AT_ONCE])
    kinds = np.full(len(clips), CHANGES.index(name), dtype=np.int64)
    return changed_clips(clips, kinds, np.random.default_rng([seed, start]))
