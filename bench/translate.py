"""Translations beside leaving the input as it is and beside L1 alone, each for as many images as the rest.

Membranes: electron-microscopy images and masks of their membranes, 24 images cut into tiles of 128 pixels to learn from
and 6 to test on, both directions. Colours: 5,000 grey images of CIFAR-10 to colours, 500 test images. Line art:
OpenMoji from outlines to colours, a tenth of the emoji to test on; skins and genders of one are on one side. Horses to
deer of CIFAR-10 and back, unpaired: CUT, FastCUT and CycleGAN. Noto to Twemoji and back at 32x32, learnt unpaired, from
other emoji on either side, and tested on a tenth of the emoji as pairs. IoU is that of membranes at the middle grey;
"colours" is the Fréchet distance between mean and deviation of each image's channels in translations and in targets.
Budgets are images of a side, and the same for all ways of a setting; seconds are of the clock, and other work ran
beside most cells, up to ten times as slow as an idle machine's. Outcomes are files of bench/translate_cells/:
`python -m bench.translate run [SETTING ...]`, `throughput` for the speed of `translate` beside the bare generator, and
`report` writes the section.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from augan import translate
from augan.core.files import read_json, write_json
from augan.core.item import ItemSpec, to_unit
from augan.metrics import frechet_distance
from augan.translate import Row, TranslationModel, translation_config
from augan.translate.measure import measured, space_of
from augan.translate.networks import build_generator
from bench.report import machine, table, write_section
from bench.sets import Missing, cifar, one_emoji, openmoji, two_emoji_styles

CELLS = Path(__file__).parent / "translate_cells"
THROUGHPUT = Path(__file__).parent / "translate_throughput.json"
THROUGHPUT_IMAGES, TURNS, BATCHES = 1_000, 5, (1, 8, 16, 64)
HORSE, DEER = 7, 4


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Images of both sides to learn from and to test on, and the ways to compare: recipe and settings.

    `truth`: whether test images are pairs, which settings that learn from pairs have anyway.
    """

    a: np.ndarray
    b: np.ndarray
    test_a: np.ndarray
    test_b: np.ndarray
    paired: bool
    ways: dict[str, tuple[str, tuple[str, ...]]]
    images: int
    masks: bool = False
    truth: bool = False


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
    common = ("l1=100", "average=500")
    ways = {"pix2pix": ("pix2pix", common), "L1 alone": ("pix2pix", (*common, "adversarial=0"))}
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


def animals(back: bool) -> Setting:
    """Horses to deer, or deer to horses."""
    images, labels, test, truth = cifar()
    ways: dict[str, tuple[str, tuple[str, ...]]] = {name: (name, ()) for name in ("cut", "cyclegan", "fastcut")}
    a, b = (DEER, HORSE) if back else (HORSE, DEER)
    sides = [images[labels == a], images[labels == b], test[truth == a], test[truth == b]]
    return Setting(a=sides[0], b=sides[1], test_a=sides[2], test_b=sides[3], paired=False, ways=ways, images=3_200)


def split_by_emoji(codes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from, and rows to test on: a tenth of the emoji, the same each time."""
    drawn = np.array([one_emoji(code) for code in codes])
    known = np.unique(drawn)
    tested = np.random.default_rng(0).permutation(known)[: len(known) // 10]
    held = np.isin(drawn, tested)
    return np.flatnonzero(~held), np.flatnonzero(held)


def line_art() -> Setting:
    """Outlines to coloured drawings."""
    lines, drawings, codes = openmoji()
    rows, others = split_by_emoji(codes)
    return Setting(
        a=lines[rows],
        b=drawings[rows],
        test_a=lines[others],
        test_b=drawings[others],
        paired=True,
        ways={"pix2pix": ("pix2pix", ()), "L1 alone": ("pix2pix", ("adversarial=0",))},
        images=6_000,
    )


def styles(back: bool) -> Setting:
    """Noto to Twemoji, or Twemoji to Noto: half of the emoji on either side, so that there are no pairs."""
    noto, twemoji, codes = two_emoji_styles(32)
    a, b = (twemoji, noto) if back else (noto, twemoji)
    rows, others = split_by_emoji(codes)
    rows = np.random.default_rng(1).permutation(rows)
    half = len(rows) // 2
    return Setting(
        a=a[rows[:half]],
        b=b[rows[half:]],
        test_a=a[others],
        test_b=b[others],
        paired=False,
        truth=True,
        ways={name: (name, ()) for name in ("cut", "cyclegan")},
        images=3_200,
    )


SETTINGS: dict[str, Callable[[], Setting]] = {
    "cells to masks": lambda: membranes(True),
    "masks to cells": lambda: membranes(False),
    "grey to colour": colours,
    "line art to colour, emoji": line_art,
    "horses to deer": lambda: animals(False),
    "deer to horses": lambda: animals(True),
    "Noto to Twemoji": lambda: styles(False),
    "Twemoji to Noto": lambda: styles(True),
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
    path = CELLS / f"{name}-{way}.json".replace(" ", "-").replace(",", "")
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
    row: Row = measured(made, setting.test_b, setting.paired or setting.truth, space)
    more = {"iou": overlap(made, setting.test_b) if setting.masks else None}
    more["colours"] = colour_distance(made, setting.test_b) if made.shape[3] == 3 else None
    seconds = time.monotonic() - start
    document = {"setting": name, "way": way, "seconds": seconds, "machine": machine(), **asdict(row), **more}
    write_json(path, document)
    print(name, way, {key: value for key, value in document.items() if value is not None}, flush=True)


def throughput() -> None:
    """1,000 images of 64x64 through `translate`, and through the bare generator in batches of several sizes.

    Takes turns, so that what else the machine does falls on all alike; medians of processor time.
    """
    item = ItemSpec(channels=3, height=64, width=64)
    images = np.random.default_rng(0).integers(0, 256, (THROUGHPUT_IMAGES, 64, 64, 3), dtype=np.uint8)
    found: list[dict[str, Any]] = []
    for recipe in ("pix2pix", "cut", "sincut"):
        generator = build_generator(translation_config(recipe, images=1), item, item)
        model = TranslationModel({"a2b": generator}, item, item)
        acts: dict[str, Callable[[], object]] = {"translate": partial(model.translate, images)}
        acts |= {f"bare, batches of {size}": partial(_bare, generator, to_unit(images), size) for size in BATCHES}
        times: dict[str, list[float]] = {}
        for turn in range(TURNS + 1):
            for name, act in acts.items():
                started = time.process_time()
                act()
                if turn:  # the first one warms up
                    times.setdefault(name, []).append(time.process_time() - started)
        medians = {name: float(np.median(values)) for name, values in times.items()}
        best = min(value for name, value in medians.items() if name != "translate")
        found.append({"recipe": recipe, "seconds": medians, "ratio": medians["translate"] / best})
        print(found[-1], flush=True)
        write_json(THROUGHPUT, {"machine": machine(), "rows": found})


@torch.no_grad()
def _bare(generator: torch.nn.Module, images: torch.Tensor, size: int) -> None:
    for start in range(0, len(images), size):
        generator(images[start : start + size])


def _throughput_table() -> str:
    if not THROUGHPUT.exists():
        return ""
    document = read_json(THROUGHPUT)
    header = ["recipe", *document["rows"][0]["seconds"], "translate over the best bare one"]
    rows = [
        [row["recipe"], *(f"{value:.2f}" for value in row["seconds"].values()), f"{row['ratio']:.2f}"]
        for row in document["rows"]
    ]
    text = f"{THROUGHPUT_IMAGES:,} images of 64x64, seconds of processor time, medians of {TURNS} turns"
    return f"\n\n### Speed\n\n{text}. On {document['machine']}.\n\n{table(header, rows)}"


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
    write_section("translate", "From image to image", f"{text}\n\n{table(header, rows)}{_throughput_table()}")


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    whole = commands.add_parser("run", help="do all missing cells, then write the report")
    whole.add_argument("settings", nargs="*", metavar="SETTING", help=f"of: {'; '.join(SETTINGS)}")
    commands.add_parser("throughput", help="measure the speed of translate, then write the report")
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
    if asked.command == "throughput":
        throughput()
    report()


if __name__ == "__main__":
    main()
