"""Measures of clips rank real ones before frozen and shuffled ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import augan
from augan.core.item import to_unit
from augan.metrics import frechet_distance, in_domain, motion_distance, motion_statistics
from augan.metrics.clips import CHANGES, ClipEncoder, changed_clips, orders_of, reduced_clips, train_clip_space
from common_clips import moving


def changed(clips: np.ndarray, name: str) -> np.ndarray:
    kinds = np.full(len(clips), CHANGES.index(name), dtype=np.int64)
    return changed_clips(clips, kinds, np.random.default_rng(1))


def test_changes_are_what_they_are_called() -> None:
    kinds = np.arange(len(CHANGES), dtype=np.int64)
    real, shuffled, frozen, backwards, slow = orders_of(8, kinds, np.random.default_rng(0)).tolist()
    assert real == list(range(8))
    assert sorted(shuffled) == real
    assert shuffled != real
    assert len(set(frozen)) == 1
    assert backwards == real[::-1]
    assert np.diff(slow).max() == 1
    assert len(set(slow)) == 4


def test_statistics_of_a_square_that_steps_a_pixel_a_frame() -> None:
    clip = np.zeros((1, 8, 16, 16, 1), np.uint8)
    for time in range(8):
        clip[0, time, 4:8, time : time + 4] = 255
    change, unevenness, far, speed, turning = motion_statistics(clip)[0]
    assert change == pytest.approx(8 / 256)  # a column of 4 goes, one comes
    assert unevenness == pytest.approx(0, abs=1e-6)
    assert far == pytest.approx(32 / 256)  # half a clip is 4 pixels: nothing in common
    assert speed == pytest.approx(1 / np.hypot(16, 16), rel=1e-3)
    assert turning == pytest.approx(0, abs=1e-3)
    still = motion_statistics(np.repeat(clip[:, :1], 8, 1))[0]
    assert np.allclose(still, 0, atol=1e-6)


def test_distance_of_motion_is_in_root_mean_squares() -> None:
    real = np.random.default_rng(0).normal(size=(4000, 5))
    assert motion_distance(real, real) == 0
    assert motion_distance(real, real + 2) == pytest.approx(2, rel=0.05)
    assert motion_distance(real, real[:50]) < 0.4
    moves = np.random.default_rng(0).uniform(1, 2, size=(4000, 5))
    assert motion_distance(moves, 0 * moves) == pytest.approx(1.5 / np.sqrt(7 / 3), rel=0.01)


@pytest.mark.parametrize("labelled", [False, True])
def test_frozen_and_shuffled_clips_are_farther_than_other_real_ones(labelled: bool) -> None:
    clips = np.concatenate([moving(60, right=True, seed=1), moving(60, right=False, seed=2)])
    order = np.random.default_rng(0).permutation(120)
    labels = np.repeat([0, 1], 60)[order]
    source = augan.open((clips[order], labels) if labelled else clips[order])
    space = train_clip_space(source, steps=60)
    others = np.concatenate([moving(40, right=True, seed=3), moving(40, right=False, seed=4)])
    real = space.features(to_unit(clips))
    near = frechet_distance(real, space.features(to_unit(others)))
    for name in ("frozen", "shuffled"):
        assert frechet_distance(real, space.features(to_unit(changed(clips, name)))) > 2 * near, name
        statistics = motion_statistics(changed(clips, name))
        assert motion_distance(motion_statistics(clips), statistics) > 0.5, name
    if labelled:
        truth = np.repeat([0, 1], 40)
        assert (space.probabilities(space.features(to_unit(others))).argmax(1) == truth).mean() >= 0.9


def test_spaces_are_kept_and_damaged_ones_made_again(tmp_path: object) -> None:
    source = augan.open(moving(24))
    first = train_clip_space(source, steps=5)
    again = train_clip_space(source, steps=5)
    assert first.hash == again.hash
    assert first.name == "clips, self-supervised"
    lengths = np.linalg.norm(first.features(to_unit(source.items(np.arange(4)))), axis=1)
    assert np.allclose(lengths, 128**0.5, rtol=1e-4)
    assert ClipEncoder.width == in_domain.FEATURES


def test_large_clips_are_averaged_down() -> None:
    assert reduced_clips(torch.zeros(1, 3, 4, 64, 128)).shape == (1, 3, 4, 16, 32)
    assert reduced_clips(torch.zeros(1, 3, 4, 16, 16)).shape == (1, 3, 4, 16, 16)
