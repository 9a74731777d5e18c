"""What models and runs do when files are damaged, foreign, or only half there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import augan
from augan.checkpoint import CheckpointStore, find_runs
from augan.core.errors import UserError
from augan.core.item import ItemSpec


class Mirror(torch.nn.Module):
    """Shows its latents; its classes shift them."""

    latent_size = 4

    def __init__(self, classes: int = 0) -> None:
        super().__init__()
        self.classes = classes
        self.shift = torch.nn.Parameter(torch.linspace(-0.5, 0.5, max(1, classes)))

    def forward(self, latents: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        shift = 0 if labels is None else self.shift[labels][:, None]
        return (latents + shift).reshape(-1, 1, 2, 2)


@pytest.fixture
def model() -> augan.Model:
    return augan.Model(Mirror(3), ItemSpec(channels=1, height=2, width=2, class_names=("a", "b", "c")))


@pytest.fixture
def copy(tiny_run: augan.Run, tmp_path: Path) -> augan.Run:
    return augan.Run(shutil.copytree(tiny_run.path, tmp_path / "run"))


def test_image_i_of_a_seed_is_always_the_same(model: augan.Model) -> None:
    images = model.sample(130, seed=9)  # more than two batches
    assert torch.equal(model.sample(7, seed=9), images[:7])
    assert torch.equal(model.sample(70, seed=9, first=60), images[60:])
    assert torch.equal(torch.cat([part for part, _ in model.stream(130, seed=9, batch=7)]), images)


def test_values_are_clipped_to_the_range(model: augan.Model) -> None:
    images = model.sample(200)
    assert images.min() == -1
    assert images.max() == 1


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_labels_go_round(model: augan.Model, count: int) -> None:
    classes: list[str | int] = ["c", 0, 1, "a", "b", "c", 2][:count]
    numbers = [2, 0, 1, 0, 1, 2, 2][:count]
    labels = model.labels(20, classes, first=5)
    assert labels is not None
    assert labels.dtype == torch.int64
    assert labels.tolist() == [numbers[(5 + i) % count] for i in range(20)]


def test_negative_numbers_are_refused(model: augan.Model) -> None:
    for options in ({"seed": -1}, {"first": -1}, {"n": -1}):
        with pytest.raises(UserError, match="or more"):
            model.sample(**{"n": 1, **options})
    assert model.sample(2, seed=2**70).isfinite().all()


def test_classes_of_an_unconditional_model() -> None:
    plain = augan.Model(Mirror(), ItemSpec(channels=1, height=2, width=2))
    assert plain.labels(3) is None
    assert [labels for _, labels in plain.stream(3)] == [None]
    with pytest.raises(UserError, match="without classes"):
        plain.sample(1, classes=["a"])


def test_hash_follows_the_weights(model: augan.Model) -> None:
    before = model.hash
    assert augan.Model(Mirror(3), model.item).hash == before
    model.generator.shift.data[0] += 1e-6
    assert model.hash != before


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "null",
        "{}",
        '{"format": 1}',
        '{"format": 1, "item": {}, "networks": null}',
        '{"format": 1, "item": 3}',
        "",
    ],
)
def test_damaged_contracts_are_one_line(copy: augan.Run, content: str) -> None:
    checkpoint = copy.store.best()
    assert checkpoint is not None
    (checkpoint / "model.json").write_text(content)
    with pytest.raises(UserError, match=r"model\.json|format"):
        augan.load(copy.path)


def test_contract_that_does_not_fit_its_weights(copy: augan.Run) -> None:
    checkpoint = copy.store.best()
    assert checkpoint is not None
    contract = json.loads((checkpoint / "model.json").read_text())
    for change, message in (
        ({"width": 16}, "does not fit"),
        ({"width": "wide"}, "Wrong setting"),
        ({"x": 1}, "Unknown"),
    ):
        changed = contract | {"networks": contract["networks"] | change}
        (checkpoint / "model.json").write_text(json.dumps(changed))
        with pytest.raises(UserError, match=message):
            augan.load(copy.path)


def test_missing_weights_and_unknown_checkpoints(copy: augan.Run) -> None:
    with pytest.raises(UserError, match="Unknown checkpoint 'newest'"):
        augan.load(copy.path, which="newest")
    for checkpoint in copy.path.glob("checkpoints/0*"):
        (checkpoint / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"model\.safetensors is missing"):
        augan.load(copy.path)


@pytest.mark.parametrize("index", ["{", "[]", '{"best": 3}', '{"best": "000000007", "last": null}', None])
def test_a_damaged_index_falls_back_on_the_newest(copy: augan.Run, index: str | None) -> None:
    path = copy.path / "checkpoints" / "index.json"
    path.unlink()
    if index is not None:
        path.write_text(index)
    assert copy.store.best() == copy.store.last() is not None
    assert copy.load().sample(1).shape == (1, 1, 16, 16)


def test_store_mends_its_index_and_saves_the_same_moment_once(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    content: Any = {"model": {"w": torch.ones(1)}}, {"model": {}}
    store.save(10, *content, best=False)
    (store.folder / "index.json").write_text("{")
    store.save(20, *content, best=False)
    assert json.loads((store.folder / "index.json").read_text()) == {"last": "000000020", "best": "000000020"}
    before = (store.folder / "000000020" / "model.safetensors").stat().st_mtime_ns
    assert store.save(20, *content, best=True) == store.last()
    assert (store.folder / "000000020" / "model.safetensors").stat().st_mtime_ns == before


def test_metrics_go_on_behind_a_line_that_a_crash_cut(copy: augan.Run) -> None:
    rows = list(copy.metrics())
    with open(copy.path / "metrics.jsonl", "a") as file:
        file.write('{"images_seen": 4{"images_seen": 480}\n{"images_seen": 481}\n[1]\n')
    assert list(copy.metrics()) == [*rows, {"images_seen": 481}]
    with open(copy.path / "metrics.jsonl", "ab") as file:
        file.write(b'{"images_seen": "\xff')
    assert len(list(copy.metrics())) == len(rows) + 1


@pytest.mark.parametrize("damage", ["data.json", "config.json", "result.json"])
def test_one_damaged_run_does_not_hide_the_others(copy: augan.Run, damage: str) -> None:
    shutil.copytree(copy.path, copy.path.parent / "other")
    (copy.path / damage).write_text('{"x": 1}' if damage != "config.json" else "{")
    states = {run.path.name: run.summary()["state"] for run in find_runs(copy.path.parent)}
    assert states == {"run": "damaged", "other": "finished"}
