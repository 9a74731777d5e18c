"""An evaluation as one page of HTML with pictures; it needs no other file and no network."""

from __future__ import annotations

from html import escape
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64

from augan.apply.wording import describe_measure, interval
from augan.core.files import write_text
from augan.core.page import notes, page, picture, table
from augan.metrics import MEASURES, Comparison, Evaluation, Side, nearest_neighbours, realism

SHOWN = 12
SOURCES = {"frame_frechet": "arXiv:1706.08500, eq. 6", "motion": "docs/video.md"}
NEIGHBOURS = 3


def write_report(evaluation: Evaluation, comparison: Comparison, path: Path) -> None:
    """Writes the page: all measures, classes, the best and worst samples, nearest real images, spectra."""
    write_text(path, report(evaluation, comparison))


def report(evaluation: Evaluation, comparison: Comparison) -> str:
    """The page as text."""
    fake, real = evaluation.fake, evaluation.real
    title = f"{fake.path or fake.name} against {real.path or real.name}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{_summary(evaluation)}</p>",
        notes(evaluation.notes),
        "<h2>Measures</h2>",
        _measures(evaluation),
        _omitted(evaluation),
        _classes(evaluation),
        _baselines(evaluation),
        *_pictures(comparison),
        _spectra(comparison),
        "<h2>What these numbers can be compared with</h2>",
        _conditions(evaluation),
    ]
    return page(title, parts)


def _summary(evaluation: Evaluation) -> str:
    fake, real, space = evaluation.fake, evaluation.real, evaluation.features
    kind = "samples" if fake.of is None else f"of {fake.of:,} images"
    held_out = "" if evaluation.holdout is None else f", {evaluation.holdout.images:,} held-out images"
    return escape(
        f"{fake.images:,} {kind} against {real.images:,} of {real.of or 0:,} real images{held_out}, at {real.size} "
        f"pixels, in the features of {space['name']}."
    )


def _baselines(evaluation: Evaluation) -> str:
    if not evaluation.baselines:
        return ""
    names = list(next(iter(evaluation.baselines.values())))
    own = {"this": {name: evaluation.measures[name].value for name in names if name in evaluation.measures}}
    head = "<th></th>" + "".join(f'<th class="n">{escape(describe_measure(name)[0])}</th>' for name in names)
    rows = []
    for row, values in (own | evaluation.baselines).items():
        forms = [describe_measure(name)[2].format(values[name]) if name in values else "" for name in names]
        cells = "".join(f'<td class="n">{form}</td>' for form in forms)
        rows.append(f"<tr><td>{escape(row)}</td>{cells}</tr>")
    return "<h2>Beside trivial clips</h2>" + table(head, rows)


def _measures(evaluation: Evaluation) -> str:
    rows = []
    for name, estimate in evaluation.measures.items():
        title, meaning, form = describe_measure(name)
        source = MEASURES[name].source if name in MEASURES else SOURCES.get(name, "arXiv:1905.10887")
        reference = evaluation.reference.get(name)
        rows.append(
            f'<tr><td>{escape(title)}</td><td class="n"><b>{form.format(estimate.value)}</b></td>'
            f'<td class="n">{interval(estimate, form)}</td>'
            f'<td class="n">{"" if reference is None else form.format(reference)}</td>'
            f'<td>{escape(meaning)} <span class="soft">({escape(source)})</span></td></tr>'
        )
    head = '<th>measure</th><th class="n">value</th><th class="n">95 % interval</th><th class="n">real images</th>'
    return table(f"{head}<th>meaning</th>", rows)


def _omitted(evaluation: Evaluation) -> str:
    if not evaluation.omitted:
        return ""
    items = [
        f"<li>{escape(describe_measure(name)[0])}: {escape(reason)}</li>" for name, reason in evaluation.omitted.items()
    ]
    return f'<p class="soft">Not measured:</p><ul class="soft">{"".join(items)}</ul>'


def _classes(evaluation: Evaluation) -> str:
    if not evaluation.by_class:
        return ""
    names = [name for name in MEASURES if any(name in values for values in evaluation.by_class.values())]
    head = "<th>class</th>" + "".join(f'<th class="n">{escape(MEASURES[name].title)}</th>' for name in names)
    rows = [
        f"<tr><td>{escape(label)}</td>"
        + "".join(
            f'<td class="n">{MEASURES[name].form.format(values[name]) if name in values else ""}</td>' for name in names
        )
        + "</tr>"
        for label, values in evaluation.by_class.items()
    ]
    return "<h2>Classes</h2>" + table(head, rows)


def _pictures(comparison: Comparison) -> list[str]:
    """The samples deepest in the real manifold, those farthest from it, and those nearest to a real image."""
    fake, real = comparison.fake, comparison.real
    if fake.images is None or real.fetch is None:
        return []
    shown = np.arange(len(fake.images))
    features = fake.features[shown]
    scores = realism(features, real.features)
    found = nearest_neighbours(features, real.features, NEIGHBOURS)
    order = np.argsort(-scores, kind="stable")
    groups = (
        (
            "Best samples",
            "Deepest inside the real images' neighbourhoods, by realism; above 1 is inside.",
            order[:SHOWN],
        ),
        ("Worst samples", "Farthest outside.", order[::-1][:SHOWN]),
    )
    parts = [f"<h2>{title}</h2><p>{text}</p>{_tiles(comparison, rows, scores)}" for title, text, rows in groups]
    own = nearest_neighbours(real.features, real.features, 1, itself=True).distances[:, 0]
    ratio = found.distances[:, 0] / np.maximum(own[found.indices[:, 0]], 1e-12)
    closest = np.argsort(ratio, kind="stable")[:SHOWN]
    parts.append(
        "<h2>Samples nearest to a real image</h2><p>Each with its three nearest real images. The ratio is its distance "
        "to the first, over that image's distance to its own nearest neighbour: near 0 is a copy.</p>"
        + "".join(_row(comparison, int(row), found.indices[row], float(ratio[row])) for row in closest)
    )
    return parts


def _tiles(comparison: Comparison, rows: Int64[np.ndarray, " n"], scores: Float[np.ndarray, " m"]) -> str:
    images = comparison.fake.images
    assert images is not None
    figures = [
        f"<figure>{picture(images[row], f'sample {row}')}<figcaption>{scores[row]:.2f}"
        f"{_label(comparison, comparison.fake, int(row))}</figcaption></figure>"
        for row in rows
    ]
    return f'<div class="tiles">{"".join(figures)}</div>'


def _row(comparison: Comparison, row: int, neighbours: Int64[np.ndarray, " k"], ratio: float) -> str:
    images, real = comparison.fake.images, comparison.real
    assert images is not None
    assert real.fetch is not None
    sample = (
        f"<figure>{picture(images[row], f'sample {row}')}<figcaption>{ratio:.2f}"
        f"{_label(comparison, comparison.fake, row)}</figcaption></figure>"
    )
    nearest = [
        f"<figure>{picture(image, 'a real image')}<figcaption>real{_label(comparison, real, int(index))}</figcaption>"
        "</figure>"
        for image, index in zip(real.fetch(neighbours), neighbours, strict=True)
    ]
    return f'<div class="row">{sample}{"".join(nearest)}</div>'


def _label(comparison: Comparison, side: Side, row: int) -> str:
    if side.labels is None or not comparison.class_names:
        return ""
    return f" {escape(comparison.class_names[int(side.labels[row])])}"


def _spectra(comparison: Comparison) -> str:
    """Both power spectra as curves."""
    real, fake = comparison.real.spectrum, comparison.fake.spectrum
    if real is None or fake is None or real.shape != fake.shape or len(real) < 2:
        return ""
    width, height, low, high = 640, 220, float(min(real.min(), fake.min())), float(max(real.max(), fake.max()))
    span = max(high - low, 1.0)

    def curve(values: Float[np.ndarray, " n"], colour: str, dash: str = "") -> str:
        xs = 50 + np.arange(len(values)) / (len(values) - 1) * (width - 70)
        ys = 15 + (high - values) / span * (height - 50)
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
        return f'<polyline points="{points}" fill="none" stroke="var(--{colour})" stroke-width="2" {dash}/>'

    marks = "".join(
        f'<text x="44" y="{15 + (high - value) / span * (height - 50) + 4:.0f}" text-anchor="end">{value:.0f}</text>'
        for value in (high, (high + low) / 2, low)
    )
    names = (
        f'<text x="{width - 160}" y="24" style="fill:var(--real)">real</text>'
        f'<text x="{width - 110}" y="24" style="fill:var(--fake)">generated (dashed)</text>'
        f'<text x="50" y="{height - 12}">low frequencies</text>'
        f'<text x="{width - 20}" y="{height - 12}" text-anchor="end">half a cycle a pixel</text>'
    )
    curves = curve(real, "real") + curve(fake, "fake", 'stroke-dasharray="6 3"')
    return (
        "<h2>Spectra</h2><p>Mean power in decibels at each spatial frequency. A curve that falls too early is blur; "
        "peaks at high frequencies are checkerboards.</p>"
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="Power spectra of real and generated images">'
        f"{marks}{names}{curves}</svg>"
    )


def _conditions(evaluation: Evaluation) -> str:
    rows = [
        f"<tr><td>{escape(name)}</td><td>{escape(str(value))}</td></tr>"
        for name, value in evaluation.conditions().items()
        if value is not None
    ]
    fake, made = evaluation.fake, f"augan {evaluation.augan}, PyTorch {evaluation.torch}, seed {evaluation.seed}"
    rows += [
        f"<tr><td>samples</td><td>{escape(fake.content[:16])}, selection {fake.selection}</td></tr>",
        f"<tr><td>made with</td><td>{escape(made)}</td></tr>",
    ]
    text = "<p>With numbers whose first rows here are equal, and with no others.</p>"
    return text + table("<th>what</th><th>here</th>", rows)
