"""Options that several commands have, and what goes with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

Data = Annotated[
    str,
    typer.Argument(
        help="A folder of images, a .zip of one, .npy, .npz, Parquet, .tar, .csv, .tsv or .txt.", show_default=False
    ),
]
RunArgument = Annotated[Path, typer.Argument(help="A run folder (or one of its checkpoints).", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Seed = Annotated[int, typer.Option(min=0, help="Decides every random draw.")]
Size = Annotated[
    str | None,
    typer.Option(metavar="S|HxW", help="Train at S x S or H x W pixels.", show_default="as the data"),
]
Kind = Annotated[
    str | None,
    typer.Option(
        help="What an item is: image, video, sound, table, series or text.", show_default="what most files are"
    ),
]
Label = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="The column of a table that is the class.", show_default="none")
]
Strict = Annotated[bool, typer.Option("--strict", help="Fail on unreadable images instead of leaving them out.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; may be repeated.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Log = Annotated[
    list[str] | None,
    typer.Option("--log", metavar="NAME", help="Also log to tensorboard, wandb or mlflow; may be repeated."),
]
Folds = Annotated[int, typer.Option(min=2, help="Parts of the data, each of which is the test set once.")]
Steps = Annotated[
    int | None,
    typer.Option(min=1, help="Steps of the classifier, the same for every arm.", show_default="1000; 300 on clips"),
]
Flip = Annotated[bool, typer.Option("--flip", help="Mirrored images keep their label.")]
Cells = Annotated[Path | None, typer.Option(help="Keep outcomes in this folder; a study that stopped goes on.")]
Onnx = Annotated[Path | None, typer.Option(metavar="FILE", help="Write an ONNX file.", show_default="none")]
Program = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write a program of torch.export (.pt2).", show_default="none")
]
Groups = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A line an item (.txt) or .npy: items of a group stay on one side of a test."),
]


def logged(settings: list[str] | None, log: list[str] | None, setting: str = "log") -> list[str]:
    """The settings of --set, with the loggers of --log among them."""
    return [*(settings or []), *([f"{setting}={json.dumps(log)}"] if log else [])]


EXAMPLES = "[bold]Examples[/bold]\n\n"


def examples(*lines: str) -> str:
    return EXAMPLES + "\n\n".join(f"  $ {line}" for line in lines)


def console() -> Console:
    return Console(stderr=True)
