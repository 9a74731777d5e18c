"""The parts of a comparison: closed forms, and what must hold whatever is compared."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal, Normal

from augan.checkpoint import Model
from augan.core.config import from_dict
from augan.core.errors import UserError
from augan.core.item import ItemSpec
from augan.networks import NetworkConfig, build
from augan.versus import (
    COLUMNS,
    MODELS,
    Coder,
    VersusConfig,
    difference,
    fit_mixture,
    interval,
    laplacian_variance,
    log_probability,
    probe_accuracy,
)
from augan.versus.coders import divergence
from augan.versus.players import GanPlayer, slerp
from augan.versus.reading import EXPECTED, READ, badness, expectations, reading

ITEM = ItemSpec(channels=1, height=16, width=16)
NETWORKS = NetworkConfig(width=8, latent_size=8, conditional=False)


# ---------------------------------------------------------------------- intervals


def test_intervals_are_students() -> None:
    found = interval([1.0, 2.0, 3.0])
    assert found.low is not None
    assert found.mean == 2
    assert found.mean - found.low == pytest.approx(4.30265 / math.sqrt(3), rel=1e-4)
    assert interval([5.0]).low is None
    assert interval([5.0, 5.0]).low == 5


def test_differences_are_welchs() -> None:
    from scipy.stats import ttest_ind

    random = np.random.default_rng(0)
    a, b = random.normal(0, 1, 4), random.normal(2, 3, 6)
    found, theirs = difference(list(a), list(b)), ttest_ind(a, b, equal_var=False).confidence_interval()
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), rel=1e-3)
    assert difference([1.0, 1.0], [0.0, 0.0]).sign == 1
    assert difference([0.0, 2.0], [1.0, 1.1]).sign == 0
    assert difference([0.0], [9.0]).sign == 0  # one seed tells nothing


# ---------------------------------------------------------------------- likelihoods


def test_probabilities_of_levels_sum_to_one() -> None:
    """Also where the mean lies near the end, and where the deviation is far below a level."""
    levels = (torch.arange(256.0) / 127.5 - 1).view(256, 1, 1, 1)
    for mean, deviation in ((0.2, 0.3), (-1.0, 0.5), (0.99, 0.001), (0.0, 0.01)):
        found = log_probability(levels, torch.full_like(levels, mean), deviation).double().exp()
        assert float(found.sum()) == pytest.approx(1, abs=1e-5)


def test_probabilities_are_densities_times_the_width_of_a_level() -> None:
    levels = (torch.tensor([100.0, 140.0]) / 127.5 - 1).view(2, 1, 1, 1)
    means = torch.zeros_like(levels)
    found = log_probability(levels, means, 0.5)
    density = Normal(0.0, 0.5).log_prob(levels.flatten()) + math.log(2 / 255)
    torch.testing.assert_close(found, density, atol=1e-4, rtol=0)


def test_far_levels_have_finite_log_probabilities() -> None:
    found = log_probability(torch.full((1, 1, 1, 1), 0.5), torch.full((1, 1, 1, 1), -0.9), 0.01)
    assert -1e5 < float(found) < -1000


def test_the_divergence_of_the_prior_is_zero() -> None:
    assert divergence(torch.zeros(2, 5), torch.zeros(2, 5)).abs().max() == 0
    assert (divergence(torch.randn(9, 5), torch.randn(9, 5)) > 0).all()


# ---------------------------------------------------------------------- the mixture


def test_the_mixture_finds_its_components() -> None:
    random = torch.Generator().manual_seed(0)
    centres = torch.tensor([[0.0, 0.0], [8.0, 0.0], [0.0, 8.0]])
    which = torch.randint(3, (900,), generator=random)
    points = centres[which] + torch.randn(900, 2, generator=random)
    found = fit_mixture(points, seed=1, components=3)
    apart = torch.cdist(centres.double(), found.means).min(1)
    assert apart.values.max() < 0.3
    assert len(set(apart.indices.tolist())) == 3
    torch.testing.assert_close(found.weights.sum(), torch.tensor(1.0, dtype=torch.float64))


def test_the_mixtures_density_is_torchs() -> None:
    points = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    found = fit_mixture(points, components=2)
    theirs = MixtureSameFamily(
        Categorical(found.weights), MultivariateNormal(found.means, scale_tril=found.factors)
    ).log_prob(points.double())
    torch.testing.assert_close(found.log_density(points), theirs)


def test_the_mixture_samples_what_it_was_fitted_to() -> None:
    mixing = torch.tensor([[2.0, 0.0], [1.5, 0.5]])
    points = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0)) @ mixing.T
    found = fit_mixture(points, components=3)
    made = found.sample(4000, seed=3)
    torch.testing.assert_close(made.T.cov(), points.T.cov(), atol=0.4, rtol=0.1)
    assert torch.equal(made, found.sample(4000, seed=3))
    assert not torch.equal(made, found.sample(4000, seed=4))


@pytest.mark.parametrize("points", [torch.zeros(30, 3), torch.randn(3, 5), torch.randn(15, 64)])
def test_the_mixture_takes_few_and_equal_points(points: torch.Tensor) -> None:
    assert torch.isfinite(fit_mixture(points).sample(10, 0)).all()


# ---------------------------------------------------------------------- networks and latents


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("gaussian", [True, False])
def test_coders_are_made_of_the_games_networks(channels: int, gaussian: bool) -> None:
    item = ItemSpec(channels=channels, height=20, width=12)
    coder = Coder(NETWORKS, item, gaussian)
    generator, discriminator = build(NETWORKS, item)
    assert coder.decoder.state_dict().keys() == generator.state_dict().keys()
    trunk = {name: value.shape for name, value in discriminator.state_dict().items() if not name.startswith("head")}
    assert {name: value.shape for name, value in coder.encoder.state_dict().items()} == trunk
    mean, log_variance = coder.encode(torch.zeros(3, *item.shape))
    assert mean.shape == (3, 8)
    assert (log_variance is not None) == gaussian
    assert coder.decode(mean).shape == (3, *item.shape)


def test_a_family_without_a_trunk_is_refused() -> None:
    with pytest.raises(UserError, match="no trunk to encode with"):
        Coder(NetworkConfig(name="style", width=8, latent_size=8, conditional=False), ITEM, True)


def test_great_circles_keep_lengths() -> None:
    a, b = (torch.nn.functional.normalize(torch.randn(50, 9), dim=1) * 3 for _ in range(2))
    ways = slerp(a, b, torch.rand(50, 1))
    torch.testing.assert_close(ways.norm(dim=1), torch.full((50,), 3.0))
    torch.testing.assert_close(slerp(a, b, torch.zeros(50, 1)), a)
    torch.testing.assert_close(slerp(a, b, torch.ones(50, 1)), b)


def test_inversion_comes_nearer_than_any_of_its_starts() -> None:
    """The images are the generator's own: the best of 256 samples is far, the end is near."""
    torch.manual_seed(3)
    generator, _ = build(NETWORKS, ITEM)
    model = Model(generator, ITEM)
    wanted = model.decode(torch.randn(6, 8, generator=torch.Generator().manual_seed(9)), None)
    player = GanPlayer(model, 1, restarts=2, steps=80, seed=0)
    candidates = player.decode(player.draw(256, 0))
    nearest = torch.cdist(wanted.flatten(1), candidates.flatten(1)).min(1).values.square() / 256
    found = player.find(wanted)
    error = (found.images - wanted).square().flatten(1).mean(1)
    assert (error < nearest).all()
    assert float(error.mean()) < 0.2 * float(nearest.mean())
    torch.testing.assert_close(player.decode(found.latents), found.images)
    assert found.seconds > 0


# ---------------------------------------------------------------------- measures


def test_sharpness_is_the_variance_of_the_laplacian() -> None:
    board = (np.indices((8, 8)).sum(0) % 2 * 255).astype(np.uint8)[None, :, :, None]
    assert laplacian_variance(board) == pytest.approx(16)  # 4 and -4 in turn
    ramp = np.broadcast_to(np.arange(0, 80, 10, dtype=np.uint8)[:, None], (8, 8))[None, :, :, None]
    assert laplacian_variance(ramp.copy()) == pytest.approx(0)


def test_the_probe_reads_linear_classes_and_nothing_from_noise() -> None:
    random = np.random.default_rng(0)
    labels, truth = random.integers(0, 4, 300), random.integers(0, 4, 400)
    directions = random.normal(size=(4, 10)) * 3
    noise = [torch.from_numpy(random.normal(size=(len(side), 10))) for side in (labels, truth)]
    told = [torch.from_numpy(directions[side]) + one for side, one in zip((labels, truth), noise, strict=True)]
    assert probe_accuracy(told[0], labels, told[1], truth) > 0.95
    assert probe_accuracy(noise[0], labels, noise[1], truth) < 0.4


# ---------------------------------------------------------------------- settings and sentences


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UserError, match="Unknown model 'gna'. Did you mean 'gan'"):
        from_dict(VersusConfig, {"models": ("gna",), "minutes": 1})
    with pytest.raises(UserError, match="each once"):
        from_dict(VersusConfig, {"seeds": (1, 1), "minutes": 1})
    with pytest.raises(UserError, match="Give a budget"):
        from_dict(VersusConfig, {"minutes": 1, "images": 5})


def made_up(**better: float) -> dict[str, dict[str, list[float]]]:
    """Two models, of which the GAN is better by `better` in each column, with little noise."""
    noise = (-0.001, 0.0, 0.001)
    rows: dict[str, dict[str, list[float]]] = {}
    for model, sign in (("gan", 0.0), ("vae", 1.0)):
        rows[model] = {"find_seconds": [0.5 - 0.4 * sign] * 3}
        for column in READ:
            worse = sign * better.get(column, 0.0)
            start = 1.0 if COLUMNS[column].better == "one" else 0.5
            values = [start + (-worse if COLUMNS[column].better in ("high", "one") else worse) + one for one in noise]
            rows[model][column] = values
    return rows


def test_sentences_follow_the_numbers() -> None:
    found = made_up(reconstruction=-0.2, precision=0.2, sharpness=0.3)
    assert {(one.column, one.outcome) for one in expectations(found)} == {(name, "as expected") for name in EXPECTED}
    text = " ".join(reading(found))
    assert "Reconstruction MSE is best with vae, 0.3000 (0.2975 to 0.3025)" in text
    assert "Precision is best with gan" in text
    assert "5 times as long as the fastest encoder" in text
    turned = made_up(reconstruction=0.2, precision=-0.2)
    outcomes = {one.column: one.outcome for one in expectations(turned)}
    assert outcomes == {"reconstruction": "the reverse", "precision": "the reverse", "sharpness": "not told apart"}
    assert "the reverse against vae" in " ".join(reading(turned))


def test_one_seed_tells_nothing_apart() -> None:
    one = {model: {name: values[:1] for name, values in rows.items()} for model, rows in made_up(precision=0.2).items()}
    assert {found.outcome for found in expectations(one)} == {"not told apart"}
    assert "With one seed" in reading(one)[-1]


def test_every_column_and_model_is_explained() -> None:
    assert all(column.title and column.meaning for column in COLUMNS.values())
    assert set(READ) <= set(COLUMNS)
    assert all(meaning for meaning in MODELS.values())
    assert badness("sharpness", [2.0, 0.5]) == pytest.approx([math.log(2), math.log(2)])
