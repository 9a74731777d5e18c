"""Sounds to mels and back, files to files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from augan.core.errors import UserError
from augan.core.files import atomic_file, atomic_folder, disk_errors, require_absent
from augan.core.sounds import write_wav
from augan.data.decode import Unreadable
from augan.data.kinds import SOUND_SUFFIXES
from augan.data.listing import FolderStream, is_junk, require_exists, walk
from augan.data.sounds import fitted, read_sound
from augan.vocoder.model import VocoderModel

FAILED = "failed.txt"


@dataclass(frozen=True, kw_only=True)
class Resynthesised:
    """What was written: how many sounds, and which could not be read, with the reason."""

    out: Path
    done: int
    failed: dict[str, str]


def resynthesise_files(
    model: VocoderModel, data: Path | str, out: Path | str, *, tick: Callable[[int], None] = lambda done: None
) -> Resynthesised:
    """A sound into a .wav file, a folder of sounds into a folder of .wav files: to mels, and back by the vocoder.

    Files that cannot be read are left out, and listed in `failed.txt` in the folder (of one file: an error).

    Raises:
        UserError: nothing there, no sounds, `out` exists or has another ending.
    """
    source, target = Path(data), Path(out)
    require_exists(source)
    require_absent(target)
    if source.is_file():
        if target.suffix.lower() != ".wav":
            raise UserError(f"A sound is written as .wav, not as '{target.suffix}'.")
        with disk_errors(source):
            content = source.read_bytes()
        try:
            made = _made(model, content)
        except Unreadable as error:
            raise UserError(f"{source} cannot be read: {error}") from error
        with atomic_file(target) as temporary:
            write_wav(temporary, made, model.spec.rate_hz)
        return Resynthesised(out=target, done=1, failed={})
    if target.suffix:
        raise UserError(f"Many sounds go into a folder, not into '{target.suffix}'.")
    names = tuple(
        name for name, _, _ in walk(source) if Path(name).suffix.lower() in SOUND_SUFFIXES and not is_junk(name)
    )
    if not names:
        raise UserError(f"{source} has no sounds.")
    done, failed = 0, {}
    with atomic_folder(target) as folder:
        for number, found in FolderStream(source, names)(np.ones(len(names), bool)):
            try:
                made = _made(model, found)
            except Unreadable as error:
                failed[names[number]] = str(error)
                continue
            path = folder / PurePosixPath(names[number]).with_suffix(".wav")
            path.parent.mkdir(parents=True, exist_ok=True)
            write_wav(path, made, model.spec.rate_hz)
            done += 1
            tick(done)
        if not done:
            raise UserError(f"None of the {len(failed)} sounds could be read: {next(iter(failed.values()))}")
        if failed:
            lines = [f"{name}: {reason}\n" for name, reason in failed.items()]
            (folder / FAILED).write_text("".join(lines), encoding="utf-8")
    return Resynthesised(out=target, done=done, failed=failed)


def _made(model: VocoderModel, content: bytes | Unreadable) -> np.ndarray:
    if isinstance(content, Unreadable):
        raise content
    wave = fitted(read_sound(content), model.spec.rate_hz, 1, None)[0]
    made: np.ndarray = model.resynthesise(wave).clamp(-1, 1).numpy()[None]
    return made
