"""Quality against seconds: augan beside other recipes, each alone on the machine.

A cell is (data, method, seconds, seed). Its training is timed without sampling and measuring; copies of the generator
are kept at marks on the way, sampled and judged afterwards: 2,500 samples, classes equally often, against up to 5,000
real images, held out where the set has such. The judge is an in-domain classifier that learns from the whole training
set for 2,000 steps, and is the same for all methods. Each cell ends in a file of bench/cells/, so that the benchmark
can be run in pieces and goes on where it stopped: `python -m bench.quality run` does what is missing, `report` writes
the section.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import augan
from augan.core.config import override, to_dict
from augan.core.devices import autocast_dtype
from augan.core.item import from_unit, to_unit
from augan.core.threads import ThreadGovernor
from augan.data import cache_folder, class_counts
from augan.metrics import frechet_distance, in_domain, open_space
from augan.metrics.manifold import manifolds
from augan.recipes import Budget, recipe_config
from augan.training import Observer, Progress, Trainer
from bench.peers import PEERS
from bench.report import machine, table, write_section
from bench.sets import SETS, Missing, Set

CELLS = Path(os.environ.get("AUGAN_BENCH_CELLS", Path(__file__).parent / "cells"))
SAMPLES = 2_500
JUDGE_STEPS = 2_000
MARKS = (2, 3, 5, 7, 10, 15, 20, 30, 40, 60, 90, 120, 180, 240, 300, 450, 600, 900, 1200, 1800)
BUDGETS = (60, 300, 1800)
Draw = Callable[[int, Tensor | None, torch.Generator], Tensor]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What is run. `settings` change augan's recipe; `method` is then any name for that."""

    data: str
    method: str
    seconds: int
    seed: int = 0
    recipe: str = "auto"
    settings: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Where its result is."""
        return CELLS / self.data / f"{self.method}-{self.seconds}s-{self.seed}.json"


@dataclass(frozen=True)
class Mark:
    """A generator on the way."""

    seconds: float
    images: int
    draw: Draw


# ---------------------------------------------------------------------- training


class _Keeper(Observer):
    """Copies augan's averaged generator when a mark is passed."""

    def __init__(self, marks: Sequence[int]) -> None:
        self.waiting, self.kept = list(marks), list[Mark]()
        self.trainer: Trainer | None = None

    def begin(self, folder: Path, summary: list[str]) -> None:
        print("  " + "; ".join(summary[:3]), file=sys.stderr)

    def progress(self, now: Progress) -> None:
        assert self.trainer is not None
        elapsed = self.trainer.state.counters.elapsed_sec
        if self.waiting and elapsed >= self.waiting[0]:
            self.keep(elapsed)
            while self.waiting and elapsed >= self.waiting[0]:
                self.waiting.pop(0)

    def keep(self, elapsed: float) -> None:
        """Takes a copy now."""
        assert self.trainer is not None
        generator = copy.deepcopy(self.trainer.state.average).eval()
        size, conditional = self.trainer.model.latent_size, self.trainer.model.conditional

        def draw(count: int, labels: Tensor | None, random: torch.Generator) -> Tensor:
            latents = torch.randn(count, size, generator=random)
            images: Tensor = generator(latents, labels) if conditional else generator(latents)
            return images

        self.kept.append(Mark(elapsed, self.trainer.state.counters.images_seen, draw))


def _marks(seconds: int) -> list[int]:
    return [mark for mark in MARKS if mark < 0.97 * seconds]


def _train_augan(cell: Cell, data: Set) -> tuple[list[Mark], dict[str, Any]]:
    source = augan.open((data.images, data.labels))
    budget = Budget(minutes=cell.seconds / 60)
    config = recipe_config(cell.recipe, source.item, len(source), class_counts(source), budget)
    settings = ["training.measure_images=0", "training.snapshots=1", f"seed={cell.seed}", *cell.settings]
    config = override(config, settings)
    keeper = _Keeper(_marks(cell.seconds))
    with tempfile.TemporaryDirectory() as folder:
        keeper.trainer = Trainer(source, config, Path(folder) / "run", observer=keeper)
        run = keeper.trainer.run()
        result = run.result() or {}
    keeper.keep(result["elapsed_sec"])
    return keeper.kept, {"config": to_dict(config), "images_per_sec": result["images_per_sec"]}


def _train_peer(cell: Cell, data: Set) -> tuple[list[Mark], dict[str, Any]]:
    torch.manual_seed(cell.seed)
    ThreadGovernor()
    peer = PEERS[cell.method](to_unit(data.images), torch.from_numpy(data.labels), data.classes)
    few = {20, 60, 120, 300, 600}  # a sample of these takes as long as many rounds of augan's
    waiting = [mark for mark in _marks(cell.seconds) if mark in few or not PEERS[cell.method].slow]
    kept = list[Mark]()
    elapsed, images = 0.0, 0
    while elapsed < cell.seconds:
        start = time.monotonic()
        images += peer.step()
        elapsed += time.monotonic() - start
        if waiting and elapsed >= waiting[0]:
            kept.append(Mark(elapsed, images, peer.sampler()))
            while waiting and elapsed >= waiting[0]:
                waiting.pop(0)
    kept.append(Mark(elapsed, images, peer.sampler()))
    return kept, {"images_per_sec": images / elapsed}


# ---------------------------------------------------------------------- judging


class Judge:
    """Features of real images, once, in the in-domain and the bundled space."""

    def __init__(self, data: Set) -> None:
        self.data = data
        learnt = augan.open((data.judge_images, data.judge_labels))
        self.own = in_domain.cached_extractor(learnt, learnt.key, cache_folder(), steps=JUDGE_STEPS)
        self.real = self.own.features(to_unit(data.real))
        self._bundled: tuple[Any, np.ndarray] | None = None

    def _samples(self, draw: Draw) -> tuple[Tensor, np.ndarray]:
        random = torch.Generator().manual_seed(1)
        labels = torch.arange(SAMPLES) % self.data.classes
        parts = []
        dtype = autocast_dtype(torch.device("cpu"))
        with torch.no_grad(), torch.autocast("cpu", dtype=dtype, enabled=dtype is not None):
            for start in range(0, SAMPLES, 250):
                some = labels[start : start + 250]
                parts.append(from_unit(draw(len(some), some, random).float().clamp(-1, 1)))
        return to_unit(np.concatenate(parts)), labels.numpy()

    def measure(self, draw: Draw, whole: bool) -> dict[str, float]:
        """Distances and shares of one generator's samples; the bundled space and the manifolds only if `whole`."""
        images, labels = self._samples(draw)
        features = self.own.features(images)
        right = self.own.probabilities(features).argmax(1) == labels
        found = {"frechet": frechet_distance(self.real, features), "agreement": float(right.mean())}
        if whole:
            near = manifolds(self.real, features)
            for name in ("precision", "recall", "density", "coverage"):
                found[name] = float(getattr(near, name).mean())
            if self._bundled is None:
                space = open_space("bundled", augan.open(self.data.real), "", cache_folder())
                self._bundled = space, space.features(to_unit(self.data.real))
            space, real = self._bundled
            found["frechet_bundled"] = frechet_distance(real, space.features(images))
        return found


def run_cell(cell: Cell) -> dict[str, Any]:
    """Trains, judges, writes the cell's file."""
    data = SETS[cell.data]()
    marks, about = (_train_peer if cell.method in PEERS else _train_augan)(cell, data)
    ThreadGovernor()
    judge = Judge(data)
    curve = []
    for number, mark in enumerate(marks):
        whole = number == len(marks) - 1 or any(abs(mark.seconds / budget - 1) < 0.05 for budget in BUDGETS)
        found = judge.measure(mark.draw, whole)
        curve.append({"seconds": mark.seconds, "images": mark.images, **found})
    conditional = cell.method not in PEERS or PEERS[cell.method].conditional
    document = {
        "data": cell.data,
        "method": cell.method,
        "seconds": cell.seconds,
        "seed": cell.seed,
        "conditional": conditional,
        "settings": list(cell.settings),
        "machine": machine(),
        "version": augan.__version__,
        "judge": {"hash": judge.own.hash, "accuracy": judge.own.accuracy, "real": len(data.real), "samples": SAMPLES},
        "held_out": data.held_out,
        "curve": curve,
        **about,
    }
    cell.path.parent.mkdir(parents=True, exist_ok=True)
    cell.path.write_text(json.dumps(document, indent=1) + "\n")
    last = curve[-1]
    print(
        f"{cell.data} {cell.method} {cell.seconds}s seed {cell.seed}: "
        + " ".join(f"{key} {value:.3f}" for key, value in last.items() if key not in ("seconds", "images"))
        + f" images {last['images']} ({about['images_per_sec']:.0f}/s)",
        flush=True,
    )
    return document


# ---------------------------------------------------------------------- which cells, and the report

DATA = ("digits", "fashion-5k", "fashion", "cifar-5k", "cifar")
SMALL = ("digits-200", "fashion-200", "cifar-200")
LONGEST = {"cifar": 1800}


def cells(quick: bool) -> list[Cell]:
    """What the benchmark consists of. A rival's longest run holds its shorter ones: its schedules know no budget."""
    if quick:
        return [Cell(data=data, method=method, seconds=60) for data in DATA for method in ("augan", *PEERS)]
    found = []
    for budget in BUDGETS:
        for data in DATA:
            longest = LONGEST.get(data, 300)
            if budget <= longest:
                found.append(Cell(data=data, method="augan", seconds=budget))
            if budget == longest:
                found += [Cell(data=data, method=peer, seconds=budget) for peer in PEERS]
    return found + [Cell(data=data, method=method, seconds=300) for data in SMALL for method in ("augan", *PEERS)]


def run(quick: bool) -> int:
    """Every missing cell, each in a process of its own; how many failed, for instance for want of their data."""
    failed = 0
    for cell in cells(quick):
        if cell.path.exists():
            continue
        command = [sys.executable, "-m", "bench.quality", "cell", cell.data, cell.method, str(cell.seconds)]
        failed += subprocess.run([*command, "--seed", str(cell.seed)], check=False).returncode != 0
    return failed


def results() -> list[dict[str, Any]]:
    """All cells' documents."""
    return [json.loads(path.read_text()) for path in sorted(CELLS.glob("*/*.json"))]


def _at(documents: list[dict[str, Any]], data: str, method: str, budget: int) -> dict[str, Any] | None:
    """A method's measures after `budget` seconds: of augan's run with that budget, of a rival's longest."""
    best: tuple[int, dict[str, Any]] | None = None
    for document in documents:
        if (document["data"], document["method"]) != (data, method) or document["seed"]:
            continue
        if method not in PEERS and document["seconds"] != budget:
            continue
        for mark in document["curve"]:
            ended = mark is document["curve"][-1] and document["seconds"] == budget  # a round may take long
            near = "recall" in mark and (ended or abs(mark["seconds"] / budget - 1) < 0.1)
            if near and (best is None or document["seconds"] > best[0]):
                best = document["seconds"], {**mark, "rate": mark["images"] / mark["seconds"], **_known(document)}
    return best[1] if best else None


def _known(document: dict[str, Any]) -> dict[str, Any]:
    return {"conditional": document["conditional"], "judge": document["judge"], "held_out": document["held_out"]}


def _reached(documents: list[dict[str, Any]], data: str, method: str, threshold: float) -> float | None:
    """Seconds after which a run of the method first stood at `threshold` or below; the soonest of all its runs."""
    times = [
        mark["seconds"]
        for document in documents
        if (document["data"], document["method"]) == (data, method) and not document["seed"]
        for mark in document["curve"]
        if mark["frechet"] <= threshold
    ]
    return min(times, default=None)


def report() -> None:
    """Writes the section from the cells' files."""
    documents = results()
    machines = sorted({document["machine"].rsplit(",", 1)[0] for document in documents})
    rows, times = [], []
    for data in (*DATA, *SMALL):
        for budget in BUDGETS:
            for method in ("augan", *PEERS):
                found = _at(documents, data, method, budget)
                if found is None:
                    continue
                agreement = f"{found['agreement']:.1%}" if found["conditional"] else ""
                shares = [f"{found[name]:.2f}" for name in ("precision", "recall", "density", "coverage")]
                rest = [f"{found['frechet_bundled']:.0f}", f"{found['rate']:.0f}"]
                rows.append([data, budget, method, f"{found['frechet']:.2f}", agreement, *shares, *rest])
        times += _threshold_rows(documents, data)
    header = ["data", "seconds", "method", "Fréchet", "agreement", "precision", "recall", "density", "coverage"]
    body = [
        f"{len(documents)} cells on {'; '.join(machines)}. {' '.join((__doc__ or '').split())}",
        table([*header, "Fréchet (bundled space)", "images/s"], rows),
        "Seconds until the Fréchet distance first stood at a threshold: the best of the rivals' last distances on "
        "these data, twice and four times that. Read at marks, each at most twice the one before; one seed.",
        table(["data", "threshold", "augan", *PEERS, "best rival / augan"], times),
    ]
    write_section("quality", "Quality against seconds", "\n\n".join(body))


def _threshold_rows(documents: list[dict[str, Any]], data: str) -> list[list[object]]:
    lasts = [
        document["curve"][-1]["frechet"]
        for document in documents
        if document["data"] == data and document["method"] in PEERS
    ]
    rows = []
    for factor in (4, 2, 1) if lasts else ():
        threshold = factor * min(lasts)
        reached = {name: _reached(documents, data, name, threshold) for name in ("augan", *PEERS)}
        ours, rivals = reached["augan"], [reached[name] for name in PEERS if reached[name] is not None]
        ratio = f"{min(rivals) / ours:.1f}" if ours and rivals else ""  # type: ignore[type-var,operator]
        rows.append([data, f"{threshold:.2f}", *(f"{t:.0f}" if t else "" for t in reached.values()), ratio])
    return rows


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    whole = commands.add_parser("run", help="do all missing cells, then write the report")
    whole.add_argument("--quick", action="store_true", help="a minute a cell")
    commands.add_parser("report", help="write the section from the cells that are there")
    one = commands.add_parser("cell", help="one cell; --set changes augan's recipe, and then METHOD is any name")
    one.add_argument("data", choices=SETS)
    one.add_argument("method")
    one.add_argument("seconds", type=int)
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--recipe", default="auto")
    one.add_argument("--set", action="append", default=[])
    asked = parser.parse_args()
    if asked.command == "cell":
        try:
            fixed = {key: vars(asked)[key] for key in ("data", "method", "seconds", "seed", "recipe")}
            run_cell(Cell(**fixed, settings=tuple(asked.set)))
        except Missing as error:
            sys.exit(str(error))
        return
    failed = run(asked.quick) if asked.command == "run" else 0
    if not results():
        sys.exit("There are no cells to report: `python -m bench.quality run` makes them.")
    report()
    if failed:
        sys.exit(f"{failed} cells failed; see above. Running again does only what is missing.")


if __name__ == "__main__":
    main()
