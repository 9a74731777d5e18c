"""How every trainer stores what it goes on with: states of networks and optimisers, and counters."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from augan.checkpoint import pack, read_tensors, unpack
from augan.core.errors import UserError
from augan.core.files import read_json

Numbers = TypeVar("Numbers")


def packed(parts: Mapping[str, Any], counters: Any) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors, document) of what has a `state_dict`, by name, and of a dataclass of small numbers.

    Infinite counters are null in the document, as JSON has no infinity.
    """
    tensors: dict[str, Tensor] = {}
    structures: dict[str, Any] = {}
    for name, part in parts.items():
        found, structures[name] = pack(part.state_dict(), name)
        tensors |= found
    numbers = {name: None if value == math.inf else value for name, value in vars(counters).items()}
    return tensors, {"counters": numbers, "parts": structures}


@dataclass(frozen=True)
class Stored:
    """What a checkpoint folder holds to go on with."""

    name: str
    tensors: dict[str, Tensor]
    document: dict[str, Any]

    @classmethod
    def read(cls, checkpoint: Path) -> Stored:
        """Reads it.

        Raises:
            UserError: files missing or damaged.
        """
        tensors = read_tensors(checkpoint / "training.safetensors")
        return cls(str(checkpoint), tensors, read_json(checkpoint / "training.json"))

    def fill(self, parts: Mapping[str, Any], device: torch.device) -> None:
        """Gives each part its state.

        Raises:
            UserError: it is of networks with another structure.
        """
        tensors = {key: value.to(device) for key, value in self.tensors.items()}
        try:
            for name, part in parts.items():
                part.load_state_dict(unpack(self.document["parts"][name], tensors))
        except (RuntimeError, ValueError, KeyError) as error:
            raise misfit(self.name, error) from error

    def counters(self, kind: type[Numbers]) -> Numbers:
        """The small numbers, as the dataclass `kind` has them; null is infinite where the default is."""
        document = {**self.document["counters"]}
        for field in dataclasses.fields(kind):  # type: ignore[arg-type]
            if field.default == math.inf and document[field.name] is None:
                document[field.name] = math.inf
        return kind(**document)


def misfit(name: str, error: Exception) -> UserError:
    """What is said of a checkpoint of other networks."""
    return UserError(f"{name} does not fit these networks: {error}. Resume with the run's own.")
