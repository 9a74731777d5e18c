"""A run explained: what ails it, what it did about itself, and its curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from augan.checkpoint import Run
from augan.core.files import atomic_file
from augan.core.optional import require
from augan.data.kinds import NOUNS
from augan.health import Finding, Record, examine

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What `augan doctor` says.

    Attributes:
        run: its folder.
        state: finished, stopped early or not finished.
        findings: what is wrong, the likeliest cause first; empty if nothing is.
        acts: what the run did about itself, in words, each with the images seen by then.
        readings, measures: how many there were to judge by.
    """

    run: str
    state: str
    findings: tuple[Finding, ...]
    acts: tuple[str, ...]
    readings: int
    measures: int

    @property
    def well(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def record_of(run: Run) -> Record:
    """What the doctor needs to know of a run."""
    rows = list(run.metrics())
    result, data = run.result(), run.data
    return Record(
        readings=[row for row in rows if "loss_discriminator" in row or "broken" in row],
        measures=[{"images_seen": row["images_seen"], **row["quality"]} for row in rows if "quality" in row],
        gaps=[row["held_out_gap"] for row in rows if "held_out_gap" in row],
        acts=[row for row in rows if "act" in row],
        images=data["images"],
        kind=data["item"].get("kind", "image"),
        classes=len(data["classes"] or {}),
        state=result["state"] if result else "not finished",
    )


def diagnose_run(run: Run | Path | str) -> Diagnosis:
    """What ails a run, from its own log; nothing is computed anew.

    Raises:
        UserError: it is not a run.
    """
    run = run if isinstance(run, Run) else Run(run)
    record = record_of(run)
    return Diagnosis(
        run=str(run.path),
        state=record.state,
        findings=tuple(examine(record)),
        acts=tuple(f"after {row['images_seen']:,} {NOUNS[record.kind]}: {row['act']}" for row in record.acts),
        readings=len(record.readings),
        measures=len(record.measures),
    )


def plot_run(run: Run | Path | str, path: Path) -> None:
    """Draws a run's curves into a PNG: losses, how well real images are told, distance, and variety.

    Raises:
        UserError: it is not a run, or matplotlib is not installed.
    """
    run = run if isinstance(run, Run) else Run(run)
    require("matplotlib", "plots", "Drawing curves")
    from matplotlib.figure import Figure

    record = record_of(run)
    figure = Figure(figsize=(11, 6.5), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True)
    _curves(axes[0, 0], record.readings, {"loss_discriminator": "discriminator", "loss_generator": "generator"})
    axes[0, 0].set_title("Losses")
    _curves(
        axes[0, 1],
        record.readings,
        {"overfitting": "mean sign of real logits, $r_t$", "augment_probability": "augmentation"},
    )
    axes[0, 1].set_title(f"How surely the discriminator tells real {NOUNS[record.kind]}")
    axes[0, 1].set_ylim(-0.05, 1.05)
    _curves(axes[1, 0], record.measures, {"frechet": "Fréchet distance"}, "o-")
    axes[1, 0].set_title("Distance to the data: lower is better")
    if any(row.get("frechet") for row in record.measures):
        axes[1, 0].set_yscale("log")
    _curves(axes[1, 1], record.measures, {"precision": "precision", "recall": "recall", "diversity": "diversity"}, "o-")
    _curves(axes[1, 1], record.readings, {"spread": "spread in a batch"})
    axes[1, 1].set_title("Likeness and variety")
    axes[1, 1].set_ylim(bottom=0)
    for axis in axes.flat:
        axis.grid(alpha=0.3)
        for row in record.acts:
            axis.axvline(row["images_seen"], color="tab:red", alpha=0.5, linestyle=":")
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize=8)
    for axis in axes[1]:
        axis.set_xlabel(f"real {NOUNS[record.kind]} seen")
    figure.suptitle(str(run.path))
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)


def _curves(axis: Any, rows: Rows, names: dict[str, str], style: str = "-") -> None:
    for name, label in names.items():
        points = [(row["images_seen"], row[name]) for row in rows if row.get(name) is not None]
        if points:
            axis.plot(*zip(*points, strict=True), style, label=label, linewidth=1, markersize=3)
