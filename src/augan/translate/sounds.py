"""Translating sounds of any length by their spectrograms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from augan.core.errors import UserError
from augan.core.files import atomic_file, atomic_folder, disk_errors
from augan.core.sounds import SoundSpec, griffin_lim, istft, levels_of, magnitudes_of, stft, write_wav
from augan.data.decode import Unreadable
from augan.data.kinds import SOUND_SUFFIXES
from augan.data.listing import FolderStream, is_junk, walk
from augan.data.sounds import fitted, read_sound
from augan.data.zips import ZipStream, list_zip
from augan.translate.model import TranslationModel

FAILED = "failed.txt"
Tick = Callable[[int], None]


def sound_of(model: TranslationModel, side: str) -> SoundSpec:
    """How the sounds of a side are stored.

    Raises:
        UserError: it is no side of sounds as spectrograms.
    """
    spec = model.items[side].sound
    if spec is None or spec.form != "spectrogram":
        raise UserError(f"Side {side} of this model is not of sounds as spectrograms.")
    return spec


def translate_wave(
    model: TranslationModel, wave: Float[Tensor, "c samples"], direction: str | None = None
) -> Float[Tensor, "c samples"]:
    """A waveform in [-1, 1] at the model's rate, of any length, to one of the other side.

    A model that learnt from pairs keeps the phases of the input, and no frequency gets louder than it is there: what it
    predicts over what is there, at most 1, is a gain, as in a Wiener filter. That is done twice, with frames half a hop
    apart, and the mean taken. Another model brings magnitudes of its own, whose phases come from Griffin-Lim.
    """
    way = model.direction(direction)
    ours, theirs = sound_of(model, way[0]), sound_of(model, way[2])
    samples = wave.shape[1]
    whole = F.pad(wave, (0, max(0, 2 * ours.n_fft - samples, ours.samples - samples)))  # silent behind, as it learnt
    if model.paired:
        shifts = [quieter(model, F.pad(whole, (shift, 0)), way)[:, shift:] for shift in (0, ours.hop // 2)]
        return torch.stack(shifts).mean(0)[:, :samples]
    predicted = _predicted(model, stft(whole, ours.n_fft, ours.hop).abs()[:, : ours.bins], way)
    return griffin_lim(F.pad(predicted, (0, 0, 0, 1)), theirs.n_fft, theirs.hop, whole.shape[1])[:, :samples]


def quieter(model: TranslationModel, wave: Float[Tensor, "c samples"], way: str) -> Float[Tensor, "c samples"]:
    """A waveform whose frequencies are as loud as the model says, at most as loud as they were, phases as they were."""
    spec = sound_of(model, way[0])
    transform = stft(wave, spec.n_fft, spec.hop)
    magnitudes = transform.abs()[:, : spec.bins]
    gain = (_predicted(model, magnitudes, way) / magnitudes.clamp_min(1e-7)).clamp(max=1)
    return istft(transform * torch.cat([gain, gain[:, -1:]], 1), spec.n_fft, spec.hop, wave.shape[1])


def _predicted(
    model: TranslationModel, magnitudes: Float[Tensor, "c bins frames"], way: str
) -> Float[Tensor, "c bins frames"]:
    """What the model makes of magnitudes."""
    levels = levels_of(magnitudes, sound_of(model, way[0])).round().to(torch.uint8)
    made = model.translate(np.ascontiguousarray(levels.flip(1).permute(1, 2, 0).numpy())[None], way)[0]
    return magnitudes_of(torch.from_numpy(made).permute(2, 0, 1).flip(1).float(), sound_of(model, way[2]))


def translate_sounds(
    model: TranslationModel, source: Path, packed: tuple[Path, str] | None, target: Path, way: str, tick: Tick
) -> tuple[int, dict[str, str]]:
    """A sound into a .wav file, or a folder or .zip into a folder of them: how many, and why others could not be read.

    Raises:
        UserError: no sounds, none that can be read, a target of another form.
    """
    if packed is None and source.is_file():
        if target.suffix.lower() != ".wav":
            raise UserError(f"A sound is written as .wav, not as '{target.suffix}'.")
        with disk_errors(source):
            content = source.read_bytes()
        try:
            made = _translated(model, content, way)
        except Unreadable as error:
            raise UserError(f"{source} cannot be read: {error}") from error
        with atomic_file(target) as temporary:
            write_wav(temporary, made, sound_of(model, way[2]).rate_hz)
        return 1, {}
    if target.suffix:
        raise UserError(f"Many sounds go into a folder, not into '{target.suffix}'.")
    found = list_zip(*packed) if packed is not None else [name for name, _, _ in walk(source)]
    names = tuple(name for name in found if PurePosixPath(name).suffix.lower() in SOUND_SUFFIXES and not is_junk(name))
    if not names:
        raise UserError(f"{source} has no sounds.")
    stream = FolderStream(source, names) if packed is None else ZipStream(*packed, names)
    with atomic_folder(target) as folder:
        return _each(model, names, stream(np.ones(len(names), bool)), way, folder, tick)


def _each(
    model: TranslationModel,
    names: tuple[str, ...],
    contents: Iterator[tuple[int, bytes | Unreadable]],
    way: str,
    folder: Path,
    tick: Tick,
) -> tuple[int, dict[str, str]]:
    done, failed = 0, {}
    for number, content in contents:
        try:
            made = _translated(model, content, way)
        except Unreadable as error:
            failed[names[number]] = f"{names[number]} cannot be read: {error}"
            continue
        path = folder / PurePosixPath(names[number]).with_suffix(".wav")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_wav(path, made, sound_of(model, way[2]).rate_hz)
        done += 1
        tick(done)
    if not done:
        raise UserError(f"None of the {len(failed)} sounds could be read: {next(iter(failed.values()))}")
    if failed:
        (folder / FAILED).write_text("".join(f"{reason}\n" for reason in failed.values()), encoding="utf-8")
    return done, failed


def _translated(model: TranslationModel, content: bytes | Unreadable, way: str) -> Float[np.ndarray, "c samples"]:
    if isinstance(content, Unreadable):
        raise content
    item = model.items[way[0]]
    wave = fitted(read_sound(content), sound_of(model, way[0]).rate_hz, item.channels, None)
    made: np.ndarray = translate_wave(model, wave, way).clamp(-1, 1).numpy()
    return made
