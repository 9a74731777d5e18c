"""Items, attributions and points as pictures and as parts of a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from augan.core.item import from_unit
from augan.core.pictures import sheet
from augan.explain.geometry import ClassMap


def stills(items: Float[Tensor, "n ..."]) -> UInt8[np.ndarray, "n h w c"]:
    """Items as pictures of 1, 3 or 4 channels: of films the frame in the middle, of lines (sounds) a band of 16 rows,
    of other channels the first."""
    if items.dim() == 3:
        items = items[:, :, None]
    if items.dim() == 4 and items.shape[2] == 1:
        items = items.expand(-1, -1, 16, -1)
    while items.dim() > 4:
        items = items[:, :, items.shape[2] // 2]
    return from_unit(items if items.shape[1] in (1, 3, 4) else items[:, :1])


def coloured(pictures: UInt8[np.ndarray, "n h w c"]) -> UInt8[np.ndarray, "n h w 3"]:
    """Grey as RGB; what is transparent, on white."""
    if pictures.shape[3] == 1:
        return np.repeat(pictures, 3, 3)
    if pictures.shape[3] == 4:
        alpha = pictures[..., 3:].astype(np.float32) / 255
        return (pictures[..., :3] * alpha + 255 * (1 - alpha)).round().astype(np.uint8)
    return pictures


def signed(values: Float[Tensor, "n ..."]) -> UInt8[np.ndarray, "n h w 3"]:
    """Attributions summed over channels (and frames): orange speaks for, blue against, white for nothing; the 99th
    percentile of sizes is full colour, in each item."""
    total = values.sum(1)
    while total.dim() > 3:
        total = total.sum(1)
    if total.dim() == 2:
        total = total[:, None].expand(-1, 16, -1)
    size = torch.quantile(total.abs().flatten(1), 0.99, dim=1).clamp_min(1e-12)
    share = (total / size[:, None, None]).clamp(-1, 1).numpy()[..., None]
    full = np.where(share > 0, np.array([217, 95, 2]), np.array([33, 102, 172]))
    return (255 - np.abs(share) * (255 - full)).round().astype(np.uint8)


def heat(maps: Float[Tensor, "n ..."]) -> UInt8[np.ndarray, "n h w 3"]:
    """Maps that are not negative: white to dark orange, each to its own largest value."""
    return signed(maps[:, None].clamp_min(0))


def strips(rows: Float[Tensor, "r k *item"], names: Sequence[str] | None = None) -> Image.Image:
    """A sheet with a named row of items each."""
    return sheet(coloured(stills(rows.flatten(0, 1))), rows.shape[1], names)


def embedded(image: Image.Image, text: str) -> str:
    """A picture inside the page."""
    file = io.BytesIO()
    image.save(file, format="PNG", optimize=True)
    data = base64.b64encode(file.getvalue()).decode()
    return f'<div class="scroll"><img src="data:image/png;base64,{data}" alt="{escape(text)}"></div>'


def class_points(found: ClassMap, names: Sequence[str]) -> str:
    """Classes as points with their names."""
    width, height = 640, 360
    low, high = found.places.min(0), found.places.max(0)
    places = (found.places - low) / np.maximum(high - low, 1e-12)
    marks = []
    for name, (x, y) in zip(names, places, strict=True):
        left, top = 30 + x * (width - 140), 20 + (1 - y) * (height - 40)
        marks.append(f'<circle cx="{left:.0f}" cy="{top:.0f}" r="4" style="fill:var(--real)"/>')
        marks.append(f'<text x="{left + 7:.0f}" y="{top + 4:.0f}">{escape(name)}</text>')
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="Classes in a plane">{"".join(marks)}</svg>'


def curve(points: Sequence[tuple[float, float]], text: str) -> str:
    """A line through points, its first and last values written at it; nothing for fewer than two."""
    if len(points) < 2:
        return ""
    width, height = 640, 140
    values = np.array(points, dtype=np.float64)
    low, high = values.min(0), values.max(0)
    places = (values - low) / np.maximum(high - low, 1e-12)
    xs, ys = 60 + places[:, 0] * (width - 120), 15 + (1 - places[:, 1]) * (height - 40)
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
    ends = "".join(
        f'<text x="{xs[k] + shift:.0f}" y="{ys[k] + 4:.0f}" text-anchor="{anchor}">{values[k, 1]:.3g}</text>'
        for k, shift, anchor in ((0, -6, "end"), (-1, 6, "start"))
    )
    drawn = f'<polyline points="{line}" fill="none" stroke="var(--real)" stroke-width="2"/>'
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(text)}">{drawn}{ends}</svg>'
