"""Training beside a process that keeps one core busy: PyTorch as it comes, and as augan sets it up.

Each row is a process of its own that trains on the demo's digits for some seconds, alone and beside the busy process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

from bench.report import table, write_section

SECONDS = 10
WORK = """
import json, sys, time
threads, seconds = int(sys.argv[1]), float(sys.argv[2])
if threads >= 0: import torch  # as PyTorch comes: before augan can set anything
import augan
from augan.data import demo_digits
import tempfile
settings = ["training.measure_images=0", "training.snapshots=1"]
if threads > 0: settings.append(f"training.threads={threads}")
with tempfile.TemporaryDirectory() as folder:
    augan.train(demo_digits(), minutes=0.05, out=folder + "/warm", recipe="strided", settings=settings)
    run = augan.train(demo_digits(), minutes=seconds / 60, out=folder + "/run", recipe="strided", settings=settings)
    rows = [row["threads"] for row in run.metrics() if "threads" in row]
    print(json.dumps({"images_per_sec": run.result()["images_per_sec"], "threads": rows[-1]}))
"""


def train(threads: int, policy: dict[str, str], busy: bool) -> dict[str, float]:
    """Images per second of one process with these variables.

    `threads` 0 and -1 follow free cores; with 0, torch is imported before augan can set any variable.
    """
    chosen = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
    environment = {key: value for key, value in os.environ.items() if key not in chosen} | policy
    burner = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
    try:
        command = [sys.executable, "-c", WORK, str(threads), str(SECONDS)]
        output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    finally:
        if burner:
            burner.kill()
            burner.wait()
    result: dict[str, float] = json.loads(output.splitlines()[-1])
    return result


def main() -> None:
    """Runs the benchmark."""
    cores = len(os.sched_getaffinity(0))
    kinds: list[tuple[str, int, dict[str, str]]] = [
        (f"PyTorch as it comes: {cores} threads, long spinning", cores, {}),
        (f"{cores} threads that sleep at once (OMP_WAIT_POLICY=PASSIVE)", cores, {"OMP_WAIT_POLICY": "PASSIVE"}),
        ("one thread", 1, {}),
        ("threads follow free cores, long spinning", 0, {}),
        ("threads follow free cores, sleep at once", 0, {"OMP_WAIT_POLICY": "PASSIVE"}),
        ("augan: threads follow free cores, brief spinning", -1, {}),
    ]
    rows = []
    with tempfile.TemporaryDirectory() as cache:
        os.environ["AUGAN_CACHE"] = cache
        for name, threads, policy in kinds:
            alone, beside = train(threads, policy, busy=False), train(threads, policy, busy=True)
            share = beside["images_per_sec"] / alone["images_per_sec"]
            rows.append(
                [
                    name,
                    f"{alone['images_per_sec']:.0f} ({alone['threads']:.0f})",
                    f"{beside['images_per_sec']:.0f} ({beside['threads']:.0f})",
                    f"{share:.2f}",
                ]
            )
    header = ["threads", "alone, images/s (threads at the end)", "beside a busy process", "share kept"]
    write_section("threads", "Beside a busy process", table(header, rows))


if __name__ == "__main__":
    main()
