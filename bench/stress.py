"""How often short runs go wrong: three data sets, learning rates from a quarter to four times the usual, five seeds.

Each run has 20 seconds. augan's recipe `auto` as it is, PyTorch's DCGAN example, and the same networks with spectral
normalisation and hinge loss (SN-DCGAN, arXiv:1802.05957). A run has collapsed if 500 of its samples differ less than a
fifth as much as real images do in the features of a classifier of the data (within classes where the generator knows
them), and is broken if a sample is not finite. Each run's outcome is a file of bench/stress_cells/, so that the grid
can be run in pieces: `python -m bench.stress run`, and `report` writes the section.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

import augan
from augan.core.errors import AuganError
from augan.core.files import write_json
from augan.core.item import from_unit, to_unit
from augan.core.threads import ThreadGovernor
from augan.health import COLLAPSE
from augan.metrics import frechet_distance
from augan.metrics.diversity import diversity
from augan.metrics.in_domain import InDomainSpace
from bench.peers.dcgan import DCGAN
from bench.quality import Draw, Judge
from bench.report import machine, table, write_section
from bench.sets import SETS, Missing, Set

CELLS = Path(__file__).parent / "stress_cells"
DATA = ("digits", "fashion-5k", "cifar-5k")
FACTORS = (0.25, 0.5, 2.0, 4.0)
SEEDS = range(5)
SECONDS = 20.0
SAMPLES = 500


class SpectralDCGAN(DCGAN):
    """The same networks without batch normalisation in the discriminator, with spectral norm, and the hinge loss."""

    def __init__(self, images: torch.Tensor, labels: torch.Tensor, classes: int) -> None:
        super().__init__(images, labels, classes)
        layers = [layer for layer in self.discriminator if not isinstance(layer, nn.BatchNorm2d | nn.Sigmoid)]
        normed = [spectral_norm(layer) if isinstance(layer, nn.Conv2d) else layer for layer in layers]
        self.discriminator = nn.Sequential(*normed)
        self.optimizer_d = torch.optim.Adam(self.discriminator.parameters(), 2e-4, (0.5, 0.999))

    def step(self) -> int:
        real, _ = self.batches.next()
        fake = self.generator(torch.randn(len(real), 100, 1, 1))
        self.discriminator.zero_grad()
        told = F.relu(1 - self.discriminator(real)).mean() + F.relu(1 + self.discriminator(fake.detach())).mean()
        told.backward()
        self.optimizer_d.step()
        self.generator.zero_grad()
        (-self.discriminator(fake).mean()).backward()
        self.optimizer_g.step()
        return len(real)


PEERS = {"dcgan": DCGAN, "sn-hinge": SpectralDCGAN}
METHODS = ("augan", *PEERS)


@dataclass(frozen=True)
class Cell:
    """One run."""

    method: str
    data: str
    factor: float
    seed: int

    @property
    def path(self) -> Path:
        """Where its outcome is."""
        return CELLS / f"{self.method}-{self.data}-{self.factor:g}x-{self.seed}.json"


def grid() -> list[Cell]:
    """All runs."""
    return [
        Cell(method, data, factor, seed) for data in DATA for method in METHODS for factor in FACTORS for seed in SEEDS
    ]


def _augan(cell: Cell, data: Set) -> tuple[Draw | None, dict[str, Any]]:
    source = augan.open((data.images, data.labels))
    from augan.api import resolve

    config = resolve(source, minutes=SECONDS / 60, seed=cell.seed)[1]
    settings = [f"training.{name}={cell.factor * getattr(config.training, name)}" for name in RATES]
    with tempfile.TemporaryDirectory() as folder:
        try:
            run = augan.train(source, minutes=SECONDS / 60, out=f"{folder}/run", settings=settings, seed=cell.seed)
        except AuganError as error:
            return None, {"failure": str(error)}
        model = run.load("last")
        acts = [row["act"] for row in run.metrics() if "act" in row]

    def draw(count: int, labels: torch.Tensor | None, random: torch.Generator) -> torch.Tensor:
        latents = torch.randn(count, model.latent_size, generator=random)
        return model.decode(latents, labels)

    return draw, {"acts": acts}


RATES = ("learning_rate", "learning_rate_end")


def _peer(cell: Cell, data: Set) -> tuple[Draw | None, dict[str, Any]]:
    torch.manual_seed(cell.seed)
    peer = PEERS[cell.method](to_unit(data.images), torch.from_numpy(data.labels), data.classes)
    for optimizer in (peer.optimizer_d, peer.optimizer_g):
        optimizer.param_groups[0]["lr"] *= cell.factor
    start = time.monotonic()
    while time.monotonic() - start < SECONDS:
        peer.step()
    return peer.sampler(), {}


def play(cell: Cell, judge: Judge) -> dict[str, Any]:
    """Runs one and says how it ended."""
    data = judge.data
    ThreadGovernor()
    draw, about = (_peer if cell.method in PEERS else _augan)(cell, data)
    outcome = {**vars(cell), "machine": machine(), **about, **_outcome(draw, judge, cell.method not in PEERS)}
    write_json(cell.path, outcome)
    return outcome


def _outcome(draw: Draw | None, judge: Judge, conditional: bool) -> dict[str, Any]:
    if draw is None:
        return {"broken": True, "collapsed": False}
    labels = torch.arange(SAMPLES) % judge.data.classes
    with torch.no_grad():
        images = draw(SAMPLES, labels, torch.Generator().manual_seed(1)).float()
    if not bool(images.isfinite().all()):
        return {"broken": True, "collapsed": False}
    space: InDomainSpace = judge.own
    features = space.features(to_unit(from_unit(images.clamp(-1, 1))))
    known = (judge.data.real_labels, labels.numpy()) if conditional else (None, None)
    spread = diversity(judge.real, features, *known)
    return {
        "broken": False,
        "collapsed": bool(spread < COLLAPSE),
        "diversity": spread,
        "frechet": frechet_distance(judge.real, features),
    }


def run(only: list[str]) -> None:
    """Every missing cell, in one process."""
    waiting = [cell for cell in grid() if not cell.path.exists() and (not only or cell.method in only)]
    judge: Judge | None = None
    for cell in waiting:
        if judge is None or judge.data.name != cell.data:
            judge = Judge(SETS[cell.data]())
        outcome = play(cell, judge)
        shown = {key: outcome.get(key) for key in ("broken", "collapsed", "diversity", "frechet", "acts")}
        print(cell.path.stem, json.dumps(shown), flush=True)


def report() -> None:
    """Writes the section from the cells that are there."""
    found = [json.loads(path.read_text()) for path in sorted(CELLS.glob("*.json"))]
    rows = []
    for data in (*DATA, "all"):
        for method in METHODS:
            mine = [cell for cell in found if cell["method"] == method and data in (cell["data"], "all")]
            if mine:
                rows.append([data, method, len(mine), *_ends(mine), *(_middle(mine, factor) for factor in FACTORS)])
    header = ["data", "method", "runs", "not finite", "collapsed", "went back"]
    header += [f"Fréchet at {factor:g}x" for factor in FACTORS]
    machines = sorted({cell["machine"].rsplit(",", 1)[0] for cell in found})
    text = f"{len(found)} runs on {'; '.join(machines)}. {' '.join((__doc__ or '').split())} Distances are medians."
    write_section("stress", "How often runs go wrong", f"{text}\n\n{table(header, rows)}")


def _ends(cells: list[dict[str, Any]]) -> list[int]:
    broken, collapsed = (sum(cell[name] for cell in cells) for name in ("broken", "collapsed"))
    return [broken, collapsed, sum(bool(cell.get("acts")) for cell in cells)]


def _middle(cells: list[dict[str, Any]], factor: float) -> str:
    values = [cell["frechet"] for cell in cells if cell["factor"] == factor and "frechet" in cell]
    return f"{np.median(values):.2f}" if values else ""


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    whole = commands.add_parser("run", help="do all missing runs, then write the report")
    whole.add_argument("--method", action="append", default=[], choices=METHODS)
    commands.add_parser("report", help="write the section from the runs that are there")
    asked = parser.parse_args()
    if asked.command == "run":
        try:
            run(asked.method)
        except Missing as error:
            sys.exit(str(error))
    report()


if __name__ == "__main__":
    main()
