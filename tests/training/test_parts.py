"""What trainers go on with comes back as it was."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from augan.core.errors import UserError
from augan.training import Stored, packed


@dataclass
class Numbers:
    steps: int = 0
    best: float = math.inf
    last: float | None = None


@pytest.mark.parametrize("numbers", [Numbers(), Numbers(steps=3, best=0.5, last=2.0), Numbers(steps=1, best=0.1)])
def test_counters_pass_through_json(numbers: Numbers) -> None:
    _, document = packed({}, numbers)
    assert Stored("here", {}, json.loads(json.dumps(document, allow_nan=False))).counters(Numbers) == numbers


def test_networks_and_moments_come_back() -> None:
    def players() -> dict[str, nn.Module | torch.optim.Adam]:
        network = nn.Linear(3, 2)
        return {"network": network, "optimizer": torch.optim.Adam(network.parameters())}

    first, second = players(), players()
    network, optimizer = first["network"], first["optimizer"]
    assert isinstance(network, nn.Module)
    assert isinstance(optimizer, torch.optim.Adam)
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    tensors, document = packed(first, Numbers())
    Stored("here", tensors, json.loads(json.dumps(document))).fill(second, torch.device("cpu"))
    again, _ = packed(second, Numbers())
    assert tensors.keys() == again.keys()
    assert any(key.startswith("optimizer") for key in tensors)
    for key, value in tensors.items():
        assert torch.equal(value, again[key]), key


def test_other_networks_are_one_clear_line() -> None:
    tensors, document = packed({"network": nn.Linear(3, 2)}, Numbers())
    with pytest.raises(UserError, match=r"^here does not fit these networks: (.|\n)* Resume with the run's own\.$"):
        Stored("here", tensors, document).fill({"network": nn.Linear(4, 2)}, torch.device("cpu"))
