"""The command `augan init`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from augan.cli.options import Json


def init(
    data: Annotated[
        str | None,
        typer.Argument(help="What will be trained on: then values are what the recipe chooses.", show_default=False),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write.")] = Path("augan.toml"),
    json: Json = False,
) -> None:
    """Write a file with every setting of `augan train` and what it means, to change and to train with."""
    from augan import api
    from augan.cli.console import print_json, say
    from augan.cli.options import console
    from augan.core.files import require_absent, write_text
    from augan.recipes import config_text
    from augan.training import RunConfig, TrainingConfig

    require_absent(out)
    config = RunConfig(training=TrainingConfig(minutes=5.0)) if data is None else api.resolve(data, minutes=5)[1]
    name = shlex.quote(str(out))
    write_text(out, config_text(config, name, data is not None))
    if json:
        print_json({"out": str(out), "data": data})
        return
    more = "" if data is not None else " DATA"
    say(console(), f"Settings are in [bold]{escape(str(out))}[/bold]. Next:")
    say(console(), f"  augan train{more} --config {escape(name)}")
