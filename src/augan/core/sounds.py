"""Sound as items: waveforms, log spectrograms of them, and waveforms again by Griffin-Lim."""

from __future__ import annotations

import math
import wave
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Complex, Float, Int16, UInt8
from torch import Tensor
from torch.nn import functional as F

FORMS = ("spectrogram", "waveform")
FULL_SCALE = 32767
TINY = 1e-7
ITERATIONS = 32
MOMENTUM = 0.99
LOBES = 16
"""Zero crossings on either side of the resampling filter."""
ROLLOFF = 0.945
GAP_SEC = 0.25

Waves = Float[Tensor, "b c samples"]


@dataclass(frozen=True, kw_only=True)
class SoundSpec:
    """How a sound is stored.

    A spectrogram holds 20 log10 of magnitudes of the short-time Fourier transform (window of Hann, `n_fft` samples, a
    frame every `hop`), with a sine of full scale at 0 dB: `floor_db` is 0 and `top_db` is 255. The last row is the
    lowest frequency, and the highest one (Nyquist's) is left out; column t is centred at sample t * hop. A waveform is
    of 16 bits.

    Attributes:
        rate_hz: samples a second; samples: of one item, shorter sounds are followed by silence.
        form: spectrogram or waveform.
    """

    rate_hz: int
    samples: int
    form: str = "spectrogram"
    n_fft: int = 256
    hop: int = 128
    floor_db: float = -80.0
    top_db: float = 0.0

    @property
    def bins(self) -> int:
        """Rows of a spectrogram."""
        return self.n_fft // 2

    @property
    def frames(self) -> int:
        """Columns of a spectrogram."""
        return self.samples // self.hop

    @property
    def grid(self) -> tuple[int, int]:
        """(height, width) of an item."""
        return (1, self.samples) if self.form == "waveform" else (self.bins, self.frames)

    @property
    def seconds(self) -> float:
        """How long an item is."""
        return self.samples / self.rate_hz


# ---------------------------------------------------------------------- spectrograms


def _window(n_fft: int) -> Float[Tensor, " n"]:
    return torch.hann_window(n_fft)


def stft(waves: Float[Tensor, "n samples"], n_fft: int, hop: int) -> Complex[Tensor, "n bins frames"]:
    """Short-time Fourier transform with silence around the ends, scaled so that a sine of amplitude 1 has magnitude 1.

    (n, samples) -> (n, n_fft / 2 + 1, 1 + samples // hop).
    """
    window = _window(n_fft).to(waves)
    found = torch.stft(waves, n_fft, hop, window=window, center=True, pad_mode="constant", return_complex=True)
    return found * (2 / window.sum())


def istft(values: Complex[Tensor, "n bins frames"], n_fft: int, hop: int, samples: int) -> Float[Tensor, "n samples"]:
    """The inverse of `stft`: the waveform whose transform is nearest to `values`."""
    window = _window(n_fft).to(values.real)
    return torch.istft(values * (window.sum() / 2), n_fft, hop, window=window, center=True, length=samples)


def griffin_lim(
    magnitudes: Float[Tensor, "n bins frames"],
    n_fft: int,
    hop: int,
    samples: int,
    iterations: int = ITERATIONS,
    momentum: float = MOMENTUM,
) -> Float[Tensor, "n samples"]:
    """A waveform with about these magnitudes: the fast Griffin-Lim algorithm (Perraudin, Balazs, Sondergaard 2013).

    Phases begin at random, the same for every sound, so that a sound does not depend on those beside it.
    """
    random = torch.Generator().manual_seed(0)
    phases = 2 * math.pi * torch.rand(magnitudes.shape[1:], generator=random).to(magnitudes)
    angles = torch.polar(torch.ones_like(phases), phases).expand_as(magnitudes)
    before = torch.zeros_like(angles)
    for _ in range(iterations):
        rebuilt = stft(istft(magnitudes * angles, n_fft, hop, samples), n_fft, hop)
        moved = rebuilt - momentum / (1 + momentum) * before
        angles, before = moved / moved.abs().clamp_min(1e-12), rebuilt
    return istft(magnitudes * angles, n_fft, hop, samples)


def decibels(magnitudes: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """20 log10, from -140 dB up."""
    return 20 * magnitudes.clamp_min(TINY).log10()


def levels_of(magnitudes: Float[Tensor, "*shape"], spec: SoundSpec) -> Float[Tensor, "*shape"]:
    """Magnitudes as levels from 0 to 255, not rounded."""
    span = spec.top_db - spec.floor_db
    return ((decibels(magnitudes) - spec.floor_db) / span * 255).clamp(0, 255)


def magnitudes_of(levels: Float[Tensor, "*shape"], spec: SoundSpec) -> Float[Tensor, "*shape"]:
    """The inverse of `levels_of`; level 0 is silence."""
    db = levels / 255 * (spec.top_db - spec.floor_db) + spec.floor_db
    return torch.where(levels > 0, 10 ** (db / 20), 0.0)


def encode(waves: Waves, spec: SoundSpec) -> np.ndarray:
    """Waveforms in [-1, 1], (b, c, samples), as items: spectrograms (b, bins, frames, c) uint8, or waveforms
    (b, 1, samples, c) int16."""
    if spec.form == "waveform":
        levels = (waves.clamp(-1, 1) * FULL_SCALE).round().to(torch.int16)
        return np.ascontiguousarray(levels.movedim(1, -1)[:, None].numpy())
    flat = stft(waves.flatten(0, 1), spec.n_fft, spec.hop).abs()[:, : spec.bins, : spec.frames]
    levels = levels_of(flat, spec).round().to(torch.uint8).unflatten(0, waves.shape[:2])
    return np.ascontiguousarray(levels.movedim(1, -1).flip(1).numpy())


def decode(items: UInt8[np.ndarray, "b h w c"] | Int16[np.ndarray, "b h w c"], spec: SoundSpec) -> Waves:
    """Items as waveforms (b, c, samples) in [-1, 1]; phases of spectrograms come from `griffin_lim`."""
    values = torch.from_numpy(items).movedim(-1, 1).float()
    if spec.form == "waveform":
        return (values / FULL_SCALE).clamp(-1, 1).flatten(2)
    magnitudes = magnitudes_of(values, spec).flip(2).flatten(0, 1)
    whole = F.pad(magnitudes, (0, 1, 0, 1))  # the last frame and Nyquist's row, which were left out
    waves = griffin_lim(whole, spec.n_fft, spec.hop, spec.samples)
    return waves.clamp(-1, 1).unflatten(0, (len(items), -1))


def pictures_of(items: np.ndarray, spec: SoundSpec) -> UInt8[np.ndarray, "b h w c"]:
    """Items as pictures to look at: spectrograms, and of waveforms those that they have."""
    return encode(decode(items, spec), spectrogram_spec(spec)) if spec.form == "waveform" else items


def spectrogram_spec(spec: SoundSpec) -> SoundSpec:
    """The spectrogram of the same sounds."""
    return replace(spec, form="spectrogram")


def window_for(rate_hz: int) -> tuple[int, int]:
    """(n_fft, hop): a window of about 32 ms, a power of two, and half of it.

    >>> window_for(8000), window_for(16000), window_for(44100)
    ((256, 128), (512, 256), (1024, 512))
    """
    n_fft = int(2 ** round(math.log2(max(64.0, 0.032 * rate_hz))))
    return n_fft, n_fft // 2


# ---------------------------------------------------------------------- rates


def resample(waves: Float[Tensor, "n samples"], rate_hz: int, wanted_hz: int) -> Float[Tensor, "n resampled"]:
    """Waveforms at another rate, by a sinc filter with a window of Hann.

    ceil(samples * wanted / rate) samples; frequencies above 0.945 of the lower Nyquist frequency go.
    """
    if rate_hz == wanted_hz:
        return waves
    common = math.gcd(rate_hz, wanted_hz)
    old, new = rate_hz // common, wanted_hz // common
    cutoff = min(old, new) * ROLLOFF
    width = math.ceil(LOBES * old / cutoff)
    taps = torch.arange(-width, width + old, dtype=torch.float64)[None] / old
    times = (taps - torch.arange(new, dtype=torch.float64)[:, None] / new) * cutoff
    inside = times.clamp(-LOBES, LOBES)
    kernels = torch.sinc(times) * torch.cos(inside * math.pi / LOBES / 2) ** 2 * cutoff / old
    count = waves.shape[-1]
    ready = F.pad(waves, (width, width + old))[:, None]
    found = F.conv1d(ready, kernels.to(waves)[:, None], stride=old).transpose(1, 2).flatten(1)
    return found[:, : -(-count * wanted_hz // rate_hz)]


# ---------------------------------------------------------------------- files


def to_int16(wave_: Float[np.ndarray, "c samples"]) -> Int16[np.ndarray, "samples c"]:
    """A waveform in [-1, 1] as 16 bits, channels last."""
    return np.ascontiguousarray((np.clip(wave_, -1, 1) * FULL_SCALE).round().astype(np.int16).T)


def write_wav(path: Path | BytesIO, wave_: Float[np.ndarray, "c samples"], rate_hz: int) -> None:
    """A waveform in [-1, 1] as a 16-bit .wav file."""
    with wave.open(str(path) if isinstance(path, Path) else path, "wb") as file:
        file.setnchannels(wave_.shape[0])
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(to_int16(wave_).astype("<i2").tobytes())


def in_a_row(waves: Float[np.ndarray, "n c samples"], rate_hz: int) -> Float[np.ndarray, "c total"]:
    """Waveforms one after another, a quarter of a second of silence between two."""
    gap = np.zeros((waves.shape[1], round(GAP_SEC * rate_hz)), np.float32)
    return np.concatenate([part for one in waves for part in (one, gap)], axis=1)
