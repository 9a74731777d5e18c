"""HELPS, NO EVIDENCE or HURTS, from the outcomes of a study; with the reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from augan.augment.heldout import SecondOpinion
from augan.augment.statistics import Difference, difference, holm
from augan.augment.study import CONTROL, Record
from augan.core.notebook import COLOURS, card

Word = Literal["HELPS", "NO EVIDENCE", "HURTS"]
EXIT_CODES: dict[str, int] = {"HELPS": 0, "NO EVIDENCE": 3, "HURTS": 4}
SIGNIFICANT = 0.05
RECALL_MARGIN = 0.05
"""How much recall a class may lose on average."""
BRIER_MARGIN = 0.01
NOTHING_LEFT = 0.005


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a study shows.

    Attributes:
        word: HELPS, NO EVIDENCE or HURTS.
        reasons: why, in sentences.
        arm: the generative arm that is spoken of; None where none was measured.
        rival: the best arm without a generator.
        over_rival, over_base: the arm's balanced accuracy less that of the rival, and less that of the same training
            without synthetic items.
        control: the A/A control's less its base's: what chance alone gives.
        second: what held-out data say of the arm and the rival, where there are any.
    """

    word: Word
    reasons: tuple[str, ...]
    arm: str | None
    rival: str
    over_rival: Difference | None = None
    over_base: Difference | None = None
    control: Difference | None = None
    second: SecondOpinion | None = None

    @property
    def exit_code(self) -> int:
        """0, 3 or 4."""
        return EXIT_CODES[self.word]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def _repr_html_(self) -> str:
        """In a notebook: the word, and why."""
        return card(self.word, {}, notes=self.reasons, colour=COLOURS.get(self.word))


def compare(record: Record, arm: str, other: str, measure: str = "balanced_accuracy") -> Difference:
    """The arm's score less the other one's, paired by split."""
    return difference(record.scores(arm, measure) - record.scores(other, measure), record.plan.test_over_train)


def best_cheap(record: Record) -> str:
    """The arm whose balanced accuracy is highest on average, of those without a generator and those for reference."""
    names = [name for name in record.measured if not record.arms[name].contends and name != CONTROL]
    return max(names, key=lambda name: float(record.scores(name).mean()))


def judge(record: Record, memorised: Sequence[str] = ()) -> Verdict:
    """The verdict. `memorised`: what memorisation tests say against the generator, in sentences.

    HELPS: the interval of a generative arm over the best cheap one lies above 0, also after Holm's adjustment for the
    number of generative arms; no class loses more than 5 points of recall; the Brier score is not worse by more than
    0.01; nothing speaks for memorised items. HURTS: no arm helps, and the interval over the same training without
    synthetic items lies below 0, for the best generative arm. NO EVIDENCE otherwise.
    """
    rival = best_cheap(record)
    control = compare(record, CONTROL, record.arms[CONTROL].base) if CONTROL in record.measured else None
    arms = [name for name in record.measured if record.arms[name].contends]
    if not arms:
        reason = (
            f"'{rival}' reaches {record.scores(rival).mean():.1%} without synthetic items, so that nothing is left "
            "to gain."
        )
        return Verdict(word="NO EVIDENCE", reasons=(reason,), arm=None, rival=rival, control=control)
    over = {name: compare(record, name, rival) for name in arms}
    adjusted = holm({name: found.p for name, found in over.items()})
    arm = max(arms, key=lambda name: over[name].mean)
    over_base = compare(record, arm, record.arms[arm].base)
    found = over[arm]
    shown = f"{100 * found.mean:+.1f} points of balanced accuracy over '{rival}' ({_interval(found)})"
    word: Word
    if found.low > 0 and adjusted[arm] < SIGNIFICANT:
        against = [*_losses(record, arm, rival), *memorised]
        word = "NO EVIDENCE" if against else "HELPS"
        reasons = [f"'{arm}' gains {shown}.", *against]
    elif over_base.high < 0:
        word = "HURTS"
        reasons = [
            f"'{arm}', the best arm with synthetic items, changes balanced accuracy by {100 * over_base.mean:+.1f} "
            f"points from the same training without them ({_interval(over_base)})."
        ]
    else:
        word = "NO EVIDENCE"
        reasons = [f"'{arm}' changes {shown}: the interval holds 0.", _power(found)]
        if found.low > 0:
            reasons = [f"'{arm}' gains {shown}, but not after adjusting for {len(arms)} arms (p {adjusted[arm]:.3f})."]
    return Verdict(
        word=word,
        reasons=tuple(reasons),
        arm=arm,
        rival=rival,
        over_rival=found,
        over_base=over_base,
        control=control,
    )


def with_second_opinion(verdict: Verdict, second: SecondOpinion) -> Verdict:
    """The verdict in the light of held-out data: HELPS does not stand where they show a loss."""
    said = (
        f"On {second.items:,} held-out items '{second.arm}' reaches {second.arm_score:.1%} and '{second.rival}' "
        f"{second.rival_score:.1%}: {100 * second.mean:+.1f} points ({_interval(second)})."
    )
    word: Word = "NO EVIDENCE" if verdict.word == "HELPS" and second.high < 0 else verdict.word
    return replace(verdict, word=word, reasons=(*verdict.reasons, said), second=second)


def _interval(found: Difference | SecondOpinion) -> str:
    return f"95 % interval {100 * found.low:+.1f} to {100 * found.high:+.1f}"


def _power(found: Difference) -> str:
    return (
        f"{found.splits} splits would find a true gain of {100 * found.detectable:.1f} points in 4 of 5 studies; a "
        "smaller one may be there."
    )


def _losses(record: Record, arm: str, rival: str) -> list[str]:
    """What got worse by more than its margin."""
    found = []
    change = record.recalls(arm) - record.recalls(rival)
    worst = int(np.nanargmin(change))
    if change[worst] < -RECALL_MARGIN:
        found.append(f"Class '{record.class_names[worst]}' loses {-100 * change[worst]:.1f} points of recall.")
    brier = float((record.scores(arm, "brier") - record.scores(rival, "brier")).mean())
    if brier > BRIER_MARGIN:
        found.append(f"Probabilities are worse: the Brier score rises by {brier:.3f}.")
    return found
