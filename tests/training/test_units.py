"""Schedules, averages, health, threads, and settings."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from augan.core.config import from_dict, override, to_dict
from augan.core.errors import UserError
from augan.core.threads import CoreMeter, ThreadGovernor, threads_for
from augan.health import diagnose, first_non_finite
from augan.nn import averaged_copy, decay_for, update_average
from augan.training import RunConfig
from augan.training.schedules import cosine, fraction_of


def test_cosine_falls_steadily() -> None:
    values = [cosine(1.0, 0.1, index / 20) for index in range(21)]
    assert values[0] == 1.0
    assert values[-1] == pytest.approx(0.1)
    assert all(a > b for a, b in zip(values, values[1:], strict=False))
    assert fraction_of(50, 0) == 0
    assert fraction_of(50, 100) == 0.5
    assert fraction_of(150, 100) == 1


def test_average_of_constant_steps_has_the_half_life() -> None:
    network = nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(0.0)
    average = averaged_copy(network)
    network.weight.data.fill_(1.0)
    for step in range(10):
        update_average(average, network, decay_for(100, 10, 100_000 + step))
    assert average.weight.item() == pytest.approx(0.5)  # type: ignore[union-attr, operator]


def test_average_follows_closely_at_first() -> None:
    assert decay_for(10_000, 64, 64) < 1e-5
    assert decay_for(10_000, 64, 10**7) == pytest.approx(0.5 ** (64 / 10_000))


def test_average_takes_statistics_along_and_copies_counters() -> None:
    network = nn.BatchNorm2d(2)
    average = averaged_copy(network)
    network(torch.randn(8, 2, 3, 3) + 5)
    update_average(average, network, 0.5)
    torch.testing.assert_close(average.running_mean, network.running_mean / 2)  # type: ignore[operator]
    assert average.num_batches_tracked == 1
    assert not average.training
    assert not any(p.requires_grad for p in average.parameters())


@pytest.mark.parametrize(
    ("values", "diversity", "fraction", "word"),
    [
        ({"loss": math.nan}, 1.0, 0.5, "diverged"),
        ({"loss": math.inf}, None, 0.0, "diverged"),
        ({"loss": 1.0}, 0.05, 0.5, "collapsing"),
        ({"loss": 1.0}, 0.05, 0.1, "healthy"),
        ({"real_logit": 30.0, "fake_logit": -1.0}, 1.0, 0.5, "D wins"),
        ({"real_logit": 1.0, "fake_logit": -1.0}, 1.0, 0.5, "healthy"),
        ({}, None, 0.01, "warming up"),
    ],
)
def test_health(values: dict[str, float], diversity: float | None, fraction: float, word: str) -> None:
    health = diagnose(values, diversity, fraction)
    assert health.word == word
    assert health.good == (word in ("healthy", "warming up"))
    assert health.sentence


def test_first_non_finite_names_the_value() -> None:
    assert first_non_finite({"a": 1.0, "b": math.nan}) == "b"
    assert first_non_finite({"a": 1.0}) is None


@pytest.mark.parametrize(
    ("usable", "free", "threads"), [(2, 2.0, 2), (2, 1.2, 1), (2, 0.0, 1), (8, 5.6, 6), (4, 60, 4)]
)
def test_threads_follow_free_cores(usable: int, free: float, threads: int) -> None:
    assert threads_for(usable, free) == threads


def test_core_meter_does_not_count_ourselves() -> None:
    meter = CoreMeter()
    others = meter.others_busy()
    total = sum(index * index for index in range(2_000_000))
    assert total > 0
    # Whatever else runs here, our own busy core must not be added to it: others stay below all cores minus ours.
    import os

    assert 0 <= meter.others_busy() <= (os.cpu_count() or 1) + 0.1
    assert others >= 0


def test_governor_lowers_threads_when_others_are_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    from augan.core import threads

    before = torch.get_num_threads()
    governor = ThreadGovernor(None)
    monkeypatch.setattr(threads, "usable_cores", lambda: 4)
    monkeypatch.setattr(threads.os, "cpu_count", lambda: 4)
    try:
        for busy, expected in ((0.0, 4), (1.0, 3), (3.9, 1)):
            monkeypatch.setattr(governor.meter, "others_busy", lambda busy=busy: busy)
            assert governor.update() == expected == torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def test_config_survives_json() -> None:
    config = override(RunConfig(), ["training.minutes=null", "training.images=10", 'game.augmentation=["flip"]'])
    assert from_dict(RunConfig, to_dict(config)) == config
    assert config.game.augmentation == ("flip",)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("training.batsh=3", "Did you mean 'batch'"),
        ("batch=3", "Known: .*training"),
        ("training.batch", "no '='"),
        ("training.batch=many", "training.batch"),
        ("training.batch=1", "training.batch"),
        ("seed.x=1", "plain value"),
        ("training.images=5", "either"),
        ("training.precision=fp64", "precision"),
    ],
)
def test_wrong_settings_are_one_clear_line(assignment: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        override(RunConfig(), [assignment])
    assert "\n" not in str(error.value)


def test_one_name_makes_a_list_and_a_number_may_be_text() -> None:
    config = override(RunConfig(), ["game.augmentation=flip", "data.size=8"])
    assert config.game.augmentation == ("flip",)
    assert config.data.size == "8"


def test_unknown_keys_in_files_are_errors() -> None:
    value = to_dict(RunConfig())
    value["training"]["extra"] = 1
    with pytest.raises(UserError, match="extra"):
        from_dict(RunConfig, value)
