"""What the page shows of runs: cards of all, and one run in full. Everything is read from the run's own files."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from augan.apply import diagnose_run
from augan.checkpoint import Run
from augan.core.errors import UserError
from augan.studio.jobs import JobBoard, elapsed_sec
from augan.studio.workspace import Workspace

POINTS = 240
"""Of a curve, at most: more cannot be seen."""
SHEETS = 60
LOSSES = {"loss_discriminator": "discriminator", "loss_generator": "generator"}
SURE = {"overfitting": "mean sign of real logits", "augment_probability": "augmentation"}
LIKENESS = {"precision": "precision", "recall": "recall", "diversity": "diversity"}


def kind_of(run: Run) -> str:
    """'translation', or the kind of item that a run makes ('image')."""
    data = run.data
    return "translation" if "sides" in data else str(data["item"].get("kind", "image"))


def run_card(workspace: Workspace, board: JobBoard, run: Run) -> dict[str, Any]:
    """A run at a glance: state, progress, health, quality, the newest sheet, a small curve."""
    name = workspace.name(run)
    try:
        rows = read_rows(run)
        last: Mapping[str, Any] = next((row for row in reversed(rows) if "images_per_sec" in row), {})
        quality = best_quality(rows)
        sheets = sheets_of(run)
        return {
            "name": name,
            "data": run.data["name"],
            "recipe": run.config.get("recipe", ""),
            "kind": kind_of(run),
            "state": board.state(name, run),
            "ours": board.ours(name),
            "images_seen": rows[-1]["images_seen"] if rows else 0,
            "images_per_sec": last.get("images_per_sec"),
            "fraction": fraction_done(run, rows),
            "health": last.get("health"),
            "quality": quality,
            "sheet": sheets[-1] if sheets else None,
            "spark": spark(rows),
        }
    except (UserError, AttributeError, KeyError, TypeError, ValueError):  # its files were damaged: the rest is shown
        return {"name": name, "state": "damaged", "data": "", "recipe": "", "kind": "", "images_seen": 0, "spark": []}


def waiting_card(board: JobBoard, name: str) -> dict[str, Any]:
    """A training that has no run folder yet, or never got one."""
    said = board.said(name)
    return {"name": name, "state": board.state(name, None), "ours": board.ours(name), "waiting": True, "said": said}


def run_page(workspace: Workspace, board: JobBoard, run: Run) -> dict[str, Any]:
    """A run in full: its card, curves, sheets, findings, reports, classes.

    Raises:
        UserError: its files are damaged.
    """
    card, rows = run_card(workspace, board, run), read_rows(run)
    kind = kind_of(run)
    data, config = run.data, run.config
    item = data["item"] if kind != "translation" else data["sides"]["b"]["item"]
    return {
        **card,
        "curves": translation_curves(rows) if kind == "translation" else curves(rows),
        "sheets": sheets_of(run)[-SHEETS:],
        "findings": [] if kind == "translation" or not rows else findings(run),
        "acts": [{"images_seen": row["images_seen"], "act": row["act"]} for row in rows if "act" in row],
        "reports": reports_of(run),
        "classes": item.get("class_names") or [],
        "item": {"height": item["height"], "width": item["width"], "channels": item["channels"]},
        "data_notes": data.get("notes") or [],
        "data_path": (config.get("data") or {}).get("path"),
        "images": data.get("images"),
        "reasons": config.get("reasons") or {},
        "elapsed_sec": elapsed_sec(run) if card["state"] != "training" else last_elapsed(rows),
        "has_model": run.store.last() is not None,
        "directions": directions_of(config, kind),
        "said": board.said(card["name"]) if card["state"] == "failed" else "",
    }


def directions_of(config: Mapping[str, Any], kind: str) -> list[str]:
    """Which ways a translation goes; none for other runs."""
    if kind != "translation":
        return []
    way = str(config.get("direction", "a2b"))
    return ["a2b", "b2a"] if way == "both" else [way]


def findings(run: Run) -> list[dict[str, str]]:
    """What ails it, as `augan doctor` has it; looked for anew only where its log has changed."""
    status = (run.path / "metrics.jsonl").stat()
    return list(_findings(run.path, status.st_mtime_ns, status.st_size))


@functools.lru_cache(maxsize=64)
def _findings(path: Path, changed_ns: int, size: int) -> tuple[dict[str, str], ...]:
    found = diagnose_run(path).findings
    return tuple({"cause": one.cause, "evidence": one.evidence, "advice": one.advice} for one in found)


# ---------------------------------------------------------------------- rows of metrics.jsonl


def read_rows(run: Run) -> Sequence[dict[str, Any]]:
    """The rows, read anew only where the file has changed."""
    path = run.path / "metrics.jsonl"
    if not path.exists():
        return ()
    status = path.stat()
    return _rows(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=64)
def _rows(path: Path, changed_ns: int, size: int) -> tuple[dict[str, Any], ...]:
    return tuple(Run(path.parent).metrics())


def last_elapsed(rows: Sequence[Mapping[str, Any]]) -> float:
    """Seconds by the last reading that says."""
    return float(next((row["elapsed_sec"] for row in reversed(rows) if "elapsed_sec" in row), 0.0))


def fraction_done(run: Run, rows: Sequence[Mapping[str, Any]]) -> float | None:
    """The share of the budget that is used, in [0, 1]; None where the readings do not say."""
    if run.result() is not None:
        return 1.0
    if not rows:
        return 0.0
    config = run.config
    budget = config.get("training", config)
    if budget.get("images"):
        return min(1.0, float(rows[-1]["images_seen"]) / float(budget["images"]))
    elapsed = last_elapsed(rows)
    return min(1.0, elapsed / (60 * float(budget["minutes"]))) if budget.get("minutes") and elapsed else None


def best_quality(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The best measures so far."""
    measured = [row["quality"] for row in rows if "quality" in row]
    return min(measured, key=lambda row: row["frechet"]) if measured else None


def spark(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """The Fréchet distances so far, or the generator's losses while there are fewer than two."""
    distances = [float(row["quality"]["frechet"]) for row in rows if "quality" in row]
    if len(distances) >= 2:
        return distances
    losses = [float(row["loss_generator"]) for row in rows if _finite(row.get("loss_generator"))]
    return [value for _, value in thinned(list(enumerate(losses)), 60)]


def curves(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The four pictures of `augan doctor`, as numbers: title, and lines of (images seen, value)."""
    measures = [{"images_seen": row["images_seen"], **row["quality"]} for row in rows if "quality" in row]
    return [
        _chart("Losses", rows, LOSSES),
        _chart("Fréchet distance: lower is better", measures, {"frechet": "distance"}),
        _chart("Likeness and variety", measures, LIKENESS),
        _chart("How surely the discriminator tells real images", rows, SURE),
    ]


def translation_curves(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Losses of a translation, and its measures beside leaving the input as it is."""
    names = dict.fromkeys(key for row in rows for key in row if key not in NO_LOSS)
    measures = [
        {"images_seen": row["images_seen"]}
        | {f"{name} {side}": row["translation"][side][name] for side in ("model", "identity") for name in MEASURED}
        for row in rows
        if "translation" in row
    ]
    lines = {name: {f"{name} model": "translated", f"{name} identity": "left as it is"} for name in MEASURED}
    return [
        _chart("Losses", rows, {name: name.removeprefix("loss_") for name in names}),
        *(_chart(MEASURED[name], measures, lines[name]) for name in MEASURED),
    ]


NO_LOSS = ("images_seen", "images_per_sec", "elapsed_sec", "threads", "translation", "act")
MEASURED = {
    "l1": "Difference from the target: lower is better",
    "frechet": "Distance to the target side: lower is better",
}


def _chart(title: str, rows: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> dict[str, Any]:
    rows = list(rows)
    lines = []
    for name, label in names.items():
        points = [(float(row["images_seen"]), float(row[name])) for row in rows if _finite(row.get(name))]
        if points:
            lines.append({"label": label, "points": thinned(points, POINTS)})
    return {"title": title, "lines": lines}


def thinned(points: Sequence[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    """At most `most` points: means of neighbours, with the last one as it is.

    >>> thinned([(0, 1.0), (1, 3.0), (2, 5.0), (3, 7.0)], 2)
    [(0.5, 2.0), (3, 7.0)]
    """
    if len(points) <= most:
        return list(points)
    edges = [round(index * len(points) / most) for index in range(most + 1)]
    groups = [points[start:end] for start, end in zip(edges, edges[1:], strict=False)]
    means = [(sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups]
    return [*means[:-1], points[-1]]


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


# ---------------------------------------------------------------------- files of a run


def sheets_of(run: Run) -> list[str]:
    """Names of its sheets, oldest first."""
    return sorted(path.name for path in (run.path / "samples").glob("*.png") if not path.name.startswith("."))


def sheet_path(run: Run, name: str) -> Path:
    """A sheet by its name.

    Raises:
        UserError: the run has no such sheet.
    """
    if name not in sheets_of(run):
        raise UserError(f"The run has no sheet '{name}'.")
    return run.path / "samples" / name


def reports_of(run: Run) -> list[dict[str, str]]:
    """Pages of HTML in the run's folder, such as those that `--html` and `--report` write; what else is found there."""
    pages = sorted(path for path in run.path.glob("*.html") if not path.name.startswith("."))
    pages += sorted(path for path in run.path.glob("*/*.html") if not path.name.startswith("."))
    return [{"name": path.relative_to(run.path).as_posix(), "title": _title(path)} for path in pages]


def _title(path: Path) -> str:
    head = path.read_bytes()[:4000].decode("utf-8", "replace")
    start, end = head.find("<title>"), head.find("</title>")
    return head[start + 7 : end].strip() if 0 <= start < end else path.stem


def report_path(run: Run, name: str) -> Path:
    """A report by its name.

    Raises:
        UserError: the run has no such report.
    """
    if name not in [report["name"] for report in reports_of(run)]:
        raise UserError(f"The run has no report '{name}'.")
    return run.path / name


def plain(value: Any) -> Any:
    """The same without numbers that JSON does not have: they become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def as_json(value: Any) -> bytes:
    """What the page is sent."""
    return json.dumps(plain(value), allow_nan=False).encode()
