"""Translations as files: what other runtimes make of images is what PyTorch makes of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from augan import translate
from augan.cli.app import app
from augan.core.config import override
from augan.core.errors import UserError
from augan.core.item import ItemSpec
from augan.core.optional import require
from augan.translate import TranslationModel, translation_config
from augan.translate.networks import build_generator

SIDES = {side: ItemSpec(channels=channels, height=16, width=16) for side, channels in (("a", 1), ("b", 3))}


def model_of(recipe: str, alike: bool = False) -> TranslationModel:
    """Untrained, small."""
    config = override(translation_config(recipe, images=8), ["width=4", "blocks=1", "downs=3"])
    a = SIDES["b"] if alike else SIDES["a"]
    torch.manual_seed(0)
    generator = build_generator(config, a, SIDES["b"])
    return TranslationModel({"a2b": generator}, a, SIDES["b"])


@pytest.mark.parametrize(("recipe", "alike"), [("pix2pix", False), ("cut", True)])
def test_files_compute_what_the_model_does_at_other_sizes(recipe: str, alike: bool, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    model = model_of(recipe, alike)
    onnx, program = tmp_path / "paint.onnx", tmp_path / "paint.pt2"
    found = translate.export(model, onnx=onnx, program=program)
    assert [form.name for form in found.forms] == ["PyTorch", "program", "ONNX"]
    assert all(form.largest_difference <= 1e-4 for form in found.forms)
    graph = require("onnx", "export", "A test").load(onnx)
    said = json.loads({entry.key: entry.value for entry in graph.metadata_props}["augan"])
    multiple = said["multiple"]
    assert said["direction"] == "a2b"
    assert ItemSpec.from_json(said["b"]) == SIDES["b"]
    stored = np.random.default_rng(1).integers(0, 256, (5, 2 * multiple, 3 * multiple, 3 if alike else 1), np.uint8)
    images = np.moveaxis(stored.astype(np.float32) / 127.5 - 1, 3, 1)
    session = runtime.InferenceSession(onnx)
    made = session.run(["images"], {"source": images})[0]
    again = torch.export.load(program).module()(torch.from_numpy(images)).detach().numpy()
    expected = model.translate(stored).astype(np.float32)
    for other in (made, again):
        assert np.abs(np.moveaxis(other, 1, 3) * 127.5 + 127.5 - expected).max() < 0.6  # rounding to 8 bits


def test_the_command_writes_a_program_and_refuses_what_it_cannot(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 1), dtype=np.uint8)
    small = ["width=4", "patch_width=4", "batch=2", "snapshots=1", "threads=1"]
    run = translate.train(images, 255 - images, paired=True, images=2, out=tmp_path / "run", settings=small)

    def call(*arguments: object) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["translate", "export", str(run.path), *map(str, arguments)])
        return result.exit_code, result.stderr

    path = tmp_path / "made.pt2"
    assert call("--program", path)[0] == 0
    assert path.is_file()
    assert call("--program", path)[0] == 2
    assert call("--program", path)[1].count("\n") == 1
    assert "Nothing to export" in call()[1]
    assert "does not go b2a" in call("--program", tmp_path / "other.pt2", "--direction", "b2a")[1]
    assert not (tmp_path / "other.pt2").exists()


def test_a_generator_of_one_picture_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="recipe sincut"):
        translate.export(model_of("sincut", alike=True), program=tmp_path / "made.pt2")
    assert not list(tmp_path.iterdir())
