"""What `augan demo` promises: its time, and its samples' quality by a classifier that has nothing to do with it.

The classifier is scikit-learn's support vector machine with an RBF kernel on raw pixels, trained on all 5,000 digits;
its own accuracy is stated by five-fold cross-validation. `python -m bench.demo --seeds 3` repeats with other seeds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.report import table, write_section


def classifier() -> tuple[object, float]:
    """(a fitted support vector machine, its cross-validated accuracy)."""
    from sklearn.model_selection import cross_val_score
    from sklearn.svm import SVC

    from augan.data import demo_digits

    images, labels = demo_digits()
    pixels = images.reshape(len(images), -1) / 255
    machine = SVC(C=10, gamma="scale")
    return machine.fit(pixels, labels), float(cross_val_score(SVC(C=10, gamma="scale"), pixels, labels, cv=5).mean())


def measure(seed: int, folder: Path, judge: object) -> list[object]:
    """One row: the demo with this seed, in a process and with a cache of its own."""
    command = [sys.executable, "-m", "augan"]
    out = folder / f"demo-{seed}"
    start = time.monotonic()
    subprocess.run([*command, "demo", "--out", str(out), "--seed", str(seed), "--quiet"], check=True)
    seconds = time.monotonic() - start
    samples = folder / f"samples-{seed}.npz"
    run = out / "run"
    subprocess.run([*command, "generate", str(run), "--count", "5000", "--out", str(samples), "--quiet"], check=True)
    with np.load(samples) as archive:
        images, labels = archive["images"], archive["labels"]
    right = judge.predict(images.reshape(len(images), -1) / 255) == labels  # type: ignore[attr-defined]
    result = json.loads((run / "result.json").read_text())
    quality = json.loads((out / "quality.json").read_text())["measures"]
    worst = min(right[labels == label].mean() for label in range(10))
    return [
        seed,
        f"{seconds:.0f}",
        f"{result['elapsed_sec']:.0f}",
        f"{result['images_per_sec']:.0f}",
        f"{right.mean():.2%}",
        f"{worst:.2%}",
        f"{quality['agreement']['value']:.2%}",
        f"{quality['frechet']['value']:.2f}",
        f"{quality['precision']['value']:.2f}",
        f"{quality['recall']['value']:.2f}",
        f"{quality['diversity']['value']:.2f}",
    ]


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = parser.parse_args().seeds
    judge, accuracy = classifier()
    with tempfile.TemporaryDirectory() as folder:
        import os

        os.environ["AUGAN_CACHE"] = f"{folder}/cache"
        rows = [measure(seed, Path(folder), judge) for seed in range(seeds)]
    header = ["seed", "whole, s", "training, s", "images/s", "agreement (SVM)", "worst class", "agreement (own)"]
    header += ["Fréchet", "precision", "recall", "diversity"]
    body = (
        f"`augan demo` as it comes, with an empty cache. Agreement is the share of 5,000 samples that a support vector "
        f"machine on raw pixels takes for the digit asked for; its accuracy on real digits is {accuracy:.2%} "
        "(five-fold cross-validation). The other columns are the demo's own quality table, against all 5,000 digits."
    )
    write_section("demo", "The demo", f"{body}\n\n{table(header, rows)}")


if __name__ == "__main__":
    main()
