"""One round of the game: the discriminator's turn, then the generator's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from augan.core.rng import Stream
from augan.core.world import World
from augan.game import (
    anchored_penalty,
    augment,
    group_spectral_penalty,
    interpolate,
    one_centered_penalty,
    zero_centered_penalty,
)
from augan.game.config import GameConfig
from augan.game.objectives import Objective

Images = Float[Tensor, "b c *grid"]
Labels = Int64[Tensor, "b *pack"] | None
Optimizer = torch.optim.Optimizer


@dataclass(kw_only=True)
class Table:
    """What both turns need: the players, the rules, and where and how precisely to compute.

    `tails` are what each class counts in the penalty on small classes, (k,), where that is on. `probability` is of
    adaptive augmentation, now; `anchors` the moving averages of real and generated logits, once there are some;
    `world` the processes among which the batch is divided; `times` are those of the frames that this turn shows of each
    clip, (b, k), where the discriminator chooses some; `stills` are images to be shown in the place of the first clips.
    """

    generator: nn.Module
    discriminator: nn.Module
    objective: Objective
    rules: GameConfig
    classes: int
    device: torch.device
    dtype: torch.dtype | None
    tails: Tensor | None = None
    probability: float = 0.0
    anchors: tuple[float, float] | None = None
    world: World = field(default_factory=World)
    times: Tensor | None = None
    stills: Tensor | None = None

    def watch(self, real: Tensor, random: Stream) -> Tensor:
        """Real items as this turn shows them: clips by the frames that a sparse discriminator chooses."""
        choose = getattr(self.discriminator, "draw_times", None)
        if choose is None:
            return real
        times: Tensor = choose(len(real), random, real.device)
        self.times = times
        rows = torch.arange(len(real), device=real.device)[:, None]
        shown = real[rows, :, times.long()].movedim(2, 1)
        if self.stills is not None:  # in the place of the first clips: one moment, watched several times
            count = len(self.stills)
            self.times = torch.cat([times[:count, :1].expand(-1, times.shape[1]), times[count:]])
            shown = torch.cat([self.stills[:, :, None].expand(-1, -1, times.shape[1], -1, -1), shown[count:]])
        return shown

    def times_of(self, images: Tensor) -> tuple[Tensor, ...]:
        """What networks of clips are told beside a batch, or beside several of them."""
        return () if self.times is None else (self.times.repeat(len(images) // len(self.times), 1),)

    def precision(self) -> torch.autocast:
        """Autocast for forward passes; losses and penalties are computed in float32 outside of it."""
        return torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype is not None)

    def change(self, images: Tensor, random: Stream) -> Tensor:
        """Images as the discriminator is shown them."""
        clips = images.dim() == 5
        shown = images.movedim(2, 1) if clips else images  # frames of a clip are changed alike
        shown = augment(shown, self.rules.augmentation, random)
        shown = augment(shown, self.rules.adaptive, random, self.probability) if self.probability else shown
        return shown.movedim(1, 2) if clips else shown

    def judge(self, images: Tensor, labels: Tensor | None, random: Stream) -> Tensor:
        """Augmented images' logits, (b,) float32."""
        return self.verdict(self.change(images, random), labels)

    def verdict(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """Images' logits as they are, (b,) float32."""
        with self.precision():
            logits = _call(self.discriminator, images, labels, *self.times_of(images))
        return logits.float().reshape(len(images))

    def judge_pairs(
        self, real: Tensor, fake: Tensor, labels: Tensor | None, random: Stream, differentiate: bool
    ) -> Pairs:
        """Both batches' logits, and the real images' with other labels, where the game asks for that.

        A discriminator with `features` and `head` sees all images at once, and the second labels cost it next to
        nothing; any other sees real and generated images one after the other (batch normalisation would tell them
        apart).
        """
        images = torch.cat([real, fake]).requires_grad_(differentiate)
        count, others = len(real), None
        if self.rules.matching and labels is not None:
            others = other_labels(labels, self.classes, random)
        if not _offers_features(self.discriminator):
            real_logits, fake_logits = (self.judge(part, labels, random) for part in (images[:count], images[count:]))
            mismatched = None if others is None else self.judge(real, others, random)
            return Pairs(images, real_logits, fake_logits, mismatched, {})
        shown = self.change(images, random.pairs())
        with self.precision():
            features = self.discriminator.features(shown, *self.times_of(shown))  # type: ignore[operator]
            twice = None if labels is None else torch.cat([labels, labels])
            logits = self.discriminator.head(features, twice).float()  # type: ignore[operator]
            mismatched = None
            if others is not None:
                mismatched = self.discriminator.head(features[:count], others).float()  # type: ignore[operator]
            extra = self.class_loss(features[:count], labels)
            if self.rules.reconstruction and hasattr(self.discriminator, "reconstruction_loss"):
                rebuilt = self.discriminator.reconstruction_loss(features[:count], shown[:count])  # type: ignore[operator]
                extra["reconstruction"] = self.rules.reconstruction * rebuilt
        return Pairs(images, logits[:count], logits[count:], mismatched, extra)

    def judge_fake(self, fake: Tensor, labels: Tensor | None, random: Stream) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits of the generator's turn, and what else it pays."""
        if not _offers_features(self.discriminator):
            return self.judge(fake, labels, random), {}
        with self.precision():
            shown = self.change(fake, random)
            features = self.discriminator.features(shown, *self.times_of(shown))  # type: ignore[operator]
            logits: Tensor = self.discriminator.head(features, labels)  # type: ignore[operator]
            return logits.float(), self.class_loss(features, labels)

    def class_loss(self, features: Tensor, labels: Tensor | None) -> dict[str, Tensor]:
        """The weighted auxiliary class loss, where the discriminator has one."""
        head = getattr(self.discriminator, "head", None)
        if labels is None or not self.rules.auxiliary or not hasattr(head, "class_loss"):
            return {}
        return {"class_loss": self.rules.auxiliary * head.class_loss(features, labels)}  # type: ignore[union-attr]

    def packed(self, items: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Items as the discriminator judges them: several at once, channels beside one another, where it has a `pack`.

        Those that do not fill a pack are left out.
        """
        size = int(getattr(self.discriminator, "pack", 1))
        if size == 1:
            return items, labels
        count = len(items) // size
        packs = items[: count * size].reshape(count, size * items.shape[1], *items.shape[2:])
        return packs, None if labels is None else labels[: count * size].reshape(count, size)

    def generate(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        """Images (b, c, h, w) float32 of latents."""
        with self.precision():
            images: Tensor = _call(self.generator, latents, labels, *self.times_of(latents))
        return images.float()


class Pairs(NamedTuple):
    """Real and generated images, in this order, before augmentation (2b, c, h, w), and what the discriminator says."""

    images: Tensor
    real_logits: Tensor
    fake_logits: Tensor
    mismatched_logits: Tensor | None
    extra: dict[str, Tensor]


def _offers_features(discriminator: nn.Module) -> bool:
    return hasattr(discriminator, "features") and hasattr(discriminator, "head")


def _call(network: nn.Module, first: Tensor, labels: Tensor | None, *times: Tensor) -> Tensor:
    output: Tensor = network(first) if labels is None and not times else network(first, labels, *times)
    return output


def latents_for(count: int, size: int, random: Stream, device: torch.device) -> Float[Tensor, "b d"]:
    """z ~ N(0, I), (count, size)."""
    return random.rows(count, lambda rows, generator: torch.randn(rows, size, generator=generator, device=device))


def other_labels(labels: Int64[Tensor, " b"], classes: int, random: Stream) -> Int64[Tensor, " b"]:
    """For each label another one, uniformly; the same where there is one class only."""
    if classes < 2:
        return labels
    step = random.rows(
        len(labels),
        lambda count, generator: torch.randint(1, classes, (count,), generator=generator, device=labels.device),
    )
    return (labels + step) % classes


def play_round(
    table: Table,
    optimizers: tuple[Optimizer, Optimizer],
    real: Images,
    labels: Labels,
    latent_size: int,
    random: Stream,
    penalty_weight: float,
) -> dict[str, Tensor]:
    """One turn of each player on the same real images; `optimizers` are the generator's and the discriminator's.

    With `rules.reuse`, the generator is judged by the images that it made for the discriminator's turn, against the
    real images' logits of that turn: one pass of each network less. Otherwise both are made anew. Before it come the
    discriminator's turns beyond one that `rules.critic_turns` asks for.
    """
    optimizer_g, optimizer_d = optimizers
    whole = real

    def drawn() -> Tensor:
        return latents_for(len(real), latent_size, random, table.device)

    for _ in range(table.rules.critic_turns - 1):
        real = table.watch(whole, random)
        with torch.no_grad():
            fake = table.generate(drawn(), labels)
        discriminator_turn(table, optimizer_d, real, labels, fake, random, penalty_weight)
    real = table.watch(whole, random)
    if table.rules.reuse:
        fake = table.generate(drawn(), labels)
        watched, real_logits = discriminator_turn(table, optimizer_d, real, labels, fake, random, penalty_weight)
        return watched | generator_turn(table, optimizer_g, real, labels, fake, random, real_logits)
    with torch.no_grad():
        fake = table.generate(drawn(), labels)
    watched, _ = discriminator_turn(table, optimizer_d, real, labels, fake, random, penalty_weight)
    return watched | generator_turn(table, optimizer_g, real, labels, table.generate(drawn(), labels), random)


def discriminator_turn(
    table: Table,
    optimizer: Optimizer,
    real: Images,
    labels: Labels,
    fake: Images,
    random: Stream,
    penalty_weight: float,
) -> tuple[dict[str, Tensor], Float[Tensor, " packs"]]:
    """Updates the discriminator once; returns detached numbers to watch, and the real images' logits.

    Generated images take the labels of the real ones that they are paired with. Penalties are gradients with respect
    to the images as they are before augmentation; `penalty_weight` multiplies them, and at 0 they are not computed.
    """
    spread = _spread(fake) / _spread(real).clamp_min(1e-6)
    fake, (real, labels) = table.packed(fake, None)[0], table.packed(real, labels)
    pairs = table.judge_pairs(real.detach(), fake.detach(), labels, random, penalty_weight > 0)
    loss = table.objective.discriminator_loss(pairs.real_logits, pairs.fake_logits)
    watched = {
        "loss_discriminator": loss,
        "real_logit": pairs.real_logits.mean(),
        "fake_logit": pairs.fake_logits.mean(),
        "overfitting": _signs(table, pairs),
        "spread": spread,
    }
    if pairs.mismatched_logits is not None:
        mismatch = table.objective.discriminator_loss(pairs.real_logits, pairs.mismatched_logits)
        watched["mismatch"] = mismatch
        loss = loss + table.rules.matching * mismatch
    for name, term in pairs.extra.items():
        watched[name] = term
        loss = loss + term
    if table.rules.lecam and table.anchors is not None:
        watched["lecam"] = anchored_penalty(pairs.real_logits, pairs.fake_logits, table.anchors)
        loss = loss + table.rules.lecam * watched["lecam"]
    if penalty_weight:
        penalty = _penalty(table, pairs, labels, random)
        watched["penalty"] = penalty
        loss = loss + penalty_weight * penalty
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if table.objective.generator_sees_real:
        _forget_level(table.discriminator)
    table.world.mean_gradients(table.discriminator)
    optimizer.step()
    return {name: value.detach() for name, value in watched.items()}, pairs.real_logits.detach()


def _forget_level(discriminator: nn.Module) -> None:
    """Where logits are only compared with one another, the gradient of a bias that shifts them all is rounding noise,
    of which Adam would make whole steps: it is set to 0."""
    level = getattr(getattr(discriminator, "head", None), "level", None)
    if isinstance(level, nn.Parameter) and level.grad is not None:
        level.grad.zero_()


def _signs(table: Table, pairs: Pairs) -> Tensor:
    """r_t, the mean sign of the real images' logits: 0 where they are as good as guessed, 1 where all are told.

    Relativistic logits have no zero of their own: there, the mean of the generated images' stands for it.
    """
    zero = table.world.mean(pairs.fake_logits.mean()) if table.objective.generator_sees_real else 0.0
    return (pairs.real_logits - zero).sign().mean()


def _spread(images: Tensor) -> Tensor:
    """How much a batch varies: standard deviations over its items, on average over all values."""
    return images.detach().float().std(0).mean()


def _penalty(table: Table, pairs: Pairs, labels: Tensor | None, random: Stream) -> Tensor:
    rules = table.rules
    total = pairs.real_logits.new_zeros(())
    if rules.r1_gamma or rules.r2_gamma:
        squares = zero_centered_penalty(pairs.images, torch.cat([pairs.real_logits, pairs.fake_logits]))
        real, fake = squares.chunk(2)
        total = total + rules.r1_gamma / 2 * real.mean() + rules.r2_gamma / 2 * fake.mean()
    if rules.gradient_penalty:
        real_images, fake_images = pairs.images.detach().chunk(2)
        between = interpolate(real_images, fake_images, random).requires_grad_()
        total = (
            total + rules.gradient_penalty * one_centered_penalty(between, table.judge(between, labels, random)).mean()
        )
    return total


def generator_turn(
    table: Table,
    optimizer: Optimizer,
    real: Images,
    labels: Labels,
    fake: Images,
    random: Stream,
    real_logits: Float[Tensor, " packs"] | None = None,
) -> dict[str, Tensor]:
    """Updates the generator, which made `fake`, once; returns detached numbers to watch.

    The discriminator is left as it is. It judges the real images, too, where the objective needs their logits and
    `real_logits` are not given.
    """
    table.discriminator.requires_grad_(False)
    fake, (real, labels) = table.packed(fake, None)[0], table.packed(real, labels)
    try:
        if not table.objective.generator_sees_real:
            real_logits = torch.zeros(len(real), device=real.device)
        elif real_logits is None:
            with torch.no_grad():
                real_logits = table.judge(real, labels, random)
        fake_logits, extra = table.judge_fake(fake, labels, random)
        loss = table.objective.generator_loss(real_logits, fake_logits)
        for term in extra.values():
            loss = loss + term
        watched = {"loss_generator": loss.detach()}
        if table.tails is not None:
            codes = table.generator.class_codes()  # type: ignore[operator]
            watched["tail"] = torch.stack([group_spectral_penalty(code, table.tails) for code in codes]).mean()
            loss = loss + table.rules.tail * watched["tail"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        table.world.mean_gradients(table.generator)
        optimizer.step()
    finally:
        table.discriminator.requires_grad_(True)
    return {name: value.detach() for name, value in watched.items()}
