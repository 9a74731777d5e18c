"""Noise taken out of sounds without learning: spectral gating; and how near a sound is to what it should be."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from augan.core.sounds import istft, stft

QUIET = 0.15
"""The share of frames, by loudness, that are taken for noise alone."""
REDUCTION = 0.1
OVER = 2.0


def si_sdr(estimate: Float[Tensor, "*b samples"], target: Float[Tensor, "*b samples"]) -> Float[Tensor, "*b"]:
    """Scale-invariant signal-to-distortion ratio in dB (arXiv:1811.02508, equation 3), after taking out means.

    10 log10 |a s|^2 / |a s - e|^2 with a = <e, s> / |s|^2: however loud the estimate e is.
    """
    estimate = estimate - estimate.mean(-1, keepdim=True)
    target = target - target.mean(-1, keepdim=True)
    scale = (estimate * target).sum(-1, keepdim=True) / target.square().sum(-1, keepdim=True).clamp_min(1e-12)
    part = scale * target
    return 10 * (part.square().sum(-1) / (part - estimate).square().sum(-1).clamp_min(1e-12)).clamp_min(1e-12).log10()


def spectral_gate(waves: Float[Tensor, "n samples"], n_fft: int = 256, hop: int = 64) -> Float[Tensor, "n samples"]:
    """Takes the power of the quietest 15 % of frames, twice, off each frequency's power; a tenth stays, at least.

    Power subtraction (Berouti, Schwartz, Makhoul 1979), whose gain is smoothed over three frames.
    """
    transform = stft(waves, n_fft, hop)
    power = transform.abs().square()
    count = max(1, round(QUIET * power.shape[2]))
    rows = power.sum(1).topk(count, dim=1, largest=False).indices
    noise = power.gather(2, rows[:, None].expand(-1, power.shape[1], -1)).mean(2, keepdim=True)
    gain = (1 - OVER * noise / power.clamp_min(1e-12)).clamp_min(REDUCTION**2).sqrt()
    gain = torch.nn.functional.avg_pool1d(gain, 3, 1, 1, count_include_pad=False)
    return istft(transform * gain, n_fft, hop, waves.shape[1])
