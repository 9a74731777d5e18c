"""Translating files: a picture, a folder, an archive; what cannot be read is listed, the rest is done."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from augan.core.errors import UserError
from augan.core.files import atomic_file, atomic_folder, disk_errors, require_absent
from augan.core.pictures import to_pillow
from augan.data.decode import SUFFIXES, Unreadable, decode
from augan.data.listing import FolderStream, is_junk, require_exists, walk
from augan.data.zips import ZipStream, list_zip, split_zip_path
from augan.translate.model import TranslationModel
from augan.translate.sides import MOVING
from augan.translate.sounds import FAILED, translate_sounds

MODES = {1: "L", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True, kw_only=True)
class Translated:
    """What was written: how many images, and which could not be read, with the reason."""

    out: Path
    done: int
    failed: dict[str, str]


def translate_files(
    model: TranslationModel,
    data: Path | str,
    out: Path | str,
    *,
    direction: str | None = None,
    tick: Callable[[int], None] = lambda done: None,
) -> Translated:
    """Translates a picture into a picture, a folder or .zip into a folder or .zip; names stay, as PNG.

    Files that cannot be read are left out, and listed in `failed.txt` in the result (beside a picture: an error).
    A model of sounds translates a sound into a .wav file, and a folder into a folder of them.

    Raises:
        UserError: nothing there, a film, no images, `out` exists, a direction that the model does not go.
    """
    source, target = Path(data), Path(out)
    packed = split_zip_path(source)
    if packed is None:
        require_exists(source)
    require_absent(target)
    way = model.direction(direction)
    if model.items[way[0]].sound is not None:
        done, failed = translate_sounds(model, source, packed, target, way, tick)
        return Translated(out=target, done=done, failed=failed)
    if source.suffix.lower() in MOVING:
        raise UserError(f"{source} is a film. Give its frames as a folder of images.")
    if packed is None and source.is_file():
        kind = _format(target.suffix)
        with disk_errors(source):
            content = source.read_bytes()
        made = to_pillow(_translated(model, content, way, str(source)))
        with atomic_file(target) as temporary:
            (made.convert("RGB") if kind == "JPEG" and made.mode == "RGBA" else made).save(temporary, format=kind)
        return Translated(out=target, done=1, failed={})
    if target.suffix.lower() not in ("", ".zip"):
        raise UserError(f"Many images go into a folder or a .zip, not into '{target.suffix}'.")
    names, contents = _pictures(source, packed)
    if not names:
        raise UserError(f"{source} has no images.")
    if target.suffix:
        with atomic_file(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            done, failed = _each(model, names, contents, way, archive.writestr, tick)
    else:
        with atomic_folder(target) as folder:
            done, failed = _each(model, names, contents, way, _into(folder), tick)
    return Translated(out=target, done=done, failed=failed)


def _into(folder: Path) -> Callable[[str, bytes], None]:
    def write(name: str, content: bytes) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return write


def _each(
    model: TranslationModel,
    names: Sequence[str],
    contents: Iterable[tuple[int, bytes | Unreadable]],
    way: str,
    write: Callable[[str, bytes], None],
    tick: Callable[[int], None],
) -> tuple[int, dict[str, str]]:
    """Translates and writes one after another: how many, and reasons of those that could not be read.

    Raises:
        UserError: none could be read.
    """
    done, failed = 0, {}
    for number, content in contents:
        name = names[number]
        try:
            made = _translated(model, content, way, name)
        except UserError as error:
            failed[name] = str(error)
            continue
        buffer = io.BytesIO()
        to_pillow(made).save(buffer, format="PNG")
        write(str(PurePosixPath(name).with_suffix(".png")), buffer.getvalue())
        done += 1
        tick(done)
    if not done:
        raise UserError(f"None of the {len(failed)} images could be read: {next(iter(failed.values()))}")
    if failed:
        write(FAILED, "".join(f"{reason}\n" for reason in failed.values()).encode())
    return done, failed


def _pictures(
    source: Path, packed: tuple[Path, str] | None
) -> tuple[tuple[str, ...], Iterator[tuple[int, bytes | Unreadable]]]:
    """Names of all files that look like pictures, and their contents one after another."""
    found = list_zip(*packed) if packed is not None else [name for name, _, _ in walk(source)]
    names = tuple(name for name in found if PurePosixPath(name).suffix.lower() in SUFFIXES and not is_junk(name))
    stream = FolderStream(source, names) if packed is None else ZipStream(*packed, names)
    return names, stream(np.ones(len(names), dtype=bool))


def _translated(model: TranslationModel, content: bytes | Unreadable, way: str, name: str) -> np.ndarray:
    """(h, w, c) uint8 of one picture.

    Raises:
        UserError: it cannot be read.
    """
    try:
        if isinstance(content, Unreadable):
            raise content
        image = decode(content)
    except Unreadable as error:
        raise UserError(f"{name} cannot be read: {error}") from error
    item = model.items[way[0]]
    pixels = np.array(to_pillow(_bytes(image, item.value_range)).convert(MODES[item.channels]))
    return model.translate(pixels.reshape(1, *pixels.shape[:2], -1), way)[0]


def _bytes(image: np.ndarray, value_range: tuple[float, float]) -> np.ndarray:
    """Deep pictures as bytes, by the range of the images that were learnt from."""
    if image.dtype == np.uint8:
        return image
    low, high = value_range
    return ((image.astype(np.float64) - low) / max(high - low, 1e-12) * 255).round().clip(0, 255).astype(np.uint8)


def _format(suffix: str) -> str:
    known = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP", ".tif": "TIFF"}
    if suffix.lower() not in known:
        raise UserError(f"Cannot write '{suffix}' pictures. Use {', '.join(known)}.")
    return known[suffix.lower()]
