"""Two sides of a translation: folders, archives, arrays; matched or not."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from augan.core.errors import UserError
from augan.core.files import disk_errors
from augan.core.item import ItemSpec
from augan.core.pictures import to_pillow
from augan.data import ArraySource, Source, open_like, subset
from augan.data import open as open_source
from augan.data.decode import SUFFIXES, Unreadable, decode, probe
from augan.data.listing import FolderStream, is_junk, require_exists, walk
from augan.data.policy import float_scale, integer_scale, parse_size, to_levels
from augan.data.zips import ZipStream, split_zip_path

NAMED = 5
MOVING = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".gif")


@dataclass(frozen=True, kw_only=True, eq=False)
class Sides:
    """Images of side a and of side b, of one size unless there is one of each; if paired, as many of each, in order.

    Attributes:
        names: of the pairs, for messages.
    """

    a: Source
    b: Source
    paired: bool
    names: tuple[str, ...] = ()

    def item(self, side: str) -> ItemSpec:
        """What an item of side 'a' or 'b' is."""
        return (self.a if side == "a" else self.b).item


def open_sides(a: Any, b: Any = None, *, paired: bool, size: int | str | None = None) -> Sides:
    """Opens both sides at one size.

    Paired: two folders or archives whose files have the same names up to the ending, two arrays of the same length, an
    .npz with arrays `a` and `b`, or, without `b`, images with both sides beside one another (a at the left).

    Raises:
        UserError: names without a partner (they are listed), lengths or sizes that differ, an empty side.
    """
    if b is None:
        if not paired:
            raise UserError("Unpaired images have two sides: give both A and B.")
        return _one(a, size)
    for data in (a, b):
        if isinstance(data, str | Path) and Path(data).suffix.lower() in MOVING:
            raise UserError(f"{data} is a film. Give its frames as a folder of images.")
    first = open_source(a, size=size)
    if first.item.sound is not None:
        second = open_like(b, first.item)
        return _matched(first, second) if paired else Sides(a=first, b=second, paired=False)
    shape = f"{first.item.height}x{first.item.width}"
    if size is None and _own_size(open_source(b)) != (first.item.height, first.item.width) and paired:
        other = _own_size(open_source(b))
        raise UserError(
            f"The sides have different sizes, {first.item.height}x{first.item.width} and {other[0]}x{other[1]}. "
            "Give --size."
        )
    second = open_source(b, size=shape)
    if not paired:
        return Sides(a=first, b=second, paired=False)
    sides = _matched(first, second)
    _require_one_shape(sides, sized=size is not None)
    return sides


def _require_one_shape(sides: Sides, sized: bool) -> None:
    """Pairs of files have one size or, where both are scaled anyway, one aspect: else they would be cut differently.

    Raises:
        UserError: some have not; they are listed.
    """
    found = [getattr(source, "origin", None) for source in (sides.a, sides.b)]
    known = [origin.sizes for origin in found if origin is not None and origin.sizes is not None]
    if len(known) < 2 or (max(size.distinct for size in known) == 1 and known[0].largest == known[1].largest):
        return
    first, second = _shapes(sides.a), _shapes(sides.b)
    if first is None or second is None:
        return
    wrong = []
    for name, ours, theirs in zip(sides.names, first, second, strict=True):
        aspect = abs(ours[0] * theirs[1] - ours[1] * theirs[0]) <= max(*ours, *theirs)  # within a pixel
        if not aspect or (ours != theirs and not sized and max(size.distinct for size in known) > 1):
            wrong.append(f"{name} ({ours[0]}x{ours[1]} and {theirs[0]}x{theirs[1]})")
    if wrong:
        more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        remedy = "Bring both to one aspect." if sized else "Bring both to one size; --size does where aspects agree."
        raise UserError(f"{len(wrong)} pairs have sides of different sizes: {', '.join(wrong[:NAMED])}{more}. {remedy}")


def _shapes(source: Source) -> list[tuple[int, int]] | None:
    """(height, width) of each item's file, in order; None where items are no files."""
    origin = getattr(source, "origin", None)
    if origin is None or not origin.members:
        return None
    packed = split_zip_path(origin.path)
    stream = ZipStream(*packed, origin.members) if packed else FolderStream(origin.path, origin.members)
    found: dict[int, tuple[int, int]] = {}
    for row, content in stream(np.ones(len(origin.members), dtype=bool)):
        if isinstance(content, Unreadable):
            return None
        header = probe(content)
        found[row] = (header.height, header.width)
    return [found[row] for row in range(len(origin.members))]


def open_single(a: Any, b: Any, *, size: int | str | None = None) -> Sides:
    """One image of each side, each of its own size: a picture, a folder with one, or an array (h, w), (h, w, c) or
    (1, h, w, c).

    With `size`, S or "HxW", each is scaled, its aspect kept, so that it just covers so many pixels.

    Raises:
        UserError: no image or more than one, one that cannot be read.
    """
    if b is None:
        raise UserError("Two images are wanted, one of each side: give both A and B.")
    return Sides(a=_single(a, parse_size(size)), b=_single(b, parse_size(size)), paired=False)


def _single(data: Any, size: tuple[int, int] | None) -> Source:
    if isinstance(data, str | Path):
        path = _picture_of(Path(data))
        with disk_errors(path):
            content = path.read_bytes()
        try:
            image, name = decode(content), path.stem
        except Unreadable as error:
            raise UserError(f"{path} cannot be read as a picture: {error}.") from error
    else:
        values = np.asarray(data.items(np.arange(len(data))) if isinstance(data, Source) else data)
        if values.ndim == 4 and len(values) != 1:
            raise UserError(f"One image of each side is wanted, and there are {len(values)}.")
        image, name = (values[0] if values.ndim == 4 else values), "image"
    image = image[..., None] if image.ndim == 2 else image
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4):
        raise UserError(
            f"An image of shape {image.shape} is no picture: (h, w), (h, w, 3) or (1, h, w, 3) is expected."
        )
    scale = (0.0, 255.0)
    if image.dtype != np.uint8:
        extremes = float(image.min()), float(image.max())
        scale = float_scale(*extremes) if image.dtype.kind == "f" else integer_scale(*extremes)
    levels = _covering(to_levels(image, scale), size)
    item = ItemSpec(channels=levels.shape[2], height=levels.shape[0], width=levels.shape[1], value_range=scale)
    key = hashlib.sha256(f"{levels.shape}{scale}".encode() + levels.tobytes()).hexdigest()
    return ArraySource(array=levels[None], item=item, key=key, name=name)


def _picture_of(path: Path) -> Path:
    """The picture itself, or the only one in a folder."""
    require_exists(path)
    if not path.is_dir():
        if path.suffix.lower() not in SUFFIXES:
            raise UserError(f"{path} is no picture that augan reads. Give a picture, or a folder with one.")
        return path
    found = [name for name, _, _ in walk(path) if Path(name).suffix.lower() in SUFFIXES and not is_junk(name)]
    if len(found) != 1:
        raise UserError(
            f"{path} has {len(found) or 'no'} images, and single-image translation takes one of each side. Name the "
            "picture, or choose --recipe cut."
        )
    return path / found[0]


def _covering(image: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    height, width = image.shape[:2]
    if size is None:
        return image
    factor = max(size[0] / height, size[1] / width)
    resized = to_pillow(image).resize((round(width * factor), round(height * factor)), Image.Resampling.LANCZOS)
    return np.asarray(resized).reshape(resized.height, resized.width, -1)


def _own_size(source: Source) -> tuple[int, int]:
    return source.item.height, source.item.width


def _matched(first: Source, second: Source) -> Sides:
    ours, theirs = _stems(first), _stems(second)
    if ours is None or theirs is None:
        if len(first) != len(second):
            raise UserError(f"The sides have {len(first)} and {len(second)} images: pairs need as many of each.")
        return Sides(a=first, b=second, paired=True, names=tuple(f"pair {row}" for row in range(len(first))))
    lonely = sorted(set(ours) ^ set(theirs))
    if lonely:
        more = f" and {len(lonely) - NAMED} more" if len(lonely) > NAMED else ""
        broken = [note for source in (first, second) for note in source.notes if "could not be read" in note]
        raise UserError(
            f"{len(lonely)} images have no partner on the other side: {', '.join(lonely[:NAMED])}{more}. "
            f"{' '.join([*broken, ''])}Name pairs alike, or give --unpaired."
        )
    names = sorted(ours)
    rows = [np.array([stems[name] for name in names]) for stems in (ours, theirs)]
    return Sides(a=subset(first, rows[0]), b=subset(second, rows[1]), paired=True, names=tuple(names))


def _stems(source: Source) -> dict[str, int] | None:
    """Row of each name without its ending; None where items have no names.

    Raises:
        UserError: two files of one name.
    """
    origin = getattr(source, "origin", None)
    if origin is None or not origin.members:
        return None
    found: dict[str, int] = {}
    for row, member in enumerate(origin.members):
        stem = PurePosixPath(member).with_suffix("").as_posix()
        if stem in found:
            raise UserError(f"{source.name} has two images called {stem}: pairs cannot be told.")
        found[stem] = row
    return found


def _one(data: Any, size: int | str | None) -> Sides:
    """Both sides out of one file or folder."""
    if isinstance(data, str | Path) and str(data).lower().endswith(".npz"):
        with np.load(data, allow_pickle=False) as archive:
            if {"a", "b"} <= set(archive.files):
                a, b = archive["a"], archive["b"]
                if len(a) != len(b):
                    raise UserError(f"The sides have {len(a)} and {len(b)} images: pairs need as many of each.")
                return open_sides(a, b, paired=True, size=size)
        raise UserError(f"{data} has no arrays a and b. Give two paths, or an .npz with both.")
    whole = open_source(data)
    height, width = whole.item.height, whole.item.width
    if width % 2 or width <= height:
        raise UserError(
            f"The images of {whole.name} are {height}x{width}: two sides beside one another are expected. Give A and B."
        )
    items = whole.items(np.arange(len(whole)))
    return open_sides(items[:, :, : width // 2], items[:, :, width // 2 :], paired=True, size=size)
