"""The commands `augan evaluate`, `compare-runs` and `doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from augan.cli.options import Device, Json, Kind, Label, RunArgument, Seed
from augan.cli.options import console as make_console
from augan.core.errors import UserError


def evaluate(
    target: Annotated[str, typer.Argument(metavar="RUN|PATH", help="A run, or images.", show_default=False)],
    against: Annotated[str, typer.Option(help="The real images that the generator has learnt from.")],
    holdout: Annotated[
        str | None, typer.Option(help="Real images that it has not seen, for the measures of copying.")
    ] = None,
    features: Annotated[
        str,
        typer.Option(help="Feature space: in-domain, bundled, inception, dinov2, clip, or a file (.onnx, .pt2, .pt)."),
    ] = "in-domain",
    count: Annotated[int, typer.Option(min=6, help="Images on each side, at most.")] = 2000,
    size: Annotated[
        str | None, typer.Option(metavar="S|HxW", help="Resize both sides to this.", show_default="as they are")
    ] = None,
    accuracy_score: Annotated[
        bool, typer.Option("--accuracy-score", help="Also train classifiers on samples and on real images.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Write a report with pictures here.", show_default="none")] = None,
    kind: Kind = None,
    label: Label = None,
    device: Device = "auto",
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Measure a run, or any set of images, against real ones."""
    from augan import api, text
    from augan.cli.console import (
        counting,
        print_json,
        say,
        show_evaluation,
        show_series_evaluation,
        show_table_evaluation,
        show_text,
    )
    from augan.metrics import SeriesEvaluation, TableEvaluation

    if text.is_text_run(target) or text.is_text(target):
        if html is not None or size is not None or accuracy_score or features != "in-domain":
            raise UserError("--html, --size, --features and --accuracy-score are for images, and this is text.")
        told = text.evaluate(target, against, holdout=holdout, count=count, seed=seed, device=device)
        if json:
            print_json({"target": target, "against": against, **told.to_json()})
        else:
            show_text(Console(), told, f"{target} against {against}")
        return
    with counting(make_console(), "Features of", None, json) as tick:
        found = api.evaluate(
            target,
            against,
            holdout=holdout,
            features=features,
            count=count,
            size=size,
            accuracy_score=accuracy_score,
            device=device,
            seed=seed,
            html=html,
            kind=kind,
            label=label,
            tick=tick,
        )
    if json:
        print_json({"target": target, "against": against, **found.to_json()})
        return
    title = f"{target} against {against}"
    if isinstance(found, SeriesEvaluation):
        show_series_evaluation(Console(), found, title)
    elif isinstance(found, TableEvaluation):
        show_table_evaluation(Console(), found, title)
    else:
        show_evaluation(Console(), found, title)
    if html is not None:
        say(make_console(), f"The report is in [bold]{escape(str(html))}[/bold]")


def compare_runs(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN...", help="Runs, or what `evaluate --json` wrote.", show_default=False),
    ],
    against: Annotated[
        str | None, typer.Option(help="Measure all runs anew against these images.", show_default="as measured")
    ] = None,
    holdout: Annotated[str | None, typer.Option(help="With --against: images that no run has seen.")] = None,
    features: Annotated[str, typer.Option(help="With --against: the feature space.")] = "in-domain",
    count: Annotated[int, typer.Option(min=6, help="With --against: images on each side, at most.")] = 2000,
    force: Annotated[
        bool, typer.Option("--force", help="Show numbers that cannot be compared side by side, with a warning.")
    ] = False,
    device: Device = "auto",
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Put the measures of runs side by side; numbers that cannot be compared are refused."""
    from augan import api
    from augan.cli.console import counting, print_json, show_contest

    with counting(make_console(), "Features of", None, json) as tick:
        contest = api.compare_runs(
            runs,
            against=against,
            holdout=holdout,
            features=features,
            count=count,
            force=force,
            device=device,
            seed=seed,
            tick=tick,
        )
    if json:
        print_json(contest.to_json())
    else:
        show_contest(Console(), contest)


def doctor(
    run: RunArgument,
    plots: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Where to draw the curves.", show_default="RUN/doctor.png")
    ] = None,
    json: Json = False,
) -> None:
    """Explain a run: what ails it, what to do, what it did about itself, and its curves."""
    import importlib.util

    from augan.apply import diagnose_run, plot_run
    from augan.cli.console import print_json, show_diagnosis

    diagnosis = diagnose_run(run)
    drawn: Path | None = plots or run / "doctor.png"
    if plots is None and importlib.util.find_spec("matplotlib") is None:
        drawn = None
    if drawn is not None:
        plot_run(run, drawn)
    if json:
        print_json(diagnosis.to_json() | {"plots": None if drawn is None else str(drawn)})
    else:
        show_diagnosis(Console(), diagnosis, drawn)
