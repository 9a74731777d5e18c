"""`import augan`, and every kind of image that must train."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import augan
from augan.core.errors import UserError
from common import TINY


def python(code: str, **environment: str) -> str:
    chosen = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
    clean = {key: value for key, value in os.environ.items() if key not in chosen}
    result = subprocess.run(
        [sys.executable, "-c", code], env=clean | environment, check=True, capture_output=True, text=True
    )
    return result.stdout.strip()


def test_import_is_light_and_prepares_the_environment() -> None:
    code = "import augan, os, sys; print('torch' in sys.modules, os.environ.get('GOMP_SPINCOUNT'))"
    assert python(code) == "False 10000"
    assert python(code, GOMP_SPINCOUNT="5") == "False 5"
    assert python(code, OMP_WAIT_POLICY="ACTIVE") == "False None"


def test_help_does_not_load_torch() -> None:
    code = (
        "import sys; sys.argv = ['augan', 'train', '--help']\nfrom augan.__main__ import main\n"
        "try: main()\nexcept SystemExit: pass\nprint('torch' in sys.modules)"
    )
    assert python(code).endswith("False")


def test_names() -> None:
    assert set(dir(augan)) >= {"train", "load", "open", "evaluate", "generate", "augment", "Model", "Run"}
    assert all(getattr(augan, name) is not None for name in augan.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = augan.nothing


def pictures(shape: tuple[int, ...], dtype: str = "uint8") -> np.ndarray:
    images = np.random.default_rng(0).integers(0, 256, shape)
    return (images * 257).astype(np.uint16) if dtype == "uint16" else images.astype(np.uint8)


KINDS: dict[str, tuple[np.ndarray, tuple[int, int, int]]] = {
    "the article's own shape": (pictures((12, 100, 100, 3)), (3, 100, 100)),
    "grey": (pictures((12, 28, 28)), (1, 28, 28)),
    "rgba": (pictures((12, 20, 20, 4)), (4, 20, 20)),
    "16 bit": (pictures((12, 16, 16, 1), "uint16"), (1, 16, 16)),
    "48x80": (pictures((12, 48, 80, 3)), (3, 48, 80)),
    "256x256": (pictures((6, 256, 256, 3)), (3, 256, 256)),
    "channels first": (pictures((12, 3, 24, 24)), (3, 24, 24)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("recipe", ["auto", "article"])
def test_arrays_train_and_generate(kind: str, recipe: str, tmp_path: Path) -> None:
    images, shape = KINDS[kind]
    np.save(tmp_path / "real_images.npy", images)
    small = [*TINY, "networks.width=4", "training.batch=4", "training.measure_images=0"]
    run = augan.train(tmp_path / "real_images.npy", images=8, out=tmp_path / "run", recipe=recipe, settings=small)
    samples = augan.load(run.path).sample(2)
    assert samples.shape == (2, *shape)
    assert samples.isfinite().all()
    augan.generate(augan.load(run.path), 2, tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as out:
        assert out["images"].shape == (2, *shape[1:], shape[0])


def test_a_torch_dataset_trains(tmp_path: Path) -> None:
    class Mine(torch.utils.data.Dataset[Any]):
        def __len__(self) -> int:
            return 20

        def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
            return torch.rand(3, 16, 16), index % 2

    run = augan.train(Mine(), images=32, out=tmp_path / "run", settings=TINY)
    assert run.load().item.class_names == ("0", "1")


def test_progress_is_shown_on_request(bars_npz: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    augan.train(bars_npz, minutes=0.06, out=tmp_path / "loud", settings=TINY, progress=True)
    shown = capsys.readouterr().err
    assert "images/s" in shown
    assert "width" in shown
    augan.train(bars_npz, images=16, out=tmp_path / "quiet", settings=TINY)
    assert not capsys.readouterr().err


def test_runs_are_numbered(bars_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        assert augan.train(bars_npz, images=16, settings=TINY).path == Path(f"runs/bars-{number}")


def test_small_classes_can_be_left_out(tmp_path: Path) -> None:
    images, labels = pictures((11, 16, 16)), np.array([0] * 5 + [1] * 5 + [2])
    with pytest.raises(UserError, match="class '2' has 1 image.*min_images_per_class"):
        augan.train((images, labels), images=16, out=tmp_path / "run", settings=TINY)
    run = augan.train(
        (images, labels), images=16, out=tmp_path / "run", settings=[*TINY, "data.min_images_per_class=2"]
    )
    assert run.load().item.class_names == ("0", "1")
    with pytest.raises(UserError, match="valid integer"):
        augan.train((images, labels), images=16, settings=["data.min_images_per_class=many"])


def test_a_disk_that_fills_up_at_the_first_checkpoint_leaves_nothing(
    bars_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from augan.checkpoint import CheckpointStore

    saved = CheckpointStore.save

    def full(*arguments: Any, **options: Any) -> Path:
        raise UserError("No space left on the disk") from OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(CheckpointStore, "save", full)
    with pytest.raises(UserError, match="No space left"):
        augan.train(bars_npz, images=32, out=tmp_path / "run", settings=TINY)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(CheckpointStore, "save", saved)
    run = augan.train(bars_npz, images=32, out=tmp_path / "run", settings=TINY)  # the same place can be used again
    monkeypatch.setattr(CheckpointStore, "save", full)
    with pytest.raises(UserError, match="No space left"):
        augan.train(bars_npz, images=64, out=run.path, resume=True)
    assert augan.load(run.path).sample(1).isfinite().all()  # what was there before stays


@pytest.mark.parametrize("place", ["data", "measures"])
def test_interrupted_before_the_first_round(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = (pictures((12, 16, 16)), np.arange(12) % 2)

    def stop(*arguments: Any, **options: Any) -> Any:
        raise KeyboardInterrupt

    name = "augan.training.loop.QualityMeter" if place == "measures" else "augan.training.loop.Trainer._open_folder"
    with monkeypatch.context() as patch:
        patch.setattr(name, stop)
        with pytest.raises(augan.Interrupted if place == "measures" else KeyboardInterrupt):
            augan.train(images, images=32, out=tmp_path / "run", settings=TINY)
    assert (tmp_path / "run").exists() == (place == "measures")
    if place == "measures":
        assert augan.train(images, out=tmp_path / "run", resume=True).summary()["state"] == "finished"


def test_same_seed_same_images_through_every_door(tiny_run: augan.Run, tmp_path: Path) -> None:
    """What `sample` gives is what files hold, however they were written."""
    from PIL import Image

    from augan.core.item import from_unit

    model = tiny_run.load()
    expected = from_unit(model.sample(20, seed=3))
    augan.generate(model, 20, tmp_path / "a.npz", seed=3)
    augan.generate(augan.load(tiny_run.path), 20, tmp_path / "a", seed=3)
    assert np.array_equal(np.load(tmp_path / "a.npz")["images"], expected)
    loose = {int(path.stem): np.asarray(Image.open(path)) for path in (tmp_path / "a").rglob("*.png")}
    assert np.array_equal(np.stack([loose[i] for i in range(20)])[..., None], expected)
