"""The protocol, and verdicts on outcomes that are known beforehand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augan.augment import Outcome, Plan, Record, judge
from augan.augment.study import CONTROL, Arm, Indices, conduct, splits_of
from augan.core.errors import UserError

ARMS: Mapping[str, Arm] = {
    "real": Arm(meaning="real"),
    CONTROL: Arm(meaning="again", base="real"),
    "gan": Arm(meaning="with samples", generative=True, base="real"),
}
PLAN = Plan(folds=5, repeats=2)


def record(gain: float = 0.0, *, noise: float = 0.01, lost: float = 0.0, brier: float = 0.3, seed: int = 0) -> Record:
    """Outcomes whose generative arm is better by `gain`, up to chance."""
    random, outcomes = np.random.default_rng(seed), []
    for split in range(PLAN.splits):
        level = random.normal(0.7, 0.05)
        for arm in ARMS:
            score = level + random.normal(0, noise) + gain * (arm == "gan")
            outcomes.append(
                Outcome(
                    arm=arm,
                    split=split,
                    seed=0,
                    balanced_accuracy=score,
                    macro_f1=score,
                    brier=brier if arm == "gan" else 0.3,
                    calibration=0.1,
                    recalls=(score + lost, score - lost) if arm == "gan" else (level, level),
                )
            )
    return Record(plan=PLAN, outcomes=tuple(outcomes), arms=ARMS, class_names=("a", "b"))


def test_a_clear_gain_helps_and_a_clear_loss_hurts() -> None:
    helps, hurts = judge(record(0.05)), judge(record(-0.05))
    assert (helps.word, helps.exit_code, hurts.word, hurts.exit_code) == ("HELPS", 0, "HURTS", 4)
    assert helps.over_rival is not None
    assert helps.over_rival.low > 0
    assert "points" in helps.reasons[0]


def test_no_difference_is_no_evidence_and_says_what_would_have_been_found() -> None:
    found = judge(record(0.0))
    assert (found.word, found.exit_code) == ("NO EVIDENCE", 3)
    assert "4 of 5 studies" in found.reasons[1]
    assert found.control is not None


@pytest.mark.parametrize(
    ("worse", "said"), [({"lost": 0.2}, "Class 'b' loses"), ({"brier": 0.4}, "Brier score"), ({}, "by heart")]
)
def test_a_gain_at_the_cost_of_something_else_does_not_help(worse: dict[str, float], said: str) -> None:
    memorised = () if worse else ("It knows images by heart.",)
    found = judge(record(0.05, **worse), memorised)  # type: ignore[arg-type]
    assert found.word == "NO EVIDENCE"
    assert any(said in reason for reason in found.reasons)


def test_chance_alone_hardly_ever_helps() -> None:
    """Arms that differ by chance only: at most 5 of 100 studies may say HELPS."""
    words = [judge(record(0.0, noise=0.02, seed=seed)).word for seed in range(100)]
    assert words.count("HELPS") <= 5


class Counting:
    """A task that notes what it is asked for."""

    def __init__(self, groups: np.ndarray | None = None) -> None:
        self.labels = np.arange(40) % 2
        self.class_names, self.groups, self.key = ("a", "b"), groups, "counting"
        self.described: dict[str, Any] = {}
        self.arms = ARMS
        self.calls = 0

    def items(self, indices: Indices) -> np.ndarray:
        return indices

    def learn(self, arm: str, train: Indices, seed: int, split: int) -> Callable[[np.ndarray], np.ndarray]:
        self.calls += 1
        return lambda items: np.eye(2)[self.labels[items]]

    def about(self, split: int) -> dict[str, Any]:
        return {"split": split} if self.calls else {}


def test_splits_are_stratified_and_keep_groups_together() -> None:
    labels, groups = np.arange(60) % 2, np.arange(60) // 4
    for train, test in splits_of(labels, Plan(folds=3), groups):
        assert not set(groups[train]) & set(groups[test])
        assert sorted([*train, *test]) == list(range(60))
        assert abs(labels[test].mean() - 0.5) < 0.1
    with pytest.raises(UserError, match="Give fewer folds"):
        list(splits_of(np.array([0, 0, 0, 0, 1, 1]), Plan(folds=3)))
    with pytest.raises(UserError, match="in one group"):
        list(splits_of(labels, Plan(folds=2), labels))
    with pytest.raises(UserError, match="at least 2 folds"):
        Plan(folds=1)


def test_a_study_goes_on_where_it_stopped(tmp_path: Path) -> None:
    plan, first, again = Plan(folds=4), Counting(), Counting()
    whole = conduct(first, plan, ["real", "gan"], cells=tmp_path)
    assert first.calls == 8
    assert all(outcome.balanced_accuracy == 1 and outcome.brier == 0 for outcome in whole.outcomes)
    (tmp_path / "gan-3-0.json").unlink()
    repeated = conduct(again, plan, ["real", "gan"], cells=tmp_path)
    assert again.calls == 1
    assert repeated.outcomes == whole.outcomes
    assert [row["split"] for row in repeated.about] == [0, 1, 2, 3]
    assert whole.measured == ["real", "gan"]
