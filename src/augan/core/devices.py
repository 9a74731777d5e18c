"""Which device computes, and in which precision."""

from __future__ import annotations

import functools
import time

import torch
from torch.nn import functional as F

from augan.core.errors import UserError

DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(name: str = "auto") -> torch.device:
    """The torch device for 'auto', 'cpu', 'cuda' (also 'cuda:1') or 'mps'.

    Raises:
        UserError: the device is unknown or not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind = name.split(":", maxsplit=1)[0]
    if kind not in DEVICES[1:]:
        raise UserError(f"Unknown device '{name}'. Known: {', '.join(DEVICES)}.")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}[kind]
    if not there:
        raise UserError(f"Device '{name}' is not available here. Use --device auto or --device cpu.")
    return torch.device(name)


def autocast_dtype(device: torch.device, precision: str = "auto") -> torch.dtype | None:
    """The dtype for autocast on `device`, or None for plain float32.

    'auto' takes bfloat16 where the hardware computes in it (on a CPU that is measured: emulated bfloat16 is slower
    than float32), else float32. 'bf16' and 'fp32' insist.
    """
    if precision == "fp32":
        return None
    if precision == "bf16":
        return torch.bfloat16
    if precision != "auto":
        raise UserError(f"Unknown precision '{precision}'. Known: auto, bf16, fp32.")
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else None
    return torch.bfloat16 if device.type == "cpu" and _cpu_prefers_bfloat16() else None


@functools.cache
def _cpu_prefers_bfloat16() -> bool:
    """Times one convolution with its gradients in both precisions (about 0.1 s)."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(32, 64, 16, 16, generator=generator).to(memory_format=torch.channels_last)
    weight = torch.randn(64, 64, 3, 3, generator=generator)

    def seconds(dtype: torch.dtype) -> float:
        x, w = images.to(dtype).requires_grad_(), weight.to(dtype).requires_grad_()
        best = float("inf")
        for _ in range(4):
            start = time.perf_counter()
            F.conv2d(x, w, padding=1).sum().backward()
            best = min(best, time.perf_counter() - start)
        return best

    return seconds(torch.bfloat16) < 0.9 * seconds(torch.float32)
