"""What a training run tells the world while it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from augan.health import Health
from augan.metrics import Quality


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One reading, every second or so.

    Attributes:
        images_seen: real images seen so far; horizon_images: expected at the end (0 while unknown).
        fraction: share of the budget that is used, from 0 to 1.
        images_per_sec: since the last reading.
        seconds_left: expected.
        losses: running means of the watched numbers since the last reading.
        threads: processor threads in use.
        health: a word and a sentence.
        unit: what an item is called, many of them.
    """

    images_seen: int
    horizon_images: float
    fraction: float
    images_per_sec: float
    seconds_left: float
    losses: dict[str, float]
    threads: int
    health: Health
    unit: str = "images"


class Observer:
    """Does nothing at every event; subclasses show what they like."""

    def begin(self, folder: Path, lines: Sequence[str]) -> None:
        """Training is about to start; `lines` say in plain words on what and how."""

    def stage(self, text: str) -> None:
        """A preparation that takes a while starts."""

    def progress(self, progress: Progress) -> None:
        """A reading."""

    def snapshot(self, images_seen: int, quality: Quality | None, sheet: Path, best: bool) -> None:
        """Samples (and measures) were taken and a checkpoint was written."""

    def act(self, text: str) -> None:
        """The run did something about itself: it went back, or changed its rate."""

    def end(self, state: str) -> None:
        """The run has ended, however it did: 'finished', 'interrupted' or 'failed' (an error follows)."""
