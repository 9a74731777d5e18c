"""The story of a run's training, as its folder tells it: sheets of the same latents, health, acts, measures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augan.checkpoint import Run

MOST_SHEETS = 6


@dataclass(frozen=True)
class Story:
    """What a run folder says about its training.

    Attributes:
        sheets: (images seen, file) of at most six moments, from the first to the last; all are of the same latents, or
            of a translation's same images, one for each direction.
        health: (images seen, word) each time the word of the health rules changed.
        acts: (images seen, what) the run did about itself.
        distances: (images seen, Fréchet distance) of each measure.
        images_seen: at the last reading.
    """

    sheets: tuple[tuple[int, Path], ...]
    health: tuple[tuple[int, str], ...]
    acts: tuple[tuple[int, str], ...]
    distances: tuple[tuple[int, float], ...]
    images_seen: int

    def to_json(self) -> dict[str, Any]:
        """Plain values; sheets by name."""
        return {
            "sheets": [[seen, path.name] for seen, path in self.sheets],
            "health": [list(entry) for entry in self.health],
            "acts": [list(entry) for entry in self.acts],
            "distances": [list(entry) for entry in self.distances],
            "images_seen": self.images_seen,
        }


def story(run: Run) -> Story:
    """Reads the story of a run; what its folder lacks is left empty."""
    health: list[tuple[int, str]] = []
    acts: list[tuple[int, str]] = []
    distances: list[tuple[int, float]] = []
    seen = 0
    for row in run.metrics():
        seen = int(row.get("images_seen", seen))
        word = row.get("health")
        if isinstance(word, str) and (not health or health[-1][1] != word):
            health.append((seen, word))
        if "act" in row:
            acts.append((seen, str(row["act"])))
        if isinstance(row.get("quality"), dict) and "frechet" in row["quality"]:
            distances.append((seen, float(row["quality"]["frechet"])))
    names = [(path.stem.partition("-")[0], path) for path in sorted((run.path / "samples").glob("*.png"))]
    files = [(int(number), path) for number, path in names if number.isdigit()]
    marks = sorted({number for number, _ in files})
    if len(marks) > MOST_SHEETS:
        marks = [marks[round(k * (len(marks) - 1) / (MOST_SHEETS - 1))] for k in range(MOST_SHEETS)]
    return Story(
        tuple(entry for entry in files if entry[0] in marks), tuple(health), tuple(acts), tuple(distances), seen
    )
