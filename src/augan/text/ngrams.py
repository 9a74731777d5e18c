"""What counting short runs of words gives: overlap (BLEU), features of sentences, and models that know no more."""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from augan.core.rng import numpy_stream
from augan.text.vocabulary import END

Sentence = Sequence[str]
SMOOTHING = 0.1
"""What a length of runs without any match counts, as in method 1 of Chen and Cherry (2014)."""
BUCKETS = 4_096
FEATURES = 64
LONGEST = 3
ADDED = 0.01


def runs(tokens: Sentence, length: int) -> Iterator[tuple[str, ...]]:
    """All runs of `length` tokens."""
    return zip(*(tokens[start:] for start in range(length)), strict=False)


class Overlap:
    """BLEU against many references at once: of each run, the most that any reference has (ACL P02-1040, section 2)."""

    def __init__(self, references: Sequence[Sentence], longest: int = 5) -> None:
        self.longest = longest
        self.most: list[dict[tuple[str, ...], tuple[int, int, int]]] = []
        for length in range(1, longest + 1):
            table: dict[tuple[str, ...], tuple[int, int, int]] = {}
            for owner, tokens in enumerate(references):
                for run, count in Counter(runs(tokens, length)).items():
                    most, by, second = table.get(run, (0, -1, 0))
                    table[run] = (count, owner, most) if count > most else (most, by, max(second, count))
            self.most.append(table)
        self.lengths = Counter(len(tokens) for tokens in references)

    def scores(self, sentences: Sequence[Sentence], own: bool = False) -> Float[np.ndarray, "n k"]:
        """BLEU of each sentence with runs of up to 2, ..., `longest` words, equally weighted: (n, longest - 1), 0 to 1.

        `own`: sentence i is reference i, and is held against the others only.
        """
        found = np.zeros((len(sentences), self.longest - 1))
        for index, tokens in enumerate(sentences):
            if tokens:
                found[index] = self._score(tokens, index if own else -2)
        return found

    def _score(self, tokens: Sentence, owner: int) -> Float[np.ndarray, " k"]:
        precision = []
        for length, table in enumerate(self.most, 1):
            counts = Counter(runs(tokens, length))
            matched = 0
            for run, count in counts.items():
                most, by, second = table.get(run, (0, -1, 0))
                matched += min(count, second if by == owner else most)
            precision.append(math.log((matched or SMOOTHING) / max(1, counts.total())))
        means = np.cumsum(precision)[1:] / np.arange(2, self.longest + 1)
        return np.exp(means + min(0.0, 1 - self._closest(len(tokens), owner) / len(tokens)))

    def _closest(self, length: int, owner: int) -> int:
        """The reference's length that is nearest; of a sentence among them, that of another one."""
        lengths = (
            other for other, count in self.lengths.items() if count > (1 if owner >= 0 and other == length else 0)
        )
        return min(lengths, key=lambda other: (abs(other - length), other), default=length)


def bleu(sentences: Sequence[Sentence], references: Sequence[Sentence], longest: int = 5) -> Float[np.ndarray, " k"]:
    """Means of BLEU-2, ..., BLEU-`longest`: 1 where every run of words is one of the references'."""
    return Overlap(references, longest).scores(sentences).mean(0)


def self_bleu(sentences: Sequence[Sentence], longest: int = 5) -> Float[np.ndarray, " k"]:
    """Means of BLEU of each sentence against all others: 1 where all are alike (arXiv:1802.01886)."""
    return Overlap(sentences, longest).scores(sentences, own=True).mean(0)


@lru_cache(maxsize=200_000)
def _number(word: str) -> int:
    return zlib.crc32(word.encode("utf-8", "surrogatepass"))


@lru_cache(maxsize=1)
def _directions() -> Float[np.ndarray, "buckets features"]:
    return numpy_stream(0, "features of sentences").standard_normal((BUCKETS, FEATURES)) / math.sqrt(FEATURES)


def features(sentences: Sequence[Sentence]) -> Float[np.ndarray, "n d"]:
    """(n, 64): runs of 1 to 3 words, hashed into 4,096 buckets and projected at random; scaled by their number's root.

    Nothing is learnt: the same sentence has the same features everywhere, and distances between sets of sentences can
    be compared wherever counts are equal.
    """
    directions = _directions()
    found = np.zeros((len(sentences), FEATURES))
    for row, tokens in zip(found, sentences, strict=True):
        numbers = [_number(word) for word in tokens]
        places = [
            zlib.crc32(np.array(numbers[start : start + length], np.uint32).tobytes()) % BUCKETS
            for length in range(1, LONGEST + 1)
            for start in range(len(numbers) - length + 1)
        ]
        if places:
            row[:] = directions[places].sum(0) / math.sqrt(len(places))
    return found


class CountModel:
    """Words by how often they come, alone or after the word before: what a generator has to beat.

    Of order 1, p(word) is its share of all; of order 2, p(word | before) = (count(before, word) + k p(word)) /
    (count(before) + k), with k = 1. A sentence ends by END, or where it is full. Shares are smoothed by a hundredth of
    a count, so that every sentence has a likelihood; a sentence's first word is not END.
    """

    def __init__(self, rows: np.ndarray, words: int, order: int) -> None:
        self.order, self.length = order, int(rows.shape[1])
        begin = np.full((len(rows), 1), words)
        before, after = np.concatenate([begin, rows[:, :-1]], 1), rows
        told = mask(rows)
        single = np.bincount(after[told], minlength=words) + ADDED
        self.single: np.ndarray = single / single.sum()
        if order == 2:
            counts = np.zeros((words + 1, words), np.float32)
            np.add.at(counts, (before[told], after[told]), 1)
            total = counts.sum(1, keepdims=True)
            self.table: np.ndarray = (counts + self.single) / (total + 1)
        else:
            self.table = np.broadcast_to(self.single, (words + 1, words))
        first = self.table[words].copy()
        first[END] = 0
        self.first: np.ndarray = first / first.sum()

    def log_likelihood(self, rows: np.ndarray) -> Float[np.ndarray, " n"]:
        """log p of each row, in nats."""
        first = np.log(self.first[rows[:, 0]])
        later = np.log(self.table[rows[:, :-1], rows[:, 1:]])
        return first + (later * mask(rows)[:, 1:]).sum(1)

    def sample(self, count: int, seed: int = 0) -> np.ndarray:
        """(count, length) rows."""
        random = numpy_stream(seed, "counted words", self.order)
        rows = np.full((count, self.length), END, np.int64)
        rows[:, 0] = random.choice(len(self.first), count, p=self.first / self.first.sum())
        for place in range(1, self.length):
            going = np.flatnonzero(rows[:, place - 1] != END)
            for before in np.unique(rows[going, place - 1]):
                here = going[rows[going, place - 1] == before]
                chances = self.table[before].astype(np.float64)
                rows[here, place] = random.choice(len(chances), len(here), p=chances / chances.sum())
        return rows


def mask(rows: np.ndarray) -> np.ndarray:
    """True at the tokens of each sentence, the END behind it included."""
    ends = (rows == END).cumsum(1)
    found: np.ndarray = (ends == 0) | ((ends == 1) & (rows == END))
    return found
