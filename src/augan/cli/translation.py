"""The commands `augan translate train` and `augan translate apply`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from augan.cli.errors import AuganGroup
from augan.cli.options import (
    Device,
    Json,
    Log,
    Onnx,
    Program,
    Quiet,
    RunArgument,
    Seed,
    Settings,
    Size,
    console,
    examples,
    logged,
)

translate_app = typer.Typer(
    cls=AuganGroup,
    help="From image to image: train a translation, and apply it.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@translate_app.command(
    name="train",
    epilog=examples(
        "augan translate train masks/ photos/ --paired --minutes 15 --out runs/paint",
        "augan translate train horses/ zebras/ --unpaired --recipe cyclegan --out runs/zebras",
        "augan translate train both-sides/ --out runs/pairs",
        "augan translate train photo.jpg painting.jpg --recipe sincut --out runs/painted",
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
        typer.Option(help="pix2pix, cyclegan, cut, fastcut or sincut.", show_default="pix2pix for pairs, else cut"),
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
    log: Log = None,
    device: Device = "auto",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a translation between two sides. Ctrl-C saves; --resume goes on."""
    from augan import api
    from augan import translate as translation
    from augan.cli.console import print_json, say, show_translation, telling
    from augan.core.errors import UserError
    from augan.core.world import join

    if resume and out is None:
        raise UserError("Say which run to resume: --out RUN.")
    screen = console()
    world = join()
    folder = out or world.decided(lambda: api.new_run_folder("translation"))
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
        settings=logged(settings, log),
        seed=seed,
        device=device,
        resume=resume,
        tell=telling(screen, quiet),
    )
    if not world.first:
        return
    result = run.result() or {}
    if json:
        print_json(run.summary() | {"result": result})
        return
    if result.get("quality"):
        show_translation(screen, result["quality"])
    say(screen, f"The run is in [bold]{escape(str(run.path))}[/bold]. Next:")
    say(screen, f"  augan translate apply {escape(shlex.quote(str(run.path)))} IMAGES --out translated/")


@translate_app.command(
    name="apply",
    epilog=examples(
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
    screen = console()
    with counting(screen, "Translating", None, quiet) as tick:
        found = translation.apply(model, data, out, direction=direction, tick=tick)
    if json:
        print_json({"out": str(found.out), "done": found.done, "failed": found.failed})
    else:
        say(
            screen,
            f"{found.done:,} {'image' if found.done == 1 else 'images'} in [bold]{escape(str(found.out))}[/bold]",
        )
        for name, reason in found.failed.items():
            say(screen, f"left out: {escape(name)}: {escape(reason)}")
    if found.failed:
        raise typer.Exit(1)


@translate_app.command(
    name="export",
    epilog=examples(
        "augan translate export runs/paint --onnx paint.onnx",
        "augan translate export runs/zebras --program zebras.pt2 --direction a2b",
    ),
)
def translate_export(
    run: RunArgument,
    onnx: Onnx = None,
    program: Program = None,
    direction: Annotated[
        str | None, typer.Option(help="a2b or b2a, of a run that goes both ways.", show_default="the run's")
    ] = None,
    checkpoint: Annotated[str, typer.Option(help="best or last.")] = "best",
    json: Json = False,
) -> None:
    """Write a generator as files for other programs: images in, images out, of any batch and many sizes."""
    from augan import translate as translation
    from augan.cli.console import print_json, show_export

    model = translation.load(run, which=checkpoint)
    found = translation.export(model, onnx=onnx, program=program, direction=direction)
    if json:
        print_json(found.to_json())
    else:
        show_export(console(), found)
