"""The players of a game of words, and a turn of each, by likelihood, by reward and by softened draws."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from augan.core.rng import derive, torch_stream
from augan.core.world import World
from augan.nn import averaged_copy, decay_for, update_average
from augan.text.config import TextConfig
from augan.text.networks import Labels, WordGenerator, build_discriminator, build_generator, mask_of
from augan.text.vocabulary import TextItem


class TextPlayers:
    """Generator, discriminator where there is one, the generator's average, their optimisers.

    Attributes:
        baseline: the mean return so far, which is subtracted from returns.
    """

    def __init__(self, config: TextConfig, item: TextItem, device: torch.device, world: World) -> None:
        self.config, self.item, self.device, self.world = config, item, device, world
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(config.seed, "players"))
            self.generator: WordGenerator = build_generator(config, item).to(device)
            found = build_discriminator(config, item)
        self.discriminator = None if found is None else found.to(device)
        for network in self.learning().values():
            world.same_weights(network)
        self.averaged = averaged_copy(self.generator) if config.average else None
        self.baseline = 0.0
        own = {"generator": (config.learning_rate, 0.0)}
        own |= {"discriminator": (config.discriminator_rate, config.weight_decay)}
        self.optimizers = {
            name: torch.optim.Adam(module.parameters(), own[name][0], (config.beta1, config.beta2), weight_decay=decay)
            for name, module in self.learning().items()
            for decay in (own[name][1],)
        }
        if config.objective == "likelihood" or config.pretrain:
            self.optimizers["likelihood"] = torch.optim.Adam(self.generator.parameters(), config.likelihood_rate)

    def learning(self) -> dict[str, nn.Module]:
        """What has an optimiser."""
        players: dict[str, nn.Module] = {"generator": self.generator}
        return players | ({} if self.discriminator is None else {"discriminator": self.discriminator})

    def settled(self) -> WordGenerator:
        """The generator that is worth keeping: its average, where there is one."""
        return self.generator if self.averaged is None else self.averaged  # type: ignore[return-value]

    def phase(self, fraction: float) -> tuple[str, float]:
        """What is learnt by at this share of the budget, and how far that part is, 0 to 1."""
        objective, first = self.config.objective, self.config.pretrain
        if objective == "likelihood":
            return "likelihood", fraction
        if fraction < first:
            return "likelihood", fraction / first
        return objective, (fraction - first) / (1 - first) if first < 1 else 1.0

    def batch(self, fraction: float) -> int:
        """Sentences of the next round."""
        by, _ = self.phase(fraction)
        return self.config.likelihood_batch if by == "likelihood" else self.config.batch * self.turns(by)

    def turns(self, by: str) -> int:
        """Turns of the discriminator in a round."""
        return 1 if by == "likelihood" else self.config.turns

    def play(
        self, rows: Int64[Tensor, "b t"], labels: Labels, fraction: float, seen: int
    ) -> dict[str, Float[Tensor, ""]]:
        """One round on this process's real sentences, at so many sentences seen; what was lost, detached."""
        for module in self.learning().values():
            module.train()
        by, done = self.phase(fraction)
        name = "likelihood" if by == "likelihood" else "generator"
        share = (1 - done) / (1 - self.config.decay_from) if self.config.decay_from < 1 else 1.0
        if by == "likelihood":
            self._set_rate(name, self.config.likelihood_rate * min(1.0, max(0.0, share)))
            losses = {"loss_generator": self._likelihood(rows, labels)}
        else:
            random = torch_stream(self.config.seed, "words", seen, self.world.rank)
            parts = self._parts(rows, labels)
            if by == "reward":
                losses = self._reward(parts, random)
            else:
                losses = self._relaxed(parts, random, self.config.inverse_temperature**done)
        if self.averaged is not None:
            decay = decay_for(self.config.average, len(rows) * self.world.size, seen + len(rows) * self.world.size)
            update_average(self.averaged, self.generator, decay)
        return losses

    def _parts(self, rows: Tensor, labels: Labels) -> list[tuple[Tensor, Tensor | None]]:
        """The real sentences of each turn of the discriminator."""
        count = self.config.turns
        own = [None] * count if labels is None else list(labels.chunk(count))
        return list(zip(rows.chunk(count), own, strict=True))

    def _set_rate(self, name: str, rate: float) -> None:
        for group in self.optimizers[name].param_groups:
            group["lr"] = rate

    def _improve(self, name: str, loss: Float[Tensor, ""], optimizer: str | None = None) -> None:
        module, chosen = self.learning()[name], self.optimizers[optimizer or name]
        chosen.zero_grad(set_to_none=True)
        loss.backward()
        self.world.mean_gradients(module)
        nn.utils.clip_grad_norm_(module.parameters(), self.config.clip)
        chosen.step()

    def _likelihood(self, rows: Int64[Tensor, "b t"], labels: Labels) -> Float[Tensor, ""]:
        """-log p of real tokens, a token."""
        longest = int(mask_of(rows).sum(1).max())
        rows = rows[:, :longest]
        tokens = self.world.sums(float(mask_of(rows).sum()))[0] / self.world.size  # of the whole batch: as one process
        loss = -self.generator.log_likelihood(rows, labels).sum() / tokens
        self._improve("generator", loss, "likelihood")
        return loss.detach()

    def _reward(
        self, parts: Sequence[tuple[Tensor, Tensor | None]], random: torch.Generator
    ) -> dict[str, Float[Tensor, ""]]:
        """REINFORCE with a reward for every token (arXiv:1905.09922, equations 2 to 5)."""
        assert self.discriminator is not None
        for rows, labels in parts:
            made = self.generator.draw(len(rows), labels, random)
            real, fake = self.discriminator(rows, labels), self.discriminator(made, labels)
            judged = _token_loss(real, mask_of(rows), True) + _token_loss(fake, mask_of(made), False)
            self._improve("discriminator", judged)
        made, mask = made[:, : int(mask_of(made).sum(1).max())], mask_of(made)
        mask = mask[:, : made.shape[1]]
        self.discriminator.eval()  # rewards without dropped words
        with torch.no_grad():
            rewards = (2 * self.discriminator(made, labels).sigmoid() - 1) * mask
            back = returns(rewards, self.config.discount)
            total, count = self.world.sums(float((back * mask).sum()), float(mask.sum()))
        chosen = self.generator.token_log_likelihood(made, labels)
        loss = -(chosen * (back - self.baseline) * mask).sum() / mask.sum()
        self._improve("generator", loss)
        self.baseline += self.config.baseline * (total / count - self.baseline)
        return {"loss_discriminator": judged.detach(), "loss_generator": loss.detach(), "reward": rewards.sum() / count}

    def _relaxed(
        self, parts: Sequence[tuple[Tensor, Tensor | None]], random: torch.Generator, inverse_temperature: float
    ) -> dict[str, Float[Tensor, ""]]:
        """Relativistic losses of softened sentences (RelGAN, equations 7 and 8)."""
        assert self.discriminator is not None
        for rows, labels in parts:
            real = F.one_hot(rows, self.item.words).float()
            with torch.no_grad():
                soft, _ = self.generator.relaxed(len(rows), labels, random, inverse_temperature)
            judged = F.softplus(self.discriminator(soft, labels) - self.discriminator(real, labels)).mean()
            self._improve("discriminator", judged)
        self.discriminator.requires_grad_(False)
        soft, _ = self.generator.relaxed(len(rows), labels, random, inverse_temperature)
        loss = F.softplus(self.discriminator(real, labels) - self.discriminator(soft, labels)).mean()
        self._improve("generator", loss)
        self.discriminator.requires_grad_(True)
        return {"loss_discriminator": judged.detach(), "loss_generator": loss.detach()}


def returns(rewards: Float[Tensor, "b t"], discount: float) -> Float[Tensor, "b t"]:
    """R_t = r_t + discount * R_(t+1)."""
    total, found = torch.zeros_like(rewards[:, 0]), []
    for reward in rewards.flip(1).unbind(1):
        total = reward + discount * total
        found.append(total)
    return torch.stack(found[::-1], 1)


def _token_loss(logits: Float[Tensor, "b t"], mask: Float[Tensor, "b t"], real: bool) -> Float[Tensor, ""]:
    """Mean cross-entropy of the tokens in the mask."""
    wanted = torch.full_like(logits, float(real))
    return F.binary_cross_entropy_with_logits(logits, wanted, mask, reduction="sum") / mask.sum()
