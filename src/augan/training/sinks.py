"""Where readings go beside `metrics.jsonl`: TensorBoard, Weights & Biases, MLflow, or anything with four methods."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from augan.core.config import to_dict
from augan.core.errors import Interrupted
from augan.core.optional import require
from augan.core.world import World
from augan.training.config import LOGGERS

Row = Mapping[str, Any]


@runtime_checkable
class Sink(Protocol):
    """What a run tells a logger. A row is a line of `metrics.jsonl`: `images_seen`, `elapsed_sec`, what was read."""

    def begin(self, folder: Path, config: Any, images_seen: int) -> None:
        """Training starts, or goes on after `images_seen` images: later rows that there are count no more.

        `config` is the run's configuration, a dataclass (`RunConfig`; of text, translations and vocoders theirs).
        """

    def add(self, row: Row) -> None:
        """A reading (losses, speed), a measure (`quality`), or what the run did about itself (`act`)."""

    def sheet(self, images_seen: int, path: Path) -> None:
        """A sheet of samples was written: a PNG file."""

    def end(self, state: str) -> None:
        """The run has ended: 'finished', 'interrupted' or 'failed'."""


def scalars(row: Row, prefix: str = "") -> dict[str, float]:
    """The numbers of a row by name, nested ones as `quality/frechet`; without those that say when it was.

    >>> scalars({"images_seen": 64, "loss": 0.5, "health": "ok", "quality": {"frechet": 3, "recall": None}})
    {'loss': 0.5, 'quality/frechet': 3.0}
    """
    found: dict[str, float] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            found |= scalars(value, f"{prefix}{name}/")
        elif (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and name not in ("images_seen", "elapsed_sec")
        ):
            found[f"{prefix}{name}"] = float(value)
    return found


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A configuration's settings by their dotted keys."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found


class TensorBoardSink:
    """Scalars, sheets and settings for TensorBoard, in RUN/tensorboard."""

    def __init__(self) -> None:
        require("tensorboard", "tensorboard", "--log tensorboard")
        self._writer: Any = None

    def begin(self, folder: Path, config: Any, images_seen: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # steps from purge_step on count no more: those of a process that was killed after its last checkpoint
        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=images_seen + 1)
        lines = [f"    {key} = {value}" for key, value in flat(to_dict(config)).items()]
        self._writer.add_text("settings", "\n".join(lines), images_seen)

    def add(self, row: Row) -> None:
        for name, value in scalars(row).items():
            self._writer.add_scalar(name, value, row["images_seen"])
        if "act" in row:
            self._writer.add_text("act", str(row["act"]), row["images_seen"])

    def sheet(self, images_seen: int, path: Path) -> None:
        import numpy as np
        from PIL import Image

        with Image.open(path) as sheet:
            self._writer.add_image("samples", np.asarray(sheet.convert("RGB")), images_seen, dataformats="HWC")
        self._writer.flush()

    def end(self, state: str) -> None:
        if self._writer is not None:
            self._writer.close()


class WandbSink:
    """Scalars, sheets and settings for Weights & Biases, files in RUN/wandb; `WANDB_MODE=offline` sends nothing."""

    def __init__(self) -> None:
        self._wandb: Any = require("wandb", "wandb", "--log wandb")
        self._run: Any = None

    def begin(self, folder: Path, config: Any, images_seen: int) -> None:
        self._run = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", "augan"),
            name=folder.name,
            id=hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16],  # a resumed run goes on in its own page
            resume="allow",
            dir=str(folder),
            config=to_dict(config),
            settings=self._wandb.Settings(silent=True, console="off"),
        )
        self._run.define_metric("*", step_metric="images_seen")  # a run that goes back counts images anew

    def add(self, row: Row) -> None:
        self._run.log({"images_seen": row["images_seen"], **scalars(row)})

    def sheet(self, images_seen: int, path: Path) -> None:
        self._run.log({"images_seen": images_seen, "samples": self._wandb.Image(str(path))})

    def end(self, state: str) -> None:
        if self._run is not None:
            self._run.summary["state"] = state
            self._run.finish(exit_code=0 if state == "finished" else 1)


class MlflowSink:
    """Scalars, sheets and settings for MLflow: at MLFLOW_TRACKING_URI, or in RUN/mlruns."""

    def __init__(self) -> None:
        self._mlflow: Any = require("mlflow", "mlflow", "--log mlflow")
        self._client: Any = None
        self._id = ""

    def begin(self, folder: Path, config: Any, images_seen: int) -> None:
        address = os.environ.get("MLFLOW_TRACKING_URI")
        if address is None:
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
            address = (folder / "mlruns").resolve().as_uri()
        self._client = self._mlflow.MlflowClient(address)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "augan")
        experiment = self._client.get_experiment_by_name(name)
        number = self._client.create_experiment(name) if experiment is None else experiment.experiment_id
        self._id = self._client.create_run(number, run_name=folder.name).info.run_id
        for key, value in flat(to_dict(config)).items():
            self._client.log_param(self._id, key, str(value)[:500])

    def add(self, row: Row) -> None:
        for name, value in scalars(row).items():
            self._client.log_metric(self._id, name, value, step=row["images_seen"])

    def sheet(self, images_seen: int, path: Path) -> None:
        self._client.log_artifact(self._id, str(path), "samples")

    def end(self, state: str) -> None:
        if self._id:
            self._client.set_terminated(
                self._id, {"finished": "FINISHED", "interrupted": "KILLED"}.get(state, "FAILED")
            )


SINKS: dict[str, Callable[[], Sink]] = dict(zip(LOGGERS, (TensorBoardSink, WandbSink, MlflowSink), strict=True))
"""What makes the loggers that `--log NAME` may name."""


def open_sinks(names: Iterable[str], own: Sequence[Sink] = ()) -> list[Sink]:
    """The named sinks, and the user's own.

    Raises:
        UserError: a logger that is not installed.
    """
    return [*(SINKS[name]() for name in names), *own]


class Sinks:
    """Tells all sinks; one that fails is left out from then on, and `tell` hears why: the run goes on without it."""

    def __init__(self, sinks: Sequence[Sink], tell: Callable[[str], None]) -> None:
        self._sinks, self._tell = list(sinks), tell

    def each(self, event: str, *arguments: Any) -> None:
        """Calls the method `event` of every sink."""
        for sink in list(self._sinks):
            try:
                getattr(sink, event)(*arguments)
            except Exception as error:  # of whatever kind a logger raises, about its disk, its server, its user
                self._sinks.remove(sink)
                name = type(sink).__name__.removesuffix("Sink")
                self._tell(f"The logger {name} failed ({type(error).__name__}: {error}); the run goes on without it.")

    @contextmanager
    def during(self, folder: Path, config: Any, images_seen: int) -> Iterator[None]:
        """Begins with all sinks, and ends with how a run ended."""
        self.each("begin", folder, config, images_seen)
        state = "failed"
        try:
            yield
            state = "finished"
        except Interrupted:
            state = "interrupted"
            raise
        finally:
            self.each("end", state)


def sinks_of(names: Iterable[str], own: Sequence[Sink], world: World) -> Sinks:
    """What a run tells; only its first process does. Of a logger that fails a warning is given.

    Raises:
        UserError: a logger that is not installed.
    """
    opened = open_sinks(names, own) if world.first else []
    return Sinks(opened, lambda text: warnings.warn(text, stacklevel=2))
