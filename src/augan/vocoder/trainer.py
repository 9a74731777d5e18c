"""Training a vocoder: mel and spectral losses, then discriminators and feature matching beside them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from augan.checkpoint import CheckpointStore, Run
from augan.core.config import to_dict
from augan.core.devices import choose_device
from augan.core.errors import AuganError, Interrupted, UserError
from augan.core.files import atomic_file, atomic_folder, require_absent, require_space, write_json
from augan.core.rng import derive, numpy_stream
from augan.core.sounds import FULL_SCALE, in_a_row, write_wav
from augan.core.threads import ThreadGovernor, keep_freed_memory
from augan.core.version import __version__
from augan.core.world import World
from augan.data import Recordings
from augan.training import Journal, Sink, Stored, packed, sinks_of, stop_signals
from augan.vocoder.config import VocoderConfig
from augan.vocoder.features import log_mel, mel_distance, mel_griffin_lim, stft_distance
from augan.vocoder.model import VocoderModel, guide_of
from augan.vocoder.networks import VocoderGenerator, VocoderJudges, feature_loss, generator_loss, judges_loss

TICK_SEC = 1.0
HEARD = 6


@dataclass
class Counters:
    """What a resumed run needs beside weights and moments."""

    steps: int = 0
    elapsed_sec: float = 0.0
    snapshots: int = 0
    best: float = math.inf


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One reading, every second or so: segments seen, the share of the budget, segments a second, losses."""

    images_seen: int
    fraction: float
    images_per_sec: float
    losses: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Distances:
    """Means over held-out sounds: of log mels in nepers, and of spectra in several resolutions."""

    mel: float
    spectral: float


def distances(
    make: Callable[[Float[Tensor, " samples"]], Float[Tensor, " samples"]],
    waves: list[Float[Tensor, " samples"]],
    model: VocoderModel,
) -> Distances:
    """How far what `make` makes of each waveform is from it."""
    found = []
    for wave in waves:
        pair = make(wave)[None], wave[None]
        found.append((float(mel_distance(*pair, model.spec)), float(stft_distance(*pair, model.spec.rate_hz))))
    mel, spectral = np.mean(found, axis=0).tolist()
    return Distances(mel=mel, spectral=spectral)


def by_griffin_lim(wave: Float[Tensor, " samples"], model: VocoderModel) -> Float[Tensor, " samples"]:
    """The same waveform out of the same mels, without learning."""
    return mel_griffin_lim(log_mel(wave[None], model.spec), model.spec, len(wave))[0]


class VocoderTrainer:
    """Trains a generator of waveforms until the budget is used."""

    def __init__(
        self,
        sounds: Recordings,
        config: VocoderConfig,
        folder: Path,
        *,
        tell: Callable[[Reading], None] = lambda reading: None,
        should_stop: Callable[[], bool] = lambda: False,
        sinks: Sequence[Sink] = (),
    ) -> None:
        """`sinks`: loggers beside config.log. Raises UserError where too few sounds are long enough."""
        self.sounds, self.config, self.folder = sounds, config, Path(folder)
        self.tell, self.should_stop = tell, should_stop
        self.spec = config.mel_spec(sounds.rate_hz)
        self.device = choose_device(config.device)
        self._governor = ThreadGovernor(config.threads) if self.device.type == "cpu" else None
        if self._governor:
            keep_freed_memory()
        self.shown, self.kept = _divided(sounds, config, self.spec.n_fft)
        with torch.random.fork_rng():
            torch.manual_seed(derive(config.seed, "networks"))
            self.generator = VocoderGenerator(config.generator, config.mels).to(self.device)
            self.judges = VocoderJudges(config.judges).to(self.device)
        options: dict[str, Any] = {"lr": config.learning_rate, "betas": (config.beta1, config.beta2)}
        self.optimizers = {
            "generator": torch.optim.AdamW(self.generator.parameters(), weight_decay=0.01, **options),
            "judges": torch.optim.AdamW(self.judges.parameters(), weight_decay=0.01, **options),
        }
        self.counters = Counters()
        self.sinks = sinks_of(config.log, sinks, World())
        self.store, self.journal = CheckpointStore(self.folder), Journal(self.folder, sinks=self.sinks)

    # ------------------------------------------------------------------ the story

    def run(self, resume: bool = False) -> Run:
        """Trains; with `resume`, goes on.

        Raises:
            UserError: the folder holds a run already, or one on other sounds.
            Interrupted: stopped and saved.
            AuganError: a loss is not finite.
        """
        self._restore() if resume else self._begin()
        with self.sinks.during(self.folder, self.config, self.counters.steps * self.config.batch):
            quality = self._train()
        self.journal.end(
            {
                "state": "finished",
                "images_seen": self.counters.steps * self.config.batch,
                "training_sec": self.counters.elapsed_sec,
                "quality": quality,
                "augan": __version__,
                "torch": torch.__version__,
            }
        )
        return Run(self.folder)

    def _train(self) -> dict[str, Any] | None:
        """Step after step; what was measured at the end."""
        started = time.monotonic() - self.counters.elapsed_sec
        last_tick, last_steps = self.counters.elapsed_sec, self.counters.steps
        with stop_signals() as signalled, torch.random.fork_rng():
            while (fraction := self.fraction()) < 1:
                losses = self._step(fraction)
                self.counters.elapsed_sec = now = time.monotonic() - started
                if now - last_tick >= TICK_SEC:
                    self._tick(losses, (self.counters.steps - last_steps) / (now - last_tick))
                    last_tick, last_steps = now, self.counters.steps
                if signalled() or self.should_stop():
                    self._save(best=math.isinf(self.counters.best))
                    raise Interrupted(f"Stopped and saved in {self.folder}. Go on with --resume.")
                count = self.config.snapshots
                if self.fraction() < 1 and int(self.fraction() * count) > int(fraction * count):
                    self._snapshot()
                    self.counters.elapsed_sec = time.monotonic() - started
        return self._snapshot()

    def fraction(self) -> float:
        """The share of the budget that is used."""
        if self.config.steps is not None:
            return self.counters.steps / self.config.steps
        assert self.config.minutes is not None
        return self.counters.elapsed_sec / (60 * self.config.minutes)

    def _tick(self, losses: dict[str, Tensor], rate: float) -> None:
        found = {name: float(value) for name, value in losses.items()}
        if not all(math.isfinite(value) for value in found.values()):
            raise AuganError(f"Training diverged: {found}. Lower the rate: --set learning_rate=1e-4.")
        if self._governor:
            self._governor.update()
        seen, batch = self.counters.steps * self.config.batch, self.config.batch
        self.journal.add({"images_seen": seen, "images_per_sec": rate * batch, **found})
        self.tell(
            Reading(images_seen=seen, fraction=min(1.0, self.fraction()), images_per_sec=rate * batch, losses=found)
        )

    # ------------------------------------------------------------------ a step

    def _step(self, fraction: float) -> dict[str, Tensor]:
        """One step of the generator; behind the warm-up, one of the discriminators before it."""
        config = self.config
        left = min(1.0, (1 - fraction) / config.cool_down) if config.cool_down else 1.0
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = left * config.learning_rate * config.decay ** (self.counters.steps / 1000)
        torch.manual_seed(derive(config.seed, "step", self.counters.steps))
        real = self._batch().to(self.device)
        with torch.no_grad():
            mels = log_mel(real, self.spec)
            guide = guide_of(mels, self.spec, config)
        fake = self.generator(mels, guide)
        found = {"mel": mel_distance(fake, real, self.spec)}
        loss = config.mel_weight * found["mel"]
        if config.spectral_weight:
            found["spectral"] = stft_distance(fake, real, self.spec.rate_hz)
            loss = loss + config.spectral_weight * found["spectral"]
        if fraction >= config.warm_up:
            found["judges"] = self._judge(real, fake.detach())
            self.judges.requires_grad_(False)
            with torch.no_grad():
                _, real_maps = self.judges(real)
            verdicts, maps = self.judges(fake)
            found["adversarial"] = generator_loss(verdicts)
            found["features"] = feature_loss(real_maps, maps)
            loss = loss + found["adversarial"] + config.feature_weight * found["features"]
            self.judges.requires_grad_(True)
        self._descend("generator", loss)
        self.counters.steps += 1
        return {name: value.detach() for name, value in found.items()}

    def _judge(self, real: Tensor, fake: Tensor) -> Tensor:
        loss = judges_loss(self.judges(real)[0], self.judges(fake)[0])
        self._descend("judges", loss)
        return loss

    def _descend(self, name: str, loss: Tensor) -> None:
        self.optimizers[name].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers[name].step()

    def _batch(self) -> Float[Tensor, "b segment"]:
        """Segments at random places, longer sounds more often; short sounds are followed by silence."""
        config, random = self.config, numpy_stream(self.config.seed, "segments", self.counters.steps)
        lengths = np.array([len(wave) for wave in self.shown], float)
        ready = np.zeros((config.batch, config.segment), np.float32)
        for row, index in enumerate(random.choice(len(lengths), config.batch, p=lengths / lengths.sum())):
            wave = self.shown[index]
            start = int(random.integers(max(1, len(wave) - config.segment + 1)))
            piece = wave[start : start + config.segment]
            ready[row, : len(piece)] = piece.astype(np.float32) / FULL_SCALE
        return torch.from_numpy(ready)

    # ------------------------------------------------------------------ folder, snapshots, checkpoints

    def _begin(self) -> None:
        require_absent(self.folder, "Go on with it by --resume, or choose another --out.")
        numbers = sum(value.numel() for value in [*self.generator.parameters(), *self.judges.parameters()])
        require_space(self.folder, 3 * 16 * numbers + 20_000_000)
        sounds = self.sounds
        with atomic_folder(self.folder) as temporary:
            (temporary / "samples").mkdir()
            described = {
                "name": sounds.name,
                "key": sounds.key,
                "sounds": len(sounds.waves),
                "notes": list(sounds.notes),
            }
            write_json(temporary / "data.json", {**described, "rate_hz": sounds.rate_hz, "held_out": len(self.kept)})
            write_json(temporary / "config.json", to_dict(self.config))

    def _current(self) -> VocoderModel:
        return VocoderModel(self.generator, self.spec, self.config, self.device)

    def _snapshot(self) -> dict[str, Any] | None:
        """What held-out sounds become, as a file; how far they are; a checkpoint."""
        model, quality = self._current(), None
        waves = [torch.from_numpy(wave.astype(np.float32) / FULL_SCALE) for wave in self.kept or self.shown[:HEARD]]
        made = [model.resynthesise(wave) for wave in waves[:HEARD]]
        longest = max(len(wave) for wave in made)
        rows = np.stack([np.pad(wave.numpy(), (0, longest - len(wave)))[None] for wave in made])
        path = self.folder / "samples" / f"{self.counters.steps:09d}.wav"
        with atomic_file(path) as temporary:
            write_wav(temporary, in_a_row(rows, self.spec.rate_hz), self.spec.rate_hz)
        better = True  # unmeasured, the newest is the best
        if self.kept:
            ours = distances(model.resynthesise, waves, model)
            theirs = distances(lambda wave: by_griffin_lim(wave, model), waves, model)
            quality = {"sounds": len(waves), "vocoder": vars(ours), "griffin_lim": vars(theirs)}
            better = ours.spectral < self.counters.best
            self.counters.best = min(self.counters.best, ours.spectral)
            self.journal.add({"images_seen": self.counters.steps * self.config.batch, "vocoder": quality})
        self.counters.snapshots += 1
        self._save(best=better)
        self.generator.train()
        return quality

    def _parts(self) -> dict[str, Any]:
        moments = {f"optimizer_{name}": value for name, value in self.optimizers.items()}
        return {"generator": self.generator, "judges": self.judges, **moments}

    def _save(self, best: bool) -> None:
        tensors, document = packed(self._parts(), self.counters)
        self.store.save(
            self.counters.steps,
            {"model": self.generator.state_dict(), "training": tensors},
            {"model": self._current().contract(), "training": document},
            best,
        )
        self.generator.train()

    def _restore(self) -> None:
        if Run(self.folder).data.get("key") != self.sounds.key:
            raise UserError(f"{self.folder} was trained on other sounds. Resume with the same.")
        write_json(self.folder / "config.json", to_dict(self.config))
        last = self.store.last()
        self.journal.reopen()
        if last is None:
            return
        saved = Stored.read(last)
        saved.fill(self._parts(), self.device)
        self.counters = saved.counters(Counters)


def _divided(sounds: Recordings, config: VocoderConfig, least: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(sounds that are learnt from, those that are held out), without such as are shorter than a window.

    Raises:
        UserError: fewer than two are left to learn from.
    """
    usable = [wave for wave in sounds.waves if len(wave) >= least]
    order = numpy_stream(config.seed, "held out").permutation(len(usable))
    kept = sorted(order[: config.held_out].tolist())
    shown = sorted(order[config.held_out :].tolist())
    if len(shown) < 2:
        raise UserError(
            f"{sounds.name} has {len(usable)} sounds of {least} samples and more, and {config.held_out} are held out: "
            "at least 2 are to be left. Give more, or --set held_out=0."
        )
    return [usable[row] for row in shown], [usable[row] for row in kept]
