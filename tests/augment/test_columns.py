"""Tables of numbers and categories: there and back, and new rows that could be rows of the table."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from imblearn.pipeline import make_pipeline
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder

from augan.augment import GANSampler
from augan.augment.columns import Columns, categories_of


def people(count: int = 120) -> tuple[pd.DataFrame, pd.Series]:
    """The rarer class is older, lives in the north, and always smokes."""
    random = np.random.default_rng(0)
    sick = np.arange(count) % 4 == 0
    frame = pd.DataFrame(
        {
            "town": np.where(sick, "north", random.choice(["south", "west"], count)),
            "age": np.where(sick, random.integers(60, 80, count), random.integers(20, 50, count)),
            "smokes": sick | (random.random(count) < 0.2),
            "height": random.normal(1.7, 0.1, count),
            "grade": pd.Categorical(random.choice(["a", "b"], count), categories=["a", "b", "never seen"]),
        },
        index=np.arange(count) + 7,
    )
    return frame, pd.Series(np.where(sick, "sick", "well"), name="state", index=frame.index)


def test_there_and_back() -> None:
    frame, _ = people()
    frame.loc[7, "town"] = None
    cells = np.asarray(frame, object)
    columns = Columns.of(cells, tuple(frame.columns), categories_of(frame, "auto"))
    rows = columns.encode(cells)
    assert rows.shape == (120, 2 + 4 + 2 + 2)
    for group in columns.groups:
        np.testing.assert_array_equal(rows[:, group].sum(1), 1)
    back = pd.DataFrame(columns.decode(rows), columns=frame.columns).astype(frame.dtypes)
    pd.testing.assert_frame_equal(back, frame.reset_index(drop=True))


def test_new_rows_are_rows_of_the_table() -> None:
    frame, state = people()
    sampler = GANSampler(random_state=0, max_steps=400)
    more, marks = sampler.fit_resample(frame, state)
    assert Counter(marks) == {"well": 90, "sick": 90}
    pd.testing.assert_series_equal(more.dtypes, frame.dtypes)
    pd.testing.assert_frame_equal(more[:120], frame.reset_index(drop=True))
    new = more[120:]
    assert set(new["town"]) <= set(frame["town"])
    assert (new["town"] == "north").mean() > 0.8
    assert new["smokes"].mean() > 0.8
    assert new["age"].between(20, 79).all()
    assert (new["age"] > 55).mean() > 0.8
    again, _ = GANSampler(random_state=0, max_steps=400).fit_resample(frame, state)
    pd.testing.assert_frame_equal(more, again)


def test_codes_in_an_array_are_categories_where_asked() -> None:
    rows = np.stack([np.arange(40) % 3, np.linspace(0, 1, 40)], 1)
    labels = (np.arange(40) > 30).astype(int)
    more, marks = GANSampler(random_state=0, max_steps=20, categorical_features=[0]).fit_resample(rows, labels)
    assert set(more[:, 0].tolist()) <= {0.0, 1.0, 2.0}
    assert Counter(marks) == {0: 31, 1: 31}


def test_in_a_pipeline_with_an_encoder() -> None:
    frame, state = people()
    names = ["town", "grade"]
    model = make_pipeline(
        GANSampler(random_state=0, max_steps=5), OneHotEncoder(handle_unknown="ignore"), LogisticRegression()
    )
    assert model.fit(frame[names], state).predict(frame[names]).shape == (120,)


@pytest.mark.parametrize(
    ("change", "asked", "message"),
    [
        ({"when": pd.Timestamp("2020-01-01")}, "auto", "'when' holds dates"),
        ({"height": np.nan}, "auto", "'height' has 120 missing"),
        ({}, ["age", "colour"], "no column 'colour'"),
        ({}, [True, False], "2 entries for 5 columns"),
        ({}, ["age"], "'town' holds more than numbers"),
    ],
)
def test_what_cannot_be_learnt_is_named(change: dict[str, Any], asked: Any, message: str) -> None:
    frame, state = people()
    with pytest.raises(ValueError, match=message):
        GANSampler(max_steps=1, categorical_features=asked).fit_resample(frame.assign(**change), state)
