"""Time series as data: windows in the data's units, holes, order, splits that share no moment, bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import augan
from augan.core.errors import UserError
from augan.core.item import ItemSpec
from augan.data import Loader, Windowing, subset
from augan.data.windows import SeriesSource, filled, spaced
from augan.training.quality import divide
from waves import machines, waves


def opened(data: Any, label: str | None = None, **windowing: Any) -> SeriesSource:
    source = augan.open(data, windowing=Windowing(**{"window": 12} | windowing), label=label)
    assert isinstance(source, SeriesSource)
    return source


def test_windows_are_successive_rows_in_the_datas_units() -> None:
    frame = waves(100)
    source = opened(frame, stride=5)
    assert source.item.shape == (2, 1, 12)
    assert len(source) == (100 - 12) // 5 + 1
    for number in (0, 3, len(source) - 1):
        rows = frame.iloc[5 * number : 5 * number + 12]
        np.testing.assert_array_equal(source.windows(np.array([number]))[0], rows[["level", "count"]].to_numpy())
    assert "'unit' is the same in every row" in " ".join(source.notes)
    items = source.items(np.arange(len(source)))
    assert items.dtype == np.float32
    assert (items.min(), items.max()) == (pytest.approx(-0.9), pytest.approx(0.9))


def test_the_item_survives_json() -> None:
    item = opened(waves(60)).item
    assert ItemSpec.from_json(item.to_json()) == item


def test_batches_are_windows_as_networks_see_them() -> None:
    source = opened(machines(), label="state", series="machine")
    with Loader(source, 8, seed=0) as loader:
        batch = loader.batch_at(0)
    assert batch.images.shape == (8, 1, 1, 12)
    assert batch.labels is not None
    np.testing.assert_array_equal(batch.labels.numpy(), source.labels[batch.indices])  # type: ignore[index]
    np.testing.assert_array_equal(batch.images[:, 0, 0].numpy(), source.items(batch.indices)[:, 0, :, 0])


def test_no_window_crosses_from_one_series_to_another() -> None:
    frame = machines(series=3, moments=20)
    source = opened(frame, series="machine", columns=("shake",))
    assert len(source) == 3 * 9
    for number, owner in enumerate(source.owners):
        own = frame[frame["machine"] == f"m{owner}"]["shake"].to_numpy()
        found = source.windows(np.array([number]))[0, :, 0]
        assert any(np.array_equal(found, own[start : start + 12]) for start in range(9))


def test_rows_are_put_into_order() -> None:
    frame = waves(80)
    mixed = frame.sample(frac=1, random_state=0)
    source = opened(mixed)
    np.testing.assert_array_equal(source.windows(), opened(frame).windows())
    assert "not in the order of 'date'" in " ".join(source.notes)
    by_index = frame.set_index(pd.to_datetime(frame["date"])).drop(columns="date").sample(frac=1, random_state=1)
    np.testing.assert_array_equal(opened(by_index).windows(), source.windows())


def test_short_holes_are_filled_and_long_ones_left_out() -> None:
    frame = waves(100)
    frame["level"] = np.arange(100.0)
    frame.loc[20:21, "level"] = np.nan  # two cells
    frame.loc[60:64, "level"] = np.nan  # five: too long
    source = opened(frame)
    whole = {start for start in range(89) if not (start <= 64 and start + 12 > 60)}
    assert set(source.starts.tolist()) == whole
    np.testing.assert_allclose(source.windows()[:49, 0, 0], np.arange(49.0))
    told = " ".join(source.notes)
    assert "2 moments were missing" in told
    assert "16 windows hold a hole longer than data.fill=3" in told


def test_a_missing_cell_at_an_end_is_not_made_up() -> None:
    values = np.array([[np.nan], [1.0], [np.nan], [3.0], [np.nan]])
    np.testing.assert_array_equal(filled(values, 3).values[:, 0], [np.nan, 1, 2, 3, np.nan])


def test_missing_rows_of_even_moments_are_holes() -> None:
    frame = waves(100)
    short, long = frame.drop(index=[30]), frame.drop(index=list(range(30, 40)))
    assert len(opened(short)) == 89
    assert "1 moments were missing" in " ".join(opened(short).notes)
    starts = opened(long).windows()[:, 0, 1]
    assert len(starts) == (30 - 11) + (60 - 11)


def test_days_without_weekends_follow_one_another() -> None:
    days = pd.bdate_range("2024-01-01", periods=60)
    frame = waves(60).assign(date=days)
    source = opened(frame)
    assert len(source) == 49
    assert "not evenly spaced" in " ".join(source.notes)
    places, even = spaced(np.array([0.0, 1, 2, 5, 6, 7, 60, 61, 64]), 3)
    assert not even
    np.testing.assert_array_equal(places, [0, 1, 2, 3, 4, 5, 10, 11, 12])


def test_months_are_even() -> None:
    stamps = pd.date_range("2020-01-01", periods=48, freq="MS").to_numpy().astype("datetime64[s]").astype(float)
    places, even = spaced(stamps, 3)
    assert even
    np.testing.assert_array_equal(places, np.arange(48))


def test_a_window_has_one_class() -> None:
    frame = waves(60).assign(state=["a"] * 30 + ["b"] * 30)
    source = opened(frame, label="state")
    assert source.item.class_names == ("a", "b")
    np.testing.assert_array_equal(np.bincount(source.labels), [19, 19])  # type: ignore[arg-type]
    assert "11 windows are of two classes" in " ".join(source.notes)


def test_arrays_are_windows_or_series_to_be_cut(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(7, 30, 3))
    whole = augan.open((values, np.array([0, 1, 0, 1, 0, 1, 0])), kind="series")
    assert whole.item.shape == (3, 1, 30)
    np.testing.assert_allclose(whole.windows(), values, atol=1e-5)
    assert whole.item.class_names == ("0", "1")
    assert len(augan.open(values, windowing=Windowing(window=10, stride=10))) == 21
    np.savez(tmp_path / "w.npz", windows=values, columns=np.array(["a", "b", "c"]))
    stored = augan.open(tmp_path / "w.npz")
    assert [column.name for column in stored.item.series.learnt] == ["a", "b", "c"]
    assert augan.open(values[:, :, 0], kind="series").item.shape == (1, 1, 30)


@pytest.mark.parametrize("data", ["one", "many"])
def test_held_out_windows_share_no_moment_with_others(data: str) -> None:
    source = opened(waves(200)) if data == "one" else opened(machines(), series="machine", columns=("shake",))
    shown, held = divide(source, 40, 0)
    assert shown is not None
    assert len(held) >= 40
    moments = [set((source.starts[rows][:, None] + np.arange(12)).ravel().tolist()) for rows in (shown, held)]
    assert not moments[0] & moments[1]
    with pytest.raises(UserError, match="2 are needed to learn from"):
        divide(source, len(source) - 3, 0)


@pytest.mark.parametrize("data", ["one", "many"])
def test_blocks_share_no_moment(data: str) -> None:
    source = opened(waves(200)) if data == "one" else opened(machines(), series="machine", columns=("shake",))
    blocks = source.blocks()
    assert len(np.unique(blocks[blocks >= 0])) >= 8
    of_moment: dict[int, int] = {}
    for start, block in zip(source.starts, blocks, strict=True):
        for moment in range(start, start + 12):
            assert block < 0 or of_moment.setdefault(moment, block) == block


def test_a_subset_keeps_its_windows() -> None:
    source = opened(machines(), label="state", series="machine")
    part = subset(source, np.array([5, 50]))
    np.testing.assert_array_equal(part.items(np.array([1])), source.items(np.array([50])))
    assert part.labels.tolist() == source.labels[[5, 50]].tolist()  # type: ignore[index, union-attr]
    assert part.key != source.key


def test_the_key_is_of_content() -> None:
    assert opened(waves(60)).key == opened(waves(60)).key
    assert opened(waves(60)).key != opened(waves(60, seed=1)).key
    assert opened(waves(60)).key != opened(waves(60), stride=2).key


def test_a_column_that_counts_rows_is_left_out() -> None:
    source = opened(waves(60).assign(row=np.arange(60)))
    assert [column.name for column in source.spec.learnt] == ["level", "count"]
    assert "'row' counts the rows" in " ".join(source.notes)


@pytest.mark.parametrize(
    ("change", "windowing", "said"),
    [
        ({"city": ["a", "b"] * 30}, {}, "'city' holds text"),
        ({"later": pd.date_range("2025-01-01", periods=60)}, {}, "both hold dates"),
        ({"date": ["2024-01-01"] * 60}, {}, "Two rows are of one moment, date=2024-01-01"),
        ({"level": [np.inf] * 60}, {}, "infinite"),
        ({"level": 1.0, "count": 2}, {}, "each is constant or empty"),
        ({}, {"window": 61}, "longest series of series has 60 moments, and a window 61"),
        ({}, {"series": "nobody"}, "Unknown column 'nobody'"),
        ({}, {"time": "unit"}, "neither dates nor numbers"),
        ({"date": [None] + ["2024-01-01"] * 59}, {}, "rows have no 'date'"),
        ({"level": [np.nan, 1, 2, np.nan, np.nan, np.nan, np.nan, 3, 4, 5] * 6}, {}, "No window of 12 moments"),
        ({"window": 1.5}, {}, "A column is called 'window'"),
    ],
)
def test_mistakes_are_said_in_one_line(change: dict[str, Any], windowing: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as error:
        opened(waves(60).assign(**change), **windowing)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_windows_are_for_series() -> None:
    with pytest.raises(UserError, match="say how many moments"):
        augan.open(waves(60), windowing=Windowing(series="unit"))
    with pytest.raises(UserError, match="Say how many moments a window has"):
        augan.open(waves(60), kind="series")
    with pytest.raises(UserError, match="--kind is table"):
        augan.open(waves(60), kind="table", windowing=Windowing(window=12))
    with pytest.raises(UserError, match="is no set of series"):
        augan.open(np.zeros((3, 4, 5, 6)), kind="series")
    with pytest.raises(UserError, match="for images"):
        augan.open(waves(60), size=8, windowing=Windowing(window=12))


def test_short_series_are_left_out() -> None:
    frame = pd.concat([machines(3, 30), machines(1, 8).assign(machine="short")])
    source = opened(frame, series="machine", columns=("shake",))
    assert len(source) == 3 * 19
    assert "1 series are shorter than a window" in " ".join(source.notes)
