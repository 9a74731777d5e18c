"""Files for other runtimes make the images that PyTorch makes, for every family of networks, or are not kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import augan
from augan.checkpoint import Model
from augan.cli.app import app
from augan.core.errors import AuganError, UserError
from augan.core.item import ItemSpec
from augan.export import TOLERANCE, differences, exporting, load_onnx, trace
from augan.export.onnx import save_onnx
from augan.networks import NETWORKS, NetworkConfig, build
from augan.networks.build import CLIP_NETWORKS
from common import fitting

pytest.importorskip("onnxscript", reason="onnxscript, of the extra 'export', is not installed")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "PACE_SEC", 0.01)


def model(name: str, classes: int, **networks: Any) -> Model:
    """A model of random weights, none of which is zero; 12x20, so that the canvas is cropped."""
    names = tuple(f"class{index}" for index in range(classes)) or None
    item = fitting(name, ItemSpec(channels=3, height=12, width=20, class_names=names))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        generator, _ = build(NetworkConfig(name=name, width=8, latent_size=6, **networks), item)
        for parameter in generator.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.2)
    return Model(generator, item)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_family_in_onnx_is_pytorchs_to_a_ten_thousandth(name: str, tmp_path: Path) -> None:
    """Conditional on classes, in batches of 1, 3 and a whole block, and as `sample` draws them."""
    mine = model(name, 4)
    save_onnx(trace(mine), mine, tmp_path / "model.onnx")
    theirs = load_onnx(tmp_path / "model.onnx")
    assert theirs.item == mine.item
    assert theirs.conditional
    assert differences(theirs, mine)[0] <= TOLERANCE
    asked = {"classes": ["class2", "class0"], "seed": 5, "truncation": 0.7, "first": 3}
    drawn = mine.sample(5, **asked)  # type: ignore[arg-type]
    assert torch.allclose(theirs.sample(5, **asked), drawn, atol=TOLERANCE)  # type: ignore[arg-type]
    assert drawn.std() > 100 * TOLERANCE or name == "skip"  # images, and not one value
    other = theirs.decode(mine.latents(3), torch.tensor([1, 1, 1])) - mine.decode(
        mine.latents(3), torch.tensor([0, 0, 0])
    )
    assert other.abs().max() > 10 * float(differences(theirs, mine)[0])  # the class is an input


@pytest.mark.parametrize("name", NETWORKS)
def test_every_family_as_a_program(name: str) -> None:
    """Without classes; the same graph is what an ONNX file is made of."""
    mine = model(name, 0)
    program = trace(mine).module()
    for count in (1, 3, 40):
        latents = mine.latents(count)
        assert torch.allclose(program(latents), mine.decode(latents, None), atol=TOLERANCE)


def test_classes_that_come_in_later_are_in_the_graph() -> None:
    mine = model("strided", 3, transition=0.5)
    mine.generator.condition.strength.fill_(0.5)  # type: ignore[union-attr]
    latents, labels = mine.latents(5), mine.labels(5)
    assert torch.allclose(trace(mine).module()(latents, labels), mine.decode(latents, labels), atol=TOLERANCE)


def test_the_command_writes_checks_and_measures(tiny_run: augan.Run, bars_npz: Path, tmp_path: Path) -> None:
    out, program = tmp_path / "model.onnx", tmp_path / "model.pt2"
    arguments = ["export", str(tiny_run.path), "--onnx", str(out), "--program", str(program), "--int8", "--json"]
    result = CliRunner().invoke(app, [*arguments, "--against", str(bars_npz), "--count", "60"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    forms = {form["name"]: form for form in found["forms"]}
    assert list(forms) == ["PyTorch", "program", "ONNX", "int8"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model-int8.onnx", "model.onnx", "model.pt2"]
    assert forms["ONNX"]["size_bytes"] == out.stat().st_size
    assert forms["program"]["largest_difference"] <= TOLERANCE
    assert forms["int8"]["size_bytes"] < 0.7 * forms["ONNX"]["size_bytes"]
    assert 0 < forms["int8"]["mean_levels"] < 12  # it is another generator, and nearly the same
    assert forms["int8"]["frechet"] != forms["PyTorch"]["frechet"]
    assert all(form["images_per_sec"] > 0 for form in forms.values())
    table = CliRunner().invoke(app, ["export", str(tiny_run.path), "--program", str(tmp_path / "again.pt2")])
    assert "largest difference" in table.stderr
    small = augan.generate(load_onnx(out), 4, tmp_path / "four.npz", classes=["low"])
    assert np.load(small)["images"].shape == (4, 16, 16, 1)


def test_a_file_that_differs_is_not_kept(tiny_run: augan.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "TOLERANCE", -1.0)
    with pytest.raises(AuganError, match="differ from PyTorch's") as caught:
        augan.export_model(tiny_run.path, program=tmp_path / "model.pt2")
    assert caught.value.exit_code == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "Nothing to export"),
        ({"onnx": "model.bin"}, "must end in .onnx"),
        ({"program": "model.pt"}, "must end in .pt2"),
        ({"int8": True}, "--onnx FILE"),
        ({"onnx": "there.onnx"}, "there.onnx"),
    ],
)
def test_wrong_wishes_are_refused_before_anything_is_written(
    options: dict[str, Any], message: str, tiny_run: augan.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.onnx").write_text("mine")
    with pytest.raises(UserError, match=message):
        augan.export_model(tiny_run.path, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["there.onnx"]


def test_other_data_is_refused(tiny_run: augan.Run, tmp_path: Path) -> None:
    images = np.zeros((8, 16, 16, 3), np.uint8)
    with pytest.raises(UserError, match="items of shape"):
        augan.export_model(tiny_run.path, onnx=tmp_path / "a.onnx", against=images)
    with pytest.raises(UserError, match="other classes"):
        augan.export_model(tiny_run.path, onnx=tmp_path / "a.onnx", against=(images[..., :1], np.arange(8) % 2))


def test_files_that_are_none_of_ours_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        load_onnx(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(UserError, match="cannot be read"):
        load_onnx(tmp_path / "text.onnx")
    import onnx

    graph = onnx.helper.make_graph([], "empty", [], [])
    onnx.save(onnx.helper.make_model(graph), str(tmp_path / "other.onnx"))
    with pytest.raises(UserError, match="not written by augan"):
        load_onnx(tmp_path / "other.onnx")


@pytest.mark.parametrize("name", CLIP_NETWORKS)
def test_clips_in_onnx_are_pytorchs_and_leave_no_trace(name: str, tmp_path: Path) -> None:
    """Constants that were made while PyTorch traced must not be there afterwards, when longer clips are drawn."""
    item = ItemSpec(channels=1, height=16, width=16, kind="video", frames=4, frames_per_sec=5.0)
    torch.manual_seed(0)
    mine = Model(build(NetworkConfig(name=name, width=4, latent_size=4), item)[0], item)
    save_onnx(trace(mine), mine, tmp_path / "model.onnx")
    assert differences(load_onnx(tmp_path / "model.onnx"), mine)[0] <= TOLERANCE
    longer = mine.generator(mine.latents(2), None, torch.arange(12.0).expand(2, -1))
    assert longer.shape == (2, 1, 12, 16, 16)
