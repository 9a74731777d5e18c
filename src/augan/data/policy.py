"""The policies that turn raw images of any size, depth and channel count into one ItemSpec.

**Size.** `size=S` gives S x S, `size="HxW"` or `(H, W)` exactly that. Without it, images that all have one
size keep it, unless the longer side exceeds 256: then they are scaled so that it is 256. Images of different
sizes become squares whose side is the largest power of two <= the median shorter side, within [16, 256].
Resizing is antialiased (Lanczos), covers the target and cuts the overhang off evenly on both sides. Sides go
from 8 to 1024.

**Channels.** All grey: 1. Any colour: 3. Any with an alpha channel: 4, and opaque images get alpha 255.

**Values.** 8 bits as they are. Wider integers: linear from [0, the smallest 2^k - 1 >= the maximum of the
set, k >= 8]. Floats: all within [0, 1], else within [-1, 1], else within [0, 255]. Booleans: 0 and 255.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Integer, UInt8
from PIL import Image

from augan.core.errors import UserError
from augan.data.source import Sizes

SMALLEST_SIDE, LARGEST_SIDE, DEFAULT_SIDE = 8, 1024, 256
KINDS = ("uint8", "bool", "integer", "float")
FLOAT_RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
TOLERANCE = 1e-4  # resampled and compressed floats overshoot their range by this much without meaning another one


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What the first pass found, one entry an item; `bad` maps unreadable items to the reason.

    `kind` indexes KINDS. `low` and `high` are an item's extreme values, NaN where it holds a NaN or
    infinity; they are not filled for kinds whose range is known beforehand (uint8, bool). `digest`
    identifies the raw content.
    """

    height: Integer[np.ndarray, " n"]
    width: Integer[np.ndarray, " n"]
    channels: Integer[np.ndarray, " n"]
    kind: Integer[np.ndarray, " n"]
    low: Float[np.ndarray, " n"]
    high: Float[np.ndarray, " n"]
    digest: str
    bad: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How every item is brought to one shape and to uint8. `scales` has (low, high) of each kind."""

    height: int
    width: int
    channels: int
    scales: Mapping[str, tuple[float, float]]
    value_range: tuple[float, float]
    sizes: Sizes
    notes: tuple[str, ...] = ()


def parse_size(size: int | str | tuple[int, int] | None) -> tuple[int, int] | None:
    """`size` as (height, width), or None where none was given.

    Raises:
        UserError: not a number, not "HxW", or a side outside [8, 1024].
    """
    if size is None:
        return None
    parts = size.lower().replace("\u00d7", "x").split("x") if isinstance(size, str) else size
    try:
        sides = [int(part) for part in parts] if isinstance(parts, (list, tuple)) else [int(parts)]
    except (TypeError, ValueError):
        sides = []
    if len(sides) not in (1, 2):
        raise UserError(f"size '{size}' is not a size. Give a side such as 64, or height x width such as 48x80.")
    if min(sides) < SMALLEST_SIDE or max(sides) > LARGEST_SIDE:
        raise UserError(f"size '{size}' is out of range: sides go from {SMALLEST_SIDE} to {LARGEST_SIDE} pixels.")
    return sides[0], sides[-1]


def make_plan(survey: Survey, chosen: Bool[np.ndarray, " n"], size: tuple[int, int] | None) -> Plan:
    """The plan for the `chosen` items of a survey (at least one).

    Raises:
        UserError: values that no policy covers, or images smaller than 8 pixels.
    """
    height, width = survey.height[chosen], survey.width[chosen]
    sizes = summarise_sizes(height, width)
    target_height, target_width, size_notes = _choose_size(height, width, sizes, size)
    channels, channel_notes = _choose_channels(survey.channels[chosen])
    scales = _choose_scales(survey, chosen)
    value_range, value_notes = _choose_value_range(scales)
    return Plan(
        height=target_height,
        width=target_width,
        channels=channels,
        scales=scales,
        value_range=value_range,
        sizes=sizes,
        notes=(*size_notes, *channel_notes, *value_notes),
    )


def summarise_sizes(height: Integer[np.ndarray, " n"], width: Integer[np.ndarray, " n"]) -> Sizes:
    """Smallest, median and largest by area, and how many different sizes there are."""
    pairs, counts = np.unique(np.stack([height, width], axis=1), axis=0, return_counts=True)
    order = np.argsort(pairs[:, 0].astype(np.int64) * pairs[:, 1], kind="stable")
    pairs, counts = pairs[order], counts[order]
    middle = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))
    smallest, median, largest = ((int(h), int(w)) for h, w in (pairs[0], pairs[middle], pairs[-1]))
    return Sizes(smallest=smallest, median=median, largest=largest, distinct=len(pairs))


def _choose_size(
    height: np.ndarray, width: np.ndarray, sizes: Sizes, size: tuple[int, int] | None
) -> tuple[int, int, tuple[str, ...]]:
    if sizes.distinct > 1:
        extremes = f"{_text(sizes.smallest)} to {_text(sizes.largest)}"
        found = f"Images have {sizes.distinct} different sizes ({extremes})"
        if size is None:
            side = 1 << int(np.median(np.minimum(height, width))).bit_length() - 1
            side = min(max(side, 16), DEFAULT_SIDE)
            size = (side, side)
        return *size, (f"{found}; each is resized to cover {_text(size)} and cut to it evenly (change with --size).",)
    native = sizes.median
    if size is None:
        longer = max(native)
        size = native if longer <= DEFAULT_SIDE else tuple(round(s * DEFAULT_SIDE / longer) for s in native)  # type: ignore[assignment]
        assert size is not None
        if min(size) < SMALLEST_SIDE:
            raise UserError(
                f"Images of {_text(native)} pixels give sides below {SMALLEST_SIDE}, the smallest allowed. "
                f"Choose a size, for example --size {SMALLEST_SIDE}."
            )
    if size == native:
        return *size, ()
    return *size, (f"Images are resized from {_text(native)} to {_text(size)} (change with --size).",)


def _choose_channels(channels: np.ndarray) -> tuple[int, tuple[str, ...]]:
    found = {int(c): int(n) for c, n in zip(*np.unique(channels, return_counts=True), strict=True)}
    most = max(found)
    if len(found) == 1:
        return most, ()
    names = {1: "grey", 3: "colour", 4: "with alpha"}
    mixed = ", ".join(f"{count} {names[c]}" for c, count in found.items())
    opaque = "; opaque ones get alpha 255" if most == 4 else ""
    return most, (f"Images differ in channels ({mixed}): all become {most}-channel{opaque}.",)


def _choose_scales(survey: Survey, chosen: np.ndarray) -> dict[str, tuple[float, float]]:
    scales: dict[str, tuple[float, float]] = {}
    for index in np.unique(survey.kind[chosen]):
        kind, mask = KINDS[index], chosen & (survey.kind == index)
        if kind in ("uint8", "bool"):
            scales[kind] = (0.0, 255.0) if kind == "uint8" else (0.0, 1.0)
            continue
        low, high = float(survey.low[mask].min()), float(survey.high[mask].max())
        scales[kind] = integer_scale(low, high) if kind == "integer" else float_scale(low, high)
    return scales


def integer_scale(low: float, high: float) -> tuple[float, float]:
    """(0, the smallest 2^k - 1 >= high, k >= 8).

    >>> integer_scale(0.0, 4000.0)
    (0.0, 4095.0)
    """
    if low < 0:
        raise UserError(
            f"Integer images go from 0 up, and these go from {low:.0f} to {high:.0f}. Shift them to "
            "start at 0, "
            "or store them as floats in [-1, 1]."
        )
    return 0.0, float((1 << max(8, int(high).bit_length())) - 1)


def float_scale(low: float, high: float) -> tuple[float, float]:
    """The first of [0, 1], [-1, 1], [0, 255] that holds [low, high].

    >>> float_scale(-0.9, 0.7)
    (-1.0, 1.0)
    """
    for start, end in FLOAT_RANGES:
        if low >= start - TOLERANCE and high <= end + TOLERANCE:
            return start, end
    raise UserError(
        f"Float images go from {low:g} to {high:g}, and augan knows [0, 1], [-1, 1] and [0, 255]. "
        "Scale them to one of these first."
    )


def _choose_value_range(
    scales: Mapping[str, tuple[float, float]],
) -> tuple[tuple[float, float], tuple[str, ...]]:
    if len(scales) == 1:
        kind, scale = next(iter(scales.items()))
        known = scale == (0.0, 255.0)
        note = () if known else (f"Values of kind {kind} from {scale[0]:g} to {scale[1]:g} become 0 to 255.",)
        return scale, note
    parts = ", ".join(f"{kind} from [{low:g}, {high:g}]" for kind, (low, high) in scales.items())
    return (0.0, 255.0), (f"Images differ in depth: each kind is scaled to 0 to 255 by itself ({parts}).",)


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def kind_of(dtype: np.dtype) -> int | None:
    """The index into KINDS for an array's dtype; None where it cannot hold images (complex, text, ...)."""
    if dtype == np.uint8:
        return 0
    return {"b": 1, "u": 2, "i": 2, "f": 3}.get(dtype.kind)


def to_levels(array: np.ndarray, scale: tuple[float, float]) -> UInt8[np.ndarray, "*shape"]:
    """Raw values to uint8, so that `scale`'s (low, high) become 0 and 255. uint8 stays as it is."""
    if array.dtype == np.uint8:
        return array
    low, high = scale
    # float32 has 24 bits: enough for 16-bit integers, not for wider ones
    exact = array.dtype.itemsize <= 2 or array.dtype == np.float32
    values: np.ndarray = array.astype(np.float32 if exact else np.float64)
    levels: np.ndarray = np.rint((values - np.array(low, values.dtype)) * np.array(255 / (high - low), values.dtype))
    return levels.clip(0, 255).astype(np.uint8)


def convert(array: np.ndarray, plan: Plan, *, alpha: bool = False) -> UInt8[np.ndarray, "h w c"]:
    """One raw image (height, width, 1 | 3 | 4) to the plan's shape and uint8.

    `alpha` says that a fourth channel is opacity: colours are then weighted by it while resizing, so that the
    unseen colour of transparent pixels does not bleed into edges.
    """
    kind = kind_of(array.dtype)
    assert kind is not None
    scale = plan.scales[KINDS[kind]]
    if array.shape[:2] != (plan.height, plan.width):
        array = _resize(array, plan, alpha=alpha)
    levels = to_levels(array, scale)
    if levels.shape[2] == 1 and plan.channels > 1:
        levels = np.repeat(levels, 3, axis=2)
    if levels.shape[2] == 3 and plan.channels == 4:
        levels = np.concatenate([levels, np.full_like(levels[:, :, :1], 255)], axis=2)
    return levels


def _resize(array: np.ndarray, plan: Plan, *, alpha: bool) -> np.ndarray:
    height, width, channels = array.shape
    scale = min(height / plan.height, width / plan.width)
    box_height, box_width = plan.height * scale, plan.width * scale
    left, top = (width - box_width) / 2, (height - box_height) / 2
    box = (left, top, min(left + box_width, width), min(top + box_height, height))

    def resized(plane: np.ndarray) -> np.ndarray:
        image = Image.fromarray(np.ascontiguousarray(plane))
        small = image.resize((plan.width, plan.height), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
        return np.asarray(small)

    if array.dtype == np.uint8 and (channels == 3 or (channels == 4 and alpha)):
        return resized(array)
    # Mode F keeps wide integers and floats exact until they are scaled; booleans become grey edges.
    wide = array if array.dtype == np.uint8 else array.astype(np.float32)
    return np.stack([resized(wide[:, :, c]) for c in range(channels)], axis=2)
