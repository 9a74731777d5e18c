"""The autoencoder: its bound in closed form, what it learns, what it makes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

import augan
from augan.augment.makers import Maker
from augan.baselines import elbo_terms, fit_vae
from augan.core.errors import UserError
from augan.data import Source
from common import shapes


@pytest.fixture(scope="module")
def source(cache: Path) -> Source:
    return augan.open(shapes({"a": 40, "b": 20}))


def test_the_divergence_is_that_of_two_gaussians() -> None:
    mean, log_variance = torch.randn(5, 3), torch.randn(5, 3)
    images = torch.zeros(5, 1, 4, 4)
    _, found = elbo_terms(images, images + 0.5, mean, log_variance)
    ours = Independent(Normal(mean, (0.5 * log_variance).exp()), 1)
    prior = Independent(Normal(torch.zeros(5, 3), torch.ones(5, 3)), 1)
    torch.testing.assert_close(found, kl_divergence(ours, prior).mean())


def test_the_reconstruction_is_a_likelihood_at_the_best_variance() -> None:
    """-log N(x; y, s^2) at the s^2 that maximises it, less its constant D / 2 (1 + log 2 pi)."""
    images, decoded = torch.randn(6, 2, 3, 3), torch.randn(6, 2, 3, 3)
    found, _ = elbo_terms(images, decoded, torch.zeros(6, 1), torch.zeros(6, 1))
    best = ((images - decoded) ** 2).mean().sqrt()
    likelihood = Normal(decoded, best).log_prob(images).flatten(1).sum(1).mean()
    torch.testing.assert_close(found, -likelihood - 18 / 2 * (1 + math.log(2 * math.pi)))


def test_it_learns_and_makes_images_of_a_class(source: Source) -> None:
    vae = fit_vae(source, steps=150, seed=1, width=8)
    assert isinstance(vae, Maker)
    assert source.labels is not None
    images = source.items(np.arange(60))
    error = np.abs(vae.reconstruct(images, source.labels).astype(float) - images).mean()
    mean_image = np.abs(images - images.mean(0)).mean()
    assert error < 0.8 * mean_image
    made = vae.make(1, 300, seed=0)
    assert made.shape == (300, 16, 16, 1)
    assert np.array_equal(made, vae.make(1, 300, seed=0))
    assert not np.array_equal(made, vae.make(1, 300, seed=1))
    assert vae.make(0, 0, seed=0).shape == (0, 16, 16, 1)
    rows = [vae.make(label, 50, seed=0).mean((0, 2, 3)).argmax() for label in (0, 1)]
    assert rows[0] < 8 <= rows[1]


def test_it_is_reproducible_and_needs_no_labels() -> None:
    images = augan.open(shapes({"a": 20})[0])
    first, again = (fit_vae(images, steps=2, width=8).make(0, 4, 0) for _ in range(2))
    assert np.array_equal(first, again)
    with pytest.raises(UserError, match="minutes or steps"):
        fit_vae(images)
