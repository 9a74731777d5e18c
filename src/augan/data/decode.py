"""One encoded image (bytes) to numbers, by Pillow, whatever its mode; anything broken is `Unreadable`."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from augan.data.policy import KINDS

SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm")
)
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
UINT8, INTEGER, FLOAT = KINDS.index("uint8"), KINDS.index("integer"), KINDS.index("float")
ORIENTATION = 0x0112
# Pillow reads 16-bit colour as 8-bit by taking the high byte of each value. Decoding once more with the
# other byte
# order makes it take the low byte, and the two together are the whole value.
OTHER_BYTE = {
    "RGB;16B": "RGB;16L",
    "RGB;16L": "RGB;16B",
    "RGB;16N": "RGB;16B",
    "RGBA;16B": "RGBA;16L",
    "RGBA;16L": "RGBA;16B",
    "RGBA;16N": "RGBA;16B",
}


class Unreadable(Exception):
    """An image that cannot be read; the text is the reason, a few words."""


@dataclass(frozen=True)
class Probe:
    """What an image's header says. `channels` is 1, 3 or 4; `kind` indexes policy.KINDS."""

    height: int
    width: int
    channels: int
    kind: int


def probe(data: bytes) -> Probe:
    """Reads the header only.

    Raises:
        Unreadable: not an image that Pillow knows, or more pixels than Pillow takes for honest.
    """
    try:
        with _open(data) as image:
            width, height = image.size
            # PNG may keep EXIF behind the pixels, where asking for it would decode the whole image.
            orientation = image.getexif().get(ORIENTATION, 1) if image.format in ("JPEG", "WEBP") else 1
            if image.format == "PNG" and "exif" in image.info:
                orientation = image.getexif().get(ORIENTATION, 1)
            if orientation in (5, 6, 7, 8):
                width, height = height, width
            return Probe(height, width, _channels(image), _kind(image))
    except Unreadable:
        raise
    except Exception as error:  # a hostile header can make a decoder raise anything
        raise Unreadable(_reason(error, data)) from error


def decode(data: bytes, target: tuple[int, int] | None = None) -> np.ndarray:
    """The image as (height, width, 1 | 3 | 4): uint8, or uint16/int32/float32 where the file is deeper.

    EXIF orientation is applied. `target` (height, width) lets JPEG decode at a smaller scale, never below
    twice that.

    Raises:
        Unreadable: truncated or broken.
    """
    try:
        with _open(data) as image:
            if target is not None and image.format in ("JPEG", "MPO"):
                _draft(image, target)
            wide = _decode_wide_colour(image, data)
            if wide is not None:
                return wide
            upright = ImageOps.exif_transpose(image)
            return image_to_array(upright)
    except Unreadable:
        raise
    except Exception as error:  # see probe
        raise Unreadable(_reason(error, data)) from error


def _open(data: bytes) -> Image.Image:
    if not data:
        raise Unreadable("empty file")
    return Image.open(io.BytesIO(data), formats=FORMATS)


def _draft(image: Image.Image, target: tuple[int, int]) -> None:
    side = max(target)  # orientation may still swap the sides
    scale = 2 * side / min(image.size)
    if scale < 1:
        image.draft(None, (round(image.size[0] * scale), round(image.size[1] * scale)))


def _has_alpha(image: Image.Image) -> bool:
    return "A" in image.mode or "a" in image.mode or "transparency" in image.info


def _rawmode(image: Image.Image) -> str:
    tiles = getattr(image, "tile", None)
    args: Any = tiles[0][3] if tiles else ""
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def _channels(image: Image.Image) -> int:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return 1
    if image.mode in ("1", "L"):
        return 4 if "transparency" in image.info else 1
    return 4 if _has_alpha(image) and not (_rawmode(image) in OTHER_BYTE and image.mode == "RGB") else 3


def _kind(image: Image.Image) -> int:
    if image.mode == "F":
        return FLOAT
    if image.mode == "I" or image.mode.startswith("I;16") or _rawmode(image) in (*OTHER_BYTE, "LA;16B"):
        return INTEGER
    return UINT8


def image_to_array(image: Image.Image) -> np.ndarray:
    """A Pillow image as (height, width, 1 | 3 | 4) by the channel policy, in the depth that Pillow holds."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.asarray(image)
        return values.astype(values.dtype.newbyteorder("="))[:, :, None]
    channels = _channels(image)
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    array = np.asarray(image if image.mode == mode else image.convert(mode))
    return array[:, :, None] if channels == 1 else array


def _decode_wide_colour(image: Image.Image, data: bytes) -> np.ndarray | None:
    """16-bit colour as (height, width, 3 | 4) uint16; None for any other image."""
    rawmode = _rawmode(image)
    if rawmode == "LA;16B":  # four bytes a pixel: read as 8-bit RGBA they are grey high, grey low, alpha high, low
        _set_rawmode(image, "RGBA")
        grey_alpha = np.asarray(ImageOps.exif_transpose(image)).astype(np.uint16)
        pair = grey_alpha[:, :, 0::2] << 8 | grey_alpha[:, :, 1::2]
        return pair[:, :, (0, 0, 0, 1)]
    if rawmode not in OTHER_BYTE:
        return None
    high = np.asarray(ImageOps.exif_transpose(image)).astype(np.uint16)
    with _open(data) as other:
        _set_rawmode(other, OTHER_BYTE[rawmode])
        low = np.asarray(ImageOps.exif_transpose(other))
    whole: np.ndarray = high << 8 | low
    return whole


def _set_rawmode(image: Any, rawmode: str) -> None:
    tiles = []
    for tile in image.tile:  # (codec, extents, offset, args): a plain tuple in older Pillows, a named one in newer
        args = (rawmode, *tile[3][1:]) if isinstance(tile[3], tuple) else rawmode
        values = (*tile[:3], args)
        tiles.append(type(tile)(*values) if hasattr(tile, "_fields") else values)
    image.tile = tiles


def _reason(error: Exception, data: bytes) -> str:
    text = str(error)
    if isinstance(error, Image.DecompressionBombError):
        return "far too many pixels"
    if isinstance(error, UnidentifiedImageError):
        return "text, not an image" if _looks_like_text(data) else "not an image"
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return "truncated"
    return f"damaged: {text or type(error).__name__}"


def _looks_like_text(data: bytes) -> bool:
    head = data[:512]
    return b"\0" not in head and all(byte >= 32 or byte in b"\t\r\n\f" for byte in head)
