"""Class labels as they come (integers, text, floats that are whole) to class numbers and names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from augan.core.errors import UserError


def encode_labels(
    values: np.ndarray, count: int, class_names: Sequence[str] | None = None
) -> tuple[Int64[np.ndarray, " n"], tuple[str, ...]]:
    """Labels of `count` items as (numbers, class names).

    Without `class_names`, names are the sorted distinct values as text. With them, values are integers into
    them, or the names themselves.

    Raises:
        UserError: wrong length, shape or type; NaN; floats that are not whole; integers without a name.
    """
    values = np.asarray(values)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise UserError(
            f"Labels have shape {values.shape}, and one number or name for each image was expected, "
            f"shape ({count},)." + (" One-hot labels become numbers with labels.argmax(1)." if values.ndim == 2 else "")
        )
    if len(values) != count:
        raise UserError(f"There are {len(values)} labels for {count} images. Give each image exactly one label.")
    values = _plain(values)
    if class_names is None:
        distinct, numbers = np.unique(values, return_inverse=True)
        return numbers.reshape(-1).astype(np.int64), tuple(str(value) for value in distinct)
    return _into_names(values, tuple(str(name) for name in class_names))


def _plain(values: np.ndarray) -> np.ndarray:
    """Integers or text, or an error."""
    if values.dtype.kind == "O" and all(isinstance(value, str) for value in values):
        return values.astype(str)
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8")
    if values.dtype.kind in "Uiu":
        return values
    if values.dtype.kind == "b":
        return values.astype(np.int64)
    if values.dtype.kind != "f":
        raise UserError(f"Labels of type {values.dtype} are not usable. Give integers or text.")
    nan = ~np.isfinite(values)
    if nan.any():
        raise UserError(
            f"{nan.sum()} labels are NaN or infinite, the first at item {nan.argmax()}. Give each image a class."
        )
    if (values != np.rint(values)).any():
        first = int((values != np.rint(values)).argmax())
        raise UserError(
            f"Labels are classes, and item {first} has {values[first]:g}, which is not whole. Give integers or text."
        )
    return values.astype(np.int64)


def _into_names(values: np.ndarray, names: tuple[str, ...]) -> tuple[np.ndarray, tuple[str, ...]]:
    if len(set(names)) != len(names):
        raise UserError("class_names holds a name twice. Give each class a name of its own.")
    if values.dtype.kind == "U":
        number = {name: i for i, name in enumerate(names)}
        unknown = sorted(set(values.tolist()) - set(names))
        if unknown:
            raise UserError(f"Label '{unknown[0]}' is not among the class_names ({', '.join(names[:10])}).")
        return np.array([number[value] for value in values.tolist()], dtype=np.int64), names
    wrong = (values < 0) | (values >= len(names))
    if wrong.any():
        first = int(wrong.argmax())
        raise UserError(
            f"{wrong.sum()} labels are outside 0 to {len(names) - 1}, where the {len(names)} class "
            "names are: "
            f"item {first} has {values[first]}. Correct the labels or leave these images out."
        )
    return values.astype(np.int64), names
