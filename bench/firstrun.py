"""The path of a new user, timed: from a clone to samples of one's own 300 images, by three commands.

`python -m bench.firstrun` clones this repository, makes a fresh environment (packages come from wherever pip is set to
look), trains on 300 of Twemoji's pictures in folders by category, and draws samples, each command as the README has it.
The cache is a new one. It writes the section `firstrun` of docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.report import table, write_section
from bench.sets import emoji_pictures

ROOT = Path(__file__).parent.parent
IMAGES = 300


def photos(folder: Path) -> None:
    """300 pictures of 64x64 by category, evenly out of all."""
    from augan.data.demo import write_folder

    images, labels, names = emoji_pictures()
    chosen = np.linspace(0, len(images) - 1, IMAGES).round().astype(int)
    write_folder(images[chosen], labels[chosen], names, folder)


def timed(command: list[str], folder: Path) -> float:
    """Runs a command that must succeed; its seconds."""
    start = time.monotonic()
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "OMP_NUM_THREADS")}
    subprocess.run(command, cwd=folder, check=True, env={**environment, "AUGAN_CACHE": str(folder / "cache")})
    return time.monotonic() - start


def measure(folder: Path, minutes: float) -> list[tuple[str, float]]:
    """(command, seconds) one after another."""
    photos(folder / "photos")
    binaries = folder / "env" / "bin"
    first = f"{minutes:g}"
    steps = [
        ("git clone", ["git", "clone", "--quiet", str(ROOT), "augan"]),
        ("python -m venv", [sys.executable, "-m", "venv", "env"]),
        ("pip install augan/", [str(binaries / "pip"), "install", "--quiet", "augan/"]),
        (
            f"augan train photos/ --minutes {first} --out runs/mine",
            [str(binaries / "augan"), "train", "photos/", "--minutes", first, "--out", "runs/mine"],
        ),
        (
            "augan generate runs/mine --count 100 --out samples.png",
            [str(binaries / "augan"), "generate", "runs/mine", "--count", "100", "--out", "samples.png"],
        ),
    ]
    found = []
    for name, command in steps:
        found.append((name, timed(command, folder)))
        print(f"{found[-1][1]:6.0f} s  {name}", flush=True)
    return found


def main() -> None:
    """Measures once, and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="training time")
    parser.add_argument("--keep", type=Path, help="where to copy the sheet of samples")
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = measure(folder, options.minutes)
        if options.keep:
            options.keep.write_bytes((folder / "samples.png").read_bytes())
    total = sum(seconds for _, seconds in found)
    rows = [[f"`{name}`", f"{seconds:.0f}"] for name, seconds in found] + [["in all", f"{total:.0f}"]]
    body = (
        f"{IMAGES} pictures of 64x64 in folders by category, a fresh environment and an empty cache. Packages came "
        "from a copy on the same machine: what a network needs for PyTorch's 200 MB and the others comes on top. The "
        f"average load of the machine before it was {busy:.1f}.\n\n" + table(["command", "seconds"], rows)
    )
    write_section("firstrun", "From a clone to samples of one's own", body)


if __name__ == "__main__":
    main()
