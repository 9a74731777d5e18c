"""Training on text, round after round into a run folder."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from augan.checkpoint import CheckpointStore, Run
from augan.core.config import to_dict
from augan.core.devices import choose_device
from augan.core.errors import AuganError, Interrupted, UserError
from augan.core.files import atomic_folder, require_absent, require_space, write_json, write_text
from augan.core.rng import numpy_stream
from augan.core.threads import ThreadGovernor
from augan.core.version import __version__
from augan.core.world import World
from augan.health import Health
from augan.networks import parameter_count
from augan.text.config import TextConfig
from augan.text.corpus import Corpus, divided
from augan.text.measure import LEAST, Judge, perplexity
from augan.text.model import TextModel
from augan.text.players import TextPlayers
from augan.text.vocabulary import TextItem
from augan.training import Journal, Observer, Progress, Sink, Stored, packed, sinks_of, stop_signals

TICK_SEC = 1.0
SHOWN = 20
SAMPLED = 500
COLLAPSED = 0.2
"""A smaller share of different sentences than this, times that of the real ones, is a collapse."""
OVERFITTED = 1.1
SNAPSHOTS_SHARE = 0.1


@dataclass
class Counters:
    """What a resumed run needs beside weights and moments."""

    images_seen: int = 0
    elapsed_sec: float = 0.0
    snapshots: int = 0
    best: float = math.inf
    best_perplexity: float = math.inf
    perplexity: float = math.inf
    distinct: float = 1.0
    baseline: float = 0.0


class TextTrainer:
    """Trains a generator of sentences until the budget is used."""

    def __init__(
        self,
        corpus: Corpus,
        config: TextConfig,
        folder: Path,
        *,
        observer: Observer | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        world: World | None = None,
        sinks: Sequence[Sink] = (),
    ) -> None:
        """`world`: the processes that train together; all make the same trainer. `sinks`: loggers beside config.log.

        Raises UserError for a corpus with too little to learn from, or a batch that cannot be divided.
        """
        self.corpus, self.config, self.folder = corpus, config, Path(folder)
        self.world = world or World()
        self.world.share(config.batch, least=1, setting="batch")
        self.world.share(config.likelihood_batch, least=1, setting="likelihood_batch")
        self.observer, self.should_stop = observer or Observer(), should_stop
        self.learnt, self.kept = divided(corpus, config.held_out, config.seed)
        self.item = TextItem(vocabulary=corpus.vocabulary, length=corpus.length, class_names=corpus.class_names)
        self.device = choose_device(config.device)
        self._governor = ThreadGovernor(config.threads) if self.device.type == "cpu" else None
        self.players = TextPlayers(config, self.item, self.device, self.world)
        self.counters = Counters()
        self.sinks = sinks_of(config.log, sinks, self.world)
        self.store, self.journal = CheckpointStore(self.folder), Journal(self.folder, sinks=self.sinks)
        measured = len(self.kept) >= LEAST
        self._judge = Judge(self.learnt.sentences, self.kept.sentences) if measured else None
        self._real_distinct = len(set(self.learnt.sentences)) / len(self.learnt)

    # ------------------------------------------------------------------ the story

    def run(self, resume: bool = False) -> Run:
        """Trains; with `resume`, goes on.

        Raises:
            UserError: the folder holds a run already, or one on other text.
            Interrupted: stopped and saved.
            AuganError: a loss is not finite.
        """
        if resume:
            self._restore()
        else:
            self.world.decided(self._begin)
        self.observer.begin(self.folder, self._said())
        state = "failed"
        try:
            with self.sinks.during(self.folder, self.config, self.counters.images_seen):
                self._train()
            state = "finished"
        except Interrupted:
            state = "interrupted"
            raise
        finally:
            self.observer.end(state)
        return Run(self.folder, written_here=self.world.first)

    def _train(self) -> None:
        self._started = time.monotonic() - self.counters.elapsed_sec
        last_tick, last_seen = self.counters.elapsed_sec, self.counters.images_seen
        losses: dict[str, Tensor] = {}
        with stop_signals() as signalled, torch.random.fork_rng():
            while (fraction := self.fraction()) < 1:
                losses = self._round(fraction)
                stop = self._agree_on_time(signalled() or self.should_stop())
                now = self.counters.elapsed_sec
                if now - last_tick >= TICK_SEC:
                    self._tick(losses, (self.counters.images_seen - last_seen) / (now - last_tick))
                    last_tick, last_seen = now, self.counters.images_seen
                if stop:
                    self.world.decided(lambda: self._save(best=math.isinf(self.counters.best)))
                    raise self._once(Interrupted(f"Stopped and saved in {self.folder}. Go on with --resume."))
                marks = self.config.snapshots
                passed = int(self.fraction() * marks) > int(fraction * marks)
                if self.fraction() < 1 and passed and self._affordable():
                    self._check(losses)
                    self.world.decided(self._snapshot)
                    self._agree_on_time()
        self._check(losses)
        self.world.decided(self._snapshot)
        self.world.decided(lambda: self.journal.end(self._outcome()))

    _started = 0.0
    _snapshot_sec = 0.0

    def _affordable(self) -> bool:
        """Whether snapshots take no more than a tenth of a time budget; the first process's clock decides."""
        if self.config.minutes is None:
            return True
        known = self.world.sums(self._snapshot_sec * self.world.first)[0]
        return (self.counters.snapshots + 1) * known <= SNAPSHOTS_SHARE * 60 * self.config.minutes

    def _said(self) -> list[str]:
        counts = self.corpus.class_counts()
        kinds = f", {len(counts)} classes" if counts else ""
        return [
            f"{len(self.learnt):,} sentences of at most {self.item.length} tokens, "
            f"{self.item.words - 2:,} words{kinds}, "
            f"{len(self.kept):,} held out",
            f"recipe {self.config.recipe}: {self.config.objective}, {self.config.generator} of "
            f"{parameter_count(self.players.generator):,} weights",
            *self.corpus.notes,
        ]

    def _outcome(self) -> dict[str, Any]:
        return {
            "state": "finished",
            "images_seen": self.counters.images_seen,
            "training_sec": self.counters.elapsed_sec,
            "quality": self._quality,
            "augan": __version__,
            "torch": torch.__version__,
        }

    def _agree_on_time(self, stop: bool = False) -> bool:
        """Sets the time that has passed, as the first process has it; whether any of them is to stop."""
        elapsed = time.monotonic() - self._started
        self.counters.elapsed_sec, stopping = self.world.sums(elapsed * self.world.first, stop)
        return stopping > 0

    def _once(self, error: AuganError) -> AuganError:
        error.reported = not self.world.first
        return error

    def fraction(self) -> float:
        """The share of the budget that is used."""
        if self.config.sentences is not None:
            return self.counters.images_seen / self.config.sentences
        assert self.config.minutes is not None
        return self.counters.elapsed_sec / (60 * self.config.minutes)

    def _check(self, losses: dict[str, Tensor]) -> dict[str, float]:
        """Losses as numbers, means over processes.

        Raises AuganError for one that is not finite: what is saved stays good.
        """
        summed = self.world.sums(*(float(value) for value in losses.values()))
        found = {name: value / self.world.size for name, value in zip(losses, summed, strict=True)}
        if not all(math.isfinite(value) for value in found.values()):
            rate = "likelihood_rate" if len(found) == 1 else "learning_rate"
            raise self._once(AuganError(f"Training diverged: {found}. Lower the rate: --set {rate}=1e-4."))
        return found

    def _tick(self, losses: dict[str, Tensor], rate: float) -> None:
        found = self._check(losses)
        if self._governor:
            self._governor.update()
        if not self.world.first:
            return
        fraction, seen = min(1.0, self.fraction()), self.counters.images_seen
        health = self.health()
        self.journal.add(
            {
                "images_seen": seen,
                "elapsed_sec": self.counters.elapsed_sec,
                "images_per_sec": rate,
                "health": health.word,
                **found,
            }
        )
        left = self.counters.elapsed_sec * (1 - fraction) / fraction if fraction else 0.0
        self.observer.progress(
            Progress(
                images_seen=seen,
                horizon_images=seen / fraction if fraction else 0.0,
                fraction=fraction,
                images_per_sec=rate,
                seconds_left=left,
                losses=found,
                threads=self._governor.threads if self._governor else 0,
                health=health,
                unit="sentences",
            )
        )

    def health(self) -> Health:
        """A word and a sentence, by what the last snapshot showed."""
        found, real = self.counters.distinct, self._real_distinct
        if found < COLLAPSED * real:
            return Health("collapsing", f"Only {found:.0%} of samples differ. Lower learning_rate, or raise batch.")
        if self.counters.perplexity > OVERFITTED * self.counters.best_perplexity and self._by_likelihood():
            return Health(
                "overfitting", "Held-out perplexity rises. The best checkpoint is kept; raise dropout, or stop here."
            )
        if not self.counters.snapshots:
            return Health("warming up", "Too early to say.")
        return Health("healthy", "The generator learns.")

    def _by_likelihood(self) -> bool:
        return self.players.phase(min(1.0, self.fraction()))[0] == "likelihood"

    # ------------------------------------------------------------------ a round

    def _round(self, fraction: float) -> dict[str, Tensor]:
        """One turn of each player."""
        seen = self.counters.images_seen
        torch.manual_seed(int(numpy_stream(self.config.seed, "dropout", seen, self.world.rank).integers(2**62)))
        count = self.players.batch(fraction)
        indices = self._indices(count)[self.world.part(count // self.world.size)]
        rows = torch.from_numpy(self.learnt.rows[indices].astype(np.int64)).to(self.device)
        labels = None
        if self.learnt.labels is not None:
            labels = torch.from_numpy(self.learnt.labels[indices]).to(self.device)
        losses = self.players.play(rows, labels, fraction, seen)
        self.counters.images_seen += count
        return losses

    def _indices(self, count: int) -> np.ndarray:
        """A batch: every sentence once in each pass, in an order of its own."""
        size = len(self.learnt)
        places = np.arange(self.counters.images_seen, self.counters.images_seen + count)
        found = np.empty(count, np.int64)
        for number in np.unique(places // size):
            here = places // size == number
            found[here] = numpy_stream(self.config.seed, "order", int(number)).permutation(size)[places[here] % size]
        return found

    # ------------------------------------------------------------------ folder, samples, checkpoints

    _quality: dict[str, Any] | None = None

    def _begin(self) -> None:
        require_absent(self.folder, "Go on with it by --resume, or choose another --out.")
        learned = sum(parameter_count(module) for module in self.players.learning().values())
        require_space(self.folder, 3 * 16 * learned + 20_000_000)
        with atomic_folder(self.folder) as temporary:
            (temporary / "samples").mkdir()
            write_json(temporary / "data.json", self.corpus.described() | {"held_out": len(self.kept)})
            write_json(temporary / "config.json", to_dict(self.config))

    def _current(self) -> TextModel:
        """The generator that is worth keeping, as it is; training takes it up again afterwards."""
        return TextModel(self.players.settled(), self.item, self.device)

    def _snapshot(self) -> None:
        """Sentences, measures of held-out ones, a checkpoint."""
        started = time.monotonic()
        counters, model = self.counters, self._current()
        made = model.sample(SAMPLED, seed=self.config.seed)
        words = [self.item.vocabulary.tokens(row) for row in made]
        path = self.folder / "samples" / f"{counters.images_seen:09d}.txt"
        write_text(path, "\n".join(map(self.item.vocabulary.sentence, made[:SHOWN])) + "\n")
        counters.distinct = len(set(map(tuple, words))) / len(words)
        better = True
        if self._judge is not None:
            told = perplexity(model.log_likelihood(self.kept.rows, self.kept.labels), self.kept.rows)
            row = self._judge.measure(words, told)
            self._quality = {
                "perplexity": told,
                "frechet": row.frechet,
                "bleu": list(row.bleu),
                "self_bleu": list(row.self_bleu),
                "copies": row.copies,
                "distinct": row.distinct,
            }
            counters.perplexity = told
            counters.best_perplexity = min(told, counters.best_perplexity)
            score = told if self.config.objective == "likelihood" else row.frechet
            better = score < counters.best
            counters.best = min(counters.best, score)
            self.journal.add(
                {"images_seen": counters.images_seen, "elapsed_sec": counters.elapsed_sec, "text": self._quality}
            )
        counters.snapshots += 1
        self._save(best=better)
        self.players.generator.requires_grad_(True)
        self.observer.snapshot(counters.images_seen, None, path, better)
        self._snapshot_sec = time.monotonic() - started

    def _parts(self) -> dict[str, Any]:
        optimizers = {f"optimizer_{name}": value for name, value in self.players.optimizers.items()}
        averages = {} if self.players.averaged is None else {"averaged": self.players.averaged}
        return {**self.players.learning(), **averages, **optimizers}

    def _save(self, best: bool) -> None:
        self.counters.baseline = self.players.baseline
        tensors, document = packed(self._parts(), self.counters)
        self.store.save(
            self.counters.images_seen,
            {"model": self.players.settled().state_dict(), "training": tensors},
            {"model": self._current().contract(to_dict(self.config)), "training": document},
            best,
        )
        self.players.generator.requires_grad_(True)

    def _read_last(self) -> Stored | None:
        if Run(self.folder).data["key"] != self.corpus.key:
            raise UserError(f"{self.folder} was trained on other text. Resume with the same.")
        last = self.store.last()
        self.journal.reopen()
        return None if last is None else Stored.read(last)

    def _restore(self) -> None:
        saved = self.world.decided(self._read_last)
        if saved is None:
            return
        try:
            saved.fill(self._parts(), self.device)
        except UserError as error:
            raise self._once(error) from error.__cause__
        self.counters = saved.counters(Counters)
        self.players.baseline = self.counters.baseline
