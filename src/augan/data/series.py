"""Tables whose rows are moments, and arrays of windows, as time series."""

from __future__ import annotations

import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from augan.core.errors import UserError, unknown_name
from augan.core.item import ItemSpec
from augan.core.series import STEP, WINDOW, SeriesColumn, SeriesSpec
from augan.core.table import text_of
from augan.data.arrays import LABEL_KEYS
from augan.data.columns import MOST_VALUES, date_form, decimals_of, plain, seconds_of
from augan.data.labels import encode_labels
from augan.data.tables import frame_of, is_frame
from augan.data.windows import SeriesSource, Strand, Windowing, cut, filled, source_of_cut, spaced, spread_out

WINDOW_KEYS = ("windows", "series", "x", "X", "data", "x_train", "X_train", "arr_0")
LEAST_COUNTED = 5
"""A column of so many rows and more that counts them is an index."""


def holds_windows(path: Path) -> bool:
    """Whether an .npz is one of windows, as `generate` writes it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return "windows.npy" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def is_series(data: Any, kind: str | None, windowing: Windowing) -> bool:
    """Whether `open` reads this as time series.

    Raises:
        UserError: windows are asked of another kind.
    """
    if kind not in (None, "series"):
        if windowing != Windowing():
            raise UserError(f"data.window and what goes with it are for series, and --kind is {kind}.")
        return False
    if kind == "series" or windowing.window is not None:
        return True
    if windowing != Windowing():
        raise UserError("This becomes time series by a window: say how many moments, --set data.window=24.")
    return isinstance(data, str | Path) and str(data).lower().endswith(".npz") and holds_windows(Path(data))


def open_series(
    data: Any, windowing: Windowing, label: str | None, name: str, like: ItemSpec | None = None
) -> SeriesSource:
    """Tables or arrays as windows; `like` others, if given: with their columns, scales, classes and length.

    Raises:
        UserError: what is wrong with the data, and what to do about it.
    """
    path = Path(data).expanduser() if isinstance(data, str | Path) else None
    arrays = _arrays(data, path)
    if arrays is None:
        frame = _named_index(frame_of(data))
        return _of_frame(frame, windowing, label, name, path, like)
    if label is not None:
        raise UserError("--label names the column of a table; of arrays, labels are a second array.")
    return _of_arrays(*arrays, windowing, name, path, like)


def _spec(item: ItemSpec) -> SeriesSpec:
    assert item.series is not None
    return item.series


# ---------------------------------------------------------------------- tables


def _named_index(frame: Any) -> Any:
    """An index with dates or a name as a column."""
    if frame.index.name is not None or frame.index.dtype.kind == "M":
        name = frame.index.name or "time"
        if name not in frame.columns:
            return frame.rename_axis(index=name).reset_index()
    return frame.reset_index(drop=True)


def _of_frame(
    frame: Any, windowing: Windowing, label: str | None, name: str, path: Path | None, like: ItemSpec | None
) -> SeriesSource:
    frame.columns = [str(column) for column in frame.columns]
    twice = [column for column, count in Counter(frame.columns).items() if count > 1]
    if twice:
        raise UserError(f"Two columns are called '{twice[0]}'. Give each a name of its own.")
    written = {WINDOW, STEP} <= set(frame.columns) and (
        windowing.series in (None, WINDOW) or (like is not None and windowing.series not in frame.columns)
    )
    series, time = (WINDOW, STEP) if written else (windowing.series, windowing.time)
    for column in (series, time, label, *(windowing.columns or ())):
        if column is not None and column not in frame.columns:
            raise unknown_name("column", column, list(frame.columns))
    window = windowing.window or (None if like is None else like.width)
    if window is None and not written:
        raise UserError("Say how many moments a window has: --set data.window=24.")
    time = time or _dates(frame, (series, label))
    frame, stamps, notes = _sorted(frame, series, time)
    strides = frame.groupby(series, sort=False).indices if series is not None else {"": np.arange(len(frame))}
    rows = [np.sort(found) for found in strides.values()]
    if written:
        window = window or max(len(found) for found in rows)
    assert window is not None
    chosen, more = _chosen(frame, rows, windowing, {series, time, label} - {None}, like)
    values = np.stack([_numbers(frame[column]) for column in chosen], 1)
    numbers, names = _classes(frame, label, like)
    strands, told = _strands(values, numbers, rows, stamps, windowing.fill, time)
    if like is None:
        columns, constants = _columns(frame, chosen, values)
        spec = SeriesSpec(
            columns=columns,
            label=label,
            series=None if written else series,
            time=None if written else time,
            stride=window if written else windowing.stride,
            fill=windowing.fill,
        )
        strands = _learnt(strands, columns)
    else:
        spec, constants = _spec(like), ()
    stride = window if written else windowing.stride
    found = cut(strands, window, stride)
    return source_of_cut(found, spec, window, names, name, path, (*notes, *more, *constants, *told))


def _dates(frame: Any, taken: tuple[str | None, ...]) -> str | None:
    """The only column of dates; None where there is none.

    Raises:
        UserError: there are several.
    """
    found = [
        name
        for name in frame.columns
        if name not in taken and (frame[name].dtype.kind == "M" or (_is_text(frame[name]) and _dated(frame[name])))
    ]
    if len(found) > 1:
        raise UserError(
            f"Columns '{found[0]}' and '{found[1]}' both hold dates. Say which one orders the rows, "
            "--set data.time=COLUMN, and take the other out."
        )
    return found[0] if found else None


def _is_text(cells: Any) -> bool:
    return str(cells.dtype) in ("object", "str", "string", "category")


def _dated(cells: Any) -> bool:
    known = cells.dropna()
    return bool(len(known)) and all(isinstance(cell, str) for cell in known) and date_form(known) is not None


def _sorted(frame: Any, series: str | None, time: str | None) -> tuple[Any, np.ndarray | None, list[str]]:
    """Rows by time within each series, the times in seconds or numbers, and notes.

    Raises:
        UserError: a row without a time or series; two rows of one moment.
    """
    if series is not None and frame[series].isna().any():
        raise UserError(f"{int(frame[series].isna().sum())} rows have no '{series}', which says whose they are.")
    if time is None:
        return frame, None, []
    cells = frame[time]
    if cells.dtype.kind in "iuf":
        stamps = cells.to_numpy(np.float64, na_value=np.nan)
    elif cells.dtype.kind == "M" or _dated(cells):
        form = None if cells.dtype.kind == "M" else date_form(cells.dropna())
        stamps = seconds_of(cells, form)
    else:
        raise UserError(f"Column '{time}' holds neither dates nor numbers, and cannot order the rows.")
    if np.isnan(stamps).any():
        raise UserError(f"{int(np.isnan(stamps).sum())} rows have no '{time}': when they are is not known.")
    whose = np.zeros(len(frame), np.int64) if series is None else frame[series].factorize()[0]
    order = np.lexsort((stamps, whose))
    steps, same = np.diff(stamps[order]), np.diff(whose[order]) == 0
    if (same & (steps == 0)).any():
        row = order[int((same & (steps == 0)).argmax())]
        raise UserError(
            f"Two rows are of one moment, {time}={plain(cells.iloc[row])}. If they are of different series, say which "
            "column tells, --set data.series=COLUMN."
        )
    notes = []
    by_series = np.argsort(whose, kind="stable")
    if ((np.diff(stamps[by_series]) < 0) & (np.diff(whose[by_series]) == 0)).any():
        notes.append(f"Rows are not in the order of '{time}', and were put into it.")
    return frame.iloc[order].reset_index(drop=True), stamps[order], notes


def _chosen(
    frame: Any, rows: list[np.ndarray], windowing: Windowing, taken: set[str | None], like: ItemSpec | None
) -> tuple[list[str], list[str]]:
    """The columns to learn from, and notes.

    Raises:
        UserError: one holds no numbers, or infinite ones; none is left.
    """
    if like is not None:
        wanted = [column.name for column in _spec(like).learnt]
        missing = [column for column in wanted if column not in frame.columns]
        if missing:
            raise UserError(f"The table has no column '{missing[0]}', which the other has.")
    else:
        wanted = list(windowing.columns or [name for name in frame.columns if name not in taken])
    chosen, notes = [], []
    for name in wanted:
        if like is None and name in (WINDOW, STEP):
            raise UserError(f"A column is called '{name}', which written windows have one of. Rename it.")
        cells = frame[name]
        if cells.dtype.kind not in "iufb" and cells.nunique() > 1:
            raise UserError(
                f"Column '{name}' holds {'text' if _is_text(cells) else cells.dtype}, and series are of numbers. Say "
                "what it is (--label, data.series, data.time), or which columns to learn: --set data.columns=[A,B]."
            )
        if cells.dtype.kind in "f" and np.isinf(cells.to_numpy()).any():
            raise UserError(f"Column '{name}' has infinite numbers. Leave those cells empty.")
        if like is None and windowing.columns is None and _counts(cells, rows):
            notes.append(f"Column '{name}' counts the rows: it is left out, and new windows do not have it.")
            continue
        chosen.append(name)
    if not chosen:
        raise UserError("No column of the table is left to learn from.")
    return chosen, notes


def _counts(cells: Any, rows: list[np.ndarray]) -> bool:
    """Whether whole numbers go up by one from each row of every series to the next."""
    if cells.dtype.kind not in "iu" or len(cells) < LEAST_COUNTED:
        return False
    values = cells.to_numpy()
    return all((np.diff(values[own]) == 1).all() for own in rows)


def _numbers(cells: Any) -> Float[np.ndarray, " n"]:
    if cells.dtype.kind not in "iufb":  # constant text, which is not learnt
        return np.zeros(len(cells))
    return np.asarray(cells.astype(np.float64).to_numpy(np.float64, na_value=np.nan))


def _classes(
    frame: Any, label: str | None, like: ItemSpec | None
) -> tuple[Int64[np.ndarray, " n"] | None, tuple[str, ...] | None]:
    """The class of each row, and the classes.

    Raises:
        UserError: missing ones, one class only, more than 100, one that the other has not.
    """
    if label is None:
        return None, None
    cells = frame[label]
    if cells.isna().any():
        raise UserError(
            f"{int(cells.isna().sum())} rows have no '{label}', the label. Fill them in, or leave them out."
        )
    texts = [text_of(plain(cell)) for cell in cells]
    if like is not None:
        return encode_labels(np.array(texts), len(texts), like.class_names)
    order = sorted(set(cells), key=lambda value: (str(type(value)), value))
    names = tuple(text_of(plain(value)) for value in order)
    if len(names) < 2:
        raise UserError(f"The label '{label}' is the same in every row: there are no classes.")
    if len(names) > MOST_VALUES:
        raise UserError(f"The label '{label}' has {len(names):,} values, and a class has several windows.")
    return encode_labels(np.array(texts), len(texts), names)


def _strands(
    values: np.ndarray,
    labels: np.ndarray | None,
    rows: list[np.ndarray],
    stamps: np.ndarray | None,
    fill: int,
    time: str | None,
) -> tuple[list[Strand], list[str]]:
    """Each series, with missing moments in their place and short holes filled; and notes."""
    strands, moments, uneven = [], 0, 0
    for own in rows:
        strand = Strand(values[own], None if labels is None else labels[own])
        if stamps is not None:
            places, even = spaced(stamps[own], fill)
            uneven += not even
            strand = spread_out(strand, places)
        whole, count = filled(strand.values, fill)
        moments += count
        strands.append(Strand(whole, strand.labels))
    notes = []
    if uneven:
        notes.append(f"'{time}' is not evenly spaced: rows are taken one after another.")
    if moments:
        notes.append(f"{moments:,} moments were missing, or had empty cells, and lie on straight lines between others.")
    return strands, notes


def _columns(frame: Any, chosen: list[str], values: np.ndarray) -> tuple[tuple[SeriesColumn, ...], tuple[str, ...]]:
    """What the columns are, and notes on constant ones.

    Raises:
        UserError: all are.
    """
    found, notes = [], []
    for place, name in enumerate(chosen):
        known = values[~np.isnan(values[:, place]), place]
        if len(known) and np.ptp(known) > 0:
            found.append(described(name, str(frame[name].dtype), known))
            continue
        filled_in = frame[name].dropna()
        value = plain(filled_in.iloc[0]) if len(filled_in) else None
        found.append(SeriesColumn(name=name, dtype=str(frame[name].dtype), constant=True, value=value))
        what = "the same in every row" if len(filled_in) else "empty"
        notes.append(f"Column '{name}' is {what}: it is not learnt from, and written back as it was.")
    if all(column.constant for column in found):
        raise UserError("No column of the series is left to learn from: each is constant or empty.")
    return tuple(found), tuple(notes)


def _learnt(strands: list[Strand], columns: tuple[SeriesColumn, ...]) -> list[Strand]:
    """Without constant columns."""
    kept = [place for place, column in enumerate(columns) if not column.constant]
    return [Strand(strand.values[:, kept], strand.labels) for strand in strands]


def described(name: str, dtype: str, known: Float[np.ndarray, " m"]) -> SeriesColumn:
    """A column of these numbers, which are not all the same."""
    return SeriesColumn(
        name=name,
        dtype=dtype,
        low=float(known.min()),
        high=float(known.max()),
        mean=float(known.mean()),
        deviation=float(known.std()),
        decimals=decimals_of(known),
    )


# ---------------------------------------------------------------------- arrays


def _arrays(data: Any, path: Path | None) -> tuple[np.ndarray, Any, Any, tuple[str, ...] | None] | None:
    """(windows, labels, class names, columns) of arrays and files of these; None for tables."""
    if path is not None:
        if path.suffix.lower() not in (".npy", ".npz"):
            return None
        try:
            loaded = np.load(path, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded, None, None, None
            with loaded:
                arrays = {name: loaded[name] for name in loaded.files}
        except FileNotFoundError as error:
            raise UserError(f"{path} does not exist. Check the path.") from error
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(f"{path} is damaged, or holds Python objects ({error}). Write it again.") from error
        key = next((name for name in WINDOW_KEYS if name in arrays), None)
        if key is None:
            raise UserError(f"{path} has no array named 'windows'. Save it with numpy.savez(path, windows=...).")
        labels = next((arrays[name] for name in LABEL_KEYS if name in arrays), None)
        names = arrays.get("class_names")
        columns = arrays.get("columns")
        return arrays[key], labels, names, None if columns is None else tuple(str(name) for name in columns)
    if is_frame(data):
        return None
    if isinstance(data, tuple) and len(data) == 2:
        return np.asarray(data[0]), np.asarray(data[1]), None, None
    try:
        return np.asarray(data), None, None, None
    except ValueError as error:
        raise UserError("Series of different lengths make no array. Give a table with a column of series.") from error


def _of_arrays(
    windows: np.ndarray,
    labels: Any,
    class_names: Any,
    names: tuple[str, ...] | None,
    windowing: Windowing,
    name: str,
    path: Path | None,
    like: ItemSpec | None,
) -> SeriesSource:
    if windowing.series is not None or windowing.time is not None or windowing.columns is not None:
        raise UserError("data.series, data.time and data.columns name columns of a table, and this is an array.")
    if windows.ndim not in (2, 3) or windows.dtype.kind not in "iufb" or not windows.size:
        raise UserError(
            f"An array of shape {windows.shape} and type {windows.dtype} is no set of series. Give numbers of shape "
            "(series, moments, columns)."
        )
    values = windows.astype(np.float64).reshape(*windows.shape[:2], -1)
    if np.isinf(values).any():
        raise UserError("The series hold infinite numbers. Put NaN there.")
    numbers, known = _array_classes(labels, class_names, len(values), like)
    notes: list[str] = []
    if like is None:
        columns, notes = _array_columns(values, names, str(windows.dtype))
        label = None if numbers is None else "label"
        spec = SeriesSpec(columns=columns, label=label, stride=windowing.stride, fill=windowing.fill)
        kept = [place for place, column in enumerate(columns) if not column.constant]
    else:
        spec, kept = _spec(like), list(range(values.shape[2]))
        if len(kept) != len(spec.learnt):
            raise UserError(f"The series have {len(kept)} columns, and {len(spec.learnt)} are expected.")
    wholes = [filled(one[:, kept], windowing.fill) for one in values]
    moments = sum(whole.moments for whole in wholes)
    if moments:
        notes.append(f"{moments:,} moments had empty cells, which lie on straight lines between others.")
    strands = [
        Strand(whole.values, None if numbers is None else np.full(len(whole.values), numbers[row], np.int64))
        for row, whole in enumerate(wholes)
    ]
    length = windowing.window or (values.shape[1] if like is None else like.width)
    found = cut(strands, length, windowing.stride)
    return source_of_cut(found, spec, length, known, name, path, tuple(notes))


def _array_classes(
    labels: Any, class_names: Any, count: int, like: ItemSpec | None
) -> tuple[Int64[np.ndarray, " n"] | None, tuple[str, ...] | None]:
    """The class of each series, and the classes: those of `like`, if given."""
    if labels is None:
        return None, None
    given = None if class_names is None else [str(one) for one in class_names]
    numbers, known = encode_labels(np.asarray(labels), count, given)
    if like is not None and known != like.class_names:
        return encode_labels(np.array(known)[numbers], count, like.class_names)
    return numbers, known


def _array_columns(
    values: Float[np.ndarray, "n m c"], names: tuple[str, ...] | None, dtype: str
) -> tuple[tuple[SeriesColumn, ...], list[str]]:
    """What the columns of an array are, and notes on constant ones.

    Raises:
        UserError: all are; another number of names.
    """
    names = names or tuple(f"column{place}" for place in range(values.shape[2]))
    if len(names) != values.shape[2]:
        raise UserError(f"There are {len(names)} names of {values.shape[2]} columns.")
    columns, notes = [], []
    for place, name in enumerate(names):
        cells = values[..., place][~np.isnan(values[..., place])]
        if len(cells) and np.ptp(cells) > 0:
            columns.append(described(name, dtype, cells))
            continue
        value = float(cells[0]) if len(cells) else None
        columns.append(SeriesColumn(name=name, dtype=dtype, constant=True, value=value))
        notes.append(f"Column '{name}' never changes: it is not learnt from.")
    if all(column.constant for column in columns):
        raise UserError("No column of the series is left to learn from: each is constant or empty.")
    return tuple(columns), notes
