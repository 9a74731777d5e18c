"""Everything that a resumed run needs."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from augan.checkpoint import read_tensors
from augan.nn import averaged_copy, channels_last
from augan.training.config import TrainingConfig
from augan.training.parts import Stored, misfit, packed


@dataclass
class Counters:
    """The small numbers. Random draws and the order of the data are functions of (seed, images_seen): no state.

    Attributes:
        images_seen: real images that the discriminator saw.
        rounds: turns of each player.
        elapsed_sec: time spent in the loop, over all sessions.
        horizon_images: images at which schedules end; an estimate, where the budget is a time.
        snapshots: how many are done.
        best_frechet: the best measure so far.
        diversity: the last one measured.
        augment_probability: of adaptive augmentation.
        sign_sum: of the real images' logits, over the rounds since the probability last moved.
        logit_real, logit_fake: moving averages of the logits, where game.lecam is on; null before the first round.
        rate_factor: of both learning rates, gamma_factor: of penalties; what rescues left of them.
        rescues: how many there were.
        stale: measures since the best one.
    """

    images_seen: int = 0
    rounds: int = 0
    elapsed_sec: float = 0.0
    horizon_images: float = 0.0
    snapshots: int = 0
    best_frechet: float = math.inf
    diversity: float | None = None
    augment_probability: float = 0.0
    sign_sum: float = 0.0
    logit_real: float | None = None
    logit_fake: float | None = None
    rate_factor: float = 1.0
    gamma_factor: float = 1.0
    rescues: int = 0
    stale: int = 0


@dataclass(frozen=True)
class Saved(Stored):
    """What a checkpoint folder holds to go on with, the average with it."""

    average: dict[str, Tensor]

    @staticmethod
    def of(state: State, name: str) -> Saved:
        """A copy of what a checkpoint of `state` would hold."""
        tensors, document = state.tensors()
        kept = {key: value.detach().cpu().clone() for key, value in tensors.items()}
        average = {key: value.detach().cpu().clone() for key, value in state.average.state_dict().items()}
        return Saved(name, kept, copy.deepcopy(document), average)

    @classmethod
    def read(cls, checkpoint: Path) -> Saved:
        """Reads it.

        Raises:
            UserError: files missing or damaged.
        """
        stored, average = Stored.read(checkpoint), read_tensors(checkpoint / "model.safetensors")
        return cls(stored.name, stored.tensors, stored.document, average)


class State:
    """Both players, the averaged generator, both optimisers, the counters."""

    def __init__(
        self, generator: nn.Module, discriminator: nn.Module, config: TrainingConfig, device: torch.device
    ) -> None:
        self.generator = channels_last(generator.to(device))
        self.discriminator = channels_last(discriminator.to(device))
        self.average = averaged_copy(self.generator)
        self.device = device
        rate, betas = config.learning_rate, (config.beta1, config.beta2)
        self.optimizer_g = _adam(self.generator, rate, betas)
        self.optimizer_d = _adam(self.discriminator, rate * config.discriminator_rate, betas)
        self.counters = Counters()

    def _parts(self) -> dict[str, Any]:
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "optimizer_g": self.optimizer_g,
            "optimizer_d": self.optimizer_d,
        }

    def tensors(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """(all tensors but the average's, everything else as JSON)."""
        return packed(self._parts(), self.counters)

    def start_from(self, saved: Saved, classes: tuple[tuple[str, ...], tuple[str, ...]]) -> float:
        """Takes weights of another run's networks wherever name and shape are the same; the share of numbers taken.

        `classes`: names of its classes, and of ours. Embeddings of classes that both know go where they belong here.
        """
        taken = total = 0
        for part in ("generator", "discriminator"):
            own: dict[str, Tensor] = getattr(self, part).state_dict()
            for name, value in own.items():
                theirs = saved.tensors.get(f"{part}.{name}")
                if name.endswith("embedding.weight"):
                    theirs = _by_class(value, theirs, *classes)
                total += value.numel()
                if theirs is not None and theirs.shape == value.shape:
                    value.copy_(theirs)
                    taken += value.numel()
        self.average.load_state_dict(self.generator.state_dict())
        return taken / max(1, total)

    def adopt(self, saved: Saved) -> None:
        """Takes everything from a checkpoint.

        Raises:
            UserError: it is of networks with another structure.
        """
        saved.fill(self._parts(), self.device)
        for optimizer in (self.optimizer_g, self.optimizer_d):
            _match_layout(optimizer)
        try:
            self.average.load_state_dict(saved.average)
        except RuntimeError as error:
            raise misfit(saved.name, error) from error
        self.counters = saved.counters(Counters)


def _by_class(
    ours: Tensor, theirs: Tensor | None, their_names: tuple[str, ...], our_names: tuple[str, ...]
) -> Tensor | None:
    """Our embeddings with those of theirs whose class has the same name."""
    if theirs is None or theirs.shape[1:] != ours.shape[1:] or len(theirs) != len(their_names):
        return None
    shared = [(our_names.index(name), row) for row, name in enumerate(their_names) if name in our_names]
    if not shared:
        return None
    found = ours.detach().cpu().clone()
    for here, there in shared:
        found[here] = theirs[there]
    return found


def _match_layout(optimizer: torch.optim.Optimizer) -> None:
    """Gives loaded moments their parameter's memory layout: fused Adam walks all three by the same addresses."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape and value.dim():
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _adam(network: nn.Module, rate: float, betas: tuple[float, float]) -> torch.optim.Adam:
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    fused = all(parameter.device.type in ("cpu", "cuda") for parameter in parameters)
    return torch.optim.Adam(parameters, lr=rate, betas=betas, eps=1e-8, fused=fused)


@torch.no_grad()
def step_share(optimizer: torch.optim.Optimizer) -> float:
    """How far one step of Adam moves weights, at most about the learning rate, beside their root mean square.

    0 for a network without matrices.
    """
    weights = [value for group in optimizer.param_groups for value in group["params"] if value.dim() > 1]
    if not weights:
        return 0.0
    count = sum(value.numel() for value in weights)
    norms = torch._foreach_norm(weights)
    size = float(torch.stack([norm.float() for norm in norms]).square().sum().div(max(1, count)).sqrt())
    return float(optimizer.param_groups[0]["lr"]) / max(size, 1e-12)
