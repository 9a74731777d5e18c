"""An evaluation of rows as one page of HTML; it needs no other file and no network."""

from __future__ import annotations

from html import escape
from pathlib import Path

from augan.apply.wording import describe_measure
from augan.core.files import write_text
from augan.core.page import notes, page, table
from augan.metrics import TableEvaluation

SIDES = {
    "model": "the rows that are measured",
    "independent": "each column drawn on its own from real rows",
    "bootstrap": "real rows drawn again",
    "real": "real rows that were not learnt from",
}


def write_table_report(found: TableEvaluation, path: Path, title: str) -> None:
    """Writes the page: all measures beside the trivial ways, and each column, the least alike first."""
    write_text(path, table_report(found, title))


def table_report(found: TableEvaluation, title: str) -> str:
    """The page as text."""
    counts = ", ".join(f"{count:,} rows of {name}" for name, count in found.rows.items())
    what = "; ".join(f"{side}: {SIDES[side]}" for side in found.sides)
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(counts)}.</p>",
        notes(found.notes),
        "<h2>Measures</h2>",
        _measures(found),
        f'<p class="soft">{escape(what)}.</p>',
        "<h2>Columns</h2><p>How alike the distributions of each column are, 0 to 1, the least alike first.</p>",
        _columns(found),
    ]
    return page(title, parts)


def _measures(found: TableEvaluation) -> str:
    head = "<th>measure</th>" + "".join(f'<th class="n">{side}</th>' for side in found.sides) + "<th>meaning</th>"
    rows = []
    for name, values in found.measures.items():
        title, meaning, form = describe_measure(name)
        forms = [form.format(values[side]) if side in values else "" for side in found.sides]
        cells = "".join(f'<td class="n">{text}</td>' for text in forms)
        rows.append(f"<tr><td>{escape(title)}</td>{cells}<td>{escape(meaning)}</td></tr>")
    return table(head, rows)


def _columns(found: TableEvaluation) -> str:
    ordered = sorted(found.columns.items(), key=lambda pair: pair[1])
    rows = [f'<tr><td>{escape(name)}</td><td class="n">{score:.3f}</td></tr>' for name, score in ordered]
    return table('<th>column</th><th class="n">column shapes</th>', rows)
