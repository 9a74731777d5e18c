"""From a model to files: arrays, folders, sheets, animations. Memory stays flat at any count."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from PIL import Image
from torch import Tensor

from augan.apply.clips import generate_clips
from augan.apply.series import write_windows
from augan.apply.sheets import sheet_layout
from augan.apply.sounds import sound_writer
from augan.apply.tables import write_rows
from augan.checkpoint import Model
from augan.checkpoint.series import SeriesModel
from augan.checkpoint.tables import TableModel
from augan.core.errors import UserError
from augan.core.files import atomic_file, atomic_folder, require_absent, require_folder_names, require_space
from augan.core.item import from_unit
from augan.core.npz import NpzWriter
from augan.core.optional import require
from augan.core.pictures import save_gif, save_sheet, to_pillow
from augan.data.kinds import NOUNS

Classes = Sequence[str | int] | None
Tick = Callable[[int], None]
WALK_LIMIT = 500
FRAMES_PER_STEP = 20
FRAMES_PER_SEC = 20


def generate(
    model: Model,
    count: int,
    out: Path | str,
    *,
    classes: Classes = None,
    where: Sequence[str] = (),
    truncation: float = 1.0,
    seed: int = 0,
    frames: int | None = None,
    fps: float | None = None,
    grid: int = 0,
    tick: Tick = lambda done: None,
) -> Path:
    """Writes `count` images to `out`, whose name decides the form.

    .npz: `images` (n, h, w, c) uint8 and, if conditional, `labels` (n,) int64 and `class_names`. .png: a sheet.
    .gif and .mp4: an interpolation through `count` random points. Anything else: a folder of PNG files, in a
    subfolder a class if conditional. Of sounds: .npz, .png (spectrograms), .wav, .flac or .ogg (all one after another),
    or a folder of .wav files. Clips have forms, lengths (`frames`), rates (`fps`) and grids of their own, see
    `augan.apply.clips`. Rows of a table: .csv, .tsv, .parquet or .npz (`augan.apply.tables`), for which `where` asks
    for values, 'column=value'. Windows of time series: .csv, .tsv, .parquet, .npz or .png (`augan.apply.series`).

    Raises:
        UserError: `out` exists, too little space, an unknown ending or class.
    """
    if model.item.kind == "video":
        more: dict[str, Any] = {"frames": frames, "fps": fps, "grid": grid, "tick": tick}
        return generate_clips(model, count, out, classes=classes, truncation=truncation, seed=seed, **more)
    if frames is not None or fps is not None or grid:
        raise UserError(
            f"--frames, --fps and --grid are for models of clips, and this one makes {NOUNS[model.item.kind]}."
        )
    path = Path(out)
    if count < 1:
        raise UserError(f"--count {count}: at least 1 is expected.")
    if isinstance(model, TableModel):
        return write_rows(model, count, path, classes, where, truncation, seed, tick)
    if isinstance(model, SeriesModel) and not where:
        return write_windows(model, count, path, classes, truncation, seed, tick)
    if where:
        raise UserError("--where asks for values of columns, and this model makes no rows. Use --classes.")
    writer = sound_writer(model, path) if model.item.sound is not None else _writer(path)
    require_absent(path)
    require_space(path, count * int(np.prod(model.item.shape)))
    next(
        model.stream(1, classes, seed, truncation), None
    )  # wrong classes or truncation fail before anything is written
    writer(model, count, path, classes, truncation, seed, tick)
    return path


def _writer(path: Path) -> Callable[..., None]:
    writers: dict[str, Callable[..., None]] = {
        ".npz": _write_npz,
        ".png": _write_sheet,
        ".gif": _write_gif,
        ".mp4": _write_mp4,
        "": _write_folder,
    }
    if path.suffix.lower() not in writers:
        raise UserError(
            f"Cannot write '{path.suffix}' files. Use .npz, .png, .gif, .mp4, or a folder name without a dot."
        )
    return writers[path.suffix.lower()]


def _write_npz(
    model: Model, count: int, path: Path, classes: Classes, truncation: float, seed: int, tick: Tick
) -> None:
    item, done = model.item, 0

    def parts() -> Iterator[np.ndarray]:
        nonlocal done
        for images, _ in model.stream(count, classes, seed, truncation):
            yield from_unit(images)
            done += len(images)
            tick(done)

    with atomic_file(path) as temporary, NpzWriter(temporary) as archive:
        archive.add_stream("images", (count, item.height, item.width, item.channels), np.uint8, parts())
        labels = model.labels(count, classes)
        if labels is not None:
            archive.add("labels", labels.numpy())
            archive.add("class_names", np.array(item.class_names))


def _write_folder(
    model: Model, count: int, path: Path, classes: Classes, truncation: float, seed: int, tick: Tick
) -> None:
    names, digits, done = model.item.class_names or (), len(str(count - 1)), 0
    if model.conditional:
        require_folder_names(names)
    with atomic_folder(path) as temporary:
        for images, labels in model.stream(count, classes, seed, truncation):
            for index, image in enumerate(from_unit(images)):
                folder = temporary if labels is None else temporary / names[int(labels[index])]
                folder.mkdir(exist_ok=True)
                to_pillow(image).save(folder / f"{done:0{digits}d}.png")
                done += 1
            tick(done)


def _write_sheet(
    model: Model, count: int, path: Path, classes: Classes, truncation: float, seed: int, tick: Tick
) -> None:
    chosen, columns, rows = sheet_layout(model, count, classes, "images")
    save_sheet(path, from_unit(model.sample(count, chosen, seed, truncation)), columns, rows)
    tick(count)


def interpolation(
    model: Model, count: int, classes: Classes = None, truncation: float = 1.0, seed: int = 0
) -> Iterator[UInt8[np.ndarray, "h w c"]]:
    """Frames of a closed walk through `count` random points on great circles (arXiv:1609.04468, slerp).

    A class changes halfway between two points.
    """
    points = truncation * model.latents(count, seed)
    labels = model.labels(count, classes)
    for index in range(count):
        following = (index + 1) % count
        shares = torch.arange(FRAMES_PER_STEP) / FRAMES_PER_STEP
        latents = slerp(points[index], points[following], shares)
        chosen: Int64[Tensor, " n"] | None = None
        if labels is not None:
            chosen = torch.where(shares < 0.5, labels[index], labels[following])
        yield from from_unit(model.decode(latents, chosen))


def slerp(start: Float[Tensor, " d"], end: Float[Tensor, " d"], shares: Float[Tensor, " n"]) -> Float[Tensor, "n d"]:
    """Spherical interpolation; straight where the two vectors are (nearly) parallel."""
    cosine = torch.dot(start, end) / (start.norm() * end.norm()).clamp_min(1e-12)
    angle = cosine.clamp(-1, 1).arccos()
    weight = shares[:, None]
    if angle.sin() < 1e-4:
        return (1 - weight) * start + weight * end
    return (((1 - weight) * angle).sin() * start + (weight * angle).sin() * end) / angle.sin()


def _write_gif(
    model: Model, count: int, path: Path, classes: Classes, truncation: float, seed: int, tick: Tick
) -> None:
    _check_walk(count)
    save_gif(path, interpolation(model, count, classes, truncation, seed), FRAMES_PER_SEC)
    tick(count)


def _check_walk(count: int) -> None:
    if count > WALK_LIMIT:
        raise UserError(f"A walk goes through at most {WALK_LIMIT} points, not {count}. Use .npz or a folder for more.")


def _write_mp4(
    model: Model, count: int, path: Path, classes: Classes, truncation: float, seed: int, tick: Tick
) -> None:
    _check_walk(count)
    ffmpeg: Any = require("imageio_ffmpeg", "video", "Writing .mp4")
    scale = max(1, round(256 / model.item.width))
    width, height = model.item.width * scale, model.item.height * scale
    size = (width - width % 2, height - height % 2)  # as the codec wants it
    frames = interpolation(model, count, classes, truncation, seed)
    pictures = (to_pillow(frame).convert("RGB").resize(size, Image.Resampling.NEAREST) for frame in frames)
    with atomic_file(path) as temporary:
        _encode(ffmpeg.get_ffmpeg_exe(), pictures, size, temporary)
    tick(count)


def _encode(ffmpeg: str, pictures: Iterator[Image.Image], size: tuple[int, int], path: Path) -> None:
    """Feeds RGB pictures to ffmpeg one by one.

    Raises:
        OSError: what ffmpeg said when it failed.
    """
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}", "-r", str(FRAMES_PER_SEC), "-i", "-"]
    film = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-y", str(path)]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([ffmpeg, "-loglevel", "error", *raw, *film], stdin=subprocess.PIPE, stderr=said)
        assert process.stdin is not None
        try:
            with suppress(BrokenPipeError), process.stdin as pipe:  # why it went away is told below
                for picture in pictures:
                    pipe.write(picture.tobytes())
            code = process.wait()
        finally:
            process.kill()
            process.wait()
        if code:
            said.seek(0)
            raise OSError(f"ffmpeg failed: {said.read().decode(errors='replace')}")
