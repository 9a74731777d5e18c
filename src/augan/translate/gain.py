"""Noise taken out of spectrograms by a gain: a generator that can only make sounds quieter, and its errors."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from augan.core.errors import UserError
from augan.core.item import ItemSpec
from augan.core.sounds import SoundSpec

QUIETEST = 1e-4
"""The least gain, -80 dB."""
LEAST_ERROR = 1e-3
"""Of the energy, 30 dB below it: nearer than that, nothing is gained."""


def range_db(spec: SoundSpec) -> float:
    """Decibels between the ends of [-1, 1]."""
    return spec.top_db - spec.floor_db


def require_one_sound(source: ItemSpec, target: ItemSpec, setting: str) -> SoundSpec:
    """How both sides are stored.

    Raises:
        UserError: they are not spectrograms of one kind.
    """
    spec = source.sound
    if spec is None or spec.form != "spectrogram" or spec != target.sound or source.channels != target.channels:
        raise UserError(f"{setting} is for sounds as spectrograms on both sides. Leave it out.")
    return spec


class GainGenerator(nn.Module):
    """Takes what another generator gives, (b, c, h, w) in [-1, 1], for the gain of each value: 0 at -1, 1 at 1.

    Values are decibels, so that made = x + 20 log10 gain, and never above x. It starts at a gain of a half.

    Attributes:
        multiple: as of the other generator.
    """

    def __init__(self, inner: nn.Module, spec: SoundSpec) -> None:
        super().__init__()
        self.inner, self.multiple = inner, int(inner.multiple)  # type: ignore[arg-type]
        self.unit = 2 * 20 / range_db(spec)  # a factor of ten, in values from -1 to 1

    def forward(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        gain = (1 + self.inner(images)) / 2
        return (images + self.unit * gain.clamp_min(QUIETEST).log10()).clamp_min(-1)


def noise_ratio(made: Float[Tensor, "b c h w"], target: Float[Tensor, "b c h w"], spec: SoundSpec) -> Float[Tensor, ""]:
    """Energy of the magnitudes' errors over the target's, in bels (-1: 10 dB), on average over sounds.

    What is loud counts, as in SI-SDR, and silence next to nothing, which is most of a spectrogram in decibels.
    """
    power = range_db(spec) / 40
    ours, theirs = (10 ** (power * (side - 1)) for side in (made, target))
    energy = theirs.square().sum((1, 2, 3)).clamp_min(1e-12)
    return ((ours - theirs).square().sum((1, 2, 3)) / energy + LEAST_ERROR).log10().mean()
