"""Recipes: what to train with, from what the data is and how much time there is.

A recipe is a function `(Facts) -> RunConfig`. Each choice comes with a reason in plain words; docs/experiments.md has
the measurements behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from augan.core.errors import UserError, unknown_name
from augan.core.item import ItemSpec
from augan.game.config import GameConfig
from augan.networks import NetworkConfig
from augan.nn import Canvas
from augan.recipes.series import SERIES_RECIPES
from augan.recipes.speed import reference_rate
from augan.recipes.tables import TABLE_RECIPES
from augan.training import DataConfig, RunConfig, TrainingConfig

DEFAULT_MINUTES = 5.0
WIDTHS = {16: 0.0, 24: 200_000.0, 32: 400_000.0, 48: 1_200_000.0, 64: 3_000_000.0}
"""Widths that `auto` chooses from, and how many images each needs to see to be worth it."""
SHORT = 300_000
"""Runs of fewer images learn at twice the rate, in batches of half the size: they have few rounds to learn in."""
LONG = 100_000
"""In longer runs the rate falls to an eighth, in shorter ones to a quarter."""

WAVE_GAMMA = 3.0
MANY_EPOCHS = 500
"""From so many on, what the discriminator sees is augmented adaptively."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Time in minutes, or real images shown. Neither means 5 minutes. `processes` divide each batch.

    Raises:
        UserError: both are given, or one is not above 0.
    """

    minutes: float | None = None
    images: int | None = None
    processes: int = 1

    def __post_init__(self) -> None:
        if self.minutes is not None and self.images is not None:
            raise UserError("Give --minutes or --images, not both.")
        for name, value in (("--minutes", self.minutes), ("--images", self.images)):
            if value is not None and not 0 < value < float("inf"):
                raise UserError(f"{name} {value}: a number above 0 is expected.")

    def resolved(self) -> Budget:
        """The default filled in."""
        return self if self.minutes or self.images else Budget(minutes=DEFAULT_MINUTES)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What recipes decide by: the item, how many there are, how many of each class, the budget, and, where that is a
    time, the machine's `reference_rate`."""

    item: ItemSpec
    count: int
    classes: Mapping[str, int]
    budget: Budget
    rate: float = 0.0

    @property
    def imbalance(self) -> float:
        """The largest class over the smallest; 1 without classes."""
        return max(self.classes.values()) / max(1, min(self.classes.values())) if self.classes else 1.0

    @property
    def canvas_pixels(self) -> int:
        """Pixels of the grid that the networks work on."""
        height, width = Canvas.fit(self.item.height, self.item.width).size
        return height * width

    def affordable_images(self, width: int) -> float:
        """How many images the budget allows the strided pair of this width to see."""
        if self.budget.minutes is None:
            return float(self.budget.images or 0)
        wider = width / 32
        work = self.canvas_pixels / (32 * 32) * (wider if wider < 1 else wider**2)
        return 60 * self.budget.minutes * self.budget.processes * self.rate / work


def _budget(facts: Facts) -> dict[str, Any]:
    return {"minutes": facts.budget.minutes, "images": facts.budget.images}


def _balance(facts: Facts) -> tuple[float, list[str]]:
    if facts.imbalance < 1.5:
        return 0.0, []
    return 1.0, [
        f"classes are shown equally often, as the largest has {facts.imbalance:.1f} times the smallest's images"
    ]


def _strided(facts: Facts, name: str, width: int, planned: float, reasons: list[str]) -> RunConfig:
    balance, why = _balance(facts)
    changes, why_changed = _few_images(facts, planned)
    gamma = _gamma(facts)
    short, long = planned < SHORT, planned > LONG
    rate = (1.6e-3 if short else 8e-4) * min(1.0, 32 / width)
    return RunConfig(
        recipe=name,
        data=DataConfig(balance=balance),
        networks=NetworkConfig(name="strided", width=width, latent_size=64),
        game=GameConfig(
            objective="relativistic",
            r1_gamma=gamma,
            r2_gamma=gamma,
            penalty_interval=4,
            matching=_matching(facts),
            reuse=True,
            **changes,
        ),
        training=TrainingConfig(
            **_budget(facts),
            batch=32 if short else 64,
            learning_rate=rate,
            learning_rate_end=rate / (8 if long else 4),
            beta2=0.9,
            ema_half_life_images=max(5_000.0, 0.02 * planned),
        ),
        reasons=(*reasons, *why, *why_changed),
    )


def _gamma(facts: Facts) -> float:
    """0.5 at 32x32, in proportion to the number of pixels: squared gradients grow with it."""
    return 0.5 * facts.canvas_pixels / 1024


def _few_images(facts: Facts, planned: float) -> tuple[dict[str, Any], list[str]]:
    """Adaptive augmentation where each image will be seen very often: (settings of the game, why)."""
    epochs = planned / facts.count
    if epochs < MANY_EPOCHS:
        return {}, []
    sound = facts.item.sound is not None  # moved up or down, a spectrogram is another sound
    settings = {"adaptive": ("cutout",) if sound else ("translation", "cutout"), "adaptive_images": 50_000.0}
    how = "spectrograms partly covered" if sound else "images moved and partly covered"
    return settings, [
        f"the discriminator sees the {facts.count:,} {how}, lest it learn them by heart: it "
        f"will see each about {epochs:,.0f} times"
    ]


def _matching(facts: Facts) -> float:
    """0.1 for grey images, and 0.2 for coloured ones, whose classes are harder to tell; 0 without classes.

    0.4 for sounds, of which a run with 0.1 lost classes again as it gained variety (docs/experiments.md).
    """
    if len(facts.classes) < 2:
        return 0.0
    if facts.item.sound is not None:
        return 0.4
    return 0.1 if facts.item.channels == 1 else 0.2


def strided(facts: Facts) -> RunConfig:
    """The fast pair at width 32, with the relativistic objective, both gradient penalties and class matching."""
    return _strided(facts, "strided", 32, facts.affordable_images(32), [])


def auto(facts: Facts) -> RunConfig:
    """The fast pair, as wide as the budget can train: wide enough to learn, narrow enough to see enough images."""
    if facts.item.sound is not None and facts.item.sound.form == "waveform":
        return wavegan(facts)
    fitting = [width for width, needed in WIDTHS.items() if facts.affordable_images(width) >= needed]
    width = max(fitting, default=min(WIDTHS))
    planned = facts.affordable_images(width)
    size = f"{facts.item.height}x{facts.item.width}"
    reason = f"width {width}, with which the budget is enough for about {planned:,.0f} images of {size}"
    return _strided(facts, "auto", width, planned, [reason])


def article(facts: Facts) -> RunConfig:
    """The textbook pair with the exact minimax pay-off, latent 100 and batch normalisation, and nothing else.

    The discriminator learns at a quarter of the generator's rate: at equal rates it wins within seconds, and
    log(1 - D(G(z))) then has no slope left to learn from.
    """
    balance, reasons = _balance(facts)
    return RunConfig(
        recipe="article",
        data=DataConfig(balance=balance),
        networks=NetworkConfig(name="article", width=64, latent_size=100),
        game=GameConfig(objective="minimax", r1_gamma=0.0, r2_gamma=0.0),
        training=TrainingConfig(
            **_budget(facts),
            learning_rate=4e-4,
            learning_rate_end=1e-4,
            discriminator_rate=0.25,
        ),
        reasons=(
            *reasons,
            "the discriminator learns at a quarter of the generator's rate, lest the exact game saturate",
        ),
    )


def residual(facts: Facts) -> RunConfig:
    """R3GAN's blocks, objective and penalties, with the penalties at every fourth round."""
    balance, reasons = _balance(facts)
    gamma = _gamma(facts)
    return RunConfig(
        recipe="residual",
        data=DataConfig(balance=balance),
        networks=NetworkConfig(name="residual", width=32, latent_size=64),
        game=GameConfig(
            objective="relativistic",
            r1_gamma=gamma,
            r2_gamma=gamma,
            penalty_interval=4,
            matching=_matching(facts),
        ),
        training=TrainingConfig(**_budget(facts), learning_rate=8e-4, learning_rate_end=4e-4),
        reasons=tuple(reasons),
    )


def r3gan_cifar10(facts: Facts) -> RunConfig:
    """R3GAN as published for CIFAR-10 (arXiv:2501.05441): 768 channels in all stages, 20.8 M and 21.3 M parameters.

    Made for GPUs: batch 512, schedules over 20 million images, 250 million images in the paper's run.
    """
    return _r3gan(
        facts,
        "r3gan-cifar10",
        NetworkConfig(name="residual", width=768, widest=1, blocks=2, latent_size=64),
        gamma=0.05,
        batch=512,
        augmentation=(0.55, 5e6),
        half_life=5e6,
    )


def r3gan_ffhq64(facts: Facts) -> RunConfig:
    """R3GAN as published for FFHQ at 64x64: 768 channels up to 32x32, 384 at 64x64, batch 256, gamma 2."""
    return _r3gan(
        facts,
        "r3gan-ffhq64",
        NetworkConfig(name="residual", width=384, widest=2, blocks=2, latent_size=64),
        gamma=2.0,
        batch=256,
        augmentation=(0.3, 5e5),
        half_life=5e5,
    )


def _r3gan(
    facts: Facts,
    name: str,
    networks: NetworkConfig,
    *,
    gamma: float,
    batch: int,
    augmentation: tuple[float, float],
    half_life: float,
) -> RunConfig:
    """What the published presets share: schedules over 20 million images along half cosines, augmentation that rises.

    `augmentation` is its last probability, and the images until then.
    """
    return RunConfig(
        recipe=name,
        networks=networks,
        game=GameConfig(
            objective="relativistic",
            r1_gamma=gamma,
            r2_gamma=gamma,
            penalty_interval=1,
            gamma_end=0.1,
            adaptive=("blit", "geometry", "palette*0.5", "cutout"),
            adaptive_control="schedule",
            adaptive_limit=augmentation[0],
            adaptive_images=augmentation[1],
        ),
        training=TrainingConfig(
            **_budget(facts),
            batch=batch,
            learning_rate=2e-4,
            learning_rate_end=5e-5,
            beta2=0.9,
            beta2_end=0.99,
            schedule_images=2e7,
            ema_half_life_images=half_life,
            ema_half_life_start=0.0,
        ),
        reasons=("made for GPUs: the published settings, whatever the budget",),
    )


def stylegan2_ada(facts: Facts) -> RunConfig:
    """StyleGAN2 with adaptive augmentation (arXiv:2006.06676), by its authors' rules for small images and batch 64.

    512 channels in all stages up to 64x64, mapping of two layers, latent 512, no path length penalty and no mixing;
    gamma 0.01 at 32x32, else 0.0002 times the square of the side over the batch; R1 at every sixteenth round. The
    paper's correction of Adam's settings for lazy penalties is left out.
    """
    batch, side = 64, max(facts.item.height, facts.item.width)
    return RunConfig(
        recipe="stylegan2-ada",
        networks=NetworkConfig(name="style", width=512, widest=1, latent_size=512, mapping=2),
        game=GameConfig(
            objective="non-saturating",
            r1_gamma=0.01 if side <= 32 else 0.0002 * side**2 / batch,
            r2_gamma=0.0,
            penalty_interval=16,
            adaptive=("blit", "geometry", "palette"),
        ),
        training=TrainingConfig(
            **_budget(facts),
            batch=batch,
            learning_rate=2.5e-3,
            learning_rate_end=2.5e-3,
            ema_half_life_images=500_000,
        ),
        reasons=("made for GPUs: the published settings, whatever the budget",),
    )


def wavegan(facts: Facts) -> RunConfig:
    """WaveGAN's layers (arXiv:1802.04208) on waveforms, with phase shuffle, at half the paper's width.

    The engine plays one turn each where the paper plays five of the discriminator, and has the relativistic objective
    and both gradient penalties in place of WGAN-GP (`game.objective=wasserstein`, `game.gradient_penalty=10`).
    """
    if facts.item.sound is None or facts.item.sound.form != "waveform":
        raise UserError("wavegan is for sounds as waveforms. Give a folder of sounds, or choose another --recipe.")
    balance, reasons = _balance(facts)
    return RunConfig(
        recipe="wavegan",
        data=DataConfig(balance=balance),
        networks=NetworkConfig(name="wavegan", width=32, latent_size=100),
        game=GameConfig(
            objective="relativistic",
            r1_gamma=WAVE_GAMMA,
            r2_gamma=WAVE_GAMMA,
            penalty_interval=4,
            matching=_matching(facts),
            reuse=True,
        ),
        training=TrainingConfig(
            **_budget(facts),
            batch=32,
            learning_rate=4e-4,
            learning_rate_end=1e-4,
            beta2=0.9,
            precision="fp32",
        ),
        reasons=(*reasons, "one-dimensional convolutions on waveforms"),
    )


RECIPES: dict[str, Callable[[Facts], RunConfig]] = {
    "auto": auto,
    "article": article,
    "strided": strided,
    "residual": residual,
    "r3gan-cifar10": r3gan_cifar10,
    "r3gan-ffhq64": r3gan_ffhq64,
    "stylegan2-ada": stylegan2_ada,
    "wavegan": wavegan,
}
"""What `--recipe NAME` may name."""


READINGS: dict[str, tuple[str, ...]] = {"wavegan": ("data.form=waveform",)}
"""Settings of the data that a recipe brings, as the data is opened before it is asked."""


def video(facts: Facts) -> RunConfig:
    """Content and motion against the three-frame discriminator: what `auto` is for clips."""
    return _video(facts, "video", "video")


def video_3d(facts: Facts) -> RunConfig:
    """The same generator against a discriminator that sees whole clips, of the same width."""
    return _video(facts, "video-3d", "video-3d")


def _video(facts: Facts, name: str, networks: str) -> RunConfig:
    balance, why = _balance(facts)
    gamma = 3 * _gamma(facts)
    return RunConfig(
        recipe=name,
        data=DataConfig(balance=balance),
        networks=NetworkConfig(name=networks, width=16, latent_size=64),
        game=GameConfig(
            objective="relativistic",
            r1_gamma=gamma,
            r2_gamma=gamma,
            penalty_interval=4,
            matching=_matching(facts),
            reuse=True,
            critic_turns=2,
        ),
        training=TrainingConfig(
            **_budget(facts),
            batch=16,
            learning_rate=1.2e-3,
            learning_rate_end=2e-4,
            beta2=0.9,
            ema_half_life_images=2_000.0,
        ),
        reasons=tuple(why),
    )


def mocogan(facts: Facts) -> RunConfig:
    """MoCoGAN (arXiv:1707.04993): recurrent motion, a judge of frames and one of clips, at the paper's rates."""
    balance, why = _balance(facts)
    return RunConfig(
        recipe="mocogan",
        data=DataConfig(balance=balance),
        networks=NetworkConfig(name="mocogan", width=32, latent_size=50),
        game=GameConfig(objective="non-saturating", r1_gamma=0.0, r2_gamma=0.0),
        training=TrainingConfig(
            **_budget(facts), batch=32, learning_rate=2e-4, learning_rate_end=2e-4, beta1=0.5, beta2=0.999
        ),
        reasons=(*why, "the published baseline"),
    )


CLIP_RECIPES: dict[str, Callable[[Facts], RunConfig]] = {
    "auto": video,
    "video": video,
    "video-3d": video_3d,
    "mocogan": mocogan,
}
"""The same for clips."""


def recipe_config(
    name: str, item: ItemSpec, count: int, classes: Mapping[str, int], budget: Budget, device: str = "auto"
) -> RunConfig:
    """The configuration of the recipe called `name` for this data and budget.

    Raises:
        UserError: there is no such recipe; the message lists them.
    """
    budget = budget.resolved()
    if item.kind == "table":
        if name not in TABLE_RECIPES:
            raise unknown_name("recipe for items of kind table", name, TABLE_RECIPES)
        return TABLE_RECIPES[name]({"minutes": budget.minutes, "images": budget.images})
    if item.kind == "series":
        if name not in SERIES_RECIPES:
            raise unknown_name("recipe for items of kind series", name, SERIES_RECIPES)
        return SERIES_RECIPES[name]({"minutes": budget.minutes, "images": budget.images}, classes)
    known = CLIP_RECIPES if item.kind == "video" else RECIPES
    if name not in known:
        raise unknown_name(f"recipe for items of kind {item.kind}", name, known)
    rate = 0.0 if budget.minutes is None else reference_rate(device)
    return known[name](Facts(item=item, count=count, classes=classes, budget=budget, rate=rate))
