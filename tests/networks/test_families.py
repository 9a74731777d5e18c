"""What every family of networks must do; a new one is tested by being in the dict."""

import math

import pytest
import torch
from torch import nn

from augan.core.errors import UserError
from augan.core.item import ItemSpec
from augan.game import zero_centered_penalty
from augan.networks import NETWORKS, SERIES_NETWORKS, NetworkConfig, build, parameter_count
from augan.nn import Canvas
from common import fitting

FAMILIES = [*NETWORKS, *SERIES_NETWORKS]
SIZES = [(8, 8), (28, 28), (32, 32), (48, 80), (100, 100), (9, 130), (256, 256)]


def item(height: int, width: int, channels: int = 3, classes: int = 0) -> ItemSpec:
    names = tuple(f"class{index}" for index in range(classes)) or None
    return ItemSpec(channels=channels, height=height, width=width, class_names=names)


def pair(name: str, spec: ItemSpec, width: int = 8) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    return build(NetworkConfig(name=name, width=width, latent_size=6), fitting(name, spec))


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_every_size(name: str, height: int, width: int) -> None:
    generator, discriminator = pair(name, item(height, width))
    images = generator(torch.randn(2, 6))
    assert images.shape == (2, *fitting(name, item(height, width)).shape)
    assert discriminator(images).shape == (2,)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("classes", [0, 1, 5])
def test_channels_and_classes(name: str, channels: int, classes: int) -> None:
    generator, discriminator = pair(name, item(16, 16, channels, classes))
    labels = torch.zeros(4, dtype=torch.int64) if classes else None
    images = generator(torch.randn(4, 6), labels)
    logits = discriminator(images, labels)
    assert images.shape == (4, *fitting(name, item(16, 16, channels)).shape)
    logits.sum().backward()
    for network in (generator, discriminator):
        used = [p for p in network.parameters() if p.grad is not None]
        assert used
        assert all(p.grad.isfinite().all() for p in used if p.grad is not None)


@pytest.mark.parametrize("name", FAMILIES)
def test_class_matters_to_both(name: str) -> None:
    generator, discriminator = pair(name, item(16, 16, 1, 2))
    for parameter in discriminator.parameters():  # blocks that start at zero are given something to say
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    latents, zeros = torch.randn(4, 6), torch.zeros(4, dtype=torch.int64)
    generator.eval(), discriminator.eval()
    images = generator(latents, zeros)
    assert not torch.allclose(images, generator(latents, zeros + 1))
    assert not torch.allclose(discriminator(images, zeros), discriminator(images, zeros + 1))


@pytest.mark.parametrize("name", FAMILIES)
def test_labels_are_needed_exactly_where_there_are_classes(name: str) -> None:
    conditional, _ = pair(name, item(16, 16, 1, 2))
    plain, judge = pair(name, item(16, 16, 1))
    with pytest.raises(UserError, match="conditional on 2 classes"):
        conditional(torch.randn(2, 6))
    with pytest.raises(UserError, match="without labels"):
        plain(torch.randn(2, 6), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(UserError, match="without labels"):
        judge(torch.zeros(2, *fitting(name, item(16, 16, 1)).shape), torch.zeros(2, dtype=torch.int64))


@pytest.mark.parametrize("name", FAMILIES)
def test_seeded_initialisation_and_saving(name: str) -> None:
    (first, _), (second, _) = pair(name, item(16, 16)), pair(name, item(16, 16))
    latents = torch.randn(3, 6)
    first.eval(), second.eval()
    torch.testing.assert_close(first(latents), second(latents))
    other = build(NetworkConfig(name=name, width=8, latent_size=6), fitting(name, item(16, 16)))[0].eval()
    other.load_state_dict(first.state_dict())
    torch.testing.assert_close(other(latents), first(latents))


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "article"])
def test_double_backward_agrees_with_finite_differences(name: str) -> None:
    """The penalty's gradient with respect to every parameter of the discriminator, in float64."""
    _, discriminator = pair(name, item(8, 8, 1, 2))
    discriminator.double()
    if name == "wavegan":
        discriminator.eval()  # in training, it moves maps at random
    for parameter in discriminator.parameters():
        nn.init.normal_(parameter, std=0.3)
    labels = torch.tensor([0, 1])
    images = torch.randn(2, *fitting(name, item(8, 8, 1)).shape, dtype=torch.float64)

    def penalty() -> torch.Tensor:
        x = images.clone().requires_grad_()
        return zero_centered_penalty(x, discriminator(x, labels)).mean()

    penalty().backward()
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in discriminator.parameters():
            direction = torch.randn_like(parameter)
            slope = 0.0 if parameter.grad is None else (parameter.grad * direction).sum().item()
            values = []
            for sign in (1, -1):
                parameter.add_(sign * 1e-6 * direction)
                with torch.enable_grad():
                    values.append(penalty().item())
                parameter.sub_(sign * 1e-6 * direction)
            assert (values[0] - values[1]) / 2e-6 == pytest.approx(slope, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("name", ["strided", "residual", "skip"])
def test_discriminators_without_normalisation_judge_each_image_alone(name: str) -> None:
    _, discriminator = pair(name, item(16, 16))
    images = torch.randn(4, 3, 16, 16)
    torch.testing.assert_close(discriminator(images)[:2], discriminator(images[:2]))


def test_the_articles_layers() -> None:
    """Latent 100 -> dense -> 4x4x512 -> transposed convolutions with batch normalisation and ReLU -> tanh."""
    generator, discriminator = build(NetworkConfig(name="article", width=64, latent_size=100), item(64, 64))
    dense = generator.dense
    assert isinstance(dense, nn.Linear)
    assert (dense.in_features, dense.out_features) == (100, 4 * 4 * 512)
    kinds = [type(layer) for layer in generator.layers]  # type: ignore[union-attr]
    assert kinds.count(nn.ConvTranspose2d) == 4
    assert kinds.count(nn.BatchNorm2d) == kinds.count(nn.ReLU) == 4
    assert kinds[-1] is nn.Tanh
    inside = [type(layer) for layer in discriminator.layers]  # type: ignore[union-attr]
    assert inside.count(nn.Conv2d) == 4
    assert inside.count(nn.BatchNorm2d) == 3
    assert isinstance(discriminator.head.linear, nn.Linear)


def test_the_residual_family_has_the_papers_size() -> None:
    """R3GAN's CIFAR-10 networks (768 channels at four stages, two blocks each) have 20.8 M and 21.3 M parameters."""
    from augan.networks.residual import ResidualBlock

    block = parameter_count(ResidualBlock(768, 8))
    assert block == 768 * 1536 + 1536 + 1536 * 16 * 9 + 1536 + 1536 * 768
    with torch.device("meta"):
        pair = build(NetworkConfig(name="residual", width=768, widest=1, blocks=2), item(32, 32, 3, 10))
    assert [round(parameter_count(network) / 1e6, 1) for network in pair] == [20.8, 21.3]


def test_the_style_family_scales_weights_to_unit_variance() -> None:
    """Modulated and demodulated convolutions of unit-variance maps give unit variance, whatever the style."""
    from augan.networks.style import StyledConv

    torch.manual_seed(0)
    convolution = StyledConv(64, 32, 16, (16, 16), up=False).eval()
    maps, style = torch.randn(8, 64, 16, 16), 5 * torch.randn(8, 16)
    with torch.no_grad():
        found = convolution(maps, style)[:, :, 1:-1, 1:-1] / 2**0.5
    before = torch.where(found > 0, found, found / 0.2)
    torch.testing.assert_close(before.var((1, 2, 3)), torch.ones(8), atol=0.1, rtol=0)


def test_demodulated_activations_equal_demodulated_weights() -> None:
    """arXiv:1912.04958, equations 1 and 3, image by image."""
    from augan.networks.style import StyledConv

    torch.manual_seed(0)
    convolution = StyledConv(4, 3, 5, (6, 6), up=False).eval().double()
    maps, style = torch.randn(2, 4, 6, 6).double(), torch.randn(2, 5).double()
    found = convolution(maps, style)
    for index in range(2):
        scales = convolution.modulation(style)[index]
        weight = convolution.weight * convolution.scale * scales[None, :, None, None]
        weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        expected = nn.functional.conv2d(maps[index : index + 1], weight, padding=1)
        torch.testing.assert_close(found[index : index + 1], nn.functional.leaky_relu(expected, 0.2) * 2**0.5)


def test_noise_of_the_style_family_is_fixed_in_evaluation() -> None:
    generator, _ = pair("style", item(16, 16))
    for module in generator.modules():
        if hasattr(module, "strength"):
            nn.init.ones_(module.strength)
    latents = torch.randn(2, 6)
    assert not torch.equal(generator.train()(latents), generator(latents))
    assert torch.equal(generator.eval()(latents), generator(latents))


def test_noise_of_the_skip_family_is_there_in_both_turns() -> None:
    generator, _ = pair("skip", item(32, 32))
    for module in generator.modules():
        if hasattr(module, "strengths"):
            nn.init.ones_(module.strengths)
    latents = torch.randn(2, 6)
    with torch.no_grad():  # as in the discriminator's turn
        assert not torch.equal(generator.train()(latents), generator(latents))
        assert torch.equal(generator.eval()(latents), generator(latents))


def test_auxiliary_conditioning_is_refused_where_it_would_do_nothing() -> None:
    with pytest.raises(ValueError, match="skip and strided"):
        NetworkConfig(name="residual", conditioning="auxiliary")


def test_skip_discriminator_learns_to_reconstruct() -> None:
    torch.manual_seed(0)
    _, discriminator = pair("skip", item(16, 16))
    images = torch.rand(8, 3, 16, 16) * 2 - 1
    images = nn.functional.interpolate(images[:, :, :4, :4], scale_factor=4)
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        loss = discriminator.reconstruction_loss(discriminator.features(images), images)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_auxiliary_conditioning_is_the_papers_loss() -> None:
    """D2D-CE (arXiv:2111.01118, equation 7), item by item."""
    from augan.nn import AuxiliaryHead

    torch.manual_seed(0)
    head = AuxiliaryHead(6, 3, size=4, margin=0.9, temperature=0.5).double()
    features, labels = torch.randn(5, 6).double(), torch.tensor([0, 1, 1, 2, 0])
    codes = nn.functional.normalize(head.embed(features), dim=1)
    proxies = nn.functional.normalize(head.proxies(labels), dim=1)
    total = 0.0
    for i in range(5):
        near = max(0.0, 0.9 - float(codes[i] @ proxies[i])) / 0.5
        others = [max(0.0, float(codes[i] @ codes[j]) - 0.1) / 0.5 for j in range(5) if labels[j] != labels[i]]
        total += near + math.log(math.exp(-near) + sum(math.exp(other) for other in others))
    assert head.class_loss(features, labels).item() == pytest.approx(total / 5)


def test_auxiliary_heads_know_the_class_only_in_their_loss() -> None:
    _, discriminator = build(NetworkConfig(name="strided", width=8, conditioning="auxiliary"), item(16, 16, 1, 3))
    images, zeros = torch.randn(4, 1, 16, 16), torch.zeros(4, dtype=torch.int64)
    torch.testing.assert_close(discriminator(images, zeros), discriminator(images, zeros + 1))
    features, some = discriminator.features(images), torch.tensor([0, 0, 1, 2])
    assert discriminator.head.class_loss(features, some) != discriminator.head.class_loss(features, some.flip(0))


def test_residual_blocks_start_as_the_identity() -> None:
    from augan.networks.residual import ResidualBlock

    maps = torch.randn(2, 16, 4, 4)
    torch.testing.assert_close(ResidualBlock(16, 2)(maps), maps)


@pytest.mark.parametrize(("height", "width"), [*SIZES, (8, 256), (31, 33)])
def test_canvas_holds_the_image(height: int, width: int) -> None:
    canvas = Canvas.fit(height, width)
    assert canvas.size[0] >= height
    assert canvas.size[1] >= width
    assert 4 <= min(canvas.base) <= 7
    image = torch.randn(1, 2, height, width)
    torch.testing.assert_close(canvas.crop(canvas.pad(image)), image)


def test_unknown_family() -> None:
    with pytest.raises(UserError, match="Known: article, residual, skip, strided, style"):
        build(NetworkConfig(name="stride"), item(16, 16))
