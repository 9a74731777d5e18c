"""Architectures of published networks: keys, shapes, and numbers of the reference implementations.

Weights here are made by a seeded rule. The golden numbers were computed with the same weights by torch-fidelity 0.4.0
(Inception), by DINOv2's own code (facebookresearch/dinov2, b8931f7, xFormers off) and by CLIP's own (openai/CLIP,
d05afc4), in float32. The listings are hashes of the names and shapes that these programs load strictly.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import augan
from augan.core.errors import UserError
from augan.metrics import open_space, pretrained
from augan.metrics.backbones import Inception, clip_visual, dinov2, inception, vision_transformer
from augan.metrics.backbones.inception import resized_like_tensorflow
from common import shapes

WIDTH, DEPTH = 128, 2


def listing(state: Mapping[str, Tensor]) -> str:
    """A hash of all names and shapes, in the order of the names."""
    lines = [f"{name} {tuple(value.shape)}" for name, value in sorted(state.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def inception_state() -> dict[str, Tensor]:
    """Weights in the order of their names."""
    random = torch.Generator().manual_seed(0)
    state: dict[str, Tensor] = {}
    for name, value in sorted(Inception().state_dict().items()):
        shape = tuple(value.shape)
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(0)
        elif name.endswith(("running_var", "bn.weight")):
            state[name] = torch.rand(shape, generator=random) * 0.5 + 0.75
        elif name.endswith(("running_mean", "bias")):
            state[name] = torch.randn(shape, generator=random) * 0.1
        else:
            inputs = math.prod(shape[1:])
            state[name] = torch.randn(shape, generator=random) * (2 / inputs) ** 0.5
    return state


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return inception_state()


def test_inception_has_the_published_keys(state: dict[str, Tensor]) -> None:
    assert len(state) == 566
    assert listing(state) == "760681d791cb624e"
    learnt = [value for name, value in state.items() if not name.rpartition(".")[2].startswith(("running", "num"))]
    assert sum(value.numel() for value in learnt) == 23_850_960
    for name, shape in {
        "Conv2d_1a_3x3.conv.weight": (32, 3, 3, 3),
        "Mixed_5b.branch5x5_2.conv.weight": (64, 48, 5, 5),
        "Mixed_6a.branch3x3.conv.weight": (384, 288, 3, 3),
        "Mixed_6b.branch7x7dbl_5.conv.weight": (192, 128, 1, 7),
        "Mixed_6e.branch7x7_2.bn.running_var": (192,),
        "Mixed_7a.branch7x7x3_4.conv.weight": (192, 192, 3, 3),
        "Mixed_7b.branch_pool.conv.weight": (192, 1280, 1, 1),
        "Mixed_7c.branch3x3dbl_3b.conv.weight": (384, 384, 3, 1),
        "fc.weight": (1008, 2048),
        "fc.bias": (1008,),
    }.items():
        assert tuple(state[name].shape) == shape


def test_inception_gives_the_reference_numbers(state: dict[str, Tensor]) -> None:
    network = inception(state)
    assert not network.training
    images = torch.randint(0, 256, (2, 3, 32, 32), generator=torch.Generator().manual_seed(7), dtype=torch.uint8)
    features = network(images.float())
    chosen = [0, 1, 500, 1200, 2047]
    expected = [
        [1.3406034708023071, 0.0, 0.9582914710044861, 1.8465967178344727, 1.3309766054153442],
        [1.3797507286071777, 0.0, 0.9577407240867615, 1.9269369840621948, 1.2961102724075317],
    ]
    np.testing.assert_allclose(features[:, chosen], expected, rtol=1e-4, atol=1e-5)
    outputs = [
        [-0.27447810769081116, -1.0903671979904175, 2.845215082168579],
        [-0.325634241104126, -1.1307055950164795, 2.897244930267334],
    ]
    np.testing.assert_allclose(network.logits(features)[:, [0, 3, 1007]], outputs, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(network(images[1:].float()), features[1:], rtol=1e-4, atol=1e-5)


def test_inception_loads_without_counts_of_batches(state: dict[str, Tensor]) -> None:
    """Files of older versions of torch have no `num_batches_tracked`; nothing reads it."""
    inception({name: value for name, value in state.items() if not name.endswith("num_batches_tracked")})


@pytest.mark.parametrize(("height", "width", "side"), [(4, 6, 9), (12, 7, 5), (5, 5, 5), (1, 3, 4), (32, 45, 299)])
def test_resize_is_tensorflow_1s(height: int, width: int, side: int) -> None:
    """out[i, j] is read at (i * height / side, j * width / side), between the four pixels around, in float32."""
    image = np.random.default_rng(0).uniform(0, 255, (height, width)).astype(np.float32)
    expected = np.zeros((side, side), np.float32)
    for i in range(side):
        for j in range(side):
            y, x = np.float32(i) * np.float32(height / side), np.float32(j) * np.float32(width / side)
            top, left = int(y), int(x)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            dy, dx = y - np.float32(top), x - np.float32(left)
            above = image[top, left] + (image[top, right] - image[top, left]) * dx
            below = image[bottom, left] + (image[bottom, right] - image[bottom, left]) * dx
            expected[i, j] = above + (below - above) * dy
    result = resized_like_tensorflow(torch.from_numpy(image)[None, None], side)
    np.testing.assert_array_equal(result[0, 0], expected)


def test_resize_stays_on_the_device_of_the_images() -> None:
    result = resized_like_tensorflow(torch.empty(2, 3, 20, 30, device="meta"), 299)
    assert result.device.type == "meta"
    assert result.shape == (2, 3, 299, 299)


def block_weights(
    random: torch.Generator, prefix: str, norms: Iterable[str], layers: dict[str, tuple[int, int]], width: int
) -> dict[str, Tensor]:
    made: dict[str, Tensor] = {}
    for name in norms:
        made[f"{prefix}{name}.weight"] = 1 + small(random, (width,))
        made[f"{prefix}{name}.bias"] = small(random, (width,))
    for name, (out, inputs) in layers.items():
        made[f"{prefix}{name}weight"] = small(random, (out, inputs), inputs**-0.5)
        made[f"{prefix}{name}bias"] = small(random, (out,))
    return made


def small(random: torch.Generator, shape: tuple[int, ...], scale: float = 0.05) -> Tensor:
    return torch.randn(shape, generator=random) * scale


def dinov2_state(side: int = 4, width: int = WIDTH, depth: int = DEPTH) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(0)
    state = {
        "cls_token": small(random, (1, 1, width)),
        "pos_embed": small(random, (1, side * side + 1, width)),
        "mask_token": small(random, (1, width)),
        "patch_embed.proj.weight": small(random, (width, 3, 14, 14)),
        "patch_embed.proj.bias": small(random, (width,)),
        "norm.weight": 1 + small(random, (width,)),
        "norm.bias": small(random, (width,)),
    }
    layers = {
        "attn.qkv.": (3 * width, width),
        "attn.proj.": (width, width),
        "mlp.fc1.": (4 * width, width),
        "mlp.fc2.": (width, 4 * width),
    }
    for index in range(depth):
        state |= block_weights(random, f"blocks.{index}.", ("norm1", "norm2"), layers, width)
        for name in ("ls1", "ls2"):
            state[f"blocks.{index}.{name}.gamma"] = 1 + small(random, (width,), 0.3)
    return state


def clip_state(side: int = 2, width: int = WIDTH, depth: int = DEPTH, project: int = 16) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(0)
    state = {
        "visual.class_embedding": small(random, (width,)),
        "visual.positional_embedding": small(random, (side * side + 1, width)),
        "visual.proj": small(random, (width, project)),
        "visual.conv1.weight": small(random, (width, 3, 32, 32)),
    }
    for name in ("ln_pre", "ln_post"):
        state[f"visual.{name}.weight"] = 1 + small(random, (width,))
        state[f"visual.{name}.bias"] = small(random, (width,))
    layers = {
        "attn.in_proj_": (3 * width, width),
        "attn.out_proj.": (width, width),
        "mlp.c_fc.": (4 * width, width),
        "mlp.c_proj.": (width, 4 * width),
    }
    for index in range(depth):
        state |= block_weights(random, f"visual.transformer.resblocks.{index}.", ("ln_1", "ln_2"), layers, width)
    return state


def noise(height: int, width: int | None = None, count: int = 1) -> Tensor:
    return torch.randn(count, 3, height, width or height, generator=torch.Generator().manual_seed(1))


def test_vision_transformers_have_the_published_keys() -> None:
    """DINOv2 ViT-S/14, which also loads, and the image half of CLIP ViT-B/32."""
    vits = dinov2_state(side=37, width=384, depth=12)
    assert (len(vits), listing(vits)) == (175, "d2688998b6a3fd60")
    assert sum(value.numel() for value in vits.values()) == 22_056_576
    assert dinov2(vits)(noise(28)).shape == (1, 384)
    vitb = clip_state(7, 768, 12, 512)
    assert (len(vitb), listing(vitb)) == (152, "9972162b816dcf5e")
    assert sum(value.numel() for value in vitb.values()) == 87_849_216


@pytest.mark.parametrize(
    ("width", "depth", "patch", "places", "project", "published"),
    [
        (384, 12, 14, 1370, None, 22_056_576 - 384),
        (768, 12, 14, 1370, None, 86_580_480 - 768),
        (1024, 24, 14, 1370, None, 304_368_640 - 1024),
        (768, 12, 32, 50, 512, 87_849_216 + 24 * 768),
    ],
)
def test_sizes_of_vision_transformers(
    width: int, depth: int, patch: int, places: int, project: int | None, published: int
) -> None:
    """As many parameters as the files hold, without DINOv2's mask token, and with scales of one for CLIP."""
    with torch.device("meta"):
        network = vision_transformer.VisionTransformer(width, depth, patch, places, project)
    assert sum(value.numel() for value in network.parameters()) == published


@pytest.mark.parametrize(
    ("side", "pixels", "expected"),
    [
        (4, (56, 56), [-0.43809706, -0.14417663, 0.38451487, 0.44677505, -2.11124849, 0.17569025]),
        (4, (84, 56), [-0.84416384, -1.36127675, -0.56549954, 0.33604011, -0.63826448, -0.89181387]),
        (37, (224, 224), [0.57884723, -0.27160966, 0.46862894, 0.17221400, -1.48220122, -1.13226700]),
    ],
    ids=["learnt grid", "not square", "as published"],
)
def test_dinov2_gives_the_reference_numbers(side: int, pixels: tuple[int, int], expected: list[float]) -> None:
    """In the learnt grid of positions, and interpolated to others; "as published" is 518 to 224 pixels."""
    features = dinov2(dinov2_state(side))(noise(*pixels))
    assert features.shape == (1, WIDTH)
    np.testing.assert_allclose(features[0, :6], expected, rtol=1e-4, atol=1e-5)


def test_dinov2_scales_positions_with_an_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positions are interpolated by (new + 0.1) / old, as its authors do; plain scaling differs a little."""
    network = dinov2(dinov2_state())
    theirs = network(noise(84))
    monkeypatch.setattr(vision_transformer, "OFFSET", 0.0)
    plain = network(noise(84))
    gap = float((theirs - plain).abs().max() / plain.abs().max())
    assert 0 < gap < 0.05


def test_clip_gives_the_reference_numbers() -> None:
    features = clip_visual(clip_state())(noise(64))
    expected = [0.86004460, 0.39410353, 0.04186881, 0.17670673, 0.57498091, 0.56244093]
    assert features.shape == (1, 16)
    np.testing.assert_allclose(features[0, :6], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("build", "state_of", "side"), [(dinov2, dinov2_state, 70), (clip_visual, clip_state, 64)], ids=["dinov2", "clip"]
)
def test_an_images_features_do_not_depend_on_its_batch(
    build: Callable[[Mapping[str, Tensor]], torch.nn.Module], state_of: Callable[[], dict[str, Tensor]], side: int
) -> None:
    network, images = build(state_of()), noise(side, count=3)
    whole = network(images)
    np.testing.assert_allclose(torch.cat([network(image[None]) for image in images]), whole, rtol=1e-4, atol=1e-5)
    assert float((whole[0] - whole[1]).abs().max()) > 0.01


def test_other_weights_are_refused(state: dict[str, Tensor]) -> None:
    with pytest.raises(UserError, match="not those of the FID's InceptionV3") as caught:
        inception({name: value for name, value in state.items() if not name.startswith("Mixed_6c")})
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="not those of the FID's InceptionV3"):
        inception(state | {"fc.weight": torch.zeros(1000, 2048)})
    whole = dinov2_state()
    for damaged in ({}, {"cls_token": whole["cls_token"]}, whole | {"norm.weight": torch.zeros(3)}, clip_state()):
        with pytest.raises(UserError, match="not those of DINOv2") as caught:
            dinov2(damaged)
        assert "\n" not in str(caught.value)
    for other in ({}, whole, {"visual.conv1.weight": torch.zeros(2)}):
        with pytest.raises(UserError, match="not those of CLIP") as caught:
            clip_visual(other)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("extra", ["register_tokens", "blocks.0.mlp.w12.weight", "head.weight"])
def test_other_dinov2s_are_refused(extra: str) -> None:
    with pytest.raises(UserError, match="not those of DINOv2"):
        dinov2(dinov2_state() | {extra: torch.zeros(1, 4, WIDTH)})


def test_vision_transformers_of_no_whole_shape_are_refused() -> None:
    """Heads are 64 wide, and positions make a square; else the first image would fail."""
    with pytest.raises(UserError, match="not those of DINOv2"):
        dinov2(dinov2_state(width=100))
    with pytest.raises(UserError, match="not those of DINOv2"):
        dinov2(dinov2_state() | {"pos_embed": torch.zeros(1, 16, WIDTH)})


@pytest.fixture
def placed(tmp_path: Path, state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with files of the published names, which hold small or made-up weights."""
    folder = tmp_path / "weights"
    folder.mkdir()
    torch.save(state, folder / pretrained.INCEPTION.files[0])
    torch.save(dinov2_state(side=16), folder / pretrained.DINOV2.files[0])
    holder = torch.nn.Module()
    holder.visual = _modules({name[7:]: value for name, value in clip_state().items()})
    torch.jit.script(holder).save(str(folder / pretrained.CLIP.files[0]))
    monkeypatch.setattr(pretrained, "_checked", lambda path, weights: "ab" * 32)
    return tmp_path


def _modules(state: dict[str, Tensor]) -> torch.nn.Module:
    """Nested modules that have this state, as an archive has them."""
    root = torch.nn.Module()
    for name, value in state.items():
        *path, leaf = name.split(".")
        node = root
        for step in path:
            if not hasattr(node, step):
                node.add_module(step, torch.nn.Module())
            node = getattr(node, step)
        node.register_parameter(leaf, torch.nn.Parameter(value.half()))
    return root


@pytest.mark.parametrize("name", ["inception", "dinov2"])
def test_spaces_of_placed_files(name: str, placed: Path) -> None:
    source = augan.open(shapes({"high": 2, "low": 2}))
    space = open_space(name, source, source.key, placed)
    features = space.features_of(source, np.arange(4))
    assert features.shape[0] == 4
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert space.hash == "ab" * 8
    assert ("299x299" if name == "inception" else "224x224") in space.preprocessing
    if name == "inception":
        assert space.probabilities(features).sum(1) == pytest.approx(1, abs=1e-4)
        assert space.classes == 1008


def test_clip_weights_come_out_of_an_archive(placed: Path) -> None:
    """CLIP is published as a TorchScript archive in half precision; only its tensors are taken."""
    state = pretrained._state(placed / "weights" / pretrained.CLIP.files[0], archive=True)
    assert all(value.dtype == torch.float32 for value in state.values())
    features = clip_visual(state)(noise(64))
    np.testing.assert_allclose(features, clip_visual(clip_state())(noise(64)), atol=5e-3)
