"""One picture into the manner of another: networks as published, crops, the user's path, what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from typer.testing import CliRunner

import augan
from augan import translate
from augan.cli.app import app
from augan.core.errors import UserError
from augan.game import batch_nce, patch_nce
from augan.networks import CropDiscriminator, StyleTranslator, parameter_count
from augan.translate import open_single, translation_config
from augan.translate.cuts import draw_crops

SMALL = ["width=4", "blocks=2", "patch_width=4", "batch=4", "threads=1", "crop=8", "zoom=1.5", "snapshots=2"]
KERNEL = torch.outer(torch.tensor([1.0, 3.0, 3.0, 1.0]), torch.tensor([1.0, 3.0, 3.0, 1.0])) / 64


# The published layers, restated from the shapes and formulas alone: (weight, bias) by their order in our networks.


def filtered(x: Tensor, border: int, gain: float = 1.0) -> Tensor:
    planes = F.conv2d(F.pad(x, [border] * 4).flatten(0, 1)[:, None], gain * KERNEL[None, None])
    return planes[:, 0].unflatten(0, x.shape[:2])


def active(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.2 * x) * 2**0.5


def conv(x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0) -> Tensor:
    return F.conv2d(x, weight / weight[0].numel() ** 0.5, bias, stride, padding)


def block(x: Tensor, weights: list[Tensor], halve: bool) -> Tensor:
    w1, b1, w2, b2 = (weights.pop(0) for _ in range(4))
    inner = active(conv(x, w1, b1, padding=1))
    if not halve:
        return (active(conv(inner, w2, b2, padding=1)) + x) / 2**0.5
    inner = active(conv(filtered(inner, 2), w2, b2, stride=2))
    return (inner + conv(filtered(x, 1), weights.pop(0), stride=2)) / 2**0.5


def weights_of(network: nn.Module) -> list[Tensor]:
    for parameter in network.parameters():
        parameter.data.normal_()
    return [value.detach() for name, value in network.named_parameters() if "strength" not in name]


def test_the_translator_is_the_published_one() -> None:
    torch.manual_seed(0)
    ours = StyleTranslator(3, 2, width=3).eval()
    weights, images = weights_of(ours), torch.randn(2, 3, 16, 24)
    maps = block(active(conv(images, weights.pop(0), weights.pop(0))), weights, True)
    taps = [images, maps]
    for number in range(6):
        maps = block(maps, weights, False)
        if number == 1:
            taps.append(maps)
    weight, bias = weights.pop(0), weights.pop(0)
    weight = weight / weight.square().sum((1, 2, 3), keepdim=True).sqrt()
    maps = filtered(F.conv_transpose2d(maps, weight.transpose(0, 1), stride=2), 1, 4.0)
    strength = dict(ours.named_parameters())["decoder.3.strength"]
    maps = maps + strength * torch.randn(1, 1, 16, 24, generator=torch.Generator().manual_seed(0))
    expected = active(conv(active(maps + bias.view(1, -1, 1, 1)), weights.pop(0), weights.pop(0)))
    assert not weights
    torch.testing.assert_close(ours(images), expected, rtol=1e-4, atol=1e-4)
    for found, wanted in zip(ours.features(images, ours.default_taps), taps, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_the_crop_discriminator_is_the_published_one() -> None:
    torch.manual_seed(0)
    ours = CropDiscriminator(3, side=16, width=4)
    weights, images = weights_of(ours), torch.randn(2, 3, 16, 16)
    maps = active(conv(images, weights.pop(0), weights.pop(0)))
    maps = block(block(maps, weights, True), weights, True)
    maps = active(conv(maps, weights.pop(0), weights.pop(0), padding=1)).flatten(1)
    for last in (False, True):
        weight, bias = weights.pop(0), weights.pop(0)
        maps = F.linear(maps, weight / weight.shape[1] ** 0.5, bias)
        maps = maps if last else active(maps)
    torch.testing.assert_close(ours(images), maps, rtol=1e-4, atol=1e-4)
    for side in (4, 24):
        with pytest.raises(UserError, match="power of two"):
            CropDiscriminator(3, side=side)


def residual_parameters(widths: Sequence[tuple[int, int, bool]]) -> int:
    return sum(9 * a * a + a + 9 * a * b + b + (a * b if halve else 0) for a, b, halve in widths)


def test_published_sizes() -> None:
    """80 and 160 channels; 32, 64, 128, 256 and 384: reckoned by hand from the published settings."""
    config = translation_config("sincut", published=True)
    assert (config.width, config.patch_width, config.crop, config.batch, config.zoom) == (80, 32, 64, 16, 3)
    assert (config.nce, config.identity, config.r1, config.nce_places, config.nce_whole) == (4, 1, 1, 1, True)
    assert (config.learning_rate, config.beta1, config.beta2, config.decay_from) == (2e-3, 0, 0.99, 0.5)
    with torch.device("meta"):
        generator = parameter_count(StyleTranslator(3, 3))
        discriminator = parameter_count(CropDiscriminator(3, side=64))
    half = [(160, 160, False)] * 6
    rise = 9 * 160 * 80 + 80 + 1
    assert generator == 3 * 80 + 80 + residual_parameters([(80, 160, True), *half]) + rise + 80 * 3 + 3
    widths = [32, 64, 128, 256, 384]
    halves = [(a, b, True) for a, b in zip(widths, widths[1:], strict=False)]
    top = 9 * 384 * 384 + 384 + 16 * 384 * 384 + 384 + 384 + 1
    assert discriminator == 3 * 32 + 32 + residual_parameters(halves) + top


def test_negatives_are_those_of_the_whole_batch() -> None:
    torch.manual_seed(0)
    queries, keys = (F.normalize(torch.randn(4, 2, 3), dim=2) for _ in range(2))
    whole = batch_nce(queries, keys)
    torch.testing.assert_close(whole, patch_nce(queries.flatten(0, 1)[None], keys.flatten(0, 1)[None]))
    parts = [batch_nce(queries[first : first + 2], keys, first) for first in (0, 2)]
    torch.testing.assert_close(whole, torch.stack(parts).mean())
    own = (queries * keys).sum(2).flatten()
    logits = torch.einsum("ipd,jqd->ipjq", queries, keys).flatten(0, 1).flatten(1)
    torch.testing.assert_close(whole, (torch.logsumexp(logits / 0.07, 1) - own / 0.07).mean())


def test_crops_are_pieces_of_the_image_from_different_cells() -> None:
    image = torch.arange(24 * 32.0).view(1, 1, 24, 32)
    crops = draw_crops(image, 12, 8, 1.0, False, np.random.default_rng(0))
    corners = crops[:, 0, 0, 0].long()
    for crop, corner in zip(crops, corners.tolist(), strict=True):
        top, left = divmod(corner, 32)
        assert torch.equal(crop[0], image[0, 0, top : top + 8, left : left + 8])
    assert len(set(corners.tolist())) == 12  # 3 x 4 cells
    again = draw_crops(image, 12, 8, 1.0, False, np.random.default_rng(0))
    assert torch.equal(crops, again)
    assert draw_crops(image, 13, 8, 3.0, True, np.random.default_rng(0)).shape == (13, 1, 8, 8)


def test_smaller_images_show_more_of_the_picture() -> None:
    """A ramp of 0 to 95 along 96 columns: at a third of the size a crop's columns are three levels apart."""
    image = torch.arange(96.0).expand(1, 1, 96, 96)
    slopes = []
    for seed in range(30):
        crops = draw_crops(image, 1, 16, 3.0, False, np.random.default_rng(seed))
        slopes.append(float((crops[0, 0, 8, 9] - crops[0, 0, 8, 8]).abs()))
    assert min(slopes) >= 0.99
    assert max(slopes) <= 3.01
    assert max(slopes) - min(slopes) > 1


def pictures(folder: Path) -> tuple[Path, Path]:
    random = np.random.default_rng(0)
    paths = folder / "photo.png", folder / "painting.jpg"
    for path, size in zip(paths, ((24, 40, 3), (32, 28, 3)), strict=True):
        Image.fromarray(random.integers(0, 256, size, dtype=np.uint8)).save(path)
    return paths


def test_two_pictures_and_a_third(tmp_path: Path) -> None:
    photo, painting = pictures(tmp_path)
    (tmp_path / "b").mkdir()
    painting.rename(tmp_path / "b" / painting.name)
    settings = [part for setting in SMALL for part in ("--set", setting)]
    run = tmp_path / "run"
    given = ["translate", "train", str(photo), str(tmp_path / "b"), "--recipe", "sincut", "--images", "8"]
    done = CliRunner().invoke(app, [*given, "--out", str(run), "--quiet", *settings])
    assert done.exit_code == 0, done.output
    Image.fromarray(np.zeros((45, 77, 3), np.uint8)).save(tmp_path / "other.png")
    done = CliRunner().invoke(
        app, ["translate", "apply", str(run), str(tmp_path / "other.png"), "--out", str(tmp_path / "made.png")]
    )
    assert done.exit_code == 0, done.output
    with Image.open(tmp_path / "made.png") as made:
        assert made.size == (77, 45)
    sides = augan.Run(run).data["sides"]
    assert [(side["item"]["height"], side["item"]["width"]) for side in sides.values()] == [(24, 40), (32, 28)]
    assert len(list((run / "samples").iterdir())) >= 1


def test_a_picture_is_opened_at_its_size_or_covering_another(tmp_path: Path) -> None:
    photo, painting = pictures(tmp_path)
    sides = open_single(photo, painting)
    assert sides.a.item.shape == (3, 24, 40)
    assert sides.b.item.shape == (3, 32, 28)
    assert open_single(photo, painting, size=48).a.item.shape == (3, 48, 80)
    deep = open_single(np.full((9, 9), 4000, np.uint16), np.zeros((1, 8, 8, 3), np.uint8))
    assert deep.a.item.value_range == (0, 4095)
    assert deep.a.item.shape == (1, 9, 9)


def test_what_is_no_single_image_is_one_line(tmp_path: Path) -> None:
    photo, painting = pictures(tmp_path)
    (tmp_path / "none").mkdir()
    (tmp_path / "bad.png").write_bytes(b"bad")
    (tmp_path / "film.mp4").write_bytes(b"film")
    for a, b, said in (
        (photo, None, "both A and B"),
        (tmp_path, photo, "has 3 images.*--recipe cut"),
        (tmp_path / "none", photo, "has no images"),
        (tmp_path / "bad.png", photo, "cannot be read"),
        (tmp_path / "film.mp4", photo, "no picture that augan reads"),
        (tmp_path / "nowhere.png", photo, "does not exist"),
        (np.zeros((2, 8, 8, 3), np.uint8), photo, "there are 2"),
    ):
        with pytest.raises(UserError, match=said):
            open_single(a, b)
    for settings, said in (
        (["crop=32"], "has no crops of 32x32"),
        (["crop=12"], "power of two"),
        (["held_out=1"], "none to hold out"),
        (["batch=1"], "no others to be told from"),
    ):
        with pytest.raises(UserError, match=said):
            translate.train(
                photo, painting, recipe="sincut", images=8, out=tmp_path / "run", settings=[*SMALL, *settings]
            )
    with pytest.raises(UserError, match="crop=null"):
        translate.train(photo, painting, recipe="pix2pix", images=8, out=tmp_path / "run", settings=["crop=8"])
    assert not (tmp_path / "run").exists()
