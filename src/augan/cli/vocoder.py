"""The commands `augan vocoder train`, `apply` and `export`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from augan.cli.errors import AuganGroup
from augan.cli.options import Device, Json, Log, Quiet, RunArgument, Seed, Settings, Strict, console, examples, logged

vocoder_app = typer.Typer(
    cls=AuganGroup,
    help="From mel spectrograms to waveforms: train a vocoder, apply it, export it.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@vocoder_app.command(
    name="train",
    epilog=examples(
        "augan vocoder train recordings/ --out runs/voice --minutes 15",
        "augan vocoder train recordings/ --out runs/voice-v1 --size v1 --set rate_hz=22050",
        "augan vocoder train recordings/ --out runs/voice --resume --minutes 30",
    ),
)
def vocoder_train(
    data: Annotated[str, typer.Argument(help="A folder of sounds, a .zip of one, or .npz.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Run folder.")],
    size: Annotated[str, typer.Option(help="small, v1, v2 or v3.")] = "small",
    minutes: Annotated[float | None, typer.Option(help="Time budget.", show_default="5")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Budget in steps, instead of time.")] = None,
    settings: Settings = None,
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    strict: Strict = False,
    log: Log = None,
    device: Device = "auto",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a vocoder on sounds. Ctrl-C saves; --resume goes on."""
    from augan import vocoder
    from augan.cli.console import print_json, say, telling

    screen = console()
    run = vocoder.train(
        data,
        out=out,
        size=size,
        minutes=minutes,
        steps=steps,
        settings=logged(settings, log),
        seed=seed,
        device=device,
        resume=resume,
        strict=strict,
        tell=telling(screen, quiet),
    )
    result = run.result() or {}
    if json:
        print_json({"run": str(run.path), "result": result})
        return
    quality = result.get("quality")
    if quality:
        for name, row in (("vocoder", quality["vocoder"]), ("Griffin-Lim", quality["griffin_lim"])):
            say(screen, f"  {name}: log-mel distance {row['mel']:.3f}, spectral distance {row['spectral']:.3f}")
    say(screen, f"The run is in [bold]{escape(str(run.path))}[/bold]. Next:")
    say(screen, f"  augan vocoder apply {escape(shlex.quote(str(run.path)))} SOUNDS --out resynthesised/")


@vocoder_app.command(
    name="apply",
    epilog=examples(
        "augan vocoder apply runs/voice recordings/ --out resynthesised/",
        "augan vocoder apply runs/voice seven.wav --out again.wav",
    ),
)
def vocoder_apply(
    run: RunArgument,
    data: Annotated[str, typer.Argument(metavar="IN", help="A sound or a folder of sounds.", show_default=False)],
    out: Annotated[Path, typer.Option(help="A .wav file or a folder.")],
    checkpoint: Annotated[str, typer.Option(help="best or last.")] = "best",
    device: Device = "auto",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Turn sounds into mels and back. Files that cannot be read are listed, the rest is done; exit code 1 then."""
    from augan import vocoder
    from augan.cli.console import counting, print_json, say

    model = vocoder.load(run, which=checkpoint, device=device)
    screen = console()
    with counting(screen, "Resynthesising", None, quiet) as tick:
        found = vocoder.apply(model, data, out, tick=tick)
    if json:
        print_json({"out": str(found.out), "done": found.done, "failed": found.failed})
    else:
        what = "sound" if found.done == 1 else "sounds"
        say(screen, f"{found.done:,} {what} in [bold]{escape(str(found.out))}[/bold]")
        for name, reason in found.failed.items():
            say(screen, f"left out: {escape(name)}: {escape(reason)}")
    if found.failed:
        raise typer.Exit(1)


@vocoder_app.command(name="export", epilog=examples("augan vocoder export runs/voice --out voice.pt2"))
def vocoder_export(
    run: RunArgument,
    out: Annotated[Path, typer.Option(help="A .pt2 file, which torch.export.load reads.")],
    checkpoint: Annotated[str, typer.Option(help="best or last.")] = "best",
) -> None:
    """Write the generator as one program: log mels in, waveforms out."""
    from augan import vocoder
    from augan.cli.console import say
    from augan.core.files import require_absent

    require_absent(out)
    vocoder.export(vocoder.load(run, which=checkpoint), out)
    say(console(), f"The program is in [bold]{escape(str(out))}[/bold]")
