"""What the settings say about a moment of a run: how far it is, its rates, its penalties, its average."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from augan.core.world import World
from augan.game.controller import WINDOW, next_probability
from augan.nn import decay_for, set_class_strength
from augan.training.config import RunConfig
from augan.training.schedules import cosine, fraction_of
from augan.training.state import State

LOGIT_DECAY = 0.99
"""Of the moving averages of logits, a round (arXiv:2104.03310, section 3.2)."""


class Plan:
    """Schedules of a run, as functions of its settings and counters."""

    def __init__(self, config: RunConfig, state: State, world: World) -> None:
        self.config, self.state, self.world = config, state, world

    def fraction(self) -> float:
        """The share of the budget that is used."""
        counters, training = self.state.counters, self.config.training
        if training.images is not None:
            return counters.images_seen / training.images
        assert training.minutes is not None
        return counters.elapsed_sec / (60 * training.minutes)

    def done(self) -> float:
        """The share of the schedules that is done."""
        counters, training = self.state.counters, self.config.training
        if training.images is not None:
            counters.horizon_images = training.images
        return fraction_of(counters.images_seen, training.schedule_images or counters.horizon_images)

    def out_of_patience(self) -> bool:
        """Whether so many measures were no better than the best one that the run ends."""
        patience = self.config.training.patience
        return patience is not None and self.state.counters.stale >= patience

    def set_rates(self) -> None:
        """Gives both optimisers the learning rate and betas of this moment."""
        training, done = self.config.training, self.done()
        rate = cosine(training.learning_rate, training.learning_rate_end, done) * self.state.counters.rate_factor
        beta2 = cosine(training.beta2, training.beta2 if training.beta2_end is None else training.beta2_end, done)
        for optimizer, factor in (
            (self.state.optimizer_g, 1.0),
            (self.state.optimizer_d, training.discriminator_rate),
        ):
            for group in optimizer.param_groups:
                group["lr"], group["betas"] = rate * factor, (training.beta1, beta2)

    def set_class_strength(self) -> None:
        """Lets classes come in, where networks.transition says so."""
        share = self.config.networks.transition
        if share:
            strength = min(1.0, max(0.0, 2 * self.done() / share - 1))
            for network in (self.state.generator, self.state.discriminator):
                set_class_strength(network, strength)

    def penalty_weight(self) -> float:
        """What this round's penalties are multiplied by: 0 in rounds without."""
        game = self.config.game
        if not game.penalised or self.state.counters.rounds % game.penalty_interval:
            return 0.0
        factor = self.state.counters.gamma_factor
        return factor * game.penalty_interval * cosine(1.0, game.gamma_end, self.done())

    def decay(self, count: int) -> float:
        """Of the average, for a round of `count` images."""
        training, seen = self.config.training, self.state.counters.images_seen
        if training.ema_half_life_start is None:
            return decay_for(training.ema_half_life_images, count, seen)
        half_life = cosine(training.ema_half_life_start, training.ema_half_life_images, self.done())
        return decay_for(half_life, count, seen, ramp=math.inf)

    def anchors(self) -> tuple[float, float] | None:
        """The moving averages of real and generated logits, where they are used and there are some."""
        counters = self.state.counters
        if not self.config.game.lecam or counters.logit_real is None or counters.logit_fake is None:
            return None
        return counters.logit_real, counters.logit_fake

    def follow_logits(self, watched: dict[str, Tensor]) -> None:
        """Moves these averages after a round."""
        if not self.config.game.lecam:
            return
        counters = self.state.counters
        for side in ("real", "fake"):
            now, before = float(self.world.mean(watched[f"{side}_logit"])), getattr(counters, f"logit_{side}")
            moved = now if before is None else LOGIT_DECAY * before + (1 - LOGIT_DECAY) * now
            setattr(counters, f"logit_{side}", moved)

    def adapt(self, watched: dict[str, Tensor], count: int) -> None:
        """Moves the probability of adaptive augmentation after a round of `count` images, and adds it to `watched`."""
        game, counters = self.config.game, self.state.counters
        if not game.adaptive:
            return
        if game.adaptive_control == "schedule":
            share = fraction_of(counters.images_seen, game.adaptive_images)
            counters.augment_probability = cosine(0.0, game.adaptive_limit, share)
        else:
            counters.sign_sum += float(self.world.mean(watched["overfitting"]))
            if counters.rounds % WINDOW == 0:
                counters.augment_probability = next_probability(
                    counters.augment_probability,
                    counters.sign_sum / WINDOW,
                    WINDOW * count,
                    target=game.adaptive_target,
                    full_range=game.adaptive_images,
                    limit=game.adaptive_limit,
                )
                counters.sign_sum = 0.0
        watched["augment_probability"] = torch.tensor(counters.augment_probability)
