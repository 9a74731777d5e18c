"""Images in tar files (WebDataset shards), here or on another machine: indexed once, then read by ranges of bytes.

A sample is a group of members with one name and different endings: an image, and its class in `.cls` (text) or under
"label" in `.json`. Without those, folders inside the tar are classes, as in a zip.
"""

from __future__ import annotations

import glob
import json
import re
import tarfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from augan.core.errors import UserError
from augan.core.files import read_json, write_json
from augan.core.item import ItemSpec
from augan.core.optional import require
from augan.data.cache import fingerprint_of
from augan.data.decode import SUFFIXES, Unreadable, decode, probe
from augan.data.feed import LARGEST_POOL
from augan.data.labels import encode_labels
from augan.data.listing import arrange, is_junk
from augan.data.policy import KINDS, Plan, Survey, convert, make_plan
from augan.data.source import ShownInNotebooks

REMOTE = re.compile(r"^[a-z][a-z0-9+.-]*://")
PROBED = 256
LARGEST_BYTES = 1 << 30


def is_shards(text: str) -> bool:
    """Whether a path or address names tar files."""
    return text.lower().endswith((".tar", ".tar.gz", ".tgz"))


def expand(text: str) -> tuple[str, ...]:
    """The tar files that a path with {000..012} or * stands for, in order.

    >>> expand("s3://bucket/part-{08..10}.tar")
    ('s3://bucket/part-08.tar', 's3://bucket/part-09.tar', 's3://bucket/part-10.tar')

    Raises:
        UserError: there is none; or they are compressed.
    """
    if not text.lower().endswith(".tar"):
        raise UserError(
            f"{text} is compressed, and images in it cannot be found by their place. Give it as plain .tar."
        )
    braces = re.search(r"\{(\d+)\.\.(\d+)\}", text)
    if braces:
        first, last = braces.groups()
        numbers = range(int(first), int(last) + 1)
        names = [text[: braces.start()] + str(n).zfill(len(first)) + text[braces.end() :] for n in numbers]
        return tuple(name for one in names for name in expand(one))
    if REMOTE.match(text) or "*" not in text:
        return (text,)
    found = sorted(glob.glob(text))
    if not found:
        raise UserError(f"No tar file matches {text}. Check the path.")
    return tuple(found)


@dataclass(frozen=True, kw_only=True)
class Shards:
    """Where each image of a set of tar files lies.

    Attributes:
        paths: of the tar files.
        shard, offset, size: (n,) each image's tar, first byte and length there.
        labels, class_names: as everywhere; None without classes.
        stamp: stands for names, sizes and times of the files.
        notes: what was left out.
    """

    paths: tuple[str, ...]
    shard: Int64[np.ndarray, " n"]
    offset: Int64[np.ndarray, " n"]
    size: Int64[np.ndarray, " n"]
    labels: Int64[np.ndarray, " n"] | None
    class_names: tuple[str, ...] | None
    stamp: str
    notes: tuple[str, ...] = ()
    members: tuple[str, ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.shard)

    def name_of(self, index: int) -> str:
        """How to name an item in a message."""
        inside = f" ({self.members[index]})" if self.members else f", byte {self.offset[index]}"
        return f"{self.paths[self.shard[index]]}{inside}"

    def read(self, indices: Int64[np.ndarray, " b"]) -> list[bytes | Unreadable]:
        """The encoded images with these numbers."""
        system = _system(self.paths[0])
        where = [self.paths[number] for number in self.shard[indices]]
        starts = self.offset[indices]
        ends = starts + self.size[indices]
        read = system.cat_ranges(where, starts.tolist(), ends.tolist(), on_error="return")
        return [Unreadable(f"{part}") if isinstance(part, Exception) else bytes(part) for part in read]

    def stream(self, chosen: Bool[np.ndarray, " n"]) -> Iterator[tuple[int, bytes | Unreadable]]:
        """The chosen images in order."""
        indices = np.flatnonzero(chosen)
        for start in range(0, len(indices), 64):
            some = indices[start : start + 64]
            yield from zip(some.tolist(), self.read(some), strict=True)


def _system(path: str) -> Any:
    """What reads files at such an address."""
    fsspec = require("fsspec", "remote", "Reading tar files")
    protocol = path.partition("://")[0] if REMOTE.match(path) else "file"
    try:
        return fsspec.filesystem(protocol)
    except (ImportError, ValueError) as error:
        raise UserError(f"{path}: {error}. For http and s3: pip install 'augan[remote]'.") from error


def list_shards(text: str, cache: Path) -> Shards:
    """Finds every image in the tar files that `text` stands for; an index is kept in the cache.

    Raises:
        UserError: a file is missing or no tar; or there are no images.
    """
    paths = expand(text)
    system = _system(paths[0])
    stamps = []
    for path in paths:
        try:
            about = system.info(path)
        except (OSError, ValueError) as error:
            raise UserError(f"{path} cannot be read ({error}). Check the address.") from error
        stamps.append([path, about.get("size"), str(about.get("mtime", about.get("ETag", "")))])
    stamp = fingerprint_of("shards", stamps)
    kept = cache / "shards" / f"{stamp}.json"
    rows = None
    if kept.exists():
        try:
            rows = read_json(kept)["rows"]
        except (UserError, KeyError, TypeError):
            rows = None
    if rows is None:
        rows = [row for number, path in enumerate(paths) for row in _scan(system, path, number)]
        write_json(kept, {"rows": rows})
    return _arranged(text, paths, rows, stamp)


def _scan(system: Any, path: str, number: int) -> Iterator[list[Any]]:
    """(tar's number, name, first byte, length, class or None) of every image in a tar, reading it from end to end."""
    classes: dict[str, str] = {}
    images: list[list[Any]] = []
    try:
        with system.open(path, "rb") as file, tarfile.open(fileobj=file, mode="r:") as archive:
            for member in archive:
                if not member.isfile() or is_junk(member.name):
                    continue
                key, ending = _split(member.name)
                if f".{ending}" in SUFFIXES and member.size <= LARGEST_BYTES:
                    images.append([number, member.name, member.offset_data, member.size, key])
                elif ending in ("cls", "json") and member.size < 1_000_000:
                    content = archive.extractfile(member)
                    label = _label(content.read() if content else b"", ending)
                    if label is not None:
                        classes[key] = label
    except (tarfile.TarError, OSError, EOFError) as error:
        raise UserError(f"{path} is not a tar file, or it is damaged ({error}). Download or pack it again.") from error
    for image in images:
        yield [*image[:4], classes.get(image[4])]


def _split(name: str) -> tuple[str, str]:
    """'a/b.seg.png' as ('a/b', 'png'): a sample's name ends at the first dot."""
    path = PurePosixPath(name)
    return str(path.parent / path.name.partition(".")[0]), path.suffix[1:].lower()


def _label(data: bytes, ending: str) -> str | None:
    try:
        text = data.decode().strip()
        if ending == "cls":
            return text
        found = json.loads(text)
        return str(found["label"]) if isinstance(found, dict) and "label" in found else None
    except ValueError:
        return None


def _arranged(text: str, paths: tuple[str, ...], rows: Sequence[Sequence[Any]], stamp: str) -> Shards:
    if not rows:
        raise UserError(f"{text} holds no images (known endings: {', '.join(sorted(SUFFIXES))}). Check the path.")
    known = [row[4] for row in rows]
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] | None
    if any(label is not None for label in known):
        missing = sum(label is None for label in known)
        if missing:
            rows = [row for row in rows if row[4] is not None]
            notes = (f"{missing} images without a class were left out.",)
        values = np.array([row[4] for row in rows])
        numbers = np.char.isdigit(values).all()
        labels, names = encode_labels(values.astype(np.int64) if numbers else values, len(rows))
    else:
        unique = [f"{row[1]}" for row in rows]
        listing = arrange(unique, text)
        order = {name: position for position, name in enumerate(listing.members)}
        rows = sorted((row for row in rows if row[1] in order), key=lambda row: (order[row[1]], row[0]))
        notes = listing.notes
        labels, names = None, listing.class_names
        if listing.labels is not None:
            labels = np.array([listing.labels[order[row[1]]] for row in rows], dtype=np.int64)
    shard, offset, size = (np.array([row[column] for row in rows], dtype=np.int64) for column in (0, 2, 3))
    return Shards(
        paths=paths,
        shard=shard,
        offset=offset,
        size=size,
        labels=labels,
        class_names=names,
        stamp=stamp,
        notes=notes,
        members=tuple(row[1] for row in rows),
    )


class ShardSource(ShownInNotebooks):
    """Images of tar files, read and decoded as they are asked for: nothing of them is kept on disk.

    Sizes, channels and values are decided by 256 images spread over the set; an image that does not fit is converted as
    the others are, and one that cannot be read is replaced by its neighbour.
    """

    def __init__(self, shards: Shards, name: str, size: tuple[int, int] | None) -> None:
        """Raises UserError if none of the probed images can be read."""
        self.shards, self._name = shards, name
        self.plan = _plan(shards, size)
        self._item = ItemSpec(
            channels=self.plan.channels,
            height=self.plan.height,
            width=self.plan.width,
            class_names=shards.class_names,
            value_range=self.plan.value_range,
        )
        self._key = fingerprint_of("stream", shards.stamp, self._item.to_json())
        self._pool = ThreadPoolExecutor(LARGEST_POOL, thread_name_prefix="augan-shards")

    @property
    def item(self) -> ItemSpec:
        return self._item

    @property
    def labels(self) -> np.ndarray | None:
        return self.shards.labels

    @property
    def key(self) -> str:
        """Of names, sizes and times of the tar files: their content is not read for it."""
        return self._key

    @property
    def name(self) -> str:
        return self._name

    @property
    def notes(self) -> tuple[str, ...]:
        files = f"{len(self.shards.paths)} tar files" if len(self.shards.paths) > 1 else "a tar file"
        return (*self.shards.notes, *self.plan.notes, f"Images are read from {files} as they are needed.")

    def __len__(self) -> int:
        return len(self.shards)

    def items(self, indices: np.ndarray) -> UInt8[np.ndarray, "b h w c"]:
        """Reads and decodes these images."""
        raw = self.shards.read(np.asarray(indices))
        made = list(self._pool.map(self._finish, raw))
        return np.stack([self._or_neighbour(image, int(i)) for image, i in zip(made, indices, strict=True)])

    def _finish(self, raw: bytes | Unreadable) -> np.ndarray | Unreadable:
        if isinstance(raw, Unreadable):
            return raw
        try:
            found = decode(raw, (self.plan.height, self.plan.width))
            if KINDS[_kind(raw)] not in self.plan.scales:
                return Unreadable("another depth than the images that were probed")
            return self._fit(convert(found, self.plan, alpha=True))
        except Unreadable as error:
            return error

    def _fit(self, image: np.ndarray) -> np.ndarray:
        """An image with more channels than the set has loses them."""
        wanted = self.plan.channels
        if image.shape[2] <= wanted:
            return image
        colour = image[:, :, :3]
        return colour if wanted == 3 else np.rint(colour.mean(2, keepdims=True)).astype(np.uint8)

    def _or_neighbour(self, image: np.ndarray | Unreadable, index: int) -> np.ndarray:
        for step in range(1, 100):
            if not isinstance(image, Unreadable):
                return image
            near = (index + step) % len(self)
            same = self.labels is None or self.labels[near] == self.labels[index]
            image = self._finish(self.shards.read(np.array([near]))[0]) if same else image
        raise UserError(f"{self.shards.name_of(index)} and the 99 images after it could not be read ({image}).")


def _kind(raw: bytes) -> int:
    return probe(raw).kind


def _plan(shards: Shards, size: tuple[int, int] | None) -> Plan:
    """The plan for all images from some of them."""
    chosen = np.unique(np.linspace(0, len(shards) - 1, PROBED).astype(np.int64))
    found, extremes, reason = [], [], ""
    for raw in shards.read(chosen):
        try:
            if isinstance(raw, Unreadable):
                raise raw
            found.append(probe(raw))
            values = decode(raw)
            extremes.append((float(values.min()), float(values.max())))
        except Unreadable as error:
            reason = str(error)
            found = found[: len(extremes)]
    if len(found) < 2:
        raise UserError(f"None of {len(chosen)} images of {shards.paths[0]} could be read ({reason}). Check the files.")
    low, high = np.array(extremes).T
    survey = Survey(
        height=np.array([one.height for one in found]),
        width=np.array([one.width for one in found]),
        channels=np.array([one.channels for one in found]),
        kind=np.array([one.kind for one in found]),
        low=low,
        high=high,
        digest="",
    )
    return make_plan(survey, np.ones(len(found), dtype=bool), size)
