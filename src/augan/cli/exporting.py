"""The command `augan export`."""

from __future__ import annotations

from typing import Annotated

import typer

from augan.cli.options import Json, Onnx, Program, RunArgument


def export(
    run: RunArgument,
    onnx: Onnx = None,
    program: Program = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Also write NAME-int8.onnx, of 8 bits, and measure what that costs.")
    ] = False,
    against: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Measure Fréchet distances from these real images.", show_default="none"),
    ] = None,
    count: Annotated[int, typer.Option(min=6, help="With --against: images generated for it.")] = 1_000,
    checkpoint: Annotated[str, typer.Option(help="best or last.")] = "best",
    json: Json = False,
) -> None:
    """Write a generator as files for other programs; each is compared with the model before it is kept."""
    from augan import api
    from augan.cli.console import print_json, show_export
    from augan.cli.options import console

    found = api.export_model(run, onnx=onnx, program=program, int8=int8, against=against, count=count, which=checkpoint)
    if json:
        print_json(found.to_json())
    else:
        show_export(console(), found)
