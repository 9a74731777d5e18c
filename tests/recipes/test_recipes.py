"""Recipes choose by data and budget, give reasons, and each one trains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import augan
from augan.api import resolve
from augan.core.errors import UserError
from augan.core.item import ItemSpec
from augan.core.sounds import SoundSpec
from augan.game import AUGMENTATIONS, OBJECTIVES
from augan.networks import NETWORKS, SERIES_NETWORKS
from augan.recipes import RECIPES, Budget, recipe_config
from augan.recipes.recipes import LONG, SHORT, WIDTHS, Facts, auto, strided
from augan.recipes.series import SERIES_RECIPES
from augan.recipes.speed import reference_rate
from common import TINY, fitting

CLASSES = {"a": 1000, "b": 1000}


def facts(side: int = 32, minutes: float = 1.0, count: int = 50_000, rate: float = 500.0, channels: int = 3) -> Facts:
    return Facts(
        item=ItemSpec(channels=channels, height=side, width=side, class_names=tuple(CLASSES)),
        count=count,
        classes=CLASSES,
        budget=Budget(minutes=minutes),
        rate=rate,
    )


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("classes", [{}, {"a": 5}, {"a": 500, "b": 20}])
def test_every_recipe_is_a_valid_configuration(name: str, classes: dict[str, int]) -> None:
    item = ItemSpec(channels=3, height=24, width=40, class_names=tuple(classes) or None)
    if name == "wavegan":
        sound = SoundSpec(rate_hz=8000, samples=4096, form="waveform")
        item = replace(item, height=1, width=4096, kind="sound", sound=sound)
    config = recipe_config(name, item, 500, classes, Budget(images=1000))
    assert config.recipe == name
    assert config.networks.name in NETWORKS
    assert config.game.objective in OBJECTIVES
    assert set(config.game.augmentation) <= set(AUGMENTATIONS)
    assert config.training.images == 1000
    published = name in ("r3gan-cifar10", "r3gan-ffhq64", "stylegan2-ada")
    assert config.data.balance == (1.0 if len(classes) > 1 and not published else 0.0)
    assert (config.game.matching > 0) <= (len(classes) > 1)


@pytest.mark.parametrize("name", SERIES_RECIPES)
@pytest.mark.parametrize("classes", [{}, {"a": 5}, {"a": 500, "b": 20}])
def test_every_recipe_of_series_is_a_valid_configuration(name: str, classes: dict[str, int]) -> None:
    item = fitting("series", ItemSpec(channels=2, height=1, width=24, class_names=tuple(classes) or None))
    config = recipe_config(name, item, 500, classes, Budget(images=1000))
    assert config.recipe == name
    assert config.networks.name in SERIES_NETWORKS
    assert config.training.images == 1000
    assert config.data.balance == (len(classes) > 1)
    assert (config.game.matching > 0) == (len(classes) > 1)
    with pytest.raises(UserError, match="recipe for items of kind series 'article'"):
        recipe_config("article", item, 500, classes, Budget(images=1000))


def test_article_recipe_is_the_articles_game() -> None:
    config = recipe_config("article", facts().item, 100, CLASSES, Budget(images=10))
    assert config.game.objective == "minimax"
    assert not config.game.penalised
    assert config.game.matching == 0
    assert not config.game.augmentation
    assert (config.networks.name, config.networks.latent_size, config.networks.width) == ("article", 100, 64)


def test_auto_is_wider_with_more_time_and_narrower_at_more_pixels() -> None:
    by_time = [auto(facts(minutes=minutes)).networks.width for minutes in (0.1, 1, 10, 100, 1000)]
    by_size = [auto(facts(side=side, minutes=10)).networks.width for side in (16, 32, 64, 128, 256)]
    assert by_time == sorted(by_time)
    assert by_size == sorted(by_size, reverse=True)
    assert {by_time[0], by_time[-1]} == {min(WIDTHS), max(WIDTHS)}


def test_auto_raises_gamma_with_the_pixels() -> None:
    assert auto(facts(side=64)).game.r1_gamma == 4 * auto(facts(side=32)).game.r1_gamma == 2.0


def test_auto_learns_faster_in_smaller_batches_where_rounds_are_few() -> None:
    few, some, many = (
        strided(facts(minutes=images / 500 / 60)).training for images in (0.9 * LONG, 1.1 * LONG, 2 * SHORT)
    )
    assert (few.batch, some.batch, many.batch) == (32, 32, 64)
    assert few.learning_rate == some.learning_rate == 2 * many.learning_rate == 1.6e-3
    ends = [training.learning_rate / training.learning_rate_end for training in (few, some, many)]
    assert ends == pytest.approx([4, 8, 8])


def test_auto_augments_where_images_are_seen_very_often() -> None:
    few, many = (auto(facts(minutes=10, count=count)).game.adaptive for count in (100, 50_000))
    assert (few, many) == (("translation", "cutout"), ())


def test_auto_says_why() -> None:
    reasons = " ".join(auto(facts()).reasons)
    assert "width 16" in reasons
    assert "60,000 images" in reasons


def test_published_recipes_keep_the_papers_numbers() -> None:
    cifar = recipe_config("r3gan-cifar10", facts().item, 50_000, CLASSES, Budget(images=1000))
    assert (cifar.networks.width, cifar.networks.widest, cifar.networks.blocks) == (768, 1, 2)
    assert (cifar.training.batch, cifar.game.r1_gamma, cifar.game.r2_gamma, cifar.game.penalty_interval) == (
        512,
        0.05,
        0.05,
        1,
    )
    assert (cifar.training.learning_rate, cifar.training.learning_rate_end) == (2e-4, 5e-5)
    assert (cifar.training.beta1, cifar.training.beta2, cifar.training.beta2_end) == (0.0, 0.9, 0.99)
    ffhq = recipe_config("r3gan-ffhq64", facts(side=64).item, 70_000, {}, Budget(images=1000))
    assert (ffhq.networks.width, ffhq.networks.widest, ffhq.training.batch, ffhq.game.r1_gamma) == (384, 2, 256, 2.0)
    style = recipe_config("stylegan2-ada", facts(side=64).item, 70_000, {}, Budget(images=1000))
    assert (style.networks.name, style.networks.latent_size, style.training.learning_rate) == ("style", 512, 2.5e-3)
    assert style.game.r1_gamma == pytest.approx(0.0128)
    assert (style.game.adaptive_target, style.game.adaptive_images) == (0.6, 500_000)


def test_rate_is_measured() -> None:
    assert 1 < reference_rate("cpu") < 1e7


def test_budgets() -> None:
    assert Budget().resolved() == Budget(minutes=5.0)
    for wrong in ({"minutes": 1.0, "images": 5}, {"minutes": 0.0}, {"images": -1}, {"minutes": float("nan")}):
        with pytest.raises(UserError, match="--minutes|--images"):
            Budget(**wrong)  # type: ignore[arg-type]


def test_unknown_recipe(bars_npz: Path) -> None:
    with pytest.raises(UserError, match="Did you mean 'article'"):
        resolve(bars_npz, recipe="articel")


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_trains_and_samples(name: str, bars_npz: Path, tmp_path: Path) -> None:
    data, shape = bars_npz, (1, 16, 16)
    if name == "wavegan":
        data, shape = tmp_path / "tones.npz", (1, 1, 2048)
        waves = np.sin(np.linspace(0, 300, 2000) * np.linspace(1, 2, 12)[:, None]).astype(np.float32)
        labels = np.array(["low", "high"]).repeat(6)
        np.savez(data, waveforms=waves, rate_hz=8000, labels=labels)
    run = augan.train(data, images=48, out=tmp_path / "run", recipe=name, settings=TINY)
    images = run.load().sample(6, classes=["low", "high"])
    assert images.shape == (6, *shape)
    assert images.isfinite().all()
