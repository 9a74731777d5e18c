"""Differentiable augmentation: what it does to images, that it differentiates twice, that it is reproducible."""

import pytest
import torch

from augan.core.errors import UserError
from augan.game import AUGMENTATIONS, augment
from augan.game.augmentation import colour, cutout, flip, translation


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_keeps_shape_and_is_decided_by_the_stream(name: str, channels: int) -> None:
    images = torch.rand(8, channels, 10, 14) * 2 - 1
    once, again = augment(images, [name], stream()), augment(images, [name], stream())
    assert once.shape == images.shape
    torch.testing.assert_close(once, again)
    assert not torch.equal(once, augment(images, [name], stream(1)))


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
    moved = translation(images, stream())
    places = (moved[:, 0] == 1).nonzero()
    assert len(places) == 64
    offsets = places[:, 1:] - 8
    assert offsets.abs().max() == 2
    assert len(offsets.unique(dim=0)) > 15


def test_translation_brings_in_black() -> None:
    moved = translation(torch.ones(64, 1, 16, 16), stream())
    assert set(moved.unique().tolist()) == {-1.0, 1.0}


def test_cutout_covers_about_a_quarter() -> None:
    covered = (cutout(torch.ones(400, 1, 16, 16), stream()) == 0).float().mean((1, 2, 3))
    assert covered.max() <= 0.25
    assert covered.mean() > 0.12


def test_flip_exchanges_half() -> None:
    images = torch.arange(4.0).expand(400, 1, 2, 4)
    flipped = (flip(images, stream())[:, 0, 0, 0] == 3).float().mean()
    assert 0.4 < flipped < 0.6


def test_colour_keeps_greys_grey() -> None:
    grey = torch.rand(8, 1, 5, 5).expand(8, 3, 5, 5)
    changed = colour(grey, stream())
    torch.testing.assert_close(changed[:, 0], changed[:, 1])


def test_unknown_operation() -> None:
    with pytest.raises(UserError, match="translation"):
        augment(torch.zeros(1, 1, 4, 4), ["translate"])
