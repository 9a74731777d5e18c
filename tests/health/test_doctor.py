"""The doctor's rules on made-up records: each names its cause, and a healthy record has none."""

from __future__ import annotations

from typing import Any

import pytest

from augan.health import Record, examine

READING = {
    "images_seen": 20_000,
    "loss_discriminator": 0.6,
    "loss_generator": 0.8,
    "real_logit": 0.5,
    "fake_logit": -0.5,
    "overfitting": 0.4,
    "spread": 0.9,
    "step_share": 0.02,
}
MEASURE = {
    "images_seen": 20_000,
    "frechet": 1.0,
    "precision": 0.8,
    "recall": 0.4,
    "diversity": 0.9,
    "classifier_accuracy": 0.95,
}
BAD = {"precision": 0.1, "recall": 0.0}


def record(reading: dict[str, Any] | None = None, measure: dict[str, Any] | None = None, **more: Any) -> Record:
    rows = [{**READING, **(reading or {})} for _ in range(10)]
    return Record(
        **{"readings": rows, "measures": [{**MEASURE, **(measure or {})}], "images": 5_000, "classes": 10} | more
    )


def test_a_healthy_run_has_no_findings() -> None:
    assert examine(record()) == []
    assert examine(Record(readings=[])) == []
    assert examine(record(reading={"step_share": 0.5})) == []  # large steps, and yet good samples


@pytest.mark.parametrize(
    ("made", "cause", "number"),
    [
        (record(readings=[{**READING, "broken": "loss_generator"}]), "not finite", "loss_generator"),
        (record(measure={"classifier_accuracy": 0.12}), "labels", "12%"),
        (record({"step_share": 0.4}, BAD), "learning rate", "40%"),
        (record(acts=[{"act": "it broke", "because": "not finite", "rate_factor": 0.5}]), "learning rate", "it broke"),
        (record(measure={"concentration": 0.9}), "has collapsed", "90% of samples"),
        (record(measure={"class_diversity": {"cat": 0.1, "dog": 0.9}}), "in some classes", "cat (0.10)"),
        (record({"overfitting": 0.02}, BAD), "does not learn", "51%"),
        (record({"overfitting": 0.95}, images=50), "by heart", "400 times"),
        (record(gaps=[0.6]), "by heart", "60% less real"),
        (record(measure={"diversity": 0.1}), "collapsed", "0.10 times"),
        (Record(readings=[{**READING, "spread": 0.05}] * 5, images=5_000), "collapsed", "0.05 times"),
        (record({"real_logit": 20.0}), "has won", "20 apart"),
        (
            record(measures=[{**MEASURE, "frechet": value} for value in (2.0, 1.0, 1.5, 4.0)]),
            "has fallen",
            "was 1.00 and is 4.00",
        ),
    ],
)
def test_each_cause_is_named_with_its_numbers(made: Record, cause: str, number: str) -> None:
    first = examine(made)[0]
    assert cause in first.cause
    assert number in first.evidence
    assert first.advice


def test_a_run_that_was_rescued_from_collapse_is_not_blamed_on_its_rate() -> None:
    act = {"act": "samples differ 0.02 times", "because": "collapsed", "rate_factor": 0.5}
    assert examine(record(acts=[act])) == []
    assert examine(record({"overfitting": -1.0}, BAD, acts=[act]))[0].cause == "the discriminator does not learn"


def test_a_run_without_measures_is_judged_by_its_readings() -> None:
    unmeasured = Record(readings=[{**READING, "overfitting": 0.0}] * 5, images=5_000)
    assert [finding.cause for finding in examine(unmeasured)] == ["the discriminator does not learn"]
