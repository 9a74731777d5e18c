"""Tables: rows of augan beside those of the package `ctgan`, and studies of what helps.

Sets: breast_cancer and wine of scikit-learn; with columns of several types penguins (palmerpenguins), the weather of
Seattle (vega_datasets, with dates) and answers on affairs (statsmodels; the label is whether there were any). Seven
tenths of the rows are learnt from, the rest are held out. AUC is that of a logistic regression and a random forest, on
average, which learnt from generated rows and are tested on the held-out ones; column shapes and pair trends are
SDMetrics'. Ways: the package `ctgan`, in rounds of 500 rows; `augan-ctgan`, the published game in augan, for as many;
`augan`, recipe auto, three rounds of 64 rows for each of those; `augan-longer` and `ctgan-longer` with five times the
rounds; and without a generator `independent` (each column drawn on its own) and `bootstrap` (real rows drawn again).
Seconds are of the processor,
one thread, beside other processes. Outcomes are files of bench/tables_cells/: `python -m bench.tables run
[SET ...] [--ways A,B]`, `lift [SET ...]`, `report`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from augan import api
from augan.augment import lift
from augan.augment.frames import fit_rows_gan
from augan.checkpoint.tables import TableModel
from augan.core.files import read_json, write_json
from augan.core.rng import numpy_stream
from augan.data.columns import decode
from augan.data.tables import TableSource, open_frame, source_of
from augan.metrics.tables import bootstrap, efficacy, independent
from bench.report import machine, table, write_section

CELLS = Path(__file__).parent / "tables_cells"
LEARNT, LONGER, BATCH = 0.7, 5, 500
ROWS = {"auto": 3 * 64, "ctgan": BATCH}
"""What a recipe sees for each round of the package."""
DAY = pd.Timedelta(days=1)
EPOCH = pd.Timestamp("1970-01-01")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A table, its label, and for how many rounds it is learnt: 300 epochs of `ctgan`, fewer of large tables."""

    frame: Callable[[], Any]
    label: str
    rounds: int


def _bundled(name: str) -> Callable[[], Any]:
    def frame() -> Any:
        from sklearn import datasets

        return getattr(datasets, f"load_{name}")(as_frame=True).frame

    return frame


def penguins() -> Any:
    """344 penguins; those without measures are left out, as `ctgan` does not take them."""
    import palmerpenguins

    frame = palmerpenguins.load_penguins().dropna(subset=["bill_length_mm", "sex"])
    return frame.reset_index(drop=True)


def weather() -> Any:
    """1,461 days of Seattle."""
    import vega_datasets

    return vega_datasets.data.seattle_weather()


def affairs() -> Any:
    """6,366 answers; whether there was an affair stands for how many."""
    import statsmodels.api

    frame = statsmodels.api.datasets.fair.load_pandas().data
    return frame.assign(affairs=np.where(frame["affairs"] > 0, "some", "none"))


SETTINGS = {
    "wine": Setting(frame=_bundled("wine"), label="target", rounds=300),
    "breast_cancer": Setting(frame=_bundled("breast_cancer"), label="target", rounds=300),
    "penguins": Setting(frame=penguins, label="sex", rounds=300),
    "weather": Setting(frame=weather, label="weather", rounds=600),
    "affairs": Setting(frame=affairs, label="affairs", rounds=800),
}


def divided(setting: Setting, seed: int) -> tuple[TableSource, Any]:
    """The rows to learn from, and the held-out ones."""
    frame = setting.frame()
    order = numpy_stream(seed, "rows of a benchmark").permutation(len(frame))
    count = int(LEARNT * len(frame))
    learnt, rest = (frame.iloc[np.sort(part)].reset_index(drop=True) for part in (order[:count], order[count:]))
    return open_frame(learnt, setting.label, "learnt"), rest


def by_augan(recipe: str, longer: int = 1) -> Callable[[TableSource, Setting, int], Any]:
    """Rows of augan."""

    def rows(source: TableSource, setting: Setting, seed: int) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            run = api.train(
                source,
                images=longer * setting.rounds * ROWS[recipe],
                out=Path(folder) / "run",
                recipe=recipe,
                seed=seed,
                settings=["training.snapshots=1", "training.threads=1"],
            )
            model = run.load()
        assert isinstance(model, TableModel)
        return model.rows(len(source), seed=seed)

    return rows


def by_ctgan(source: TableSource, setting: Setting, seed: int, longer: int = 1) -> Any:
    """Rows of the package, with its own settings, which knows no dates: it is given days."""
    from ctgan import CTGAN

    columns = {column.name: column for column in source.spec.columns if column.kind != "left out"}
    frame = source.frame[list(columns)].copy()
    for name, column in columns.items():
        if column.kind == "date":
            frame[name] = (frame[name] - EPOCH) / DAY
        elif column.kind == "category":
            frame[name] = frame[name].astype(object)
    discrete = [name for name, column in columns.items() if column.kind == "category"]
    torch.manual_seed(seed)
    np.random.seed(seed)
    learner = CTGAN(epochs=longer * setting.rounds // max(1, len(frame) // BATCH))
    learner.set_random_state(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        learner.fit(frame, discrete)
        made = learner.sample(len(frame))
    for name, column in columns.items():
        if column.kind == "date":
            made[name] = EPOCH + made[name].round() * DAY
        elif column.kind == "category":
            made[name] = made[name].astype(source.frame[name].dtype)
    return made


def trivial(draw: Callable[..., Any]) -> Callable[[TableSource, Setting, int], Any]:
    """Rows without a generator."""
    return lambda source, setting, seed: decode(source.spec, draw(source.codes, len(source), seed))


WAYS: dict[str, Callable[[TableSource, Setting, int], Any]] = {
    "augan": by_augan("auto"),
    "augan-longer": by_augan("auto", LONGER),
    "augan-ctgan": by_augan("ctgan"),
    "ctgan": by_ctgan,
    "ctgan-longer": lambda source, setting, seed: by_ctgan(source, setting, seed, LONGER),
    "independent": trivial(independent),
    "bootstrap": trivial(bootstrap),
}


def measured(source: TableSource, made: Any, rest: Any) -> dict[str, float]:
    """Columns and pairs by SDMetrics, and what a classifier learns, beside what it learns from the real rows."""
    from sdmetrics.reports.single_table import QualityReport

    kinds = {"number": "numerical", "date": "datetime", "category": "categorical"}
    known = {column.name: kinds[column.kind] for column in source.spec.columns if column.kind in kinds}
    report = QualityReport()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metadata = {"columns": {name: {"sdtype": kind} for name, kind in known.items()}}
        report.generate(source.frame[list(known)], made[list(known)], metadata, verbose=False)
    scores = report.get_properties().set_index("Property")["Score"]
    test = source_of(rest, source.spec, "held out").codes
    learnt = efficacy(source.spec, source_of(made, source.spec, "made").codes, test)
    real = efficacy(source.spec, source.codes, test)
    return {
        "auc": learnt["auc"],
        "accuracy": learnt["accuracy"],
        "real_auc": real["auc"],
        "column_shapes": float(scores["Column Shapes"]),
        "pair_trends": float(scores["Column Pair Trends"]),
    }


def run(names: list[str], ways: list[str], seeds: list[int]) -> None:
    """Cells that are not there yet. What a way loads when it is first used is loaded before it is timed."""
    torch.set_num_threads(1)
    warm: set[str] = set()
    for name in names:
        for seed in seeds:
            for way in ways:
                path = CELLS / f"{name}-{way}-{seed}.json"
                if path.exists():
                    continue
                setting = SETTINGS[name]
                source, rest = divided(setting, seed)
                if way not in warm:
                    WAYS[way](source, replace(setting, rounds=5), seed)
                    warm.add(way)
                begun = time.process_time()
                made = WAYS[way](source, setting, seed)
                seconds = time.process_time() - begun
                cell = {"set": name, "way": way, "seed": seed, "rows": len(source), "seconds": seconds}
                CELLS.mkdir(exist_ok=True)
                write_json(path, {**cell, **measured(source, made, rest), "machine": machine()})
                print(path.name, flush=True)


LIFTS = {"weather": 600, "penguins": 300, "affairs": 600}
"""Rounds of each GAN of a study."""
FEW = 60
"""Rows that stay of the smallest class of a table that is balanced."""


def study(name: str) -> None:
    """Does a GAN make a better classifier of a table whose classes differ in size?"""
    path = CELLS / f"lift-{name}.json"
    if path.exists():
        return
    frame, label = SETTINGS[name].frame(), SETTINGS[name].label
    counts = frame[label].value_counts()
    if counts.max() < 3 * counts.min():
        rare = frame[frame[label] == counts.index[-1]]
        frame = pd.concat([frame[frame[label] != counts.index[-1]], rare.iloc[:: max(1, len(rare) // FEW)]])
    begun = time.process_time()
    rounds = LIFTS[name]
    found = lift(
        frame, label=label, fit=fit_rows_gan(steps=rounds * ROWS["auto"] // 64), folds=5, also={"rounds": rounds}
    )
    CELLS.mkdir(exist_ok=True)
    sizes = {str(key): int(value) for key, value in frame[label].value_counts().items()}
    write_json(path, {"set": name, "classes": sizes, "seconds": time.process_time() - begun, **found.to_json()})
    print(path.name, flush=True)


def report() -> None:
    """Writes the section."""
    cells = [read_json(path) for path in sorted(CELLS.glob("*.json")) if not path.name.startswith("lift-")]
    rows = []
    for name, setting in SETTINGS.items():
        for way in WAYS:
            own = [cell for cell in cells if (cell["set"], cell["way"]) == (name, way)]
            if not own:
                continue
            mean = {key: float(np.mean([cell[key] for cell in own])) for key in own[0] if key in MEASURED}
            longer = LONGER if way.endswith("-longer") else 1
            rounds = longer * setting.rounds * (3 if way in ("augan", "augan-longer") else 1)
            shown = "" if way in ("independent", "bootstrap") else rounds
            scores = [f"{mean[key]:.3f}" for key in ("auc", "real_auc", "column_shapes", "pair_trends")]
            rows.append([name, way, len(own), shown, f"{mean['seconds']:.0f}", *scores])
    head = ["set", "way", "splits", "rounds", "seconds", "AUC", "AUC of real rows", "column shapes", "pair trends"]
    body = f"{(__doc__ or '').split(chr(10), 1)[1].strip()}\n\n{table(head, rows)}\n\n{_lifts()}"
    write_section("tables", "Tables", body, [cell["machine"] for cell in cells])


MEASURED = ("auc", "real_auc", "column_shapes", "pair_trends", "seconds")


def _lifts() -> str:
    rows = []
    for path in sorted(CELLS.glob("lift-*.json")):
        cell = read_json(path)
        sizes = ", ".join(f"{name} {count:,}" for name, count in cell["classes"].items())
        scores = {row["arm"]: row for row in cell["arms"]}
        arms = ", ".join(f"{name} {row['balanced_accuracy']:.1%}" for name, row in scores.items())
        rows.append([cell["set"], sizes, cell["verdict"]["word"], arms])
    if not rows:
        return ""
    text = "Studies (`augan lift`, five folds, random forests), balanced accuracy of each arm:"
    return f"{text}\n\n{table(['set', 'rows of each class', 'verdict', 'arms'], rows)}"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("what", choices=("run", "lift", "report"))
    parser.add_argument("sets", nargs="*", help="all, if none is named")
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--seeds", default="0,1")
    given = parser.parse_args()
    if given.what == "report":
        report()
    elif given.what == "lift":
        for name in given.sets or LIFTS:
            study(name)
    else:
        run(given.sets or list(SETTINGS), given.ways.split(","), [int(seed) for seed in given.seeds.split(",")])


if __name__ == "__main__":
    main()
