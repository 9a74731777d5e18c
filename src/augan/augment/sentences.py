"""Does generated text make a better classifier of short texts? The study of `lift`, of sentences."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from augan.augment.lift import Lift, _checked_cells, _chosen_arms, _examined
from augan.augment.study import Arm, Indices, Outcome, Plan, conduct
from augan.augment.verdict import judge
from augan.core.errors import UserError
from augan.core.optional import require
from augan.core.rng import derive, numpy_stream
from augan.text import Corpus, TextDataConfig, load_text, open_text, read_lines, train, written

DROPPED = 0.15
"""The share of words that word dropout leaves out of a copy."""
BUCKETS = 2**14
MEMORISED = 0.5
"""A larger share of copied sentences than this speaks against a generator."""
Tokens = tuple[str, ...]
ARMS: dict[str, Arm] = {
    "real": Arm(meaning="real sentences as they are"),
    "class weights": Arm(meaning="small classes count more"),
    "oversampling": Arm(meaning="copies of small classes up to the largest"),
    "word dropout": Arm(meaning="copies with some words left out, to twice the largest class"),
    "mle": Arm(
        meaning="sentences of a class-conditional language model, to twice the largest class",
        generative=True,
        base="real",
        beside=("oversampling", "word dropout"),
    ),
    "gan": Arm(
        meaning="sentences of a class-conditional ScratchGAN, to twice the largest class",
        generative=True,
        base="real",
        beside=("oversampling", "word dropout"),
    ),
}
RECIPES = {"mle": "mle", "gan": "scratchgan"}


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What each generator may use: minutes or sentences shown; and its settings."""

    minutes: float | None
    sentences: int | None
    settings: tuple[str, ...] = ()


class SentenceTask:
    """Sentences with labels, a linear classifier of their words and pairs of words, and ways to have more of them.

    The classifier is a logistic regression on hashed counts: nothing in it is left to chance, so that there is no A/A
    control to measure.
    """

    def __init__(self, corpus: Corpus, effort: Effort, ratio: float) -> None:
        assert corpus.labels is not None
        assert corpus.class_names is not None
        self.labels, self.class_names = corpus.labels, corpus.class_names
        self.arms: Mapping[str, Arm] = ARMS
        self.key = corpus.key
        self.corpus, self.effort, self.ratio = corpus, effort, ratio
        self.described: Mapping[str, Any] = {
            "classifier": f"logistic regression on words and pairs of words in {BUCKETS:,} buckets",
            "minutes": effort.minutes,
            "sentences": effort.sentences,
            "settings": list(effort.settings),
            "ratio": ratio,
        }
        different = {tokens: number for number, tokens in enumerate(dict.fromkeys(corpus.sentences))}
        self.groups: np.ndarray | None = None
        if len(different) < len(corpus):
            self.groups = np.array([different[tokens] for tokens in corpus.sentences])
        self._made: dict[tuple[str, int], tuple[list[Tokens], list[int]]] = {}
        self._about: dict[int, dict[str, Any]] = {}

    def items(self, indices: Indices) -> np.ndarray:
        """(b,) indices to (b,) tuples of tokens."""
        return _column([self.corpus.sentences[index] for index in indices])

    def learn(self, arm: str, train: Indices, seed: int, split: int) -> Callable[[np.ndarray], np.ndarray]:
        """Learns from the sentences `train`, and gives class probabilities (m, k) of any."""
        sentences = [self.corpus.sentences[index] for index in train]
        labels = self.labels[train].tolist()
        more, kinds = self._more(arm, sentences, labels, seed, split)
        return _classifier([*sentences, *more], [*labels, *kinds], len(self.class_names), arm == "class weights")

    def about(self, split: int) -> dict[str, Any]:
        """The share of generated sentences that repeat a training sentence, of each generator."""
        return self._about.get(split, {})

    def _more(
        self, arm: str, sentences: list[Tokens], labels: list[int], seed: int, split: int
    ) -> tuple[list[Tokens], list[int]]:
        counts = np.bincount(labels, minlength=len(self.class_names))
        if arm in ("real", "class weights"):
            return [], []
        largest = int(counts.max())
        most = largest if arm == "oversampling" else round(largest * (1 + self.ratio))
        wanted = {label: most - int(count) for label, count in enumerate(counts) if count}
        if arm in RECIPES:
            return self._generated(arm, sentences, labels, wanted, split)
        random = numpy_stream(seed, "copies")
        found: list[Tokens] = []
        kinds: list[int] = []
        for label, number in wanted.items():
            own = [tokens for tokens, kind in zip(sentences, labels, strict=True) if kind == label]
            for place in random.integers(len(own), size=number):
                tokens = own[place]
                if arm == "word dropout":
                    kept = random.random(len(tokens)) >= DROPPED
                    tokens = tuple(np.array(tokens, object)[kept]) or tokens
                found.append(tokens)
                kinds.append(label)
        return found, kinds

    def _generated(
        self, arm: str, sentences: list[Tokens], labels: list[int], wanted: Mapping[int, int], split: int
    ) -> tuple[list[Tokens], list[int]]:
        """From a generator that has seen this training part only; made once for all seeds of a split."""
        if (arm, split) not in self._made:
            level = self.corpus.vocabulary.level
            names = [self.class_names[label] for label in labels]
            lines = [written(tokens, level) for tokens in sentences]
            with tempfile.TemporaryDirectory() as folder:
                run = train(
                    (lines, names),
                    recipe=RECIPES[arm],
                    minutes=self.effort.minutes,
                    images=self.effort.sentences,
                    out=Path(folder) / "run",
                    settings=self.effort.settings,
                    seed=derive(0, "generator", arm, split) % 2**31,
                )
                model = load_text(run.path)
            found: list[Tokens] = []
            kinds: list[int] = []
            for label, number in wanted.items():
                rows = model.sample(number, [self.class_names[label]], seed=split)
                found += [tuple(model.item.vocabulary.tokens(row)) for row in rows]
                kinds += [label] * number
            self._made[arm, split] = found, kinds
            self._tell(arm, split, found, set(sentences))
        return self._made[arm, split]

    def _tell(self, arm: str, split: int, made: list[Tokens], real: set[Tokens]) -> None:
        share = float(np.mean([tokens in real for tokens in made])) if made else 0.0
        about = self._about.setdefault(split, {})
        about[f"{arm}_copies"] = share
        if share > MEMORISED:
            said = f"{share:.0%} of the sentences of '{arm}' repeat a training sentence."
            about.setdefault("memorised", []).append(said)


def _column(sentences: Sequence[Tokens]) -> np.ndarray:
    """A column of tuples, which NumPy would make a table of."""
    found = np.empty(len(sentences), object)
    for place, tokens in enumerate(sentences):
        found[place] = tokens
    return found


def _pairs(tokens: Tokens) -> list[str]:
    return [*tokens, *(" ".join(pair) for pair in zip(tokens, tokens[1:], strict=False))]


def _classifier(
    sentences: Sequence[Tokens], labels: Sequence[int], classes: int, weighted: bool
) -> Callable[[np.ndarray], np.ndarray]:
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import LogisticRegression

    counted = HashingVectorizer(analyzer=_pairs, n_features=BUCKETS, alternate_sign=False)
    model = LogisticRegression(C=10.0, max_iter=200, class_weight="balanced" if weighted else None)
    model.fit(counted.transform(sentences), labels)

    def tell(items: np.ndarray) -> np.ndarray:
        found = np.zeros((len(items), classes))
        found[:, model.classes_] = model.predict_proba(counted.transform(list(items)))
        return found

    return tell


def lift_text(
    data: Any,
    labels: Any = None,
    *,
    arms: Sequence[str] | None = None,
    minutes: float | None = None,
    sentences: int | None = None,
    settings: Sequence[str] = (),
    folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    ratio: float = 1.0,
    force: bool = False,
    cells: Path | str | None = None,
    tell: Callable[[Outcome], None] = lambda outcome: None,
) -> Lift:
    """Whether generated sentences make a better classifier, tested on real ones that neither has seen.

    Args:
        data, labels: labelled text as `augan.text.read_lines` takes it, or sentences and labels.
        arms: which to measure, of real, class weights, oversampling, word dropout, mle and gan; None for all.
        minutes, sentences: budget of each generator on each training part; a minute if none is given.
        settings: of the generators, see `augan.text.TextConfig`.
        folds, repeats: parts of the data, and how often they are divided anew; repeated sentences stay together.
        ratio: every class is raised to (1 + ratio) times the largest.
        force: go on with classes of fewer than 20 sentences.
        cells: a folder for outcomes; a study that stopped goes on there.

    Raises:
        UserError: no labels, small classes, a wrong arm.
    """
    require("sklearn", "augment", "A study of augmentation")
    if not 0 < ratio <= 10:
        raise UserError(f"Ratio {ratio} is out of range: above 0, at most 10.")
    lines = read_lines(data if labels is None else (list(data), list(labels)))
    corpus = open_text(lines, TextDataConfig(vocabulary=100_000, length=512))
    if corpus.labels is None:
        raise UserError(f"{corpus.name} has no labels: there is no classifier to help.")
    budget = minutes if minutes is not None or sentences is not None else 1.0
    task = SentenceTask(corpus, Effort(minutes=budget, sentences=sentences, settings=tuple(settings)), ratio)
    plan = Plan(folds=folds, repeats=repeats, seed=seed)
    notes = (*corpus.notes, *_examined(task, force, plan))
    chosen = _chosen_arms(task, arms)
    described = {
        "data": corpus.name,
        "key": corpus.key,
        "folds": folds,
        "repeats": repeats,
        "seed": seed,
        **task.described,
        "arms": list(chosen),
    }
    folder = None if cells is None else _checked_cells(Path(cells), described)
    record = conduct(task, plan, chosen, cells=folder, tell=tell)
    memorised = [said for row in record.about for said in row.get("memorised", ())][:1]
    return Lift(verdict=judge(record, memorised), record=record, notes=notes, settings=described)
