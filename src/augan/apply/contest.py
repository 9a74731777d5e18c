"""Runs side by side, if their numbers can be compared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from augan.apply.evaluate import COUNT, Space, Tick, evaluate
from augan.apply.table_evaluation import is_run
from augan.checkpoint import Run
from augan.core.errors import UserError
from augan.core.files import read_json
from augan.metrics import MEASURES, Estimate, Evaluation, SeriesEvaluation, TableEvaluation


@dataclass(frozen=True, kw_only=True)
class Contest:
    """Measures of several runs.

    Attributes:
        names: of the runs.
        rows: for each measure, the estimate of each run; None where it has none.
        best: for each measure whose difference the intervals can tell, which run is best.
        warnings: why numbers cannot be compared (only with force).
        notes: what to know.
    """

    names: list[str]
    rows: dict[str, list[Estimate | None]]
    best: dict[str, int]
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "runs": self.names,
            "measures": {
                name: [None if value is None else value.to_json() for value in values]
                for name, values in self.rows.items()
            },
            "best": {name: self.names[index] for name, index in self.best.items()},
            "warnings": self.warnings,
            "notes": self.notes,
        }


@dataclass(frozen=True, kw_only=True)
class _Entry:
    name: str
    values: dict[str, Estimate]
    conditions: dict[str, Any]
    programs: str


def compare_runs(
    runs: Sequence[Path | str],
    *,
    against: Any = None,
    holdout: Any = None,
    features: Space = "in-domain",
    count: int = COUNT,
    force: bool = False,
    device: str = "cpu",
    seed: int = 0,
    tick: Tick = lambda done: None,
) -> Contest:
    """Puts measures side by side.

    Args:
        runs: run folders, with what was measured during training; or files that `augan evaluate --json` wrote.
        against: if given, every run is measured anew against these images, under the same conditions.
        holdout, features, count, device, seed: of that evaluation.
        force: show numbers that cannot be compared, with warnings.
        tick: hears how many images' features of a run are there.

    Raises:
        UserError: fewer than two runs, a run without measures, or numbers that cannot be compared.
    """
    if len(runs) < 2:
        raise UserError("A comparison needs at least two runs.")
    if against is None:
        if holdout is not None:
            raise UserError("--holdout is for measuring anew: give --against, too.")
        entries = [_recorded(Path(run)) for run in runs]
    else:
        entries = []
        trivial: list[_Entry] = []
        for run in runs:
            found = evaluate(
                run, against, holdout=holdout, features=features, count=count, device=device, seed=seed, tick=tick
            )
            if isinstance(found, TableEvaluation | SeriesEvaluation):
                entries.append(_entry_of_rows(str(run), found, "model"))
                trivial = [_entry_of_rows(side, found, side) for side in found.sides if side != "model"]
            else:
                entries.append(_entry(str(run), found))
        entries += trivial
    differences = _differences(entries)
    if differences and not force:
        raise UserError(
            f"These numbers cannot be compared: {'; '.join(differences)}. "
            "Measure the runs under the same conditions with --against DATA, or see the numbers anyway with --force."
        )
    rows = {
        name: [entry.values.get(name) for entry in entries]
        for name in [*MEASURES, *_others(entries)]
        if any(name in entry.values for entry in entries)
    }
    best = (
        {}
        if differences
        else {name: index for name, values in rows.items() if (index := _best(name, values)) is not None}
    )
    programs = sorted({entry.programs for entry in entries})
    notes = [f"Measured by different versions: {', '.join(programs)}."] if len(programs) > 1 else []
    return Contest(names=[entry.name for entry in entries], rows=rows, best=best, warnings=differences, notes=notes)


def _others(entries: list[_Entry]) -> list[str]:
    return list(dict.fromkeys(name for entry in entries for name in entry.values if name not in MEASURES))


def _entry(name: str, evaluation: Evaluation) -> _Entry:
    programs = f"augan {evaluation.augan} with PyTorch {evaluation.torch}"
    return _Entry(name=name, values=evaluation.measures, conditions=evaluation.conditions(), programs=programs)


def _entry_of_rows(name: str, found: TableEvaluation | SeriesEvaluation, side: str) -> _Entry:
    """Rows or windows of a run, or one of the trivial ways beside it; only the latter may have measures less."""
    values = {
        measure: Estimate(sides[side])
        for measure, sides in found.measures.items()
        if side in sides and not math.isnan(sides[side])
    }
    noun, counts = ("rows", found.rows) if isinstance(found, TableEvaluation) else ("windows", found.windows)
    others = {key: count for key, count in counts.items() if key != "model"}
    conditions = {f"real {noun}": others, "classifiers": " ".join(found.notes)}
    return _Entry(name=name, values=values, conditions=conditions, programs="")


def _recorded(path: Path) -> _Entry:
    """What was measured during training, or what an evaluation wrote."""
    if path.is_file():
        document = read_json(path)
        if not isinstance(document, dict):
            raise UserError(f"{path} is not an evaluation that `augan evaluate --json` wrote.")
        if "columns" in document:
            kind = SeriesEvaluation if "windows" in document else TableEvaluation
            return _entry_of_rows(str(path), kind.from_json(document), "model")
        return _entry(str(path), Evaluation.from_json(document))
    if not is_run(path):
        raise UserError(f"{path} is neither a run nor a file that `augan evaluate --json` wrote.")
    run = Run(path)
    quality, data = run.quality(), run.data
    if quality is None:
        raise UserError(f"{path} has no measures yet. Measure it with --against DATA.")
    conditions = {
        "feature space": f"{quality.get('features')} {quality.get('features_hash')}",
        "real images": f"{quality.get('real_images')} of {str(data.get('key'))[:16]}",
        "number of samples": quality.get("fake_images"),
        "definitions": f"version {quality.get('version', 0)}",
    }
    values = {name: Estimate(float(value)) for name in MEASURES if (value := quality.get(name)) is not None}
    return _Entry(name=str(path), values=values, conditions=conditions, programs="")


def _differences(entries: list[_Entry]) -> list[str]:
    """What the entries do not share, in words."""
    found = []
    for key in dict.fromkeys(key for entry in entries for key in entry.conditions):
        values = list(dict.fromkeys(str(entry.conditions.get(key, "not stated")) for entry in entries))
        if len(values) > 1:
            found.append(f"the {key} differ{'s' if not key.endswith('s') else ''} ({', '.join(values)})")
    return found


def _best(name: str, values: list[Estimate | None]) -> int | None:
    """Which is best, if its interval holds none of the others' values, and theirs not its own."""
    if name not in MEASURES or any(value is None or value.error is None for value in values):
        return None
    better = MEASURES[name].better
    cost = {
        "low": lambda value: value,
        "high": lambda value: -value,
        "one": lambda value: abs(value - 1),
        "zero": abs,
    }[better]
    known = [value for value in values if value is not None]
    order = sorted(range(len(known)), key=lambda index: cost(known[index].value))
    first, second = known[order[0]], known[order[1]]
    apart = abs(first.value - second.value)
    error = ((first.error or 0.0) ** 2 + (second.error or 0.0) ** 2) ** 0.5
    return order[0] if apart > 1.96 * error else None
