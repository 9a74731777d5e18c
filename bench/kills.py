"""kill -9 at random moments, and how soon a run ends after SIGTERM and Ctrl-C.

Thirty times a run of 20,000 images with a checkpoint every 500 (16x16 digits, width 16, one thread) is killed at a
random moment of its life, preparation and writing included, and resumed until it is finished. Its model must be
that of the run that nobody killed, bit for bit. Then a run of the usual size is stopped ten times by each signal.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import augan
from augan.core.files import read_json
from bench.report import table, write_section
from bench.sets import SETS

KILLS, STOPS = 30, 10
SMALL = ["networks.width=16", "training.threads=1", "training.snapshots=40", "training.measure_images=200"]


def command(data: Path, out: Path, *more: str) -> list[str]:
    """`augan train` on these data into this folder."""
    return [sys.executable, "-m", "augan", "train", str(data), "--out", str(out), "--quiet", *more]


def start(data: Path, out: Path) -> subprocess.Popen[bytes]:
    """A run that is new, or goes on if there is something to go on with."""
    settings = [part for setting in SMALL for part in ("--set", setting)]
    new = ["--images", "20000", "--recipe", "strided", *settings]
    resumed = (out / "config.json").exists()
    return subprocess.Popen(command(data, out, *(["--resume"] if resumed else new)), stderr=subprocess.PIPE)


def killed(data: Path, out: Path, random: np.random.Generator, life: float) -> tuple[int, str]:
    """Kills a run at a random moment, and again with a half chance, until it ends: (kills, what went wrong)."""
    kills = 0
    while True:
        process = start(data, out)
        kill = kills == 0 or (kills < 4 and random.random() < 0.5)
        try:
            _, errors = process.communicate(timeout=random.uniform(0, life) if kill else None)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
            continue
        if process.returncode == 0:
            return kills, ""
        return kills, errors.decode().strip()


def ending(data: Path, out: Path, number: signal.Signals, random: np.random.Generator) -> float:
    """Seconds from the signal to the end of the process; NaN if nothing was saved."""
    process = subprocess.Popen(command(data, out, "--minutes", "5"), stderr=subprocess.PIPE)
    while not (out / "metrics.jsonl").exists():
        time.sleep(0.1)
    time.sleep(random.uniform(0, 20))
    begun = time.monotonic()
    process.send_signal(number)
    process.communicate()
    seconds = time.monotonic() - begun
    return seconds if augan.Run(out).store.last() is not None else float("nan")


def main() -> None:
    """Runs the benchmark."""
    random = np.random.default_rng(0)
    digits = SETS["digits"]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "small.npz", images=digits.images[:1000, ::2, ::2], labels=digits.labels[:1000])
        np.savez(folder / "large.npz", images=digits.images, labels=digits.labels)
        begun = time.monotonic()
        start(folder / "small.npz", folder / "whole").communicate()
        life = time.monotonic() - begun
        expected = augan.Run(folder / "whole").load("last").hash
        kills, equal, wrong = 0, 0, []
        for number in range(KILLS):
            out = folder / f"killed-{number}"
            more, error = killed(folder / "small.npz", out, random, life)
            kills += more
            same = not error and augan.Run(out).load("last").hash == expected
            equal += same
            if not same:
                wrong.append(error or f"another model after {read_json(out / 'result.json')['images_seen']} images")
            print(number, more, same, error, flush=True)
        rows = []
        for which in (signal.SIGTERM, signal.SIGINT):
            times = [ending(folder / "large.npz", folder / f"{which.name}-{n}", which, random) for n in range(STOPS)]
            rows.append([which.name, STOPS, f"{np.median(times):.1f}", f"{np.max(times):.1f}"])
    body = [
        " ".join((__doc__ or "").split()),
        f"{KILLS} runs, killed {kills} times in all; {equal} ended with the same model, bit for bit."
        + "".join(f"\n- {text}" for text in wrong),
        table(["signal", "runs", "median seconds to the end", "longest"], rows),
    ]
    write_section("kills", "Killed and stopped", "\n\n".join(body))


if __name__ == "__main__":
    main()
