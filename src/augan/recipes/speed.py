"""How fast this machine trains, measured on a few rounds of the smallest usual case."""

from __future__ import annotations

import functools
import time

import torch

from augan.core.devices import autocast_dtype, choose_device
from augan.core.item import ItemSpec
from augan.core.rng import Stream
from augan.core.threads import ThreadGovernor
from augan.game import objective
from augan.game.config import GameConfig
from augan.networks import NetworkConfig, build
from augan.training.config import TrainingConfig
from augan.training.state import State
from augan.training.step import Table, play_round

BATCH = 64
ITEM = ItemSpec(channels=1, height=32, width=32)


@functools.cache
def reference_rate(device_name: str = "auto") -> float:
    """Images per second of the strided pair of width 32 at 32x32, batch 64; takes about a second.

    Four rounds, one of them with penalties, after one to warm up.
    """
    device = choose_device(device_name)
    if device.type == "cpu":
        ThreadGovernor()
    random = Stream(torch.Generator(device).manual_seed(0))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        networks = build(NetworkConfig(name="strided", width=32), ITEM)
    state = State(*networks, TrainingConfig(minutes=1.0), device)
    rules = GameConfig(reuse=True)
    table = Table(
        generator=state.generator,
        discriminator=state.discriminator,
        objective=objective(rules.objective),
        rules=rules,
        classes=0,
        device=device,
        dtype=autocast_dtype(device),
    )
    real = torch.randn(BATCH, 1, 32, 32, generator=random.generator, device=device).to(
        memory_format=torch.channels_last
    )

    def play(penalty_weight: float) -> float:
        watched = play_round(table, (state.optimizer_g, state.optimizer_d), real, None, 64, random, penalty_weight)
        return float(watched["loss_generator"])  # waits for the device

    play(4.0)
    start = time.perf_counter()
    for number in range(4):
        play(4.0 if number == 0 else 0.0)
    return 4 * BATCH / (time.perf_counter() - start)
