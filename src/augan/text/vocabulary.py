"""Words and their numbers: how a sentence becomes a row of whole numbers, and how such a row is written again."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from augan.core.errors import UserError

END, UNKNOWN = 0, 1
SPECIAL = ("<end>", "<unk>")
"""Number 0 ends a sentence (and fills up its row), number 1 stands for every word that is not in the vocabulary."""
WORD = re.compile(r"<unk>|\w+(?:['\u2019\-]\w+)*|[^\w\s]")
NO_SPACE_BEFORE = re.compile(r" ([.,!?;:%)\]}\u2026\u2019])")
NO_SPACE_AFTER = re.compile(r"([(\[{]) ")
Level = Literal["words", "characters"]


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Frozen: words in the order of their numbers, END and UNKNOWN first.

    Attributes:
        words: each once; level: whether a token is a word (or a mark) or a character; lowercase: of sentences.
    """

    words: tuple[str, ...]
    level: Level = "words"
    lowercase: bool = False

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of each word."""
        return {word: number for number, word in enumerate(self.words)}

    @cached_property
    def hash(self) -> str:
        """SHA-256 over words, level and case."""
        text = "\x1f".join([self.level, str(self.lowercase), *self.words])
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def encode(self, tokens: Sequence[str]) -> list[int]:
        """Numbers of tokens; UNKNOWN for what is not in the vocabulary."""
        return [self.numbers.get(token, UNKNOWN) for token in tokens]

    def tokens(self, row: Iterable[Any]) -> list[str]:
        """Tokens of a row, up to its end."""
        found = []
        for number in row:
            if number == END:
                break
            found.append(self.words[int(number)])
        return found

    def sentence(self, row: Iterable[Any]) -> str:
        """A row as a line of text."""
        return written(self.tokens(row), self.level)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; `from_json` is its inverse."""
        return {"level": self.level, "lowercase": self.lowercase, "words": list(self.words), "hash": self.hash}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Vocabulary:
        """The vocabulary that `to_json` wrote.

        Raises:
            UserError: it was changed since.
        """
        found = cls(words=tuple(value["words"]), level=value["level"], lowercase=value["lowercase"])
        if found.hash != value["hash"]:
            raise UserError("The vocabulary of this model does not fit its own hash: the file is damaged.")
        return found


def tokenise(sentence: str, level: Level = "words", lowercase: bool = False) -> list[str]:
    """Words and marks of a sentence, or its characters.

    >>> tokenise("It's a well-known dog, isn't it?")
    ["It's", 'a', 'well-known', 'dog', ',', "isn't", 'it', '?']
    """
    if lowercase:
        sentence = sentence.lower()
    return WORD.findall(sentence) if level == "words" else list(sentence.strip())


def written(tokens: Sequence[str], level: Level = "words") -> str:
    """Tokens as a line: marks stand at the word before them.

    >>> written(["a", "dog", ",", "asleep", "."])
    'a dog, asleep.'
    """
    if level == "characters":
        return "".join(tokens)
    return NO_SPACE_AFTER.sub(r"\1", NO_SPACE_BEFORE.sub(r"\1", " ".join(tokens)))


def vocabulary_of(
    sentences: Iterable[Sequence[str]], most: int, level: Level = "words", lowercase: bool = False
) -> tuple[Vocabulary, int, float]:
    """The `most` frequent words; how many there are in all; the share of tokens that the others make up, 0 to 1."""
    counts = Counter(token for tokens in sentences for token in tokens)
    for special in SPECIAL:
        counts.pop(special, None)  # who writes <unk> means it
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    kept = ordered[:most]
    total = sum(counts.values())
    share = 1 - sum(count for _, count in kept) / total if total else 0.0
    words = (*SPECIAL, *(word for word, _ in kept))
    return Vocabulary(words=words, level=level, lowercase=lowercase), len(ordered), max(0.0, share)


def rows_of(sentences: Sequence[Sequence[str]], vocabulary: Vocabulary, length: int) -> np.ndarray:
    """(n, length) int32: numbers of tokens, filled up with END; tokens beyond `length` are cut."""
    rows = np.full((len(sentences), length), END, np.int32)
    for row, tokens in zip(rows, sentences, strict=True):
        numbers = vocabulary.encode(tokens[:length])
        row[: len(numbers)] = numbers
    return rows


@dataclass(frozen=True, kw_only=True)
class TextItem:
    """What a sentence is: the contract between text, networks and files.

    Attributes:
        vocabulary: its words; length: tokens at most; class_names: of labels, or None.
    """

    vocabulary: Vocabulary
    length: int
    class_names: tuple[str, ...] | None = None

    @property
    def words(self) -> int:
        """How many words there are, END and UNKNOWN included."""
        return len(self.vocabulary)

    @property
    def classes(self) -> int:
        """How many classes there are; 0 where sentences have no label."""
        return len(self.class_names) if self.class_names else 0

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; `from_json` is its inverse."""
        return {
            "kind": "text",
            "length": self.length,
            "class_names": self.class_names,
            "vocabulary": self.vocabulary.to_json(),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> TextItem:
        """The item that `to_json` wrote."""
        names = value["class_names"]
        return cls(
            vocabulary=Vocabulary.from_json(value["vocabulary"]),
            length=int(value["length"]),
            class_names=tuple(names) if names else None,
        )
