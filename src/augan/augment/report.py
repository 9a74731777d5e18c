"""A study as one page of HTML: the verdict first, then everything it rests on."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

import numpy as np

from augan.augment.lift import Lift
from augan.augment.makers import Gallery, Images
from augan.augment.selection import REASONS
from augan.augment.statistics import Difference
from augan.augment.study import CONTROL
from augan.augment.verdict import EXIT_CODES, compare
from augan.core.files import write_text
from augan.core.page import notes, page, picture, table
from augan.core.version import __version__

MEANINGS = {
    "unsure": "not sure of their class",
    "far": "far from the class's real items",
    "copy": "as near to a real item as copies are",
    "twice": "as near to another sample",
}
WIDTH, ROW, LEFT = 760, 22, 130


def write_lift_report(found: Lift, path: Path) -> None:
    """Writes the page."""
    write_text(path, lift_report(found))


def lift_report(found: Lift) -> str:
    """The page as text."""
    verdict, data = found.verdict, found.settings
    title = f"Does synthetic data help? {verdict.word}"
    parts = [
        "<h1>Does synthetic data help?</h1>",
        f'<p class="verdict">{verdict.word}</p>',
        f"<ul>{''.join(f'<li>{escape(reason)}</li>' for reason in verdict.reasons)}</ul>",
        notes(found.notes),
        "<h2>Ways of training</h2>",
        f"<p>Balanced accuracy less that of '{escape(verdict.rival)}', the best way without the GAN, with 95 % "
        f"intervals over {found.record.plan.splits} splits. '{CONTROL}' shows what chance alone gives.</p>",
        _forest(found),
        _arms(found),
        _recalls(found),
        _second(found),
        _memorisation(found),
        _rejections(found),
        *(_gallery(found.gallery) if found.gallery is not None else ()),
        "<h2>To do it again</h2>",
        table("<th>setting</th><th>value</th>", [_row(name, data[name]) for name in data]),
        f'<p class="soft">augan {escape(__version__)}. Exit codes: '
        f"{', '.join(f'{word} {code}' for word, code in EXIT_CODES.items())}.</p>",
    ]
    return page(title, parts)


def _row(name: str, value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>"


def _forest(found: Lift) -> str:
    """Differences and their intervals, a row an arm."""
    rival = found.verdict.rival
    rows = [(name, compare(found.record, name, rival)) for name in found.record.measured if name != rival]
    if not rows:
        return ""
    reach = max(max(abs(over.low), abs(over.high)) for _, over in rows) or 0.01
    height = ROW * len(rows) + 34

    def x(value: float) -> float:
        return LEFT + (value / reach + 1) / 2 * (WIDTH - LEFT - 20)

    parts = [f'<line x1="{x(0):.1f}" x2="{x(0):.1f}" y1="4" y2="{height - 26}" stroke="currentColor" opacity=".5"/>']
    for number, (name, over) in enumerate(rows):
        y = ROW * number + 16
        colour = "fake" if found.record.arms[name].contends else "real"
        parts.append(
            f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{escape(name)}</text>'
            f'<line x1="{x(over.low):.1f}" x2="{x(over.high):.1f}" y1="{y}" y2="{y}" stroke="var(--{colour})" '
            f'stroke-width="2"/><circle cx="{x(over.mean):.1f}" cy="{y}" r="4" fill="var(--{colour})"/>'
        )
    marks = "".join(
        f'<text x="{x(value):.1f}" y="{height - 8}" text-anchor="middle">{100 * value:+.1f}</text>'
        for value in (-reach, 0.0, reach)
    )
    label = "Differences in balanced accuracy, in points, with 95 % intervals"
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">{"".join(parts)}{marks}</svg>'


def _arms(found: Lift) -> str:
    rows = []
    for row in found.table():
        over = row["over_rival"]
        shown = "" if over is None else _points(Difference(**over))
        cells = "".join(f'<td class="n">{row[name]:.1%}</td>' for name in ("balanced_accuracy", "macro_f1"))
        cells += "".join(f'<td class="n">{row[name]:.3f}</td>' for name in ("brier", "calibration"))
        name = f'{escape(row["arm"])}<br><span class="soft">{escape(row["meaning"])}</span>'
        rows.append(f'<tr><td>{name}</td>{cells}<td class="n">{shown}</td></tr>')
    names = ("balanced accuracy", "macro F1", "Brier", "calibration error", "over the rival, points")
    head = "<th>way</th>" + "".join(f'<th class="n">{name}</th>' for name in names)
    return table(head, rows)


def _points(found: Difference) -> str:
    return f"{100 * found.mean:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})"


def _recalls(found: Lift) -> str:
    """Each class before and after."""
    verdict, record = found.verdict, found.record
    if verdict.arm is None:
        return ""
    before, after = record.recalls(verdict.rival), record.recalls(verdict.arm)
    rows = [
        f'<tr><td>{escape(name)}</td><td class="n">{old:.1%}</td><td class="n">{new:.1%}</td>'
        f'<td class="n">{100 * (new - old):+.1f}</td></tr>'
        for name, old, new in zip(record.class_names, before, after, strict=True)
    ]
    head = (
        f'<th>class</th><th class="n">{escape(verdict.rival)}</th><th class="n">{escape(verdict.arm)}</th>'
        '<th class="n">points</th>'
    )
    return "<h2>Recall of each class</h2>" + table(head, rows)


def _second(found: Lift) -> str:
    second = found.verdict.second
    if second is None:
        return ""
    return (
        f"<h2>Held-out data</h2><p>{second.items:,} items that took no part: '{escape(second.arm)}' "
        f"{second.arm_score:.1%}, '{escape(second.rival)}' {second.rival_score:.1%}; {100 * second.mean:+.1f} points "
        f"({100 * second.low:+.1f} to {100 * second.high:+.1f}).</p>"
    )


def _memorisation(found: Lift) -> str:
    """Training, test and synthetic images, three ways, a row a split."""
    rows = []
    for split, about in enumerate(found.record.about):
        copying = about.get("copying")
        if copying is None:
            continue
        cells = [
            copying[name] for name in ("copies", "copies_held_out", "authentic", "authentic_held_out", "statistic")
        ]
        shown = [_share(value) for value in cells[:4]] + ["" if cells[4] is None else f"{cells[4]:.1f}"]
        rows.append(
            f"<tr><td>{split + 1}</td>{''.join(f'<td class=n>{text}</td>' for text in shown)}"
            f"<td>{escape(' '.join(about['memorised'])) or 'nothing speaks for copies'}</td></tr>"
        )
    if not rows:
        return ""
    names = ("copies: samples", "new images", "authentic: samples", "new images", "C<sub>T</sub>")
    head = "<th>split</th>" + "".join(f'<th class="n">{name}</th>' for name in names) + "<th>finding</th>"
    return (
        "<h2>Does the generator know its images by heart?</h2><p>Distances of samples and of new real images to the "
        "training images. Copies lie as near as the closest hundredth of training images do to one another; authentic "
        "ones farther than their nearest training image from its own neighbour; C<sub>T</sub> below -3 is copying.</p>"
        + table(head, rows)
    )


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _rejections(found: Lift) -> str:
    """Kept candidates and reasons of the others, class by class, over all splits."""
    totals: dict[str, dict[str, int]] = {}
    for about in found.record.about:
        for name, reasons in about.get("rejected", {}).items():
            into = totals.setdefault(name, {})
            for reason, count in {**reasons, "kept": about["kept"].get(name, 0)}.items():
                into[reason] = into.get(reason, 0) + count
    if not totals:
        return ""
    columns = ("kept", *REASONS)
    rows = [
        "".join(
            [f"<tr><td>{escape(name)}</td>", *(f"<td class=n>{counts.get(column, 0):,}</td>" for column in columns)]
        )
        for name, counts in totals.items()
    ]
    head = "<th>class</th>" + "".join(f'<th class="n">{column}</th>' for column in columns)
    meanings = "; ".join(f"{reason}: {meaning}" for reason, meaning in MEANINGS.items())
    return f"<h2>Selection</h2><p>{escape(meanings)}; spare: more than were wanted.</p>" + table(head, rows)


def _gallery(gallery: Gallery) -> Iterable[str]:
    yield (
        "<h2>Samples</h2><p>Of the first split: selected ones, the training image nearest to each, and rejected ones."
        "</p>"
    )
    for name, kept, real, rejected in zip(
        gallery.class_names, gallery.kept, gallery.real, gallery.rejected, strict=True
    ):
        yield f"<h3>{escape(name)}</h3>"
        yield _tiles("selected", kept) + _tiles("nearest real", real)
        for reason, images in rejected:
            yield _tiles(MEANINGS.get(reason, reason), images)


def _tiles(text: str, images: Images) -> str:
    if not len(images):
        return ""
    figures = "".join(f"<figure>{picture(np.asarray(image), text)}</figure>" for image in images)
    return f'<p class="soft">{escape(text)}</p><div class="tiles">{figures}</div>'
