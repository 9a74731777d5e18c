"""From a model of sounds to files: .wav, .flac, .ogg, arrays, sheets of spectrograms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from augan.apply.sheets import sheet_layout
from augan.checkpoint import Model
from augan.core.errors import UserError
from augan.core.files import atomic_file, atomic_folder, require_folder_names
from augan.core.item import from_unit
from augan.core.npz import NpzWriter
from augan.core.optional import require
from augan.core.pictures import save_sheet
from augan.core.sounds import SoundSpec, decode, in_a_row, pictures_of, write_wav

Classes = Sequence[str | int] | None
Tick = Callable[[int], None]
ROW_LIMIT = 2_000
"""So many sounds go into one file, at most."""


def spec_of(model: Model) -> SoundSpec:
    """How the model's sounds are stored."""
    assert model.item.sound is not None
    return model.item.sound


def sound_writer(model: Model, path: Path) -> Callable[..., None]:
    """What writes sounds to a path of this name.

    Raises:
        UserError: an ending that sounds are not written with.
    """
    writers: dict[str, Callable[..., None]] = {
        ".npz": _write_npz,
        ".png": _write_sheet,
        ".wav": _write_row,
        ".flac": _write_row,
        ".ogg": _write_row,
        "": _write_folder,
    }
    if path.suffix.lower() not in writers:
        raise UserError(
            f"Sounds cannot be written as '{path.suffix}'. Use .wav, .flac, .ogg, .npz, .png, or a folder name."
        )
    return writers[path.suffix.lower()]


def save_sound(path: Path, wave: Float[np.ndarray, "c samples"], rate_hz: int, form: str) -> None:
    """A waveform in [-1, 1] as a file of the form '.wav', '.flac' or '.ogg'.

    Raises:
        UserError: soundfile, which .flac and .ogg need, is not installed.
    """
    if form == ".wav":
        write_wav(path, wave, rate_hz)
        return
    soundfile: Any = require("soundfile", "audio", f"Writing {form}")
    soundfile.write(str(path), np.clip(wave, -1, 1).T, rate_hz, format=form[1:].upper())


def waveforms(
    model: Model, count: int, classes: Classes = None, truncation: float = 1.0, seed: int = 0
) -> Iterator[tuple[Float[np.ndarray, "b c samples"], np.ndarray | None]]:
    """Sounds of a model in [-1, 1], in batches, with their labels."""
    for values, labels in model.stream(count, classes, seed, truncation):
        items = from_unit(values, model.item.dtype)
        yield decode(items, spec_of(model)).numpy(), None if labels is None else labels.numpy()


def _write_folder(
    model: Model, count: int, path: Path, classes: Classes, truncation: float, seed: int, tick: Tick
) -> None:
    names, digits, done = model.item.class_names or (), len(str(count - 1)), 0
    if model.conditional:
        require_folder_names(names)
    with atomic_folder(path) as temporary:
        for waves, labels in waveforms(model, count, classes, truncation, seed):
            for index, wave in enumerate(waves):
                folder = temporary if labels is None else temporary / names[int(labels[index])]
                folder.mkdir(exist_ok=True)
                write_wav(folder / f"{done:0{digits}d}.wav", wave, spec_of(model).rate_hz)
                done += 1
            tick(done)


def _write_row(
    model: Model, count: int, path: Path, classes: Classes, truncation: float, seed: int, tick: Tick
) -> None:
    if count > ROW_LIMIT:
        raise UserError(f"One file takes at most {ROW_LIMIT:,} sounds, not {count}. Use .npz or a folder for more.")
    parts, done, rate = [], 0, spec_of(model).rate_hz
    for waves, _ in waveforms(model, count, classes, truncation, seed):
        parts.append(in_a_row(waves, rate))
        done += len(waves)
        tick(done)
    with atomic_file(path) as temporary:
        save_sound(temporary, np.concatenate(parts, axis=1), rate, path.suffix.lower())


def _write_npz(
    model: Model, count: int, path: Path, classes: Classes, truncation: float, seed: int, tick: Tick
) -> None:
    spec, done = spec_of(model), 0

    def parts() -> Iterator[np.ndarray]:
        nonlocal done
        for waves, _ in waveforms(model, count, classes, truncation, seed):
            yield waves.transpose(0, 2, 1)
            done += len(waves)
            tick(done)

    with atomic_file(path) as temporary, NpzWriter(temporary) as archive:
        archive.add_stream("waveforms", (count, spec.samples, model.item.channels), np.float32, parts())
        archive.add("rate_hz", np.array(spec.rate_hz))
        labels = model.labels(count, classes)
        if labels is not None:
            archive.add("labels", labels.numpy())
            archive.add("class_names", np.array(model.item.class_names))


def _write_sheet(
    model: Model, count: int, path: Path, classes: Classes, truncation: float, seed: int, tick: Tick
) -> None:
    chosen, columns, rows = sheet_layout(model, count, classes, "sounds")
    items = from_unit(model.sample(count, chosen, seed, truncation), model.item.dtype)
    save_sheet(path, pictures_of(items, spec_of(model)), columns, rows)
    tick(count)
