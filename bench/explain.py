"""What can be found in a GAN of sprites whose factors are known, and how well it inverts and is attributed.

Sprites are squares on a dark ground, 16x16, with four factors drawn independently: place from left to right and from
top to bottom, size, colour from blue to red. A GAN learns 4,000 of them without labels (recipe auto, latents of 16
numbers, a run of 400,000 images, of which the best checkpoint is asked). A regressor, taught on other sprites with the
true factors, reads factors off generated ones. 256 samples are moved to -3, ..., 3 deviations along a direction; R2 is
the share of a factor's variance, over samples and strengths, that the strength alone decides. For each factor the best
of 8 directions is chosen by one half of the samples and judged by the other half. Random directions get the same choice
of 8, five times over. Outcomes are files of bench/explain_cells/: `python -m bench.explain run` does the missing ones,
`report` writes the section. Times of attribution and inversion are of the processor, on one thread; other processes ran
beside it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import augan
from augan.checkpoint import find_checkpoint
from augan.core.files import read_json, write_json
from augan.core.item import from_unit, to_unit
from augan.core.pictures import save_sheet
from augan.explain import (
    Direction,
    InversionConfig,
    decided_share,
    directions,
    edit,
    integrated_gradients,
    invert,
    load_critic,
    path_length,
    responses,
    sanity,
    supervised,
)
from augan.explain.effects import STRENGTHS
from augan.explain.players import Critic
from bench.report import machine, table, write_section

CELLS = Path(__file__).parent / "explain_cells"
PICTURES = Path(__file__).parent.parent / "docs" / "images"
SEEDS = (0, 1)
SIDE, TRAINED, IMAGES, LATENT_SIZE = 16, 4_000, 400_000, 16
FACTORS = ("left to right", "top to bottom", "size", "colour")
METHODS = ("sefa", "pca", "jacobian")
COUNT, SAMPLES, RANDOM_SETS = 8, 256, 5
INVERTED, CANDIDATES, ATTRIBUTED = 64, 10_000, 32
ENOUGH = 0.8


def sprites(count: int, seed: int, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """(n, side, side, 3) uint8 and their factors (n, 4), uniform in 0 to 1; edges between pixels are blended."""
    factors = np.random.default_rng(seed).random((count, 4))
    half = (3 + 4 * factors[:, 2]) * side / 32
    margin = half + side / 32
    places = np.arange(side) + 0.5

    def covered(share: np.ndarray) -> np.ndarray:
        centre = margin + (side - 2 * margin) * share
        return np.clip(half[:, None] + 0.5 - np.abs(places - centre[:, None]), 0, 1)

    square = covered(factors[:, 1])[:, :, None] * covered(factors[:, 0])[:, None, :]
    red = 60 + 195 * factors[:, 3]
    colours = np.stack([red, np.full(count, 90.0), 315 - red], 1)
    images = square[..., None] * colours[:, None, None] + 20 * (1 - square[..., None])
    return images.round().astype(np.uint8), factors


def taught_regressor(steps: int = 1_500) -> tuple[nn.Module, list[float]]:
    """A small network from sprites to factors, and its R2 on sprites that it has not seen."""
    images, factors = sprites(7_000, seed=1_000)
    x, y = to_unit(images).contiguous(), torch.from_numpy(factors).float()
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 32, 3, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(32, 64, 3, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(64 * (SIDE // 4) ** 2, 64),
        nn.LeakyReLU(0.2),
        nn.Linear(64, len(FACTORS)),
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=steps)
    for _ in range(steps):
        rows = torch.randint(0, 6_000, (64,))
        loss = (network(x[rows]) - y[rows]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        rest = (network(x[6_000:]) - y[6_000:]).square().mean(0) / y[6_000:].var(0)
    return network.eval().requires_grad_(False), (1 - rest).tolist()


def recovered(model: augan.Model, found: list[Direction], reads: dict[str, Callable[[Tensor], Tensor]]) -> list[float]:
    """For each factor, R2 by the best direction: chosen on one half of the samples, judged on the other."""
    all_of_them = [responses(model, entry, reads, latents=SAMPLES, seed=7) for entry in found]
    half = SAMPLES // 2
    choice = np.array([decided_share(part[:half]) for part in all_of_them]).argmax(0)
    judged = np.array([decided_share(part[half:]) for part in all_of_them])
    return [float(judged[best, factor]) for factor, best in enumerate(choice)]


def found_directions(model: augan.Model, regressor: nn.Module) -> dict[str, Any]:
    """R2 of each factor by method."""

    def read(column: int) -> Callable[[Tensor], Tensor]:
        return lambda items: regressor(items)[:, column]

    reads = {name: read(column) for column, name in enumerate(FACTORS)}
    result: dict[str, Any] = {name: recovered(model, directions(model, name, COUNT)[0], reads) for name in METHODS}
    result["supervised"] = recovered(model, [supervised(model, score, name) for name, score in reads.items()], reads)
    sets = [recovered(model, directions(model, "random", COUNT, seed)[0], reads) for seed in range(RANDOM_SETS)]
    result["random, mean"] = np.mean(sets, 0).tolist()
    result["random, largest"] = np.max(sets, 0).tolist()
    return result


def attributed(critic: Critic, items: Tensor) -> dict[str, Any]:
    """Completeness of integrated gradients, and what is left of maps after weights are drawn anew."""
    baseline = items.mean(0)
    began = time.process_time()
    found = integrated_gradients(critic, items[:ATTRIBUTED], baseline)
    seconds = time.process_time() - began

    def score_of(network: nn.Module) -> Callable[[Tensor], Tensor]:
        return Critic(network, conditional=False)

    kept = sanity(critic.network, score_of, items[:ATTRIBUTED], baseline)
    return {
        "items": ATTRIBUTED,
        "worst_error": float(found.error.max()),
        "mean_error": float(found.error.mean()),
        "most_steps": int(found.steps.max()),
        "seconds_per_item": seconds / ATTRIBUTED,
        "correlation": kept,
    }


def inverted(model: augan.Model, images: Tensor) -> dict[str, Any]:
    """Inversion of training images together, and of one alone."""
    config = InversionConfig(candidates=CANDIDATES)
    times = [time.process_time()]
    found = invert(model, images[:INVERTED], config=config).to_json()
    times.append(time.process_time())
    invert(model, images[:1], config=config)
    times.append(time.process_time())
    together, alone = np.diff(times).tolist()
    kept = ("images", "mean_error", "mean_nearest_error", "better_than_nearest")
    return {name: found[name] for name in kept} | {"seconds_per_image": together / INVERTED, "seconds_alone": alone}


def play(seed: int) -> None:
    """One GAN and all that is asked of it."""
    path = CELLS / f"sprites-{seed}.json"
    if path.exists():
        return
    torch.set_num_threads(1)
    settings = [f"networks.latent_size={LATENT_SIZE}", "training.threads=1", "training.snapshots=2"]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        run = augan.train(sprites(TRAINED, seed=0)[0], images=IMAGES, out=out, settings=settings, seed=seed)
        document = {"seed": seed, "machine": machine(), **asked(run)}
        if seed == SEEDS[0]:
            draw(augan.load(run.path))
    write_json(path, document)
    print(document, flush=True)


def asked(run: augan.Run) -> dict[str, Any]:
    """What a run of sprites has learnt, in numbers."""
    regressor, fits = taught_regressor()
    items = to_unit(sprites(TRAINED, seed=0)[0][: max(INVERTED, ATTRIBUTED)]).contiguous()
    model, critic = augan.load(run.path), load_critic(run.path)
    length, seen = path_length(model), int(find_checkpoint(run.path).name)
    rows = [row for row in run.metrics() if row["images_seen"] <= seen]
    return {
        "images_seen": seen,
        "finished": run.result() is not None,
        "training_seconds": rows[-1]["elapsed_sec"],
        "images_per_sec": max(row["images_per_sec"] for row in rows if "images_per_sec" in row),
        "frechet": (run.quality() or {})["frechet"],
        "regressor": fits,
        "r2": found_directions(model, regressor),
        "attribution": attributed(critic, items),
        "inversion": inverted(model, items),
        "path_length_pixels": [length.pixels, length.pixels_error],
    }


def draw(model: augan.Model) -> None:
    """The pictures of docs/explain.md: a sample along the first directions, and six images inverted."""
    latents = model.latents(3)[2:]
    found = directions(model, "sefa", COUNT)[0]
    rows = torch.stack([torch.cat([edit(model, latents, entry, amount) for amount in STRENGTHS]) for entry in found])
    images = to_unit(sprites(TRAINED, seed=0)[0][:6]).contiguous()
    made = invert(model, images)
    sides = torch.stack([images, made.reconstructions, made.nearest])
    for name, strip, names in (
        ("directions", rows, [entry.name for entry in found]),
        ("inversion", sides, ["image", "reconstruction", "nearest sample"]),
    ):
        save_sheet(PICTURES / f"explain-{name}.png", from_unit(strip.flatten(0, 1)), strip.shape[1], names)


def report() -> None:
    """Writes the section from what is there."""
    found: list[dict[str, Any]] = [read_json(path) for path in sorted(CELLS.glob("*.json"))]
    if not found:
        return
    parts = [
        " ".join((__doc__ or "").split()),
        "### Factors found\n\n"
        + table(["GAN", "directions", *FACTORS, f"R2 at {ENOUGH:g} or more"], _factor_rows(found)),
        "### Attribution and inversion\n\n" + table(*_check_table(found)),
        "Correlations are Spearman's, of maps before and after all weights of the discriminator are drawn anew (means "
        "of 3 draws): signed integrated gradients, their sizes (which the difference from the baseline keeps alike in "
        "any network), Grad-CAM. Errors of inversion are mean squared differences on the scale of -1 to 1.",
    ]
    write_section("explain", "What a GAN of known factors has learnt", "\n\n".join(parts))


def _factor_rows(found: list[dict[str, Any]]) -> list[list[str]]:
    rows = []
    for cell in found:
        first = ["(regressor on real sprites)", *(f"{value:.3f}" for value in cell["regressor"]), ""]
        rows.append([f"seed {cell['seed']}", *first])
        for name, values in cell["r2"].items():
            enough = sum(value >= ENOUGH for value in values)
            rows.append([f"seed {cell['seed']}", name, *(f"{value:.2f}" for value in values), f"{enough} of 4"])
    return rows


def _check_table(found: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    header = ["what", *(f"seed {cell['seed']}" for cell in found)]
    looks: dict[str, Callable[[dict[str, Any]], str]] = {
        "completeness error, worst of 32 items": lambda c: f"{c['attribution']['worst_error']:.2%}",
        "the same, mean": lambda c: f"{c['attribution']['mean_error']:.2%}",
        "steps, most": lambda c: f"{c['attribution']['most_steps']}",
        "seconds an item": lambda c: f"{c['attribution']['seconds_per_item']:.2f}",
        "correlation, signed": lambda c: _correlation(c, "integrated_gradients"),
        "correlation, sizes": lambda c: _correlation(c, "integrated_gradients_size"),
        "correlation, Grad-CAM": lambda c: _correlation(c, "grad_cam"),
        "inverted training images": lambda c: f"{c['inversion']['images']}",
        "error of the inversion": lambda c: f"{c['inversion']['mean_error']:.5f}",
        "error of the nearest of 10,000 samples": lambda c: f"{c['inversion']['mean_nearest_error']:.5f}",
        "images with a lower error than that": lambda c: f"{c['inversion']['better_than_nearest']:.0%}",
        "seconds an image, 64 together": lambda c: f"{c['inversion']['seconds_per_image']:.2f}",
        "seconds of one image alone": lambda c: f"{c['inversion']['seconds_alone']:.2f}",
        "path length in pixels": lambda c: "{:.3f} ± {:.3f}".format(*c["path_length_pixels"]),
        "Fréchet distance of the GAN": lambda c: f"{c['frechet']:.2f}",
        "images seen by the checkpoint": lambda c: f"{c['images_seen']:,}",
        "run": lambda c: "finished" if c["finished"] else "stopped before its end",
        "seconds of training": lambda c: f"{c['training_seconds']:.0f}",
        "images a second, the most": lambda c: f"{c['images_per_sec']:,.0f}",
    }
    return header, [[name, *(look(cell) for cell in found)] for name, look in looks.items()]


def _correlation(cell: dict[str, Any], kind: str) -> str:
    return f"{cell['attribution']['correlation'][kind]:.2f}"


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("run", "report"), help="do the missing cells and write; or write only")
    if parser.parse_args().command == "run":
        for seed in SEEDS:
            play(seed)
    report()


if __name__ == "__main__":
    main()
