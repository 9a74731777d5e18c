"""The story of a training run: prepare, resume, then round after round: discriminator, generator, average, measure,
save; and an end that is written down."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from augan.checkpoint import CheckpointStore, Run, model_of
from augan.core.config import to_dict
from augan.core.devices import autocast_dtype, choose_device
from augan.core.errors import AuganError, Interrupted, UserError
from augan.core.rng import Stream, derive, seed_modules, torch_stream
from augan.core.threads import ThreadGovernor, keep_freed_memory
from augan.core.version import __version__
from augan.core.world import World
from augan.data import Loader, Source, cache_folder, class_counts
from augan.data.kinds import NOUNS, worded
from augan.game import OBJECTIVES, Objective, apply_spectral_norm, objective, tail_shares
from augan.health import diagnose, first_non_finite
from augan.metrics import LEAST_IMAGES, Quality
from augan.networks import build, parameter_count
from augan.nn import synchronise_batch_norm, update_average
from augan.training.config import RunConfig
from augan.training.journal import Journal
from augan.training.observer import Observer, Progress
from augan.training.plan import Plan
from augan.training.quality import QualityMeter, RowMeter, WindowMeter, divide, held_out_gap
from augan.training.rescue import GoneWrong, gentler, trouble
from augan.training.signals import stop_signals
from augan.training.sinks import Sink, Sinks, open_sinks
from augan.training.start import start_from_another, with_precision
from augan.training.state import Saved, State, step_share
from augan.training.step import Table, play_round
from augan.training.stills import Stills

TICK_SEC = 1.0
SAVE_EVERY_SEC = 300.0
SNAPSHOT_SHARE = 0.1


class Trainer:
    """Plays the game on a source until its budget is used, into a run folder.

    Any generator and discriminator that follow the protocols in `augan.networks`, any `Objective`, any `Source` will
    do; what is not given is built from the configuration.
    """

    def __init__(
        self,
        source: Source,
        config: RunConfig,
        folder: Path,
        *,
        generator: nn.Module | None = None,
        discriminator: nn.Module | None = None,
        objective_pair: Objective | None = None,
        observer: Observer | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        world: World | None = None,
        clock: Callable[[], float] = time.monotonic,
        sinks: Sequence[Sink] = (),
    ) -> None:
        """`world`: the processes that train together (`augan.core.world.join()`); all make the same Trainer. `clock`
        gives the seconds of a time budget; `time.process_time` makes it one of processor time.

        `sinks`: loggers of the user's own, beside those of training.log.

        Raises UserError for settings that do not fit together or the data.
        """
        self.source, self.folder = source, Path(folder)
        self.world = world or World()
        self.observer, self._should_stop = observer or Observer(), should_stop
        self.device = choose_device(config.training.device)
        self.config = config = with_precision(config, self.device, self.world)
        self.own_generator = generator is not None
        training = config.training
        own = open_sinks(training.log, sinks) if self.world.first else []
        self.sinks = Sinks(own, self.observer.act)
        self.store, self.journal = CheckpointStore(self.folder), Journal(self.folder, source, self.sinks)
        self.share = self.world.share(training.batch)
        if self.share % config.networks.pack:
            raise UserError(
                f"A batch of {self.share} is not whole packs of networks.pack={config.networks.pack}. Change "
                "training.batch."
            )
        if len(source) < 2:
            raise UserError(
                f"Training needs at least 2 {NOUNS[source.item.kind]}, and {source.name} has {len(source)}."
            )
        self._governor = ThreadGovernor(training.threads) if self.device.type == "cpu" else None
        if self._governor:
            keep_freed_memory()
        with torch.random.fork_rng():
            torch.manual_seed(derive(config.seed, "networks"))
            built_g, built_d = build(config.networks, source.item)
        discriminator = discriminator or built_d
        if config.game.spectral_norm:
            apply_spectral_norm(discriminator)
        generator = generator or built_g
        if not self.world.alone:
            for network in (generator, discriminator):
                synchronise_batch_norm(network)
                self.world.same_weights(network.to(self.device))
        self.state = State(generator, discriminator, training, self.device)
        self.plan = Plan(config, self.state, self.world)
        self.table = Table(
            generator=self.state.generator,
            discriminator=self.state.discriminator,
            objective=objective_pair or objective(config.game.objective),
            rules=config.game,
            classes=source.item.classes,
            device=self.device,
            dtype=autocast_dtype(self.device, training.precision),
            tails=self._tails(),
            world=self.world,
        )
        self.model = model_of(self.state.average, source.item, self.device)
        if self.model.conditional and source.labels is None and source.item.kind != "table":
            raise UserError("The generator is conditional, and the data has no labels.")
        self._stills = self._opened_stills()
        self._watched: deque[dict[str, Tensor]] = deque()
        self._meter: QualityMeter | None = None
        self._snapshot_sec = self._last_snapshot_sec = 0.0
        self._started, self._clock = 0.0, clock
        self._initial: Saved | None = None
        self._loader: Loader | None = None
        self._shown, self._held_out = divide(source, config.data.held_out, config.seed)

    # ------------------------------------------------------------------ the story

    def run(self, resume: bool = False) -> Run:
        """Trains until the budget is used.

        Raises:
            UserError: the folder holds a run already (and `resume` is False), or one on other data (if it is True).
            Interrupted: stopped by Ctrl-C, SIGTERM or `should_stop`; everything is saved, `resume=True` goes on.
            AuganError: training diverged; the last good checkpoint is named.
        """
        state = "failed"
        try:
            run = self._play(resume)
            state = "finished"
        except Interrupted:
            state = "interrupted"
            raise
        finally:
            self.sinks.each("end", state)
            self.observer.end(state)
        return run

    def _opened_stills(self) -> Stills | None:
        """Images to be mixed in among clips, where data.stills names some."""
        if self.config.data.stills is None:
            return None
        if not hasattr(self.state.discriminator, "draw_times"):
            raise UserError("data.stills is for clips with networks.name=video: no other discriminator takes them.")
        conditional = self.model.conditional
        return Stills(self.config, self.source, self.share, self.device, self.world, conditional)

    def _tails(self) -> Tensor | None:
        """What each class counts in the penalty on small classes, where the game has one."""
        if not self.config.game.tail:
            return None
        counts = class_counts(self.source)
        if not counts or not getattr(self.state.generator, "class_codes", list)():
            raise UserError(
                "game.tail weighs what small classes change in the generator: it needs data with classes and a "
                "conditional generator of networks.name=strided. Leave it at 0."
            )
        return tail_shares(list(counts.values())).to(self.device)

    def _play(self, resume: bool) -> Run:
        """The run itself: prepare, resume, round after round, and an end that is written down."""
        warm = start_from_another(config=self.config, state=self.state, source=self.source, store=self.store)
        self._initial = Saved.of(self.state, "the start")
        self._open_folder(resume)
        self.observer.begin(self.folder, [*self._summary(), *warm])
        self.sinks.each("begin", self.folder, self.config, self.state.counters.images_seen)
        self._prepare_measures()
        loader = Loader(
            self.source,
            self.share,
            self.config.seed,
            self.config.data.balance,
            device=self.device,
            rank=self.world.rank,
            world=self.world.size,
            chosen=self._shown,
        )
        self._loader = loader
        self._started = self._clock() - self.state.counters.elapsed_sec
        with stop_signals() as signalled, torch.random.fork_rng(), loader:
            finished = False
            while not finished:
                try:
                    self._play_on(loader, lambda: signalled() or self._should_stop())
                    finished = True
                except GoneWrong as wrong:
                    self._rescue(wrong)
        return self._finish()

    def _play_on(self, loader: Loader, stopped: Callable[[], bool]) -> None:
        """Round after round until the budget is used, and the last snapshot."""
        counters = self.state.counters
        last_tick = last_save = counters.elapsed_sec
        last_images = counters.images_seen
        while (fraction := self.plan.fraction()) < 1 and not self.plan.out_of_patience():
            self._round(loader)
            stop = self._agree_on_time(stopped())
            now = counters.elapsed_sec
            if now - last_tick >= TICK_SEC:
                self._tick((counters.images_seen - last_images) / (now - last_tick))
                last_tick, last_images = now, counters.images_seen
            if stop:
                self._save(best=not self._measured)
                raise self._once(Interrupted(f"Stopped and saved in {self.folder}. Go on with --resume."))
            if self._snapshot_due(fraction):
                self._snapshot()
                self._agree_on_time()
                last_save = last_tick = counters.elapsed_sec
                last_images = counters.images_seen
            elif now - last_save > SAVE_EVERY_SEC:
                self._save(best=not self._measured)
                last_save = now
        self._snapshot()

    def _once(self, error: AuganError) -> AuganError:
        """An error that all processes raise, and one of them reports."""
        error.reported = not self.world.first
        return error

    def _agree_on_time(self, stop: bool = False) -> bool:
        """Sets the time that has passed, as the first process has it; whether any of them is to stop."""
        elapsed = self._clock() - self._started
        self.state.counters.elapsed_sec, stopping = self.world.sums(elapsed * self.world.first, stop)
        return stopping > 0

    def _round(self, loader: Loader) -> None:
        """One turn of each player on the next batch, and the averaged generator's update."""
        counters = self.state.counters
        self.plan.set_rates()
        self.plan.set_class_strength()
        drawn = torch_stream(self.config.seed, "round", counters.images_seen, device=self.device)
        random = Stream(drawn, self.world.rank, self.world.size)
        own = () if self.world.first else (self.world.rank,)
        seed_modules(derive(self.config.seed, "modules", counters.images_seen, *own), self.device)  # dropout, noise
        batch = loader.batch_at(counters.images_seen)
        labels = batch.labels if self.model.conditional else None
        if self._stills is not None:
            still = self._stills.at(counters.images_seen)
            self.table.stills = still.images
            if labels is not None and still.labels is not None:
                labels = torch.cat([still.labels, labels[len(still.labels) :]])
        self.state.generator.train()
        self.state.discriminator.train()
        self.table.probability = counters.augment_probability
        self.table.anchors = self.plan.anchors()
        watched = play_round(
            self.table,
            (self.state.optimizer_g, self.state.optimizer_d),
            batch.images,
            labels,
            self.model.latent_size,
            random,
            self.plan.penalty_weight(),
        )
        counters.images_seen += self.config.training.batch
        counters.rounds += 1
        self.plan.adapt(watched, self.config.training.batch)
        self.plan.follow_logits(watched)
        update_average(self.state.average, self.state.generator, self.plan.decay(self.config.training.batch))
        self._watched.append(watched)

    def _snapshot_due(self, before: float) -> bool:
        """Whether the round that began at fraction `before` has passed one of the run's marks.

        Where the budget is a time, marks are passed over that would make snapshots take more than a tenth of it.
        """
        count, now = self.config.training.snapshots, self.plan.fraction()
        if now >= 1 or int(now * count) <= int(before * count):
            return False
        if self.config.training.images is not None:
            return True
        elapsed = self.state.counters.elapsed_sec
        return self._snapshot_sec + self._last_snapshot_sec <= SNAPSHOT_SHARE * elapsed

    # ------------------------------------------------------------------ preparation

    def _open_folder(self, resume: bool) -> None:
        if resume:
            self._restore()
        else:
            learned = parameter_count(self.state.generator) + parameter_count(self.state.discriminator)
            self.world.decided(lambda: self.journal.begin(self.config, self.source, learned))

    def _restore(self) -> None:
        """Takes up the last checkpoint; a run that was stopped before its first one starts anew."""
        saved = self.world.decided(self._read_last)
        if saved is not None:
            self.state.adopt(saved)

    def _read_last(self) -> Saved | None:
        key = Run(self.folder).data["key"]
        if key != self.source.key:
            raise UserError(
                f"{self.folder} was trained on other data than {self.source.name}. Resume with the same data."
            )
        last = self.store.last()
        saved = None if last is None else Saved.read(last)
        self.journal.reopen()
        return saved

    def _summary(self) -> list[str]:
        game, training = self.config.game, self.config.training
        precision = str(self.table.dtype or torch.float32).removeprefix("torch.")
        count = self._governor.threads if self._governor else 0
        threads = f", {count} thread{'' if count == 1 else 's'}" if count else ""
        together = "" if self.world.alone else f", divided among {self.world.size} processes"
        named = game.objective if self.table.objective in OBJECTIVES.values() else "an objective of your own"
        learned = (
            parameter_count(self.state.generator) / 1e6,
            parameter_count(self.state.discriminator) / 1e6,
        )
        return [
            f"{self.config.networks.name} networks, {learned[0]:.1f} M + {learned[1]:.1f} M parameters; {named}; "
            f"batch {training.batch}{together}; {self.device}, {precision}{threads}",
            *self.config.reasons,
            *self.source.notes,
        ]

    @property
    def _measured(self) -> bool:
        """Whether snapshots are measured."""
        return self.config.training.measure_images > 0 and len(self.source) >= LEAST_IMAGES

    def _prepare_measures(self) -> None:
        if self._measured and self.world.first:
            if self.source.item.kind == "table":
                self._meter = RowMeter(self.source)
                return
            if self.source.item.kind == "series":
                self._meter = WindowMeter(self.source)
                return
            self.observer.stage("Learning the data's own feature space for measures")
            self._meter = QualityMeter(self.source, cache_folder())

    # ------------------------------------------------------------------ readings, snapshots, checkpoints

    def _tick(self, images_per_sec: float) -> None:
        """Reads the watched numbers, judges them, logs them, and adapts threads and horizon."""
        counters, fraction = self.state.counters, self.plan.fraction()
        losses = self._read_watched()
        if self.config.training.minutes is not None and fraction > 0:
            counters.horizon_images = counters.images_seen / fraction
        threads = self._governor.update() if self._governor else 0
        health = diagnose(losses, counters.diversity, fraction, self.source.item.kind)
        share = step_share(self.state.optimizer_d)
        self._log(
            {
                "images_per_sec": images_per_sec,
                "threads": threads,
                "health": health.word,
                "step_share": share,
                **losses,
            }
        )
        self.observer.progress(
            Progress(
                images_seen=counters.images_seen,
                horizon_images=counters.horizon_images,
                fraction=min(fraction, 1.0),
                images_per_sec=images_per_sec,
                seconds_left=counters.elapsed_sec * (1 - fraction) / fraction if fraction else 0.0,
                losses=losses,
                threads=threads,
                health=health,
                unit=NOUNS[self.source.item.kind],
            )
        )

    def _read_watched(self) -> dict[str, float]:
        """Means of the watched numbers since the last reading; stops the run if one is not finite."""
        names = {name for row in self._watched for name in row}
        losses = {
            name: float(torch.stack([row[name].float() for row in self._watched if name in row]).mean())
            for name in sorted(names)
        }
        summed = self.world.sums(*losses.values())
        losses = {name: value / self.world.size for name, value in zip(losses, summed, strict=True)}
        self._watched.clear()
        broken = first_non_finite(losses)
        if broken:
            self._log({"broken": broken})
            reason = f"{broken} is not finite after {self.state.counters.images_seen} {NOUNS[self.source.item.kind]}"
            raise GoneWrong("not finite", reason, "good")
        return losses

    def _snapshot(self) -> None:
        """Samples, measures and a checkpoint, by the first process.

        Raises GoneWrong if the samples have collapsed or are far worse than before.
        """
        started = time.monotonic()
        self._read_watched()
        counters = self.state.counters
        counters.snapshots += 1
        taken = self.world.decided(self._take_snapshot)
        counters.diversity, counters.best_frechet, counters.stale, wrong = taken
        self._last_snapshot_sec = self.world.decided(lambda: time.monotonic() - started)
        self._snapshot_sec += self._last_snapshot_sec
        if wrong is not None:
            raise wrong
        self._initial = None

    def _take_snapshot(self) -> tuple[float | None, float, int, GoneWrong | None]:
        """The diversity, the best distance so far, how many measures ago that was, and what is wrong."""
        counters = self.state.counters
        path = self.journal.sheet(self.model, counters.images_seen)
        self.sinks.each("sheet", counters.images_seen, path)
        quality, wrong = None, None
        if self._meter is not None:
            quality = self._meter.measure(self.model, max(LEAST_IMAGES, self.config.training.measure_images))
            counters.diversity = quality.diversity
            self._log({"quality": quality.to_json()})
            wrong = self._wrong(quality)
        if len(self._held_out):
            assert self._loader is not None
            assert self._shown is not None
            self._log({"held_out_gap": held_out_gap(self.table, self._loader, self._shown, self._held_out)})
        better = quality is None or quality.frechet < counters.best_frechet  # unmeasured, the newest is the best
        best = better and wrong is None
        counters.stale = 0 if best else counters.stale + 1
        if best and quality is not None:
            counters.best_frechet = quality.frechet
        if wrong is None:
            self._write_checkpoint(best, good=True)
        self.observer.snapshot(counters.images_seen, quality, path, best)
        return counters.diversity, counters.best_frechet, counters.stale, wrong

    # ------------------------------------------------------------------ what a run does about itself

    def _wrong(self, quality: Quality) -> GoneWrong | None:
        counters, training, fraction = self.state.counters, self.config.training, self.plan.fraction()
        if counters.rescues >= training.rescues or (fraction >= 1 and training.minutes is not None):
            return None  # time that is used up cannot be tried again
        return trouble(quality, counters.best_frechet, fraction, self.store.best() is not None)

    def _rescue(self, wrong: GoneWrong) -> None:
        """Goes back to the last good state, or stays, and goes on at half the rate.

        Raises:
            AuganError: it was done as often as training.rescues allows.
        """
        before = self.state.counters
        if before.rescues >= self.config.training.rescues:
            last = self.store.last()
            kept = f"The last good checkpoint is {last}." if last else "There is no checkpoint yet."
            advice = "Lower training.learning_rate or raise game.r1_gamma."
            raise self._once(AuganError(f"Training diverged: {wrong.reason}. {kept} {advice}"))
        if wrong.back_to != "here":
            saved = self.world.decided(lambda: self._known_state(wrong.back_to))
            self.state.adopt(saved or self._begun())
            self.world.decided(lambda: self.store.forget_after(self.state.counters.images_seen))
        counters = self.state.counters
        text = worded(gentler(counters, before, wrong), self.source.item.kind)
        self._watched.clear()
        if wrong.back_to == "here":
            self._save(best=False)  # with the new rate: a run killed now goes on with it
        self._log(
            {
                "act": text,
                "because": wrong.kind,
                "rate_factor": counters.rate_factor,
                "gamma_factor": counters.gamma_factor,
            }
        )
        if self.world.first:
            self.observer.act(text)

    def _known_state(self, kind: str) -> Saved | None:
        checkpoint = self.store.best() if kind == "best" else self.store.good() or self.store.last()
        return None if checkpoint is None else Saved.read(checkpoint)

    def _begun(self) -> Saved:
        """The state before the first round."""
        assert self._initial is not None
        return self._initial

    def _save(self, best: bool) -> None:
        self.world.decided(lambda: self._write_checkpoint(best))

    def _write_checkpoint(self, best: bool, good: bool = False) -> None:
        tensors, document = self.state.tensors()
        networks = None if self.own_generator else to_dict(self.config.networks)
        contract = {
            **self.model.contract(networks),
            "images_seen": self.state.counters.images_seen,
            "data_key": self.source.key,
            "augan": __version__,
        }
        self.store.save(
            self.state.counters.images_seen,
            tensors={"model": self.state.average.state_dict(), "training": tensors},
            documents={"model": contract, "training": document},
            best=best,
            good=good,
        )

    def _log(self, row: dict[str, Any]) -> None:
        if self.world.first:
            counters = self.state.counters
            elapsed = round(counters.elapsed_sec, 3)
            line = {"images_seen": counters.images_seen, "elapsed_sec": elapsed, **row}
            self.journal.add(line)

    def _finish(self) -> Run:
        counters = self.state.counters
        result = {
            "state": "finished" if self.plan.fraction() >= 1 else "stopped early",
            "images_seen": counters.images_seen,
            "elapsed_sec": counters.elapsed_sec,
            "images_per_sec": counters.images_seen / max(counters.elapsed_sec, 1e-9),
        }
        self.world.decided(lambda: self.journal.end(result))
        return Run(self.folder, written_here=self.world.first)
