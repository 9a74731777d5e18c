"""The published networks, restated here layer by layer; outputs agree with weights copied in order."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from augan.core.errors import UserError
from augan.networks import PatchDiscriminator, ResnetGenerator, UNetGenerator, parameter_count, start_small
from augan.networks.translation import NEARLY, Smooth


def copied(ours: nn.Module, theirs: nn.Module) -> None:
    """Copies all weights and running statistics of ours, in the order of layers, into theirs."""
    kinds = nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d
    first = [module for module in ours.modules() if isinstance(module, kinds)]
    second = [module for module in theirs.modules() if isinstance(module, kinds)]
    assert len(first) == len(second)
    for one in first:
        fits = [two for two in second if type(two) is type(one) and same_shapes(one, two)]
        fits[0].load_state_dict(one.state_dict())
        second.remove(fits[0])


def same_shapes(one: nn.Module, two: nn.Module) -> bool:
    shapes = [{name: value.shape for name, value in module.state_dict().items()} for module in (one, two)]
    return shapes[0] == shapes[1]


class UNetBlock(nn.Module):
    """One level of the U-Net of arXiv:1611.07004 with what lies below it."""

    def __init__(
        self, outer: int, inner: int, given: int | None = None, below: Any = None, kind: str = "", drop: bool = False
    ) -> None:
        super().__init__()
        self.kind = kind
        down = nn.Conv2d(given or outer, inner, 4, 2, 1, bias=False)
        leaky, relu = nn.LeakyReLU(0.2), nn.ReLU()
        if kind == "outermost":
            layers = [down, below, relu, nn.ConvTranspose2d(2 * inner, outer, 4, 2, 1), nn.Tanh()]
        elif kind == "innermost":
            rise = nn.ConvTranspose2d(inner, outer, 4, 2, 1, bias=False)
            layers = [leaky, down, relu, rise, nn.BatchNorm2d(outer)]
        else:
            rise = nn.ConvTranspose2d(2 * inner, outer, 4, 2, 1, bias=False)
            layers = [leaky, down, nn.BatchNorm2d(inner), below, relu, rise, nn.BatchNorm2d(outer)]
            layers += [nn.Dropout(0.5)] if drop else []
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.model(x)
        return made if self.kind == "outermost" else torch.cat([x, made], 1)


def published_unet(given: int, out: int, downs: int, width: int) -> nn.Module:
    block = UNetBlock(8 * width, 8 * width, kind="innermost")
    for _ in range(downs - 5):
        block = UNetBlock(8 * width, 8 * width, below=block, drop=True)
    for factor in (4, 2, 1):
        block = UNetBlock(factor * width, 2 * factor * width, below=block)
    return UNetBlock(out, width, given, block, "outermost")


@pytest.mark.parametrize("downs", [5, 6, 8])
def test_the_unet_is_the_published_one(downs: int) -> None:
    torch.manual_seed(0)
    ours, theirs = UNetGenerator(3, 2, downs=downs, width=4), published_unet(3, 2, downs, 4)
    assert parameter_count(ours) == parameter_count(theirs)
    by_name(ours, theirs, downs)
    images = torch.randn(2, 3, 2**downs, 2**downs)
    torch.testing.assert_close(ours.eval()(images), theirs.eval()(images))
    both = [sum(isinstance(m, nn.Dropout) for m in network.modules()) for network in (ours, theirs)]
    assert both == [max(0, downs - 5)] * 2


def by_name(ours: UNetGenerator, theirs: nn.Module, downs: int) -> None:
    """Copies level by level."""
    level = theirs
    kinds = nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d
    for number in range(downs):
        own = [m for m in [*ours.down[number], *ours.up[number]] if isinstance(m, kinds)]  # type: ignore[misc]
        layers = [m for m in level.model if isinstance(m, kinds)]  # type: ignore[union-attr, operator]
        for one, two in zip(own, layers, strict=True):
            two.load_state_dict(one.state_dict())
        level = next((m for m in level.model if isinstance(m, UNetBlock)), level)  # type: ignore[union-attr, operator]


def published_resnet(given: int, out: int, width: int, blocks: int) -> nn.Module:
    norm = nn.InstanceNorm2d

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            part = lambda: [nn.ReflectionPad2d(1), nn.Conv2d(4 * width, 4 * width, 3), norm(4 * width)]  # noqa: E731
            self.inner = nn.Sequential(*part(), nn.ReLU(), *part())

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = x + self.inner(x)
            return result

    layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(given, width, 7), norm(width), nn.ReLU()]
    for factor in (1, 2):
        layers += [nn.Conv2d(factor * width, 2 * factor * width, 3, 2, 1), norm(2 * factor * width), nn.ReLU()]
    layers += [Block() for _ in range(blocks)]
    for factor in (4, 2):
        rise = nn.ConvTranspose2d(factor * width, factor * width // 2, 3, 2, 1, output_padding=1)
        layers += [rise, norm(factor * width // 2), nn.ReLU()]
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, out, 7), nn.Tanh())


def test_the_residual_generator_is_the_published_one() -> None:
    torch.manual_seed(0)
    ours, theirs = ResnetGenerator(3, 1, blocks=9, width=4), published_resnet(3, 1, 4, 9)
    copied(ours, theirs)
    images = torch.randn(2, 3, 24, 32)
    torch.testing.assert_close(ours(images), theirs(images))


def test_the_patch_discriminator_is_the_published_one() -> None:
    torch.manual_seed(0)
    ours, leaky = PatchDiscriminator(6, width=4), lambda: nn.LeakyReLU(0.2)
    theirs = nn.Sequential(
        nn.Conv2d(6, 4, 4, 2, 1),
        leaky(),
        *[nn.Conv2d(4, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), leaky()],
        *[nn.Conv2d(8, 16, 4, 2, 1, bias=False), nn.BatchNorm2d(16), leaky()],
        *[nn.Conv2d(16, 32, 4, 1, 1, bias=False), nn.BatchNorm2d(32), leaky()],
        nn.Conv2d(32, 1, 4, 1, 1),
    )
    copied(ours, theirs)
    images = torch.randn(2, 6, 64, 64)
    torch.testing.assert_close(ours(images), theirs(images))


def test_a_patch_is_of_seventy_pixels() -> None:
    network = PatchDiscriminator(1, width=2, norm="none").eval()
    image = torch.zeros(1, 1, 128, 128, requires_grad=True)
    logits = network(image)
    logits[0, 0, 7, 7].backward()
    assert image.grad is not None
    rows = image.grad[0, 0].abs().sum(1).nonzero()
    assert int(rows.max() - rows.min()) + 1 == 70


def test_parameter_counts_are_the_published_ones() -> None:
    """54.4 M, 11.4 M and 2.77 M, as the papers' own code prints them for three colours."""
    with torch.device("meta"):
        counts = [
            parameter_count(UNetGenerator(3, 3)),
            parameter_count(ResnetGenerator(3, 3)),
            parameter_count(PatchDiscriminator(6)),
        ]
    assert [round(count / 1e6, 3) for count in counts] == [54.414, 11.378, 2.769]


@pytest.mark.parametrize("up", ["transposed", "resize", "smooth"])
@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_every_form_keeps_the_size(up: str, norm: str) -> None:
    images = torch.randn(2, 1, 16, 32)
    for network in (
        UNetGenerator(1, 3, downs=4, width=2, up=up, norm=norm),  # type: ignore[arg-type]
        ResnetGenerator(1, 3, blocks=2, width=2, up=up, norm=norm, dropout=True),  # type: ignore[arg-type]
    ):
        made = start_small(network)(images)
        assert made.shape == (2, 3, 16, 32)
        assert made.abs().max() <= 1
        made.sum().backward()


def test_features_are_those_of_the_forward_pass() -> None:
    network = ResnetGenerator(3, 3, blocks=9, width=2, up="smooth")
    assert network.default_taps == (0, 4, 8, 12, 16)
    images = torch.randn(1, 3, 16, 16)
    found = network.features(images, network.default_taps)
    assert [maps.shape[1] for maps in found] == [3, 4, 8, 8, 8]
    torch.testing.assert_close(network.features(images, (len(network.layers) - 1,))[0], network(images))


def test_smoothing_keeps_constants_and_halves_and_doubles() -> None:
    flat = torch.full((1, 2, 8, 8), 0.7)
    torch.testing.assert_close(Smooth(2, "halve")(flat), torch.full((1, 2, 4, 4), 0.7))
    torch.testing.assert_close(Smooth(2, "double")(flat), torch.full((1, 2, 16, 16), 0.7))


def test_a_shortcut_starts_at_its_input() -> None:
    images = torch.rand(2, 3, 16, 16) * 2 - 1
    network = ResnetGenerator(3, 3, blocks=2, width=2, up="resize", shortcut=True)
    torch.nn.init.zeros_(network.layers[-2].weight)  # type: ignore[arg-type]
    torch.nn.init.zeros_(network.layers[-2].bias)  # type: ignore[arg-type]
    torch.testing.assert_close(network(images), NEARLY * images)
    with pytest.raises(UserError, match="1 channels cannot be added to 3"):
        ResnetGenerator(1, 3, blocks=2, width=2, shortcut=True)
