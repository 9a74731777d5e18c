"""Recordings to items of one rate, length and number of channels: read, surveyed, planned, written to the cache."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from augan.core.errors import UserError
from augan.core.item import ItemSpec
from augan.core.optional import require
from augan.core.sounds import FORMS, SoundSpec, encode, resample, stft, window_for
from augan.data.build import Choice, Input, Options, Progress, choose, final_labels, unreadable
from augan.data.cache import Cache, Entry, NpyWriter, fingerprint_of
from augan.data.decode import Unreadable
from augan.data.feed import ImageFeed
from augan.data.labels import encode_labels
from augan.data.source import ArraySource, Origin

VERSION = 2
QUANTILE = 0.9
FRAMES_STEP, LEAST_FRAMES, MOST_FRAMES = 16, 16, 512
RANGE_DB = 80.0
LOUDNESS_SOUNDS = 256
"""So many sounds tell how loud the loudest frequency is."""
BLOCK = 64
SILENT = 1e-5
"""Peaks below are silence: a third of the smallest step of 16 bits."""
CLIPPED_RUN = 4
"""So many samples of full scale in a row are clipping."""
RATES = (1_000, 384_000)
SMALL_FILES_BYTES = 1 << 16


@dataclass(frozen=True, kw_only=True)
class SoundReading:
    """What the user asked of sounds; None goes by the data.

    Attributes:
        rate_hz: samples a second; seconds: of an item; form: spectrogram or waveform.
        like: stored just as these, whatever else is said; channels: so many, 1 or 2.
    """

    rate_hz: int | None = None
    seconds: float | None = None
    form: str | None = None
    like: SoundSpec | None = None
    channels: int | None = None

    def __post_init__(self) -> None:
        if self.rate_hz is not None and not RATES[0] <= self.rate_hz <= RATES[1]:
            raise UserError(
                f"data.rate_hz is {self.rate_hz}, and it goes from {RATES[0]} to {RATES[1]} samples a second."
            )
        if self.seconds is not None and not 0 < self.seconds <= 600:
            raise UserError(f"data.seconds is {self.seconds}, and it is above 0 and at most 600.")
        if self.form is not None and self.form not in FORMS:
            raise UserError(f"data.form is '{self.form}', and it is one of: {', '.join(FORMS)}.")


@dataclass(frozen=True)
class Recording:
    """Samples in [-1, 1], (samples, channels) float32, and how many a second."""

    samples: Float[np.ndarray, "samples c"]
    rate_hz: int


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one pass over all recordings found."""

    rates: np.ndarray
    channels: np.ndarray
    lengths: np.ndarray
    clipped: np.ndarray
    bad: dict[int, str]
    digest: str


@dataclass(frozen=True, kw_only=True)
class SoundPlan:
    """How each recording becomes an item."""

    spec: SoundSpec
    channels: int
    notes: tuple[str, ...] = ()


# ---------------------------------------------------------------------- one recording


def read_sound(content: bytes) -> Recording:
    """A recording of any format that soundfile knows.

    Raises:
        Unreadable: broken, empty, silent, or not finite.
        UserError: soundfile is not installed.
    """
    soundfile: Any = require("soundfile", "audio", "Reading sounds")
    if not content:
        raise Unreadable("empty file")
    try:
        samples, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    except Exception as error:  # a hostile header can make a decoder raise anything
        raise Unreadable("not a sound, or its header is broken") from error
    return checked(Recording(samples, int(rate)))


def checked(sound: Recording) -> Recording:
    """The recording.

    Raises:
        Unreadable: no samples, NaN or infinity, silence throughout, an absurd rate.
    """
    if not RATES[0] <= sound.rate_hz <= RATES[1]:
        raise Unreadable(f"its rate of {sound.rate_hz:,} samples a second is out of range")
    if not len(sound.samples):
        raise Unreadable("no samples")
    if not np.isfinite(sound.samples).all():
        raise Unreadable("NaN or infinity in it")
    if np.abs(sound.samples).max() < SILENT:
        raise Unreadable("silent throughout")
    return sound


def is_clipped(sound: Recording) -> bool:
    """Whether some samples in a row stand at full scale."""
    full = np.abs(sound.samples) >= 0.999
    if not full.any():
        return False
    runs = full[CLIPPED_RUN - 1 :].copy()
    for shift in range(1, CLIPPED_RUN):
        runs &= full[CLIPPED_RUN - 1 - shift : len(full) - shift]
    return bool(runs.any())


def fitted(sound: Recording, rate_hz: int, channels: int, samples: int | None) -> Float[Tensor, "c samples"]:
    """At a rate, mixed or doubled to so many channels, cut or followed by silence to so many samples (None: as it is).

    A peak above 1, as floats may have, is scaled to 1.
    """
    peak = float(np.abs(sound.samples).max())
    values = torch.from_numpy(np.ascontiguousarray(sound.samples.T))
    if peak > 1:
        values = values / peak
    if values.shape[0] != channels:
        values = values.mean(0, keepdim=True).expand(channels, -1)
    if samples is not None:  # what is cut need not be resampled
        values = values[:, : -(-samples * sound.rate_hz // rate_hz) + 64]
    values = resample(values.contiguous(), sound.rate_hz, rate_hz)
    if samples is None:
        return values
    ready = torch.zeros(channels, samples)
    count = min(samples, values.shape[1])
    ready[:, :count] = values[:, :count]
    return ready


# ---------------------------------------------------------------------- all of them


def build_sounds(
    data: Input, options: Options, reading: SoundReading, cache: Cache, progress: Progress | None = None
) -> ArraySource:
    """The source for these recordings: from the cache if it is there, else written into it.

    Raises:
        UserError: a size was asked for, nothing that can be used, with `strict` anything that cannot be read.
    """
    if options.size is not None:
        raise UserError("Sounds have no size in pixels. Leave --size out; --set data.seconds=S says how long they are.")
    asked = (VERSION, asdict(options), asdict(reading))
    quick = None if data.fingerprint is None else fingerprint_of("sounds", data.fingerprint, *asked)
    record = cache.lookup(quick)
    if record is None:
        found = survey(data)
        names = hashlib.sha256("\0".join(data.origin.members).encode("utf-8", "surrogateescape")).hexdigest()
        labels = None if data.labels is None else hashlib.sha256(data.labels.tobytes()).hexdigest()
        content = fingerprint_of("sound content", found.digest, names, labels, data.class_names, *asked)
        record = cache.lookup(content)
        if record is None:
            record = _written(data, found, options, reading, cache, progress)
            cache.remember(content, record)
        cache.remember(quick, record)
    spec, items, labels_ = cache.load(record["key"])
    origin, dropped = data.origin, set(record["dropped"])
    if dropped and origin.members:
        origin = replace(origin, members=tuple(name for i, name in enumerate(origin.members) if i not in dropped))
    notes = (*data.notes, *record["notes"])
    return ArraySource(
        array=items, item=spec, key=record["key"], name=data.name, labels=labels_, notes=notes, origin=origin
    )


def recordings(data: Input, chosen: np.ndarray) -> Iterator[tuple[int, Recording | Unreadable]]:
    """The chosen recordings in order."""
    assert isinstance(data.feed, ImageFeed)
    raw: Any
    for index, raw in data.feed.stream(chosen):
        try:
            if isinstance(raw, Unreadable):
                raise raw
            yield index, checked(raw) if isinstance(raw, Recording) else read_sound(raw)
        except Unreadable as error:
            yield index, error


def survey(data: Input) -> Found:
    """The first pass."""
    count = len(data.feed)
    numbers, clipped = np.zeros((3, count), np.int64), np.zeros(count, bool)
    bad: dict[int, str] = {}
    digest = hashlib.sha256()
    for index, sound in recordings(data, np.ones(count, bool)):
        if isinstance(sound, Unreadable):
            bad[index] = str(sound)
            digest.update(f"unreadable: {sound}".encode())
            continue
        digest.update(f"{sound.rate_hz} {sound.samples.shape}".encode())
        digest.update(hashlib.sha256(sound.samples.tobytes()).digest())
        numbers[:, index] = sound.rate_hz, sound.samples.shape[1], len(sound.samples)
        clipped[index] = is_clipped(sound)
    rates, channels, lengths = numbers
    return Found(rates=rates, channels=channels, lengths=lengths, clipped=clipped, bad=bad, digest=digest.hexdigest())


def _written(
    data: Input, found: Found, options: Options, reading: SoundReading, cache: Cache, progress: Progress | None
) -> dict[str, Any]:
    bad = found.bad
    if bad and (options.strict or len(bad) == len(data.feed)):
        what = unreadable(data, bad)
        if len(bad) == len(data.feed):
            raise UserError(f"{what}: none is left. Check that these are sounds.")
        raise UserError(f"{what}. Repair or remove them, or leave out --strict to skip them.")
    choice = choose(data, bad, options.min_images_per_class)
    plan = make_sound_plan(data, found, choice.chosen, reading)
    labels, names = final_labels(data, choice.chosen)
    height, width = plan.spec.grid
    scale = (-1.0, 1.0) if plan.spec.form == "waveform" else (plan.spec.floor_db, plan.spec.top_db)
    item = ItemSpec(
        channels=plan.channels,
        height=height,
        width=width,
        class_names=names,
        value_range=scale,
        kind="sound",
        sound=plan.spec,
    )
    total = int(choice.chosen.sum())
    size = total * int(np.prod(item.shape)) * item.dtype.itemsize
    with cache.building(size + SMALL_FILES_BYTES) as folder:
        with cache.write_errors():
            writer = NpyWriter(folder / "items.npy", item.stored_shape, item.dtype)
        try:
            for items in _blocks(data, choice, plan):
                with cache.write_errors():
                    writer.append(items)
                if progress is not None:
                    progress(writer.count, total)
            with cache.write_errors():
                writer.finish()
        finally:
            writer.close()
        key = hashlib.sha256(writer.digest.digest())
        key.update(b"" if labels is None else labels.astype("<i8").tobytes())
        key.update(json.dumps(item.to_json(), sort_keys=True).encode())
        cache.publish(folder, key.hexdigest(), Entry(spec=item, count=writer.count, labels=labels))
    skipped = (f"{unreadable(data, bad)} and were skipped.",) if bad else ()
    return {
        "key": key.hexdigest(),
        "dropped": np.flatnonzero(~choice.chosen).tolist(),
        "notes": [*plan.notes, *skipped, *choice.notes],
    }


def _blocks(data: Input, choice: Choice, plan: SoundPlan) -> Iterator[np.ndarray]:
    waiting: list[Tensor] = []
    for _, sound in recordings(data, choice.chosen):
        if isinstance(sound, Unreadable):
            raise UserError(f"A sound could be read a moment ago, and cannot now ({sound}). Leave the data as it is.")
        waiting.append(fitted(sound, plan.spec.rate_hz, plan.channels, plan.spec.samples))
        if len(waiting) == BLOCK:
            yield encode(torch.stack(waiting), plan.spec)
            waiting = []
    if waiting:
        yield encode(torch.stack(waiting), plan.spec)


# ---------------------------------------------------------------------- one shape for all


def make_sound_plan(data: Input, found: Found, chosen: np.ndarray, reading: SoundReading) -> SoundPlan:
    """Rate, length, channels and range for the chosen recordings, and what is said about them."""
    like = reading.like
    rates = Counter(found.rates[chosen].tolist())
    common = min(rates, key=lambda rate: (-rates[rate], rate))
    rate = like.rate_hz if like else reading.rate_hz or common
    notes = []
    others = {value: count for value, count in rates.items() if value != rate}
    if others:
        listed = ", ".join(f"{value:,} Hz" for value in sorted(others))
        notes.append(f"{sum(others.values())} of {int(chosen.sum())} sounds ({listed}) were resampled to {rate:,} Hz.")
    channels, more = _channels(found.channels[chosen], reading.channels)
    notes += more
    seconds = found.lengths[chosen] / found.rates[chosen]
    if like is None:
        spec = _spec(rate, seconds, reading)
        if spec.form == "spectrogram":
            top = _loudest(data, chosen, spec, channels)
            spec = replace(spec, top_db=top, floor_db=top - RANGE_DB)
    else:
        spec = like
    longer = int((seconds > spec.seconds).sum())
    if seconds.min() != seconds.max() or abs(seconds.max() - spec.seconds) * rate >= 1:
        cut = f", {longer} longer ones are cut" if longer else ""
        notes.append(
            f"Sounds are {seconds.min():.2f} to {seconds.max():.2f} s long; each becomes {spec.seconds:.3f} s: shorter "
            f"ones are followed by silence{cut} (change with --set data.seconds=S)."
        )
    if found.clipped[chosen].any():
        notes.append(
            f"{int(found.clipped[chosen].sum())} sounds are clipped: some samples in a row stand at full scale."
        )
    return SoundPlan(spec=spec, channels=channels, notes=tuple(notes))


def _spec(rate: int, seconds: np.ndarray, reading: SoundReading) -> SoundSpec:
    """By default the length that 9 in 10 sounds do not exceed, up to 512 frames, in steps of 16 frames."""
    n_fft, hop = window_for(rate)
    if reading.seconds is None:
        wanted = min(float(np.quantile(seconds, QUANTILE)) * rate, MOST_FRAMES * hop)
    else:
        wanted = reading.seconds * rate
    step = FRAMES_STEP * hop
    samples = max(LEAST_FRAMES * hop, -(-round(wanted) // step) * step)
    return SoundSpec(rate_hz=rate, samples=samples, form=reading.form or "spectrogram", n_fft=n_fft, hop=hop)


def _channels(channels: np.ndarray, wanted: int | None) -> tuple[int, list[str]]:
    """One or two, as most recordings have; more are mixed to one."""
    counts = Counter(np.where(channels > 2, 1, channels).tolist())
    chosen = wanted or min(counts, key=lambda count: (-counts[count], count))
    names = {1: "mono", 2: "stereo"}
    notes = []
    many = int((channels > 2).sum())
    if many:
        notes.append(f"{many} sounds with more than 2 channels were mixed.")
    other = int((channels != chosen).sum()) - many
    if other:
        how = "mixed to mono" if chosen == 1 else "doubled to stereo"
        notes.append(f"{other} of {len(channels)} sounds were {how}, as the others are {names[chosen]}.")
    return chosen, notes


def _loudest(data: Input, chosen: np.ndarray, spec: SoundSpec, channels: int) -> float:
    """The highest level of a frequency in up to 256 sounds, in whole decibels, rounded up."""
    rows = np.flatnonzero(chosen)
    some = np.zeros(len(chosen), bool)
    some[rows[np.linspace(0, len(rows) - 1, min(len(rows), LOUDNESS_SOUNDS)).astype(np.int64)]] = True
    loudest = 0.0
    for _, sound in recordings(data, some):
        if isinstance(sound, Recording):
            wave = fitted(sound, spec.rate_hz, channels, spec.samples)
            loudest = max(loudest, float(stft(wave, spec.n_fft, spec.hop).abs().max()))
    return float(np.ceil(20 * np.log10(max(loudest, 1e-5))))


# ---------------------------------------------------------------------- arrays


def holds_waveforms(path: Path) -> bool:
    """Whether an .npz is one of sounds, as `generate` writes it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {"waveforms.npy", "rate_hz.npy"} <= set(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def stored_sounds(path: Path) -> Input:
    """An .npz with `waveforms` (n, samples[, c]), `rate_hz` and perhaps `labels` and `class_names`."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is damaged ({error}). Write it again.") from error
    names = arrays.get("class_names")
    status = path.stat()
    stamp = fingerprint_of("npz sounds", str(path.resolve()), status.st_size, status.st_mtime_ns)
    listed = None if names is None else [str(name) for name in names]
    origin = Origin(path=path, layout="npz", dtype=arrays["waveforms"].dtype.name)
    rate = int(np.asarray(arrays["rate_hz"]).reshape(-1)[0])
    return _array_input(arrays["waveforms"], rate, arrays.get("labels"), listed, origin, path.stem, stamp)


def memory_sounds(data: Any, reading: SoundReading | None) -> Input:
    """Waveforms (n, samples[, c]) in [-1, 1], or a pair of them and labels.

    Raises:
        UserError: no rate is given, or these are no waveforms.
    """
    waves, labels = data if isinstance(data, tuple) and len(data) == 2 else (data, None)
    rate = reading and (reading.rate_hz or (reading.like and reading.like.rate_hz))
    if not rate:
        raise UserError("An array of sounds does not say its rate. Give data.rate_hz, samples a second.")
    origin = Origin(path=Path("array"), layout="array")
    return _array_input(_plain(waves), rate, None if labels is None else _plain(labels), None, origin, "array", None)


def _plain(values: Any) -> np.ndarray:
    return np.asarray(values.detach().cpu().numpy() if isinstance(values, Tensor) else values)


def _array_input(
    waves: np.ndarray,
    rate: int,
    labels: np.ndarray | None,
    names: list[str] | None,
    origin: Origin,
    name: str,
    stamp: str | None,
) -> Input:
    if waves.ndim not in (2, 3) or not len(waves) or waves.dtype.kind not in "fi":
        raise UserError(
            f"Waveforms (n, samples) or (n, samples, channels) are expected, got {waves.shape} {waves.dtype}."
        )
    scale = 1.0 if waves.dtype.kind == "f" else float(np.iinfo(waves.dtype).max)

    def stream(chosen: np.ndarray) -> Iterator[tuple[int, Any]]:
        for index in np.flatnonzero(chosen):
            one = waves[index].astype(np.float32) / scale
            yield int(index), Recording(one.reshape(len(one), -1), rate)

    numbers, known = (None, None) if labels is None else encode_labels(labels, len(waves), names)
    return Input(
        feed=ImageFeed(len(waves), stream, lambda index: f"sound {index}"),
        labels=numbers,
        class_names=known,
        origin=origin,
        name=name,
        fingerprint=stamp,
        kind="sound",
    )
