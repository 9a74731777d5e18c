"""Recordings of any length in memory, for what learns from pieces of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int16

from augan.core.errors import UserError
from augan.core.sounds import FULL_SCALE
from augan.data.build import unreadable
from augan.data.cache import Cache, cache_folder
from augan.data.decode import Unreadable
from augan.data.opening import read_input
from augan.data.sounds import fitted, recordings


@dataclass(frozen=True, kw_only=True, eq=False)
class Recordings:
    """Mono sounds at one rate, 16 bits each, whole.

    Attributes:
        waves: a row of samples each; names: of their files.
        key: SHA-256 of rate and samples; notes: what was decided or left out.
    """

    waves: tuple[Int16[np.ndarray, " _"], ...]
    rate_hz: int
    name: str
    key: str
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def open_recordings(data: Path | str, rate_hz: int | None = None, strict: bool = False) -> Recordings:
    """Every sound of a folder, .zip or .npz, mixed to mono, at `rate_hz` or else as most of them have.

    Raises:
        UserError: no sounds, fewer than two that can be read, with `strict` one that cannot.
    """
    found = read_input(Path(data), Cache(cache_folder()), "sound")
    if found.kind != "sound":
        raise UserError(f"{data} holds no sounds.")
    chosen: list[tuple[str, Any]] = []
    bad: dict[int, str] = {}
    for index, sound in recordings(found, np.ones(len(found.feed), bool)):
        if isinstance(sound, Unreadable):
            bad[index] = str(sound)
        else:
            chosen.append((found.feed.name_of(index), sound))
    if bad and strict:
        raise UserError(f"{unreadable(found, bad)}. Repair or remove them, or leave out --strict.")
    if len(chosen) < 2:
        said = f" {unreadable(found, bad)}." if bad else ""
        raise UserError(f"{data} has {len(chosen)} usable sounds, and at least 2 are needed.{said}")
    rates = Counter(sound.rate_hz for _, sound in chosen)
    rate = rate_hz or min(rates, key=lambda value: (-rates[value], value))
    digest = hashlib.sha256(str(rate).encode())
    waves = []
    for _, sound in chosen:
        wave = (fitted(sound, rate, 1, None)[0].clamp(-1, 1).numpy() * FULL_SCALE).round().astype(np.int16)
        digest.update(wave.astype("<i2").tobytes())
        waves.append(wave)
    notes = [*found.notes]
    other = sum(count for value, count in rates.items() if value != rate)
    if other:
        notes.append(f"{other} of {len(chosen)} sounds were resampled to {rate:,} Hz.")
    if bad:
        notes.append(f"{unreadable(found, bad)} and were skipped.")
    return Recordings(
        waves=tuple(waves),
        rate_hz=rate,
        name=found.name,
        key=digest.hexdigest(),
        names=tuple(name for name, _ in chosen),
        notes=tuple(notes),
    )
