"""The commands: parse, call the same functions as Python users do, print."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from augan.cli.augmentation import augment, lift
from augan.cli.comparing import compare
from augan.cli.errors import AuganGroup
from augan.cli.explanation import edit, explain, invert
from augan.cli.exporting import export
from augan.cli.measuring import compare_runs, doctor, evaluate
from augan.cli.options import (
    Data,
    Device,
    Json,
    Kind,
    Label,
    Log,
    Quiet,
    RunArgument,
    Seed,
    Settings,
    Size,
    Strict,
    examples,
    logged,
)
from augan.cli.options import console as make_console
from augan.cli.starting import init
from augan.cli.studio import studio
from augan.cli.translation import translate_app
from augan.cli.vocoder import vocoder_app
from augan.core.errors import UserError

app = typer.Typer(
    cls=AuganGroup,
    help="From a folder of images to a trained GAN and a bigger, balanced data set.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog="Start with: augan demo",
)


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
    epilog=examples(
        "augan train photos/",
        "augan train digits/ --minutes 10",
        "augan train real_images.npy --minutes 30 --out runs/mine",
        "augan train photos.zip --recipe article --set game.objective=minimax",
        "augan train photos/ --out runs/mine --resume --minutes 60",
        "augan train table.csv --label outcome --out runs/rows",
        "augan train sentences.txt --recipe scratchgan --out runs/words",
        "augan train --config augan.toml",
    )
)
def train(
    data: Annotated[
        str | None,
        typer.Argument(
            help="A folder of images, a .zip of one, .npy, .npz, Parquet or .tar; or as --config says.",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Settings as `augan init` writes them; options win.", show_default="none"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder.", show_default="runs/NAME-N")] = None,
    minutes: Annotated[float | None, typer.Option(help="Time budget.", show_default="5")] = None,
    images: Annotated[int | None, typer.Option(help="Budget in real images shown, instead of time.")] = None,
    recipe: Annotated[
        str, typer.Option(help="auto, article, strided or residual; of text auto, mle, scratchgan or relgan.")
    ] = "auto",
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
    kind: Kind = None,
    label: Label = None,
    log: Log = None,
    device: Device = "auto",
    strict: Strict = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the resolved settings, and stop.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a GAN on images, clips, sounds, rows or sentences. Ctrl-C saves; --resume goes on."""
    from augan import api, text
    from augan.cli.console import print_json, quality_table, say
    from augan.core.config import to_dict
    from augan.core.world import join
    from augan.recipes import Wishes, read_wishes
    from augan.training import ConsoleObserver

    wishes = Wishes() if config is None else read_wishes(config)
    data = data or wishes.data
    if data is None:
        raise UserError("Missing argument DATA: say what to train on. `augan train --help` lists what there is.")
    if minutes is None and images is None:
        minutes, images = wishes.minutes, wishes.images
    recipe = wishes.recipe or recipe if recipe == "auto" else recipe
    seed = seed or wishes.seed or 0
    given = {"data.size": size, "data.kind": kind, "data.strict": strict, "training.device": device != "auto"}
    words = text.is_text(data, "table" if label else kind)
    changes = [
        *wishes.without(*(key for key, value in given.items() if value)),
        *logged(settings, log, "log" if words else "training.log"),
    ]
    if dry_run and words:
        if resume:
            chosen = text.resolve_resumed(out or "", minutes, images, changes, device)
        else:
            chosen = text.resolve(
                data, minutes=minutes, images=images, recipe=recipe, settings=changes, seed=seed, device=device
            )
        print_json(to_dict(chosen))
        return
    if dry_run and resume:
        print_json(to_dict(api.resolve_resumed(data, out, minutes, images, changes, device)[1]))
        return
    if dry_run:
        resolved = api.resolve(
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
            kind=kind,
            label=label,
        )[1]
        print_json(to_dict(resolved))
        return
    console = make_console()
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
        kind=kind,
        label=label,
        observer=None if quiet else ConsoleObserver(console),
    )
    if not world.first:
        return
    if json:
        print_json(run.summary() | {"result": run.result()})
        return
    quality, made = run.quality(), run.data["item"].get("kind", "image")
    if quality is not None:
        console.print(quality_table(quality, kind=made))
    say(console, f"\nThe run is in [bold]{escape(str(run.path))}[/bold]. Next:")
    ending = {"table": "csv", "series": "csv", "text": "txt", "sound": "wav"}.get(made, "png")
    say(console, f"  augan generate {escape(shlex.quote(str(run.path)))} --count 100 --out samples.{ending}")


@app.command(
    epilog=examples(
        "augan generate runs/mine --count 100 --out samples.png",
        "augan generate runs/mine --count 5000 --out more.npz --classes cat,dog --seed 7",
        "augan generate runs/mine --count 12 --out walk.gif",
        "augan generate runs/rows --count 1000 --out new.csv --where sex=female",
        "augan generate runs/words --count 1000 --out new.txt --truncation 0.8",
    )
)
def generate(
    run: RunArgument,
    out: Annotated[
        Path,
        typer.Option(
            help=".npz, .png (a sheet), .gif, .mp4, or a folder; sounds: .wav, .flac, .ogg; rows: .csv, .tsv, "
            ".parquet; sentences: .txt, .tsv, .jsonl."
        ),
    ],
    count: Annotated[int, typer.Option(help="How many items (points of the walk, for .gif and .mp4).")] = 16,
    classes: Annotated[
        str | None, typer.Option(metavar="A,B", help="Classes in turn.", show_default="all in turn")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=VALUE", help="Rows of a table with this value; may be repeated."),
    ] = None,
    truncation: Annotated[
        float, typer.Option(help="Below 1: more typical, less diverse. 0 < T <= 1; of text the temperature, any T > 0.")
    ] = 1.0,
    frames: Annotated[int | None, typer.Option(help="Clips: how many frames.", show_default="as trained")] = None,
    fps: Annotated[float | None, typer.Option(help="Clips: frames a second.", show_default="as trained")] = None,
    grid: Annotated[
        int, typer.Option(min=0, metavar="N", help="Clips: a row for each of --count contents, with N motions.")
    ] = 0,
    seed: Seed = 0,
    checkpoint: Annotated[str, typer.Option(help="best or last.")] = "best",
    device: Device = "auto",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Draw images, or sentences, from a trained generator."""
    from augan import api
    from augan.cli.console import counting, print_json, say

    model = api.load(run, which=checkpoint, device=device)
    names = None if classes is None else [name.strip() for name in classes.split(",") if name.strip()]
    with counting(make_console(), "Generating", count, quiet) as tick:
        path = api.generate(
            model,
            count,
            out,
            classes=names,
            where=where or (),
            truncation=truncation,
            seed=seed,
            frames=frames,
            fps=fps,
            grid=grid,
            tick=tick,
        )
    if json:
        print_json({"out": str(path), "count": count, "seed": seed, "generator": model.hash})
    else:
        from augan.data.kinds import NOUNS

        noun = NOUNS[getattr(model.item, "kind", "text")]
        say(make_console(), f"{count * max(1, grid):,} {noun} in [bold]{escape(str(path))}[/bold]")


app.command(
    epilog=examples(
        "augan augment photos/ --out balanced/ --report report.html --minutes 30",
        "augan augment photos/ --out balanced/ --holdout more-photos/ --verdict verdict.json",
        "augan augment photos/ --run runs/mine --out balanced/ --strategy 1000",
        "augan augment set.npz --run runs/mine --out bigger.npz --strategy cat=500,dog=800",
    )
)(augment)


app.command(
    epilog=examples(
        "augan evaluate runs/mine --against photos/",
        "augan evaluate generated/ --against photos/ --holdout more-photos/ --html report.html",
        "augan evaluate generated/ --against photos/ --features bundled --json",
        "augan evaluate runs/rows --against table.csv --holdout more.csv",
        "augan evaluate runs/words --against sentences.txt --holdout others.txt",
    )
)(evaluate)


app.command(
    epilog=examples(
        "augan compare photos/ --out compared/",
        "augan compare set.npz --models gan,vae --minutes 5 --seeds 0,1,2,3 --out compared/",
        "augan compare set.npz --models ae,vae --beta 4 --seeds 0 --out compared/ --json",
    )
)(compare)


app.command(
    name="compare-runs",
    epilog=examples(
        "augan compare-runs runs/a runs/b",
        "augan compare-runs runs/a runs/b --against photos/",
        "augan compare-runs a.json b.json",
    ),
)(compare_runs)


@app.command(
    epilog=examples(
        "augan inspect photos/", "augan inspect set.npz --json", "augan inspect weather.csv --set data.window=24"
    )
)
def inspect(
    data: Data,
    size: Size = None,
    kind: Kind = None,
    strict: Strict = False,
    label: Label = None,
    settings: Settings = None,
    json: Json = False,
) -> None:
    """Say what a data set is: sizes, channels, classes, duplicates, problems."""
    from augan import api, text
    from augan.cli.console import print_json, report_table, show_corpus

    if text.is_text(data, "table" if label else kind):
        described = text.open_text(data).described()
        print_json(described) if json else show_corpus(Console(), described)
        return
    reading: dict[str, Any] = {"size": size, "strict": strict, "kind": kind, "label": label}
    report = api.inspect(api.open_by(data, settings, **reading)) if settings else api.inspect(data, **reading)
    if json:
        print_json(report.to_json())
    else:
        report_table(Console(), report)


app.command(epilog=examples("augan doctor runs/mine", "augan doctor runs/mine --json"))(doctor)


app.command(epilog=examples("augan lift photos/ --minutes 2", "augan lift photos/ --cells study/ --json"))(lift)
app.add_typer(translate_app, name="translate")
app.command(epilog=examples("augan explain runs/mine", "augan explain runs/mine --data photos/ --out explained/"))(
    explain
)
app.command(
    epilog=examples(
        "augan invert runs/mine photo.png --out inverted/",
        "augan invert runs/mine photos/ --out inverted/ --restarts 8 --steps 400",
    )
)(invert)
app.command(
    epilog=examples(
        "augan edit runs/mine inverted/ --direction 1 --strength 2 --out edited.png",
        "augan edit runs/mine inverted/latents.npz --direction pca-3 --strength -3,-1,0,1,3 --out edited.npz",
    )
)(edit)
app.add_typer(vocoder_app, name="vocoder")
app.command(epilog=examples("augan init photos/", "augan init --out mine.toml"))(init)
app.command(
    epilog=examples(
        "augan export runs/mine --onnx model.onnx",
        "augan export runs/mine --onnx model.onnx --int8 --against photos/",
        "augan export runs/mine --program model.pt2 --json",
    )
)(export)
app.command(epilog=examples("augan studio", "augan studio experiments/ --port 0 --no-browser"))(studio)


@app.command(epilog=examples("augan runs", "augan runs experiments/ --json"))
def runs(folder: Annotated[Path, typer.Argument(help="Where to look.")] = Path("runs"), json: Json = False) -> None:
    """List the runs in a folder."""
    from augan.checkpoint import find_runs
    from augan.cli.console import print_json, runs_table

    first = folder == Path("runs") and not folder.exists()  # nobody has trained here yet
    found: list[dict[str, Any]] = [] if first else [run.summary() for run in find_runs(folder)]
    if json:
        print_json(found)
    else:
        runs_table(Console(), found, folder)


@app.command(epilog=examples("augan demo", "augan demo --minutes 5 --out runs/better-demo"))
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

    console = make_console()
    folder = out or api.new_run_folder("demo")
    result = run_demo(folder, minutes, seed, None if quiet else ConsoleObserver(console))
    if json:
        print_json(result.to_json())
    elif not quiet:
        show_demo(console, result)
