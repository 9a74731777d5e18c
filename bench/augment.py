"""Does a GAN make a better classifier? Studies of long-tailed, small and imbalanced sets, each with an untouched test.

Every setting is a study by `augan lift`, of five folds, with a GAN of 57,600 images shown (a minute on two cores) on
each training part, and a second opinion on data that took no part in it: the test set of the source, or items put
aside. `long tail R` keeps n R^(-k / 9) images of class k. The verdict is augan's; "on the untouched test" is the
difference between its best arm with samples and its best arm without, both trained on all of the setting's data.
Outcomes are files of bench/augment_cells/, so that the benchmark can be run in pieces:
`python -m bench.augment run [SETTING ...]`, and `report` writes the section.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
import wave
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from augan.augment import lift
from augan.augment.makers import fit_autoencoder, fit_gan
from augan.core.files import read_json, write_json
from augan.core.rng import numpy_stream
from augan.core.threads import ThreadGovernor
from bench.report import machine, table, write_section
from bench.sets import Missing, cifar, emoji_pictures, fashion_framed, framed_digits

CELLS = Path(__file__).parent / "augment_cells"
ARMS = ("classical", "control", "deferred", "smote", "mixup", "vae", "gan-classical", "gan-first", "gan-smote")
GAN_STEPS, STEPS, FOLDS = 900, 1000, 5
REPETITIONS = 100


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Images (n, s, s, c) uint8 and labels to study, others to test on, groups of the former, and mirrored labels."""

    images: np.ndarray
    labels: np.ndarray
    test: np.ndarray
    truth: np.ndarray
    groups: np.ndarray | None = None
    flip: bool = False


Parts = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def long_tail(parts: Parts, top: int, ratio: float, flip: bool = False) -> Setting:
    """`top` images of the first class, `top / ratio` of the last."""
    images, labels, test, truth = parts
    classes, rows = int(labels.max()) + 1, []
    for label in range(classes):
        count = max(1, round(top * ratio ** (-label / (classes - 1))))
        rows.append(numpy_stream(0, "tail", label).permutation(np.flatnonzero(labels == label))[:count])
    chosen = np.sort(np.concatenate(rows))
    return Setting(images=images[chosen], labels=labels[chosen], test=test, truth=truth, flip=flip)


def put_aside(
    images: np.ndarray, labels: np.ndarray, share: float, groups: np.ndarray | None = None, flip: bool = False
) -> Setting:
    """A part of each class, or the first group, is the test."""
    random = numpy_stream(0, "aside")
    if groups is not None:
        away = groups == np.unique(groups)[0]
    else:
        away = np.zeros(len(labels), bool)
        for label in np.unique(labels):
            members = random.permutation(np.flatnonzero(labels == label))
            away[members[: round(share * len(members))]] = True
    return Setting(
        images=images[~away],
        labels=labels[~away],
        test=images[away],
        truth=labels[away],
        groups=None if groups is None else groups[~away],
        flip=flip,
    )


def _digits() -> Parts:
    """MNIST-5k: 400 of each digit to draw from, 100 to test on."""
    images, labels = framed_digits()
    aside = put_aside(images, labels, 0.2)
    return aside.images, aside.labels, aside.test, aside.truth


def spoken(clips: int) -> Setting:
    """Spoken digits as spectrograms of 32 x 32: `clips` of each digit by five speakers, tested on the sixth's."""
    path = Path(os.environ.get("AUGAN_BENCH_DATA", "")) / "spoken_digits.zip"
    if not path.is_file():
        raise Missing("spoken digits: set AUGAN_BENCH_DATA to the folder with spoken_digits.zip")
    pictures, labels, speakers = [], [], []
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if not name.endswith(".wav"):
                continue
            digit, speaker, _ = Path(name).stem.split("_")
            with wave.open(io.BytesIO(archive.read(name))) as file:
                sound = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float64) / 32768
            pictures.append(spectrogram(sound))
            labels.append(int(digit))
            speakers.append(speaker)
    images, marks, groups = np.stack(pictures), np.array(labels), np.array(speakers)
    whole = put_aside(images, marks, 0.0, groups)
    assert whole.groups is not None
    random, rows = numpy_stream(0, "clips"), []
    for label in range(10):
        rows.append(random.permutation(np.flatnonzero(whole.labels == label))[:clips])
    chosen = np.sort(np.concatenate(rows))
    return Setting(
        images=whole.images[chosen],
        labels=whole.labels[chosen],
        test=whole.test,
        truth=whole.truth,
        groups=whole.groups[chosen],
    )


def spectrogram(sound: np.ndarray, side: int = 32, window: int = 256) -> np.ndarray:
    """Decibels (side, side, 1) uint8 of a sound at 8 kHz, stretched to one length; the top 80 dB are 0 to 255."""
    starts = np.linspace(0, max(0, len(sound) - window), side).astype(int)
    padded = np.pad(sound, (0, window))
    frames = np.stack([padded[start : start + window] for start in starts]) * np.hanning(window)
    power = np.abs(np.fft.rfft(frames, axis=1))[:, 1:129] ** 2
    bands = power.reshape(side, side, 128 // side).mean(2).T[::-1]
    decibels = 10 * np.log10(bands + 1e-10)
    return ((decibels - decibels.max() + 80).clip(0, 80) / 80 * 255).astype(np.uint8)[:, :, None]


def solar() -> Setting:
    """Solar cells at 64 x 64, sound or broken (defect probability of at least a half), a quarter put aside."""
    try:
        load = importlib.import_module("elpv_dataset.utils").load_dataset
    except ImportError as error:
        raise Missing("solar cells (non-commercial licence): pip install elpv-dataset") from error
    from PIL import Image

    pictures, chances, _ = load()
    small = [np.asarray(Image.fromarray(picture).resize((64, 64), Image.Resampling.LANCZOS)) for picture in pictures]
    return put_aside(np.stack(small)[:, :, :, None], (chances >= 0.5).astype(np.int64), 0.25, flip=True)


def emoji() -> Setting:
    """Twemoji's nine categories at 64 x 64, a quarter put aside."""
    images, labels, _ = emoji_pictures()
    return put_aside(images, labels, 0.25)


SETTINGS: dict[str, Callable[[], Setting]] = {
    "digits, long tail 20": lambda: long_tail(_digits(), 400, 20),
    "fashion, long tail 100": lambda: long_tail(fashion_framed(), 2000, 100),
    "cifar, long tail 100": lambda: long_tail(cifar(), 2000, 100, flip=True),
    "cifar, long tail 50": lambda: long_tail(cifar(), 2000, 50, flip=True),
    "fashion, 50 a class": lambda: long_tail(fashion_framed(), 50, 1),
    "fashion, 100 a class": lambda: long_tail(fashion_framed(), 100, 1),
    "cifar, 100 a class": lambda: long_tail(cifar(), 100, 1, flip=True),
    "spoken digits, 20 a class": lambda: spoken(20),
    "spoken digits, 50 a class": lambda: spoken(50),
    "solar cells": solar,
    "emoji": emoji,
}


def cell(name: str) -> Path:
    """Where a setting's study is."""
    return CELLS / name.replace(", ", "-").replace(" ", "-")


def study(name: str) -> None:
    """Runs a setting's study, or goes on with it."""
    setting = SETTINGS[name]()
    folder = cell(name)
    found = lift(
        setting.images,
        setting.labels,
        arms=ARMS,
        groups=setting.groups,
        holdout=(setting.test, setting.truth),
        fit=fit_gan(steps=GAN_STEPS),
        autoencoder=fit_autoencoder(steps=GAN_STEPS // 2),
        steps=STEPS,
        folds=FOLDS,
        flip=setting.flip,
        force=True,
        cells=folder,
        tell=lambda outcome: print(name, outcome.arm, outcome.split, f"{outcome.balanced_accuracy:.3f}", flush=True),
    )
    counts = np.bincount(setting.labels)
    about = {"setting": name, "items": len(setting.labels), "smallest": int(counts.min()), "machine": machine()}
    write_json(folder / "result.json", about | found.to_json())
    print(name, found.verdict.word, *found.verdict.reasons, flush=True)


def controls() -> None:
    """Studies of nothing: a cheap classifier, an arm that only repeats items, 100 times; how often it HELPS."""
    from sklearn.linear_model import LogisticRegression

    images, labels, _, _ = _digits()
    words = []
    for number in range(REPETITIONS):
        random = numpy_stream(number, "controls")
        rows = np.concatenate([random.permutation(np.flatnonzero(labels == k))[: 30 + 10 * k] for k in range(5)])
        reduced = images[rows, 2:30:2, 2:30:2].reshape(len(rows), -1) / 255.0
        found = lift(
            reduced,
            labels[rows],
            classifier=LogisticRegression(max_iter=200),
            samplers={"repeated": Repeated()},
            arms=["real", "control", "repeated"],
            folds=5,
            repeats=2,
            seed=number,
        )
        words.append(found.verdict.word)
        print(number, found.verdict.word, flush=True)
    counts = {word: words.count(word) for word in ("HELPS", "NO EVIDENCE", "HURTS")}
    write_json(CELLS / "controls.json", {"repetitions": REPETITIONS, "verdicts": counts, "machine": machine()})


class Repeated:
    """Gives the items back in another order, and a tenth of them again: a generator that adds nothing."""

    def __init__(self, random_state: int | None = None) -> None:
        self.random_state = random_state

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """As scikit-learn wants it."""
        return {"random_state": self.random_state}

    def set_params(self, **values: Any) -> Repeated:
        """As scikit-learn wants it."""
        for name, value in values.items():
            setattr(self, name, value)
        return self

    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n + n / 10) items."""
        random = np.random.default_rng(self.random_state)
        rows = np.concatenate([random.permutation(len(X)), random.choice(len(X), len(X) // 10)])
        return X[rows], y[rows]


def report() -> None:
    """Writes the section from what is there."""
    rows, machines = [], set()
    for name in SETTINGS:
        path = cell(name) / "result.json"
        if not path.exists():
            continue
        found = read_json(path)
        machines.add(found["machine"].rsplit(",", 1)[0])
        verdict = found["verdict"]
        scores = {row["arm"]: row["balanced_accuracy"] for row in found["arms"]}
        over, second = verdict["over_rival"], verdict["second"]
        rows.append(
            [
                name,
                found["items"],
                found["smallest"],
                f"{verdict['rival']} {scores[verdict['rival']]:.1%}",
                ""
                if over is None
                else f"{verdict['arm']} {100 * over['mean']:+.1f} "
                f"({100 * over['low']:+.1f} to {100 * over['high']:+.1f})",
                "" if over is None else f"{100 * over['detectable']:.1f}",
                verdict["word"],
                ""
                if second is None
                else f"{100 * second['mean']:+.1f} ({100 * second['low']:+.1f} to {100 * second['high']:+.1f})",
            ]
        )
    header = ["setting", "items", "smallest class", "best without", "best GAN arm over it, points", "detectable"]
    about = f"{len(rows)} of {len(SETTINGS)} settings on {'; '.join(sorted(machines))}."
    parts = [
        f"{about} {' '.join((__doc__ or '').split())}",
        table([*header, "verdict", "on the untouched test"], rows),
    ]
    null = CELLS / "controls.json"
    if null.exists():
        found = read_json(null)
        parts.append(
            f"{found['repetitions']} studies of an arm that only repeats items (five digits, logistic regression): "
            + ", ".join(f"{word} {count}" for word, count in found["verdicts"].items())
            + "."
        )
    write_section("augment", "Does synthetic data help?", "\n\n".join(parts))


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    whole = commands.add_parser("run", help="do all missing studies, then write the report")
    whole.add_argument("settings", nargs="*", metavar="SETTING", help=f"of: {'; '.join(SETTINGS)}; controls")
    commands.add_parser("report", help="write the section from the studies that are there")
    asked = parser.parse_args()
    if asked.command == "run":
        ThreadGovernor()
        names = asked.settings or [*SETTINGS, "controls"]
        for name in names:
            done = CELLS / "controls.json" if name == "controls" else cell(name) / "result.json"
            if done.exists():
                continue
            try:
                controls() if name == "controls" else study(name)
            except Missing as error:
                print(f"{name} is left out: {error}", file=sys.stderr)
    report()


if __name__ == "__main__":
    main()
