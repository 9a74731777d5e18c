"""The measures against other libraries, on the same features: 10,000 against 10,000 of 2,048 dimensions.

Each row is a process of its own, which makes the features, lets the library compute, and says how long that took and
how far its memory grew. Run it alone on the machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bench.report import table, write_section

ITEMS, DIMENSIONS, NEIGHBOURS, REPEATS = 10_000, 2_048, 5, 3
WORK = '''
import json, resource, sys, threading, time
import numpy as np
import torch

what, items, dimensions, neighbours = sys.argv[1], *map(int, sys.argv[2:5])

def features(seed, scale):
    """Not negative, with a few strong directions and noise in all, as pooled features of a network are."""
    base = np.random.default_rng(0).standard_normal((64, dimensions), dtype=np.float32)
    random = np.random.default_rng(seed)
    codes = random.standard_normal((items, 64), dtype=np.float32) * scale
    noise = random.standard_normal((items, dimensions), dtype=np.float32)
    return np.maximum(0, codes @ base / 8 + 0.3 * noise)

def memory():
    for line in open("/proc/self/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024

real, fake = features(1, 1.0), features(2, 0.97)

if what == "augan manifolds":
    from augan.metrics import manifolds
    def run(real, fake):
        found = manifolds(real, fake, neighbours, neighbours)
        return {name: float(getattr(found, name).mean()) for name in ("precision", "recall", "density", "coverage")}
elif what == "augan exact":
    from augan.metrics import manifolds
    real, fake = real.astype(np.float64), fake.astype(np.float64)
    def run(real, fake):
        found = manifolds(real, fake, neighbours, neighbours)
        return {name: float(getattr(found, name).mean()) for name in ("precision", "recall", "density", "coverage")}
elif what in ("prdc", "prdc float64"):
    import contextlib, io, prdc
    if what == "prdc float64":
        real, fake = real.astype(np.float64), fake.astype(np.float64)
    def run(real, fake):
        with contextlib.redirect_stdout(io.StringIO()):
            return {name: float(value) for name, value in prdc.compute_prdc(real, fake, neighbours).items()}
elif what == "augan frechet":
    from augan.metrics import frechet_distance
    def run(real, fake):
        return {"distance": frechet_distance(real, fake)}
elif what == "torchmetrics":
    from torchmetrics.image.fid import FrechetInceptionDistance
    class Same(torch.nn.Module):
        num_features = dimensions
        def forward(self, images):
            return images
    def run(real, fake):
        metric = FrechetInceptionDistance(feature=Same(), input_img_size=(dimensions,)).set_dtype(torch.float64)
        metric.update(torch.from_numpy(real).double(), real=True)
        metric.update(torch.from_numpy(fake).double(), real=False)
        return {"distance": float(metric.compute())}
elif what == "eigenvalues":
    def run(real, fake):
        (m, a), (n, b) = ((side.mean(0, dtype=np.float64), np.cov(side, rowvar=False)) for side in (real, fake))
        cross = np.sqrt(np.linalg.eigvals(a @ b).astype(complex)).real.sum()
        return {"distance": float((m - n) @ (m - n) + np.trace(a) + np.trace(b) - 2 * cross)}
elif what == "matrix root":
    import scipy.linalg
    def run(real, fake):
        (m, a), (n, b) = ((side.mean(0, dtype=np.float64), np.cov(side, rowvar=False)) for side in (real, fake))
        cross = np.trace(scipy.linalg.sqrtm(a @ b)).real
        return {"distance": float((m - n) @ (m - n) + np.trace(a) + np.trace(b) - 2 * cross)}
elif what == "augan kernel":
    from augan.metrics import kernel_distance
    def run(real, fake):
        found = kernel_distance(real, fake)
        return {"distance": found.value, "error": found.error}

warm = run(real[:300], fake[:300])  # threads and libraries are awake
before, peak, done = memory(), [0.0], threading.Event()
def watch():
    while not done.wait(0.005):
        peak[0] = max(peak[0], memory())
threading.Thread(target=watch, daemon=True).start()
start = time.perf_counter()
values = run(real, fake)
seconds = time.perf_counter() - start
done.set()
print(json.dumps({"seconds": seconds, "megabytes": peak[0] - before, "values": values}))
'''


def measure(what: str, repeats: int = REPEATS) -> dict:
    """The fastest of some runs, with the least memory."""
    command = [sys.executable, "-c", WORK, what, str(ITEMS), str(DIMENSIONS), str(NEIGHBOURS)]
    found = []
    for _ in range(repeats):
        output = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent.parent)
        found.append(json.loads(output.stdout.splitlines()[-1]))
        print(what, found[-1], flush=True)
    return min(found, key=lambda one: one["seconds"])


def main() -> None:
    """Runs the benchmark."""
    names = ("augan manifolds", "prdc", "augan exact", "prdc float64")
    titles = (
        "augan, float32 features",
        "prdc 0.2, float32 features",
        "augan, float64 features",
        "prdc 0.2, float64 features",
    )
    found = [measure(name) for name in names]
    rows = []
    for title, one, theirs in zip(titles, found, (found[1], found[1], found[3], found[3]), strict=True):
        values = one["values"]
        rows.append(
            [title, f"{one['seconds']:.1f}", f"{theirs['seconds'] / one['seconds']:.1f}", f"{one['megabytes']:,.0f}"]
            + [f"{values[name]:.5f}" for name in ("precision", "recall", "density", "coverage")]
        )
    header = ["precision, recall, density, coverage", "seconds", "times as fast as prdc", "memory, MB"]
    first = table([*header, "precision", "recall", "density", "coverage"], rows)
    kinds = {
        "augan": "augan frechet",
        "torchmetrics 1.9": "torchmetrics",
        "eigenvalues of the product, by NumPy (torch-fidelity 0.4)": "eigenvalues",
        "matrix root, by SciPy (pytorch-fid, clean-fid)": "matrix root",
    }
    rows = []
    for title, name in kinds.items():
        one = measure(name, 1 if name == "matrix root" else REPEATS)
        rows.append([title, f"{one['seconds']:.2f}", f"{one['megabytes']:,.0f}", f"{one['values']['distance']:.6f}"])
    second = table(["Fréchet distance, from features", "seconds", "memory, MB", "value"], rows)
    kernel = measure("augan kernel")
    third = (
        f"Kernel distance over all pairs, with its standard error: {kernel['seconds']:.1f} s, "
        f"{kernel['megabytes']:,.0f} MB, {kernel['values']['distance']:.6f} ± {kernel['values']['error']:.6f}."
    )
    setting = (
        f"{ITEMS:,} against {ITEMS:,} items of {DIMENSIONS:,} dimensions, {NEIGHBOURS} neighbours; the fastest of "
        f"{REPEATS} processes each (the matrix root once). Memory is what the computation adds to the features."
    )
    write_section("metrics", "Measures beside other libraries", "\n\n".join([setting, first, second, third]))


if __name__ == "__main__":
    main()
