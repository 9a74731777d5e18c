"""Training of any kind of data into a run folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from augan import text
from augan.api.reading import open_reading, resolve, resumed_config
from augan.checkpoint import CheckpointStore, Run
from augan.core.errors import Interrupted, UserError
from augan.core.files import require_absent
from augan.core.world import World, join
from augan.data import Source
from augan.game import Objective
from augan.training import ConsoleObserver, Observer, Sink, Trainer

RUNS = Path("runs")
REMEDY = "Go on with it by --resume, or choose another --out."


def train(
    data: Any,
    *,
    minutes: float | None = None,
    images: int | None = None,
    out: Path | str | None = None,
    recipe: str = "auto",
    settings: Sequence[str] = (),
    size: int | str | None = None,
    strict: bool = False,
    seed: int = 0,
    device: str = "auto",
    resume: bool = False,
    generator: nn.Module | None = None,
    discriminator: nn.Module | None = None,
    objective: Objective | None = None,
    start: Path | str | None = None,
    kind: str | None = None,
    label: str | None = None,
    log: Sequence[str | Sink] = (),
    progress: bool = False,
    observer: Observer | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Run:
    """Trains a GAN on images or sounds.

    Under torchrun, all processes call this alike and train one model together (docs/scaling.md); the first one writes
    the run folder and says what happens.

    Args:
        data: a path (folder, zip, .npy, .npz, Parquet, .csv, .tsv; .txt holds sentences), an array (N, H, W[, C]), a
            pair (images, labels), a DataFrame, any map-style torch Dataset, or a Source.
        minutes, images: the budget: time, or real images shown to the discriminator. One of them; 5 minutes if none.
        out: the run folder; None chooses a new one under ./runs.
        recipe: auto, article, strided or residual.
        settings: 'key=value' changes of the configuration, as with --set.
        size: S, "HxW" or None, see `augan.open`.
        strict: fail on unreadable images.
        seed: decides every random draw.
        device: auto, cpu, cuda or mps.
        resume: go on with the run in `out`, with its own configuration; `minutes` or `images` extend its budget.
        generator, discriminator: modules of your own (see `augan.networks` for what they must do).
        objective: a pair of losses of your own.
        start: a run on related data whose networks to begin with: settings of networks are taken from it, weights
            wherever they fit, and class embeddings by name. Item sizes and channels may differ.
        kind: what an item is (image, video, sound, table, series, text); None goes by what most files are.
        label: the column of a table that is the class of a row.
        log: names of loggers (tensorboard, wandb, mlflow), or sinks of your own (`augan.training.Sink`), which hear the
            lines of metrics.jsonl.
        progress: show a live progress line.
        observer: is told what happens (see `augan.training.Observer`).
        should_stop: asked after every round; True saves and raises Interrupted.

    Returns:
        The finished run; `run.load()` gives the model.

    Raises:
        UserError: data, settings or folder do not do; nothing was overwritten.
        Interrupted: stopped and saved.
    """
    names = tuple(sink for sink in log if isinstance(sink, str))
    own = [sink for sink in log if not isinstance(sink, str)]
    if text.is_text(data, "table" if label else kind):
        only_images(size=size, generator=generator, discriminator=discriminator, objective=objective, start=start)
        named = [*settings, *([f"log={json.dumps(names)}"] if names else [])]
        return _train_text(data, minutes, images, out, recipe, named, seed, device, resume, progress, observer,
            should_stop, own)  # fmt: skip
    world = join()
    if names:
        settings = [*settings, f"training.log={json.dumps(names)}"]
    if resume:
        config = world.decided(lambda: resumed_config(out, minutes, images, settings, device))
        source = world.in_turn(lambda: open_reading(data, config.data))
    else:
        if out is not None:
            world.decided(lambda: require_absent(Path(out), REMEDY))
        source, own_config = world.in_turn(
            lambda: resolve(
                data,
                minutes=minutes,
                images=images,
                recipe=recipe,
                settings=settings,
                size=size,
                strict=strict,
                seed=seed,
                device=device,
                processes=world.size,
                start=start,
                kind=kind,
                label=label,
            )
        )
        config = world.decided(lambda: own_config)
    folder = world.decided(lambda: new_run_folder(source.name) if out is None else Path(out))
    _require_outside(folder, source)
    trainer = Trainer(
        source,
        config,
        folder,
        generator=generator,
        discriminator=discriminator,
        objective_pair=objective,
        observer=(observer or (ConsoleObserver() if progress else None)) if world.first else None,
        should_stop=should_stop,
        world=world,
        sinks=own,
    )
    if resume:
        return trainer.run(resume=True)
    with whole_or_gone(folder, world):
        return trainer.run()


def _train_text(
    data: Any,
    minutes: float | None,
    images: int | None,
    out: Path | str | None,
    recipe: str,
    settings: Sequence[str],
    seed: int,
    device: str,
    resume: bool,
    progress: bool,
    observer: Observer | None,
    should_stop: Callable[[], bool],
    sinks: Sequence[Sink],
) -> Run:
    """As `train`, of sentences; its loop is another one (docs/text.md)."""
    world = join()
    if out is None and resume:
        raise UserError("Say which run to resume: --out RUN.")
    name = Path(data).stem if isinstance(data, str | Path) else "text"
    folder = world.decided(lambda: new_run_folder(name) if out is None else Path(out))
    if isinstance(data, str | Path) and Path(data).is_dir() and folder.resolve().is_relative_to(Path(data).resolve()):
        raise UserError(f"{folder} lies inside the data, {data}, which stays as it is. Choose another --out.")

    def run() -> Run:
        return text.train(
            data,
            minutes=minutes,
            images=images,
            out=folder,
            recipe=recipe,
            settings=settings,
            seed=seed,
            device=device,
            resume=resume,
            observer=observer or (ConsoleObserver() if progress else None),
            should_stop=should_stop,
            sinks=sinks,
        )

    if resume:
        return run()
    with whole_or_gone(folder, world):
        return run()


def only_images(**given: Any) -> None:
    """Raises UserError for what was given and sentences do not have."""
    for name, value in given.items():
        if value is not None:
            option = "--from" if name == "start" else name if name in ("generator", "objective") else f"--{name}"
            raise UserError(f"{option} is for other data than text. Leave it out.")


@contextmanager
def whole_or_gone(folder: Path, world: World) -> Iterator[None]:
    """Removes a new run that a full disk stopped before it had anything to go on with, or whose start was cut off.

    A run that failed for another reason stays: its settings and readings show why.
    """
    world.decided(lambda: require_absent(folder, REMEDY))
    if not world.first:
        yield
        return
    try:
        yield
    except KeyboardInterrupt as error:
        if (folder / "config.json").exists():
            raise Interrupted(f"Stopped in {folder}. Go on with --resume.") from error
        shutil.rmtree(folder, ignore_errors=True)
        raise
    except UserError:
        if CheckpointStore(folder).last() is None:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _require_outside(folder: Path, source: Source) -> None:
    """Raises UserError for a run folder inside a folder of images: its sheets would become part of the data."""
    origin = getattr(source, "origin", None)
    if origin is not None and origin.path.is_dir() and folder.resolve().is_relative_to(origin.path.resolve()):
        raise UserError(f"{folder} lies inside the data, {origin.path}, which stays as it is. Choose another --out.")


def new_run_folder(name: str, under: Path = RUNS) -> Path:
    """The first of NAME-1, NAME-2, ... under `under` that does not exist."""
    number = 1
    while (under / f"{name}-{number}").exists():
        number += 1
    return under / f"{name}-{number}"
