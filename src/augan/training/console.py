"""Training shown in a terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from augan.metrics import Quality
from augan.training.observer import Observer, Progress

PLAIN_LINE_SEC = 10.0


def human(count: float) -> str:
    """1234 as 1,234 and 1234567 as 1.2 M."""
    return f"{count / 1e6:.1f} M" if count >= 1e6 else f"{count:,.0f}"


def clock(seconds: float) -> str:
    """75 as 1:15."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class ConsoleObserver(Observer):
    """Live progress in a terminal; a line every ten seconds where there is none."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._live: Live | None = None
        self._last_line = 0.0
        self._quality = ""

    def begin(self, folder: Path, lines: Sequence[str]) -> None:
        self.console.print(Text(f"Training into {folder}", style="bold"), soft_wrap=True)
        for line in lines:
            self.console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)

    def stage(self, text: str) -> None:
        self.console.print(f"  {text} ...", highlight=False, markup=False, soft_wrap=True)

    def progress(self, progress: Progress) -> None:
        if self.console.is_terminal:
            if self._live is None:
                self._live = Live(console=self.console, refresh_per_second=8, transient=True)
                self._live.start()
            self._live.update(self._bar(progress))
        elif time.monotonic() - self._last_line > PLAIN_LINE_SEC:
            self._last_line = time.monotonic()
            self.console.print(
                f"  {progress.fraction:4.0%}  {self._text(progress)}", highlight=False, markup=False, soft_wrap=True
            )

    def _text(self, progress: Progress) -> str:
        losses = progress.losses
        return (
            f"{human(progress.images_seen)} {progress.unit}  {progress.images_per_sec:,.0f} {progress.unit}/s  "
            f"loss D {losses.get('loss_discriminator', 0):.3f} G {losses.get('loss_generator', 0):.3f}  "
            f"{clock(progress.seconds_left)} left  {progress.threads or ''}{' threads  ' if progress.threads else ''}"
            f"{progress.health.word}{self._quality}"
        )

    def _bar(self, progress: Progress) -> Table:
        grid = Table.grid(padding=(0, 1), expand=False)
        colour = "green" if progress.health.good else "red"
        text = Text(self._text(progress), style=colour if not progress.health.good else "")
        grid.add_row(f"  {progress.fraction:4.0%}", ProgressBar(total=1.0, completed=progress.fraction, width=24), text)
        if not progress.health.good:
            grid.add_row("", "", Text(progress.health.sentence, style=colour))
        return grid

    def snapshot(self, images_seen: int, quality: Quality | None, sheet: Path, best: bool) -> None:
        if quality is not None:
            agreement = f", agreement {quality.agreement:.1%}" if quality.agreement is not None else ""
            self._quality = f"  Fréchet {quality.frechet:.2f}{agreement}"

    def act(self, text: str) -> None:
        self.console.print(f"  {text}", style="yellow", highlight=False, markup=False, soft_wrap=True)

    def end(self, state: str) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
