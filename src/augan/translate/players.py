"""The players of a translation, and a turn of each: translators, judges, and what patches are told by."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from augan.core.rng import derive
from augan.core.world import World
from augan.game import ImagePool, PatchProjection, batch_nce, draw_places, patch_nce, zero_centered_penalty
from augan.networks import ResnetGenerator, StyleTranslator
from augan.nn import averaged_copy, decay_for, synchronise_batch_norm, update_average
from augan.translate.config import TranslationConfig
from augan.translate.gain import noise_ratio, require_one_sound
from augan.translate.model import padded
from augan.translate.networks import build_discriminator, build_generator
from augan.translate.sides import Sides


class Players:
    """Generators and discriminators of each direction, their optimisers, pools of earlier translations.

    `averages` are the generators' moving averages, where they are kept.

    Attributes:
        directions: of "a2b" and "b2a", those that are learnt; keys of the networks and the pools.
        multiple: what sides of images have to be a multiple of.
    """

    def __init__(self, config: TranslationConfig, sides: Sides, device: torch.device, world: World) -> None:
        self.config, self.sides, self.device, self.world = config, sides, device, world
        self.sound = require_one_sound(sides.item("a"), sides.item("b"), "snr") if config.snr else None
        self.share = world.share(config.batch, least=1, setting="batch")
        self.directions = ("a2b", "b2a") if config.direction == "both" else (config.direction,)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(config.seed, "translators"))
            self.generators = nn.ModuleDict(
                {way: build_generator(config, sides.item(way[0]), sides.item(way[2])) for way in self.directions}
            ).to(self.device)
            self.multiple = int(next(iter(self.generators.values())).multiple)  # type: ignore[arg-type]
            conditioned = config.paired and config.l1 > 0  # pix2pix judges pairs (arXiv:1611.07004, equation 1)
            self.conditioned = conditioned
            channels = {side: sides.item(side).channels for side in ("a", "b")}
            self.discriminators = nn.ModuleDict(
                {
                    way: build_discriminator(
                        config, channels[way[2]] + (channels[way[0]] if conditioned else 0), sides.item(way[2])
                    )
                    for way in self.directions
                }
            ).to(self.device)
            self.projections = nn.ModuleDict(
                {way: self._projection(way) for way in self.directions} if config.nce else {}
            ).to(self.device)
        if not self.world.alone:
            for network in self.learning().values():
                synchronise_batch_norm(network)
                self.world.same_weights(network)
        self.averages = cast(nn.ModuleDict, averaged_copy(self.generators)) if config.average else None
        betas = (config.beta1, config.beta2)
        self.optimizers = {
            name: torch.optim.Adam(module.parameters(), config.learning_rate, betas)
            for name, module in self.learning().items()
        }
        self.pools = {way: ImagePool(config.pool) for way in self.directions}

    def learning(self) -> dict[str, nn.ModuleDict]:
        """What has an optimiser."""
        players = {"generators": self.generators, "discriminators": self.discriminators}
        return players | ({"projections": self.projections} if self.config.nce else {})

    def _projection(self, way: str) -> PatchProjection:
        generator = self.generators[way]
        assert isinstance(generator, ResnetGenerator | StyleTranslator)
        item = self.sides.item(way[0])
        shape = (item.channels, self.config.crop, self.config.crop) if self.config.crop else item.shape
        images = padded(torch.zeros(1, *shape, device=self.device), generator.multiple)
        with torch.no_grad():
            maps = generator.features(images, generator.default_taps)
        return PatchProjection([features.shape[1] for features in maps])

    def set_rate(self, rate: float) -> None:
        """Gives every optimiser this learning rate."""
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = rate

    def settled(self) -> nn.ModuleDict:
        """The generators that are worth keeping: their averages, where there are some."""
        return self.generators if self.averages is None else self.averages

    def average(self, images_seen: int) -> None:
        """Moves the averages, after a round that ended at so many images."""
        if self.averages is not None:
            decay = decay_for(self.config.average, self.config.batch, images_seen)
            update_average(self.averages, self.generators, decay)

    def play(self, real: dict[str, Tensor], random: torch.Generator) -> dict[str, Tensor]:
        """One turn of each player on images (b, c, h, w) of sides "a" and "b"; what they lost, detached."""
        for module in self.learning().values():
            module.train()
        fakes = {way: self.generators[way](real[way[0]]) for way in self.directions}
        return self._discriminators_turn(real, fakes, random) | self._generators_turn(real, fakes, random)

    def _logits(self, way: str, source: Tensor, target: Tensor) -> Tensor:
        shown = torch.cat([source, target], 1) if self.conditioned else target
        logits: Tensor = self.discriminators[way](shown)
        return logits

    def _verdict(self, logits: Tensor, real: bool) -> Tensor:
        wanted = torch.full_like(logits, float(real))
        if self.config.objective == "least-squares":
            return F.mse_loss(logits, wanted)
        return F.binary_cross_entropy_with_logits(logits, wanted)

    def _discriminators_turn(
        self, real: dict[str, Tensor], fakes: dict[str, Tensor], random: torch.Generator
    ) -> dict[str, Tensor]:
        total, slope = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        for way, fake in fakes.items():
            source, target = real[way[0]], real[way[2]]
            if self.config.r1:
                target = target.detach().requires_grad_()
            shown = self._pooled(way, fake.detach(), random)
            verdict = self._logits(way, source, target)
            total = total + self._verdict(verdict, True)
            total = total + self._verdict(self._logits(way, source, shown), False)
            if self.config.r1:
                slope = slope + zero_centered_penalty(target, verdict.flatten(1).sum(1)).mean()
        self.optimizers["discriminators"].zero_grad(set_to_none=True)
        (self.config.discriminator_weight * total + self.config.r1 / 2 * slope).backward()
        self.world.mean_gradients(self.discriminators)
        self.optimizers["discriminators"].step()
        return {"loss_discriminator": total.detach()} | ({"slope": slope.detach()} if self.config.r1 else {})

    def _pooled(self, way: str, fake: Tensor, random: torch.Generator) -> Tensor:
        """What the discriminator is shown: the pool is one for all processes, each of which holds it whole."""
        if not self.config.pool:
            return fake
        return self.pools[way].exchange(self.world.whole(fake), random)[self.world.part(self.share)]

    def _generators_turn(
        self, real: dict[str, Tensor], fakes: dict[str, Tensor], random: torch.Generator
    ) -> dict[str, Tensor]:
        self.discriminators.requires_grad_(False)
        terms: dict[str, Tensor] = {}

        def add(name: str, value: Tensor) -> None:
            terms[name] = terms.get(name, torch.zeros((), device=self.device)) + value

        for way, fake in fakes.items():
            if self.config.adversarial:
                verdict = self._verdict(self._logits(way, real[way[0]], fake), True)
                add("adversarial", self.config.adversarial * verdict)
            if self.config.l1:
                add("l1", self.config.l1 * F.l1_loss(fake, real[way[2]]))
            if self.config.snr:
                assert self.sound is not None
                add("snr", self.config.snr * noise_ratio(fake, real[way[2]], self.sound))
            if self.config.cycle:
                self._cycle(way, real, fake, add)
            if self.config.nce:
                self._patches(way, real, fake, random, add)
        names = [name for name in self.optimizers if name != "discriminators"]
        for name in names:
            self.optimizers[name].zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()
        for name in names:
            self.world.mean_gradients(self.learning()[name])
            self.optimizers[name].step()
        self.discriminators.requires_grad_(True)
        return {name: value.detach() for name, value in terms.items()}

    def _cycle(self, way: str, real: dict[str, Tensor], fake: Tensor, add: Callable[[str, Tensor], None]) -> None:
        """There and back again, and images of the target side left as they are (arXiv:1703.10593, section 3)."""
        config, back = self.config, f"{way[2]}2{way[0]}"
        add("cycle", config.cycle * F.l1_loss(self.generators[back](fake), real[way[0]]))
        if config.identity and real["a"].shape[1] == real["b"].shape[1]:
            kept = self.generators[way](real[way[2]])
            add("identity", config.cycle * config.identity * F.l1_loss(kept, real[way[2]]))

    def _patches(
        self,
        way: str,
        real: dict[str, Tensor],
        fake: Tensor,
        random: torch.Generator,
        add: Callable[[str, Tensor], None],
    ) -> None:
        """Patches of a translation are to be told by those at their places (arXiv:2007.15651, equations 4 and 5)."""
        config = self.config
        source, target = real[way[0]], real[way[2]]
        mirrored = config.flip_equivariance and float(torch.rand((), generator=random)) < 0.5
        if mirrored:
            fake = self.generators[way](source.flip(3))
        weight = config.nce * (0.5 if config.nce_identity else 1.0)
        add("nce", weight * self._nce(way, source, fake, random, mirrored))
        if source.shape[1] != target.shape[1] or not (config.nce_identity or config.identity):
            return
        kept = self.generators[way](target)
        if config.nce_identity:
            add("nce_identity", weight * self._nce(way, target, kept, random, False))
        if config.identity and not config.cycle:
            add("identity", config.identity * F.l1_loss(kept, target))

    def _nce(self, way: str, source: Tensor, made: Tensor, random: torch.Generator, mirrored: bool) -> Tensor:
        generator, projection = self.generators[way], self.projections[way]
        assert isinstance(generator, ResnetGenerator | StyleTranslator)
        if made.shape[1] != source.shape[1]:
            made = _channels_like(made, source.shape[1])
        taps = generator.default_taps
        queries = generator.features(made, taps)
        if mirrored:
            queries = [maps.flip(3) for maps in queries]
        keys = generator.features(source, taps)
        places = draw_places(keys, random, self.config.nce_places)
        pairs = zip(projection(queries, places), projection(keys, places), strict=True)
        if not self.config.nce_whole:
            return torch.stack([patch_nce(ours, theirs) for ours, theirs in pairs]).mean()
        first = self.world.rank * self.share
        return torch.stack([batch_nce(ours, self.world.whole(theirs), first) for ours, theirs in pairs]).mean()


def _channels_like(images: Tensor, channels: int) -> Tensor:
    """Grey from colour, or colour from grey, so that one encoder sees both sides."""
    return images.mean(1, keepdim=True) if channels == 1 else images.mean(1, keepdim=True).expand(-1, channels, -1, -1)
