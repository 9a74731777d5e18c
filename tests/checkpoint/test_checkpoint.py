"""Models, stores, runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import augan
from augan.checkpoint import CheckpointStore, find_runs, pack, unpack
from augan.core.errors import UserError
from augan.networks import NetworkConfig, build


@pytest.fixture(scope="module")
def model(tiny_run: augan.Run) -> augan.Model:
    return augan.load(tiny_run.path)


def test_samples(model: augan.Model) -> None:
    images = model.sample(10, seed=3)
    assert images.shape == (10, 1, 16, 16)
    assert images.dtype == torch.float32
    assert -1 <= images.min() <= images.max() <= 1
    assert torch.equal(model.sample(5, seed=3), images[:5])  # to the last bit
    assert torch.equal(model.sample(4, seed=3, first=6), images[6:])
    assert torch.equal(model.sample(1, seed=3, first=40), model.sample(41, seed=3)[40:])
    assert not torch.allclose(model.sample(10, seed=4), images)
    assert model.sample(0).shape == (0, 1, 16, 16)


def test_seeds_share_no_latents(model: augan.Model) -> None:
    rows = torch.cat([model.latents(50, seed) for seed in (0, 1, 2, 2**40)])
    assert len(rows.unique(dim=0)) == 200
    assert rows.mean().abs() < 0.1
    assert (rows.std() - 1).abs() < 0.1


def test_classes(model: augan.Model) -> None:
    assert model.labels(5).tolist() == [0, 1, 2, 0, 1]  # type: ignore[union-attr]
    assert model.labels(3, ["low", 0], first=1).tolist() == [0, 2, 0]  # type: ignore[union-attr]
    torch.testing.assert_close(model.sample(3, classes=["low"]), model.sample(3, classes=[2, 2, 2]))
    for wrong, message in ((["hig"], "Did you mean 'high'"), ([3], "0 to 2"), ([], "empty")):
        with pytest.raises(UserError, match=message):
            model.sample(1, classes=wrong)


def test_truncation(model: augan.Model) -> None:
    def spread(truncation: float) -> float:
        return model.sample(40, classes=[0], truncation=truncation).std(0).mean().item()

    assert spread(0.1) < spread(0.5) < spread(1.0)
    for wrong in (0.0, -1.0, 1.5):
        with pytest.raises(UserError, match="Truncation"):
            model.sample(1, truncation=wrong)
    with pytest.raises(UserError, match="0 or more"):
        model.sample(-1)


def test_stream_is_the_sample_in_parts(model: augan.Model) -> None:
    parts = list(model.stream(10, seed=1, batch=4))
    assert [len(images) for images, _ in parts] == [4, 4, 2]
    torch.testing.assert_close(torch.cat([images for images, _ in parts]), model.sample(10, seed=1))
    assert torch.cat([labels for _, labels in parts if labels is not None]).tolist() == model.labels(10).tolist()  # type: ignore[union-attr]


def test_loading_moves_no_random_state(tiny_run: augan.Run) -> None:
    before = torch.get_rng_state()
    first = augan.load(tiny_run.path)
    assert torch.equal(torch.get_rng_state(), before)
    checkpoint = tiny_run.store.best()
    assert checkpoint is not None
    assert augan.load(checkpoint).hash == first.hash
    assert len(first.hash) == 64


def test_damaged_and_foreign_folders(tiny_run: augan.Run, tmp_path: Path) -> None:
    checkpoint = tiny_run.store.last()
    assert checkpoint is not None

    def broken(name: str, content: str) -> Path:
        folder = tmp_path / name
        shutil.copytree(checkpoint, folder)
        (folder / name).write_text(content)
        return folder

    for name, content, message in (
        ("model.json", "{", "not valid JSON"),
        ("model.safetensors", "cut", "damaged"),
        ("model.json", json.dumps({"format": 99}), "format 99"),
    ):
        with pytest.raises(UserError, match=message):
            augan.load(broken(name, content))
        shutil.rmtree(tmp_path / name)
    with pytest.raises(UserError, match="does not exist"):
        augan.load(tmp_path / "nothing")
    with pytest.raises(UserError, match="no checkpoint"):
        augan.load(tmp_path)


def test_own_generator_is_asked_for(bars_npz: Path, tmp_path: Path) -> None:
    source = augan.open(bars_npz)

    def mine() -> torch.nn.Module:
        return build(NetworkConfig(width=4, latent_size=3), source.item)[0]

    run = augan.train(source, images=32, out=tmp_path / "run", settings=["training.batch=16"], generator=mine())
    with pytest.raises(UserError, match="generator=module"):
        augan.load(run.path)
    assert augan.load(run.path, generator=mine()).sample(2).shape == (2, 1, 16, 16)
    other = build(NetworkConfig(width=8, latent_size=3), source.item)[0]
    with pytest.raises(UserError, match="does not fit"):
        augan.load(run.path, generator=other)


def test_store_keeps_last_and_best(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    assert store.last() is store.best() is None
    for images, best in ((10, True), (20, False), (30, True), (40, False), (50, False)):
        store.save(images, {"model": {"w": torch.tensor([float(images)])}}, {"model": {}}, best)
    assert [path.name for path in sorted((tmp_path / "checkpoints").glob("0*"))] == ["000000030", "000000050"]
    assert (store.best() or tmp_path).name == "000000030"
    assert (store.last() or tmp_path).name == "000000050"
    (tmp_path / "checkpoints" / ".000000060.x.part").mkdir()  # what a crash leaves
    shutil.rmtree(tmp_path / "checkpoints" / "000000030")
    assert store.best() == store.last() == tmp_path / "checkpoints" / "000000050"


def test_pack_and_unpack() -> None:
    value = {"a": {1: torch.ones(2), "b": [1, 2.5, None, torch.zeros(1)]}, "c": "text"}
    tensors, structure = pack(value, "x")
    back = unpack(json.loads(json.dumps(structure)), tensors)
    assert back["c"] == "text"
    assert torch.equal(back["a"][1], torch.ones(2))
    assert back["a"]["b"][:3] == [1, 2.5, None]


def test_metrics_survive_a_cut_line(tiny_run: augan.Run, tmp_path: Path) -> None:
    shutil.copytree(tiny_run.path, tmp_path / "run")
    run = augan.Run(tmp_path / "run")
    rows = list(run.metrics())
    with open(run.path / "metrics.jsonl", "a") as file:
        file.write('{"images_seen": 4')
    assert list(run.metrics()) == rows
    assert run.quality() == min((row["quality"] for row in rows if "quality" in row), key=lambda q: q["frechet"])


def test_runs_are_found(tiny_run: augan.Run, tmp_path: Path) -> None:
    shutil.copytree(tiny_run.path, tmp_path / "runs" / "one")
    assert [run.path.name for run in find_runs(tmp_path)] == ["one"]
    assert [run.path.name for run in find_runs(tmp_path / "runs" / "one")] == ["one"]
    with pytest.raises(UserError, match="not a folder"):
        find_runs(tmp_path / "none")
    with pytest.raises(UserError, match="not a run"):
        augan.Run(tmp_path)
    assert np.isfinite(tiny_run.summary()["quality"]["frechet"])


def test_full_disk_is_told_by_the_tensor_writer_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors import SafetensorError

    from augan.checkpoint import store

    def full(tensors: object, path: Path) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(store, "save_file", full)
    with pytest.raises(UserError, match="No space left"):
        CheckpointStore(tmp_path).save(5, {"model": {}}, {}, best=False)
    assert not list((tmp_path / "checkpoints").iterdir())
