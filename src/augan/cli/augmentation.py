"""The commands `augan augment` and `augan lift`."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from augan.cli.options import Cells, Data, Flip, Folds, Groups, Json, Label, Quiet, Seed, Settings, Size, Steps, Strict
from augan.cli.options import console as make_console


def augment(
    data: Data,
    out: Annotated[Path, typer.Option(help="The copy: a folder, .zip, .npz or .npy.")],
    run: Annotated[Path | None, typer.Option(help="A trained run.", show_default="train one first")] = None,
    strategy: Annotated[
        str,
        typer.Option(
            help="auto: raise every class to the largest; all: raise every class to twice the largest; N: raise "
            "every class to N; class=N,...: raise these classes to N."
        ),
    ] = "auto",
    minutes: Annotated[
        float, typer.Option(help="Training time of all GANs, of the test and of the copy, where there is no --run.")
    ] = 5.0,
    holdout: Annotated[str | None, typer.Option(help="More labelled data: a second test.", show_default="none")] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="HTML", help="Where to write the test as a page.", show_default="none")
    ] = None,
    verdict: Annotated[
        Path | None, typer.Option(metavar="JSON", help="Where to write its verdict.", show_default="none")
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Write the copy whatever a test says, and without one where none is asked for."),
    ] = False,
    select: Annotated[
        bool | None,
        typer.Option(
            "--select/--no-select",
            help="Of three times as many samples take those that are sure of their class, near real items and on none.",
            show_default="after a test, and for rows of a table",
        ),
    ] = None,
    groups: Groups = None,
    folds: Folds = 5,
    steps: Steps = None,
    flip: Flip = False,
    cells: Cells = None,
    truncation: Annotated[float, typer.Option(help="Below 1: more typical, less diverse.")] = 1.0,
    seed: Seed = 0,
    size: Size = None,
    label: Label = None,
    settings: Settings = None,
    strict: Strict = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a bigger, balanced copy of a data set, if a test shows that synthetic items help a classifier.

    Exit code 0: written; 3: no evidence that it helps, 4: it hurts, and nothing was written. With --run, and for data
    without labels, there is no test.
    """
    from augan import api
    from augan.cli.console import counting, print_json
    from augan.training import ConsoleObserver

    console = make_console()
    with counting(console, "Classifiers trained" if run is None else "Adding", None, quiet) as tick:
        done = itertools.count(1)
        result = api.augment(
            data,
            out,
            run=run,
            strategy=strategy,
            minutes=minutes,
            seed=seed,
            truncation=truncation,
            size=size,
            strict=strict,
            settings=settings or [],
            force=force,
            select=select,
            holdout=holdout,
            groups=_groups(groups),
            folds=folds,
            steps=steps,
            flip=flip,
            cells=cells,
            label=label,
            report=report,
            verdict=verdict,
            observer=None if quiet or run else ConsoleObserver(console),
            tick=tick if run is not None else lambda count: None,
            tell=lambda outcome: tick(next(done)),
        )
    if json:
        print_json(result.to_json())
    else:
        _say_augmented(result, report)
    if result.out is None:
        raise typer.Exit({"HURTS": 4}.get(result.verdict or "", 3))


def _say_augmented(result: Any, report: Path | None) -> None:
    from augan.cli.console import say, show_verdict

    console = make_console()
    if result.study is not None:
        show_verdict(console, result.study["verdict"])
    if report is not None:
        say(console, f"The report is in [bold]{escape(str(report))}[/bold]")
    if result.out is None:
        say(console, "Nothing was written: --force writes all the same.")
        return
    for name, added in result.added.items():
        if name:
            say(console, f"  {escape(name)}: {result.real[name]:,} real + {added:,} synthetic")
    total = sum(result.added.values())
    say(console, f"{total:,} synthetic items added: [bold]{escape(str(result.out))}[/bold]")
    say(console, f"Each is listed in {escape(str(result.manifest))}")


def _groups(path: Path | None) -> Any:
    """The groups in a file.

    Raises UserError if it cannot be read.
    """
    if path is None:
        return None
    import numpy as np

    from augan.core.errors import UserError

    try:
        if path.suffix.lower() == ".npy":
            return np.load(path, allow_pickle=False).reshape(-1)
        return np.array(path.read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError) as error:
        raise UserError(f"Cannot read groups from {path}: {error}. Give a text file with a line an item.") from error


def lift(
    data: Data,
    minutes: Annotated[float, typer.Option(help="Training time of the GAN of each split.")] = 1.0,
    folds: Folds = 5,
    repeats: Annotated[int, typer.Option(min=1, help="How often the data are divided anew.")] = 1,
    seeds: Annotated[int, typer.Option(min=1, help="Classifiers of each arm and split.")] = 1,
    arms: Annotated[
        str | None, typer.Option(metavar="A,B", help="Which ways of training to compare.", show_default="all")
    ] = None,
    steps: Steps = None,
    ratio: Annotated[float, typer.Option(help="Synthetic items for each of the largest class's.")] = 1.0,
    flip: Flip = False,
    groups: Groups = None,
    holdout: Annotated[str | None, typer.Option(help="More labelled data: a second test.", show_default="none")] = None,
    foreign: Annotated[
        str | None,
        typer.Option(help="Labelled images of another domain, to be added and to be translated.", show_default="none"),
    ] = None,
    translation: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Translates them; must not have learnt from the data.",
            show_default="one learnt on each training part",
        ),
    ] = None,
    cells: Cells = None,
    report: Annotated[
        Path | None, typer.Option(metavar="HTML", help="Where to write the study as a page.", show_default="none")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Go on with classes of fewer than 20 items, and with leaks.")
    ] = False,
    size: Size = None,
    label: Label = None,
    settings: Settings = None,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Does synthetic data make a better classifier here? Exit code 0: it helps; 3: no evidence; 4: it hurts."""
    from augan import api, text
    from augan.augment import lift as study
    from augan.augment import lift_text
    from augan.augment.report import write_lift_report
    from augan.cli.console import counting, print_json, say, show_lift
    from augan.core.errors import UserError
    from augan.core.files import require_absent

    if report is not None:
        require_absent(report, "Choose another name, or remove it first.")
    chosen = None if arms is None else [name.strip() for name in arms.split(",") if name.strip()]
    with counting(make_console(), "Classifiers trained", None, json or quiet) as tick:
        done = itertools.count(1)
        common: dict[str, Any] = {
            "arms": chosen,
            "minutes": minutes,
            "folds": folds,
            "repeats": repeats,
            "ratio": ratio,
            "cells": cells,
            "force": force,
            "seed": seed,
            "tell": lambda outcome: tick(next(done)),
        }
        words = text.is_text(data, None if label is None else "table")
        if words and any(value is not None for value in (groups, holdout, foreign, translation, size, label, settings)):
            raise UserError(
                "--groups, --holdout, --foreign, --translation, --size, --label and --set are for other data than text."
            )
        found = (
            lift_text(data, **common)
            if words
            else study(
                api.open_by(data, settings or (), size=size, label=label),
                settings=settings or (),
                groups=_groups(groups),
                holdout=holdout,
                foreign=foreign,
                translate=translation,
                seeds=seeds,
                steps=steps,
                flip=flip,
                **common,
            )
        )
    if json:
        print_json(found.to_json())
    else:
        show_lift(Console(), found)
    if report is not None:
        write_lift_report(found, report)
        say(make_console(), f"The report is in [bold]{escape(str(report))}[/bold]")
    raise typer.Exit(found.verdict.exit_code)
