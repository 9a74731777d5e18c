"""What objects show of themselves in a notebook: a title, facts, a picture; HTML that needs no other file."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

FRAME = (
    "font:13px/1.5 system-ui,sans-serif;border:1px solid #8884;border-radius:6px;padding:.6rem .9rem;max-width:52rem"
)
COLOURS = {"HELPS": "#1b7f5c", "HURTS": "#b3261e"}


def card(
    title: str,
    facts: Mapping[str, Any],
    picture: Image.Image | Path | None = None,
    notes: Sequence[str] = (),
    colour: str | None = None,
) -> str:
    """A frame with these parts; facts that are None are left out. Every text is escaped."""
    shade = f";color:{colour}" if colour else ""
    left = 'style="text-align:left"'
    rows = "".join(
        f"<tr><td {left}>{escape(name)}</td><td {left}>{escape(_said(value))}</td></tr>"
        for name, value in facts.items()
        if value is not None
    )
    lines = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return (
        f'<div style="{FRAME}"><div style="font-weight:600{shade}">{escape(title)}</div>'
        f"{f'<table>{rows}</table>' if rows else ''}{_inline(picture)}{f'<ul>{lines}</ul>' if lines else ''}</div>"
    )


def _said(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.3g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _inline(picture: Image.Image | Path | None) -> str:
    """A picture inside the page; nothing where there is none."""
    if picture is None:
        return ""
    if isinstance(picture, Path):
        data = picture.read_bytes()
    else:
        file = io.BytesIO()
        picture.save(file, format="PNG")
        data = file.getvalue()
    source = base64.b64encode(data).decode()
    return f'<img alt="samples" style="max-width:100%;margin-top:.4rem" src="data:image/png;base64,{source}">'
