"""Pages of HTML that need no other file and no network: the frame, tables, notes, pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from augan.core.pictures import to_pillow

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --real: #1b7f5c; --fake: #b3541e; }
@media (prefers-color-scheme: dark) { :root { --real: #5fd0a6; --fake: #f0965a; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; } caption { text-align: left; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.scroll { overflow-x: auto; } .soft { opacity: .75; } ul.notes { background: var(--soft); padding: .8rem 2rem; }
.tiles { display: flex; flex-wrap: wrap; gap: .5rem; } figure { margin: 0; } figcaption { font-size: .8rem; }
img { image-rendering: pixelated; display: block; border: 1px solid var(--line); }
.row { display: flex; gap: .5rem; align-items: end; margin-bottom: .5rem; }
.row > :first-child img { border: 2px solid var(--fake); }
svg text { fill: currentColor; font-size: 11px; } svg { max-width: 100%; }
.verdict { font-size: 1.3rem; font-weight: 600; }
"""


def page(title: str, parts: Iterable[str]) -> str:
    """The whole document; empty parts are left out."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    body = "\n".join([part for part in parts if part] + ["</body></html>\n"])
    return f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head>\n<body>\n{body}'


def table(head: str, rows: Iterable[str]) -> str:
    """A table of rows of HTML under a row of `<th>` cells."""
    body = "\n".join(rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def notes(lines: Sequence[str]) -> str:
    """Plain lines as a list; nothing for none."""
    return f'<ul class="notes">{"".join(f"<li>{escape(line)}</li>" for line in lines)}</ul>' if lines else ""


def picture(image: UInt8[np.ndarray, "h w c"], text: str) -> str:
    """A PNG inside the page, enlarged by whole pixels to about 72."""
    tile = to_pillow(image) if image.shape[2] in (1, 3, 4) else Image.fromarray(image[:, :, 0])
    file = io.BytesIO()
    tile.save(file, format="PNG")
    scale = max(1, round(72 / image.shape[1]))
    data = base64.b64encode(file.getvalue()).decode()
    size = f'width="{image.shape[1] * scale}" height="{image.shape[0] * scale}"'
    return f'<img src="data:image/png;base64,{data}" {size} alt="{escape(text)}">'
