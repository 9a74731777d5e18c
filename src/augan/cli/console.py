"""What the commands print: tables for people, JSON for programs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from augan.apply import Contest, Diagnosis, describe_measure
from augan.augment import Lift
from augan.core.files import to_json
from augan.data import DataReport
from augan.data.kinds import NOUNS, worded
from augan.export import Exported
from augan.metrics import Estimate, Evaluation, Quality, SeriesEvaluation, TableEvaluation
from augan.recipes import Demo
from augan.text import TextEvaluation
from augan.training.console import human


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    print(to_json(value))


def say(console: Console, text: str) -> None:
    """A line of markup that is never broken: paths in it can be copied."""
    console.print(text, highlight=False, soft_wrap=True)


def quality_table(quality: Quality | dict[str, Any], title: str = "Quality", kind: str = "image") -> Table:
    """All measures of items of a kind with what they mean."""
    values = quality.to_json() if isinstance(quality, Quality) else quality
    table = Table(title=escape(title), title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("measure")
    table.add_column("value", justify="right")
    table.add_column("meaning")
    rows = [
        ("label agreement", "agreement", "{:.1%}", "samples that a classifier takes for the class asked for"),
        ("Fréchet distance", "frechet", "{:.2f}", "0 is best; only comparable in the same feature space"),
        ("precision", "precision", "{:.2f}", "samples that look like real ones"),
        ("recall", "recall", "{:.2f}", "real images that the samples reach"),
        ("coverage", "coverage", "{:.2f}", "real images with a sample among their neighbours"),
        ("diversity", "diversity", "{:.2f}", "differences between samples; real images have 1"),
        ("near copies", "near_copies", "{:.1%}", "samples almost equal to a real image; about 1% is chance"),
    ]
    for name, key, form, meaning in rows:
        if values.get(key) is not None:
            table.add_row(name, form.format(values[key]), worded(meaning, kind))
    accuracy = values["classifier_accuracy"]
    judge = f", {accuracy:.1%} accurate on held-out {NOUNS[kind]}" if accuracy is not None else ""
    table.caption = (
        f"{values['fake_images']:,} samples against {values['real_images']:,} real {NOUNS[kind]}; "
        f"{values['features']} {values['features_hash'][:8]}{judge}"
    )
    table.caption_justify = "left"
    return table


def show_diagnosis(console: Console, diagnosis: Diagnosis, plots: Path | None) -> None:
    """What ails a run, what to do, what it did about itself."""
    say(console, f"[bold]{escape(diagnosis.run)}[/bold]: {diagnosis.state}, {diagnosis.readings:,} readings, "
        f"{diagnosis.measures} measures")  # fmt: skip
    for finding in diagnosis.findings:
        say(console, f"\n[bold red]{escape(finding.cause.capitalize())}[/bold red]")
        say(console, f"  {escape(finding.evidence)}")
        say(console, f"  [green]{escape(finding.advice)}[/green]")
    if diagnosis.well:
        say(console, "\n[green]Nothing is wrong as far as its log shows.[/green]")
    if diagnosis.acts:
        say(console, "\nWhat it did about itself:")
        for act in diagnosis.acts:
            say(console, f"  {escape(act)}")
    drawn = "" if plots is None else f"\nCurves are in {escape(str(plots))}."
    say(console, drawn or "\nFor curves: pip install 'augan\\[plots]'")


def show_verdict(console: Console, verdict: dict[str, Any]) -> None:
    """The word, and why."""
    colour = {"HELPS": "green", "HURTS": "red"}.get(verdict["word"], "yellow")
    say(console, f"[bold {colour}]{verdict['word']}[/bold {colour}]")
    for reason in verdict["reasons"]:
        say(console, f"  {escape(reason)}")


def show_lift(console: Console, found: Lift) -> None:
    """The verdict first, then every arm beside the best one without a generator."""
    verdict = found.verdict
    show_verdict(console, verdict.to_json())
    console.print()
    table = Table(Column("arm", no_wrap=True), show_edge=False, pad_edge=False)
    for name in ("balanced accuracy", "macro F1", f"over '{verdict.rival}'", "95 % interval"):
        table.add_column(escape(name), justify="right", no_wrap=True)
    for row in found.table():
        over = row["over_rival"]
        points = ["", ""]
        if over is not None:
            points = [f"{100 * over['mean']:+.1f}", f"{100 * over['low']:+.1f} to {100 * over['high']:+.1f}"]
        shares = [f"{row[name]:.1%}" for name in ("balanced_accuracy", "macro_f1")]
        table.add_row(escape(row["arm"]), *shares, *points)
    splits = found.record.plan.splits
    table.caption = f"means over {splits} splits; each arm's classifier was tested on items that nothing had seen"
    table.caption_justify = "left"
    console.print(table)
    for note in found.notes:
        say(console, f"note: {escape(note)}")


def show_table_evaluation(console: Console, found: TableEvaluation, title: str) -> None:
    """The model beside the trivial baselines, and the columns that are least alike."""
    counts = ", ".join(f"{count:,} rows of {name}" for name, count in found.rows.items())
    caption = f"{counts}; trivial: columns drawn one by one, real rows drawn again"
    _show_sides(console, found, "table", title, caption, sorted(found.columns.items(), key=lambda pair: pair[1]))


def show_series_evaluation(console: Console, found: SeriesEvaluation, title: str) -> None:
    """The model beside windows without a generator and other real ones."""
    counts = ", ".join(f"{count:,} windows of {name}" for name, count in found.windows.items())
    caption = f"{counts}; distances in deviations of each column"
    _show_sides(console, found, "series", title, caption, sorted(found.columns.items(), key=lambda pair: -pair[1]))


def _show_sides(
    console: Console,
    found: TableEvaluation | SeriesEvaluation,
    kind: str,
    title: str,
    caption: str,
    unlike: list[tuple[str, float]],
) -> None:
    """Measures, a column a side; the columns of the data that are least alike, in that order; notes."""
    table = Table(title=escape(title), title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("measure")
    for side in found.sides:
        table.add_column(side, justify="right", no_wrap=True)
    table.add_column("meaning")
    for name, values in found.measures.items():
        text, meaning, form = describe_measure(name, kind)
        known = (values.get(side, math.nan) for side in found.sides)
        table.add_row(text, *("" if math.isnan(value) else form.format(value) for value in known), meaning)
    table.caption, table.caption_justify = caption, "left"
    console.print(table)
    say(console, "least alike: " + ", ".join(f"{escape(name)} {score:.2f}" for name, score in unlike[:5]))
    for note in found.notes:
        say(console, f"note: {escape(note)}")


def show_evaluation(console: Console, evaluation: Evaluation, title: str) -> None:
    """All measures with their intervals and what they mean, the classes, and what to know."""
    table = Table(title=escape(title), title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("measure")
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("± 95 %", justify="right", no_wrap=True)
    if evaluation.reference:
        table.add_column("real", justify="right", no_wrap=True)
    table.add_column("meaning")
    for name, estimate in evaluation.measures.items():
        title, meaning, form = describe_measure(name)
        reference = evaluation.reference.get(name)
        known = [] if not evaluation.reference else ["" if reference is None else form.format(reference)]
        table.add_row(title, form.format(estimate.value), _half_width(estimate, form), *known, meaning)
    space, fake, real = evaluation.features, evaluation.fake, evaluation.real
    judge = f", classifier {space['accuracy']:.1%} accurate on held-out images" if space["accuracy"] else ""
    table.caption = escape(
        f"{fake.images:,} generated against {real.images:,} real images at {real.size}; {space['name']} "
        f"{space['hash'][:8]}{judge}"
    )
    table.caption_justify = "left"
    console.print(table)
    if evaluation.by_class:
        console.print()
        console.print(_class_table(evaluation))
    if evaluation.baselines:
        console.print()
        console.print(_baseline_table(evaluation))
    for note in evaluation.notes:
        say(console, f"note: {escape(note)}")
    reasons: dict[str, list[str]] = {}
    for name, reason in evaluation.omitted.items():
        reasons.setdefault(reason, []).append(describe_measure(name)[0])
    for reason, names in reasons.items():
        say(console, f"not measured: {', '.join(names)}: {escape(reason)}")


def _half_width(estimate: Estimate, form: str) -> str:
    """Half of the 95 % interval, which need not be symmetric; --json and --html have both ends."""
    if estimate.low is None or estimate.high is None:
        return ""
    return form.format((estimate.high - estimate.low) / 2)


def _baseline_table(evaluation: Evaluation) -> Table:
    """Trivial items beside what was measured."""
    names = list(next(iter(evaluation.baselines.values())))
    table = Table("beside it", show_edge=False, pad_edge=False)
    for name in names:
        table.add_column(describe_measure(name)[0], justify="right")
    own = {name: evaluation.measures[name].value for name in names if name in evaluation.measures}
    for row, values in {evaluation.fake.name: own, **evaluation.baselines}.items():
        forms = [describe_measure(name)[2].format(values[name]) if name in values else "" for name in names]
        table.add_row(escape(row), *forms)
    return table


def _class_table(evaluation: Evaluation) -> Table:
    shown = {"agreement": "agreement", "frechet": "Fréchet", "near_copies": "copies"}
    shown |= {name: name for name in ("precision", "recall", "coverage", "diversity")}
    names = [name for name in shown if any(name in values for values in evaluation.by_class.values())]
    table = Table("class", show_edge=False, pad_edge=False)
    for name in names:
        table.add_column(shown[name], justify="right", no_wrap=True)
    for label, values in evaluation.by_class.items():
        forms = [describe_measure(name)[2].format(values[name]) if name in values else "" for name in names]
        table.add_row(escape(label), *forms)
    return table


def show_contest(console: Console, contest: Contest) -> None:
    """Measures of several runs side by side; the best of a row stands out where its interval leaves the others out."""
    table = Table("measure", show_edge=False, pad_edge=False)
    for entry in contest.names:
        table.add_column(escape(entry), justify="right", overflow="fold")
    for name, values in contest.rows.items():
        title, _, form = describe_measure(name)
        best = contest.best.get(name)
        cells = []
        for index, estimate in enumerate(values):
            text = "" if estimate is None else form.format(estimate.value)
            if estimate is not None and (half := _half_width(estimate, form)):
                text += f" ± {half}"
            cells.append(f"[bold]{text}[/bold]" if index == best else text)
        table.add_row(title, *cells)
    console.print(table)
    for line in contest.warnings:
        say(console, f"warning: {escape(line)}")
    for line in contest.notes:
        say(console, f"note: {escape(line)}")


@contextmanager
def counting(console: Console, word: str, total: int | None, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A counter that appears at its first tick, in a terminal only."""
    if quiet or not console.is_terminal:
        yield lambda done: None
        return
    columns = (TextColumn(f"{word} {{task.completed:,.0f}}"), BarColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=console, transient=True)
    task = progress.add_task(word, total=total)

    def tick(done: int) -> None:
        progress.start()
        progress.update(task, completed=done)

    try:
        yield tick
    finally:
        progress.stop()


def telling(console: Console, quiet: bool) -> Callable[[Any], None]:
    """Shows readings of translations and vocoders: a line that changes in a terminal, else a line every ten seconds."""
    last = [0.0]

    def tell(reading: Any) -> None:
        now = time.monotonic()
        if quiet or now - last[0] < (1 if console.is_terminal else 10):
            return
        last[0] = now
        losses = "  ".join(f"{name.removeprefix('loss_')} {value:.3f}" for name, value in reading.losses.items())
        text = f"  {reading.fraction:4.0%}  {reading.images_seen:,} images  {reading.images_per_sec:.0f} images/s  "
        console.print(text + losses, highlight=False, markup=False, soft_wrap=True)

    return tell


def show_translation(console: Console, quality: dict[str, Any]) -> None:
    """The model beside leaving the input as it is."""
    table = Table("measure", show_edge=False, pad_edge=False)
    for name in ("model", "identity"):
        table.add_column(name, justify="right")
    table.add_column("meaning")
    for name, meaning in TRANSLATION_MEASURES.items():
        if quality["model"][name] is not None:
            table.add_row(name, *(f"{quality[side][name]:.3f}" for side in ("model", "identity")), meaning)
    table.caption = f"{quality['images']} held-out images, {quality['direction']}"
    console.print(table)


def show_corpus(console: Console, described: dict[str, Any]) -> None:
    """What `augan inspect` says of text."""
    item = described["item"]
    said = {
        "name": described["name"],
        "sentences": f"{described['images']:,}",
        "longest": f"{item['length']} tokens ({item['level']})",
        "words": f"{described['words']:,}",
        "<unk>": f"{described['unknown_share']:.1%}",
        **{f"class {name}": f"{count:,}" for name, count in described["classes"].items()},
    }
    table = Table(show_header=False, show_edge=False, pad_edge=False)
    for name, value in said.items():
        table.add_row(escape(name), escape(value))
    console.print(table)
    for note in described["notes"]:
        say(console, f"note: {escape(note)}")


def show_text(console: Console, found: TextEvaluation, title: str) -> None:
    """Generated sentences beside what needs no generator."""
    table = Table(title=escape(title), title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("sentences", no_wrap=True)
    for name in ("BLEU-2", "BLEU-4", "self-2", "self-4", "copies", "differ", "Fréchet", "perplexity"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, row in found.rows.items():
        numbers = [f"{value:.2f}" for value in (row.bleu[0], row.bleu[2], row.self_bleu[0], row.self_bleu[2])]
        told = "" if row.perplexity is None else f"{row.perplexity:,.1f}"
        numbers += [f"{row.copies:.1%}", f"{row.distinct:.1%}", f"{row.frechet:.3f}", told]
        table.add_row(escape(name), *numbers)
    table.caption = (
        f"against {found.references:,} real sentences that nothing was learnt from. BLEU: high is like real ones; "
        "self-BLEU: high is repetitive; Fréchet, perplexity: low is best"
    )
    table.caption_justify = "left"
    console.print(table)
    for note in found.notes:
        say(console, f"note: {escape(note)}")


TRANSLATION_MEASURES = {
    "l1": "difference from the target; 0 is best",
    "psnr": "decibels; more is better",
    "ssim": "structural similarity; 1 is best",
    "retrieval": "nearest target is its own; 1 is best",
    "frechet": "distance to the target side; 0 is best",
    "two_sample": "told from targets; 0.5 is best",
}


def report_table(console: Console, report: DataReport) -> None:
    """What `augan inspect` says."""
    values = report.to_json()
    table = Table(show_header=False, show_edge=False, pad_edge=False)
    table.add_column("what")
    table.add_column("value")
    for name, value in values.items():
        if name in ("notes", "problems", "class_counts", "columns") or value is None:
            continue
        if report.columns and name in ("item", "mean", "std", "constant", "duplicates_across_classes"):
            continue
        table.add_row(name.replace("_", " "), escape(_plain(value)))
    console.print(table)
    if values["class_counts"]:
        classes = Table("class", NOUNS[report.item.kind], show_edge=False, pad_edge=False)
        for name, count in values["class_counts"].items():
            classes.add_row(escape(name), f"{count:,}")
        console.print(classes)
    if report.columns:
        console.print(_columns_table(report))
    for kind, lines in (("note", values["notes"]), ("problem", values["problems"])):
        for line in lines:
            console.print(f"{kind}: {line}", highlight=False, markup=False, soft_wrap=True)


def _columns_table(report: DataReport) -> Table:
    table = Table("column", "kind", "missing", "values", show_edge=False, pad_edge=False)
    for column in report.columns:
        if "values" in column:
            text = ", ".join(f"{name} {count:,}" for name, count in list(column["values"].items())[:8])
            text += ", ..." if len(column["values"]) > 8 else ""
        elif "low" in column:
            text = f"{column['low']:,.6g} to {column['high']:,.6g}, mean {column['mean']:,.4g}"
        else:
            text = ""
        table.add_row(escape(column["name"]), column["kind"], f"{column['missing']:,}", escape(text))
    return table


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key.replace('_', ' ')} {_plain(item)}" for key, item in value.items() if item is not None)
    if isinstance(value, list | tuple):
        return ", ".join(_plain(item) for item in value[:12]) + (", ..." if len(value) > 12 else "")
    return f"{value:,.3g}" if isinstance(value, float) else str(value)


def show_export(console: Console, found: Exported) -> None:
    """What was written, beside PyTorch."""
    measured = found.measured_images is not None
    table = Table(Column("form", no_wrap=True), show_edge=False, pad_edge=False)
    for name in ("MB", "images/s", "largest difference", "mean, of 255", *(["Fréchet"] if measured else [])):
        table.add_column(name, justify="right", no_wrap=True)
    for form in found.forms:
        apart = ["", ""] if form.path is None else [f"{form.largest_difference:.1e}", f"{form.mean_levels:.2f}"]
        distance = [] if not measured else ["" if form.frechet is None else f"{form.frechet:.2f}"]
        table.add_row(form.name, f"{form.size_bytes / 1e6:.1f}", f"{form.images_per_sec:,.0f}", *apart, *distance)
    table.caption = f"on a processor, {found.threads} {'thread' if found.threads == 1 else 'threads'}"
    table.caption_justify = "left"
    console.print(table)
    for form in found.forms:
        if form.path is not None:
            say(console, f"{form.name} in [bold]{escape(form.path)}[/bold]")


def runs_table(console: Console, found: list[dict[str, Any]], folder: Path) -> None:
    """What `augan runs` says."""
    if not found:
        say(console, f"No runs in {escape(str(folder))} yet. Start with: augan demo, or augan train PHOTOS")
        return
    table = Table(Column("run", overflow="fold"), "data", "recipe", "seen", "state", "Fréchet", "agreement")
    table.show_edge = table.pad_edge = False
    for row in found:
        quality = row["quality"] or {}
        distance, agreement = quality.get("frechet"), quality.get("agreement")
        table.add_row(
            escape(row["run"]),
            escape(row["data"]),
            row["recipe"],
            human(row["images_seen"]),
            row["state"],
            "" if distance is None else f"{distance:.2f}",
            "" if agreement is None else f"{agreement:.1%}",
        )
    console.print(table)


def show_demo(console: Console, demo: Demo) -> None:
    """What was done, where everything lies, and what to try next."""
    real, added = sum(demo.balanced.real.values()), sum(demo.balanced.added.values())
    show_evaluation(console, demo.quality, "Quality")
    lines = [
        "",
        f"Took {real:,} real digits with 5 times as many 0s as 9s, trained a generator and a discriminator",
        f"against each other for {demo.training_sec:.0f} s ({demo.images_per_sec:,.0f} images/s), and added {added:,} "
        "synthetic digits, so that all classes are equal.",
        "",
        f"  {demo.sheet}   samples, a row for each digit",
        f"  {demo.interpolation}   a walk from sample to sample",
        f"  {demo.report}   the measures, with the best and worst samples and the nearest real digits",
        f"  {demo.data}   the imbalanced data",
        f"  {demo.balanced.out}   the balanced copy; synthetic-*.png are new, each listed in manifest.json",
        f"  {demo.run}   the run: settings, metrics, sheets, checkpoints",
        "",
        "Whether more images make a better classifier is a question for a held-out test, not for these measures.",
        "",
        "On your own images:",
        "  augan train PHOTOS --minutes 30 --out runs/mine",
        "  augan generate runs/mine --count 100 --out samples.png",
        "  augan augment PHOTOS --run runs/mine --out balanced",
    ]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
