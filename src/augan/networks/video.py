"""Clips from content and motion, judged by a few of their frames (after StyleGAN-V, arXiv:2112.14683).

The generator draws what is in a clip once, as maps of features at half its resolution; for each moment, these are
carried by an affine map of the plane that content and motion give, and finished into a frame. What a clip shows so
keeps its shape while it moves, and time is a real number: any length, any rate. The discriminator sees three frames of
a clip, and is told when they are; its cost does not grow with the clip's length.
"""

from __future__ import annotations

import functools
import math
from typing import cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from augan.core.rng import Stream
from augan.networks.article import channel_ladder
from augan.networks.strided import SLOPE, Modulation, StridedDiscriminator, StridedGenerator, _doubled
from augan.nn import StridedConv

Times = Float[Tensor, "b k"]
PHASES, PHASE_NOISE = 8, 16
WANDERING, ANCHORS = 8, 3
"""Numbers that wander with time, and how many anchors of theirs a latent holds."""
MOTION_NOISE = PHASE_NOISE + WANDERING * ANCHORS
MOTION = 32
CALM = 0.3
"""Of what changes quickly or at random, motion is begun with so much: first it is learnt to go steadily."""
WATCHED = 3
STRETCH = 0.1
"""Turns and changes of scale are learnt so much more slowly than shifts: what moves mostly keeps its shape."""
MEET = 2
"""Stages of the discriminator that see frame by frame."""


@functools.cache
def _shuffle(size: int, round_number: int) -> tuple[list[int], list[float]]:
    """A fixed order and fixed signs of `size` numbers; those of round 0 leave them as they are."""
    if not round_number:
        return list(range(size)), [1.0] * size
    random = torch.Generator().manual_seed(round_number)
    signs = 2.0 * torch.randint(0, 2, (size,), generator=random) - 1
    return torch.randperm(size, generator=random).tolist(), signs.tolist()


def endless_noise(pool: Float[Tensor, "b n"], first: int, count: int, size: int) -> Float[Tensor, "b count size"]:
    """Vectors `first` to `first + count - 1` of an endless row of noise that a latent's finite one stands for.

    They are the pool's own, and beyond these its numbers in another order and with other signs, anew each time round:
    N(0, 1) again, and a function of the latent.
    """
    held = pool.shape[1] // size
    found = []
    for number in range(first, first + count):
        lap, place = divmod(number, held)
        order, signs = _shuffle(pool.shape[1], abs(lap))
        mixed = pool[:, torch.tensor(order, device=pool.device)] * torch.tensor(signs).to(pool)
        found.append(mixed[:, place * size : (place + 1) * size])
    return torch.stack(found, 1)


class Motion(nn.Module):
    """Motion noise (b, 40), condition (b, d) and times (b, k), in frames, -> codes (b, k, 32).

    A code is made of phases, which start somewhere and go on steadily (`start` gives both, from noise and condition),
    and of numbers that wander smoothly from anchor to anchor, one a clip's length. Neither grows with time.
    """

    def __init__(self, condition: int, period: int) -> None:
        super().__init__()
        self.period = period
        self.start = nn.Sequential(nn.Linear(PHASE_NOISE + condition, 64), nn.ReLU(), nn.Linear(64, 2 * PHASES))
        self.code = nn.Sequential(
            nn.Linear(4 * PHASES + WANDERING, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, MOTION)
        )
        for network in (self.start, self.code):
            for layer in network:
                if isinstance(layer, nn.Linear):
                    nn.init.kaiming_normal_(layer.weight)
                    nn.init.zeros_(layer.bias)

    def forward(
        self,
        noise: Float[Tensor, "b n"],
        condition: Float[Tensor, "b d"],
        times: Times,
        span: tuple[int, int] | None = None,
    ) -> Float[Tensor, "b k m"]:
        """`span`: clip lengths between which all times lie, where that is known; else it is looked for."""
        noise, condition = noise.float(), condition.float()
        start, velocity = self.start(torch.cat([noise[:, :PHASE_NOISE], condition], 1)).chunk(2, 1)
        passed = times[:, :, None] / self.period
        angle = math.pi * (start[:, None] + velocity[:, None] * passed)
        waves = [angle.sin(), angle.cos(), CALM * (2 * angle).sin(), CALM * (2 * angle).cos()]
        wandering = CALM * self._wandering(noise[:, PHASE_NOISE:], passed.squeeze(2), span)
        codes: Tensor = self.code(torch.cat([*waves, wandering], 2))
        return codes

    def _wandering(
        self, pool: Float[Tensor, "b n"], passed: Times, span: tuple[int, int] | None = None
    ) -> Float[Tensor, "b k w"]:
        """Anchors, blended along a quarter of a circle so that the variance is 1 at all times."""
        low, high = span or (int(passed.min().floor()), int(passed.max().floor()) + 1)
        count = high - low + 1
        anchors = endless_noise(pool, low, count, WANDERING)
        before = passed.floor().long() - low
        share = (passed - passed.floor())[:, :, None]
        share = math.pi / 2 * share * share * (3 - 2 * share)
        rows = torch.arange(pool.shape[0], device=pool.device)[:, None]
        return share.cos() * anchors[rows, before] + share.sin() * anchors[rows, before + 1]


class VideoGenerator(StridedGenerator):
    """(b, latent_size), with classes labels (b,), and times (b, k) or (k,) -> clips (b, c, k, h, w) in [-1, 1].

    Times are in frames of the training clips and may be any real numbers; None is 0 to frames - 1. The latent is
    `content` numbers of what is in the clip, and 40 of how it moves. The layers of the strided generator are there
    under their own names, so that a run on images can be begun with.
    """

    def __init__(
        self, *, channels: int, frames: int, height: int, width: int, classes: int, content: int, base: int
    ) -> None:
        super().__init__(channels=channels, height=height, width=width, classes=classes, latent_size=content, base=base)
        self.frames, self.content = frames, content
        self.latent_size = content + MOTION_NOISE
        code = self.condition.output_size
        self.motion = Motion(code - content, frames)
        self.carry = nn.Linear(MOTION + code, 6)
        nn.init.normal_(self.carry.weight, std=0.05)
        nn.init.zeros_(self.carry.bias)
        finest = channel_ladder(base, self.canvas.levels)[0]
        self.finish = nn.Conv2d(finest, finest, 3, padding=1, bias=False)
        self.finish_norm = nn.BatchNorm2d(finest)
        self.finish_code, self.finish_motion = Modulation(code, finest), Modulation(MOTION, finest)

    def class_codes(self) -> list[Float[Tensor, "k _"]]:
        """None: the penalty on small classes is for images."""
        return []

    def default_times(self, latents: Float[Tensor, "b d"]) -> Times:
        """0, 1, ... of clips as long as those of training, one for each latent."""
        return torch.arange(self.frames, device=latents.device, dtype=torch.float32).expand(latents.shape[0], -1)

    def forward(
        self,
        latents: Float[Tensor, "b d"],
        labels: Int64[Tensor, " b"] | None = None,
        times: Float[Tensor, "*b k"] | None = None,
    ) -> Float[Tensor, "b c k h w"]:
        count = latents.shape[0]
        when = self.default_times(latents) if times is None else times.float().expand(count, -1)
        code = self.condition(latents[:, : self.content], labels)
        span = (0, 1) if times is None else None
        motion = self.motion(latents[:, self.content :], code[:, self.content :], when, span)
        maps, picture = self._canonical(code)
        maps, picture = self._carried(maps, picture, motion, code)
        codes = code.repeat_interleave(when.shape[1], 0)
        maps = self.finish_code(self.finish_norm(self.finish(maps)), codes)
        maps = F.relu(self.finish_motion(maps, motion.flatten(0, 1)))
        frames = self.canvas.crop(self.last(maps) + _doubled(picture)).tanh()
        return frames.unflatten(0, (count, -1)).movedim(1, 2)

    def _canonical(self, code: Float[Tensor, "b e"]) -> tuple[Tensor, Tensor]:
        """What is in a clip, at half its resolution: maps of features, and a picture."""
        maps = self.dense(code).unflatten(1, (-1, *self.canvas.base)).contiguous(memory_format=torch.channels_last)
        picture: Tensor | None = None
        for index, (norm, modulation, own) in enumerate(zip(self.norms, self.modulations, self.pictures, strict=True)):
            if index:
                maps = self.up[index - 1](maps)
            maps = F.relu(modulation(norm(maps), code))
            picture = own(maps) if picture is None else own(maps) + _doubled(picture)
        assert picture is not None
        return maps, picture

    def _carried(self, maps: Tensor, picture: Tensor, motion: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
        """Maps and picture (b, ...) as they lie at each of k moments, (b k, ...)."""
        count, moments, _ = motion.shape
        codes = code.float().repeat_interleave(moments, 0)
        change = self.carry(torch.cat([motion.flatten(0, 1), codes], 1)).float().view(-1, 2, 3)
        theta = torch.cat([STRETCH * change[:, :, :2] + torch.eye(2, device=change.device), change[:, :, 2:]], 2)
        both = torch.cat([maps.float(), picture.float()], 1)
        grid = F.affine_grid(theta, [theta.shape[0], 1, *both.shape[2:]], align_corners=False)
        tall = grid.view(count, -1, grid.shape[2], 2)  # the moments of a clip below one another: no copy of its maps
        lain = F.grid_sample(both, tall, padding_mode="border", align_corners=False)
        lain = lain.unflatten(2, (moments, -1)).movedim(2, 1).flatten(0, 1)
        lain = lain.to(maps.dtype).contiguous(memory_format=torch.channels_last)
        return lain[:, : maps.shape[1]], lain[:, maps.shape[1] :]


class SparseDiscriminator(StridedDiscriminator):
    """Three frames (b, c, 3, h, w) of clips, with classes labels (b,), and their times (b, 3) -> logits (b,).

    The first stages see frame by frame, with the names of the strided discriminator's; then the three frames' maps are
    joined. The times between the frames scale the features that the head judges by. Without times, whole clips are
    taken, of which the first, the middle and the last frame are seen.
    """

    def __init__(self, *, channels: int, frames: int, height: int, width: int, classes: int, base: int) -> None:
        super().__init__(channels=channels, height=height, width=width, classes=classes, base=base)
        self.frames, self.watched = frames, min(WATCHED, frames)
        ladder = channel_ladder(base, self.canvas.levels)
        self.meet = min(MEET, len(ladder) - 1)
        seen = ladder[self.meet - 1] if self.meet else channels
        self.narrow = nn.Conv2d(seen, max(1, seen // 2), 1)
        joined = StridedConv(self.watched * self.narrow.out_channels, ladder[self.meet])
        nn.init.kaiming_normal_(joined.weight, a=SLOPE)
        nn.init.zeros_(cast(nn.Parameter, joined.bias))
        self.down[self.meet] = joined
        features = cast(nn.Linear, self.head.linear).in_features
        self.gaps = nn.Sequential(nn.Linear(4 * (self.watched - 1), 64), nn.ReLU(), nn.Linear(64, features))
        last = cast(nn.Linear, self.gaps[2])
        nn.init.normal_(last.weight, std=0.05)
        nn.init.zeros_(last.bias)

    def draw_times(self, count: int, random: Stream, device: torch.device) -> Times:
        """Which frames of each clip are seen: different ones, in order, all choices alike."""
        scores = random.rows(
            count, lambda rows, generator: torch.rand(rows, self.frames, generator=generator, device=device)
        )
        return scores.topk(self.watched, 1).indices.sort(1).values.float()

    def features(self, images: Float[Tensor, "b c k h w"], times: Times | None = None) -> Float[Tensor, "b f"]:
        """What the head judges by."""
        if times is None:
            chosen = torch.linspace(0, images.shape[2] - 1, self.watched, device=images.device).round()
            times = chosen.expand(len(images), -1)
            images = images[:, :, chosen.long()]
        maps = self.canvas.pad(images.movedim(2, 1).flatten(0, 1)).contiguous(memory_format=torch.channels_last)
        for index, down in enumerate(self.down):
            if index == self.meet:
                maps = (
                    self.narrow(maps)
                    .unflatten(0, (len(images), -1))
                    .flatten(1, 2)
                    .contiguous(memory_format=torch.channels_last)
                )
            maps = F.leaky_relu(down(maps), SLOPE)
        gaps = times.diff(dim=1).float() / self.frames
        waves = torch.cat([gaps, gaps.square(), (math.pi * gaps).sin(), (math.pi * gaps).cos()], 1)
        return maps.flatten(1) * (1 + self.gaps(waves))

    def forward(
        self,
        images: Float[Tensor, "b c k h w"],
        labels: Int64[Tensor, " b"] | None = None,
        times: Times | None = None,
    ) -> Float[Tensor, " b"]:
        logits: Tensor = self.head(self.features(images, times), labels)
        return logits
