"""Peak memory of a run while its data grow tenfold.

`augan train` on 20,000 and on 200,000 images of 32x32 in three colours (61 and 614 MB), for 3,200 images with measures,
each with an empty cache: from a .npy file (mapped), an .npz file (decoded into the cache), tar shards (decoded into the
cache) and streamed tar shards. Peaks are the largest of samples every 20 ms. Resident memory includes the pages of
mapped files, which the system can take back at any time; private memory leaves them out.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from bench.report import table, write_section

COUNTS = (20_000, 200_000)
SHARD = 10_000
CLASSES = 10


def images(start: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Soft blobs whose colour is their class: quick to make, and not alike."""
    random = np.random.default_rng(start)
    labels = np.arange(start, start + count) % CLASSES
    places = random.random((count, 2, 1, 1)) * 32
    y, x = np.mgrid[:32, :32]
    blob = np.exp(-((x - places[:, 0]) ** 2 + (y - places[:, 1]) ** 2) / 60)
    colours = np.random.default_rng(0).random((CLASSES, 3))[labels]
    return (255 * blob[..., None] * colours[:, None, None]).astype(np.uint8), labels.astype(np.int64)


def write(folder: Path, count: int) -> dict[str, tuple[str, tuple[str, ...]]]:
    """The same images in each form: what to give to the command, and settings."""
    array = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (count, 32, 32, 3))
    labels = np.empty(count, np.int64)
    for start in range(0, count, SHARD):
        part, marks = images(start, SHARD)
        array[start : start + SHARD], labels[start : start + SHARD] = part, marks
        with tarfile.open(folder / f"shard-{start // SHARD:03d}.tar", "w") as tar:
            for number, (image, label) in enumerate(zip(part, marks, strict=True)):
                name = f"{start + number:07d}"
                buffer = io.BytesIO()
                Image.fromarray(image).save(buffer, "PNG", compress_level=1)
                for ending, content in (("png", buffer.getvalue()), ("cls", str(label).encode())):
                    info = tarfile.TarInfo(f"{name}.{ending}")
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
    array.flush()
    np.savez(folder / "images.npz", images=array, labels=labels)
    shards = str(folder / f"shard-{{000..{count // SHARD - 1:03d}}}.tar")
    return {
        "npy, mapped": (str(folder / "images.npy"), ()),
        "npz": (str(folder / "images.npz"), ()),
        "tar shards": (shards, ()),
        "tar shards, streamed": (shards, ("data.stream=true",)),
    }


def peaks(data: str, settings: tuple[str, ...], folder: Path) -> tuple[float, float]:
    """(resident, private) memory at its peak, in MB."""
    command = [sys.executable, "-m", "augan", "train", data, "--out", str(folder / "run"), "--images", "3200"]
    command += ["--recipe", "strided", "--quiet"]
    for setting in ("training.threads=1", "training.snapshots=2", "training.measure_images=200", *settings):
        command += ["--set", setting]
    environment = {**os.environ, "AUGAN_CACHE": str(folder / "cache")}
    process = subprocess.Popen(command, env=environment)
    watched, resident, private = psutil.Process(process.pid), 0, 0
    while process.poll() is None:
        with suppress(psutil.NoSuchProcess):
            found = watched.memory_info()
            resident, private = max(resident, found.rss), max(private, found.rss - found.shared)
        time.sleep(0.02)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed")
    return resident / 2**20, private / 2**20


def main() -> None:
    """Runs the benchmark."""
    found: dict[str, list[tuple[float, float]]] = {}
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as name:
            for form, (data, settings) in write(Path(name), count).items():
                with tempfile.TemporaryDirectory() as out:
                    found.setdefault(form, []).append(peaks(data, settings, Path(out)))
                print(count, form, found[form][-1], flush=True)
    rows = [
        [form, *(f"{value:.0f}" for pair in zip(*both, strict=True) for value in pair)]
        + [f"{both[1][kind] / both[0][kind]:.2f}" for kind in (0, 1)]
        for form, both in found.items()
    ]
    header = ["data", *(f"{kind}, {count:,}" for kind in ("resident", "private") for count in COUNTS)]
    body = [
        " ".join((__doc__ or "").split()),
        table([*header, "resident, ratio", "private, ratio"], rows),
    ]
    write_section("memory", "Memory", "\n\n".join(body))


if __name__ == "__main__":
    main()
