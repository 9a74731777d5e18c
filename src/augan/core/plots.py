"""Windows of time series as small line plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

from augan.core.pictures import save_sheet

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#000000")
"""Of the first eight columns; those of Okabe and Ito, which people tell apart who see few colours."""
PLOT_HEIGHT, PLOT_WIDTH = 64, 96
FINER = 3
"""Plots are drawn so many times larger, and made smaller: Pillow's lines are not smoothed."""
MARGIN = 4


def plots_of(windows: Float[np.ndarray, "n t c"]) -> UInt8[np.ndarray, "n h w 3"]:
    """A plot a window, with a line for each of the first eight columns; -1 to 1 from bottom to top."""
    return np.stack([_plot(window) for window in windows])


def _plot(window: Float[np.ndarray, "t c"]) -> UInt8[np.ndarray, "h w 3"]:
    height, width, margin = PLOT_HEIGHT * FINER, PLOT_WIDTH * FINER, MARGIN * FINER
    picture = Image.new("RGB", (width, height), "#f4f4f4")
    draw = ImageDraw.Draw(picture)
    draw.line([(0, height / 2), (width, height / 2)], fill="#d8d8d8", width=FINER)
    across = np.linspace(margin, width - margin, len(window))
    for column, colour in zip(range(min(window.shape[1], len(COLOURS))), COLOURS, strict=False):
        heights = height / 2 - np.clip(window[:, column], -1, 1) * (height / 2 - margin)
        points = [(float(x), float(y)) for x, y in zip(across, heights, strict=True)]
        draw.line(points, fill=colour, width=FINER + 1, joint="curve")
    return np.asarray(picture.resize((PLOT_WIDTH, PLOT_HEIGHT), Image.Resampling.LANCZOS))


def save_plots(
    path: Path, windows: Float[np.ndarray, "n t c"], columns: int, row_names: Sequence[str] | None = None
) -> None:
    """Writes plots of windows in [-1, 1] as a PNG, `columns` a row, with the rows' names at the left."""
    save_sheet(path, plots_of(windows), columns, row_names)
