"""Two sides of a translation: folders, archives, arrays; matched or not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from augan.core.errors import UserError
from augan.core.item import ItemSpec
from augan.data import Source, subset
from augan.data import open as open_source

NAMED = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Sides:
    """Images of side a and of side b, of one size; if paired, as many of each, in the same order.

    Attributes:
        names: of the pairs, for messages.
    """

    a: Source
    b: Source
    paired: bool
    names: tuple[str, ...] = ()

    def item(self, side: str) -> ItemSpec:
        """What an item of side 'a' or 'b' is."""
        return (self.a if side == "a" else self.b).item


def open_sides(a: Any, b: Any = None, *, paired: bool, size: int | str | None = None) -> Sides:
    """Opens both sides at one size.

    Paired: two folders or archives whose files have the same names up to the ending, two arrays of the same length, an
    .npz with arrays `a` and `b`, or, without `b`, images with both sides beside one another (a at the left).

    Raises:
        UserError: names without a partner (they are listed), lengths or sizes that differ, an empty side.
    """
    if b is None:
        if not paired:
            raise UserError("Unpaired images have two sides: give both A and B.")
        return _one(a, size)
    first = open_source(a, size=size)
    shape = f"{first.item.height}x{first.item.width}"
    if size is None and _own_size(open_source(b)) != (first.item.height, first.item.width) and paired:
        other = _own_size(open_source(b))
        raise UserError(
            f"The sides have different sizes, {first.item.height}x{first.item.width} and {other[0]}x{other[1]}. "
            "Give --size."
        )
    second = open_source(b, size=shape)
    if not paired:
        return Sides(a=first, b=second, paired=False)
    return _matched(first, second)


def _own_size(source: Source) -> tuple[int, int]:
    return source.item.height, source.item.width


def _matched(first: Source, second: Source) -> Sides:
    ours, theirs = _stems(first), _stems(second)
    if ours is None or theirs is None:
        if len(first) != len(second):
            raise UserError(f"The sides have {len(first)} and {len(second)} images: pairs need as many of each.")
        return Sides(a=first, b=second, paired=True, names=tuple(f"pair {row}" for row in range(len(first))))
    lonely = sorted(set(ours) ^ set(theirs))
    if lonely:
        more = f" and {len(lonely) - NAMED} more" if len(lonely) > NAMED else ""
        raise UserError(
            f"{len(lonely)} images have no partner on the other side: {', '.join(lonely[:NAMED])}{more}. "
            "Name pairs alike, or give --unpaired."
        )
    names = sorted(ours)
    rows = [np.array([stems[name] for name in names]) for stems in (ours, theirs)]
    return Sides(a=subset(first, rows[0]), b=subset(second, rows[1]), paired=True, names=tuple(names))


def _stems(source: Source) -> dict[str, int] | None:
    """Row of each name without its ending; None where items have no names.

    Raises:
        UserError: two files of one name.
    """
    origin = getattr(source, "origin", None)
    if origin is None or not origin.members:
        return None
    found: dict[str, int] = {}
    for row, member in enumerate(origin.members):
        stem = PurePosixPath(member).with_suffix("").as_posix()
        if stem in found:
            raise UserError(f"{source.name} has two images called {stem}: pairs cannot be told.")
        found[stem] = row
    return found


def _one(data: Any, size: int | str | None) -> Sides:
    """Both sides out of one file or folder."""
    if isinstance(data, str | Path) and str(data).lower().endswith(".npz"):
        with np.load(data, allow_pickle=False) as archive:
            if {"a", "b"} <= set(archive.files):
                a, b = archive["a"], archive["b"]
                if len(a) != len(b):
                    raise UserError(f"The sides have {len(a)} and {len(b)} images: pairs need as many of each.")
                return open_sides(a, b, paired=True, size=size)
        raise UserError(f"{data} has no arrays a and b. Give two paths, or an .npz with both.")
    whole = open_source(data)
    height, width = whole.item.height, whole.item.width
    if width % 2 or width <= height:
        raise UserError(
            f"The images of {whole.name} are {height}x{width}: two sides beside one another are expected. Give A and B."
        )
    items = whole.items(np.arange(len(whole)))
    return open_sides(items[:, :, : width // 2], items[:, :, width // 2 :], paired=True, size=size)
