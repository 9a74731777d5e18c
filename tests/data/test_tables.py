"""Tables as data: what columns are, rows as numbers and back, the order in which training shows them, bad input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import augan
from augan.core.errors import UserError
from augan.core.item import ItemSpec
from augan.core.table import OTHER, TableSpec, collapse, expand, values_of
from augan.data import Loader, subset
from augan.data.columns import decode
from augan.data.tables import TableSource, read_columns, source_of
from mixed_rows import mixed


def kinds(frame: pd.DataFrame, label: str | None = None) -> tuple[dict[str, str], str]:
    spec, notes = read_columns(frame, label)
    return {column.name: column.kind for column in spec.columns}, " ".join(notes)


def test_each_kind_of_column_is_recognised_and_said() -> None:
    found, notes = kinds(mixed(), "sex")
    assert found == {
        "number": "number",
        "children": "category",
        "sex": "category",
        "city": "category",
        "member": "category",
        "born": "date",
        "seen": "date",
        "gaps": "number",
        "always": "constant",
        "never": "constant",
        "id": "left out",
        "row": "left out",
        "odd": "category",
    }
    assert "'id' names each row" in notes
    assert "'row' numbers the rows" in notes
    assert "'never' is empty" in notes
    assert "'odd' mixes int and str" in notes


def test_rows_come_back_as_they_were() -> None:
    frame = mixed()
    spec, _ = read_columns(frame, "sex")
    source = source_of(frame, spec, "rows")
    back = decode(spec, collapse(spec, expand(spec, source.codes)))
    assert list(back.columns) == [name for name in frame.columns if name not in ("id", "row")]
    for name in ("children", "sex", "city", "member", "born", "seen", "always"):
        assert back[name].dtype == frame[name].dtype, name
        assert back[name].isna().equals(frame[name].isna()), name
        assert (back[name].dropna() == frame[name].dropna()).all(), name
    for name in ("number", "gaps"):
        assert back[name].isna().equals(frame[name].isna()), name
        gap = (back[name] - frame[name]).abs().max()
        assert gap <= 0.02 * frame[name].std(), name  # numbers beyond four deviations of a mode are cut
    assert back["never"].isna().all()
    assert back["odd"].tolist() == frame["odd"].map(str).tolist()


def test_encoded_rows_are_in_range_and_have_one_of_each() -> None:
    source = augan.open(mixed(), label="sex")
    rows = source.items(np.arange(len(source)))
    spec = source.item.table
    assert rows.shape == (len(source), 1, 1, spec.width)
    assert rows.dtype == np.float32
    assert np.abs(rows).max() <= 1
    for block in spec.blocks:
        assert (rows[:, 0, 0, block.hot].sum(1) == 1).all()
    assert source.item.class_names == ("f", "m")
    assert (np.array(source.item.class_names)[source.labels] == mixed()["sex"]).all()


def test_the_spec_survives_json() -> None:
    item = augan.open(mixed(), label="sex").item
    import json

    again = ItemSpec.from_json(json.loads(json.dumps(item.to_json())))
    assert again == item
    assert isinstance(again.table, TableSpec)


def test_equal_tables_have_equal_keys_wherever_they_lie(tmp_path: Path) -> None:
    frame = mixed().drop(columns=["odd", "member"])
    for name in ("a.csv", "b.csv"):
        frame.to_csv(tmp_path / name, index=False)
    frame.to_csv(tmp_path / "c.tsv", index=False, sep="\t")
    keys = {augan.open(tmp_path / name).key for name in ("a.csv", "b.csv", "c.tsv")}
    assert len(keys) == 1
    changed = frame.assign(sex=["m"] * 30 + ["f"] * (len(frame) - 30))
    changed.to_csv(tmp_path / "d.csv", index=False)
    assert augan.open(tmp_path / "d.csv").key not in keys


def test_parquet_with_columns_is_a_table_and_not_images(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = mixed().drop(columns=["odd"])
    frame.to_parquet(tmp_path / "rows.parquet")
    source = augan.open(tmp_path / "rows.parquet", label="city")
    assert isinstance(source, TableSource)
    assert source.item.classes == 3


def test_training_draws_columns_alike_and_values_by_the_logarithm_of_their_number() -> None:
    count = 1_000
    frame = pd.DataFrame({"rare": ["yes"] * 10 + ["no"] * (count - 10), "even": ["a", "b"] * (count // 2)})
    source = augan.open(frame)
    drawn = source.draws(0, None).take(0, 40_000)
    shares = np.bincount(drawn.conditions, minlength=4) / 40_000
    wanted = np.log1p([990, 10]) / np.log1p([990, 10]).sum() / 2
    np.testing.assert_allclose(shares[:2], wanted, atol=0.01)
    np.testing.assert_allclose(shares[2:], 0.25, atol=0.01)
    for row, condition in zip(drawn.rows[:200], drawn.conditions[:200], strict=True):
        column, value = source.spec.conditions[condition]
        assert frame[column].iloc[row] == value


def test_what_is_shown_is_a_function_of_the_position() -> None:
    source = augan.open(mixed(), label="sex")
    once, again = source.draws(3, None), source.draws(3, None)
    whole = once.take(4_000, 500)
    parts = [again.take(4_400, 100), again.take(4_000, 400)]
    assert (whole.rows == np.concatenate([parts[1].rows, parts[0].rows])).all()
    with Loader(source, batch=20, seed=3) as loader:
        second = loader.batch_at(20)
    assert (second.indices == once.take(20, 20).rows).all()
    assert (second.labels.numpy() == once.take(20, 20).conditions).all()


def test_a_subset_keeps_the_columns() -> None:
    source = augan.open(mixed(), label="sex")
    part = subset(source, np.array([5, 3, 8]))
    assert isinstance(part, TableSource)
    assert (part.items(np.arange(3)) == source.items(np.array([5, 3, 8]))).all()
    assert (part.labels == source.labels[[5, 3, 8]]).all()


def test_huge_categories_are_cut_and_it_is_said() -> None:
    values = [f"v{number % 150}" for number in range(450)]
    source = augan.open(pd.DataFrame({"many": values, "x": np.arange(450) % 7}))
    column = source.spec.columns[0]
    assert len(column.values) == 100
    assert column.values[-1] == OTHER
    assert "150 values" in source.notes[0]
    assert sum(column.counts) == 450


def test_whole_numbers_and_decimals_come_back_as_such() -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"whole": random.integers(0, 1_000, 200), "cents": random.normal(10, 3, 200).round(2)})
    source = augan.open(frame)
    values = [values_of(source.spec, source.codes, index) for index in (0, 1)]
    assert (values[0] == values[0].round()).all()
    assert np.allclose(values[1], values[1].round(2))
    assert decode(source.spec, source.codes)["whole"].dtype == frame["whole"].dtype


@pytest.mark.parametrize(
    ("frame", "label", "says"),
    [
        (pd.DataFrame({"a": [1.0]}), None, "1 rows"),
        (pd.DataFrame({"a": [1, 1, 1]}), None, "No column"),
        (pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]), None, "Two columns are called 'a'"),
        (pd.DataFrame({"a": [1.0, 2.0, np.inf]}), None, "'a' has 1 infinite"),
        (pd.DataFrame({"a": [[1], [2]]}), None, "'a' holds a list"),
        (pd.DataFrame({"a": ["x", "y"]}), "b", "no column 'b'|column"),
        (pd.DataFrame({"a": ["x", None], "b": [1, 2]}), "a", "1 rows have no 'a'"),
        (pd.DataFrame({"a": ["x", "x"], "b": [1, 2]}), "a", "there are no classes"),
        (pd.DataFrame({"a": [f"r{n}" for n in range(300)], "b": [1, 2] * 150}), "a", "300 values"),
    ],
)
def test_bad_tables_say_what_is_wrong(frame: pd.DataFrame, label: str | None, says: str) -> None:
    with pytest.raises(UserError, match=says):
        augan.open(frame, label=label)


@pytest.mark.parametrize(
    ("text", "says"),
    [(b"", "is empty"), (b"a,b\n1,2\n3,4,5\n", "not a table"), (b"a,b\n", "0 rows")],
)
def test_bad_files_say_what_is_wrong(tmp_path: Path, text: bytes, says: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(text)
    with pytest.raises(UserError, match=says):
        augan.open(path)


def test_other_encodings_and_separators_are_read(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes("città;n\n".encode("latin-1") + "Forlì;1\nRoma;2\nRoma;3\n".encode("latin-1") * 20)
    source = augan.open(path)
    assert "Forlì" in source.spec.columns[0].values
    with pytest.raises(UserError, match="does not exist"):
        augan.open(tmp_path / "none.csv")


def test_a_mark_for_missing_cells_among_numbers_is_pointed_out() -> None:
    frame = pd.DataFrame({"x": [str(n % 40) for n in range(199)] + ["unknown"], "y": [1.5, 2.5] * 100})
    assert "'unknown'" in " ".join(augan.open(frame).notes)


def test_settings_for_images_are_refused() -> None:
    with pytest.raises(UserError, match="for images"):
        augan.open(mixed(), size=8)
    with pytest.raises(UserError, match="not a table"):
        augan.open(np.zeros((4, 8, 8), np.uint8), label="x")


def test_new_rows_with_an_unknown_value_are_refused() -> None:
    source = augan.open(mixed(), label="sex")
    other = mixed().assign(city="Atlantis")
    with pytest.raises(UserError, match="Atlantis"):
        source_of(other, source.spec, "other")
    with pytest.raises(UserError, match="no column 'city'"):
        source_of(mixed().drop(columns="city"), source.spec, "other")
