"""Which kind of item a path holds: what the user says, or what most of its files are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

from augan.core.errors import UserError, unknown_name
from augan.data.decode import SUFFIXES

VIDEO_SUFFIXES = (".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".webm")
SOUND_SUFFIXES = (".aif", ".aiff", ".flac", ".ogg", ".wav")
TABLE_SUFFIXES = (".csv", ".tsv")
TEXT_SUFFIXES = (".tsv", ".txt")
KINDS: dict[str, tuple[str, ...]] = {
    "image": tuple(SUFFIXES),
    "video": VIDEO_SUFFIXES,
    "sound": SOUND_SUFFIXES,
    "table": TABLE_SUFFIXES,
    "series": (),
    "text": TEXT_SUFFIXES,
}
"""What `--kind` may name, and the endings that tell each; time series are tables or arrays, and are said to be."""
NOUNS = {
    "image": "images",
    "video": "clips",
    "sound": "sounds",
    "table": "rows",
    "series": "windows",
    "text": "sentences",
}
"""What messages call several items of each."""
IMAGES = re.compile(r"(?<![\w.-])([Ii])mage(s?)\b(?!\.\w)")


def worded(text: str, kind: str) -> str:
    """A sentence about images, said of items of a kind; names of options and settings stay.

    >>> worded("1 image of 2,000 images (--images)", "table")
    '1 row of 2,000 rows (--images)'
    """
    noun = NOUNS.get(kind, "items")

    def other(found: re.Match[str]) -> str:
        word = noun if found[2] else noun.removesuffix("s")
        return word.capitalize() if found[1] == "I" else word

    return IMAGES.sub(other, text)


def recognise(names: Iterable[str], kind: str | None, where: str) -> str:
    """The kind of a folder or archive with these files; images where none of them tells.

    Raises:
        UserError: an unknown kind, or as many files of one kind as of another.
    """
    if kind is not None:
        if kind not in KINDS:
            raise unknown_name("kind of item", kind, KINDS)
        return kind
    found = Counter(
        name for path in names for name in KINDS if PurePosixPath(path).suffix.lower() in KINDS[name]
    ).most_common(2)
    if len(found) == 2 and found[0][1] == found[1][1]:
        (one, count), (other, _) = found
        raise UserError(
            f"{where} holds {count} files of kind {one} and as many of kind {other}. Say which with --kind."
        )
    return found[0][0] if found else "image"
