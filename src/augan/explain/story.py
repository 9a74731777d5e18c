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
        sheets: (images seen, file) of at most six sheets, from the first to the last; all are of the same latents.
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
    files = sorted((int(path.stem), path) for path in (run.path / "samples").glob("*.png") if path.stem.isdigit())
    if len(files) > MOST_SHEETS:
        places = [round(k * (len(files) - 1) / (MOST_SHEETS - 1)) for k in range(MOST_SHEETS)]
        files = [files[place] for place in places]
    return Story(tuple(files), tuple(health), tuple(acts), tuple(distances), seen)
