"""Mel spectrograms, what they say of one another, and Griffin-Lim from them: the baseline of a vocoder."""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from augan.core.sounds import griffin_lim
from augan.vocoder.config import MelSpec

LEAST = 1e-5
"""Mel magnitudes below are taken for this, in training, in use and in measures alike."""
RESOLUTIONS = ((512, 50, 240), (1024, 120, 600), (2048, 240, 1200))
"""(n_fft, hop, window) at 24 kHz, as in arXiv:1910.11480; at other rates in proportion."""
PAPER_HZ = 24_000
ITERATIONS = 60


def mel_of_hertz(hertz: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Slaney's scale: linear up to 1 kHz, 27 mels for each factor of 6.4 above."""
    linear = hertz * 3 / 200
    return np.where(hertz < 1000, linear, 15 + 27 * np.log(np.maximum(hertz, 1e-9) / 1000) / np.log(6.4))


def hertz_of_mel(mel: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """The inverse of `mel_of_hertz`."""
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


@functools.cache
def filters(spec: MelSpec) -> Float[Tensor, "mels bins"]:
    """Triangles with equal areas (Slaney), evenly spaced in mels from `low_hz` to `high_hz`."""
    low, high = mel_of_hertz(np.array([spec.low_hz, spec.high_hz], float)).tolist()
    edges = hertz_of_mel(np.linspace(low, high, spec.mels + 2))
    bins = np.arange(spec.n_fft // 2 + 1) * spec.rate_hz / spec.n_fft
    rising = (bins[None] - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins[None]) / np.diff(edges)[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]
    return torch.from_numpy(triangles.astype(np.float32))


@functools.cache
def _window(size: int) -> Tensor:
    return torch.hann_window(size)


def magnitudes(waves: Float[Tensor, "n samples"], n_fft: int, hop: int, size: int | None = None) -> Tensor:
    """Magnitudes of the short-time Fourier transform, (n, n_fft / 2 + 1, 1 + samples // hop), ends reflected."""
    size = size or n_fft
    found = torch.stft(
        waves, n_fft, hop, size, _window(size).to(waves), center=True, pad_mode="reflect", return_complex=True
    )
    return (found.real.square() + found.imag.square() + 1e-9).sqrt()


def log_mel(waves: Float[Tensor, "n samples"], spec: MelSpec) -> Float[Tensor, "n mels frames"]:
    """ln of mel magnitudes, (n, mels, samples // hop): ends are reflected by (n_fft - hop) / 2, as in HiFi-GAN."""
    around = (spec.n_fft - spec.hop) // 2
    ready = F.pad(waves[:, None], (around, around), mode="reflect")[:, 0]
    found = torch.stft(
        ready, spec.n_fft, spec.hop, window=_window(spec.n_fft).to(waves), center=False, return_complex=True
    )
    strength = (found.real.square() + found.imag.square() + 1e-9).sqrt()
    return (filters(spec).to(waves) @ strength).clamp_min(LEAST).log()


@functools.cache
def _inverse_filters(spec: MelSpec) -> Tensor:
    return torch.linalg.pinv(filters(spec))


def mel_griffin_lim(
    mels: Float[Tensor, "n mels frames"], spec: MelSpec, samples: int, iterations: int = ITERATIONS
) -> Float[Tensor, "n samples"]:
    """A waveform from log mels without learning: the filters' pseudo-inverse, what is negative cut off, Griffin-Lim."""
    strength = (_inverse_filters(spec).to(mels) @ mels.exp()).clamp_min(0)
    whole = F.pad(strength, (spec.frames_before, spec.frames_before + 1), mode="replicate")
    # log_mel's frame t is centred at (t + 1/2) hop; griffin_lim's at t hop
    offset = spec.frames_before * spec.hop - spec.hop // 2
    length = (whole.shape[2] - 1) * spec.hop
    scaled = whole * (2 / _window(spec.n_fft).sum())
    return griffin_lim(scaled, spec.n_fft, spec.hop, length, iterations)[:, offset : offset + samples]


def mel_distance(made: Float[Tensor, "n samples"], real: Float[Tensor, "n samples"], spec: MelSpec) -> Tensor:
    """Mean absolute difference of log mels, in nepers."""
    return (log_mel(made, spec) - log_mel(real, spec)).abs().mean()


def resolutions(rate_hz: int) -> list[tuple[int, int, int]]:
    """(n_fft, hop, window) of the three resolutions at a rate; n_fft a power of two."""
    found = []
    for n_fft, hop, size in RESOLUTIONS:
        share = rate_hz / PAPER_HZ
        power = 2 ** max(6, math.ceil(math.log2(n_fft * share)))
        found.append((power, max(8, round(hop * share)), min(power, max(32, round(size * share)))))
    return found


def stft_distance(made: Float[Tensor, "n samples"], real: Float[Tensor, "n samples"], rate_hz: int) -> Tensor:
    """Multi-resolution distance (arXiv:1910.11480, equations 3 to 6): spectral convergence and mean |ln ratio|."""
    total = made.new_zeros(())
    scales = resolutions(rate_hz)
    for n_fft, hop, size in scales:
        ours, theirs = (magnitudes(waves, n_fft, hop, size) for waves in (made, real))
        convergence = (theirs - ours).flatten(1).norm(dim=1) / theirs.flatten(1).norm(dim=1).clamp_min(1e-6)
        logs = (ours.clamp_min(LEAST).log() - theirs.clamp_min(LEAST).log()).abs().mean()
        total = total + convergence.mean() + logs
    return total / len(scales)
