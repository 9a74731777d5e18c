"""Text files as a corpus: one sentence a line, in any of the usual encodings, with labels or without."""

from __future__ import annotations

import codecs
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int32, Int64

from augan.core.errors import UserError, unknown_name
from augan.core.rng import numpy_stream
from augan.data.kinds import KINDS
from augan.data.listing import SPLITS, is_junk, require_exists
from augan.text.config import TextDataConfig
from augan.text.vocabulary import Vocabulary, rows_of, tokenise, vocabulary_of

SUFFIXES = KINDS["text"]
LEAST = 10
"""Fewer sentences than this cannot be learnt from."""
SNIFFED_BYTES, SNIFFED_LINES = 1 << 16, 20
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, kw_only=True)
class Lines:
    """What text files hold, before any vocabulary: sentences as read, labels by name or None, notes."""

    sentences: tuple[str, ...]
    labels: tuple[str, ...] | None
    name: str
    path: Path | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Sentences as rows of numbers.

    Attributes:
        rows: (n, length) int32, filled up with 0, the end of a sentence.
        sentences: the same as tokens, unknown words included; vocabulary: words of the numbers.
        labels: (n,) or None; class_names: of the labels.
        key: hash of all this; notes: what was left out or cut.
    """

    rows: Int32[np.ndarray, "n t"]
    sentences: tuple[tuple[str, ...], ...]
    vocabulary: Vocabulary
    labels: Int64[np.ndarray, " n"] | None
    class_names: tuple[str, ...] | None
    name: str
    notes: tuple[str, ...] = ()
    path: Path | None = None
    words: int = 0
    unknown: float = 0.0
    key: str = field(default="")

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def length(self) -> int:
        """Tokens of the longest sentence that there can be."""
        return int(self.rows.shape[1])

    def class_counts(self) -> dict[str, int]:
        """Sentences of each class; empty without labels."""
        if self.labels is None or self.class_names is None:
            return {}
        counts = np.bincount(self.labels, minlength=len(self.class_names))
        return {name: int(count) for name, count in zip(self.class_names, counts, strict=True)}

    def subset(self, indices: np.ndarray) -> Corpus:
        """The sentences at `indices`, with the same vocabulary and key."""
        return replace(
            self,
            rows=self.rows[indices],
            sentences=tuple(self.sentences[index] for index in indices),
            labels=None if self.labels is None else self.labels[indices],
        )

    def described(self) -> dict[str, Any]:
        """What data.json holds."""
        return {
            "name": self.name,
            "key": self.key,
            "images": len(self),
            "item": {
                "kind": "text",
                "length": self.length,
                "level": self.vocabulary.level,
                "vocabulary": len(self.vocabulary),
                "vocabulary_hash": self.vocabulary.hash,
                "class_names": self.class_names,
            },
            "words": self.words,
            "unknown_share": self.unknown,
            "classes": self.class_counts(),
            "notes": list(self.notes),
        }


def is_text(data: Any, kind: str | None = None) -> bool:
    """Whether `data` is text: said so by `kind`, a corpus, a .txt file, a .tsv file of sentences, or a folder of these.

    A .tsv file holds sentences if its first lines have at most two fields, and three words or more in the first one, on
    average; else it is a table.

    Raises:
        UserError: an unknown kind.
    """
    if kind is not None:
        if kind not in KINDS:
            raise unknown_name("kind of item", kind, KINDS)
        return kind == "text"
    if isinstance(data, Corpus | Lines):
        return True
    if not isinstance(data, str | Path):
        return False
    path = Path(data).expanduser()
    if not path.is_dir():
        suffix = path.suffix.lower()
        return suffix in SUFFIXES and (suffix != ".tsv" or _has_sentences(path))
    found = False
    for _, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not is_junk(name)]
        for name in names:
            if is_junk(name):
                continue
            if not name.lower().endswith(SUFFIXES):
                return False  # at the first other file: a folder of images may hold millions
            found = True
    return found


def _has_sentences(path: Path) -> bool:
    """Whether a .tsv file reads as sentences with at most a label each."""
    try:
        with path.open("rb") as file:
            raw = file.read(SNIFFED_BYTES)
    except OSError:
        return False
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    lines = [line for line in raw.decode("utf-16" if wide else "utf-8", "replace").splitlines() if line.strip()]
    fields = [line.split("\t") for line in lines[:SNIFFED_LINES]]
    if not fields or any(len(parts) > 2 for parts in fields):
        return False
    return sum(len(parts[0].split()) for parts in fields) >= 3 * len(fields)


def read_lines(data: Any, encoding: str | None = None) -> Lines:
    """The sentences of a file or folder.

    Args:
        data: a .txt file with a sentence a line; a .tsv file with `sentence<TAB>label` a line (or no tab in any); a
            folder of text files, each of which is a class that its name names, or with a subfolder a class; a single
            file in a folder has no class. A sequence of sentences, or a pair (sentences, labels).
        encoding: of the files; None: what their first bytes say (UTF-8, UTF-16 or UTF-32 with a mark), else UTF-8.

    Raises:
        UserError: nothing there, bytes that are not of the encoding, lines with and without labels.
    """
    if isinstance(data, Lines):
        return data
    if not isinstance(data, str | Path):
        return _from_memory(data)
    path = Path(data).expanduser()
    require_exists(path)
    if not path.is_dir():
        sentences, labels, notes = _read_file(path, encoding)
        return Lines(sentences=sentences, labels=labels, name=path.stem, path=path, notes=notes)
    files = sorted(
        file
        for file in path.rglob("*")
        if file.is_file() and file.suffix.lower() in SUFFIXES and not is_junk(str(file.relative_to(path)))
    )
    if not files:
        raise UserError(f"{path} holds no text: no file ends in {' or '.join(SUFFIXES)}.")
    return _read_folder(path, files, encoding)


def _read_folder(path: Path, files: list[Path], encoding: str | None) -> Lines:
    owners = [file.stem if file.parent == path else file.relative_to(path).parts[0] for file in files]
    splits = sorted({name for name in owners if name.lower() in SPLITS})
    if splits and len(files) > 1:
        raise UserError(f"{path} holds parts ({', '.join(splits)}), not classes. Give one of its files.")
    sentences: list[str] = []
    labels: list[str] = []
    notes: list[str] = []
    own = False
    for file, owner in zip(files, owners, strict=True):
        found, theirs, said = _read_file(file, encoding)
        own = own or theirs is not None
        sentences += found
        labels += theirs if theirs is not None else [owner] * len(found)
        notes += said
    known = tuple(labels) if len(set(owners)) > 1 or own else None
    return Lines(sentences=tuple(sentences), labels=known, name=path.resolve().name, path=path, notes=tuple(notes))


def _from_memory(data: Any) -> Lines:
    pair = isinstance(data, tuple) and len(data) == 2 and not isinstance(data[0], str)
    sentences, labels = data if pair else (data, None)
    try:
        kept = tuple(sentences)
    except TypeError as error:
        raise UserError(f"Text of type {type(data).__name__} cannot be opened. Give a path or sentences.") from error
    if not all(isinstance(sentence, str) for sentence in kept):
        raise UserError("Sentences are expected to be text, and some are not.")
    if labels is not None and len(labels) != len(kept):
        raise UserError(f"There are {len(kept)} sentences and {len(labels)} labels: as many are expected.")
    return Lines(sentences=kept, labels=None if labels is None else tuple(map(str, labels)), name="sentences")


def _read_file(path: Path, encoding: str | None) -> tuple[tuple[str, ...], tuple[str, ...] | None, tuple[str, ...]]:
    """(sentences, labels, notes) of one file."""
    lines = decode(path.read_bytes(), path, encoding).splitlines()
    kept = [(number, line.strip(" \r\n\f\v")) for number, line in enumerate(lines, 1) if line.strip()]
    empty = len(lines) - len(kept)
    notes = (f"{path.name}: {empty:,} empty lines of {len(lines):,} left out.",) if empty else ()
    if not kept:
        raise UserError(f"{path} holds no sentences: one a line is expected.")
    if path.suffix.lower() != ".tsv" or not any("\t" in line for _, line in kept):
        return tuple(line for _, line in kept), None, notes
    sentences, labels = [], []
    for number, line in kept:
        parts = line.split("\t")
        if len(parts) != 2 or not parts[0].strip() or not parts[1].strip():
            raise UserError(
                f"{path}, line {number}: 'sentence<TAB>label' is expected, and there are {len(parts)} "
                f"column{'s' * (len(parts) != 1)} with something missing or too much. Mend the line."
            )
        sentences.append(parts[0].strip())
        labels.append(parts[1].strip())
    return tuple(sentences), tuple(labels), notes


def decode(content: bytes, path: Path, encoding: str | None) -> str:
    """The text of a file.

    Raises:
        UserError: an unknown encoding, or a byte that is not of it; the byte, its place and its line are named.
    """
    known = next((name for mark, name in MARKS if content.startswith(mark)), "utf-8") if encoding is None else encoding
    if known == "utf-8" and b"\0" in content:
        raise UserError(
            f"{path} holds zero bytes: it is not UTF-8 text. If it is UTF-16 without a mark, give --set "
            "data.encoding=utf-16-le."
        )
    try:
        return content.decode(known)
    except LookupError as error:
        raise UserError(f"Unknown encoding '{known}'. Known are utf-8, utf-16, latin-1, cp1252 and others.") from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}, line {line}: byte 0x{content[error.start]:02x} at place {error.start:,} is not {known}. Give the "
            "file's encoding, for instance --set data.encoding=latin-1."
        ) from error


def open_text(data: Any, config: TextDataConfig | None = None, vocabulary: Vocabulary | None = None) -> Corpus:
    """A corpus of whatever `read_lines` takes.

    Args:
        vocabulary: take this one and its level and case, as a resumed run or a comparison has to.

    Raises:
        UserError: fewer than 10 sentences, a single word, or none that is short enough.
    """
    if isinstance(data, Corpus):
        return data
    config = config or TextDataConfig()
    lines = read_lines(data, config.encoding)
    level = config.level if vocabulary is None else vocabulary.level
    lowercase = config.lowercase if vocabulary is None else vocabulary.lowercase
    every = [tuple(tokenise(sentence, level, lowercase)) for sentence in lines.sentences]
    fitting = [index for index, tokens in enumerate(every) if 0 < len(tokens) <= config.length]
    sentences = tuple(every[index] for index in fitting)
    if len(sentences) < LEAST:
        raise UserError(
            f"{lines.name} holds {len(sentences)} sentences of 1 to {config.length} tokens (of {len(every)}), and at "
            f"least {LEAST} are needed. Give one sentence a line, or raise data.length."
        )
    own, words, unknown = vocabulary_of(sentences, config.vocabulary, level, lowercase)
    if vocabulary is None and words < 2:
        raise UserError(f"{lines.name} holds a single word, '{own.words[-1]}': there is nothing to learn.")
    notes = [*lines.notes, *_cuts(len(every) - len(sentences), len(every), config, words, unknown)]
    labels, names = _labels(lines, fitting)
    used = vocabulary or own
    longest = max(len(tokens) for tokens in sentences)
    rows = rows_of(sentences, used, config.length if vocabulary is not None else longest)
    digest = hashlib.sha256(rows.tobytes() + used.hash.encode())
    digest.update(b"" if labels is None else labels.tobytes() + "\x1f".join(names or ()).encode())
    return Corpus(
        rows=rows,
        sentences=sentences,
        vocabulary=used,
        labels=labels,
        class_names=names,
        name=lines.name,
        notes=tuple(notes),
        path=lines.path,
        words=words,
        unknown=float(unknown),
        key=digest.hexdigest(),
    )


def _cuts(left_out: int, of: int, config: TextDataConfig, words: int, unknown: float) -> list[str]:
    notes = []
    if left_out:
        notes.append(f"{left_out:,} of {of:,} sentences have more than {config.length} tokens and are left out.")
    if words > config.vocabulary:
        notes.append(
            f"{config.vocabulary:,} of {words:,} words are kept; the others, {unknown:.1%} of all tokens, are <unk>: "
            "data.vocabulary."
        )
    return notes


def _labels(lines: Lines, kept: Sequence[int]) -> tuple[Any, tuple[str, ...] | None]:
    if lines.labels is None:
        return None, None
    chosen = [lines.labels[index] for index in kept]
    names = tuple(sorted(set(chosen)))
    if len(names) < 2:
        return None, None  # a single class tells nothing apart
    place = {name: number for number, name in enumerate(names)}
    return np.array([place[label] for label in chosen], np.int64), names


def divided(corpus: Corpus, share: float, seed: int) -> tuple[Corpus, Corpus]:
    """(what is learnt from, what is held out): `share` of the different sentences, all copies of one on one side.

    Raises:
        UserError: nothing is left to learn from.
    """
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, tokens in enumerate(corpus.sentences):
        groups.setdefault(tokens, []).append(index)
    different = list(groups.values())
    count = min(int(np.ceil(share * len(different))), MOST_HELD_OUT) if share else 0
    if len(different) - count < 2:
        raise UserError(
            f"{corpus.name} has {len(different)} different sentences, and {count} are held out: at least 2 are to be "
            "left. Give more text, or --set held_out=0."
        )
    order = numpy_stream(seed, "held out").permutation(len(different))
    held = sorted(index for place in order[:count] for index in different[place])
    inside = np.zeros(len(corpus), bool)
    inside[held] = True
    return corpus.subset(np.flatnonzero(~inside)), corpus.subset(np.flatnonzero(inside))


MOST_HELD_OUT = 2_000
