"""Patch losses in closed form, and the pool."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from augan.game import ImagePool, PatchProjection, draw_places, patch_nce


def test_patch_nce_is_a_cross_entropy_over_places() -> None:
    torch.manual_seed(0)
    queries, keys = (F.normalize(torch.randn(2, 5, 3), dim=2) for _ in range(2))
    total = 0.0
    for image in range(2):
        for place in range(5):
            logits = torch.stack([queries[image, place] @ keys[image, other] for other in range(5)]) / 0.07
            total += float(torch.logsumexp(logits, 0) - logits[place])
    torch.testing.assert_close(patch_nce(queries, keys), torch.tensor(total / 10))


def test_patch_nce_is_small_for_equal_codes_and_keys_have_no_gradient() -> None:
    codes = torch.eye(4)[None].requires_grad_()
    keys = torch.eye(4)[None].requires_grad_()
    loss = patch_nce(codes, keys)
    assert float(loss) < 1e-4
    loss.backward()
    assert keys.grad is None
    assert float(patch_nce(codes, keys.flip(1))) > 10


def test_codes_have_length_one_and_come_from_their_places() -> None:
    torch.manual_seed(0)
    maps = [torch.randn(2, 3, 4, 5), torch.randn(2, 6, 2, 2)]
    projection = PatchProjection([3, 6], size=7)
    places = draw_places(maps, torch.Generator().manual_seed(0), count=8)
    assert [len(chosen) for chosen in places] == [8, 4]
    codes = projection(maps, places)
    assert [tuple(one.shape) for one in codes] == [(2, 8, 7), (2, 4, 7)]
    torch.testing.assert_close(codes[0].norm(dim=2), torch.ones(2, 8), atol=1e-3, rtol=0)
    row, column = divmod(int(places[0][3]), 5)
    alone = projection.heads[0](maps[0][1, :, row, column])
    torch.testing.assert_close(codes[0][1, 3], F.normalize(alone, dim=0), atol=1e-3, rtol=1e-3)


def test_the_pool_gives_back_half_of_what_it_knows() -> None:
    random, pool = torch.Generator().manual_seed(0), ImagePool(10)
    first = pool.exchange(torch.arange(10.0).view(10, 1, 1, 1), random)
    assert first.flatten().tolist() == list(range(10))
    old = 0
    for number in range(100, 300):
        shown = float(pool.exchange(torch.full((1, 1, 1, 1), float(number)), random))
        old += shown != number
    assert 70 < old < 130
    assert pool.images is not None
    assert len(pool.images) == 10
    assert float(ImagePool(0).exchange(torch.ones(1, 1, 1, 1), random)) == 1
