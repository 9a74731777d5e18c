"""What each column of a DataFrame is, and its cells as numbers, places and back."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int32

from augan.core.errors import UserError
from augan.core.optional import require
from augan.core.rng import numpy_stream
from augan.core.table import OTHER, Codes, Column, TableSpec, Value, place_in_modes, values_of

MODES = 10
LEAST_WEIGHT = 0.005
FIT_ROWS = 10_000
"""Rows that a mixture is fitted to, at most."""
FEW_NUMBERS = 12
"""A column of so few different numbers is a category, if each comes up ten times on average."""
REPEATS = 10
MOST_VALUES = 100
"""Values of a category with a place of their own."""
UNIQUE = 0.95
"""Text of which this share of the cells is different stands for one row each."""
LEAST_UNIQUE = 20
DATE_FORMS = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y/%m/%d", "%Y-%m-%d %H:%M")
EPOCH = np.datetime64("1970-01-01")


class Read(NamedTuple):
    """A column, and what should be known about it."""

    column: Column
    notes: tuple[str, ...] = ()


def read_column(name: str, cells: Any, is_label: bool) -> Read:
    """What a column is. `cells` is a pandas Series.

    Raises:
        UserError: cells that are no single values, infinite numbers, a class that is missing or has one value.
    """
    _require_plain(name, cells)
    missing = int(cells.isna().sum())
    distinct = int(cells.nunique())
    if is_label:
        return _label(name, cells, missing, distinct)
    if distinct + (missing > 0) <= 1:
        what = "empty" if not distinct else "the same in every row"
        value = plain(cells.iloc[0]) if distinct else None
        column = Column(name=name, kind="constant", dtype=str(cells.dtype), values=(value,), missing=missing)
        return Read(column, (f"Column '{name}' is {what}: it is not learnt from, and written back as it was.",))
    kind = cells.dtype.kind
    if kind == "M":
        return Read(_dates(name, cells, missing, None))
    if kind == "b":
        return _category(name, cells, missing)
    if kind in "iuf":
        return _numbers(name, cells, missing, distinct)
    return _texts(name, cells, missing, distinct)


def _require_plain(name: str, cells: Any) -> None:
    if cells.dtype.kind in "cmV":
        raise UserError(f"Column '{name}' holds {cells.dtype}: turn it into numbers, or take it out.")
    if cells.dtype == object:
        odd = next((cell for cell in cells if isinstance(cell, list | dict | set | tuple | np.ndarray | bytes)), None)
        if odd is not None:
            raise UserError(
                f"Column '{name}' holds a {type(odd).__name__} in a cell, and a cell is a number, a text, a date or "
                "empty. Take the column out, or make columns of its parts."
            )


def _label(name: str, cells: Any, missing: int, distinct: int) -> Read:
    if missing:
        raise UserError(f"{missing} rows have no '{name}', the label. Fill them in, or leave those rows out.")
    if distinct < 2:
        raise UserError(f"The label '{name}' is the same in every row: there are no classes.")
    if distinct > MOST_VALUES:
        raise UserError(
            f"The label '{name}' has {distinct:,} values, and a class has several rows. Choose another --label."
        )
    return _category(name, cells, 0)


def _category(name: str, cells: Any, missing: int, notes: tuple[str, ...] = ()) -> Read:
    found = cells.value_counts()
    order = sorted(found.index, key=lambda value: (str(type(value)), value))
    values: list[Value] = [plain(value) for value in order]
    counts = [int(found[value]) for value in order]
    if len(values) > MOST_VALUES:
        keep = {plain(value) for value in found.index[: MOST_VALUES - 1]}
        rare = sum(count for value, count in zip(values, counts, strict=True) if value not in keep)
        notes = (
            *notes,
            f"Column '{name}' has {len(values):,} values: the {MOST_VALUES - 1} most frequent stay, the rest, "
            f"{rare:,} cells, is '{OTHER}'.",
        )
        chosen = [(value, count) for value, count in zip(values, counts, strict=True) if value in keep]
        values, counts = [value for value, _ in chosen] + [OTHER], [count for _, count in chosen] + [rare]
    if missing:
        values, counts = [*values, None], [*counts, missing]
    column = Column(
        name=name,
        kind="category",
        dtype=str(cells.dtype),
        values=tuple(values),
        counts=tuple(counts),
        missing=missing,
    )
    return Read(column, notes)


def _numbers(name: str, cells: Any, missing: int, distinct: int) -> Read:
    values = cells.astype(np.float64).to_numpy(np.float64, na_value=np.nan)
    if np.isinf(values).any():
        raise UserError(f"Column '{name}' has {int(np.isinf(values).sum())} infinite numbers. Leave those cells empty.")
    known = values[~np.isnan(values)]
    if distinct <= FEW_NUMBERS and REPEATS * distinct <= len(known):
        return _category(name, cells, missing)
    whole = bool((known == known.round()).all())
    if whole and not missing and distinct == len(known) >= LEAST_UNIQUE and np.ptp(known) == len(known) - 1:
        return _left_out(name, cells, "numbers the rows")
    return Read(_modes(Column(name=name, kind="number", dtype=str(cells.dtype), missing=missing), known))


def _left_out(name: str, cells: Any, why: str) -> Read:
    column = Column(name=name, kind="left out", dtype=str(cells.dtype))
    note = f"Column '{name}' {why}: it is left out, and new rows do not have it."
    return Read(column, (note,))


def _texts(name: str, cells: Any, missing: int, distinct: int) -> Read:
    """Text, categories, booleans with gaps, or a mixture of these."""
    known = cells.dropna()
    if str(cells.dtype) == "category" or known.map(lambda cell: isinstance(cell, bool | np.bool_)).all():
        return _category(name, cells, missing)
    types = sorted({type(cell).__name__ for cell in known})
    if known.map(lambda cell: isinstance(cell, int | float) and not isinstance(cell, bool)).all():
        return _numbers(name, cells.astype(np.float64), missing, distinct)
    if len(types) > 1:
        notes = (f"Column '{name}' mixes {' and '.join(types)}: each value is taken as text.",)
        return _category(name, cells.map(str, na_action="ignore"), missing, notes)
    form = date_form(known)
    if form is not None:
        return Read(_dates(name, cells, missing, form))
    if distinct >= LEAST_UNIQUE and distinct >= UNIQUE * len(known):
        return _left_out(name, cells, "names each row, as an identifier does")
    return _category(name, cells, missing, _half_numbers(name, known))


def _half_numbers(name: str, known: Any) -> tuple[str, ...]:
    """A note where some, but not all text is a number: a mark for missing cells, as a rule."""
    import pandas as pd

    number = pd.to_numeric(known, errors="coerce").notna()
    if number.all() or number.mean() < 0.1:
        return ()
    example = known[~number].iloc[0]
    return (
        f"Column '{name}' holds numbers and text, such as '{example}': its values are taken as text. If that stands "
        "for a missing cell, empty those cells.",
    )


def date_form(known: Any) -> str | None:
    """How all of these cells of text are dates, as strftime has it; None where they are none."""
    import pandas as pd

    for form in DATE_FORMS:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                pd.to_datetime(known, format=form)
        except (ValueError, TypeError):
            continue
        return form
    return None


def _dates(name: str, cells: Any, missing: int, form: str | None) -> Column:
    seconds = seconds_of(cells, form)
    known = seconds[~np.isnan(seconds)]
    daily = bool((known % 86_400 == 0).all())
    column = Column(
        name=name,
        kind="date",
        dtype=str(cells.dtype),
        missing=missing,
        unit="D" if daily else "s",
        form=form,
    )
    return _modes(column, known / (86_400 if daily else 1))


def seconds_of(cells: Any, form: str | None) -> Float[np.ndarray, " n"]:
    """Since 1970; NaN where a date is missing."""
    import pandas as pd

    dates = pd.to_datetime(cells, format=form) if form else cells
    if getattr(dates.dtype, "tz", None) is not None:
        dates = dates.dt.tz_convert("UTC").dt.tz_localize(None)
    stamps = dates.to_numpy("datetime64[us]")
    seconds = (stamps - EPOCH.astype("datetime64[us]")) / np.timedelta64(1, "s")
    return np.where(np.isnat(stamps), np.nan, seconds)


def _modes(column: Column, known: Float[np.ndarray, " m"]) -> Column:
    """The column with the modes of a variational Gaussian mixture of at most ten (section 4.2)."""
    require("sklearn", "tables", "Learning from tables")
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import BayesianGaussianMixture

    mean, deviation = float(known.mean()), float(known.std()) or 1.0
    sample = known
    if len(known) > FIT_ROWS:
        sample = known[numpy_stream(0, "rows of a mixture").permutation(len(known))[:FIT_ROWS]]
    mixture = BayesianGaussianMixture(
        n_components=min(MODES, len(np.unique(sample))),
        weight_concentration_prior_type="dirichlet_process",
        weight_concentration_prior=0.001,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a mixture that still moves a little does as well
        mixture.fit(((sample - mean) / deviation)[:, None])
    kept = mixture.weights_ > LEAST_WEIGHT
    means = mixture.means_[kept, 0] * deviation + mean
    deviations = np.sqrt(mixture.covariances_[kept, 0, 0]) * deviation
    return replace(
        column,
        means=tuple(means.tolist()),
        deviations=tuple(deviations.tolist()),
        weights=tuple((mixture.weights_[kept] / mixture.weights_[kept].sum()).tolist()),
        mean=mean,
        deviation=deviation,
        low=float(known.min()),
        high=float(known.max()),
        decimals=0 if column.kind == "date" else decimals_of(known),
    )


def decimals_of(known: Float[np.ndarray, " m"]) -> int | None:
    """Digits after the point that these numbers have at most; None for more than 6."""
    for digits in range(7):
        if np.allclose(known, known.round(digits), rtol=1e-9, atol=0):
            return digits
    return None


def plain(value: Any) -> Value:
    """A cell as JSON can hold it; None where it is missing."""
    import pandas as pd

    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if value is None or pd.isna(value):
        return None
    return float(value) if isinstance(value, float | np.floating) else str(value)


def encode(spec: TableSpec, frame: Any, seed: int = 0) -> Codes:
    """The rows of a DataFrame as numbers and places; `seed` decides between modes that overlap.

    Raises:
        UserError: a column is missing, holds something else, or a value that the spec has not.
    """
    numbers = np.zeros((len(frame), len(spec.blocks)), np.float32)
    places = np.zeros((len(frame), len(spec.blocks)), np.int32)
    for index, block in enumerate(spec.blocks):
        column = spec.columns[block.column]
        cells = frame[column.name]
        if column.kind == "category":
            places[:, index] = _places(column, cells)
            continue
        draw = numpy_stream(seed, "modes", block.column).random(len(frame))
        numbers[:, index], places[:, index] = place_in_modes(column, numbers_of(column, cells), draw)
    return Codes(numbers=numbers, places=places)


def numbers_of(column: Column, cells: Any) -> Float[np.ndarray, " n"]:
    """The cells of a column of numbers or dates as float64, dates in the column's unit; NaN where they are missing.

    Raises:
        UserError: they are none.
    """
    try:
        if column.kind == "date":
            return seconds_of(cells, column.form) / (86_400 if column.unit == "D" else 1)
        return np.asarray(cells.astype(np.float64).to_numpy(np.float64, na_value=np.nan))
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"Column '{column.name}' holds more than {column.kind}s ({error}).") from error


def _places(column: Column, cells: Any) -> Int32[np.ndarray, " n"]:
    import pandas as pd

    known = {_key(value): place for place, value in enumerate(column.values)}
    rest = known.get(_key(OTHER)) if len(column.values) >= MOST_VALUES else None
    numbers, distinct = pd.factorize(cells.astype(object), use_na_sentinel=False)
    found = [known.get(_key(plain(cell)), rest) for cell in distinct]
    if None in found:
        odd = distinct[found.index(None)]
        raise UserError(
            f"Column '{column.name}' holds {odd!r}, which it has not in the data that was learnt from: "
            f"{', '.join(column.labels()[:10])}."
        )
    return np.array(found, np.int32)[numbers]


def _key(value: Value) -> Value:
    """Values that count as the same: 1, 1.0 and '1' are, True and 1 are not."""
    if value is None or isinstance(value, bool):
        return f"\0{value}"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def decode(spec: TableSpec, codes: Codes) -> Any:
    """Rows as a DataFrame with the columns and types of the table, without those that were left out."""
    pd = require("pandas", "tables", "Writing tables")
    made = {spec.columns[block.column].name: _cells(spec, codes, index) for index, block in enumerate(spec.blocks)}
    for column in spec.columns:
        if column.kind == "constant":
            made[column.name] = _typed(column, [column.values[0]] * len(codes))
    order = [column.name for column in spec.columns if column.kind != "left out"]
    return pd.DataFrame(made, columns=order)


def _cells(spec: TableSpec, codes: Codes, index: int) -> Any:
    column = spec.columns[spec.blocks[index].column]
    if column.kind == "category":
        return _typed(column, [column.values[place] for place in codes.places[:, index]])
    numbers = values_of(spec, codes, index)
    if column.kind == "number":
        return _typed(column, numbers)
    import pandas as pd

    step = np.timedelta64(1, column.unit)  # type: ignore[call-overload]
    stamps = np.where(np.isnan(numbers), np.datetime64("NaT"), EPOCH + np.nan_to_num(numbers).astype(np.int64) * step)
    dates = pd.Series(stamps.astype("datetime64[us]"))
    return dates.dt.strftime(column.form) if column.form else _typed(column, dates)


def _typed(column: Column, cells: Any) -> Any:
    """Cells as a Series of the type that the column had, or of the nearest that can hold them."""
    import pandas as pd

    tries: tuple[Callable[[], Any], ...] = (
        lambda: pd.Series(cells, dtype=column.dtype),
        lambda: pd.Series(cells).astype(column.dtype),
        lambda: pd.Series(cells, dtype=object),
    )
    for attempt in tries:
        try:
            return attempt()
        except (TypeError, ValueError, OverflowError):
            continue
    raise AssertionError("an object column holds anything")
