"""The command `augan studio`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from augan.cli.options import console as make_console


def studio(
    runs: Annotated[Path, typer.Argument(help="The folder of runs; made when the first is started.")] = Path("runs"),
    workspace: Annotated[
        Path | None,
        typer.Option(help="Data are read and results written in this folder alone.", show_default="the current one"),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where the page is; 0: any that is free.")] = 8765,
    upload_limit: Annotated[int, typer.Option(min=1, help="Megabytes that one upload may have.")] = 2000,
    share: Annotated[
        bool, typer.Option("--share", help="Also answer other machines of the network. Not encrypted.")
    ] = False,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
) -> None:
    """Train, look, explore, curate and translate on a page in the browser, on this machine. Ctrl-C ends it."""
    from augan.cli.console import say
    from augan.core.optional import require
    from augan.studio.workspace import Workspace

    place = Workspace(runs, workspace or Path())
    require("starlette", "studio", "The studio")
    from augan.studio.answers import Studio
    from augan.studio.serve import serve

    screen = make_console()

    def tell(address: str) -> None:
        say(screen, f"The studio is at [bold]{escape(address)}[/bold]")
        say(screen, f"It reads and writes in {escape(str(place.root))}. Ctrl-C ends it; what it trains is saved then.")
        if share:
            say(screen, "Others in the network can open it if they know this address, which is sent unencrypted.")
        if browser:
            import webbrowser

            webbrowser.open(address)

    for name in serve(Studio(place, upload_limit * 1_000_000), port, share, tell):
        say(screen, f"Saved and paused: {escape(name)}")
