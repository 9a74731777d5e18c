"""Networks of clips: any length and rate, frames of their own time, latents that hold everything."""

from __future__ import annotations

import pytest
import torch

from augan.core.errors import UserError
from augan.core.item import ItemSpec
from augan.core.rng import Stream
from augan.game import objective
from augan.game.config import GameConfig
from augan.networks import NetworkConfig, build
from augan.networks.build import CLIP_NETWORKS
from augan.networks.video import MOTION_NOISE, SparseDiscriminator, VideoGenerator, endless_noise
from augan.training.step import Table


def item(classes: int = 0, frames: int = 8, size: tuple[int, int] = (16, 16), channels: int = 1) -> ItemSpec:
    names = tuple(f"c{index}" for index in range(classes)) or None
    return ItemSpec(channels=channels, height=size[0], width=size[1], class_names=names, kind="video", frames=frames)


@pytest.mark.parametrize("name", CLIP_NETWORKS)
@pytest.mark.parametrize(
    ("classes", "frames", "size", "channels"), [(0, 8, (16, 16), 1), (3, 5, (20, 36), 3), (0, 2, (8, 8), 4)]
)
def test_a_pair_makes_and_judges_clips(
    name: str, classes: int, frames: int, size: tuple[int, int], channels: int
) -> None:
    spec = item(classes, frames, size, channels)
    generator, discriminator = build(NetworkConfig(name=name, width=4, latent_size=8), spec)
    labels = torch.tensor([0, 2, 1]) if classes else None
    latents = torch.randn(3, int(generator.latent_size))
    clips = generator(latents, labels)
    assert clips.shape == (3, *spec.shape)
    assert clips.abs().max() <= 1
    logits = discriminator(clips, labels)
    assert logits.shape == (3,)
    logits.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in generator.parameters())


@pytest.mark.parametrize("name", CLIP_NETWORKS)
def test_frames_are_functions_of_their_time(name: str) -> None:
    generator, _ = build(NetworkConfig(name=name, width=4, latent_size=8), item())
    generator.eval()
    latents = torch.randn(2, int(generator.latent_size))
    with torch.no_grad():
        whole = generator(latents)
        some = generator(latents, None, torch.tensor([1.0, 5.0]))
        longer = generator(latents, None, torch.arange(80.0))
        between = generator(latents, None, torch.tensor([2.5]))
    assert torch.allclose(some, whole[:, :, [1, 5]], atol=1e-5)
    assert torch.allclose(longer[:, :, :8], whole, atol=1e-5)
    assert longer.isfinite().all()
    assert between.shape == (2, 1, 1, 16, 16)


def test_noise_goes_on_without_end_as_a_function_of_the_latent() -> None:
    pool = torch.randn(400, 24)
    early, late = endless_noise(pool, 0, 3, 8), endless_noise(pool, 30, 3, 8)
    assert torch.equal(early.flatten(1), pool)
    assert torch.equal(late, endless_noise(pool, 30, 3, 8))
    assert late.std() == pytest.approx(1, abs=0.05)
    assert abs(float((early * late).mean())) < 0.1
    assert endless_noise(pool, -4, 2, 8).shape == (400, 2, 8)


def test_wandering_is_smooth_and_of_variance_one_at_all_times() -> None:
    generator, _ = build(NetworkConfig(name="video", width=4, latent_size=8), item())
    assert isinstance(generator, VideoGenerator)
    pool = torch.randn(4000, MOTION_NOISE - 16)
    passed = torch.linspace(0, 7, 71).expand(4000, -1)
    walk = generator.motion._wandering(pool, passed)
    assert torch.allclose(walk.std(0), torch.ones(71, 8), atol=0.08)
    assert walk.diff(dim=1).abs().max() < 2.5


def test_a_clip_at_rest_is_carried_nowhere_and_a_shift_moves_it() -> None:
    generator, _ = build(NetworkConfig(name="video", width=4, latent_size=8), item(size=(32, 32)))
    assert isinstance(generator, VideoGenerator)
    maps, picture = torch.randn(2, 3, 8, 8), torch.randn(2, 1, 8, 8)
    motion, code = torch.zeros(2, 4, 32), torch.zeros(2, 8)
    lain, still = generator._carried(maps, picture, motion, code)
    assert torch.allclose(lain.view(2, 4, 3, 8, 8), maps[:, None].expand(-1, 4, -1, -1, -1), atol=1e-5)
    assert torch.allclose(still.view(2, 4, 1, 8, 8)[:, 2], picture, atol=1e-5)
    with torch.no_grad():
        generator.carry.bias[2] = 2 / 8  # one cell to the right is read
    lain, _ = generator._carried(maps, picture, motion, code)
    assert torch.allclose(lain.view(2, 4, 3, 8, 8)[:, 1, :, :, :-1], maps[..., 1:], atol=1e-5)


def test_three_different_frames_in_order_are_watched() -> None:
    _, discriminator = build(NetworkConfig(name="video", width=4, latent_size=8), item())
    assert isinstance(discriminator, SparseDiscriminator)
    times = discriminator.draw_times(2000, Stream(torch.Generator().manual_seed(0)), torch.device("cpu"))
    assert (times.diff(dim=1) >= 1).all()
    assert times.min() == 0
    assert times.max() == 7
    assert torch.bincount(times.long().flatten(), minlength=8).float().std() < 50


def test_the_gaps_between_frames_change_the_verdict() -> None:
    _, discriminator = build(NetworkConfig(name="video", width=4, latent_size=8), item())
    frames = torch.randn(1, 1, 3, 16, 16)
    near, far = (discriminator(frames, None, torch.tensor([times])) for times in ([0.0, 1, 2], [0.0, 3, 7]))
    later = discriminator(frames, None, torch.tensor([[4.0, 5, 6]]))
    assert not torch.allclose(near, far)
    assert torch.allclose(near, later)


def test_penalties_of_second_order_pass_through() -> None:
    _, discriminator = build(NetworkConfig(name="video", width=4, latent_size=8), item())
    frames = torch.randn(2, 1, 3, 16, 16, requires_grad=True)
    logits = discriminator(frames, None, torch.tensor([[0.0, 1, 2]] * 2))
    (gradient,) = torch.autograd.grad(logits.sum(), frames, create_graph=True)
    gradient.square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in discriminator.parameters())


def test_families_of_another_kind_are_refused_with_the_right_names() -> None:
    with pytest.raises(UserError, match="items of kind video"):
        build(NetworkConfig(name="strided"), item())
    with pytest.raises(UserError, match="items of kind image"):
        build(NetworkConfig(name="video"), ItemSpec(channels=1, height=16, width=16))


def test_stills_are_watched_at_one_moment_in_the_place_of_the_first_clips() -> None:
    generator, discriminator = build(NetworkConfig(name="video", width=4, latent_size=8), item())
    table = Table(
        generator=generator,
        discriminator=discriminator,
        objective=objective("relativistic"),
        rules=GameConfig(),
        classes=0,
        device=torch.device("cpu"),
        dtype=None,
        stills=torch.randn(2, 1, 16, 16),
    )
    clips = torch.randn(5, 1, 8, 16, 16)
    shown = table.watch(clips, Stream(torch.Generator().manual_seed(0)))
    assert table.times is not None
    assert table.stills is not None
    assert (table.times[:2].diff(dim=1) == 0).all()
    assert (table.times[2:].diff(dim=1) > 0).all()
    assert torch.equal(shown[:2, :, 2], table.stills)
    assert torch.equal(shown[4, :, 1], clips[4, :, int(table.times[4, 1])])
