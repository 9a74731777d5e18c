"""Arrays to picture files: single images, sheets, animations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from augan.core.files import atomic_file

Picture = UInt8[np.ndarray, "h w c"]
Pictures = UInt8[np.ndarray, "n h w c"]


def to_pillow(image: Picture) -> Image.Image:
    """(h, w, 1, 3 or 4) uint8 as a grey, RGB or RGBA image; of two channels (stereo sound) the mean."""
    if image.shape[2] == 2:
        image = image.mean(2, keepdims=True).round().astype(np.uint8)
    return Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)


def sheet(
    images: Pictures, columns: int, row_names: Sequence[str] | None = None, scale: int | None = None
) -> Image.Image:
    """Images side by side, `columns` a row, with the rows' names at the left.

    `scale` enlarges by whole pixels; None makes images about 64 pixels wide. Transparent ones stand on a chequerboard.
    """
    count, height, width, _ = images.shape
    scale = scale or max(1, round(64 / width))
    gap, rows = 2, -(-count // columns)
    font = ImageFont.load_default(size=14)
    margin = max((int(font.getlength(name)) + 12 for name in row_names), default=0) if row_names else 0
    cell_w, cell_h = width * scale + gap, height * scale + gap
    picture = Image.new("RGB", (margin + columns * cell_w + gap, rows * cell_h + gap), "white")
    draw = ImageDraw.Draw(picture)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        tile = to_pillow(image).resize((width * scale, height * scale), Image.Resampling.NEAREST)
        place = (margin + gap + column * cell_w, gap + row * cell_h)
        if tile.mode == "RGBA":
            picture.paste(_chequerboard(tile.size), place)
        picture.paste(
            tile.convert("RGB") if tile.mode != "RGBA" else tile, place, tile if tile.mode == "RGBA" else None
        )
    for row, name in enumerate(row_names or ()):
        draw.text((6, gap + row * cell_h + cell_h // 2), name, fill="black", anchor="lm", font=font)
    return picture


def _chequerboard(size: tuple[int, int], cell: int = 8) -> Image.Image:
    rows, columns = np.indices((size[1], size[0])) // cell
    return Image.fromarray(np.where((rows + columns) % 2, 235, 205).astype(np.uint8)).convert("RGB")


def save_sheet(path: Path, images: Pictures, columns: int, row_names: Sequence[str] | None = None) -> None:
    """Writes a sheet as PNG."""
    with atomic_file(path) as temporary:
        sheet(images, columns, row_names).save(temporary, format="PNG")


def save_gif(path: Path, frames: Iterable[Picture], frames_per_sec: float = 20.0, scale: int | None = None) -> None:
    """Writes an endless GIF animation."""
    pictures = []
    for frame in frames:
        factor = scale or max(1, round(96 / frame.shape[1]))
        picture = to_pillow(frame).resize((frame.shape[1] * factor, frame.shape[0] * factor), Image.Resampling.NEAREST)
        if picture.mode == "RGBA":
            background = _chequerboard(picture.size)
            background.paste(picture, mask=picture)
            picture = background
        pictures.append(picture)
    with atomic_file(path) as temporary:
        pictures[0].save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=pictures[1:],
            duration=round(1000 / frames_per_sec),
            loop=0,
        )
