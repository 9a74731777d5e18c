"""Settings of a vocoder: its mels, its sizes, its training."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import field
from typing import Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from augan.core.config import STRICT, from_dict
from augan.core.errors import UserError, unknown_name
from augan.training import require_loggers


@dataclasses.dataclass(frozen=True, kw_only=True)
class MelSpec:
    """What a vocoder hears: `mels` bands from `low_hz` to `high_hz` of a transform of `n_fft`, a frame every `hop`."""

    rate_hz: int
    n_fft: int
    hop: int
    mels: int
    low_hz: float
    high_hz: float

    @property
    def frames_before(self) -> int:
        """So many frames are repeated at either end before Griffin-Lim."""
        return -(-self.n_fft // self.hop)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class GeneratorConfig:
    """The generator (arXiv:2010.05646, section 2.2 and table 5).

    Attributes:
        channels: of the first maps; each stage has half as many.
        rates: by which each stage lengthens its maps; their product, and `inverse_hop` where that is set, is the hop.
        kernels: of the transposed convolutions.
        block_kernels, dilations: of the residual blocks whose mean is each stage's output.
        paired_convolutions: whether each dilated convolution is followed by one without dilation (the paper's first
            kind of block), or not (its second).
        inverse_hop: if above 0, the last stage gives spectra whose inverse transform, with this hop and four times as
            many samples, is the waveform (arXiv:2203.02395).
        guide: if above 0, the generator is given what so many iterations of Griffin-Lim make of the mels, and what it
            makes is added to that: it begins as they are, and learns what they lack.
    """

    channels: int = Field(default=512, ge=4)
    rates: tuple[int, ...] = (8, 8, 2, 2)
    kernels: tuple[int, ...] = (16, 16, 4, 4)
    block_kernels: tuple[int, ...] = (3, 7, 11)
    dilations: tuple[tuple[int, ...], ...] = ((1, 3, 5),) * 3
    paired_convolutions: bool = True
    inverse_hop: int = Field(default=0, ge=0)
    guide: int = Field(default=0, ge=0)

    def __post_init__(self) -> None:
        if len(self.rates) != len(self.kernels) or len(self.block_kernels) != len(self.dilations):
            raise UserError("generator: rates and kernels, and block_kernels and dilations, are lists of one length.")
        if any((kernel - rate) % 2 or kernel < rate for rate, kernel in zip(self.rates, self.kernels, strict=True)):
            raise UserError("generator.kernels: each is its stage's rate, or larger by an even number.")

    @property
    def hop(self) -> int:
        """Samples for each frame of mels."""
        return math.prod(self.rates) * (self.inverse_hop or 1)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class VocoderConfig:
    """A vocoder and its training.

    Attributes:
        size: small, v1, v2 or v3, from which the rest came.
        rate_hz: samples a second; null: as most sounds of the data have.
        mels: bands; low_hz, high_hz: from where to where; null: half of the rate, at most 8,000.
        generator: its layers.
        judges: divides the discriminators' channels; 1 is the paper's.
        batch: segments a step; segment: samples of each.
        learning_rate, decay: of AdamW, which falls by the factor `decay` every 1,000 steps.
        cool_down: share of the budget at its end in which the rate falls linearly to 0.
        beta1, beta2: of AdamW.
        mel_weight, feature_weight: of the mel loss and of feature matching beside the adversarial loss.
        spectral_weight: of a multi-resolution distance beside the mel loss.
        warm_up: share of the budget in which there are no discriminators.
        steps, minutes: the budget, one of them.
        held_out: sounds that are not learnt from, by which it is measured.
        snapshots: how often it is measured and saved.
        seed, device, threads: as in a run of a GAN.
        path: where the data is.
        log: loggers beside metrics.jsonl, as with --log: tensorboard, wandb, mlflow.
    """

    size: str = "small"
    rate_hz: int | None = Field(default=None, ge=1_000, le=384_000)
    mels: int = Field(default=80, ge=4)
    low_hz: float = Field(default=0.0, ge=0)
    high_hz: float | None = Field(default=None, gt=0)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    judges: int = Field(default=1, ge=1, le=16)
    batch: int = Field(default=16, ge=1)
    segment: int = Field(default=8192, ge=512)
    learning_rate: float = Field(default=2e-4, gt=0)
    decay: float = Field(default=0.999, gt=0, le=1)
    cool_down: float = Field(default=0.0, ge=0, le=1)
    beta1: float = Field(default=0.8, ge=0, lt=1)
    beta2: float = Field(default=0.99, ge=0, lt=1)
    mel_weight: float = Field(default=45.0, ge=0)
    feature_weight: float = Field(default=2.0, ge=0)
    spectral_weight: float = Field(default=0.0, ge=0)
    warm_up: float = Field(default=0.0, ge=0, le=1)
    steps: int | None = Field(default=None, ge=1)
    minutes: float | None = Field(default=None, gt=0)
    held_out: int = Field(default=16, ge=0)
    snapshots: int = Field(default=4, ge=1)
    seed: int = 0
    device: str = "auto"
    threads: int | None = Field(default=None, ge=1)
    path: str | None = None
    log: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_loggers(self.log)
        if (self.steps is None) == (self.minutes is None):
            raise UserError("Give a budget: either steps or minutes, and not both.")
        if self.segment % self.generator.hop:
            raise UserError(f"segment is {self.segment}, and it must be a multiple of the hop, {self.generator.hop}.")

    def mel_spec(self, rate_hz: int) -> MelSpec:
        """What the vocoder hears at a rate: windows of four hops."""
        hop = self.generator.hop
        high = min(rate_hz / 2, self.high_hz or min(rate_hz / 2, 8_000))
        return MelSpec(rate_hz=rate_hz, n_fft=4 * hop, hop=hop, mels=self.mels, low_hz=self.low_hz, high_hz=high)


SMALL = GeneratorConfig(
    channels=128,
    rates=(8, 4),
    kernels=(16, 8),
    block_kernels=(3, 7),
    dilations=((1, 3), (1, 3)),
    paired_convolutions=False,
    inverse_hop=4,
    guide=16,
)
SIZES: dict[str, dict[str, Any]] = {
    "small": {
        "generator": SMALL,
        "mels": 40,
        "judges": 8,
        "batch": 4,
        "segment": 4096,
        "learning_rate": 5e-4,
        "cool_down": 0.5,
        "spectral_weight": 45.0,
        "warm_up": 0.8,
    },
    "v1": {"generator": GeneratorConfig()},
    "v2": {"generator": GeneratorConfig(channels=128)},
    "v3": {
        "generator": GeneratorConfig(
            channels=256,
            rates=(8, 8, 4),
            kernels=(16, 16, 8),
            block_kernels=(3, 5, 7),
            dilations=((1, 2), (2, 6), (3, 12)),
            paired_convolutions=False,
        )
    },
}
"""What `--size` may name: the paper's three with its settings, and one that a processor can train."""


def vocoder_config(size: str, **changes: Any) -> VocoderConfig:
    """The settings of a size.

    Raises:
        UserError: there is no such size, or changes do not fit.
    """
    if size not in SIZES:
        raise unknown_name("size", size, SIZES)
    return from_dict(VocoderConfig, {"size": size, **SIZES[size], **changes})
