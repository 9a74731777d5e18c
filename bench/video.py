"""Clips of moving clothes: the video recipe beside a discriminator of whole clips, MoCoGAN, frames by an image GAN, and
trivial clips.

Garments of Fashion-MNIST, 28x28 on black, move over 64x64 pixels in a straight line, at 1 to 3 pixels a frame, and
bounce off the border; clips have 16 frames. 4,000 clips of training garments are learnt from; distances are between
1,000 samples and 1,000 clips of test garments, in a feature space that is made from the training clips. "Motion" is the
mean Wasserstein distance of five statistics of movement, as a share of their size in real clips (docs/video.md). All
ways but the trivial ones train for the same minutes on one thread; the processor's seconds are given, as other programs
may run beside. Outcomes are files of bench/video_cells/, and runs are kept in bench/video_runs/, where a stopped one
goes on: `python -m bench.video run [CELL ...]`; `pictures` draws the GIFs of the documentation from the runs, and
`report` writes the section.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

import augan
from augan.apply.clipmeasures import Judge, frame_space
from augan.apply.clips import at_times
from augan.core.errors import UserError
from augan.core.files import read_json, write_json
from augan.core.item import from_unit, to_unit
from augan.core.reels import save_mosaic
from augan.core.rng import Stream
from augan.data import ArraySource, cache_folder
from augan.game import objective
from augan.game.config import GameConfig
from augan.metrics import frechet_distance, motion_statistics
from augan.metrics.clips import CHANGES, ClipSpace, changed_clips, train_clip_space, video_space
from augan.metrics.motion import STATISTICS
from augan.networks import NetworkConfig, build
from augan.training import TrainingConfig
from augan.training.state import State
from augan.training.step import Table, play_round
from bench.report import machine, table, write_section
from bench.sets import Missing, fashion

CELLS = Path(__file__).parent / "video_cells"
RUNS = Path(__file__).parent / "video_runs"
IMAGES = Path(__file__).parent.parent / "docs" / "images"
MINUTES = 15.0
FRAMES, SIDE, GARMENT = 16, 64, 28
TRAINED, TESTED = 4_000, 1_000
DIRECTIONS = ("down", "left", "right", "up")
STEPS = {"down": (1, 0), "left": (0, -1), "right": (0, 1), "up": (-1, 0)}
LONGER = 10
ROUNDS, WIDTH, BATCH = 12, 16, 16
EACH = 30
"""Clips of each kind of garment that a study learns from."""
ARMS = ("real", "classical", "control", "smote", "mixup", "gan-raw", "gan-classical")


def _drawn(garments: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Clips (n, t, 64, 64, 1) of garments (n, 28, 28) with their upper left corners at places (n, t, 2)."""
    clips = np.zeros((*places.shape[:2], SIDE, SIDE, 1), dtype=np.uint8)
    for clip, garment, path in zip(clips, garments, places.round().astype(int), strict=True):
        for frame, (row, column) in zip(clip, path, strict=True):
            frame[row : row + GARMENT, column : column + GARMENT, 0] = garment
    return clips


def moving(count: int, seed: int, test: bool = False, frames: int = FRAMES) -> np.ndarray:
    """Clips in which garments go straight on and bounce."""
    return _moving(fashion()[2 if test else 0], count, np.random.default_rng([seed, test]), frames)


def garments(each: int, seed: int, test: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """The same, `each` of every kind of garment, and which kind."""
    images, labels = fashion()[2:] if test else fashion()[:2]
    random = np.random.default_rng([seed, test, 10])
    kinds = np.unique(labels)
    clips = [_moving(images[labels == kind], each, random, FRAMES) for kind in kinds]
    return np.concatenate(clips), np.arange(len(kinds)).repeat(each)


def _moving(images: np.ndarray, count: int, random: np.random.Generator, frames: int) -> np.ndarray:
    room = SIDE - GARMENT
    start = random.uniform(0, room, (count, 1, 2))
    angle, speed = random.uniform(0, 2 * np.pi, count), random.uniform(1, 3, count)
    velocity = (np.stack([np.sin(angle), np.cos(angle)], 1) * speed[:, None])[:, None]
    places = np.mod(start + velocity * np.arange(frames)[None, :, None], 2 * room)
    return _drawn(images[random.integers(len(images), size=count)], np.where(places > room, 2 * room - places, places))


def directed(count: int, seed: int, test: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Clips in which garments go down, left, right or up, without reaching the border, and which of them."""
    images = fashion()[2 if test else 0]
    random = np.random.default_rng([seed, test, 4])
    room, labels = SIDE - GARMENT, np.arange(count) % len(DIRECTIONS)
    ways = np.array([STEPS[name] for name in DIRECTIONS])[labels]
    reach = random.uniform(1, 2, count)[:, None] * (FRAMES - 1)
    low, high = np.where(ways < 0, reach, 0), np.where(ways > 0, room - reach, room)
    start = random.uniform(low, high)
    steps = (ways * reach)[:, None] * np.linspace(0, 1, FRAMES)[None, :, None]
    return _drawn(images[random.integers(len(images), size=count)], start[:, None] + steps), labels.astype(np.int64)


@functools.cache
def source() -> ArraySource:
    """The clips that are learnt from."""
    return augan.open(moving(TRAINED, 0))


@functools.cache
def judge() -> tuple[Judge, ClipSpace, np.ndarray]:
    """What measures, the space, and the test clips."""
    space = video_space(source(), source().key, cache_folder())
    test = moving(TESTED, 1, test=True)
    frames = frame_space(source().items(np.arange(min(500, TRAINED))), source())
    return Judge(real=test, features=features_of(space, test), frames=frames), space, test


def features_of(space: ClipSpace, clips: np.ndarray) -> np.ndarray:
    """Features of stored clips."""
    return np.concatenate([space.features(to_unit(part)) for part in np.array_split(clips, -(-len(clips) // 64))])


def measured(clips: np.ndarray) -> dict[str, float]:
    """The row of some clips."""
    known, space, _ = judge()
    return known.row(clips, features_of(space, clips))


def trained(name: str, data: Any, recipe: str, settings: Sequence[str] = ()) -> augan.Run:
    """The run of that name: done already, gone on with, or new."""
    folder = RUNS / name
    if (folder / "result.json").exists():
        return augan.Run(folder)
    fixed = ["training.threads=1", "training.measure_images=0", "training.snapshots=8"]
    if (folder / "config.json").exists():
        return augan.train(data, out=folder, resume=True, progress=True)
    return augan.train(data, minutes=MINUTES, out=folder, recipe=recipe, settings=[*fixed, *settings], progress=True)


def samples(run: augan.Run, classes: list[int] | None = None, count: int = TESTED) -> np.ndarray:
    """Stored samples of the last checkpoint."""
    return from_unit(run.load(which="last").sample(count, classes))


def _way(recipe: str) -> Callable[[], dict[str, Any]]:
    def cell() -> dict[str, Any]:
        run = trained(recipe, source(), recipe)
        return {"rows": {recipe: measured(samples(run))}, "clips_seen": run.result()["images_seen"]}

    return cell


def frames_alone() -> dict[str, Any]:
    """An image GAN learns the frames; its samples are put into clips as they come."""
    frames = source().items(np.arange(TRAINED)).reshape(-1, SIDE, SIDE, 1)
    run = trained("image", frames, "auto")
    clips = samples(run, count=TESTED * FRAMES).reshape(TESTED, FRAMES, SIDE, SIDE, 1)
    return {"rows": {"frames by an image GAN": measured(clips)}, "images_seen": run.result()["images_seen"]}


def trivial() -> dict[str, Any]:
    """Other clips of test garments, and these frozen and shuffled."""
    others = moving(TESTED, 2, test=True)
    rows = {"real": measured(others)}
    for name in ("frozen", "shuffled"):
        kinds = np.full(TESTED, CHANGES.index(name), dtype=np.int64)
        rows[f"real, {name}"] = measured(changed_clips(others, kinds, np.random.default_rng(0)))
    return {"rows": rows}


def directions() -> dict[str, Any]:
    """Whether samples go where they were asked to, by a classifier that learnt it from real clips."""
    clips, labels = directed(TRAINED, 0)
    data = augan.open((clips, labels))
    run = trained("directions", data, "video")
    other, truth = directed(TRAINED, 7)
    classifier = train_clip_space(augan.open((other, truth)), seed=7)
    test, asked = directed(TESTED, 8, test=True)
    made = samples(run, asked.tolist())
    right = {name: _agreement(classifier, side, asked) for name, side in (("real", test), ("samples", made))}
    return {"agreement": right, "clips_seen": run.result()["images_seen"]}


def _agreement(classifier: ClipSpace, clips: np.ndarray, labels: np.ndarray) -> float:
    return float((classifier.probabilities(features_of(classifier, clips)).argmax(1) == labels).mean())


def longer() -> dict[str, Any]:
    """Clips ten times as long as those of training, window by window, beside real ones as long."""
    if not (RUNS / "video" / "result.json").exists():
        raise Missing("longer: do the cell video first")
    model = at_times(augan.Run(RUNS / "video").load(which="last"), LONGER * FRAMES, None)
    _, space, test = judge()
    made = from_unit(model.sample(200))
    real = moving(200, 3, test=True, frames=LONGER * FRAMES)
    reference = features_of(space, test)
    found = {}
    for name, clips in (("samples", made), ("real", real)):
        windows = np.split(clips, LONGER, axis=1)
        found[name] = [
            {
                "frechet": frechet_distance(reference, features_of(space, window)),
                **dict(zip(STATISTICS, motion_statistics(window).mean(0).tolist(), strict=True)),
            }
            for window in windows
        ]
    return {"windows": found}


def speed() -> dict[str, Any]:
    """A round of the game with either discriminator at equal width, in turns; medians of the processor's time."""
    torch.set_num_threads(1)
    item = source().item
    players = {name: _players(name, item) for name in ("video", "video-3d")}
    real = to_unit(source().items(np.arange(BATCH)))
    times: dict[str, list[float]] = {name: [] for name in players}
    for turn in range(ROUNDS + 1):
        for name, (state, rules) in players.items():
            random = Stream(torch.Generator().manual_seed(turn))
            start = time.process_time()
            play_round(
                rules, (state.optimizer_g, state.optimizer_d), real, None, _size(state), random, 4.0 * (turn % 4 == 0)
            )
            if turn:  # the first one warms up
                times[name].append(1000 * (time.process_time() - start))
    found = {
        name: {"mean": float(np.mean(values)), "median": float(np.median(values))} for name, values in times.items()
    }
    return {"ms": found, "ratio": found["video-3d"]["mean"] / found["video"]["mean"]}


def _size(state: State) -> int:
    return int(state.generator.latent_size)  # type: ignore[arg-type]


def _players(name: str, item: Any) -> tuple[State, Table]:
    torch.manual_seed(0)
    networks = build(NetworkConfig(name=name, width=WIDTH), item)
    state = State(*networks, TrainingConfig(minutes=1.0), torch.device("cpu"))
    rules = GameConfig(reuse=True)
    return state, Table(
        generator=state.generator,
        discriminator=state.discriminator,
        objective=objective(rules.objective),
        rules=rules,
        classes=0,
        device=torch.device("cpu"),
        dtype=None,
    )


def study() -> dict[str, Any]:
    """Does a GAN of a few labelled clips make a better classifier of garments?"""
    data, holdout = garments(EACH, 0), garments(TESTED // 10, 1, test=True)
    settings = ["training.threads=1", "training.snapshots=1"]
    found = augan.lift(data, arms=ARMS, minutes=1.0, folds=3, holdout=holdout, settings=settings)
    return {"clips": len(data[0]), **found.to_json()}


WORK: dict[str, Callable[[], dict[str, Any]]] = {
    "baselines": trivial,
    "video": _way("video"),
    "video-3d": _way("video-3d"),
    "mocogan": _way("mocogan"),
    "image": frames_alone,
    "directions": directions,
    "longer": longer,
    "speed": speed,
    "lift": study,
}


def play(name: str) -> None:
    """One cell, unless it is there."""
    path = CELLS / f"{name}.json"
    if path.exists():
        return
    wall, processor = time.monotonic(), time.process_time()
    found = WORK[name]()
    document = {
        "cell": name,
        "seconds": time.monotonic() - wall,
        "processor_sec": time.process_time() - processor,
        "minutes": MINUTES,
        "machine": machine(),
        **found,
    }
    write_json(path, document)
    print(name, found, flush=True)


def pictures() -> None:
    """GIFs for the documentation: real clips, samples, directions, and one longer."""
    if (RUNS / "video" / "result.json").exists():
        model = augan.Run(RUNS / "video").load(which="last")
        save_mosaic(IMAGES / "video-samples.gif", from_unit(model.sample(8)), 10, 8)
        long = from_unit(at_times(model, 4 * FRAMES, None).sample(4))
        save_mosaic(IMAGES / "video-longer.gif", long, 10, 4)
    if (RUNS / "directions" / "result.json").exists():
        model = augan.Run(RUNS / "directions").load(which="last")
        asked = np.repeat(np.arange(len(DIRECTIONS)), 6).tolist()
        save_mosaic(IMAGES / "video-directions.gif", from_unit(model.sample(len(asked), asked)), 10, 6)
    save_mosaic(IMAGES / "video-real.gif", moving(8, 1, test=True), 10, 8)


def report() -> None:
    """Writes the section from what is there."""
    cells = {name: read_json(CELLS / f"{name}.json") for name in WORK if (CELLS / f"{name}.json").exists()}
    if not cells:
        raise SystemExit("There are no cells yet: python -m bench.video run")
    columns = {
        "frechet": "Fréchet",
        "precision": "precision",
        "coverage": "coverage",
        "frame_frechet": "Fréchet of frames",
        "motion": "motion",
    }
    rows = []
    for cell in cells.values():
        for row, values in cell.get("rows", {}).items():
            seen = cell.get("clips_seen", cell.get("images_seen"))
            cost = f"{cell['processor_sec']:.0f}" if seen else ""
            forms = [f"{values[key]:.3f}" for key in columns]
            rows.append([row, "" if seen is None else f"{seen:,}", cost, *forms])
    header = ["clips", "items seen", "processor seconds", *columns.values()]
    parts = [" ".join((__doc__ or "").split()), table(header, rows)]
    parts += [line for name, cell in cells.items() if (line := LINES.get(name, lambda cell: "")(cell))]
    parts += [f"![{text}](images/{name})" for name, text in DRAWN.items() if (IMAGES / name).exists()]
    machines = [cell["machine"] for cell in cells.values()]
    write_section("video", "Moving clothes", "\n\n".join(parts), machines)


def _directions_line(cell: dict[str, Any]) -> str:
    right = cell["agreement"]
    return (
        f"Direction as the class, 4 of them: a classifier that learnt from other real clips agrees with "
        f"{right['samples']:.1%} of 1,000 samples, and with {right['real']:.1%} of 1,000 real clips."
    )


def _longer_table(cell: dict[str, Any]) -> str:
    names = ("frechet", *STATISTICS)
    rows = []
    for side, windows in cell["windows"].items():
        for number in (0, LONGER // 2, LONGER - 1):
            values = [f"{windows[number][name]:.4f}" for name in names]
            rows.append([f"{side}, frames {number * FRAMES} to {(number + 1) * FRAMES - 1}", *values])
    text = f"Samples {LONGER} times as long as the clips of training, and real clips as long: means over 200 clips."
    return f"{text}\n\n{table(['window', 'Fréchet', *STATISTICS], rows)}"


def _speed_line(cell: dict[str, Any]) -> str:
    ms = cell["ms"]
    return (
        f"A round with batch {BATCH} at width {WIDTH}, one thread, in turns: {ms['video']['mean']:.0f} ms of processor "
        f"time with the three-frame discriminator, {ms['video-3d']['mean']:.0f} ms with that of whole clips: "
        f"{cell['ratio']:.1f} times as much."
    )


DRAWN = {
    "video-real.gif": "Real clips",
    "video-samples.gif": "Samples, none chosen",
    "video-directions.gif": "Samples of four directions, a row each: down, left, right, up",
    "video-longer.gif": "Samples four times as long as the clips of training",
}


def _study_table(cell: dict[str, Any]) -> str:
    verdict = cell["verdict"]
    rows = [[row["arm"], row["meaning"], f"{row['balanced_accuracy']:.1%}"] for row in cell["arms"]]
    text = (
        f"A study (`augan lift`) of {cell['clips']} clips of ten kinds of garment, three splits, a minute's GAN each, "
        f"and 1,000 clips of other garments as a second opinion: **{verdict['word']}**. {' '.join(verdict['reasons'])}"
    )
    return f"{text}\n\n{table(['arm', 'what it learns from', 'balanced accuracy'], rows)}"


LINES: dict[str, Callable[[dict[str, Any]], str]] = {
    "directions": _directions_line,
    "longer": _longer_table,
    "speed": _speed_line,
    "lift": _study_table,
}


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    whole = commands.add_parser("run", help="do the missing cells")
    whole.add_argument("cells", nargs="*", metavar="CELL", help=f"of: {', '.join(WORK)}")
    commands.add_parser("pictures", help="draw the GIFs of the documentation from the runs")
    commands.add_parser("report", help="write the section from the cells that are there")
    asked = parser.parse_args()
    if asked.command == "report":
        report()
    if asked.command == "pictures":
        pictures()
    for name in (asked.cells or WORK) if asked.command == "run" else ():
        try:
            play(name)
        except (Missing, UserError) as error:
            print(f"{name} is left out: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
