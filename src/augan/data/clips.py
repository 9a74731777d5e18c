"""Clips: films of any length cut into windows of one length.

**Length.** A film is cut into consecutive windows of `frames` frames from its beginning; what is left at its end, and
films shorter than that, are left out with a note. **Rate.** As the film has it, or resampled by the times of its frames
to `frames_per_sec`; a film whose rate varies is resampled to its average, with a note. **Size, channels, values.** As
for images (`augan.data.policy`): all frames of all clips are brought to one size. Grey pictures in a colour video, all
frames of all clips, are grey. **Sound** is ignored with a note.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Int64

from augan.core.errors import UserError
from augan.data.build import Input
from augan.data.cache import fingerprint_of
from augan.data.decode import Unreadable
from augan.data.feed import Block, extremes_of
from augan.data.films import Cutting, Film
from augan.data.labels import encode_labels
from augan.data.listing import printable
from augan.data.policy import Plan, Survey, convert, kind_of
from augan.data.source import Origin

FRAMES = 16
LEAST_FRAMES, MOST_FRAMES = 2, 256
GREY_LEVELS = 3
"""Pictures whose channels differ by no more, after a video's compression, are grey."""
NAMED_AT_MOST = 3


@dataclass(frozen=True, kw_only=True)
class Window:
    """One clip: which film's frames it holds."""

    film: int
    taken: Int64[np.ndarray, " t"]
    name: str


@dataclass(frozen=True, kw_only=True)
class ClipFeed:
    """A feed of clips (1, frames, height, width, channels); see `augan.data.feed.Feed`."""

    films: Sequence[Film] = field(repr=False)
    windows: Sequence[Window] = field(repr=False)

    def __len__(self) -> int:
        return len(self.windows)

    def name_of(self, index: int) -> str:
        return self.windows[index].name

    def _by_film(self, chosen: Bool[np.ndarray, " n"]) -> Iterator[tuple[Film, list[int]]]:
        found: dict[int, list[int]] = {}
        for index in np.flatnonzero(chosen):
            found.setdefault(self.windows[int(index)].film, []).append(int(index))
        for number, indices in found.items():
            yield self.films[number], indices

    def _clips(self, film: Film, indices: list[int]) -> Iterator[tuple[int, list[np.ndarray] | Unreadable]]:
        """The frames of the chosen windows of a film, which is read once; or why one cannot be had."""
        waiting = list(indices)
        if film.broken is not None:
            yield from ((index, Unreadable(film.broken)) for index in waiting)
            return
        kept: dict[int, np.ndarray] = {}
        reason = Unreadable("it ends before its index says so")
        try:
            for number, frame in enumerate(film.frames()):
                while waiting and number > self.windows[waiting[0]].taken[-1]:
                    waiting.pop(0)  # cannot be: it was given when its last frame came
                if not waiting:
                    return
                window = self.windows[waiting[0]].taken
                if number in window:
                    kept[number] = frame
                if number == window[-1]:
                    yield waiting.pop(0), [kept[taken] for taken in window.tolist()]
                    kept = {number: frame}  # a slow film's next window may begin with the same frame
        except Unreadable as error:
            reason = error
        yield from ((index, reason) for index in waiting)

    def survey(self) -> Survey:
        count = len(self)
        integers = np.zeros((4, count), dtype=np.int32)
        extremes = np.zeros((2, count), dtype=np.float64)
        bad: dict[int, str] = {}
        digests = [b""] * count
        for film, indices in self._by_film(np.ones(count, dtype=bool)):
            for index, clip in self._clips(film, indices):
                if isinstance(clip, Unreadable):
                    bad[index] = str(clip)
                    continue
                integers[:, index], extremes[:, index] = _measured(clip)
                digest = hashlib.sha256()
                for frame in clip:
                    digest.update(f"{frame.shape}{frame.dtype.str}".encode() + np.ascontiguousarray(frame).tobytes())
                digests[index] = digest.digest()
        height, width, channels, kind = integers
        return Survey(
            height=height,
            width=width,
            channels=channels,
            kind=kind,
            low=extremes[0],
            high=extremes[1],
            digest=hashlib.sha256(b"".join(digests)).hexdigest(),
            bad=bad,
        )

    def blocks(self, plan: Plan, chosen: Bool[np.ndarray, " n"]) -> Iterator[Block]:
        for film, indices in self._by_film(chosen):
            for index, clip in self._clips(film, indices):
                if isinstance(clip, Unreadable):
                    yield index, clip
                else:
                    yield index, np.stack([convert(_channels(frame, plan), plan) for frame in clip])[None]


def _channels(frame: np.ndarray, plan: Plan) -> np.ndarray:
    """Grey, where the set is."""
    return frame[..., :1] if plan.channels == 1 else frame


def _measured(clip: list[np.ndarray]) -> tuple[tuple[int, int, int, int], tuple[float, float]]:
    """(height, width, channels, kind) and extreme values of a clip: of its first frame, and the most of any."""
    kind = kind_of(clip[0].dtype)
    assert kind is not None
    found = [extremes_of(frame) for frame in clip]
    low, high = float(np.min([one for one, _ in found])), float(np.max([other for _, other in found]))
    channels = max(1 if _is_grey(frame) else frame.shape[2] for frame in clip)
    return (clip[0].shape[0], clip[0].shape[1], channels, kind), (low, high)


def _is_grey(frame: np.ndarray) -> bool:
    if frame.shape[2] != 3 or frame.dtype != np.uint8:
        return frame.shape[2] == 1
    return bool((frame.max(2) - frame.min(2)).max() <= GREY_LEVELS)


def check_cutting(cutting: Cutting) -> None:
    """Raises UserError for numbers that cut nothing."""
    if cutting.frames is not None and not LEAST_FRAMES <= cutting.frames <= MOST_FRAMES:
        raise UserError(
            f"data.frames={cutting.frames}: a clip has {LEAST_FRAMES} to {MOST_FRAMES} frames. For single frames give "
            "--kind image."
        )
    if cutting.step < 1 or (cutting.frames_per_sec is not None and not 0 < cutting.frames_per_sec <= 1000):
        raise UserError("data.step starts at 1, and data.frames_per_sec goes from above 0 to 1000.")


def clip_input(
    films: Sequence[Film],
    labels: np.ndarray | None,
    class_names: tuple[str, ...] | None,
    cutting: Cutting,
    origin: Origin,
    name: str,
    notes: tuple[str, ...] = (),
    fingerprint: str | None = None,
) -> Input:
    """What `build` makes a source of clips from.

    Raises:
        UserError: no film is long enough, or all have one frame.
    """
    frames = cutting.frames or FRAMES
    cutting = replace(cutting, frames=frames)
    windows, short = [], []
    for number, film in enumerate(films):
        taken = film.chosen(cutting)
        whole = 1 if film.broken is not None else len(taken) // frames
        if not whole:
            short.append(number)
        for part in range(whole):
            cut = taken[part * frames : (part + 1) * frames]
            windows.append(Window(film=number, taken=cut, name=f"{film.name}#{part}" if whole > 1 else film.name))
    _require_long_enough(films, short, frames, where=str(origin.path))
    of = [window.film for window in windows]
    numbers, names = None, None
    if labels is not None:
        numbers, names = encode_labels(labels[of], len(windows), class_names)
    members = tuple(window.name for window in windows) if origin.members else ()
    return Input(
        feed=ClipFeed(films=films, windows=windows),
        labels=numbers,
        class_names=names,
        origin=Origin(**{**vars(origin), "members": members}),
        name=name,
        notes=(*notes, *_notes(films, short, len(windows), cutting, frames)),
        fingerprint=None if fingerprint is None else fingerprint_of(fingerprint, asdict(cutting)),
        kind="video",
        frames=frames,
        frames_per_sec=_rate(films, cutting),
    )


def _require_long_enough(films: Sequence[Film], short: list[int], frames: int, where: str) -> None:
    if len(short) < len(films):
        return
    longest = max(len(films[number].times) for number in short)
    if longest < LEAST_FRAMES:
        raise UserError(f"All {len(films)} clips of {where} have one frame. Give --kind image to take them as images.")
    raise UserError(
        f"None of the {len(films)} clips of {where} gives {frames} frames: the longest has {longest}. Ask for shorter "
        f"clips, for example --set data.frames={min(longest, frames)} --set data.step=1."
    )


def _notes(films: Sequence[Film], short: list[int], count: int, cutting: Cutting, frames: int) -> Iterator[str]:
    good = [film for film in films if film.broken is None]
    if short:
        named = ", ".join(
            f"{printable(films[i].name)} ({len(films[i].chosen(cutting))})" for i in short[:NAMED_AT_MOST]
        )
        yield f"{len(short)} clips shorter than {frames} frames were left out ({named}{_more(short)})."
    if count > len(films) - len(short):
        yield f"{len(films) - len(short)} films were cut into {count} clips of {frames} frames each, one after another."
    uneven = [film for film in good if film.uneven]
    if uneven and cutting.frames_per_sec is None:
        yield (
            f"{len(uneven)} clips have a variable frame rate (the first is {printable(uneven[0].name)}): resampled to "
            "their average by the times of their frames."
        )
    rates = sorted({round(rate, 2) for film in good if (rate := film.rate) is not None})
    if len(rates) > 1 and cutting.frames_per_sec is None and rates[-1] > 1.05 * rates[0]:
        yield (
            f"Clips have different frame rates ({rates[0]:g} to {rates[-1]:g} a second) and are taken frame by frame. "
            "Resample them by --set data.frames_per_sec=RATE."
        )
    loud = sum(film.sound for film in good)
    if loud:
        yield f"{loud} clips have sound, which is ignored."


def _more(items: Sequence[object]) -> str:
    return f" and {len(items) - NAMED_AT_MOST} more" if len(items) > NAMED_AT_MOST else ""


def _rate(films: Sequence[Film], cutting: Cutting) -> float | None:
    """Of the clips: what was asked for, or the median; None where films have no times."""
    if cutting.frames_per_sec is not None:
        return cutting.frames_per_sec / cutting.step
    rates = [rate for film in films if film.broken is None and (rate := film.rate) is not None]
    return round(float(np.median(rates)) / cutting.step, 3) if rates else None
