"""Where the time of a round goes, against what the machine can do.

The ceiling is a plain product of bfloat16 matrices (float32 where the processor does not compute in it), 4,096 on a
side, on the same threads. A round's floating-point operations are counted by PyTorch's own counter (of grouped
convolutions' backward passes, by the share that is computed), penalties left out, so that the share is that of rounds
without penalties. Sampling is beside the bare forward pass of the same network in the same batches.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from augan.checkpoint import Model
from augan.core.devices import autocast_dtype
from augan.core.item import ItemSpec
from augan.core.rng import Stream
from augan.core.threads import ThreadGovernor, keep_freed_memory
from augan.game import objective
from augan.game.config import GameConfig
from augan.networks import NetworkConfig, build
from augan.nn import update_average
from augan.training.config import TrainingConfig
from augan.training.state import State
from augan.training.step import Table, play_round
from bench.report import table, write_section

CPU = torch.device("cpu")
ITEM = ItemSpec(channels=3, height=32, width=32, class_names=tuple("abcdefghij"))
NETWORKS = [
    ("strided", 32, 64),
    ("strided", 64, 64),
    ("strided", 64, 256),
    ("strided", 96, 128),
    ("skip", 64, 64),
    ("style", 64, 64),
    ("residual", 64, 64),
]


def seconds(function: Callable[[], object], repeats: int = 5) -> float:
    """Of one call: the mean of `repeats`, after two to warm up."""
    function(), function()
    start = time.perf_counter()
    for _ in range(repeats):
        function()
    return (time.perf_counter() - start) / repeats


def ceiling(dtype: torch.dtype) -> float:
    """GFLOP/s of a large matrix product."""
    one, other = torch.randn(4096, 4096).to(dtype), torch.randn(4096, 4096).to(dtype)
    return 2 * 4096**3 / seconds(lambda: one @ other) / 1e9


def _backward_flops(
    gradient: Sequence[int], maps: Sequence[int], weight: Sequence[int], *rest: Any, **kwargs: Any
) -> int:
    """Of a convolution's backward pass, groups included, which PyTorch's own count leaves out."""
    _bias, _stride, _padding, _dilation, transposed, _output_padding, _groups, wanted = rest
    cells = math.prod((maps if transposed else gradient)[2:])
    return 2 * gradient[0] * cells * math.prod(weight) * sum(wanted[:2])


class Rounds:
    """Rounds of the game on random images."""

    def __init__(self, name: str, width: int, batch: int, dtype: torch.dtype | None) -> None:
        torch.manual_seed(0)
        networks = build(NetworkConfig(name=name, width=width, widest=4), ITEM)
        self.state = State(*networks, TrainingConfig(minutes=1.0), CPU)
        self.table = Table(
            generator=self.state.generator,
            discriminator=self.state.discriminator,
            objective=objective("relativistic"),
            rules=GameConfig(matching=0.1, reuse=True),
            classes=ITEM.classes,
            device=CPU,
            dtype=dtype,
        )
        self.random = Stream(torch.Generator().manual_seed(0))
        self.real = torch.randn(batch, 3, 32, 32).to(memory_format=torch.channels_last)
        self.labels = torch.randint(0, 10, (batch,))

    def play(self, penalty_weight: float) -> None:
        """Both turns and the average."""
        players = self.state.optimizer_g, self.state.optimizer_d
        play_round(self.table, players, self.real, self.labels, 64, self.random, penalty_weight)
        update_average(self.state.average, self.state.generator, 0.99)


COUNTED = {torch.ops.aten.convolution_backward: _backward_flops}


def main() -> None:
    """Runs the benchmark."""
    threads = ThreadGovernor().threads
    keep_freed_memory()
    dtype = autocast_dtype(CPU)
    most = ceiling(dtype or torch.float32)
    rows, sampling = [], []
    for name, width, batch in NETWORKS:
        rounds = Rounds(name, width, batch, dtype)
        plain = seconds(lambda rounds=rounds: rounds.play(0.0))  # type: ignore[misc]
        penalised = seconds(lambda rounds=rounds: rounds.play(4.0))  # type: ignore[misc]
        with FlopCounterMode(display=False, custom_mapping=COUNTED) as counter:
            rounds.play(0.0)
        operations = counter.get_total_flops() / 1e9
        whole = (3 * plain + penalised) / 4
        rate = operations / plain
        rows.append(
            [name, width, batch, f"{batch / whole:.0f}", f"{operations:.1f}", f"{rate:.0f}", f"{rate / most:.0%}"]
        )
        model = Model(rounds.state.average, ITEM)
        latents, labels = model.latents(model.block), model.labels(model.block)
        bare = model.block / seconds(lambda m=model, z=latents, y=labels: m.decode(z, y), 20)  # type: ignore[misc]
        count = 20 * model.block
        streamed = count / seconds(lambda m=model, n=count: [0 for _ in m.stream(n)], 2)  # type: ignore[misc]
        if [name, width] == [row[0] for row in sampling[-1:]] + [row[1] for row in sampling[-1:]]:
            continue
        sampling.append([name, width, f"{bare:.0f}", f"{streamed:.0f}", f"{streamed / bare:.0%}"])
    precision = str(dtype or torch.float32).removeprefix("torch.")
    body = [
        " ".join((__doc__ or "").split()),
        f"The ceiling here: {most:.0f} GFLOP/s ({precision}, {threads} threads).",
        table(["networks", "width", "batch", "images/s", "GFLOP a round", "GFLOP/s", "of the ceiling"], rows),
        table(["networks", "width", "bare forward passes, images/s", "sampling, images/s", "share"], sampling),
    ]
    write_section("speed", "Speed against the machine", "\n\n".join(body))


if __name__ == "__main__":
    main()
