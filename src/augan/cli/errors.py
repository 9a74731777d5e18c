"""Errors on the command line: one line and an exit code; a traceback only with --debug."""

from __future__ import annotations

import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup


class AuganGroup(TyperGroup):
    """Turns augan's errors into one line on standard error and exit code 1 or 2."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command."""
        from augan.core.errors import AuganError, Interrupted

        try:
            return super().invoke(ctx)
        except AuganError as error:
            if ctx.params.get("debug"):
                raise
            word = "" if isinstance(error, Interrupted) else "Error: "
            print(f"{word}{' '.join(str(error).split())}", file=sys.stderr)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            print("Interrupted; nothing half-written is left.", file=sys.stderr)
            raise typer.Exit(1) from error
        except BrokenPipeError as error:  # the reader of our output went away (| head)
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from error
        except Exception as error:
            library = type(error).__module__.partition(".")[0]
            if ctx.params.get("debug") or library in ("click", "typer"):  # usage errors and exits are theirs to show
                raise
            text = " ".join(str(error).split())
            print(f"Error: {type(error).__name__}: {text}. `augan --debug ...` shows where.", file=sys.stderr)
            raise typer.Exit(1) from error
