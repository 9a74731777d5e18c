"""Autoencoders trained as the GAN is: the same batches in the same order, clock, threads, precision and average.

The trainer's loop plays a game of two; an autoencoder has one player, a VAE-GAN three networks and two kinds of
generated images. What both loops ask for (loader, streams, thread governor, schedules, the discriminator's turn,
signals) comes from the same place.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor, nn

from augan.baselines import elbo_terms
from augan.core.config import to_dict
from augan.core.devices import autocast_dtype, choose_device
from augan.core.errors import AuganError, Interrupted
from augan.core.files import atomic_folder, write_json
from augan.core.rng import Stream, derive, torch_stream
from augan.core.threads import ThreadGovernor, keep_freed_memory
from augan.core.version import __version__
from augan.data import Loader, Source
from augan.game import objective
from augan.networks import build, parameter_count
from augan.nn import averaged_copy, channels_last, decay_for, update_average
from augan.training import RunConfig, stop_signals
from augan.training.schedules import cosine
from augan.training.step import Table, discriminator_turn, latents_for
from augan.versus.coders import Coder

RATE, RATE_END = 1e-3, 1e-4
BETAS = (0.9, 0.999)
LEAST_ERROR = 1e-6
LIKENESS = 10.0
"""What the likeness of a feature counts beside the game in the decoder's turn (gamma of arXiv:1512.09300, section 2.3).
10 reconstructed better than 1, at about the same distance of samples (docs/experiments.md)."""
TICK_SEC = 1.0
Images = Float[Tensor, "b c h w"]
Watched = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """A trained coder: its average over training, and what training took.

    Attributes:
        parameters: of all networks that were trained.
        seconds: on the clock that counted; cpu_seconds: of this process.
    """

    coder: Coder
    parameters: int
    images: int
    seconds: float
    cpu_seconds: float


@runtime_checkable
class Learner(Protocol):
    """What the loop trains."""

    coder: Coder
    optimizers: list[torch.optim.Adam]

    def turn(self, images: Images, random: Stream, rounds: int) -> Watched:
        """Learns from a batch; returns numbers to watch."""
        ...

    def parameters(self) -> int:
        """How many numbers it learns."""
        ...


@dataclass(kw_only=True)
class Reconstructing:
    """An autoencoder: D / 2 log of the mean squared error, and, where its latents are Gaussian, beta times their
    divergence from N(0, I)."""

    coder: Coder
    beta: float
    precision: Callable[[], torch.autocast]
    optimizers: list[torch.optim.Adam] = field(init=False)

    def __post_init__(self) -> None:
        self.optimizers = [torch.optim.Adam(self.coder.parameters(), RATE, betas=BETAS)]

    def parameters(self) -> int:
        return parameter_count(self.coder)

    def turn(self, images: Images, random: Stream, rounds: int) -> Watched:
        with self.precision():
            mean, log_variance = self.coder.encode(images)
            latents = mean if log_variance is None else drawn(mean, log_variance, random)
            decoded = self.coder.decode(latents)
        flat = torch.zeros_like(mean)
        reconstruction, apart = elbo_terms(images, decoded, mean, flat if log_variance is None else log_variance)
        loss = reconstruction if log_variance is None else reconstruction + self.beta * apart
        (optimizer,) = self.optimizers
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        watched = {"loss": loss.detach(), "reconstruction": reconstruction.detach()}
        return watched if log_variance is None else watched | {"divergence": apart.detach()}


def drawn(mean: Float[Tensor, "b d"], log_variance: Float[Tensor, "b d"], random: Stream) -> Float[Tensor, "b d"]:
    """Latents of q(z | x)."""
    return mean + (0.5 * log_variance).exp() * latents_for(len(mean), mean.shape[1], random, mean.device)


class Playing:
    """A VAE-GAN (arXiv:1512.09300, algorithm 1), in the game that the recipe chose.

    The discriminator tells real images from reconstructions and from decoded draws of the prior. Likeness is that of
    its F features: F / 2 log of their mean squared error, the optimal variance (arXiv:2006.13202) in place of the
    paper's 1. The encoder minimises divergence and likeness; the decoder the likeness of one feature, `LIKENESS` times,
    and what the game asks of it.
    """

    def __init__(self, coder: Coder, discriminator: nn.Module, config: RunConfig, device: torch.device) -> None:
        self.coder, self.config = coder, config
        game, training = config.game, config.training
        self.table = Table(
            generator=coder.decoder,
            discriminator=discriminator,
            objective=objective(game.objective),
            rules=game,
            classes=0,
            device=device,
            dtype=autocast_dtype(device, training.precision),
        )
        betas = (training.beta1, training.beta2)
        self.encoding = [*coder.encoder.parameters(), *coder.head.parameters()]
        self.decoding = list(coder.decoder.parameters())
        self.optimizers = [
            torch.optim.Adam(self.encoding, RATE, betas=BETAS),
            torch.optim.Adam(self.decoding, training.learning_rate, betas=betas),
            torch.optim.Adam(discriminator.parameters(), training.learning_rate, betas=betas),
        ]

    def parameters(self) -> int:
        return parameter_count(self.coder) + parameter_count(self.table.discriminator)

    def turn(self, images: Images, random: Stream, rounds: int) -> Watched:
        table, count = self.table, len(images)
        with table.precision():
            mean, log_variance = self.coder.encode(images)
            assert log_variance is not None
            prior = latents_for(count, self.coder.latent_size, random, table.device)
            fake = self.coder.decode(torch.cat([drawn(mean, log_variance, random), prior]))
        game = self.config.game
        penalised = game.penalised and rounds % game.penalty_interval == 0
        weight = float(game.penalty_interval) if penalised else 0.0
        twice = torch.cat([images, images])
        table.discriminator.train()
        watched, real_logits = discriminator_turn(table, self.optimizers[2], twice, None, fake, random, weight)
        return watched | self._coders_turn(images, fake, mean, log_variance, real_logits)

    def _coders_turn(
        self,
        images: Images,
        fake: Float[Tensor, "twice c h w"],
        mean: Tensor,
        log_variance: Tensor,
        real_logits: Tensor,
    ) -> Watched:
        table, count = self.table, len(images)
        network = cast(Any, table.discriminator)
        network.requires_grad_(False)
        with table.precision():
            with torch.no_grad():
                wanted = network.features(images).float()
            features = network.features(fake)
            logits = network.head(features, None).float()
        error = (features[:count].float() - wanted).square().mean().clamp_min(LEAST_ERROR)
        likeness = 0.5 * error.log()
        _, apart = elbo_terms(images, fake[:count], mean, log_variance)
        played = table.objective.generator_loss(real_logits, logits)
        encoders = wanted.shape[1] * likeness + apart
        self._step(0, self.encoding, encoders, keep=True)
        self._step(1, self.decoding, LIKENESS * likeness + played)
        network.requires_grad_(True)
        found = {"loss_generator": played, "likeness": likeness, "divergence": apart}
        return {name: value.detach() for name, value in found.items()}

    def _step(self, which: int, parameters: list[nn.Parameter], loss: Tensor, keep: bool = False) -> None:
        gradients = torch.autograd.grad(loss, parameters, retain_graph=keep, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        if not keep:
            for optimizer in self.optimizers[:2]:  # both after both gradients: they share a graph
                optimizer.step()


def learner_of(kind: str, source: Source, config: RunConfig, beta: float, device: torch.device) -> Learner:
    """An untrained one: ae, vae or vae-gan."""
    with torch.random.fork_rng():
        torch.manual_seed(derive(config.seed, "networks"))
        coder = channels_last(Coder(config.networks, source.item, kind != "ae")).to(device)
        _, discriminator = build(config.networks, source.item)
    if kind == "vae-gan":
        return Playing(coder, channels_last(discriminator).to(device), config, device)
    dtype = autocast_dtype(device, config.training.precision)
    return Reconstructing(
        coder=coder, beta=beta, precision=lambda: torch.autocast(device.type, dtype=dtype, enabled=dtype is not None)
    )


def fit(
    kind: str,
    source: Source,
    config: RunConfig,
    folder: Path,
    *,
    beta: float = 1.0,
    clock: Callable[[], float] = time.monotonic,
) -> Fitted:
    """Trains until the budget of `config` is used, and writes settings, readings and weights into `folder`.

    `clock` gives the seconds of a time budget.

    Raises:
        Interrupted: stopped by Ctrl-C or SIGTERM; nothing is written.
        AuganError: a loss is not finite.
    """
    device, training = choose_device(config.training.device), config.training
    governor = ThreadGovernor(training.threads) if device.type == "cpu" else None
    if governor:
        keep_freed_memory()
    learner = learner_of(kind, source, config, beta, device)
    average = averaged_copy(learner.coder)
    rows: list[dict[str, float]] = []
    images = rounds = 0
    start, cpu_start = clock(), time.process_time()
    elapsed = last = 0.0
    with (
        stop_signals() as signalled,
        torch.random.fork_rng(),
        Loader(source, training.batch, config.seed, config.data.balance, device=device) as loader,
    ):
        while (done := _fraction(config, images, elapsed)) < 1:
            _set_rates(learner, config, done)
            random = Stream(torch_stream(config.seed, "round", images, device=device))
            learner.coder.train()
            watched = learner.turn(loader.batch_at(images).images, random, rounds)
            images, rounds = images + training.batch, rounds + 1
            update_average(average, learner.coder, decay_for(training.ema_half_life_images, training.batch, images))
            if signalled():
                raise Interrupted("Stopped.")
            elapsed = clock() - start
            if elapsed - last >= TICK_SEC or not rows:
                last = elapsed
                rows.append(_reading(kind, images, elapsed, watched))
                if governor:
                    governor.update()
    rows.append(_reading(kind, images, elapsed, watched))
    cpu_seconds = time.process_time() - cpu_start
    coder = cast(Coder, average.eval())
    _write(folder, kind, config, rows, coder)
    return Fitted(coder=coder, parameters=learner.parameters(), images=images, seconds=elapsed, cpu_seconds=cpu_seconds)


def _fraction(config: RunConfig, images: int, elapsed: float) -> float:
    """The share of the budget that is used."""
    if config.training.images is not None:
        return images / config.training.images
    assert config.training.minutes is not None
    return elapsed / (60 * config.training.minutes)


def _set_rates(learner: Learner, config: RunConfig, done: float) -> None:
    training = config.training
    rates = [cosine(RATE, RATE_END, done), *[cosine(training.learning_rate, training.learning_rate_end, done)] * 2]
    for optimizer, rate in zip(learner.optimizers, rates, strict=False):
        for group in optimizer.param_groups:
            group["lr"] = rate


def _reading(kind: str, images: int, elapsed: float, watched: Watched) -> dict[str, float]:
    """A line of metrics.jsonl.

    Raises AuganError if a number is not finite.
    """
    values = {name: float(value) for name, value in watched.items()}
    for name, value in values.items():
        if not math.isfinite(value):
            raise AuganError(f"Training of {kind} diverged: {name} is not finite after {images:,} images.")
    return {"images_seen": images, "elapsed_sec": round(elapsed, 3), **values}


def _write(folder: Path, kind: str, config: RunConfig, rows: list[dict[str, float]], coder: Coder) -> None:
    with atomic_folder(folder) as temporary:
        write_json(temporary / "config.json", {"model": kind, "augan": __version__, **to_dict(config)})
        (temporary / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        tensors = {name: value.detach().cpu().clone().contiguous() for name, value in coder.state_dict().items()}
        save_file(tensors, temporary / "weights.safetensors")
