"""Strict configuration: frozen keyword-only dataclasses, in and out of JSON, with one-line errors."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import typing
from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from augan.core.errors import UserError, unknown_name

T = TypeVar("T")

STRICT = ConfigDict(extra="forbid", validate_default=True)
"""For `pydantic.dataclasses.dataclass(config=STRICT, frozen=True, kw_only=True)`: unknown keys are errors."""


def to_dict(config: Any) -> dict[str, Any]:
    """Plain JSON values of a configuration."""
    value: dict[str, Any] = TypeAdapter(type(config)).dump_python(config, mode="json")
    return value


def from_dict(kind: type[T], value: dict[str, Any]) -> T:
    """The configuration that `value` describes.

    Raises:
        UserError: an unknown key (the known ones are listed) or a value of the wrong kind.
    """
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise _one_line(kind, error) from error


def override(config: T, assignments: Iterable[str]) -> T:
    """A copy of `config` with `key.path=value` assignments applied; values are JSON, or else plain text.

    >>> override(config, ["training.batch=32", "networks.name=article"])  # doctest: +SKIP
    """
    values = to_dict(config)
    for assignment in assignments:
        path, separator, text = assignment.partition("=")
        if not separator:
            raise UserError(f"--set takes key=value, and '{assignment}' has no '='. Example: --set training.batch=32")
        *parents, leaf = path.strip().split(".")
        node, kind = values, type(config)
        for parent in parents:
            _check_key(kind, parent, path)
            if not isinstance(node.get(parent), dict):
                raise UserError(f"--set {path}: '{parent}' holds a plain value, not a group of settings.")
            node, kind = node[parent], _field_type(kind, parent)
        _check_key(kind, leaf, path)
        node[leaf] = _field_value(kind, leaf, text.strip())
    return from_dict(type(config), values)


def _field_value(kind: Any, name: str, text: str) -> Any:
    """JSON, or plain text; text stays text where a setting takes text ("8" for a size), one name makes a list."""
    value, wanted = _parse(text), _field_type(kind, name)
    if isinstance(value, int | float) and not isinstance(value, bool) and wanted in (str, str | None):
        return text
    return [value] if typing.get_origin(wanted) is tuple and isinstance(value, str) else value


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return None if text in ("None", "none") else text


def _field_type(kind: Any, name: str) -> Any:
    return typing.get_type_hints(kind)[name]


def _check_key(kind: Any, name: str, path: str) -> None:
    if not dataclasses.is_dataclass(kind):
        return
    names = [field.name for field in dataclasses.fields(kind)]
    if name not in names:
        raise unknown_name(f"setting in '{path}':", name, names)


def meanings(kind: Any) -> dict[str, str]:
    """The meaning of each field of a configuration class, from its docstring's section `Attributes:`."""
    section = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2]
    found: dict[str, str] = {}
    for entry in re.split(r"\n    (?=\S)", "\n" + section.rstrip()):
        names, _, text = entry.strip().partition(": ")
        for name in names.split(", "):
            found[name] = " ".join(text.split())
    return found


def _one_line(kind: Any, error: ValidationError) -> UserError:
    parts = []
    for item in error.errors():
        where = ".".join(str(step) for step in item["loc"])
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, UserError):  # a configuration's own check has said it all
            return cause
        if item["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
            owner = kind
            for step in item["loc"][:-1]:
                owner = _field_type(owner, str(step))
            return unknown_name(
                f"setting in '{where}':", str(item["loc"][-1]), [f.name for f in dataclasses.fields(owner)]
            )
        parts.append(f"{where}: {item['msg']} (got {item.get('input')!r})")
    return UserError("Wrong setting: " + "; ".join(parts) + ".")
