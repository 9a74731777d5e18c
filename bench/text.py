"""Sentences: likelihood with a temperature, ScratchGAN and RelGAN, beside what needs no generator.

Oracle: a random LSTM over 100 words and sentences of at most 12 tokens, whose probabilities are known; 10,000 of its
sentences are learnt from. KL divergences are in nats a token, from exact likelihoods of 1,000 sentences of either side.
Captions: 10,000 COCO captions of at most 20 tokens, the 2,000 most frequent words; measured against half of 10,000
others, 500 sentences a row. COCO has several captions a photograph, so that unseen real sentences are nearer to the
references than anything that has not seen these photographs can be: training sentences are the fairer mark. Three
seeds of every method; the seconds of one thread that each took are stated. Each trained model is drawn from at several
temperatures. Outcomes are files of bench/text_cells/: `python -m bench.text run [CELL ...]` does what is missing of
oracle/METHOD-SEED, captions/METHOD-SEED, captions/beside and lift; `report` writes the section, the picture, and what
was found into docs/text.md.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from augan import text
from augan.core.files import read_json, write_json
from augan.text import Corpus, Judge, TextDataConfig
from augan.training import Observer
from bench.report import machine, table, write_section
from bench.sets import Missing

CELLS = Path(__file__).parent / "text_cells"
PICTURE = Path(__file__).parent.parent / "docs" / "images" / "text-quality-diversity.png"
SEEDS = (0, 1, 2)
TEMPERATURES = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2)
DATA = TextDataConfig(vocabulary=2_000, length=20)
COUNT = 500
SHOWN = 8
BUDGETS: dict[str, dict[str, tuple[int, tuple[str, ...]]]] = {
    "oracle": {"mle": (50_000, ()), "scratchgan": (64_000, ()), "relgan": (30_000, ())},
    "captions": {"mle": (40_000, ()), "scratchgan": (12_000, ()), "relgan": (25_000, ())},
}
"""Sentences shown, and settings that differ from the recipe's: about the same processor time each."""


class Curve(Observer):
    """Measures each snapshot of a run."""

    def __init__(self, folder: Path, measure: Callable[[text.TextModel], dict[str, float]]) -> None:
        self.folder, self.measure = folder, measure
        self.points: list[dict[str, float]] = []
        self.seconds = 0.0

    def snapshot(self, images_seen: int, quality: Any, sheet: Path, best: bool) -> None:
        started = time.process_time()
        self.points.append({"sentences": images_seen, **self.measure(text.load(self.folder, which="last"))})
        self.seconds += time.process_time() - started


def captions(part: str) -> tuple[str, ...]:
    """The lines of train.txt or test.txt.

    Raises Missing if the archive is not there.
    """
    path = Path(os.environ.get("AUGAN_BENCH_DATA", "")) / "captions.zip"
    if not path.is_file():
        raise Missing("captions: set AUGAN_BENCH_DATA to the folder with captions.zip")
    with zipfile.ZipFile(path) as archive:
        return tuple(line for line in archive.read(f"{part}.txt").decode().splitlines() if line.strip())


def caption_sets() -> tuple[Corpus, Corpus, Corpus]:
    """What is learnt from, references, and real sentences that nothing was learnt from."""
    learnt = text.open_text(list(captions("train")), DATA)
    learnt = replace(learnt, name="captions")
    others = text.open_text(list(captions("test")), DATA, learnt.vocabulary)
    # neighbours may be of one picture and nearly the same: the halves must not take turns
    first, second = np.array_split(np.arange(len(others)), 2)
    return learnt, others.subset(first), others.subset(second)


def _learn(corpus: Corpus, language: str, method: str, seed: int, folder: Path, curve: Curve) -> dict[str, Any]:
    """Trains, and says what it took."""
    sentences, settings = BUDGETS[language][method]
    started = time.process_time()
    text.train(
        corpus,
        recipe=method,
        images=sentences,
        out=folder,
        seed=seed,
        settings=["threads=1", "snapshots=6", *settings],
        observer=curve,
    )
    seconds = time.process_time() - started - curve.seconds
    return {"sentences": sentences, "settings": list(settings), "seconds": seconds}


def oracle_cell(method: str, seed: int) -> dict[str, Any]:
    """One method on the oracle's language."""
    oracle = text.random_oracle()
    corpus = text.oracle_corpus(oracle, 10_000)

    def measure(model: text.TextModel) -> dict[str, float]:
        return text.divergence(oracle, model, 500).to_json()

    with tempfile.TemporaryDirectory() as folder:
        curve = Curve(Path(folder) / "run", measure)
        about = _learn(corpus, "oracle", method, seed, curve.folder, curve)
        model = text.load(curve.folder)
        rows = {f"{t:g}": text.divergence(oracle, model, 1_000, temperature=t).to_json() for t in TEMPERATURES}
    return {**about, "rows": rows, "curve": curve.points}


def captions_cell(method: str, seed: int) -> dict[str, Any]:
    """One method on captions."""
    learnt, references, _ = caption_sets()
    judge = Judge(learnt.sentences, references.sentences)

    def measure(model: text.TextModel) -> dict[str, float]:
        made = [learnt.vocabulary.tokens(row) for row in model.sample(300, seed=1)]
        told = references.rows[:500]
        row = judge.measure(made, text.perplexity(model.log_likelihood(told), told))
        assert row.perplexity is not None
        return {"frechet": row.frechet, "bleu4": row.bleu[2], "perplexity": row.perplexity, "distinct": row.distinct}

    with tempfile.TemporaryDirectory() as folder:
        curve = Curve(Path(folder) / "run", measure)
        about = _learn(learnt, "captions", method, seed, curve.folder, curve)
        model = text.load(curve.folder)
        swept = text.swept(model, judge, references, COUNT, seed, TEMPERATURES)
    rows = {name.split()[1]: asdict(row) for name, row in swept.items()}
    return {**about, "rows": rows, "curve": curve.points, "samples": model.sentences(SHOWN, seed=seed)}


def beside_cell() -> dict[str, Any]:
    """What needs no generator."""
    learnt, references, unseen = caption_sets()
    judge = Judge(learnt.sentences, references.sentences)
    rows = text.beside(judge, learnt, references, unseen, COUNT, 0)
    bigram = text.CountModel(learnt.rows, len(learnt.vocabulary), 2).sample(SHOWN, 0)
    return {
        "rows": {name: asdict(row) for name, row in rows.items()},
        "samples": [learnt.vocabulary.sentence(row) for row in bigram],
        "real": [text.written(tokens) for tokens in unseen.sentences[:SHOWN]],
    }


CLOZE = ("bathroom", "kitchen", "cat", "dog", "motorcycle", "bicycle", "airplane", "car")


def cloze() -> tuple[list[str], list[str]]:
    """Captions with one of eight words, which is taken out and has to be guessed: 60 of each, the last two 20."""
    found: dict[str, list[str]] = {word: [] for word in CLOZE}
    for line in captions("train"):
        tokens = text.tokenise(line)
        named = [word for word in CLOZE if word in tokens]
        if len(named) == 1:
            rest = [token for token in tokens if token != named[0]]
            found[named[0]].append(text.written(rest))
    kept = {word: found[word][: 20 if word in CLOZE[-2:] else 60] for word in CLOZE}
    return [line for lines in kept.values() for line in lines], [word for word in CLOZE for _ in kept[word]]


def lift_cell() -> dict[str, Any]:
    """Does text of a generator make a better classifier of short texts?"""
    from augan.augment import lift_text

    started = time.process_time()
    found = lift_text(cloze(), sentences=6_000, folds=5, seed=0)
    return {"seconds": time.process_time() - started, **found.to_json()}


def all_cells() -> dict[str, Callable[[], dict[str, Any]]]:
    """What can be run, by name, cheap things first."""
    cells: dict[str, Callable[[], dict[str, Any]]] = {"captions/beside": beside_cell}
    for seed in SEEDS:
        for language, act in (("oracle", oracle_cell), ("captions", captions_cell)):
            for method in BUDGETS[language]:
                cells[f"{language}/{method}-{seed}"] = lambda act=act, method=method, seed=seed: act(method, seed)  # type: ignore[misc]
    return cells | {"lift": lift_cell}


def play(name: str) -> None:
    """One cell, unless it is there."""
    path = CELLS / f"{name.replace('/', '-')}.json"
    if path.exists():
        return
    import torch

    torch.set_num_threads(1)
    try:
        found = all_cells()[name]()
    except Missing as error:
        print(f"{name} is left out: {error}", file=sys.stderr)
        return
    write_json(path, {"cell": name, "machine": machine(), **found})
    print(name, f"{found.get('seconds', 0):.0f} s", flush=True)


# ---------------------------------------------------------------------- the section and the picture


def _cells(language: str, method: str) -> list[dict[str, Any]]:
    paths = [CELLS / f"{language}-{method}-{seed}.json" for seed in SEEDS]
    return [read_json(path) for path in paths if path.exists()]


def _spread(values: list[float], form: str = ".2f") -> str:
    """Mean, and from least to most where there are several."""
    mean = format(float(np.mean(values)), form)
    return mean if len(values) < 2 else f"{mean} ({min(values):{form}} to {max(values):{form}})"


def _oracle_table() -> str:
    rows = []
    for method in BUDGETS["oracle"]:
        found = _cells("oracle", method)
        for temperature in ("0.8", "0.9", "1", "1.1") if found else ():
            both = [[cell["rows"][temperature][key] for cell in found] for key in ("forward", "reverse", "nll_oracle")]
            seconds = f"{np.mean([cell['seconds'] for cell in found]):.0f}" if temperature == "1" else ""
            rows.append([method, temperature, *(_spread(values) for values in both), len(found), seconds])
    header = [
        "method",
        "temperature",
        "KL(oracle, model)",
        "KL(model, oracle)",
        "NLL under the oracle",
        "seeds",
        "seconds",
    ]
    return table(header, rows)


def _curve_table() -> str:
    """How ScratchGAN learns from nothing: a row a seed."""
    found = _cells("oracle", "scratchgan")
    if not found:
        return ""
    points = [[point["forward"] for point in cell["curve"]] for cell in found]
    header = ["seed", *(f"{point['sentences']:,}" for point in found[0]["curve"]), "rises"]
    rows = [
        [cell_seed, *(f"{value:.2f}" for value in values), sum(b > a for a, b in zip(values, values[1:], strict=False))]
        for cell_seed, values in enumerate(points)
    ]
    said = (
        "ScratchGAN from nothing: KL(oracle, model) after so many sentences, and how often it rose from one to the next"
    )
    return f"{said}.\n\n{table(header, rows)}"


def _captions_table() -> str:
    header = [
        "sentences of",
        "temperature",
        "BLEU-2",
        "BLEU-4",
        "self-BLEU-4",
        "Fréchet",
        "copies",
        "perplexity",
        "seeds",
        "seconds",
    ]
    rows = []
    path = CELLS / "captions-beside.json"
    if path.exists():
        for name, row in read_json(path)["rows"].items():
            told = "" if row["perplexity"] is None else f"{row['perplexity']:.1f}"
            numbers = [f"{row['bleu'][0]:.2f}", f"{row['bleu'][2]:.2f}", f"{row['self_bleu'][2]:.2f}"]
            rows.append([name, "", *numbers, f"{row['frechet']:.3f}", f"{row['copies']:.1%}", told, "", ""])
    for method in BUDGETS["captions"]:
        found = _cells("captions", method)
        for temperature in ("0.6", "0.8", "1", "1.2") if found else ():
            chosen = [cell["rows"][temperature] for cell in found]
            told, seconds = "", ""
            if temperature == "1":
                told = _spread([row["perplexity"] for row in chosen], ".1f")
                seconds = f"{np.mean([cell['seconds'] for cell in found]):.0f}"
            numbers = [
                _spread([row["bleu"][0] for row in chosen]),
                _spread([row["bleu"][2] for row in chosen]),
                _spread([row["self_bleu"][2] for row in chosen]),
                _spread([row["frechet"] for row in chosen], ".3f"),
                f"{np.mean([row['copies'] for row in chosen]):.1%}",
            ]
            rows.append([method, temperature, *numbers, told, len(found), seconds])
    return table(header, rows) if rows else ""


def _samples() -> str:
    """Sentences as they come, the first of seed 0, none chosen."""
    path = CELLS / "captions-beside.json"
    if not path.exists():
        return ""
    document = read_json(path)
    shown = {"real": document["real"], "bigram": document["samples"]}
    shown |= {method: found[0]["samples"] for method in BUDGETS["captions"] if (found := _cells("captions", method))}
    blocks = [f"{name}:\n\n" + "\n".join(f"    {line}" for line in lines) for name, lines in shown.items()]
    return "The first sentences of seed 0 at temperature 1, none chosen.\n\n" + "\n\n".join(blocks)


def _lift_table() -> str:
    path = CELLS / "lift.json"
    if not path.exists():
        return ""
    found = read_json(path)
    rows = []
    for arm in sorted(found["arms"], key=lambda arm: -arm["balanced_accuracy"]):
        over = arm["over_rival"]
        points = (
            "" if over is None else f"{100 * over['mean']:+.1f} ({100 * over['low']:+.1f} to {100 * over['high']:+.1f})"
        )
        rows.append([arm["arm"], f"{arm['balanced_accuracy']:.1%}", f"{arm['macro_f1']:.1%}", points])
    verdict = found["verdict"]
    header = ["arm", "balanced accuracy", "macro F1", f"points over '{verdict['rival']}', 95 %"]
    about = (
        "Captions from which one of eight words was taken out, which a classifier of word pairs has to guess: 60 "
        "captions of each word, and 20 of the last two. Five splits; generators learn on each training part."
    )
    return (
        f"### Short texts\n\n{about}\n\n**{verdict['word']}**: {' '.join(verdict['reasons'])}\n\n{table(header, rows)}"
    )


def draw() -> bool:
    """The picture: every model at every temperature, a line a seed; whether there was something to draw."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    colours = {"mle": "#1f77b4", "scratchgan": "#d62728", "relgan": "#2ca02c"}
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.6))
    panels = {"oracle": axes[0], "captions": axes[1]}
    for language, axis in panels.items():
        for method, colour in colours.items():
            for number, cell in enumerate(_cells(language, method)):
                if language == "oracle":
                    points = [(row["reverse"], row["forward"]) for row in cell["rows"].values()]
                else:
                    points = [(row["self_bleu"][2], row["bleu"][2]) for row in cell["rows"].values()]
                at_one = list(cell["rows"]).index("1")
                xs, ys = zip(*points, strict=True)
                axis.plot(xs, ys, "-", color=colour, linewidth=1, alpha=0.8, label=None if number else method)
                axis.plot(xs, ys, ".", color=colour, markersize=4)
                axis.plot(xs[at_one], ys[at_one], "o", color=colour, markersize=7, markerfacecolor="none")
    path = CELLS / "captions-beside.json"
    if path.exists():
        for name, row in read_json(path)["rows"].items():
            axes[1].plot(row["self_bleu"][2], row["bleu"][2], "k+", markersize=9)
            axes[1].annotate(
                name, (row["self_bleu"][2], row["bleu"][2]), (6, -4), textcoords="offset points", fontsize=8
            )
    axes[0].set(xlabel="KL(model, oracle): says what the oracle would not", ylabel="KL(oracle, model): leaves out")
    axes[0].set_title("oracle, nats a token: lower left is best")
    axes[1].set(xlabel="self-BLEU-4: repetitive", ylabel="BLEU-4: like real captions")
    axes[1].set_title("captions: upper left is best")
    axes[0].legend(title="circle: temperature 1")
    for axis in axes:
        axis.grid(alpha=0.3)
    figure.tight_layout()
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=110)
    return True


LEVEL = 0.2
"""The self-BLEU-4 at which methods are compared: repetitive to the same degree."""


def _at_level(cell: dict[str, Any]) -> float | None:
    """BLEU-4 where self-BLEU-4 is LEVEL, between the temperatures that were measured; None where none reach it."""
    points = sorted((row["self_bleu"][2], row["bleu"][2]) for row in cell["rows"].values())
    if not points[0][0] <= LEVEL <= points[-1][0]:
        return None
    return float(np.interp(LEVEL, *zip(*points, strict=True)))


def _nearest(cell: dict[str, Any]) -> tuple[float, str]:
    """The least mean of both divergences over temperatures, and the temperature."""
    return min(((row["forward"] + row["reverse"]) / 2, name) for name, row in cell["rows"].items())


def found() -> str:
    """What the cells that are there show, as a list; every number is from them."""
    lines = []
    oracle = {method: [_nearest(cell) for cell in _cells("oracle", method)] for method in BUDGETS["oracle"]}
    said = [
        f"`{m}` {_spread([v for v, _ in values])} (temperature {values[0][1]})"
        for m, values in oracle.items()
        if values
    ]
    lines.append(f"- Oracle, the mean of both divergences at the best temperature: {', '.join(said)} nats a token.")
    curves = [[point["forward"] for point in cell["curve"]] for cell in _cells("oracle", "scratchgan")]
    rises = sum(b > a for curve in curves for a, b in zip(curve, curve[1:], strict=False))
    steps = sum(len(curve) - 1 for curve in curves)
    if curves:
        lines.append(
            f"- ScratchGAN from nothing: KL(oracle, model) goes from {_spread([curve[0] for curve in curves])} to "
            f"{_spread([curve[-1] for curve in curves])}; of {steps} steps between snapshots {rises} went up."
        )
    levels = {method: [_at_level(cell) for cell in _cells("captions", method)] for method in BUDGETS["captions"]}
    known = {method: [value for value in values if value is not None] for method, values in levels.items()}
    said = [
        f"`{m}` {_spread(values)}" if values else f"`{m}` does not reach it" for m, values in known.items() if levels[m]
    ]
    if said:
        lines.append(f"- Captions, BLEU-4 at a self-BLEU-4 of {LEVEL}: {', '.join(said)}.")
    told = {m: [cell["rows"]["1"]["perplexity"] for cell in _cells("captions", m)] for m in BUDGETS["captions"]}
    said = [f"`{m}` {_spread(values, '.0f')}" for m, values in told.items() if values]
    path = CELLS / "captions-beside.json"
    if path.exists():
        said.append(f"bigram {read_json(path)['rows']['bigram']['perplexity']:.0f}")
    lines.append(f"- Captions, held-out perplexity: {', '.join(said)}.")
    path = CELLS / "lift.json"
    if path.exists():
        verdict = read_json(path)["verdict"]
        lines.append(f"- Short texts: {verdict['word']}. {' '.join(verdict['reasons'])}")
    return "\n".join(lines)


def write_found() -> None:
    """Puts it into docs/text.md."""
    page = PICTURE.parent.parent / "text.md"
    section = f"<!-- found -->\n{found()}\n<!-- /found -->"
    page.write_text(re.sub("<!-- found -->.*?<!-- /found -->", lambda _: section, page.read_text(), flags=re.S))


def report() -> None:
    """Writes the section from what is there."""
    draw()
    write_found()
    parts = [
        " ".join((__doc__ or "").split()),
        "![Every model at every temperature](images/text-quality-diversity.png)",
        "### The oracle's language",
        _oracle_table(),
        _curve_table(),
        "### Captions",
        _captions_table(),
        _samples(),
        _lift_table(),
    ]
    machines = [read_json(path)["machine"] for path in CELLS.glob("*.json")]
    write_section("text", "Text", "\n\n".join(part for part in parts if part), machines)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    whole = commands.add_parser("run", help="do all missing cells")
    whole.add_argument("cells", nargs="*", metavar="CELL")
    commands.add_parser("report", help="write the section from the cells that are there")
    asked = parser.parse_args()
    if asked.command == "run":
        for name in asked.cells or all_cells():
            play(name)
    else:
        report()


if __name__ == "__main__":
    main()
