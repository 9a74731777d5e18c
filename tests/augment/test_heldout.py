"""Held-out data: what is refused, and what they say of an arm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import augan
from augan.augment import lift
from augan.augment.heldout import array_holdout, check_leaks, open_holdout, second_opinion
from augan.augment.study import Arm, Indices
from augan.augment.verdict import Verdict, with_second_opinion
from augan.core.errors import UserError
from common import shapes


class Known:
    """A task whose arms find known shares of the items of each class."""

    labels = np.repeat([0, 1], 50)
    class_names = ("a", "b")
    groups: np.ndarray | None = None
    arms: Mapping[str, Arm] = {"plain": Arm(meaning=""), "gan": Arm(meaning="", generative=True, base="plain")}
    key = "known"
    described: Mapping[str, Any] = {}

    def __init__(self, shares: dict[str, float]) -> None:
        self.shares = shares

    def items(self, indices: Indices) -> np.ndarray:
        return indices[:, None]

    def learn(self, arm: str, train: Indices, seed: int, split: int) -> Callable[[np.ndarray], np.ndarray]:
        assert len(train) == len(self.labels)

        def judge(items: np.ndarray) -> np.ndarray:
            truth = items[:, 0].astype(int)
            right = np.arange(len(items)) % 10 < 10 * self.shares[arm]
            return np.eye(2)[np.where(right, truth, 1 - truth)]

        return judge

    def about(self, split: int) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize(("share", "word"), [(0.5, "NO EVIDENCE"), (0.9, "HELPS")])
def test_a_loss_on_held_out_data_takes_a_verdict_back(share: float, word: str) -> None:
    marks = np.repeat([0, 1], 100)
    held = array_holdout(np.zeros((1, 1)), ("0", "1"), (marks[:, None].astype(float), marks))
    found = second_opinion(Known({"plain": 0.8, "gan": share}), held, "gan", "plain", 2, 0)
    assert found.mean == pytest.approx(share - 0.8)
    assert found.low <= found.mean <= found.high
    assert found.items == 200
    verdict = Verdict(word="HELPS", reasons=("It does.",), arm="gan", rival="plain")
    joined = with_second_opinion(verdict, found)
    assert joined.word == word
    assert "200 held-out items" in joined.reasons[-1]
    assert joined.second == found


def test_what_a_holdout_may_be() -> None:
    source = augan.open(shapes({"a": 12, "b": 12}))
    other = shapes({"a": 4, "b": 4}, seed=1)
    held = open_holdout(source, other)
    assert held.items.shape == (8, 16, 16, 1)
    assert held.labels.tolist() == [0] * 4 + [1] * 4
    assert check_leaks(source.items(np.arange(24)), held, force=False) == ()
    for wrong, said in (
        (other[0], "no labels"),
        (shapes({"a": 3, "b": 3}, channels=3), "3 channels"),
        ((other[0], other[1] + 1), "class '2' that the data has not"),
    ):
        with pytest.raises(UserError, match=said):
            open_holdout(source, wrong)
    smaller = open_holdout(source, shapes({"a": 3, "b": 3}, side=8))
    assert smaller.items.shape == (6, 16, 16, 1)


def test_leaks_are_refused_and_with_force_noted() -> None:
    images, labels = shapes({"a": 12, "b": 12})
    held = open_holdout(augan.open((images, labels)), (images[[2, 3, 20, 21]], labels[[2, 3, 20, 21]]))
    with pytest.raises(UserError, match="4 of 4 held-out items are in the data"):
        check_leaks(images, held, force=False)
    assert "4 exactly, 0 nearly" in check_leaks(images, held, force=True)[0]


def test_arrays() -> None:
    rows = np.zeros((4, 3))
    for wrong, said in (
        (np.zeros((4, 3)), "a pair"),
        ((np.zeros((4, 2)), [0] * 4), "of shape"),
        ((rows, [0]), "4 items and 1 labels"),
        ((rows, [7] * 4), "class '7'"),
    ):
        with pytest.raises(UserError, match=said):
            array_holdout(rows, ("0", "1"), wrong)


class Repeat:
    """A sampler that gives everything twice."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {}

    def set_params(self, **values: Any) -> Repeat:
        return self

    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.concatenate([X, X]), np.concatenate([y, y])


def test_a_study_with_held_out_rows() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], (80, 40))
    rows = random.normal(size=(120, 4)) + labels[:, None]
    new = (random.normal(size=(60, 4)) + np.repeat([0, 1], 30)[:, None], np.repeat([0, 1], 30))
    found = lift(rows, labels, classifier=LogisticRegression(), samplers={"again": Repeat()}, holdout=new)
    assert found.verdict.second is not None
    assert found.verdict.second.items == 60
    assert found.to_json()["verdict"]["second"]["rival"] == found.verdict.rival
