"""Translations beside leaving the input as it is and beside L1 alone, each for as many images as the rest.

Membranes: electron-microscopy images and masks of their membranes, 24 images cut into tiles of 128 pixels to learn from
and 6 to test on, both directions. Colours: 5,000 grey images of CIFAR-10 to colours, 500 test images. Horses to deer of
CIFAR-10, unpaired: CUT, FastCUT and CycleGAN. IoU is that of membranes at the middle grey; "colours" is the Fréchet
distance between mean and deviation of each image's channels in translations and in targets. Outcomes are files of
bench/translate_cells/: `python -m bench.translate run [SETTING ...]`, and `report` writes the section.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from augan import translate
from augan.core.files import read_json, write_json
from augan.metrics import frechet_distance
from augan.translate import Row
from augan.translate.measure import measured, space_of
from bench.report import machine, table, write_section
from bench.sets import Missing, cifar

CELLS = Path(__file__).parent / "translate_cells"
HORSE, DEER = 7, 4


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Images of both sides to learn from and to test on, and the ways to compare: recipe and settings."""

    a: np.ndarray
    b: np.ndarray
    test_a: np.ndarray
    test_b: np.ndarray
    paired: bool
    ways: dict[str, tuple[str, tuple[str, ...]]]
    images: int
    masks: bool = False


def _tiles(images: np.ndarray, side: int = 128) -> np.ndarray:
    count, height, width = images.shape[:3]
    parts = images.reshape(count, height // side, side, width // side, side, -1).swapaxes(2, 3)
    return parts.reshape(-1, side, side, parts.shape[-1])


def membranes(back: bool) -> Setting:
    """Masks to cells, or cells to masks."""
    from PIL import Image

    path = Path(os.environ.get("AUGAN_BENCH_DATA", "")) / "membranes.zip"
    if not path.is_file():
        raise Missing("membranes: set AUGAN_BENCH_DATA to the folder with membranes.zip")
    sides: dict[str, list[np.ndarray]] = {"cells": [], "masks": []}
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            kind = Path(name).parent.name
            if name.endswith(".png") and kind in sides:
                sides[kind].append(np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("L")))
    masks, cells = (np.stack(sides[kind])[..., None] for kind in ("masks", "cells"))
    a, b = (cells, masks) if back else (masks, cells)
    ways = {"pix2pix": ("pix2pix", ("l1=30",)), "L1 alone": ("pix2pix", ("l1=30", "adversarial=0"))}
    parts = [_tiles(side) for side in (a[:24], b[:24], a[24:], b[24:])]
    return Setting(
        a=parts[0], b=parts[1], test_a=parts[2], test_b=parts[3], paired=True, ways=ways, images=6_000, masks=back
    )


def colours() -> Setting:
    """Grey to colour."""
    images, _, test, _ = cifar()
    rows, others = np.arange(0, 50_000, 10), np.arange(0, 10_000, 20)
    grey = lambda part: part.mean(3, keepdims=True).round().astype(np.uint8)  # noqa: E731
    ways = {"pix2pix": ("pix2pix", ()), "L1 alone": ("pix2pix", ("adversarial=0",))}
    return Setting(
        a=grey(images[rows]),
        b=images[rows],
        test_a=grey(test[others]),
        test_b=test[others],
        paired=True,
        ways=ways,
        images=20_000,
    )


def animals() -> Setting:
    """Horses to deer."""
    images, labels, test, truth = cifar()
    ways: dict[str, tuple[str, tuple[str, ...]]] = {name: (name, ()) for name in ("cut", "fastcut", "cyclegan")}
    sides = [images[labels == HORSE], images[labels == DEER], test[truth == HORSE], test[truth == DEER]]
    return Setting(a=sides[0], b=sides[1], test_a=sides[2], test_b=sides[3], paired=False, ways=ways, images=8_000)


SETTINGS: dict[str, Callable[[], Setting]] = {
    "cells to masks": lambda: membranes(True),
    "masks to cells": lambda: membranes(False),
    "grey to colour": colours,
    "horses to deer": animals,
}


def overlap(made: np.ndarray, targets: np.ndarray) -> float:
    """Intersection over union of what is dark (membranes are 0, cells 255)."""
    ours, theirs = made < 128, targets < 128
    return float((ours & theirs).sum() / max(1, (ours | theirs).sum()))


def colour_distance(made: np.ndarray, targets: np.ndarray) -> float:
    """Fréchet distance of per-image means and deviations of channels, in levels."""
    moments = [np.concatenate([side.mean((1, 2)), side.std((1, 2))], 1) for side in (made, targets)]
    return float(frechet_distance(*moments))


def play(name: str, way: str, setting: Setting) -> None:
    """One way of a setting."""
    path = CELLS / f"{name}-{way}.json".replace(" ", "-")
    if path.exists():
        return
    space = space_of(setting.test_b)
    start = time.monotonic()
    made = setting.test_a
    if way == "identity":
        if made.shape[3] != setting.test_b.shape[3]:
            made = np.repeat(made, setting.test_b.shape[3], 3)
    else:
        recipe, settings = setting.ways[way]
        with tempfile.TemporaryDirectory() as folder:
            run = translate.train(
                setting.a,
                setting.b,
                paired=setting.paired,
                recipe=recipe,
                images=setting.images,
                out=Path(folder) / "run",
                settings=["snapshots=1", *settings],
            )
            made = translate.load(run.path).translate(made, "a2b")
    row: Row = measured(made, setting.test_b, setting.paired, space)
    more = {"iou": overlap(made, setting.test_b) if setting.masks else None}
    more["colours"] = colour_distance(made, setting.test_b) if made.shape[3] == 3 else None
    seconds = time.monotonic() - start
    document = {"setting": name, "way": way, "seconds": seconds, "machine": machine(), **asdict(row), **more}
    write_json(path, document)
    print(name, way, {key: value for key, value in document.items() if value is not None}, flush=True)


def report() -> None:
    """Writes the section from what is there."""
    found: list[dict[str, Any]] = [read_json(path) for path in sorted(CELLS.glob("*.json"))]
    columns = {
        "l1": "L1",
        "psnr": "PSNR",
        "ssim": "SSIM",
        "retrieval": "retrieval",
        "iou": "IoU",
        "colours": "colours",
        "frechet": "Fréchet",
        "two_sample": "two-sample accuracy",
    }
    rows = []
    for name in SETTINGS:
        for cell in (cell for cell in found if cell["setting"] == name):
            values = ["" if cell[key] is None else f"{cell[key]:.3f}" for key in columns]
            rows.append([name, cell["way"], f"{cell['seconds']:.0f}", *values])
    machines = sorted({cell["machine"].rsplit(",", 1)[0] for cell in found})
    text = f"On {'; '.join(machines)}. {' '.join((__doc__ or '').split())}"
    header = ["setting", "way", "seconds", *columns.values()]
    write_section("translate", "From image to image", f"{text}\n\n{table(header, rows)}")


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    whole = commands.add_parser("run", help="do all missing cells, then write the report")
    whole.add_argument("settings", nargs="*", metavar="SETTING", help=f"of: {'; '.join(SETTINGS)}")
    commands.add_parser("report", help="write the section from the cells that are there")
    asked = parser.parse_args()
    if asked.command == "run":
        for name in asked.settings or SETTINGS:
            try:
                setting = SETTINGS[name]()
            except Missing as error:
                print(f"{name} is left out: {error}", file=sys.stderr)
                continue
            for way in ("identity", *setting.ways):
                play(name, way, setting)
    report()


if __name__ == "__main__":
    main()
