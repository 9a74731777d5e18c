"""The commands: parse, call the same functions as Python users do, print."""

from __future__ import annotations

import itertools
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from augan.cli.errors import AuganGroup

app = typer.Typer(
    cls=AuganGroup,
    help="From a folder of images to a trained GAN and a bigger, balanced data set.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog="Start with: augan demo",
)

Data = Annotated[
    str, typer.Argument(help="A folder of images, a .zip of one, .npy, .npz, Parquet or .tar.", show_default=False)
]
RunArgument = Annotated[Path, typer.Argument(help="A run folder (or one of its checkpoints).", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Seed = Annotated[int, typer.Option(min=0, help="Decides every random draw.")]
Size = Annotated[
    str | None,
    typer.Option(metavar="S|HxW", help="Train at S x S or H x W pixels.", show_default="as the data"),
]
Strict = Annotated[bool, typer.Option("--strict", help="Fail on unreadable images instead of leaving them out.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; may be repeated.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Folds = Annotated[int, typer.Option(min=2, help="Parts of the data, each of which is the test set once.")]
Steps = Annotated[int, typer.Option(min=1, help="Steps of the classifier, the same for every arm.")]
Flip = Annotated[bool, typer.Option("--flip", help="Mirrored images keep their label.")]
Cells = Annotated[Path | None, typer.Option(help="Keep outcomes in this folder; a study that stopped goes on.")]
Groups = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A line an item (.txt) or .npy: items of a group stay on one side of a test."),
]

EXAMPLES = "[bold]Examples[/bold]\n\n"


def _examples(*lines: str) -> str:
    return EXAMPLES + "\n\n".join(f"  $ {line}" for line in lines)


def _console() -> Console:
    return Console(stderr=True)


def _print_version(wanted: bool) -> bool:
    if wanted:
        from augan import __version__

        print(__version__)
        raise typer.Exit
    return wanted


@app.callback()
def main_options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and stop.")
    ] = False,
) -> None:
    """Options of every command; AuganGroup reads `debug`."""


@app.command(
    epilog=_examples(
        "augan train photos/",
        "augan train real_images.npy --minutes 30 --out runs/mine",
        "augan train photos.zip --recipe article --set game.objective=minimax",
        "augan train photos/ --out runs/mine --resume --minutes 60",
    )
)
def train(
    data: Data,
    out: Annotated[Path | None, typer.Option(help="Run folder.", show_default="runs/NAME-N")] = None,
    minutes: Annotated[float | None, typer.Option(help="Time budget.", show_default="5")] = None,
    images: Annotated[int | None, typer.Option(help="Budget in real images shown, instead of time.")] = None,
    recipe: Annotated[str, typer.Option(help="auto, article, strided or residual.")] = "auto",
    settings: Settings = None,
    size: Size = None,
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    start: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="RUN", help="Begin with the networks of a run on related data.", show_default="afresh"
        ),
    ] = None,
    device: Device = "auto",
    strict: Strict = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the resolved settings, and stop.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a GAN on images. Ctrl-C saves; --resume goes on."""
    from augan import api
    from augan.cli.console import print_json, quality_table, say
    from augan.core.config import to_dict
    from augan.core.world import join
    from augan.training import ConsoleObserver

    changes = settings or []
    if dry_run and resume:
        print_json(to_dict(api.resolve_resumed(data, out, minutes, images, changes, device)[1]))
        return
    if dry_run:
        config = api.resolve(
            data,
            minutes=minutes,
            images=images,
            recipe=recipe,
            settings=changes,
            size=size,
            strict=strict,
            seed=seed,
            device=device,
            start=start,
        )[1]
        print_json(to_dict(config))
        return
    console = _console()
    world = join()
    run = api.train(
        data,
        minutes=minutes,
        images=images,
        out=out,
        recipe=recipe,
        settings=changes,
        size=size,
        strict=strict,
        seed=seed,
        device=device,
        resume=resume,
        start=start,
        observer=None if quiet else ConsoleObserver(console),
    )
    if not world.first:
        return
    if json:
        print_json(run.summary() | {"result": run.result()})
        return
    quality = run.quality()
    if quality is not None:
        console.print(quality_table(quality))
    say(console, f"\nThe run is in [bold]{escape(str(run.path))}[/bold]. Next:")
    say(console, f"  augan generate {escape(shlex.quote(str(run.path)))} --count 100 --out samples.png")


@app.command(
    epilog=_examples(
        "augan generate runs/mine --count 100 --out samples.png",
        "augan generate runs/mine --count 5000 --out more.npz --classes cat,dog --seed 7",
        "augan generate runs/mine --count 12 --out walk.gif",
    )
)
def generate(
    run: RunArgument,
    count: Annotated[int, typer.Option(help="How many images (points of the walk, for .gif and .mp4).")],
    out: Annotated[Path, typer.Option(help=".npz, .png (a sheet), .gif, .mp4, or a folder for PNG files.")],
    classes: Annotated[
        str | None, typer.Option(metavar="A,B", help="Classes in turn.", show_default="all in turn")
    ] = None,
    truncation: Annotated[float, typer.Option(help="Below 1: more typical, less diverse. 0 < T <= 1.")] = 1.0,
    seed: Seed = 0,
    checkpoint: Annotated[str, typer.Option(help="best or last.")] = "best",
    device: Device = "auto",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Draw images from a trained generator."""
    from augan import api
    from augan.cli.console import counting, print_json, say

    model = api.load(run, which=checkpoint, device=device)
    names = None if classes is None else [name.strip() for name in classes.split(",") if name.strip()]
    with counting(_console(), "Generating", count, quiet) as tick:
        path = api.generate(model, count, out, classes=names, truncation=truncation, seed=seed, tick=tick)
    if json:
        print_json({"out": str(path), "count": count, "seed": seed, "generator": model.hash})
    else:
        say(_console(), f"{count:,} images in [bold]{escape(str(path))}[/bold]")


@app.command(
    epilog=_examples(
        "augan augment photos/ --out balanced/ --report report.html --minutes 30",
        "augan augment photos/ --out balanced/ --holdout more-photos/ --verdict verdict.json",
        "augan augment photos/ --run runs/mine --out balanced/ --strategy 1000",
        "augan augment set.npz --run runs/mine --out bigger.npz --strategy cat=500,dog=800",
    )
)
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
    groups: Groups = None,
    folds: Folds = 5,
    steps: Steps = 1000,
    flip: Flip = False,
    cells: Cells = None,
    truncation: Annotated[float, typer.Option(help="Below 1: more typical, less diverse.")] = 1.0,
    seed: Seed = 0,
    size: Size = None,
    settings: Settings = None,
    strict: Strict = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a bigger, balanced copy of a data set, if a test shows that synthetic images help a classifier.

    Exit code 0: written; 3: no evidence that it helps, 4: it hurts, and nothing was written. With --run, and for data
    without labels, there is no test.
    """
    from augan import api
    from augan.cli.console import counting, print_json
    from augan.training import ConsoleObserver

    console = _console()
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
            holdout=holdout,
            groups=_groups(groups),
            folds=folds,
            steps=steps,
            flip=flip,
            cells=cells,
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

    console = _console()
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
    say(console, f"{total:,} synthetic images added: [bold]{escape(str(result.out))}[/bold]")
    say(console, f"Each is listed in {escape(str(result.manifest))}")


@app.command(
    epilog=_examples(
        "augan evaluate runs/mine --against photos/",
        "augan evaluate generated/ --against photos/ --holdout more-photos/ --html report.html",
        "augan evaluate generated/ --against photos/ --features bundled --json",
    )
)
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
    device: Device = "auto",
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Measure a run, or any set of images, against real ones."""
    from augan import api
    from augan.cli.console import counting, print_json, say, show_evaluation

    with counting(_console(), "Features of", None, json) as tick:
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
            tick=tick,
        )
    if json:
        print_json({"target": target, "against": against, **found.to_json()})
        return
    show_evaluation(Console(), found, f"{target} against {against}")
    if html is not None:
        say(_console(), f"The report is in [bold]{escape(str(html))}[/bold]")


@app.command(
    name="compare-runs",
    epilog=_examples(
        "augan compare-runs runs/a runs/b",
        "augan compare-runs runs/a runs/b --against photos/",
        "augan compare-runs a.json b.json",
    ),
)
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

    with counting(_console(), "Features of", None, json) as tick:
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


@app.command(epilog=_examples("augan inspect photos/", "augan inspect set.npz --json"))
def inspect(data: Data, size: Size = None, strict: Strict = False, json: Json = False) -> None:
    """Say what a data set is: sizes, channels, classes, duplicates, problems."""
    from augan import api
    from augan.cli.console import print_json, report_table

    report = api.inspect(data, size=size, strict=strict)
    if json:
        print_json(report.to_json())
    else:
        report_table(Console(), report)


@app.command(epilog=_examples("augan doctor runs/mine", "augan doctor runs/mine --json"))
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


@app.command(epilog=_examples("augan lift photos/ --minutes 2", "augan lift photos/ --cells study/ --json"))
def lift(
    data: Data,
    minutes: Annotated[float, typer.Option(help="Training time of the GAN of each split.")] = 1.0,
    folds: Folds = 5,
    repeats: Annotated[int, typer.Option(min=1, help="How often the data are divided anew.")] = 1,
    seeds: Annotated[int, typer.Option(min=1, help="Classifiers of each arm and split.")] = 1,
    arms: Annotated[
        str | None, typer.Option(metavar="A,B", help="Which ways of training to compare.", show_default="all")
    ] = None,
    steps: Steps = 1000,
    ratio: Annotated[float, typer.Option(help="Synthetic images for each of the largest class's.")] = 1.0,
    flip: Flip = False,
    groups: Groups = None,
    holdout: Annotated[str | None, typer.Option(help="More labelled data: a second test.", show_default="none")] = None,
    cells: Cells = None,
    report: Annotated[
        Path | None, typer.Option(metavar="HTML", help="Where to write the study as a page.", show_default="none")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Go on with classes of fewer than 20 images, and with leaks.")
    ] = False,
    size: Size = None,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Does synthetic data make a better classifier here? Exit code 0: it helps; 3: no evidence; 4: it hurts."""
    from augan import api
    from augan.augment import lift as study
    from augan.augment.report import write_lift_report
    from augan.cli.console import counting, print_json, say, show_lift
    from augan.core.files import require_absent

    if report is not None:
        require_absent(report, "Choose another name, or remove it first.")
    with counting(_console(), "Classifiers trained", None, json or quiet) as tick:
        done = itertools.count(1)
        found = study(
            api.open(data, size=size),
            arms=None if arms is None else [name.strip() for name in arms.split(",") if name.strip()],
            groups=_groups(groups),
            holdout=holdout,
            minutes=minutes,
            folds=folds,
            repeats=repeats,
            seeds=seeds,
            steps=steps,
            ratio=ratio,
            flip=flip,
            cells=cells,
            force=force,
            seed=seed,
            tell=lambda outcome: tick(next(done)),
        )
    if json:
        print_json(found.to_json())
    else:
        show_lift(Console(), found)
    if report is not None:
        write_lift_report(found, report)
        say(_console(), f"The report is in [bold]{escape(str(report))}[/bold]")
    raise typer.Exit(found.verdict.exit_code)


translate_app = typer.Typer(
    cls=AuganGroup,
    help="From image to image: train a translation, and apply it.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
app.add_typer(translate_app, name="translate")


@translate_app.command(
    name="train",
    epilog=_examples(
        "augan translate train masks/ photos/ --paired --minutes 15 --out runs/paint",
        "augan translate train horses/ zebras/ --unpaired --recipe cyclegan --out runs/zebras",
        "augan translate train both-sides/ --out runs/pairs",
    ),
)
def translate_train(
    a: Annotated[str, typer.Argument(metavar="A", help="Images of side a, or with both sides.", show_default=False)],
    b: Annotated[str | None, typer.Argument(metavar="[B]", help="Images of side b.", show_default=False)] = None,
    paired: Annotated[
        bool | None,
        typer.Option(
            "--paired/--unpaired", help="Whether images of one name belong together.", show_default="by recipe"
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="pix2pix, cyclegan, cut or fastcut.", show_default="pix2pix for pairs, else cut"),
    ] = None,
    direction: Annotated[str | None, typer.Option(help="a2b or b2a; cyclegan learns both.", show_default="a2b")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder.", show_default="runs/translation-N")] = None,
    minutes: Annotated[float | None, typer.Option(help="Time budget.", show_default="5")] = None,
    images: Annotated[int | None, typer.Option(help="Budget in images of each side, instead of time.")] = None,
    size: Size = None,
    published: Annotated[
        bool, typer.Option("--published", help="The papers' sizes, for GPUs, instead of those for a processor.")
    ] = False,
    settings: Settings = None,
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    device: Device = "auto",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a translation between two sides. Ctrl-C saves; --resume goes on."""
    from augan import api
    from augan import translate as translation
    from augan.cli.console import print_json, say, show_translation, telling
    from augan.core.errors import UserError

    if resume and out is None:
        raise UserError("Say which run to resume: --out RUN.")
    console = _console()
    folder = out or api.new_run_folder("translation")
    run = translation.train(
        a,
        b,
        paired=paired,
        recipe=recipe,
        direction=direction,
        minutes=minutes,
        images=images,
        out=folder,
        size=size,
        published=published,
        settings=settings or [],
        seed=seed,
        device=device,
        resume=resume,
        tell=telling(console, quiet),
    )
    result = run.result() or {}
    if json:
        print_json(run.summary() | {"result": result})
        return
    if result.get("quality"):
        show_translation(console, result["quality"])
    say(console, f"The run is in [bold]{escape(str(run.path))}[/bold]. Next:")
    say(console, f"  augan translate apply {escape(shlex.quote(str(run.path)))} IMAGES --out translated/")


@translate_app.command(
    name="apply",
    epilog=_examples(
        "augan translate apply runs/paint masks/ --out painted/",
        "augan translate apply runs/zebras horse.jpg --direction a2b --out zebra.png",
    ),
)
def translate_apply(
    run: RunArgument,
    data: Annotated[str, typer.Argument(metavar="IN", help="A picture, a folder or a .zip.", show_default=False)],
    out: Annotated[Path, typer.Option(help="A picture, a folder or a .zip.")],
    direction: Annotated[
        str | None, typer.Option(help="a2b or b2a, of a run that goes both ways.", show_default="the run's")
    ] = None,
    checkpoint: Annotated[str, typer.Option(help="best or last.")] = "best",
    device: Device = "auto",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Translate pictures of any size. Files that cannot be read are listed, the rest is done; exit code 1 then."""
    from augan import translate as translation
    from augan.cli.console import counting, print_json, say

    model = translation.load(run, which=checkpoint, device=device)
    console = _console()
    with counting(console, "Translating", None, quiet) as tick:
        found = translation.apply(model, data, out, direction=direction, tick=tick)
    if json:
        print_json({"out": str(found.out), "done": found.done, "failed": found.failed})
    else:
        say(console, f"{found.done:,} images in [bold]{escape(str(found.out))}[/bold]")
        for name, reason in found.failed.items():
            say(console, f"left out: {escape(name)}: {escape(reason)}")
    if found.failed:
        raise typer.Exit(1)


@app.command(epilog=_examples("augan runs", "augan runs experiments/ --json"))
def runs(folder: Annotated[Path, typer.Argument(help="Where to look.")] = Path("runs"), json: Json = False) -> None:
    """List the runs in a folder."""
    from augan.checkpoint import find_runs
    from augan.cli.console import print_json, runs_table

    found: list[dict[str, Any]] = [run.summary() for run in find_runs(folder)]
    if json:
        print_json(found)
    else:
        runs_table(Console(), found, folder)


@app.command(epilog=_examples("augan demo", "augan demo --minutes 5 --out runs/better-demo"))
def demo(
    out: Annotated[Path | None, typer.Option(help="Where to write.", show_default="runs/demo-N")] = None,
    minutes: Annotated[float, typer.Option(help="Training time.")] = 1.0,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """The main job on real images, in about two minutes: train, look, balance."""
    from augan import api
    from augan.cli.console import print_json, show_demo
    from augan.recipes import run_demo
    from augan.training import ConsoleObserver

    console = _console()
    folder = out or api.new_run_folder("demo")
    result = run_demo(folder, minutes, seed, None if quiet else ConsoleObserver(console))
    if json:
        print_json(result.to_json())
    elif not quiet:
        show_demo(console, result)
