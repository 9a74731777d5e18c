"""The commands `augan explain`, `augan invert` and `augan edit`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from augan.cli.options import Device, Json, Quiet, RunArgument, Seed, console

Checkpoint = Annotated[str, typer.Option(help="best or last.")]


def explain(
    run: RunArgument,
    data: Annotated[
        str | None, typer.Option(help="Real images to compare with.", show_default="the run's, where they are")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A new folder.", show_default="RUN/explain")] = None,
    count: Annotated[int, typer.Option(min=1, help="Directions of each method.")] = 8,
    checkpoint: Checkpoint = "best",
    device: Device = "auto",
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a page on what a run has learnt: directions, geometry, the discriminator's view, how training went."""
    from augan.cli.console import print_json, say
    from augan.explain import explain as write

    screen = console()

    def tell(text: str) -> None:
        if not quiet:
            say(screen, f"  {escape(text)}")

    found = write(run, data=data, out=out, count=count, which=checkpoint, device=device, seed=seed, tell=tell)
    if json:
        print_json({"out": str(found.out), **found.data})
        return
    for name, reason in found.data["omitted"].items():
        say(screen, f"left out: {name}: {escape(reason)}")
    say(screen, f"The page is [bold]{escape(str(found.out / 'index.html'))}[/bold]")
    if found.directions:
        say(screen, "Next, on an image of your own:")
        say(screen, f"  augan invert {escape(shlex.quote(str(run)))} IMAGE --out inverted/")
        first = f"--direction {found.directions[0].name} --strength -2,0,2"
        say(screen, f"  augan edit {escape(shlex.quote(str(run)))} inverted/ {first} --out edit.png")


def invert(
    run: RunArgument,
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="Pictures, folders or data files.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="A new folder: latents.npz, sheet.png, report.json.")],
    label: Annotated[str | None, typer.Option(metavar="CLASS", help="Of all images.", show_default="all tried")] = None,
    candidates: Annotated[int, typer.Option(min=1, help="Samples among which the nearest are the starts.")] = 10_000,
    restarts: Annotated[int, typer.Option(min=1, help="Starts for each image.")] = 4,
    steps: Annotated[int, typer.Option(min=1, help="Steps of Adam.")] = 200,
    encoder: Annotated[bool, typer.Option("--encoder", help="Also start from what an encoder learns first.")] = False,
    checkpoint: Checkpoint = "best",
    device: Device = "auto",
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find latents whose images are like the given ones."""
    from augan import api
    from augan.cli.console import counting, print_json, say
    from augan.core.files import require_absent
    from augan.core.item import to_unit
    from augan.explain import InversionConfig, train_encoder, write_inversion
    from augan.explain import invert as look_for
    from augan.explain.files import read_pictures

    require_absent(out)
    model = api.load(run, which=checkpoint, device=device)
    pictures, names = read_pictures(images, model.item)
    config = InversionConfig(candidates=candidates, restarts=restarts, steps=steps)
    labels = None if label is None else model.labels(len(pictures), [label])
    screen = console()
    learnt = train_encoder(model, seed=seed) if encoder else None
    with counting(screen, "Inverting", len(pictures), quiet) as tick:
        items = to_unit(pictures).contiguous()
        found = look_for(model, items, labels, config=config, encoder=learnt, seed=seed, tick=tick)
    write_inversion(found, out, names, model)
    report = found.to_json()
    if json:
        print_json({"out": str(out), **report})
        return
    say(
        screen,
        f"{report['images']:,} images in {report['seconds']:.1f} s: mean squared error {report['mean_error']:.5f}, "
        f"nearest of {report['candidates']:,} samples {report['mean_nearest_error']:.5f}",
    )
    say(screen, f"Latents, a sheet and a report are in [bold]{escape(str(out))}[/bold]")


def edit(
    run: RunArgument,
    latents: Annotated[
        Path, typer.Argument(metavar="LATENTS", help="What invert wrote, .npz or .npy.", show_default=False)
    ],
    direction: Annotated[str, typer.Option(metavar="NAME|K", help="A name such as sefa-1, or a number from 1.")],
    strength: Annotated[
        str, typer.Option(metavar="S[,S...]", help="By how many deviations of the codes; several make columns.")
    ],
    out: Annotated[Path, typer.Option(help=".png (a sheet), .npz, or a folder.")],
    directions: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="What explain wrote.", show_default="RUN/explain, else found anew"),
    ] = None,
    checkpoint: Checkpoint = "best",
    device: Device = "auto",
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Move latents along a direction, and write what they become."""
    from augan import api
    from augan.cli.console import print_json, say
    from augan.core.errors import UserError
    from augan.explain import write_edits
    from augan.explain.files import direction_of, read_latents

    try:
        strengths = [float(part) for part in strength.split(",")]
    except ValueError as error:
        raise UserError(f"--strength '{strength}' is not a number, or numbers with commas between.") from error
    model = api.load(run, which=checkpoint, device=device)
    codes, labels = read_latents(latents, model)
    chosen = direction_of(model, direction, directions, run, seed)
    write_edits(model, codes, labels, chosen, strengths, out)
    if json:
        print_json({"out": str(out), "direction": chosen.to_json(), "strengths": strengths, "latents": len(codes)})
    else:
        say(console(), f"{len(codes):,} latents moved along {escape(chosen.name)}: [bold]{escape(str(out))}[/bold]")
