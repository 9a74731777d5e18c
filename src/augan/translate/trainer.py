"""The game between translators and their judges, round after round into a run folder."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from augan.checkpoint import CheckpointStore, Run
from augan.core.config import to_dict
from augan.core.devices import choose_device
from augan.core.errors import AuganError, Interrupted, UserError
from augan.core.files import atomic_folder, require_absent, require_space, write_json
from augan.core.item import to_unit
from augan.core.pictures import save_sheet
from augan.core.rng import derive, numpy_stream
from augan.core.threads import ThreadGovernor, keep_freed_memory
from augan.core.version import __version__
from augan.core.world import World
from augan.data import Source, class_counts, subset
from augan.networks import parameter_count
from augan.training import Journal, Sink, Stored, packed, sinks_of, stop_signals
from augan.translate.config import TranslationConfig
from augan.translate.cuts import cut, draw_crops, draw_cuts
from augan.translate.measure import TranslationQuality, measure_translation
from augan.translate.model import TranslationModel, padded
from augan.translate.players import Players
from augan.translate.sides import Sides

TICK_SEC = 1.0
PANELS = 6
NONE = np.empty(0, np.int64)


@dataclass
class Counters:
    """What a resumed run needs beside weights, moments and pools."""

    images_seen: int = 0
    elapsed_sec: float = 0.0
    snapshots: int = 0
    best: float = math.inf


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One reading, every second or so: images seen, the share of the budget, images a second, losses."""

    images_seen: int
    fraction: float
    images_per_sec: float
    losses: dict[str, float] = field(default_factory=dict)


class TranslationTrainer:
    """Trains translators between two sides until the budget is used."""

    def __init__(
        self,
        sides: Sides,
        config: TranslationConfig,
        folder: Path,
        *,
        tell: Callable[[Reading], None] = lambda reading: None,
        should_stop: Callable[[], bool] = lambda: False,
        world: World | None = None,
        sinks: Sequence[Sink] = (),
    ) -> None:
        """`world`: the processes that train together (`augan.core.world.join()`); all make the same trainer.

        `sinks`: loggers beside config.log.

        Raises UserError for settings that do not fit together or the sides.
        """
        if config.paired and not sides.paired:
            raise UserError("These settings need pairs, and the sides are not matched.")
        self.config, self.folder, self.world = config, Path(folder), world or World()
        self.share = self.world.share(config.batch, least=1, setting="batch")
        self.tell, self.should_stop = tell, should_stop
        self.shown, self.kept = _divided(sides, config)
        self.sides = sides
        self.key = derive(0, sides.a.key, sides.b.key)
        self.device = choose_device(config.device)
        self._governor = ThreadGovernor(config.threads) if self.device.type == "cpu" else None
        if self._governor:
            keep_freed_memory()
        self.players = Players(config, sides, self.device, self.world)
        self.directions = self.players.directions
        self.counters = Counters()
        self.sinks = sinks_of(config.log, sinks, self.world)
        self.store, self.journal = CheckpointStore(self.folder), Journal(self.folder, sinks=self.sinks)
        self.model = TranslationModel({}, sides.item("a"), sides.item("b"), self.device)
        self._singles = (
            {side: to_unit(source.items(np.zeros(1, np.int64))).to(self.device) for side, source in self._sources()}
            if config.crop
            else {}
        )

    def _sources(self) -> tuple[tuple[str, Source], tuple[str, Source]]:
        return ("a", self.shown.a), ("b", self.shown.b)

    # ------------------------------------------------------------------ the story

    def run(self, resume: bool = False) -> Run:
        """Trains; with `resume`, goes on.

        Raises:
            UserError: the folder holds a run already, or one on other images.
            Interrupted: stopped and saved.
            AuganError: a loss is not finite.
        """
        if resume:
            self._restore()
        else:
            self.world.decided(self._begin)
        with self.sinks.during(self.folder, self.config, self.counters.images_seen):
            self._train()
        self.world.decided(lambda: self.journal.end(self._outcome()))
        return Run(self.folder, written_here=self.world.first)

    def _train(self) -> None:
        """Round after round, with snapshots on the way and at the end."""
        self._started = time.monotonic() - self.counters.elapsed_sec
        last_tick, last_images = self.counters.elapsed_sec, self.counters.images_seen
        with stop_signals() as signalled, torch.random.fork_rng():
            while (fraction := self.fraction()) < 1:
                losses = self._round(fraction)
                stop = self._agree_on_time(signalled() or self.should_stop())
                now = self.counters.elapsed_sec
                if now - last_tick >= TICK_SEC:
                    rate = (self.counters.images_seen - last_images) / (now - last_tick)
                    self._tick(losses, rate)
                    last_tick, last_images = now, self.counters.images_seen
                if stop:
                    self.world.decided(lambda: self._save(best=math.isinf(self.counters.best)))
                    raise self._once(Interrupted(f"Stopped and saved in {self.folder}. Go on with --resume."))
                count = self.config.snapshots
                if self.fraction() < 1 and int(self.fraction() * count) > int(fraction * count):
                    self.world.decided(self._snapshot)
                    self._agree_on_time()
        self.world.decided(self._snapshot)

    def _outcome(self) -> dict[str, Any]:
        quality = self._quality
        return {
            "state": "finished",
            "images_seen": self.counters.images_seen,
            "training_sec": self.counters.elapsed_sec,
            "quality": None if quality is None else quality.to_json(),
            "augan": __version__,
            "torch": torch.__version__,
        }

    _started = 0.0

    def _agree_on_time(self, stop: bool = False) -> bool:
        """Sets the time that has passed, as the first process has it; whether any of them is to stop."""
        elapsed = time.monotonic() - self._started
        self.counters.elapsed_sec, stopping = self.world.sums(elapsed * self.world.first, stop)
        return stopping > 0

    def _once(self, error: AuganError) -> AuganError:
        """An error that all processes raise, and one of them reports."""
        error.reported = not self.world.first
        return error

    def fraction(self) -> float:
        """The share of the budget that is used."""
        if self.config.images is not None:
            return self.counters.images_seen / self.config.images
        assert self.config.minutes is not None
        return self.counters.elapsed_sec / (60 * self.config.minutes)

    def _tick(self, losses: dict[str, Tensor], rate: float) -> None:
        summed = self.world.sums(*(float(value) for value in losses.values()))
        found = {name: value / self.world.size for name, value in zip(losses, summed, strict=True)}
        if not all(math.isfinite(value) for value in found.values()):
            raise self._once(AuganError(f"Training diverged: {found}. Lower the rate: --set learning_rate=1e-4."))
        if self._governor:
            self._governor.update()
        reading = Reading(
            images_seen=self.counters.images_seen,
            fraction=min(1.0, self.fraction()),
            images_per_sec=rate,
            losses=found,
        )
        if self.world.first:
            self.journal.add({"images_seen": reading.images_seen, "images_per_sec": rate, **found})
            self.tell(reading)

    # ------------------------------------------------------------------ a round

    def _round(self, fraction: float) -> dict[str, Tensor]:
        """One turn of each player."""
        config = self.config
        share = (1 - fraction) / (1 - config.decay_from) if config.decay_from < 1 else 1.0
        self.players.set_rate(config.learning_rate * min(1.0, max(0.0, share)))
        own = () if self.world.first else (self.world.rank,)
        torch.manual_seed(derive(config.seed, "dropout", self.counters.images_seen, *own))  # and noise
        random = torch.Generator().manual_seed(derive(config.seed, "round", self.counters.images_seen))
        real = self._batch()
        losses = self.players.play(real, random)
        self.counters.images_seen += config.batch
        self.players.average(self.counters.images_seen)
        return losses

    def _batch(self) -> dict[str, Tensor]:
        """This process's images of both sides, enlarged, cut and mirrored, pairs alike; or crops of single images."""
        config, seen, own = self.config, self.counters.images_seen, self.world.part(self.share)
        rows = {"a": self._rows("a")}
        rows["b"] = rows["a"] if config.paired else self._rows("b")
        found = {}
        for side, source in self._sources():
            stream = numpy_stream(config.seed, "cut", seen, *(() if config.paired else (side,)))
            if config.crop:
                found[side] = draw_crops(
                    self._singles[side], config.batch, config.crop, config.zoom, config.flip, stream
                )[own]
                continue
            places = draw_cuts(config.batch, source.item, config.enlarge, config.flip, stream)
            images = to_unit(source.items(rows[side][own])).to(self.device)
            found[side] = padded(cut(images, places, own), self.players.multiple)
        return found

    def _rows(self, side: str) -> np.ndarray:
        """A batch of a side: every image once in each pass, in an order of its own."""
        config, count = self.config, len(self.shown.a if side == "a" else self.shown.b)
        places = np.arange(self.counters.images_seen, self.counters.images_seen + config.batch)
        rows = np.empty(config.batch, np.int64)
        for number in np.unique(places // count):
            order = numpy_stream(config.seed, "order", side, int(number)).permutation(count)
            here = places // count == number
            rows[here] = order[places[here] % count]
        return rows

    # ------------------------------------------------------------------ folder, panels, checkpoints

    _quality: TranslationQuality | None = None

    def _begin(self) -> None:
        require_absent(self.folder, "Go on with it by --resume, or choose another --out.")
        learned = sum(parameter_count(module) for module in self.players.learning().values())
        require_space(self.folder, 3 * 16 * learned + 20_000_000)
        with atomic_folder(self.folder) as temporary:
            (temporary / "samples").mkdir()
            write_json(temporary / "data.json", self._described())
            write_json(temporary / "config.json", to_dict(self.config))

    def _described(self) -> dict[str, Any]:
        return {
            "name": f"{self.sides.a.name} to {self.sides.b.name}",
            "key": str(self.key),
            "paired": self.sides.paired,
            "sides": {
                side: {
                    "name": source.name,
                    "images": len(source),
                    "item": source.item.to_json(),
                    "classes": class_counts(source),
                }
                for side, source in (("a", self.sides.a), ("b", self.sides.b))
            },
            "held_out": len(self.kept.a),
        }

    def _snapshot(self) -> None:
        """A panel, measures of what was held out, a checkpoint."""
        model = self._current()
        self._panel(model)
        better = True  # unmeasured, the newest is the best
        if self.config.held_out:
            self._quality = measure_translation(model, self.kept, self.directions[0], seed=self.config.seed)
            score = self._quality.score
            if score is not None:
                better = score < self.counters.best
                self.counters.best = min(self.counters.best, score)
            self.journal.add({"images_seen": self.counters.images_seen, "translation": self._quality.to_json()})
        self.counters.snapshots += 1
        self._save(best=better)

    def _current(self) -> TranslationModel:
        """The generators as they are, for sampling; training takes them up again afterwards."""
        self.model.generators = {way: module.eval() for way, module in self.players.settled().items()}
        self.model.directions = self.directions
        return self.model

    def _panel(self, model: TranslationModel) -> None:
        """Rows of input, output and, of pairs, target."""
        with torch.no_grad():
            for way in self.directions:
                held = self.kept if len(self.kept.a) else self.shown
                source = held.a if way[0] == "a" else held.b
                other = held.b if way[0] == "a" else held.a
                rows = np.linspace(0, len(source) - 1, min(PANELS, len(source))).astype(np.int64)
                images = source.items(rows)
                columns = [images, model.translate(images, way)]
                if held.paired:
                    columns.append(other.items(rows))
                both = [np.broadcast_to(c, (*c.shape[:3], 3)) if c.shape[3] == 1 else c[..., :3] for c in columns]
                panel = np.stack(both, 1).reshape(-1, *both[0].shape[1:])
                name = f"{self.counters.images_seen:09d}{'' if len(self.directions) == 1 else f'-{way}'}.png"
                save_sheet(self.folder / "samples" / name, panel, len(columns))
                self.sinks.each("sheet", self.counters.images_seen, self.folder / "samples" / name)

    def _parts(self) -> dict[str, Any]:
        optimizers = {f"optimizer_{name}": value for name, value in self.players.optimizers.items()}
        averages = {} if self.players.averages is None else {"averages": self.players.averages}
        return {**self.players.learning(), **averages, **optimizers}

    def _save(self, best: bool) -> None:
        tensors, document = packed(self._parts(), self.counters)
        for way, pool in self.players.pools.items():
            if pool.images is not None:
                tensors[f"pool.{way}"] = pool.images
        model = self._current()
        self.store.save(
            self.counters.images_seen,
            {"model": model.tensors(), "training": tensors},
            {"model": model.contract(to_dict(self.config)), "training": document},
            best,
        )

    def _read_last(self) -> Stored | None:
        """The last checkpoint; None where there is none yet."""
        if Run(self.folder).data["key"] != str(self.key):
            raise UserError(f"{self.folder} was trained on other images. Resume with the same.")
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
        for way, pool in self.players.pools.items():
            images = saved.tensors.get(f"pool.{way}")
            pool.images = None if images is None else images.to(self.device)
        self.counters = saved.counters(Counters)


def _divided(sides: Sides, config: TranslationConfig) -> tuple[Sides, Sides]:
    """(what is learnt from, what is held out); pairs stay together.

    Raises:
        UserError: fewer than two images of a side are left; not just one, where crops are learnt from.
    """
    if config.crop:
        if (len(sides.a), len(sides.b)) != (1, 1):
            raise UserError(f"Crops are of one image a side, and there are {len(sides.a)} and {len(sides.b)}.")
        return sides, Sides(a=subset(sides.a, NONE), b=subset(sides.b, NONE), paired=False)
    held: dict[str, np.ndarray] = {}
    for side, source in (("a", sides.a), ("b", sides.b)):
        stream = "pairs" if sides.paired else side
        order = numpy_stream(config.seed, "held out", stream).permutation(len(source))
        held[side] = np.sort(order[: config.held_out])
        if len(source) - len(held[side]) < 2:
            raise UserError(
                f"Side {side} has {len(source)} images, and {config.held_out} are held out: at least 2 are to be left."
            )
    parts = []
    for keep in (False, True):
        rows = {}
        for side, source in (("a", sides.a), ("b", sides.b)):
            chosen = np.isin(np.arange(len(source)), held[side])
            rows[side] = np.flatnonzero(chosen == keep)
        names = tuple(sides.names[row] for row in rows["a"]) if sides.names else ()
        parts.append(
            Sides(a=subset(sides.a, rows["a"]), b=subset(sides.b, rows["b"]), paired=sides.paired, names=names)
        )
    return parts[0], parts[1]
