"""Sounds: spoken digits generated, studied, cleaned and resynthesised, each beside what needs no GAN.

The Free Spoken Digit Dataset (3,000 recordings of 6 speakers at 8 kHz): official split, the recordings 0 to 4 of each
digit and speaker are the test. `digits`: a class-conditional GAN on log spectrograms; `wavegan`: the same on
waveforms. Samples are written as .wav files and read again before anything is measured, phases by Griffin-Lim
included. The recogniser learnt from real training recordings with plain changes and SpecAugment, and labels smoothed
by 0.05, so that always being right and as sure as it was taught to be is an inception score of 7.5. `enhancement`:
white, pink and babble noise at 0 to 10 dB, two speakers held out from learning, whose babble is theirs alone; SI-SDR
of waveforms. `vocoder`: held-out recordings to mels and back; Griffin-Lim starts from the same mels. `lift-N`: N
recordings a digit to learn from in each split, `lift-speaker`: speakers apart; verdicts with the official test as a
second opinion. Outcomes are files of bench/sound_cells/: `python -m bench.sound run [CELL ...]` measures those that
are missing, `report` writes the section.
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
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import augan
from augan import translate, vocoder
from augan.apply.sounds import waveforms
from augan.augment.makers import fit_gan
from augan.augment.sounds import both
from augan.baselines import ImageClassifier, Lesson, si_sdr, spectral_gate, train_classifier
from augan.checkpoint import Model
from augan.core.files import read_json, write_json
from augan.core.item import ItemSpec
from augan.core.sounds import in_a_row, write_wav
from augan.data import SoundReading
from augan.metrics.scores import inception_score
from bench.report import machine, table, write_section
from bench.sets import Missing

CELLS = Path(__file__).parent / "sound_cells"
WAVS = Path(__file__).parent.parent / "docs" / "sounds"
RATE = 8_000
TEST_INDEX = 5
RECOGNISER_STEPS = 800
EACH = 30
"""Samples of each digit that are measured."""
DIGITS_IMAGES = 24_000
WAVEGAN_IMAGES = 32_000
ENHANCE_IMAGES, ENHANCE_WIDTH = 3_000, 16
HELD_SPEAKERS = 2
VOCODER_STEPS = 3_000
LIFT_STEPS, LIFT_ROUNDS, LIFT_REPEATS = 200, 60, 2
LIFT_EACH = 20
ARMS = ("real", "classical", "control", "specaugment", "plain-specaugment", "gan-classical")


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A recording, what is said, by whom, the how many-th."""

    wave: np.ndarray
    digit: str
    speaker: str
    index: int


@cache
def clips() -> tuple[Clip, ...]:
    """All recordings.

    Raises:
        Missing: the data set is not there.
    """
    import soundfile

    path = Path(os.environ.get("AUGAN_BENCH_DATA", "")) / "spoken_digits.zip"
    if not path.is_file():
        raise Missing("spoken digits: set AUGAN_BENCH_DATA to the folder with spoken_digits.zip")
    found = []
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".wav"):
                digit, speaker, index = Path(name).stem.split("_")
                wave, rate = soundfile.read(io.BytesIO(archive.read(name)), dtype="float32")
                assert rate == RATE
                found.append(Clip(wave=wave, digit=digit, speaker=speaker, index=int(index)))
    return tuple(found)


def split(test: bool) -> list[Clip]:
    """The official test recordings, or the others."""
    return [clip for clip in clips() if (clip.index < TEST_INDEX) == test]


def folder_of(chosen: Sequence[Clip], under: Path) -> Path:
    """Recordings as .wav files in a folder a digit."""
    for clip in chosen:
        path = under / clip.digit / f"{clip.speaker}_{clip.index:02d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_wav(path, clip.wave[None], RATE)
    return under


class Recogniser:
    """Class probabilities of digits, learnt from real training recordings."""

    def __init__(self, train: augan.data.Source) -> None:
        assert train.labels is not None
        self.item = train.item
        images = train.items(np.arange(len(train)))
        lesson = Lesson(images=images, targets=np.eye(10)[train.labels], views=True, change=both)
        self.network: ImageClassifier = train_classifier(lesson, RECOGNISER_STEPS)

    def judge(self, source: augan.data.Source) -> np.ndarray:
        """(n, 10)."""
        assert source.item.sound == self.item.sound
        return self.network.predict_proba(source.items(np.arange(len(source))))


def like(data: Path, item: ItemSpec) -> augan.data.Source:
    """Sounds stored as other ones are."""
    return augan.open(data, kind="sound", sound=SoundReading(like=item.sound, channels=1))


def nearest(images: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Of each spectrogram, root mean square distance to the nearest training one, in dB."""
    flat, known = (part.reshape(len(part), -1).astype(np.float32) for part in (images, train))
    squared = (flat**2).sum(1)[:, None] + (known**2).sum(1) - 2 * flat @ known.T
    return np.sqrt(np.maximum(squared.min(1), 0) / flat.shape[1]) * 80 / 255


def spread(images: np.ndarray, labels: np.ndarray) -> float:
    """Mean distance between two spectrograms of a class, in dB."""
    found = []
    for label in np.unique(labels):
        flat = images[labels == label].reshape((labels == label).sum(), -1).astype(np.float32)[:60]
        squared = (flat**2).sum(1)[:, None] + (flat**2).sum(1) - 2 * flat @ flat.T
        rows, columns = np.triu_indices(len(flat), 1)
        found.append(np.sqrt(np.maximum(squared[rows, columns], 0) / flat.shape[1]).mean() * 80 / 255)
    return float(np.mean(found))


# ---------------------------------------------------------------------- generation


def generation(name: str, recipe: str, images: int, settings: Sequence[str] = ()) -> dict[str, Any]:
    """A conditional GAN on all training recordings, judged by the recogniser."""
    with tempfile.TemporaryDirectory() as text:
        top = Path(text)
        train, test = folder_of(split(False), top / "train"), folder_of(split(True), top / "test")
        source = augan.open(train)
        started = time.process_time()
        run = augan.train(
            train,
            images=images,
            recipe=recipe,
            out=top / "run",
            settings=["training.snapshots=4", "training.threads=1", *settings],
        )
        seconds = time.process_time() - started
        model = augan.load(run.path)
        augan.generate(model, 10 * EACH, top / "made", seed=1)
        recogniser = Recogniser(source)
        held, made = like(test, source.item), like(top / "made", source.item)
        assert held.labels is not None
        assert made.labels is not None
        truth, ours = recogniser.judge(held), recogniser.judge(made)
        known = source.items(np.arange(len(source)))
        pictures = {"real test": (held, truth), "generated": (made, ours)}
        rows = {
            label: {
                "agreement": float((found.argmax(1) == side.labels).mean()),
                "inception": float(inception_score(found).value),
                "spread": spread(side.items(np.arange(len(side))), np.asarray(side.labels)),
                "nearest": float(np.median(nearest(side.items(np.arange(len(side))), known))),
            }
            for label, (side, found) in pictures.items()
        }
        agreement = (ours.argmax(1) == made.labels).reshape(-1)
        by_digit = [float(agreement[made.labels == label].mean()) for label in range(10)]
        keep_wavs(model, name)
    return {"rows": rows, "by_digit": by_digit, "training_seconds": seconds, "images": images}


def keep_wavs(model: Model, name: str) -> None:
    """Ten digits in a row, and for the spectrogram model each in a file, beside the docs."""
    WAVS.mkdir(exist_ok=True)
    for waves, labels in waveforms(model, 10, seed=3):
        if name == "digits":
            assert labels is not None
            for wave, label in zip(waves, labels, strict=True):
                write_wav(WAVS / f"digit-{label}.wav", wave, RATE)
        else:
            write_wav(WAVS / f"{name}.wav", in_a_row(waves, RATE), RATE)


# ---------------------------------------------------------------------- enhancement


def noise(kind: str, samples: int, others: Sequence[Clip], random: np.random.Generator) -> np.ndarray:
    """White, pink (power falls with frequency), or four voices at once."""
    if kind == "babble":
        made = np.zeros(samples, np.float32)
        for _ in range(4):
            voice = others[int(random.integers(len(others)))].wave
            start = int(random.integers(len(voice)))
            repeated = np.tile(voice, 2 + samples // len(voice))
            made += repeated[start : start + samples] / max(1e-6, float(voice.std()))
        return made
    values = random.standard_normal(samples).astype(np.float32)
    if kind == "pink":
        spectrum = np.fft.rfft(values)
        values = np.fft.irfft(spectrum / np.sqrt(np.maximum(1, np.arange(len(spectrum)))), samples).astype(np.float32)
    return values


def noisy_pairs(chosen: Sequence[Clip], seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(noisy, clean), each with a twentieth of a second before and behind it; SNR from 0 to 10 dB."""
    random, noisy, clean = np.random.default_rng(seed), [], []
    for number, clip in enumerate(chosen):
        wave = np.pad(clip.wave, RATE // 20)
        others = [other for other in chosen if other.speaker != clip.speaker]
        kind = ("white", "pink", "babble")[number % 3]
        added = noise(kind, len(wave), others, random)
        ratio = 10 ** (-random.uniform(0, 10) / 20)
        added *= ratio * np.sqrt((wave**2).mean() / (added**2).mean())
        scale = 0.9 / max(0.9, float(np.abs(wave + added).max()))
        noisy.append((wave + added) * scale)
        clean.append(wave * scale)
    return noisy, clean


def _written(waves: Sequence[np.ndarray], folder: Path) -> Path:
    folder.mkdir(parents=True)
    for number, wave in enumerate(waves):
        write_wav(folder / f"{number:04d}.wav", wave[None], RATE)
    return folder


def enhancement() -> dict[str, Any]:
    """Pairs of noisy and clean recordings: a translation with and without its judge, and spectral gating."""
    speakers = sorted({clip.speaker for clip in clips()})
    held = speakers[-HELD_SPEAKERS:]
    train = [clip for clip in clips() if clip.speaker not in held and clip.index % 2]
    test = [clip for clip in clips() if clip.speaker in held and clip.index < TEST_INDEX]
    pairs, (noisy, clean) = noisy_pairs(train, 0), noisy_pairs(test, 1)
    rows: dict[str, Any] = {}

    def score(name: str, make: Callable[[Tensor], Tensor], seconds: float = 0.0) -> None:
        gains, values = [], []
        for one, target in zip(noisy, clean, strict=True):
            mixed, wanted = torch.from_numpy(one), torch.from_numpy(target)
            values.append(float(si_sdr(make(mixed), wanted)))
            gains.append(values[-1] - float(si_sdr(mixed, wanted)))
        kinds = {kind: float(np.mean(gains[row::3])) for row, kind in enumerate(("white", "pink", "babble"))}
        rows[name] = {"si_sdr": float(np.mean(values)), "gain": float(np.mean(gains)), "seconds": seconds, **kinds}
        print("enhancement", name, rows[name], flush=True)

    score("noisy", lambda wave: wave)
    score("spectral gating", lambda wave: spectral_gate(wave[None])[0])
    for name, settings in (("no judge", ["adversarial=0"]), ("pix2pix", [])):
        with tempfile.TemporaryDirectory() as text:
            top = Path(text)
            sides = [_written(side, top / kind) for side, kind in zip(pairs, ("noisy", "clean"), strict=True)]
            started = time.process_time()
            run = translate.train(
                *sides,
                paired=True,
                recipe="pix2pix",
                images=ENHANCE_IMAGES,
                out=top / "run",
                settings=["snapshots=1", "threads=1", f"width={ENHANCE_WIDTH}", *settings],
            )
            seconds = time.process_time() - started
            model = translate.load(run.path)
            score(name, lambda wave, model=model: translate.translate_wave(model, wave[None])[0], seconds)  # type: ignore[misc]
    return {"rows": rows, "held_speakers": held, "test": len(test), "train": len(train), "images": ENHANCE_IMAGES}


# ---------------------------------------------------------------------- vocoder


def vocoding() -> dict[str, Any]:
    """The small vocoder on the training recordings, judged on the official test."""
    from augan.vocoder.features import log_mel, mel_griffin_lim
    from augan.vocoder.trainer import by_griffin_lim, distances

    with tempfile.TemporaryDirectory() as text:
        top = Path(text)
        train = folder_of(split(False), top / "train")
        started = time.process_time()
        run = vocoder.train(train, out=top / "run", steps=VOCODER_STEPS, settings=["snapshots=10", "threads=1"])
        seconds = time.process_time() - started
        model = vocoder.load(run.path)
        program = top / "vocoder.pt2"
        vocoder.export(model, program)
        size = program.stat().st_size
    waves = [torch.from_numpy(clip.wave) for clip in split(True) if len(clip.wave) >= model.spec.n_fft]
    ours = distances(model.resynthesise, waves, model)
    theirs = distances(lambda wave: by_griffin_lim(wave, model), waves, model)
    count = model.config.generator.guide

    def guided(wave: Tensor) -> Tensor:
        return mel_griffin_lim(log_mel(wave[None], model.spec), model.spec, len(wave), count)[0]

    alone = distances(guided, waves, model)
    return {
        "rows": {"vocoder": vars(ours), "Griffin-Lim": vars(theirs), "its guide alone": vars(alone)},
        "test": len(waves),
        "steps": VOCODER_STEPS,
        "training_seconds": seconds,
        "mels": vars(model.spec),
        "exported_bytes": size,
    }


# ---------------------------------------------------------------------- studies


def study(name: str, each: int | None) -> dict[str, Any]:
    """`each` recordings a digit to learn from (twice as many in all, two folds), or speakers apart."""
    random = np.random.default_rng(0)
    chosen: list[Clip] = []
    for digit in "0123456789":
        mine = [clip for clip in split(False) if clip.digit == digit]
        if each is None:
            for speaker in sorted({clip.speaker for clip in mine}):
                chosen += [clip for clip in mine if clip.speaker == speaker][:LIFT_EACH]
        else:
            chosen += [mine[row] for row in random.permutation(len(mine))[: 2 * each]]
    with tempfile.TemporaryDirectory() as text:
        source = augan.open(folder_of(chosen, Path(text) / "some"))
        test = like(folder_of(split(True), Path(text) / "test"), source.item)
        speaker = {(c.digit, f"{c.speaker}_{c.index:02d}.wav"): c.speaker for c in chosen}
        assert source.origin is not None  # type: ignore[attr-defined]
        members = [Path(member) for member in source.origin.members]  # type: ignore[attr-defined]
        groups = None if each is not None else np.array([speaker[path.parent.name, path.name] for path in members])
        started = time.process_time()
        found = augan.lift(
            source,
            arms=ARMS,
            groups=groups,
            holdout=None if each is None else test,
            fit=fit_gan(steps=LIFT_ROUNDS),
            steps=LIFT_STEPS,
            folds=2,
            repeats=LIFT_REPEATS,
            force=True,
            cells=CELLS / name,
            tell=lambda outcome: print(
                name, outcome.arm, outcome.split, f"{outcome.balanced_accuracy:.3f}", flush=True
            ),
        )
    return {"items": len(chosen), "seconds": time.process_time() - started, **found.to_json()}


CELL: dict[str, Callable[[], dict[str, Any]]] = {
    "digits": lambda: generation("digits", "auto", DIGITS_IMAGES),
    "wavegan": lambda: generation("wavegan", "wavegan", WAVEGAN_IMAGES),
    "enhancement": enhancement,
    "vocoder": vocoding,
    **{f"lift-{count}": (lambda count=count: study(f"lift-{count}", count)) for count in (5, 10, 20, 50)},  # type: ignore[misc]
    "lift-speaker": lambda: study("lift-speaker", None),
}


def play(name: str) -> None:
    """Measures a cell, if it is missing."""
    path = CELLS / f"{name}.json"
    if path.exists():
        return
    started = time.process_time()
    found = CELL[name]()
    write_json(path, {"cell": name, "machine": machine(), "cell_seconds": time.process_time() - started, **found})
    print(name, {key: value for key, value in found.items() if key in ("rows", "verdict")}, flush=True)


# ---------------------------------------------------------------------- report


def _generations(found: dict[str, Any]) -> list[str]:
    rows = []
    for name in ("digits", "wavegan"):
        if name not in found:
            continue
        for label, row in found[name]["rows"].items():
            budget = (
                f"{found[name]['images']:,}, {found[name]['training_seconds']:.0f} s" if label == "generated" else ""
            )
            numbers = [
                f"{row['agreement']:.1%}",
                f"{row['inception']:.2f}",
                f"{row['spread']:.1f}",
                f"{row['nearest']:.1f}",
            ]
            rows.append([name, label, budget, *numbers])
    if not rows:
        return []
    header = ["cell", "recordings", "images seen, processor time", "recognised as asked", "inception score"]
    header += ["spread in a class, dB", "to the nearest training recording, dB"]
    by_digit = [
        f"{name}, recognised as asked from 0 to 9: {', '.join(f'{share:.0%}' for share in found[name]['by_digit'])}."
        for name in ("digits", "wavegan")
        if name in found
    ]
    heard = ", ".join(f"[{digit}](sounds/digit-{digit}.wav)" for digit in range(10))
    more = f"\n\nTo hear, of the spectrogram model: {heard}." if "digits" in found else ""
    more += " All digits of WaveGAN: [one after another](sounds/wavegan.wav)." if "wavegan" in found else ""
    return [f"### Generated digits\n\n{table(header, rows)}\n\n{' '.join(by_digit)}{more}"]


def _enhancements(found: dict[str, Any]) -> list[str]:
    if "enhancement" not in found:
        return []
    cell = found["enhancement"]
    header = ["", "SI-SDR, dB", "gain, dB", "white", "pink", "babble", "processor time, s"]
    rows = [
        [name, *(f"{row[key]:.2f}" for key in ("si_sdr", "gain", "white", "pink", "babble")), f"{row['seconds']:.0f}"]
        for name, row in cell["rows"].items()
    ]
    said = (
        f"{cell['test']} recordings of {len(cell['held_speakers'])} held-out speakers, {cell['images']:,} images seen "
        f"by U-Nets of width {ENHANCE_WIDTH}. A judge is the discriminator of pix2pix."
    )
    return [f"### Enhancement\n\n{said}\n\n{table(header, rows)}"]


def _vocoders(found: dict[str, Any]) -> list[str]:
    if "vocoder" not in found:
        return []
    cell = found["vocoder"]
    rows = [[name, f"{row['mel']:.3f}", f"{row['spectral']:.3f}"] for name, row in cell["rows"].items()]
    mels = cell["mels"]
    said = (
        f"{cell['test']} test recordings to {mels['mels']} mels (window {mels['n_fft']}, hop {mels['hop']}) and "
        f"back. The small size, {cell['steps']:,} steps, {cell['training_seconds']:.0f} s of processor time. Spectral: "
        "three resolutions, convergence and |ln ratio| (arXiv:1910.11480), among what the vocoder learns from."
    )
    return [f"### Vocoder\n\n{said}\n\n{table(['', 'log-mel distance', 'spectral distance'], rows)}"]


def _studies(found: dict[str, Any]) -> list[str]:
    names = [name for name in CELL if name.startswith("lift") and name in found]
    if not names:
        return []
    rows = []
    for name in names:
        scores = {row["arm"]: f"{row['balanced_accuracy']:.1%}" for row in found[name]["arms"]}
        verdict = found[name]["verdict"]
        gain = verdict["over_rival"]
        over = f"{100 * gain['mean']:+.1f} ({100 * gain['low']:+.1f} to {100 * gain['high']:+.1f})" if gain else ""
        rows.append([name, *(scores.get(arm, "") for arm in ARMS), over, verdict["word"]])
    said = (
        f"Balanced accuracies of a classifier of {LIFT_STEPS} steps, {LIFT_REPEATS} times two folds; a GAN of "
        f"{LIFT_ROUNDS * 64:,} images seen on each part. Over the best arm without a GAN: points, 95 % interval."
    )
    return [f"### Studies\n\n{said}\n\n{table(['study', *ARMS, 'over the best without', 'verdict'], rows)}"]


def report() -> None:
    """Writes the section from what is there."""
    found = {name: read_json(CELLS / f"{name}.json") for name in CELL if (CELLS / f"{name}.json").exists()}
    parts = [" ".join((__doc__ or "").split())]
    for part in (_generations, _enhancements, _vocoders, _studies):
        parts += part(found)
    machines = [cell["machine"] for cell in found.values()]
    write_section("sound", "Sound and speech", "\n\n".join(parts), machines)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    whole = commands.add_parser("run", help="do all missing cells")
    whole.add_argument("cells", nargs="*", metavar="CELL", help=f"of: {', '.join(CELL)}")
    commands.add_parser("report", help="write the section from the cells that are there")
    asked = parser.parse_args()
    if asked.command == "report":
        report()
        return
    for name in asked.cells or CELL:
        try:
            play(name)
        except Missing as error:
            print(f"{name} is left out: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
