"""From raw items to a source: survey, plan, decode once into the cache, or find it there."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64
from PIL import Image

from augan.core.errors import UserError
from augan.core.item import ItemSpec
from augan.data.cache import Cache, Entry, NpyWriter, fingerprint_of
from augan.data.decode import Unreadable
from augan.data.feed import Feed, require_finite
from augan.data.kinds import NOUNS
from augan.data.listing import printable
from augan.data.policy import Plan, Survey, make_plan
from augan.data.source import ArraySource, Origin, Sizes

NAMED_AT_MOST = 5
SMALL_FILES_BYTES = 1 << 16  # room for labels.npy of small sets and source.json
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user asked of `open`."""

    size: tuple[int, int] | None = None
    strict: bool = False
    min_images_per_class: int = 0
    kind: str | None = None


@dataclass(frozen=True, kw_only=True)
class Input:
    """Raw items with their labels. `fingerprint` stands for names, sizes and times of files, if any.

    `noun` is what messages call the items; clips have `frames` at `frames_per_sec`.
    """

    feed: Feed
    labels: Int64[np.ndarray, " n"] | None
    class_names: tuple[str, ...] | None
    origin: Origin
    name: str
    notes: tuple[str, ...] = ()
    fingerprint: str | None = None
    kind: str = "image"
    frames: int | None = None
    frames_per_sec: float | None = None

    @property
    def noun(self) -> str:
        """What messages call several of them."""
        return NOUNS[self.kind]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which items are taken, and what is said about the classes that are not."""

    chosen: Bool[np.ndarray, " n"]
    notes: tuple[str, ...] = ()


def build(data: Input, options: Options, cache: Cache, progress: Progress | None = None) -> ArraySource:
    """The source for `data`: from the cache if it is there, else decoded into it.

    Raises:
        UserError: what is wrong with the data, or the cache folder cannot be written.
    """
    quick = None if data.fingerprint is None else fingerprint_of("files", data.fingerprint, asdict(options))
    record = cache.lookup(quick)
    if record is None:
        with warnings.catch_warnings():
            # Pillow warns of large images and refuses huge ones; refusing is enough
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            record = _Decoding(data=data, options=options, cache=cache, progress=progress).record()
        cache.remember(quick, record)
    return _assemble(data, record, cache)


@dataclass(frozen=True, kw_only=True)
class _Decoding:
    """One decoding of a data set into the cache."""

    data: Input
    options: Options
    cache: Cache
    progress: Progress | None

    def record(self) -> dict[str, Any]:
        """What `Cache.remember` keeps of this data: found if the same content came before, else new."""
        data = self.data
        survey = data.feed.survey()
        require_finite(data.feed, survey)
        labels = None if data.labels is None else hashlib.sha256(data.labels.tobytes()).hexdigest()
        names = hashlib.sha256("\0".join(data.origin.members).encode("utf-8", "surrogateescape")).hexdigest()
        parts = (survey.digest, names, labels, data.class_names, asdict(self.options), data.frames_per_sec)
        content = fingerprint_of("content", *parts)
        record = self.cache.lookup(content)
        if record is None:
            record = self.decode_all(survey)
            self.cache.remember(content, record)
        return record

    def decode_all(self, survey: Survey) -> dict[str, Any]:
        """Decodes until no class falls below its minimum for unreadable images: once, very rarely twice."""
        bad = dict(survey.bad)
        while True:
            choice = self.choose(bad)
            plan = make_plan(survey, choice.chosen, self.options.size)
            pixels = int(choice.chosen.sum()) * plan.height * plan.width * plan.channels * (self.data.frames or 1)
            with self.cache.building(pixels + SMALL_FILES_BYTES) as folder:
                failed, writer = self.write(plan, choice.chosen, folder / "items.npy")
                bad.update(failed)
                if bad and self.options.strict:  # only now, so that all are known
                    what = unreadable(self.data, bad)
                    raise UserError(f"{what}. Repair or remove them, or leave out --strict to skip them.")
                kept = choice.chosen.copy()
                kept[list(failed)] = False
                choice = self.choose(bad) if failed else choice
                if np.array_equal(choice.chosen, kept):
                    return self.publish(plan, choice, bad, writer)

    def choose(self, bad: dict[int, str]) -> Choice:
        """Readable items of classes that are large enough."""
        if len(bad) == len(self.data.feed):
            raise UserError(f"{unreadable(self.data, bad)}: none is left. Check that these are {self.data.noun}.")
        return choose(self.data, bad, self.options.min_images_per_class)

    def write(self, plan: Plan, chosen: np.ndarray, path: Path) -> tuple[dict[int, str], NpyWriter]:
        """Decodes the chosen items into a file; returns why some failed, and the finished writer."""
        failed: dict[int, str] = {}
        total = int(chosen.sum())
        with self.cache.write_errors():
            time = () if self.data.frames is None else (self.data.frames,)
            writer = NpyWriter(path, (*time, plan.height, plan.width, plan.channels))
        try:
            for index, items in self.data.feed.blocks(plan, chosen):
                if isinstance(items, Unreadable):
                    failed[index] = str(items)
                else:
                    with self.cache.write_errors():
                        writer.append(items)
                if self.progress is not None:
                    self.progress(writer.count + len(failed), total)
            with self.cache.write_errors():
                writer.finish()
        finally:
            writer.close()
        return failed, writer

    def publish(self, plan: Plan, choice: Choice, bad: dict[int, str], writer: NpyWriter) -> dict[str, Any]:
        """Gives the decoded items their key and their place in the cache."""
        labels, names = final_labels(self.data, choice.chosen)
        spec = ItemSpec(
            channels=plan.channels,
            height=plan.height,
            width=plan.width,
            class_names=names,
            value_range=plan.value_range,
            kind="image" if self.data.frames is None else "video",
            frames=self.data.frames,
            frames_per_sec=self.data.frames_per_sec,
        )
        content = hashlib.sha256(writer.digest.digest())
        content.update(b"" if labels is None else labels.astype("<i8").tobytes())
        content.update(json.dumps(spec.to_json(), sort_keys=True).encode())
        key = content.hexdigest()
        self.cache.publish(writer.path.parent, key, Entry(spec=spec, count=writer.count, labels=labels))
        skipped = (f"{unreadable(self.data, bad)} and were skipped.",) if bad else ()
        return {
            "key": key,
            "dropped": np.flatnonzero(~choice.chosen).tolist(),
            "notes": [*(_about(note, self.data.noun) for note in plan.notes), *skipped, *choice.notes],
            "sizes": asdict(plan.sizes),
        }


def final_labels(data: Input, chosen: np.ndarray) -> tuple[np.ndarray | None, tuple[str, ...] | None]:
    """Labels of the chosen items, numbered anew over the classes that have any."""
    if data.labels is None or data.class_names is None:
        return None, None
    used, numbers = np.unique(data.labels[chosen], return_inverse=True)
    return numbers.reshape(-1).astype(np.int64), tuple(data.class_names[i] for i in used)


def _about(note: str, noun: str) -> str:
    """What the policies for images say, of another kind of item."""
    return note.replace("Images ", f"{noun.capitalize()} ").replace(" images ", f" {noun} ")


def unreadable(data: Input, bad: dict[int, str]) -> str:
    """How many could not be read, and why."""
    feed, order = data.feed, sorted(bad)
    named = ", ".join(f"{printable(feed.name_of(i))} ({bad[i]})" for i in order[:NAMED_AT_MOST])
    more = f" and {len(order) - NAMED_AT_MOST} more" if len(order) > NAMED_AT_MOST else ""
    return f"{len(order)} of {len(feed)} {data.noun} could not be read ({named}{more})"


def choose(data: Input, bad: dict[int, str], minimum: int) -> Choice:
    """Leaves out unreadable items and classes with fewer than `minimum` images.

    Raises:
        UserError: a class with one image, or fewer than two images in all.
    """
    noun = data.noun
    chosen = np.ones(len(data.feed), dtype=bool)
    chosen[list(bad)] = False
    notes: tuple[str, ...] = ()
    if data.labels is not None and data.class_names is not None:
        counts = np.bincount(data.labels[chosen], minlength=len(data.class_names))
        small = counts < max(1, minimum)
        single = np.flatnonzero((counts == 1) & ~small)
        if len(single):
            raise UserError(
                f"class '{data.class_names[single[0]]}' has 1 {noun[:-1]}; at least 2 are needed: add some, "
                "or leave such "
                "classes out with --set data.min_images_per_class=2"
            )
        if small.any():
            chosen &= ~small[data.labels]
            named = [f"{data.class_names[i]} ({counts[i]})" for i in np.flatnonzero(small)]
            more = f" and {len(named) - NAMED_AT_MOST} more" if len(named) > NAMED_AT_MOST else ""
            fewer = f"fewer than {minimum} {noun}" if minimum > 1 else f"no readable {noun[:-1]}"
            notes = (f"{len(named)} classes with {fewer} were left out: {', '.join(named[:NAMED_AT_MOST])}{more}.",)
    if chosen.sum() < 2:
        left = " after leaving out small classes" if notes else ""
        raise UserError(f"There are {chosen.sum()} usable {noun}{left}, and at least 2 are needed. Add {noun}.")
    return Choice(chosen=chosen, notes=notes)


def _assemble(data: Input, record: dict[str, Any], cache: Cache) -> ArraySource:
    spec, items, labels = cache.load(record["key"])
    origin = replace(data.origin, sizes=Sizes.from_json(record["sizes"]))
    dropped = set(record["dropped"])
    if dropped and origin.members:
        members = tuple(name for i, name in enumerate(origin.members) if i not in dropped)
        origin = replace(origin, members=members)
    return ArraySource(
        array=items,
        item=spec,
        key=record["key"],
        name=data.name,
        labels=labels,
        notes=(*data.notes, *record["notes"]),
        origin=origin,
    )


def safe_name(text: str) -> str:
    """Letters, digits, '.', '_' and '-' only, at most 40."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:40] or "data"
