"""A comparison as a table, as sheets of pictures and as one page of HTML."""

from __future__ import annotations

from html import escape
from pathlib import Path

import numpy as np

from augan.core.files import write_json, write_text
from augan.core.page import notes, page, picture, table
from augan.core.pictures import save_sheet
from augan.core.version import __version__
from augan.versus.columns import COLUMNS
from augan.versus.config import MODELS
from augan.versus.measure import SHOWN, Outcome
from augan.versus.reading import shown
from augan.versus.study import Versus


def table_of(found: Versus, stacked: bool = False) -> tuple[list[str], list[list[str]]]:
    """(header, rows): a row for each number that any model has, a cell a model, and one for real images.

    `stacked` puts intervals below their means, for narrow terminals.
    """
    header = ["", *found.values, "real images"]
    rows = []
    for name, column in COLUMNS.items():
        if not any(name in values for values in found.values.values()):
            continue
        cells = [shown(name, values[name]) if name in values else "-" for values in found.values.values()]
        cells = [cell.replace(" (", "\n(") for cell in cells] if stacked else cells
        real = column.form.format(found.reference[name]) if name in found.reference else ""
        rows.append([column.title, *cells, real])
    return header, rows


def write_all(found: Versus) -> None:
    """report.json, report.html and a sheet for each seed."""
    write_json(found.out / "report.json", found.to_json())
    for number, seed in enumerate(found.config.seeds):
        write_sheet(found, number, found.out / f"sheet-{seed}.png")
    write_text(found.out / "report.html", report(found))


def write_sheet(found: Versus, number: int, path: Path) -> None:
    """Real images, then each model's reconstructions of them and samples: a row each."""
    rows, names = [found.real[:SHOWN]], ["real"]
    for model, outcomes in found.pictures.items():
        rows += [outcomes[number].reconstructions, outcomes[number].samples]
        names += [f"{model} again", f"{model} new"]
    columns = min(len(row) for row in rows)
    save_sheet(path, np.concatenate([row[:columns] for row in rows]), columns, names)


def report(found: Versus) -> str:
    """The page as text."""
    header, rows = table_of(found)
    head = f"<th>{header[0]}</th>" + "".join(f'<th class="n">{escape(name)}</th>' for name in header[1:])
    body = [
        f"<tr><td>{escape(row[0])}</td>{''.join(f'<td class=n>{escape(cell)}</td>' for cell in row[1:])}</tr>"
        for row in rows
    ]
    titles = {row[0] for row in rows}
    meanings = [f"{one.title}: {one.meaning}" for one in COLUMNS.values() if one.title in titles]
    facts = [
        f"<tr><td>{escape(str(name))}</td><td>{escape(str(value))}</td></tr>" for name, value in found.facts.items()
    ]
    title = f"{', '.join(found.values)} on {found.facts['data']}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(_conditions(found))}</p>",
        "<h2>Reading</h2>",
        f"<p>{escape(' '.join(found.reading))}</p>",
        notes(found.notes),
        "<h2>Numbers</h2>",
        table(head, body),
        f'<ul class="soft">{"".join(f"<li>{escape(text)}</li>" for text in meanings)}</ul>',
        "<h2>Pictures</h2>",
        f"<p>Of seed {found.config.seeds[0]}: held-out images, what each model makes of them, and its samples.</p>",
        _tiles("held-out images", found.real[:SHOWN]),
        *(_model(model, outcomes[0]) for model, outcomes in found.pictures.items()),
        "<h2>Conditions</h2>",
        table("<th>fact</th><th>value</th>", facts),
        f'<p class="soft">augan {escape(__version__)}. settings.json beside this page holds every setting.</p>',
    ]
    return page(title, parts)


def _conditions(found: Versus) -> str:
    config, facts = found.config, found.facts
    clock = "processor time" if config.clock == "processor" else "time"
    each = f"{60 * config.minutes:.0f} s of {clock}" if config.minutes is not None else f"{config.images:,} images"
    seeds = f"{len(config.seeds)} seeds, means and 95 % intervals" if len(config.seeds) > 1 else "one seed"
    return (
        f"Each model was trained for {each} on {facts['learnt_from']:,} images, with the same networks, batches and "
        f"average; {seeds}. Samples are measured against {facts['held_out']:,} held-out images in a feature space "
        f"learnt from the others ({facts['space']}); {facts['reconstructed']:,} held-out images are reconstructed."
    )


def _model(model: str, outcome: Outcome) -> str:
    return (
        f'<h3>{escape(model)}</h3><p class="soft">{escape(MODELS[model])}</p>'
        + _tiles("reconstructions", outcome.reconstructions)
        + _tiles("samples", outcome.samples)
    )


def _tiles(text: str, images: np.ndarray) -> str:
    figures = "".join(f"<figure>{picture(image, text)}</figure>" for image in images)
    return f'<p class="soft">{escape(text)}</p><div class="tiles">{figures}</div>'
