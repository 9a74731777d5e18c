"""Errors that say what was wrong, what was expected and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class AuganError(Exception):
    """Something failed that is not the user's mistake. The command line exits with 1."""

    exit_code = 1
    reported = False
    """Whether another process that trains together with this one says it already."""


class UserError(AuganError, ValueError):
    """A mistake in what the user gave (a path, a value, a file). The command line prints one line and exits with 2."""

    exit_code = 2


class Interrupted(AuganError):
    """The user stopped the work; everything up to here is saved. The command line exits with 1."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not in a list of names, with the list and the closest match.

    >>> str(unknown_name("objective", "hing", ["hinge", "minimax"]))
    "Unknown objective 'hing'. Did you mean 'hinge'? Known: hinge, minimax."
    """
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    return UserError(f"Unknown {kind} '{name}'.{hint} Known: {', '.join(names)}.")
