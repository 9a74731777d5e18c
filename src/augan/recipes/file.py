"""Settings in a file: written with what each one means, and read back strictly (TOML)."""

from __future__ import annotations

import dataclasses
import json
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from augan.core.config import meanings, to_dict
from augan.core.errors import UserError, unknown_name
from augan.core.files import disk_errors
from augan.training import RunConfig

GROUPS = ("data", "networks", "game", "training")
PLAIN = ("recipe", "seed")
WIDTH = 100

HEAD = """# Settings of augan. Train with them:  augan train --config {name}
#
# A line that begins with '# ' and a setting is what {whose}: take the '# ' away to change it.
# Options on the command line win over this file. Unknown names are errors. Paths start from where you call augan.
"""


def config_text(config: RunConfig, name: str, chosen: bool) -> str:
    """A file with every setting, its meaning above it; all but data, recipe, seed and budget commented out.

    Args:
        config: whose values are shown.
        name: of the file, for the command in its head.
        chosen: whether a recipe chose the values by the data, or they are the classes' defaults.
    """
    whose = "the recipe chose for this data" if chosen else "holds where a recipe does not choose otherwise"
    lines = [HEAD.format(name=name, whose=whose), f"recipe = {_toml('auto')}", f"seed = {config.seed}"]
    values, kinds = to_dict(config), typing.get_type_hints(RunConfig)
    for group in GROUPS:
        lines += ["", f"[{group}]"]
        told = meanings(kinds[group])
        for entry in dataclasses.fields(kinds[group]):
            lines += _wrapped(told[entry.name])
            lines.append(_line(f"{group}.{entry.name}", values[group][entry.name]))
    return "\n".join(lines) + "\n"


ACTIVE = ("data.path", "training.minutes", "training.images")


def _line(key: str, value: Any) -> str:
    name = key.partition(".")[2]
    if value is None:
        return f"# {name} =   # not set"
    return f"{'' if key in ACTIVE else '# '}{name} = {_toml(value)}"


def _toml(value: Any) -> str:
    """JSON of a number, text, truth or list of these is TOML too."""
    return json.dumps(value, ensure_ascii=False)


def _wrapped(text: str) -> list[str]:
    """A meaning as lines of comment, marked by two '#'."""
    lines, words = [""], text.split()
    for word in words:
        if len(lines[-1]) + len(word) > WIDTH:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return [f"## {line}" for line in lines]


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What a file asks for, as `augan.train` takes it."""

    data: str | None = None
    recipe: str | None = None
    seed: int | None = None
    minutes: float | None = None
    images: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def without(self, *keys: str) -> list[str]:
        """The settings as --set takes them, without those that the command line decides."""
        return [f"{key}={json.dumps(value)}" for key, value in self.settings.items() if key not in keys]


def read_wishes(path: Path) -> Wishes:
    """What a file asks for; names and values of settings are checked where they are put to use.

    Raises:
        UserError: no such file, no TOML, a name that is not known.
    """
    try:
        with disk_errors(path):
            found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not TOML ({error}). `augan init` writes such a file.") from error
    for name, value in found.items():
        if name not in (*GROUPS, *PLAIN):
            raise unknown_name(f"name in {path}:", name, (*GROUPS, *PLAIN))
        if isinstance(value, dict) != (name in GROUPS):
            raise UserError(
                f"{path}: '{name}' is {'a value' if name in PLAIN else 'a group of settings, [' + name + ']'}."
            )
    flat = {f"{group}.{name}": value for group in GROUPS for name, value in found.get(group, {}).items()}
    kinds = {"recipe": str, "seed": int, "data.path": str, "training.minutes": (int, float), "training.images": int}
    apart = {key: found.get(key, flat.pop(key, None)) for key in kinds}
    for key, value in apart.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, kinds[key])):  # type: ignore[arg-type]
            raise UserError(
                f"{path}: {key} = {value!r} is of the wrong kind. `augan init` writes a file to start from."
            )
    return Wishes(
        data=apart["data.path"],
        recipe=apart["recipe"],
        seed=apart["seed"],
        minutes=apart["training.minutes"],
        images=apart["training.images"],
        settings=flat,
    )
