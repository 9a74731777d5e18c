"""Differentiable augmentation: what it does to images, that it differentiates twice, that it is reproducible."""

import pytest
import torch

from augan.core.errors import UserError
from augan.core.rng import Stream
from augan.game import AUGMENTATIONS, adaptive, augment
from augan.game.augmentation import colour, cutout, flip, translation
from augan.game.controller import next_probability
from augan.game.draw import Draw


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(images: torch.Tensor, probability: float = 1.0) -> Draw:
    return Draw(len(images), images, Stream(stream()), probability)


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_keeps_shape_and_is_decided_by_the_stream(name: str, channels: int) -> None:
    images = torch.rand(8, channels, 10, 14) * 2 - 1
    once, again = augment(images, [name], stream()), augment(images, [name], stream())
    assert once.shape == images.shape
    torch.testing.assert_close(once, again)
    assert not torch.equal(once, augment(images, [name], stream(1)))


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("size", [(10, 14), (8, 8)])
def test_nothing_happens_at_probability_0(name: str, size: tuple[int, int]) -> None:
    images = torch.rand(6, 3, *size) * 2 - 1
    torch.testing.assert_close(augment(images, [name], stream(), 0.0), images)


@pytest.mark.parametrize("name", ["colour", "cutout", "flip", "noise"])
def test_happens_to_the_share_that_is_asked_for(name: str) -> None:
    images = torch.rand(1_000, 1, 8, 8) * 2 - 1
    changed = (augment(images, [name], stream(), 0.3) != images).flatten(1).any(1).float().mean()
    expected = 0.15 if name == "flip" else 0.3
    assert abs(changed - expected) < 0.05


@pytest.mark.parametrize("name", sorted(set(AUGMENTATIONS) - {"noise"}))
def test_frames_of_a_clip_are_changed_alike(name: str) -> None:
    still = torch.rand(4, 1, 3, 8, 8).expand(-1, 5, -1, -1, -1)
    changed = augment(still, [name], stream(), 0.9)
    torch.testing.assert_close(changed, changed[:, :1].expand_as(changed))
    assert not torch.equal(changed, still)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_differentiates_twice(name: str) -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 3, 4, 6, dtype=torch.float64, requires_grad=True)

    def change(images: torch.Tensor) -> torch.Tensor:
        return augment(images, [name], stream()).sin()

    assert torch.autograd.gradcheck(change, (images,))
    assert torch.autograd.gradgradcheck(change, (images,))


def test_translation_moves_by_at_most_an_eighth() -> None:
    images = torch.full((64, 1, 16, 16), -1.0)
    images[:, :, 8, 8] = 1.0
    moved = translation(images, draw(images))
    places = (moved[:, 0] == 1).nonzero()
    assert len(places) == 64
    offsets = places[:, 1:] - 8
    assert offsets.abs().max() == 2
    assert len(offsets.unique(dim=0)) > 15


def test_translation_brings_in_black() -> None:
    white = torch.ones(64, 1, 16, 16)
    moved = translation(white, draw(white))
    assert set(moved.unique().tolist()) == {-1.0, 1.0}


def test_cutout_covers_about_a_quarter() -> None:
    white = torch.ones(400, 1, 16, 16)
    covered = (cutout(white, draw(white)) == 0).float().mean((1, 2, 3))
    assert covered.max() <= 0.25
    assert covered.mean() > 0.12


def test_flip_exchanges_half() -> None:
    images = torch.arange(4.0).expand(400, 1, 2, 4)
    flipped = (flip(images, draw(images))[:, 0, 0, 0] == 3).float().mean()
    assert 0.4 < flipped < 0.6


def test_colour_keeps_greys_grey() -> None:
    grey = torch.rand(8, 1, 5, 5).expand(8, 3, 5, 5)
    changed = colour(grey, draw(grey))
    torch.testing.assert_close(changed[:, 0], changed[:, 1])


def test_unknown_operation() -> None:
    with pytest.raises(UserError, match="translation"):
        augment(torch.zeros(1, 1, 4, 4), ["translate"])


def test_warp_shifts_by_whole_pixels_exactly() -> None:
    images = torch.rand(1, 2, 12, 12, dtype=torch.float64)
    matrix = torch.eye(3, dtype=torch.float64)[None].clone()
    matrix[:, 0, 2], matrix[:, 1, 2] = 2, -3
    moved = adaptive.warp(images, matrix)
    torch.testing.assert_close(moved[:, :, 4:9, 1:9], images[:, :, 1:6, 3:11])


def test_warp_turns_by_a_quarter() -> None:
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    bump = torch.exp(-((x - 10) ** 2 + (y - 5) ** 2) / 30)[None, None].double()
    quarter = torch.tensor([[[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]], dtype=torch.float64)
    turned = adaptive.warp(bump, quarter)
    inner = (slice(None), slice(None), slice(4, 12), slice(4, 12))
    errors = [(turned - bump.rot90(times, (2, 3)))[inner].abs().max().item() for times in range(4)]
    assert errors[1] < 0.1  # the filter is not quite symmetric
    assert min(errors[0], errors[2], errors[3]) > 0.2


def test_filter_bank_sums_to_the_identity_and_orders_bands() -> None:
    bank = adaptive._filter_bank().double()
    middle = torch.zeros(bank.shape[1], dtype=torch.float64)
    middle[bank.shape[1] // 2] = 1
    torch.testing.assert_close(bank.sum(0), middle, atol=1e-6, rtol=0)
    spectra = torch.fft.rfft(bank, n=256).abs()
    centres = (spectra * torch.arange(129.0)).sum(1) / spectra.sum(1)
    assert (centres.diff() > 0).all()


def test_hue_keeps_luma_and_greys() -> None:
    images = torch.rand(4, 3, 4, 4)
    turned = adaptive._turn_hue(images, torch.tensor([0.0, 1.0, 2.0, 2 * torch.pi / 3]))
    torch.testing.assert_close(turned.mean(1), images.mean(1))
    torch.testing.assert_close(turned[0], images[0])
    torch.testing.assert_close(turned[3], images[3].roll(-1, 0))  # a third of a turn exchanges the channels
    torch.testing.assert_close(turned.square().sum(1), images.square().sum(1))


def test_blit_moves_pixels_and_makes_none() -> None:
    images = torch.arange(64.0).view(1, 1, 8, 8).expand(50, -1, -1, -1)
    changed = adaptive.blit(images, draw(images))
    assert set(changed.unique().tolist()) <= set(range(64))
    assert len(changed.unique(dim=0)) > 20


def test_probability_follows_the_signs_and_stays_in_range() -> None:
    settings = {"target": 0.6, "full_range": 1_000, "limit": 0.8}
    assert next_probability(0.2, 0.7, 100, **settings) == pytest.approx(0.3)
    assert next_probability(0.2, 0.5, 100, **settings) == pytest.approx(0.1)
    assert next_probability(0.2, 0.6, 100, **settings) == 0.2
    assert next_probability(0.79, 1.0, 100, **settings) == 0.8
    assert next_probability(0.01, -1.0, 100, **settings) == 0.0


def test_a_factor_lowers_the_probability() -> None:
    images = torch.rand(2_000, 1, 8, 8) * 2 - 1
    changed = (augment(images, ["cutout*0.5"], stream(), 0.8) != images).flatten(1).any(1).float().mean()
    assert abs(changed - 0.4) < 0.05
    for wrong in ("cutout*2", "cutout*half"):
        with pytest.raises(UserError, match="from 0 to 1"):
            augment(images, [wrong])
