"""One round of the game: the discriminator's turn, then the generator's."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from augan.game import augment, interpolate, one_centered_penalty, zero_centered_penalty
from augan.game.config import GameConfig
from augan.game.objectives import Objective

Images = Float[Tensor, "b c h w"]
Labels = Int64[Tensor, " b"] | None
Optimizer = torch.optim.Optimizer


@dataclass(frozen=True, kw_only=True)
class Table:
    """What both turns need: the players, the rules, and where and how precisely to compute."""

    generator: nn.Module
    discriminator: nn.Module
    objective: Objective
    rules: GameConfig
    classes: int
    device: torch.device
    dtype: torch.dtype | None

    def precision(self) -> torch.autocast:
        """Autocast for forward passes; losses and penalties are computed in float32 outside of it."""
        return torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype is not None)

    def judge(self, images: Tensor, labels: Tensor | None, random: torch.Generator) -> Tensor:
        """Augmented images' logits, (b,) float32."""
        images = augment(images, self.rules.augmentation, random)
        with self.precision():
            logits = _call(self.discriminator, images, labels)
        return logits.float().reshape(len(images))

    def generate(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        """Images (b, c, h, w) float32 of latents."""
        with self.precision():
            images: Tensor = _call(self.generator, latents, labels)
        return images.float()


def _call(network: nn.Module, first: Tensor, labels: Tensor | None) -> Tensor:
    output: Tensor = network(first) if labels is None else network(first, labels)
    return output


def latents_for(count: int, size: int, random: torch.Generator, device: torch.device) -> Float[Tensor, "b d"]:
    """z ~ N(0, I), (count, size)."""
    return torch.randn(count, size, generator=random, device=device)


def other_labels(labels: Int64[Tensor, " b"], classes: int, random: torch.Generator) -> Int64[Tensor, " b"]:
    """For each label another one, uniformly; the same where there is one class only."""
    if classes < 2:
        return labels
    step = torch.randint(1, classes, labels.shape, generator=random, device=labels.device)
    return (labels + step) % classes


def discriminator_turn(
    table: Table,
    optimizer: Optimizer,
    real: Images,
    labels: Labels,
    latents: Float[Tensor, "b d"],
    random: torch.Generator,
    penalise: bool,
) -> dict[str, Tensor]:
    """Updates the discriminator once; returns detached numbers to watch.

    Generated images take the labels of the real ones that they are paired with. Penalties are gradients with respect
    to the images as they are before augmentation.
    """
    with torch.no_grad():
        fake = table.generate(latents, labels)
    if penalise:
        real, fake = real.detach().requires_grad_(), fake.requires_grad_()
    real_logits, fake_logits = table.judge(real, labels, random), table.judge(fake, labels, random)
    loss = table.objective.discriminator_loss(real_logits, fake_logits)
    watched = {"loss_discriminator": loss, "real_logit": real_logits.mean(), "fake_logit": fake_logits.mean()}
    if table.rules.matching and labels is not None:
        mismatched = table.judge(real.detach(), other_labels(labels, table.classes, random), random)
        mismatch = table.objective.discriminator_loss(real_logits, mismatched)
        watched["mismatch"] = mismatch
        loss = loss + table.rules.matching * mismatch
    if penalise:
        penalty = _penalty(table, real, fake, labels, real_logits, fake_logits, random)
        watched["penalty"] = penalty
        loss = loss + table.rules.penalty_interval * penalty
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return {name: value.detach() for name, value in watched.items()}


def _penalty(
    table: Table,
    real: Tensor,
    fake: Tensor,
    labels: Tensor | None,
    real_logits: Tensor,
    fake_logits: Tensor,
    random: torch.Generator,
) -> Tensor:
    rules = table.rules
    total = real_logits.new_zeros(())
    if rules.r1_gamma:
        total = total + rules.r1_gamma / 2 * zero_centered_penalty(real, real_logits).mean()
    if rules.r2_gamma:
        total = total + rules.r2_gamma / 2 * zero_centered_penalty(fake, fake_logits).mean()
    if rules.gradient_penalty:
        between = interpolate(real.detach(), fake.detach(), random).requires_grad_()
        total = (
            total + rules.gradient_penalty * one_centered_penalty(between, table.judge(between, labels, random)).mean()
        )
    return total


def generator_turn(
    table: Table,
    optimizer: Optimizer,
    real: Images,
    labels: Labels,
    latents: Float[Tensor, "b d"],
    random: torch.Generator,
) -> dict[str, Tensor]:
    """Updates the generator once; returns detached numbers to watch. The discriminator is left as it is."""
    table.discriminator.requires_grad_(False)
    try:
        if table.objective.generator_sees_real:
            with torch.no_grad():
                real_logits = table.judge(real, labels, random)
        else:
            real_logits = torch.zeros(len(real), device=real.device)
        fake_logits = table.judge(table.generate(latents, labels), labels, random)
        loss = table.objective.generator_loss(real_logits, fake_logits)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    finally:
        table.discriminator.requires_grad_(True)
    return {"loss_generator": loss.detach()}
