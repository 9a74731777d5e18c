"""What a run begins with: a precision that stays, and, where it is asked for, another run's networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from augan.checkpoint import CheckpointStore, find_checkpoint, load_item
from augan.core.devices import autocast_dtype
from augan.core.errors import UserError
from augan.core.world import World
from augan.data import Source
from augan.training.config import RunConfig
from augan.training.state import Saved, State

LEAST_FIT = 0.1
"""The share of weights of another run that must fit for it to be a start."""


def with_precision(config: RunConfig, device: torch.device, world: World) -> RunConfig:
    """Settings with the precision that 'auto' finds by timing, which goes into the run's config.json.

    Measured again on a busy machine it could be another, and a resumed run, or another process, would not compute the
    same.
    """
    if config.training.precision != "auto" or device.type != "cpu":
        return config
    fast = world.decided(lambda: autocast_dtype(device) is not None)
    found: Literal["bf16", "fp32"] = "bf16" if fast else "fp32"
    return replace(config, training=replace(config.training, precision=found))


def start_from_another(config: RunConfig, state: State, source: Source, store: CheckpointStore) -> list[str]:
    """Takes the weights of the run that `start` names into the state, and says how much of them fits.

    Raises:
        UserError: there is no such run, it holds a generator only, or next to nothing fits.
    """
    if config.start is None:
        return []
    path = Path(config.start)
    if not path.exists() and store.last() is not None:
        return []  # resumed elsewhere: the checkpoint holds everything
    checkpoint = find_checkpoint(path)
    if not (checkpoint / "training.safetensors").exists():
        raise UserError(f"{checkpoint} holds a generator only: start from a run, which holds both networks.")
    theirs = load_item(checkpoint).class_names or ()
    share = state.start_from(Saved.read(checkpoint), (theirs, source.item.class_names or ()))
    if share < LEAST_FIT:
        raise UserError(f"Of {path}, {share:.0%} fits these networks: give the same networks.name and networks.width.")
    return [f"starts from {path}: {share:.0%} of its weights fit"]
