"""How good generated sentences are, beside what needs no generator: real sentences and counted words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from augan.core.config import from_dict
from augan.core.errors import UserError
from augan.core.files import read_json
from augan.core.rng import numpy_stream
from augan.metrics import frechet_distance
from augan.text.config import TextConfig, TextDataConfig
from augan.text.corpus import Corpus, divided, open_text
from augan.text.model import TextModel, is_text_run, load_text
from augan.text.ngrams import CountModel, Overlap, Sentence, features, mask
from augan.text.vocabulary import UNKNOWN

TEMPERATURES = (0.6, 0.8, 1.0, 1.2)
COUNT = 1_000
LEAST = 6


@dataclass(frozen=True, kw_only=True)
class TextRow:
    """One set of sentences, measured.

    Attributes:
        bleu: BLEU-2 to BLEU-5 against real sentences that nothing was learnt from (quality: high is better); its
            height depends on how many references there are.
        self_bleu: the same against one another (diversity: low is better).
        copies: share that is a training sentence, word for word; distinct: share of different sentences.
        frechet: distance between features of these and of the real sentences; 0 is best.
        perplexity: of held-out real sentences, a token; None where there is no likelihood.
        sentences: how many.
    """

    bleu: tuple[float, ...]
    self_bleu: tuple[float, ...]
    copies: float
    distinct: float
    frechet: float
    perplexity: float | None = None
    sentences: int = 0


@dataclass(frozen=True, kw_only=True)
class TextEvaluation:
    """Rows by name, the model's and those it has to be held against.

    Attributes:
        references: how many real sentences BLEU and distances are against; notes: what to know.
    """

    rows: dict[str, TextRow]
    references: int
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        rows = {name: asdict(row) for name, row in self.rows.items()}
        return {"kind": "text", "rows": rows, "references": self.references, "notes": list(self.notes)}


class Judge:
    """Measures sets of sentences against the same real ones.

    `learnt` is what generators have learnt from, `references` real sentences they have not.
    """

    def __init__(self, learnt: Sequence[Sentence], references: Sequence[Sentence]) -> None:
        if len(references) < LEAST:
            raise UserError(
                f"{len(references)} real sentences are left to measure against, and at least {LEAST} are needed. Give "
                "more with --holdout."
            )
        self.learnt = {tuple(tokens) for tokens in learnt}
        self.overlap = Overlap(references)
        self.features = features(references)

    def measure(self, sentences: Sequence[Sentence], perplexity: float | None = None) -> TextRow:
        """A row.

        Raises:
            UserError: fewer than 6 sentences.
        """
        if len(sentences) < LEAST:
            raise UserError(f"{len(sentences)} sentences cannot be measured: at least {LEAST} are needed.")
        own = Overlap(sentences).scores(sentences, own=True).mean(0)
        plain = [tuple(tokens) for tokens in sentences]
        return TextRow(
            bleu=tuple(self.overlap.scores(sentences).mean(0).tolist()),
            self_bleu=tuple(own.tolist()),
            copies=float(np.mean([tokens in self.learnt for tokens in plain])),
            distinct=len(set(plain)) / len(plain),
            frechet=float(frechet_distance(features(sentences), self.features)),
            perplexity=perplexity,
            sentences=len(sentences),
        )


def perplexity(log_likelihood: np.ndarray, rows: np.ndarray) -> float:
    """exp of the mean of -log p a token, ends included."""
    return math.exp(min(700.0, -float(log_likelihood.sum()) / float(mask(rows).sum())))


def evaluate_text(
    target: Any,
    against: Any,
    *,
    holdout: Any = None,
    count: int = COUNT,
    seed: int = 0,
    device: str = "cpu",
    encoding: str | None = None,
) -> TextEvaluation:
    """Measures a run, or any set of sentences, against real ones.

    Beside it stand: training sentences as they are (a perfect copier), real sentences that nothing was learnt from,
    and words drawn by how often they come, alone (unigram) and after the word before (bigram).

    Args:
        target: a model, a run folder, or sentences as `read_lines` takes them.
        against: what was learnt from; of a run without `holdout`, the part that it held out is not.
        holdout: real sentences that nothing was learnt from; None: a part of `against`.
        count: sentences of each row, at most.

    Raises:
        UserError: too few sentences on a side.
    """
    model, config = _opened(target, device)
    reading = TextDataConfig(encoding=encoding) if config is None else config.data
    vocabulary = None if model is None else model.item.vocabulary
    corpus = open_text(against, reading, vocabulary)
    notes: list[str] = []
    if holdout is None:
        share, own = (0.1, seed) if config is None else (config.held_out, config.seed)
        learnt, kept = divided(corpus, share or 0.1, own)
        notes.append(f"{len(kept):,} sentences of {corpus.name} are held out; --holdout takes others.")
    else:
        learnt, kept = corpus, open_text(holdout, reading, corpus.vocabulary)
    order = numpy_stream(seed, "halves").permutation(len(kept))
    references, unseen = (kept.subset(np.sort(part)) for part in np.array_split(order, 2))
    judge = Judge(learnt.sentences, references.sentences)
    rows: dict[str, TextRow] = {}
    if model is None:
        rows["these sentences"] = judge.measure(open_text(target, reading, corpus.vocabulary).sentences[:count])
    else:
        rows |= swept(model, judge, kept, count, seed)
    rows |= beside(judge, learnt, kept, unseen, count, seed)
    if (kept.rows == UNKNOWN).any():
        share = float((kept.rows == UNKNOWN).sum() / mask(kept.rows).sum())
        notes.append(f"{share:.1%} of held-out tokens are <unk>, which perplexity counts as one word.")
    return TextEvaluation(rows=rows, references=len(references), notes=tuple(notes))


def _opened(target: Any, device: str) -> tuple[TextModel | None, TextConfig | None]:
    if isinstance(target, TextModel):
        return target, None
    if not is_text_run(target):
        return None, None
    config = Path(target) / "config.json"
    known = from_dict(TextConfig, read_json(config)) if config.is_file() else None
    return load_text(target, device=device), known


def swept(
    model: TextModel,
    judge: Judge,
    kept: Corpus,
    count: int,
    seed: int,
    temperatures: Sequence[float] = TEMPERATURES,
) -> dict[str, TextRow]:
    """The model at several temperatures; its perplexity at 1, where it has a likelihood for these labels."""
    rows = {}
    labels = kept.labels if model.conditional else None
    fits = not model.conditional or kept.class_names == model.item.class_names
    kept_rows = kept.rows[:, : model.item.length]
    for temperature in temperatures:
        made = model.sample(count, seed=seed, temperature=temperature)
        words = [model.item.vocabulary.tokens(row) for row in made]
        known = perplexity(model.log_likelihood(kept_rows, labels), kept_rows) if fits and temperature == 1 else None
        rows[f"temperature {temperature:g}"] = judge.measure(words, known)
    return rows


def beside(judge: Judge, learnt: Corpus, kept: Corpus, unseen: Corpus, count: int, seed: int) -> dict[str, TextRow]:
    """What needs no generator."""
    chosen = numpy_stream(seed, "as they are").permutation(len(learnt))[:count]
    rows = {
        "training sentences": judge.measure([learnt.sentences[index] for index in chosen]),
        "real, unseen": judge.measure(unseen.sentences[:count]),
    }
    for order, name in ((1, "unigram"), (2, "bigram")):
        counted = CountModel(learnt.rows, len(learnt.vocabulary), order)
        words = [learnt.vocabulary.tokens(row) for row in counted.sample(count, seed)]
        told = kept.rows[:, : counted.length]
        rows[name] = judge.measure(words, perplexity(counted.log_likelihood(told), told))
    return rows
