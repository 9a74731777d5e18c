"""Time series: windows of augan beside windows that need no generator, all measured against the same real ones.

Sets: `sines`, 2,000 windows of five columns, each a sine of random frequency and phase (as in TimeGAN); `weather`,
days of Seattle (vega_datasets: rain, two temperatures, wind); `temps`, hours of Seattle and San Francisco
(vega_datasets). A window has 24 moments and, of weather and temps, begins at every moment. Every fifth stretch of 96
moments of weather and temps, and a fifth as many other sines, are held out: the model has learnt from the rest,
`real` is what is held out, and what networks learn from windows is tested on that. Ways: `augan`, the recipe `auto`,
for a time of the processor; and without a generator `shuffled` (moments in random order), `noise` (each number on its
own), `gaussian` (the mean and covariance of a window) and `bootstrap` (real windows drawn again). Lower is better,
but for the nearest distance, which is best near that of `real`: below it speaks of copies.
Minutes are of the processor, one thread. Outcomes are files of bench/series_cells/: `python -m bench.series run
[SET ...] [--minutes M] [--seeds 0,1]`, `report`.
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

from augan import api
from augan.apply.series_evaluation import evaluate_series
from augan.core.files import read_json, write_json
from augan.core.rng import numpy_stream
from augan.data import Windowing, open
from augan.data.windows import SeriesSource
from augan.training import Trainer
from bench.report import machine, table, write_section

CELLS = Path(__file__).parent / "series_cells"
WINDOW, COLUMNS, SINES = 24, 5, 2_000
STRETCH, FIFTH = 4 * WINDOW, 5
MINUTES = 0.5


def sines(seed: int) -> tuple[Any, Any]:
    """Windows to learn from, and others."""
    random = numpy_stream(seed, "sines of a benchmark")
    speed, phase = random.uniform(0, 1, (2, SINES + SINES // FIFTH, 1, COLUMNS))
    values = (np.sin(speed * np.arange(WINDOW)[None, :, None] + 2 * np.pi * phase) + 1) / 2
    return values[:SINES], values[SINES:]


def weather(seed: int) -> tuple[Any, Any]:
    """1,461 days."""
    import vega_datasets

    return _parted(vega_datasets.data.seattle_weather().drop(columns="weather"))


def temps(seed: int) -> tuple[Any, Any]:
    """8,759 hours of two cities."""
    import vega_datasets

    cities = vega_datasets.data.seattle_temps(), vega_datasets.data.sf_temps()
    frame = cities[0].merge(cities[1], on="date", suffixes=("_seattle", "_sf")).drop_duplicates("date")
    return _parted(frame)


def _parted(frame: Any) -> tuple[Any, Any]:
    """What is learnt from, and every fifth stretch; windows do not reach over the gaps that this makes."""
    held = np.arange(len(frame)) // STRETCH % FIFTH == FIFTH - 1
    return frame[~held].reset_index(drop=True), frame[held].reset_index(drop=True)


SETTINGS: dict[str, Callable[[int], tuple[Any, Any]]] = {"sines": sines, "weather": weather, "temps": temps}


def run(names: list[str], minutes: float, seeds: list[int]) -> None:
    """Cells that are not there yet."""
    torch.set_num_threads(1)
    for name in names:
        for seed in seeds:
            path = CELLS / f"{name}-{minutes:g}-{seed}.json"
            if path.exists():
                continue
            learnt, rest = SETTINGS[name](seed)
            source = open(learnt, windowing=Windowing(window=WINDOW))
            assert isinstance(source, SeriesSource)
            settings = ["training.snapshots=1", "training.threads=1", "training.measure_images=0"]
            config = api.resolve(source, minutes=minutes, settings=settings, seed=seed)[1]
            with tempfile.TemporaryDirectory() as folder:
                trained = Trainer(source, config, Path(folder) / "run", clock=time.process_time).run()
                model, result = trained.load(), trained.result()
            found = evaluate_series(model, source, holdout=rest, seed=seed)
            cell = {"set": name, "minutes": minutes, "seed": seed, "learnt": len(source), "result": result}
            CELLS.mkdir(exist_ok=True)
            write_json(path, {**cell, **found.to_json(), "machine": machine()})
            print(path.name, flush=True)


HEADS = {
    "marginal_distance": "marginal",
    "autocorrelation_distance": "autocorrelation",
    "cross_correlation_distance": "cross-correlation",
    "discriminative_score": "discriminative",
    "predictive_score": "predictive",
    "nearest_distance": "nearest",
}


def report() -> None:
    """Writes the section."""
    cells = [read_json(path) for path in sorted(CELLS.glob("*.json"))]
    rows = []
    for name in SETTINGS:
        own = [cell for cell in cells if cell["set"] == name]
        for minutes in sorted({cell["minutes"] for cell in own}):
            same = [cell for cell in own if cell["minutes"] == minutes]
            sides = (
                ["model"] if minutes != max(cell["minutes"] for cell in own) else list(same[0]["measures"]["copies"])
            )
            for side in sides:
                scores = [[cell["measures"][head][side] for cell in same] for head in HEADS]
                way = f"augan, {minutes:g} min" if side == "model" else side
                rows.append([name, way, len(same), *(_shown(values) for values in scores)])
    body = f"{(__doc__ or '').split(chr(10), 1)[1].strip()}\n\n{table(['set', 'way', 'seeds', *HEADS.values()], rows)}"
    write_section("series", "Time series", body, [cell["machine"] for cell in cells])


def _shown(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{np.mean(known):.3f}" if known else ""


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("what", choices=("run", "report"))
    parser.add_argument("sets", nargs="*", help="all, if none is named")
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--seeds", default="0,1")
    given = parser.parse_args()
    if given.what == "report":
        report()
    else:
        run(given.sets or list(SETTINGS), given.minutes, [int(seed) for seed in given.seeds.split(",")])


if __name__ == "__main__":
    main()
