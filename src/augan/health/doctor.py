"""What ails a run, from what it logged: causes with evidence and advice, the gravest first.

Thresholds are a judgement; `bench/doctor.py` holds them to planted and to healthy runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from augan.data.kinds import worded
from augan.health.rules import COLLAPSE, DIVERGED, DOMINANCE

LABELS = 0.25
STEP_SHARE = 0.18
DEAD_SIGN = 0.1
KNOWN = 0.75
GAP = 0.3
MANY_EPOCHS = 50
POOR = 0.3
LOST = 0.02
CONCENTRATED = 0.3
LATE = 0.4
"""The share of a run from which on its second part is judged."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: its cause in a few words, the numbers that show it, and what to do."""

    cause: str
    evidence: str
    advice: str


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is known of a run.

    Attributes:
        readings: a row every second or so: running means of the watched numbers.
        measures: a row for each snapshot that was measured.
        gaps: how much less real held-out images looked to the discriminator, from 0 to 1.
        acts: what the run did about itself.
        images: real images in the data; classes: how many classes; kind: of item.
        state: finished, stopped early or not finished.
    """

    readings: Sequence[Mapping[str, Any]]
    measures: Sequence[Mapping[str, Any]] = ()
    gaps: Sequence[float] = ()
    acts: Sequence[Mapping[str, Any]] = ()
    images: int = 0
    classes: int = 0
    kind: str = "image"
    state: str = "not finished"

    def late(self, name: str) -> np.ndarray:
        """Readings of one number in the later part of the run."""
        values = [float(row[name]) for row in self.readings if name in row]
        return np.array(values[int(len(values) * LATE) :])

    def middle(self, name: str) -> float | None:
        """Their median, or None without any."""
        values = self.late(name)
        return float(np.median(values)) if len(values) else None

    def last(self, name: str) -> float | None:
        """The newest measure that is known."""
        found = [row[name] for row in self.measures if row.get(name) is not None]
        return float(found[-1]) if found else None

    def last_of_classes(self, name: str) -> Mapping[str, float]:
        """The newest measure that is known for each class; empty without one."""
        found = [row[name] for row in self.measures if row.get(name) is not None]
        return dict(found[-1]) if found else {}

    @property
    def epochs(self) -> float:
        """How often each image was seen."""
        seen = self.readings[-1]["images_seen"] if self.readings else 0
        return seen / max(1, self.images)


Rule = Callable[[Record], Finding | None]


def examine(record: Record) -> list[Finding]:
    """What is wrong with a run, the likeliest cause first; empty for a run that is well."""
    found = [finding for rule in RULES if (finding := rule(record)) is not None]
    return [Finding(*(worded(text, record.kind) for text in astuple(finding))) for finding in found]


def _not_finite(record: Record) -> Finding | None:
    broken = [row for row in record.readings if "broken" in row]
    if not broken:
        return None
    row = broken[-1]
    return Finding(
        "numbers are not finite",
        f"{row['broken']} was not finite after {row['images_seen']:,} images"
        + (f", and {len(broken) - 1} times before." if len(broken) > 1 else "."),
        "Halve training.learning_rate, or double game.r1_gamma.",
    )


def _labels(record: Record) -> Finding | None:
    """Labels that have nothing to do with the images: no classifier learns them."""
    accuracy = record.last("classifier_accuracy")
    if accuracy is None or record.classes < 2:
        return None
    chance = 1 / record.classes
    if accuracy > chance + LABELS * (1 - chance):
        return None
    return Finding(
        "labels do not fit the images",
        f"A classifier that learned from the images and labels is right about {accuracy:.0%} of held-out ones, where "
        f"guessing is about {chance:.0%}.",
        "Look whether labels are in the order of the images: `augan inspect DATA`. If they are right and only too hard "
        "to see, train without: --set networks.conditional=false.",
    )


def _rate(record: Record) -> Finding | None:
    """Steps that are large beside the weights they change, in a run that had to be rescued or did not get good."""
    acts = [row for row in record.acts if row.get("because") != "collapsed"]
    if acts:
        times = "once" if len(acts) == 1 else f"{len(acts)} times, the first time"
        return Finding(
            "the learning rate is too high",
            f"The run had to go back {times} because {acts[0]['act']}.",
            f"Start with training.learning_rate and its end at {acts[-1].get('rate_factor', 0.5):g} times what they "
            "are.",
        )
    shares = [float(row["step_share"]) for row in record.readings if "step_share" in row]
    share = max(shares, default=0.0)  # the rate falls and weights grow: what was too much shows at the start
    if share < STEP_SHARE or not _poor(record):
        return None
    return Finding(
        "the learning rate is too high",
        f"At first each round moved the discriminator's weights by up to {share:.0%} of their size, and samples are "
        f"{_state(record)}.",
        "Divide training.learning_rate by 4 or more.",
    )


def _dead(record: Record) -> Finding | None:
    """A discriminator that tells nothing apart."""
    told, precision = record.middle("overfitting"), record.last("precision")
    if told is None or told > DEAD_SIGN or not _poor(record):
        return None
    shown = "" if precision is None or precision > POOR else f", although only {precision:.0%} of samples look real"
    return Finding(
        "the discriminator does not learn",
        f"It calls {(1 + told) / 2:.0%} of real images real, where guessing is 50 %{shown}.",
        "Raise training.discriminator_rate to 1, lower game.r1_gamma and game.r2_gamma, or widen the discriminator.",
    )


def _collapsed(record: Record) -> Finding | None:
    """Samples that hardly differ."""
    diversity, recall = record.last("diversity"), record.last("recall")
    spread, together = record.middle("spread"), record.last("concentration") or 0.0
    if diversity is not None and diversity < COLLAPSE:
        evidence = f"Samples of a class differ {diversity:.2f} times as much as real images do"
        evidence += "." if recall is None else f", and {recall:.0%} of real images have a sample near them."
    elif together > CONCENTRATED:
        evidence = f"{together:.0%} of samples have the same real image as their nearest one."
    elif diversity is not None:
        return _collapsed_classes(record)
    elif spread is not None and spread < COLLAPSE:
        evidence = f"A batch of samples varies {spread:.2f} times as much as one of real images."
    else:
        return None
    return Finding(
        "the generator has collapsed",
        evidence,
        "Raise game.r1_gamma and game.r2_gamma, lower training.learning_rate, take the `relativistic` objective, and "
        "look whether the generator uses its latents.",
    )


def _collapsed_classes(record: Record) -> Finding | None:
    """Classes whose samples hardly differ, where those of others do."""
    alike = {name: value for name, value in record.last_of_classes("class_diversity").items() if value < COLLAPSE}
    if not alike:
        return None
    worst = ", ".join(f"{name} ({value:.2f})" for name, value in sorted(alike.items(), key=lambda pair: pair[1])[:5])
    return Finding(
        "the generator has collapsed in some classes",
        f"Samples differ less than {COLLAPSE:g} times as much as real images in: {worst}.",
        "More images of these classes, --set data.balance=true, or a longer run.",
    )


def _overfits(record: Record) -> Finding | None:
    """A discriminator that knows its few images by heart."""
    told, gap = record.middle("overfitting"), record.gaps[-1] if record.gaps else None
    known = told is not None and told > KNOWN and record.epochs > MANY_EPOCHS
    if not known and (gap is None or gap < GAP):
        return None
    evidence = f"{record.images:,} images were seen {record.epochs:,.0f} times each"
    if told is not None:
        evidence += f"; the discriminator tells {(1 + told) / 2:.0%} of them from samples"
    if gap is not None:
        evidence += f", and held-out ones look {gap:.0%} less real to it"
    changed = (
        """, or `--set 'game.adaptive=["translation", "cutout"]'` (with "flip" where mirrored images keep their """
    )
    return Finding(
        "the discriminator knows the images by heart",
        evidence + ".",
        f"More images{'' if record.kind == 'table' else changed + 'label)'}; a shorter run or a narrower network.",
    )


def _wins(record: Record) -> Finding | None:
    """Logits far apart: the generator's gradient fades."""
    real, fake = record.middle("real_logit"), record.middle("fake_logit")
    if real is None or fake is None or real - fake < DOMINANCE:
        return None
    return Finding(
        "the discriminator has won",
        f"Its logits of real images and samples are {real - fake:.0f} apart.",
        "Raise game.r1_gamma and game.r2_gamma, or lower training.discriminator_rate.",
    )


def _diverges(record: Record) -> Finding | None:
    """Quality that was better before."""
    values = [float(row["frechet"]) for row in record.measures if row.get("frechet") is not None]
    if len(values) < 3 or values[-1] < DIVERGED * min(values):
        return None
    return Finding(
        "quality has fallen",
        f"The Fréchet distance was {min(values):.2f} and is {values[-1]:.2f}.",
        "The best checkpoint is kept, and is what `augan generate` takes. Let the rate fall: "
        "training.learning_rate_end an eighth of training.learning_rate.",
    )


def _poor(record: Record) -> bool:
    """Whether the samples are bad: few look real, or hardly any real image has one like it. Unmeasured runs count."""
    precision, recall = record.last("precision"), record.last("recall")
    return precision is None or recall is None or precision < POOR or recall < LOST


def _state(record: Record) -> str:
    precision, recall = record.last("precision"), record.last("recall")
    if precision is None or recall is None:
        return "not measured"
    return f"{precision:.0%} like real ones, with {recall:.0%} of real images near one"


RULES: tuple[Rule, ...] = (_not_finite, _labels, _rate, _dead, _overfits, _collapsed, _wins, _diverges)
