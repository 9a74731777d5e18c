"""Translating files: a picture, a folder, an archive; what cannot be read is listed, the rest is done."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from augan.core.errors import UserError
from augan.core.files import atomic_file, atomic_folder, require_absent
from augan.core.pictures import to_pillow
from augan.data.decode import SUFFIXES, Unreadable, decode
from augan.data.listing import is_junk, require_exists
from augan.translate.model import TranslationModel

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
MOVING = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".gif")
FAILED = "failed.txt"


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

    Raises:
        UserError: nothing there, a film, no images, `out` exists, a direction that the model does not go.
    """
    source, target = Path(data), Path(out)
    require_exists(source)
    require_absent(target)
    way = model.direction(direction)
    if source.suffix.lower() in MOVING:
        raise UserError(f"{source} is a film. Give its frames as a folder of images.")
    if source.is_file() and source.suffix.lower() != ".zip":
        made = _translated(model, source.read_bytes(), way, str(source))
        with atomic_file(target) as temporary:
            _encode(made, target.suffix).save(temporary, format=_format(target.suffix))
        return Translated(out=target, done=1, failed={})
    if target.suffix.lower() not in ("", ".zip"):
        raise UserError(f"Many images go into a folder or a .zip, not into '{target.suffix}'.")
    if target.suffix and target.suffix.lower() == ".zip":
        with atomic_file(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            done, failed = _each(model, source, way, archive.writestr, tick)
    else:
        with atomic_folder(target) as folder:
            done, failed = _each(model, source, way, _into(folder), tick)
    return Translated(out=target, done=done, failed=failed)


def _into(folder: Path) -> Callable[[str, bytes], None]:
    def write(name: str, content: bytes) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return write


def _each(
    model: TranslationModel, source: Path, way: str, write: Callable[[str, bytes], None], tick: Callable[[int], None]
) -> tuple[int, dict[str, str]]:
    done, failed = 0, {}
    for name, content in _pictures(source):
        try:
            made = _translated(model, content, way, name)
        except UserError as error:
            failed[name] = str(error)
            continue
        buffer = io.BytesIO()
        to_pillow(made).save(buffer, format="PNG")
        write(str(Path(name).with_suffix(".png")), buffer.getvalue())
        done += 1
        tick(done)
    if not done and not failed:
        raise UserError(f"{source} has no images.")
    if not done:
        raise UserError(f"None of the {len(failed)} images in {source} could be read: {next(iter(failed.values()))}")
    if failed:
        write(FAILED, "".join(f"{name}: {reason}\n" for name, reason in failed.items()).encode())
    return done, failed


def _pictures(source: Path) -> Iterator[tuple[str, bytes]]:
    """(name, content) of every file that looks like a picture, by name."""
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            name = path.relative_to(source).as_posix()
            if path.is_file() and path.suffix.lower() in SUFFIXES and not is_junk(name):
                yield name, path.read_bytes()
        return
    with zipfile.ZipFile(source) as archive:
        for name in sorted(archive.namelist()):
            if Path(name).suffix.lower() in SUFFIXES and not is_junk(name):
                yield name, archive.read(name)


def _translated(model: TranslationModel, content: bytes, way: str, name: str) -> np.ndarray:
    """(h, w, c) uint8 of one picture.

    Raises:
        UserError: it cannot be read.
    """
    try:
        image = decode(content)
    except Unreadable as error:
        raise UserError(f"{name} cannot be read: {error}") from error
    mode = MODES[model.items[way[0]].channels]
    pixels = np.array(to_pillow(_bytes(image)).convert(mode))
    return model.translate(pixels.reshape(1, *pixels.shape[:2], -1), way)[0]


def _bytes(image: np.ndarray) -> np.ndarray:
    """Deep pictures as bytes."""
    return image if image.dtype == np.uint8 else (image.astype(np.float64) / 257).round().astype(np.uint8)


def _encode(made: np.ndarray, suffix: str) -> Image.Image:
    picture = to_pillow(made)
    return picture.convert("RGB") if _format(suffix) == "JPEG" and picture.mode == "RGBA" else picture


def _format(suffix: str) -> str:
    known = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP", ".tif": "TIFF"}
    if suffix.lower() not in known:
        raise UserError(f"Cannot write '{suffix}' pictures. Use {', '.join(known)}.")
    return known[suffix.lower()]
