"""Everything that decides a run, as one strict configuration that is saved with it."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from augan.core.config import STRICT
from augan.core.errors import UserError, unknown_name
from augan.data import Cutting, Windowing
from augan.game.config import GameConfig
from augan.networks import NetworkConfig


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DataConfig:
    """How the data is read.

    Attributes:
        path: where it is; null where it came as a Python object.
        size: "32", "48x80" or null for the policy in docs/data.md.
        kind: what an item is, as in --kind; null goes by what most files are.
        label: the column of a table that is the class of a row.
        strict: fail on unreadable files instead of leaving them out.
        min_images_per_class: leave smaller classes out.
        frames: of a clip; null: 16, and of arrays all. Longer films are cut into several, one after another.
        frames_per_sec: films are resampled to it by the times of their frames; null: as they are. Of frames in folders,
            which have no times, it is the rate.
        step: every so many-th frame of a film is taken.
        stills: images beside clips, a path: they are shown as clips in which no time passes (networks.name = video).
        stills_share: of each batch that are stills.
        balance: 0 draws every image equally often, 1 every class.
        stream: read tar files as images are needed, and keep nothing decoded: for sets larger than the disk.
        held_out: images that are kept from both players, to see whether the discriminator knows the others by heart.
        rate_hz: of sounds, samples a second; null: as most of them have.
        seconds: how long a sound is; null: what 9 in 10 do not exceed, up to 512 frames. Rounded up to 16 frames.
        form: of sounds: spectrogram or waveform; null: as the recipe has it.
        window: of time series: moments in a window; null: of arrays all.
        stride: moments from the start of a window to that of the next.
        series: the column of a table that says which time series a row is of; null: there is one.
        time: the column that says when; null: the only one with dates, or the rows are in order.
        columns: of a time series to learn; null: all but the ones named above.
        fill: holes of so many moments are filled by straight lines; windows with longer ones are left out.
    """

    path: str | None = None
    size: str | None = None
    kind: str | None = None
    label: str | None = None
    strict: bool = False
    min_images_per_class: int = Field(default=0, ge=0)
    frames: int | None = Field(default=None, ge=2)
    frames_per_sec: float | None = Field(default=None, gt=0)
    step: int = Field(default=1, ge=1)
    stills: str | None = None
    stills_share: float = Field(default=0.25, gt=0, lt=1)
    balance: float = Field(default=0.0, ge=0, le=1)
    stream: bool = False
    held_out: int = Field(default=0, ge=0)
    rate_hz: int | None = Field(default=None, ge=1_000, le=384_000)
    seconds: float | None = Field(default=None, gt=0, le=600)
    form: Literal["spectrogram", "waveform"] | None = None
    window: int | None = Field(default=None, ge=4)
    stride: int = Field(default=1, ge=1)
    series: str | None = None
    time: str | None = None
    columns: tuple[str, ...] | None = None
    fill: int = Field(default=3, ge=0)

    @property
    def cutting(self) -> Cutting:
        """How films become clips."""
        return Cutting(frames=self.frames, frames_per_sec=self.frames_per_sec, step=self.step)

    @property
    def windowing(self) -> Windowing:
        """How time series become windows."""
        return Windowing(
            window=self.window,
            stride=self.stride,
            series=self.series,
            time=self.time,
            columns=self.columns,
            fill=self.fill,
        )


LOGGERS = ("tensorboard", "wandb", "mlflow")
"""What training.log may name; `augan.training.sinks` makes them."""


def require_loggers(names: tuple[str, ...]) -> None:
    """Raises UserError for a name that is no logger's."""
    for name in names:
        if name not in LOGGERS:
            raise unknown_name("logger", name, LOGGERS)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TrainingConfig:
    """How long and how fast to train.

    Attributes:
        minutes: time budget of the loop, on the clock, measures and samples included. Or give images.
        images: budget in real images shown to the discriminator. Exactly one of the two is given.
        batch: images a turn.
        learning_rate, learning_rate_end: of Adam, by a half cosine over the run. Both players.
        discriminator_rate: the discriminator's rate as a multiple of the generator's.
        beta1, beta2: of Adam.
        beta2_end: beta2 goes there along a half cosine; null leaves it.
        schedule_images: all schedules (rates, beta2, game.gamma_end, EMA) end after so many images; null: with the run.
        ema_half_life_images: half-life of the averaged generator's weights, and at most 5 % of the images seen.
        ema_half_life_start: if given, the half-life goes from here along a half cosine, without that limit.
        snapshots: how many times in the run samples, measures and a checkpoint are written.
        measure_images: images generated for each measure; 0 does not measure.
        rescues: how often a run that goes wrong may go back to its last good state and on at half the rate; 0: never.
        patience: stop after so many measures without a better one; null: use the whole budget.
        precision: bf16 or fp32; auto on a processor times both, and the run's config.json holds which one it was.
        device: auto, cpu, cuda or mps.
        threads: of the processor; null follows what other processes leave free.
        log: loggers beside metrics.jsonl, as with --log: tensorboard, wandb, mlflow.
    """

    minutes: float | None = Field(default=None, gt=0)
    images: int | None = Field(default=None, ge=1)
    batch: int = Field(default=64, ge=2)
    learning_rate: float = Field(default=2e-4, gt=0)
    learning_rate_end: float = Field(default=2e-4, ge=0)
    discriminator_rate: float = Field(default=1.0, gt=0)
    beta1: float = Field(default=0.0, ge=0, lt=1)
    beta2: float = Field(default=0.99, ge=0, lt=1)
    beta2_end: float | None = Field(default=None, ge=0, lt=1)
    schedule_images: float | None = Field(default=None, gt=0)
    ema_half_life_images: float = Field(default=5_000.0, ge=0)
    ema_half_life_start: float | None = Field(default=None, ge=0)
    snapshots: int = Field(default=8, ge=1)
    measure_images: int = Field(default=1_000, ge=0)
    rescues: int = Field(default=3, ge=0)
    patience: int | None = Field(default=None, ge=1)
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    device: str = "auto"
    threads: int | None = Field(default=None, ge=1)
    log: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.images is None):
            raise UserError("Give a budget: either training.minutes or training.images, and not both.")
        require_loggers(self.log)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class RunConfig:
    """A whole run: data, networks, game, training, and the seed that decides every random draw.

    `start` is a run or checkpoint whose networks this one begins with, where they fit; null begins afresh.
    `reasons` holds, in plain words, why a recipe chose what it chose.
    """

    data: DataConfig = field(default_factory=DataConfig)
    networks: NetworkConfig = field(default_factory=NetworkConfig)
    game: GameConfig = field(default_factory=GameConfig)
    training: TrainingConfig = field(default_factory=lambda: TrainingConfig(minutes=1.0))
    seed: int = 0
    recipe: str = "custom"
    start: str | None = None
    reasons: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.networks.conditioning == "auxiliary" and self.game.matching:
            raise UserError(
                "game.matching ranks classes by the discriminator's logit, which networks.conditioning=auxiliary makes "
                "independent of the class. Add --set game.matching=0."
            )
