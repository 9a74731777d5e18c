"""The functions of `import augan`: train, load, open, evaluate, generate, augment.

The command line calls the same functions; what they return is plain Python, NumPy and PyTorch.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, overload

from torch import nn

from augan import text
from augan.apply import Augmented, Contest, Diagnosis, check_out, compare_runs, evaluate, plan_additions
from augan.apply import augment as _augment
from augan.apply import diagnose_run as doctor
from augan.apply import generate as _generate
from augan.apply.table_copies import augment_rows, check_rows_out
from augan.checkpoint import CheckpointStore, Model, Run, find_checkpoint, load_item, load_model
from augan.checkpoint.series import SeriesModel
from augan.checkpoint.tables import TableModel
from augan.core.config import from_dict, override
from augan.core.errors import Interrupted, UserError
from augan.core.files import require_absent
from augan.core.world import World, join
from augan.data import SoundReading, Source, class_counts, inspect, open
from augan.data.kinds import NOUNS
from augan.data.tables import TableSource
from augan.data.windows import SeriesSource
from augan.explain import OpenModel
from augan.export import Exported
from augan.export import export_model as _export_model
from augan.game import Objective
from augan.metrics import Evaluation
from augan.recipes import READINGS, Budget, recipe_config
from augan.training import ConsoleObserver, DataConfig, Observer, RunConfig, Sink, Trainer

RUNS = Path("runs")
REMEDY = "Go on with it by --resume, or choose another --out."


def resolve(
    data: Any,
    *,
    minutes: float | None = None,
    images: int | None = None,
    recipe: str = "auto",
    settings: Sequence[str] = (),
    size: int | str | None = None,
    strict: bool = False,
    seed: int = 0,
    device: str = "auto",
    processes: int = 1,
    start: Path | str | None = None,
    kind: str | None = None,
    label: str | None = None,
) -> tuple[Source, RunConfig]:
    """The opened data and the configuration that `train` would use; nothing is trained.

    Raises:
        UserError: data that cannot be opened, an unknown recipe or setting, two budgets.
    """
    reading = _reading((*READINGS.get(recipe, ()), *settings), size, strict, kind, label)
    source = _open(data, reading)
    budget = Budget(minutes=minutes, images=images, processes=processes)
    config = recipe_config(recipe, source.item, len(source), class_counts(source), budget, device)
    own: dict[str, Any] = {} if start is None else _like_start(Path(start), source.item.kind)
    own |= {
        "seed": seed,
        "training.device": device,
        "data.size": reading.size,
        "data.kind": reading.kind,
        "data.frames": reading.frames,
        "data.frames_per_sec": reading.frames_per_sec,
        "data.step": reading.step,
        "data.label": reading.label,
        "data.strict": reading.strict,
        "data.min_images_per_class": reading.min_images_per_class,
        "data.form": reading.form,
        **{f"data.{name}": value for name, value in asdict(reading.windowing).items()},
    }
    config = override(config, [f"{key}={json.dumps(value)}" for key, value in own.items()])
    config = override(config, settings)
    path = str(data) if isinstance(data, str | Path) else None
    return source, override(config, [f"data.path={json.dumps(path)}"])


def _like_start(start: Path, kind: str) -> dict[str, Any]:
    """The networks of a run whose weights are to be taken; of another kind of item, what does not name a family."""
    checkpoint = find_checkpoint(start)
    run = Run(checkpoint if (checkpoint / "config.json").exists() else checkpoint.parents[1])
    theirs = run.config["networks"]
    if kind != load_item(checkpoint).kind:
        theirs = {name: theirs[name] for name in ("latent_size", "width")}
    return {"start": str(start)} | {f"networks.{name}": value for name, value in theirs.items() if name in SHARED}


SHARED = ("name", "latent_size", "width", "widest", "blocks", "mapping", "conditioning")
"""Settings of networks that decide whether weights fit."""


def _reading(
    settings: Sequence[str],
    size: int | str | None,
    strict: bool,
    kind: str | None = None,
    label: str | None = None,
) -> DataConfig:
    """How the data is to be read: needed before there is a recipe. Settings win over arguments."""
    given = DataConfig(size=None if size is None else str(size), strict=strict, kind=kind, label=label)
    wanted = [text for text in settings if text.strip().startswith("data.")]
    return override(RunConfig(data=given), wanted).data


def _reading_for(
    model: Model | None, settings: Sequence[str], size: int | str | None, strict: bool, label: str | None
) -> DataConfig:
    """How data is read to which a model's items are added."""
    if isinstance(model, TableModel):
        label = model.spec.label
    elif model is not None and size is None and model.item.sound is None:
        size = f"{model.item.height}x{model.item.width}"
    reading = _reading(settings, size, strict, label=label)
    if model is not None and model.item.frames is not None:
        reading = replace(reading, frames=model.item.frames, kind="video")
    return reading


def _open(data: Any, reading: DataConfig) -> Source:
    return open(
        data,
        size=reading.size,
        strict=reading.strict,
        min_images_per_class=reading.min_images_per_class,
        stream=reading.stream,
        kind=reading.kind,
        sound=SoundReading(rate_hz=reading.rate_hz, seconds=reading.seconds, form=reading.form),
        cutting=reading.cutting,
        windowing=reading.windowing,
        label=reading.label,
    )


def open_by(
    data: Any, settings: Sequence[str] = (), *, size: int | str | None = None, label: str | None = None
) -> Source:
    """Data as a run with these settings, such as `data.frames=8`, would read it.

    Raises:
        UserError: a wrong setting, or see `augan.open`.
    """
    return _open(data, _reading(settings, size, strict=False, label=label))


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
    if text.is_text(data, "table" if label else kind):
        _only_images(size=size, generator=generator, discriminator=discriminator, objective=objective, start=start)
        return _train_text(data, minutes, images, out, recipe, settings, seed, device, resume, progress, observer,
            should_stop)  # fmt: skip
    world = join()
    names = tuple(sink for sink in log if isinstance(sink, str))
    if names:
        settings = [*settings, f"training.log={json.dumps(names)}"]
    if resume:
        config = world.decided(lambda: _resumed_config(out, minutes, images, settings, device))
        source = world.in_turn(lambda: _open(data, config.data))
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
        sinks=[sink for sink in log if not isinstance(sink, str)],
    )
    if resume:
        return trainer.run(resume=True)
    with _whole_or_gone(folder, world):
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
        )

    if resume:
        return run()
    with _whole_or_gone(folder, world):
        return run()


def _text_model(run: Any) -> Any:
    """Raises UserError for a model of images, where sentences are to be added."""
    if isinstance(run, Model):
        raise UserError(f"This model makes {NOUNS[run.item.kind]}, and the data is text. Give a run on text.")
    return run


def _only_images(**given: Any) -> None:
    """Raises UserError for what was given and sentences do not have."""
    for name, value in given.items():
        if value is not None:
            option = "--from" if name == "start" else name if name in ("generator", "objective") else f"--{name}"
            raise UserError(f"{option} is for other data than text. Leave it out.")


@contextmanager
def _whole_or_gone(folder: Path, world: World) -> Iterator[None]:
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


def resolve_resumed(
    data: Any,
    out: Path | str | None,
    minutes: float | None = None,
    images: int | None = None,
    settings: Sequence[str] = (),
    device: str = "auto",
) -> tuple[Source, RunConfig]:
    """The opened data and the configuration with which `train(resume=True)` would go on.

    Raises:
        UserError: `out` is not a run, the data cannot be opened, a wrong setting.
    """
    config = _resumed_config(out, minutes, images, settings, device)
    return _open(data, config.data), config


def _resumed_config(
    out: Path | str | None, minutes: float | None, images: int | None, settings: Sequence[str], device: str
) -> RunConfig:
    if out is None:
        raise UserError("Say which run to resume: --out RUN.")
    config = from_dict(RunConfig, Run(out).config)
    budget = {"training.minutes": minutes, "training.images": images}
    if any(value is not None for value in budget.values()):
        changes = [f"{key}={'null' if value is None else value}" for key, value in budget.items()]
        config = override(config, changes)
    config = override(config, settings)
    if device != "auto":
        config = override(config, [f"training.device={device}"])
    return config


def new_run_folder(name: str, under: Path = RUNS) -> Path:
    """The first of NAME-1, NAME-2, ... under `under` that does not exist."""
    number = 1
    while (under / f"{name}-{number}").exists():
        number += 1
    return under / f"{name}-{number}"


@overload
def load(run: Path | str, *, generator: nn.Module, which: str = "best", device: str = "cpu") -> OpenModel: ...
@overload
def load(run: Path | str, *, generator: None = None, which: str = "best", device: str = "cpu") -> Any: ...
def load(run: Path | str, *, generator: nn.Module | None = None, which: str = "best", device: str = "cpu") -> Any:
    """The model of a run folder or checkpoint folder; see `augan.checkpoint.load_model`. Of text a `TextModel`."""
    if generator is None and text.is_text_run(run):
        return text.load(run, which=which, device=device)
    model = load_model(run, generator=generator, which=which, device=device)
    return model if isinstance(model, TableModel | SeriesModel) else OpenModel.of(model)


def generate(
    model: Model | text.TextModel,
    count: int,
    out: Path | str,
    *,
    classes: Sequence[str | int] | None = None,
    truncation: float = 1.0,
    seed: int = 0,
    tick: Callable[[int], None] = lambda done: None,
    **own: Any,
) -> Path:
    """Writes `count` items to `out`: see `augan.apply.generate` and, of sentences, `augan.text.generate_text`.

    `truncation` is the temperature of sentences, which may also be above 1. `own`: what rows (`where`) and clips
    (`frames`, `fps`, `grid`) have beside.
    """
    if isinstance(model, text.TextModel):
        return text.generate(model, count, out, classes=classes, temperature=truncation, seed=seed, tick=tick)
    return _generate(model, count, out, classes=classes, truncation=truncation, seed=seed, tick=tick, **own)


def export_model(
    run: Path | str | Model,
    *,
    onnx: Path | str | None = None,
    program: Path | str | None = None,
    int8: bool = False,
    against: Any = None,
    count: int = 1_000,
    which: str = "best",
) -> Exported:
    """Writes a run's generator (or a model) as files for other programs; see `augan.export.export_model`."""
    model = run if isinstance(run, Model) else load_model(run, which=which)
    return _export_model(model, onnx=onnx, program=program, int8=int8, against=against, count=count)


def augment(
    data: Any,
    out: Path | str,
    *,
    run: Path | str | Model | text.TextModel | None = None,
    strategy: str = "auto",
    minutes: float = 5.0,
    seed: int = 0,
    truncation: float = 1.0,
    size: int | str | None = None,
    strict: bool = False,
    settings: Sequence[str] = (),
    force: bool = False,
    select: bool | None = None,
    holdout: Any = None,
    groups: Any = None,
    folds: int = 5,
    steps: int | None = None,
    flip: bool = False,
    cells: Path | str | None = None,
    label: str | None = None,
    report: Path | str | None = None,
    verdict: Path | str | None = None,
    observer: Observer | None = None,
    tick: Callable[[int], None] = lambda done: None,
    tell: Callable[[Any], None] = lambda outcome: None,
) -> Augmented:
    """A bigger, balanced copy of a data set, in its own layout, if it makes a better classifier (docs/augmentation.md).

    Without `run`, labelled data is studied first (`augan.lift`): where the study does not say HELPS, nothing is
    written, and the result's `out` is None. Otherwise a GAN is trained on all of the data, into a new folder under
    ./runs, and its selected samples are added. `minutes` are divided among the study's GANs and autoencoders and that
    one. With `run`, for data without labels, and with `force` where neither report nor verdict nor holdout is asked
    for, there is no study, and samples are added as they come; rows of a table with a label are selected all the same.

    Args:
        force: write whatever the study says.
        select: whether samples are selected; None goes by the above.
        holdout, groups, folds, steps, flip, cells: of the study, see `augan.augment.lift`.
        label: the column of a table that is the class; a `run` knows its own.
        report: where to write the study as a page; verdict: as JSON.
        tell: is told each of the study's outcomes.

    Raises:
        UserError: see `augan.apply.augment` and `augan.augment.lift`; a study is asked of a `run` or of unlabelled
            data.
    """
    if text.is_text(data, "table" if label else None):
        from augan.augment.copies import augment_text

        _only_images(size=size, holdout=holdout, groups=groups, report=report, select=select)
        return augment_text(
            data,
            out,
            run=_text_model(run),
            strategy=strategy,
            minutes=minutes,
            seed=seed,
            temperature=truncation,
            settings=settings,
            force=force,
            folds=folds,
            cells=cells,
            verdict=verdict,
            folder=lambda: new_run_folder(Path(str(data)).stem),
            observer=observer,
            tell=tell,
        )
    target = Path(out)
    require_absent(target)
    options = {"report": report, "verdict": verdict, "holdout": holdout}
    asked = [name for name, value in options.items() if value is not None]
    if run is not None and asked:
        raise UserError(
            f"--{asked[0]} asks for a test, which needs GANs that have not seen the test items, and the run has seen "
            "all. Leave --run out: the test trains its own."
        )
    if isinstance(run, text.TextModel):
        raise UserError("This model makes sentences, and the data is not text. Give a run on data of the same kind.")
    model = run if isinstance(run, Model) else None if run is None else load_model(run)
    source = _open(data, _reading_for(model, settings, size, strict, label))
    if isinstance(source, SeriesSource):
        raise UserError(
            "A bigger copy of time series is not written: windows that overlap would stand beside new ones. New "
            "windows come from `augan train` and `augan generate`."
        )
    if isinstance(source, TableSource):
        check_rows_out(target)
    else:
        check_out(source, target)
    plan_additions(source, strategy)  # a wrong strategy fails before minutes of training
    if asked and not class_counts(source):
        raise UserError(
            f"--{asked[0]} asks for a test, and {source.name} has no labels: there is no classifier to help."
        )
    by_default = bool(class_counts(source)) and isinstance(source, TableSource)
    writing: dict[str, Any] = {"strategy": strategy, "seed": seed, "truncation": truncation, "tick": tick}
    if model is not None:
        return _copy(source, model, target, by_default if select is None else select, **writing)
    study = None
    if class_counts(source) and (asked or not force):
        from augan.augment import gate

        minutes = gate.share_of_each(minutes, folds, holdout is not None)
        study = gate.prove(
            source,
            strategy,
            minutes=minutes,
            holdout=holdout,
            groups=groups,
            folds=folds,
            steps=steps,
            flip=flip,
            force=force,
            seed=seed,
            settings=settings,
            cells=cells,
            report=None if report is None else Path(report),
            verdict=None if verdict is None else Path(verdict),
            tell=tell,
        )
        if study.verdict.word != "HELPS" and not force:
            return Augmented(out=None, manifest=None, real=class_counts(source), added={}, study=study.to_json())
    folder = new_run_folder(source.name)
    model = train(source, minutes=minutes, out=folder, settings=settings, seed=seed, observer=observer).load()
    chosen = (by_default or study is not None) if select is None else select
    found = _copy(source, model, target, chosen, **writing)
    return found if study is None else replace(found, study=study.to_json())


def _copy(source: Source, model: Model, out: Path, select: bool, **writing: Any) -> Augmented:
    """A bigger copy of images or rows, with selected samples or as they come."""
    if select:
        from augan.augment import gate

        return gate.write_selected(source, model, out, **writing)
    if isinstance(source, TableSource):
        writing.pop("tick")
        return augment_rows(source, model, out, **writing)
    return _augment(source, model, out, **writing)


__all__ = [
    "Augmented",
    "Contest",
    "Diagnosis",
    "Evaluation",
    "Exported",
    "Model",
    "Run",
    "Source",
    "augment",
    "compare_runs",
    "doctor",
    "evaluate",
    "export_model",
    "generate",
    "inspect",
    "load",
    "new_run_folder",
    "open",
    "resolve",
    "resolve_resumed",
    "train",
]
