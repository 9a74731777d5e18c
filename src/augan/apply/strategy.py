"""How many synthetic images each class is to get."""

from __future__ import annotations

from collections.abc import Mapping

from augan.core.errors import UserError, unknown_name

HELP = "auto, all, a number, or class=number,class=number"


def images_to_add(counts: Mapping[str, int], strategy: str, noun: str = "images") -> dict[str, int]:
    """How many images to generate for each class, real ones being only added to, never removed.

    Args:
        counts: real images of each class.
        strategy: 'auto': every class is raised to the size of the largest. 'all': every class, the largest too, is
            raised to twice the size of the largest. 'N': every class is raised to N. 'class=N,...': these classes are
            raised to their N.
        noun: what items are called in messages.

    Raises:
        UserError: the strategy is not one of these, names an unknown class, or asks for fewer than there are.

    >>> images_to_add({"cat": 5, "dog": 2}, "auto")
    {'cat': 0, 'dog': 3}
    >>> images_to_add({"cat": 5, "dog": 2}, "dog=6")
    {'cat': 0, 'dog': 4}
    """
    largest = max(counts.values())
    if strategy in ("auto", "all"):
        total = largest if strategy == "auto" else 2 * largest
        return {name: total - count for name, count in counts.items()}
    if "=" in strategy:
        targets = dict(counts) | _named_targets(counts, strategy, noun)
    else:
        targets = dict.fromkeys(counts, _number(strategy, strategy))
        if max(targets.values()) < min(counts.values()):
            raise UserError(
                f"Strategy {strategy}: every class has more {noun} than that already (the smallest "
                f"{min(counts.values())}). Real {noun} are never removed: give a larger number."
            )
    return {name: max(0, targets[name] - count) for name, count in counts.items()}


def _named_targets(counts: Mapping[str, int], strategy: str, noun: str) -> dict[str, int]:
    targets: dict[str, int] = {}
    for part in strategy.split(","):
        name, separator, text = part.rpartition("=")
        name = name.strip()
        if not separator:
            raise UserError(f"Strategy '{part}' has no '='. Expected {HELP}.")
        if name not in counts:
            raise unknown_name("class", name, counts)
        if name in targets:
            raise UserError(f"Strategy names class '{name}' twice.")
        targets[name] = _number(text.strip(), part)
        if targets[name] < counts[name]:
            raise UserError(
                f"Strategy {part}: class '{name}' has {counts[name]} {noun} already, and real {noun} are never removed."
            )
    return targets


def _number(text: str, part: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise UserError(f"Strategy '{part}' is not understood. Expected {HELP}.")
    return int(text)
