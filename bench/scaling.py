"""Two processes of one thread beside one: how much faster; and what larger machines would take, reckoned on paper.

Measured: `augan train` on MNIST-5k at 32x32 with one thread a process, started by torchrun, images a second over the
whole loop; beside it one process of two threads, and two runs of half the batch at once that share the cores and
nothing else, which is the most that two processes can do. Ratios are medians over turns, as machines do not keep their
speed.
Reckoned: the time of a round on n GPUs, from the networks' floating-point operations (counted forward; a
turn's backward pass is twice its forward one, penalties cost twice again) at 40 % of an A100's 312 TFLOP/s, and the
time to sum float32 gradients over all of them in a ring at 240 GB/s within a machine of 8 and 20 GB/s between
machines (half of NVLink's and four fifths of a 200 Gbit/s network's).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from augan.core.files import read_json
from augan.core.item import ItemSpec
from augan.networks import build, parameter_count
from augan.recipes import Budget, recipe_config
from bench.report import table, write_section
from bench.sets import SETS

REPEATS = 3
IMAGES = 10_240
FLOPS = 0.4 * 312e12
WITHIN, BETWEEN = 240e9, 20e9
GPUS = (1, 8, 16, 64)


def command(processes: int, threads: int, batch: int, data: Path, out: Path) -> list[str]:
    """`augan train`, by torchrun where there are several processes."""
    start = [sys.executable, "-m"]
    if processes > 1:
        start += ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"]
    settings = [f"training.threads={threads}", "training.measure_images=0", f"training.batch={batch}"]
    start += ["augan", "train", str(data), "--out", str(out), "--images", str(IMAGES), "--recipe", "strided"]
    return [*start, "--quiet", *(part for one in (*settings, "training.snapshots=1") for part in ("--set", one))]


def rate(processes: int, threads: int, batch: int, data: Path, out: Path) -> float:
    """Images a second."""
    subprocess.run(command(processes, threads, batch, data, out), check=True, capture_output=True)
    return float(read_json(out / "result.json")["images_per_sec"])


def apart(batch: int, data: Path, out: Path) -> float:
    """Images a second of two runs of half the batch at once that know nothing of one another."""
    runs = [out / "first", out / "second"]
    started = [subprocess.Popen(command(1, 1, batch // 2, data, run)) for run in runs]
    if any(process.wait() for process in started):
        raise RuntimeError("a run failed")
    return sum(float(read_json(run / "result.json")["images_per_sec"]) for run in runs)


def measured() -> list[list[object]]:
    """Rows of (batch, one process, two processes, ratio, one process of two threads, two runs): medians."""
    rows: list[list[object]] = []
    digits = SETS["digits"]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = folder / "digits.npz"
        np.savez(data, images=digits.images, labels=digits.labels)
        for batch in (128, 256, 512):
            turns = []
            for turn in range(REPEATS):
                out = folder / f"{batch}-{turn}"
                forms = ((1, 1), (2, 1), (1, 2))
                found = [rate(*form, batch, data, out / str(number)) for number, form in enumerate(forms)]
                turns.append([*found, apart(batch, data, out)])
                print(batch, [round(value) for value in turns[-1]], flush=True)
            one, two, threads, separate = np.median(turns, axis=0)
            ratio = np.median([turn[1] / turn[0] for turn in turns])
            rows.append([batch, f"{one:.0f}", f"{two:.0f}", f"{ratio:.2f}", f"{threads:.0f}", f"{separate:.0f}"])
    return rows


def reckoned(recipe: str, item: ItemSpec, count: int) -> list[object]:
    """One row: parameters, operations, and for each number of GPUs the round's time and the share of sums in it."""
    config = recipe_config(recipe, item, count, {}, Budget(images=1_000_000))
    generator, discriminator = build(config.networks, item)
    labels = None if not config.networks.conditional or not item.classes else torch.zeros(4, dtype=torch.int64)
    latents, images = torch.zeros(4, config.networks.latent_size), torch.zeros(4, *item.shape)
    forward = []
    for network, inputs in ((generator, latents), (discriminator, images)):
        with FlopCounterMode(display=False) as counter:
            network(inputs) if labels is None else network(inputs, labels)
        forward.append(counter.get_total_flops() / 4)
    g, d = forward
    penalties = 4 * d / config.game.penalty_interval if config.game.penalised else 0.0
    per_image = (g + 6 * d + penalties) + (3 * g + 3 * d)
    bytes_summed = 4 * (parameter_count(generator) + parameter_count(discriminator))
    batch = config.training.batch
    cells = []
    for gpus in GPUS:
        compute = per_image * batch / gpus / FLOPS
        sums = 2 * (gpus - 1) / gpus * bytes_summed / (WITHIN if gpus <= 8 else BETWEEN)
        cells.append(f"{1e3 * (compute + sums):.1f} ms, {sums / (compute + sums):.0%}")
    millions = (parameter_count(generator) + parameter_count(discriminator)) / 1e6
    return [recipe, batch, f"{millions:.1f} M", f"{per_image / 1e9:.0f}", *cells]


def main() -> None:
    """Runs the benchmark."""
    square = [ItemSpec(channels=3, height=side, width=side) for side in (32, 64)]
    rows = [
        reckoned("r3gan-cifar10", square[0], 50_000),
        reckoned("r3gan-ffhq64", square[1], 70_000),
        reckoned("stylegan2-ada", square[1], 70_000),
    ]
    header = ["recipe", "batch", "parameters", "GFLOP an image"]
    header += [f"{gpus} GPU{'s' if gpus > 1 else ''}: a round, sums' share" for gpus in GPUS]
    body = [
        " ".join((__doc__ or "").split()),
        table(
            ["batch", "1 process, images/s", "2 processes", "ratio", "1 process of 2 threads", "2 runs apart"],
            measured(),
        ),
        "Reckoned, not measured:",
        table(header, rows),
    ]
    write_section("scaling", "Several processes", "\n\n".join(body))


if __name__ == "__main__":
    main()
