"""What a comparison says in sentences, made from its numbers and intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from augan.versus.columns import COLUMNS
from augan.versus.statistics import Interval, difference, interval

Values = Mapping[str, Sequence[float]]
"""Values of a model by column, one a seed."""
READ = ("reconstruction", "frechet", "precision", "recall", "sharpness", "probe", "path_length")
EXPECTED = {"reconstruction": False, "precision": True, "sharpness": True}
"""Whether the GAN is expected to be the better one (against an autoencoder)."""


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What was expected of the GAN against another model, and what came out.

    Attributes:
        gan_better: the expectation.
        gap: how much worse the other model is than the GAN (above 0: the GAN is better), in the column's units; of
            |log ratio| where 1 is best.
        outcome: 'as expected', 'the reverse' or 'not told apart' (the interval holds 0, or there is one seed only).
    """

    column: str
    other: str
    gan_better: bool
    gap: Interval
    outcome: str

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def badness(column: str, values: Sequence[float]) -> list[float]:
    """Values turned so that low is good."""
    better = COLUMNS[column].better
    if better == "one":
        return [abs(math.log(max(value, 1e-9))) for value in values]
    return [-value for value in values] if better == "high" else list(values)


def expectations(found: Mapping[str, Values]) -> list[Expectation]:
    """The GAN against each other model, where there are both."""
    made = []
    for column, gan_better in EXPECTED.items():
        for other in found:
            if other == "gan" or "gan" not in found:
                continue
            gap = difference(badness(column, found[other][column]), badness(column, found["gan"][column]))
            outcome = "not told apart"
            if gap.sign:
                outcome = "as expected" if (gap.sign > 0) == gan_better else "the reverse"
            made.append(Expectation(column=column, other=other, gan_better=gan_better, gap=gap, outcome=outcome))
    return made


def shown(column: str, values: Sequence[float]) -> str:
    """'mean (low to high)', or the value of a single seed, or of all."""
    known, one = COLUMNS[column], interval(values)
    mean = known.form.format(one.mean)
    if one.low is None or one.high is None or one.low == one.high:
        return mean
    low, high = max(known.least, one.low), min(known.most, one.high)
    return f"{mean} ({known.form.format(low)} to {known.form.format(high)})"


def reading(found: Mapping[str, Values]) -> list[str]:
    """Sentences: who is best at what and whether that is clear, the cost of inversion, what was expected."""
    seeds = min(len(values) for model in found.values() for values in model.values())
    lines = [_best(column, found) for column in READ if len(found) > 1 and all(column in one for one in found.values())]
    lines += _cost(found)
    lines += [_against(column, found) for column in EXPECTED if "gan" in found and len(found) > 1]
    if seeds < 2:
        lines.append("With one seed there are no intervals, and nothing here is more than that one outcome.")
    return lines


def _best(column: str, found: Mapping[str, Values]) -> str:
    order = sorted(found, key=lambda model: sum(badness(column, found[model][column])) / len(found[model][column]))
    best, others = order[0], order[1:]
    apart = []
    for other in others:
        gap = difference(badness(column, found[other][column]), badness(column, found[best][column]))
        apart.append((other, gap.sign > 0))
    text = f"{COLUMNS[column].title[0].upper()}{COLUMNS[column].title[1:]} is best with {best}, "
    text += f"{shown(column, found[best][column])}, before "
    text += ", ".join(f"{other} {shown(column, found[other][column])}" for other in others)
    clear, unclear = [name for name, sure in apart if sure], [name for name, sure in apart if not sure]
    parts = [f"clear of {_listed(clear)}"] if clear else []
    parts += [f"not told apart from {_listed(unclear)}"] if unclear else []
    return f"{text}: {'; '.join(parts)}."


def _cost(found: Mapping[str, Values]) -> list[str]:
    if "gan" not in found or len(found) < 2:
        return []
    own = interval(found["gan"]["find_seconds"]).mean
    other = min(interval(values["find_seconds"]).mean for name, values in found.items() if name != "gan")
    return [
        f"The GAN has no encoder: finding a latent took it {own:.3f} s an image, {own / max(other, 1e-9):,.0f} times "
        "as long as the fastest encoder."
    ]


def _against(column: str, found: Mapping[str, Values]) -> str:
    outcomes: dict[str, list[str]] = {}
    for one in expectations(found):
        if one.column == column:
            outcomes.setdefault(one.outcome, []).append(one.other)
    who = "the GAN" if EXPECTED[column] else "the autoencoders"
    link = {"not told apart": "from"}
    said = "; ".join(
        f"{outcome} {link.get(outcome, 'against')} {_listed(names)}" for outcome, names in outcomes.items()
    )
    return f"Expected was that {who} would be better in {COLUMNS[column].title}: {said}."


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
