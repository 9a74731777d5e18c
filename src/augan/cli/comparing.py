"""The command `augan compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from augan.cli.options import Data, Device, Json, Quiet, Seed, Settings, Size
from augan.cli.options import console as make_console


def compare(
    data: Data,
    out: Annotated[Path, typer.Option(help="A folder for the report, the pictures and the models.")],
    models: Annotated[str, typer.Option(metavar="A,B", help="Of gan, ae, vae, vae-gan.")] = "gan,ae,vae,vae-gan",
    minutes: Annotated[
        float | None, typer.Option(help="Training time of each model and seed.", show_default="1")
    ] = None,
    clock: Annotated[
        str, typer.Option(help="wall, or processor: time that other work on the machine does not take away.")
    ] = "wall",
    images: Annotated[int | None, typer.Option(help="Budget in real images shown, instead of time.")] = None,
    seeds: Annotated[str, typer.Option(metavar="N,N", help="Each model is trained with each of them.")] = "0,1,2",
    beta: Annotated[float, typer.Option(help="What the divergence from the prior counts in the VAE.")] = 1.0,
    held_out: Annotated[float, typer.Option(help="Share of the images that no model sees; at most 1,000.")] = 0.2,
    inverted: Annotated[int, typer.Option(min=1, help="Held-out images that are reconstructed.")] = 100,
    probed: Annotated[int, typer.Option(min=0, help="Images whose latents the linear probe learns from.")] = 300,
    restarts: Annotated[int, typer.Option(min=1, help="Starts of each inversion of the GAN.")] = 1,
    steps: Annotated[int, typer.Option(min=1, help="Steps of each inversion.")] = 100,
    settings: Settings = None,
    size: Size = None,
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the comparison in --out.")] = False,
    device: Device = "auto",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a GAN and autoencoders of the same networks for the same time, and put their numbers side by side."""
    from augan.cli.console import print_json, say
    from augan.versus import compare as compare_models

    console = make_console()
    found = compare_models(
        data,
        out,
        models=[name.strip() for name in models.split(",") if name.strip()],
        seeds=_numbers(seeds),
        minutes=minutes,
        images=images,
        beta=beta,
        held_out=held_out,
        size=size,
        settings=settings or [],
        seed=seed,
        device=device,
        resume=resume,
        tell=lambda text: None if quiet else say(console, f"  {escape(text)}"),
        inverted=inverted,
        probed=probed,
        restarts=restarts,
        clock=clock,
        steps=steps,
    )
    if json:
        print_json(found.to_json())
        return
    _show(Console(), found)
    say(console, f"The report is in [bold]{escape(str(found.out / 'report.html'))}[/bold]")


def _numbers(text: str) -> list[int]:
    """Whole numbers between commas.

    Raises UserError for anything else.
    """
    from augan.core.errors import UserError

    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdigit() for part in parts):
        raise UserError(f"--seeds takes whole numbers from 0 up between commas, got '{text}'. Example: --seeds 0,1,2")
    return [int(part) for part in parts]


def _show(console: Console, found: object) -> None:
    from rich.table import Table

    from augan.cli.console import say
    from augan.versus import Versus
    from augan.versus.report import table_of

    assert isinstance(found, Versus)
    header, rows = table_of(found, stacked=True)
    table = Table(show_edge=False, pad_edge=False)
    table.add_column(header[0])
    for name in header[1:]:
        table.add_column(escape(name), justify="right")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)
    console.print()
    for line in found.reading:
        say(console, escape(line))
    for note in found.notes:
        say(console, f"note: {escape(note)}")
