"""Errors on the command line: one line and an exit code; a traceback only with --debug."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import typer
from typer.core import TyperGroup

USAGE_ERROR: Any = typer.BadParameter.__base__
"""The parser's own class, which typer brings along or takes from click."""


class AuganGroup(TyperGroup):
    """Turns every error into one line on standard error and exit code 1 or 2."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Reads the options that stand before the command."""
        try:
            return super().make_context(*arguments, **options)
        except USAGE_ERROR as error:
            raise _usage(error) from error

    def invoke(self, ctx: Any) -> Any:
        """Runs the command."""
        from augan.core.errors import AuganError, Interrupted

        debug = ctx.params.get("debug")
        try:
            with _terminated_as_interrupted():
                return super().invoke(ctx)
        except USAGE_ERROR as error:
            raise _usage(error) from error
        except AuganError as error:
            if debug:
                raise
            if not error.reported:
                _say(("" if isinstance(error, Interrupted) else "Error: ") + str(error))
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            if debug:
                raise
            _say("Interrupted; nothing half-written is left.")
            raise typer.Exit(1) from error
        except BrokenPipeError as error:  # the reader of our output went away (| head)
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from error
        except Exception as error:
            library = type(error).__module__.partition(".")[0]
            if debug or library in ("click", "typer"):  # exits are theirs
                raise
            _say(f"Error: internal, {type(error).__name__}: {error}. `augan --debug ...` shows where.")
            raise typer.Exit(1) from error


def _usage(error: Any) -> BaseException:
    """A wrong option or command in one line that names the help; help itself (no arguments) as it is."""
    if type(error).__name__ == "NoArgsIsHelpError":
        return error
    command = " ".join(["augan", *(error.ctx.command_path.split()[1:] if error.ctx is not None else [])])
    text = error.format_message().strip()
    _say(f"Error: {text}{'' if text.endswith(('.', '?')) else '.'} `{command} --help` lists what there is.")
    return typer.Exit(2)


def _say(text: str) -> None:
    """One line on standard error, whatever the text holds."""
    line = " ".join(text.split()) + "\n"
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    sys.stderr.write(line.encode(encoding, "backslashreplace").decode(encoding))
    sys.stderr.flush()


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Within the block, SIGTERM unwinds as Ctrl-C does, so that temporary files are removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
