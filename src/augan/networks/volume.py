"""Discriminators that see whole clips, and MoCoGAN (arXiv:1707.04993)."""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from augan.networks.article import ArticleDiscriminator, ArticleGenerator, channel_ladder
from augan.networks.strided import SLOPE
from augan.networks.video import endless_noise
from augan.nn import Canvas, ProjectionHead

MOTION = 10
"""Numbers of motion at a moment (arXiv:1707.04993, section 4)."""
NOISE = 0.1
"""Deviation of what is added to what MoCoGAN's discriminators see."""


class VolumeDiscriminator(nn.Module):
    """Clips (b, c, t, h, w) and, with classes, labels (b,) -> logits (b,): convolutions over time and plane.

    Each stage halves height, width and, while there is something to halve, time; channels are those of the strided
    discriminator of the same `base`.
    """

    def __init__(self, *, channels: int, frames: int, height: int, width: int, classes: int, base: int) -> None:
        super().__init__()
        self.canvas = Canvas.fit(height, width)
        ladder = channel_ladder(base, self.canvas.levels)
        self.down = nn.ModuleList()
        for narrow, wide in zip([channels, *ladder], ladder, strict=False):
            time = (4, 2, 1) if frames > 1 else (1, 1, 0)
            layer = nn.Conv3d(narrow, wide, (time[0], 4, 4), (time[1], 2, 2), (time[2], 1, 1))
            nn.init.kaiming_normal_(layer.weight, a=SLOPE)
            nn.init.zeros_(cast(nn.Parameter, layer.bias))
            self.down.append(layer)
            frames = max(1, frames // 2)
        rows, columns = self.canvas.base
        self.head = ProjectionHead(ladder[-1] * frames * rows * columns, classes)

    def features(self, images: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b f"]:
        """What the head judges by."""
        maps = _padded(self.canvas, images)
        for down in self.down:
            maps = F.leaky_relu(down(maps), SLOPE)
        return maps.flatten(1)

    def forward(
        self, images: Float[Tensor, "b c t h w"], labels: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, " b"]:
        logits: Tensor = self.head(self.features(images), labels)
        return logits


def _padded(canvas: Canvas, clips: Tensor) -> Tensor:
    frames = canvas.pad(clips.movedim(2, 1).flatten(0, 1))
    return frames.unflatten(0, (len(clips), -1)).movedim(1, 2)


class MocoganGenerator(nn.Module):
    """(b, latent_size), with classes labels (b,), and times (k,) or (b, k) -> clips (b, c, k, h, w) in [-1, 1].

    Content stays the same for the clip; a gated recurrent unit makes motion of new noise each frame; both together are
    the latent of a textbook generator of frames. Between whole frames, motion is blended.
    """

    def __init__(
        self, *, channels: int, frames: int, height: int, width: int, classes: int, content: int, base: int
    ) -> None:
        super().__init__()
        self.frames, self.content, self.classes = frames, content, classes
        self.latent_size = content + MOTION * (frames + 1)
        self.cell = nn.GRUCell(MOTION + classes, MOTION)
        self.frame = ArticleGenerator(
            channels=channels,
            height=height,
            width=width,
            classes=classes,
            latent_size=content + MOTION,
            base=base,
        )

    def _motion(self, noise: Tensor, labels: Tensor | None, count: int) -> Float[Tensor, "b t m"]:
        state, pool = noise[:, :MOTION], noise[:, MOTION:]
        news = endless_noise(pool, 0, count, MOTION)
        category = () if labels is None else (F.one_hot(labels, self.classes).to(noise),)
        found = []
        for moment in range(count):
            state = self.cell(torch.cat([news[:, moment], *category], 1), state)
            found.append(state)
        return torch.stack(found, 1)

    def forward(
        self,
        latents: Float[Tensor, "b d"],
        labels: Int64[Tensor, " b"] | None = None,
        times: Float[Tensor, "*b k"] | None = None,
    ) -> Float[Tensor, "b c k h w"]:
        count = latents.shape[0]
        when = torch.arange(self.frames, device=latents.device) if times is None else times
        when = when.float().clamp_min(0).expand(count, -1)
        moments = self.frames if times is None else int(when.max().ceil()) + 1
        motion = self._motion(latents[:, self.content :], labels, moments)
        before, share = when.floor().long(), (when - when.floor())[:, :, None]
        rows = torch.arange(count, device=latents.device)[:, None]
        after = (before + 1).clamp_max(motion.shape[1] - 1)
        motion = (1 - share) * motion[rows, before] + share * motion[rows, after]
        content = latents[:, None, : self.content].expand(-1, when.shape[1], -1)
        each = torch.cat([content, motion.to(latents.dtype)], 2).flatten(0, 1)
        own = None if labels is None else labels.repeat_interleave(when.shape[1])
        frames = self.frame(each, own)
        return frames.unflatten(0, (count, -1)).movedim(1, 2)


class MocoganDiscriminator(nn.Module):
    """Clips (b, c, t, h, w) and, with classes, labels (b,) -> logits (b,).

    The sum of two judges' logits: one sees a frame at random, one the whole clip, both with noise while training. The
    paper adds their losses instead, and has the class recognised by the second one; here classes are projected.
    """

    def __init__(self, *, channels: int, frames: int, height: int, width: int, classes: int, base: int) -> None:
        super().__init__()
        self.canvas = Canvas.fit(height, width)
        self.image = ArticleDiscriminator(channels=channels, height=height, width=width, classes=classes, base=base)
        ladder = channel_ladder(base, self.canvas.levels)
        layers: list[nn.Module] = []
        for index, (narrow, wide) in enumerate(zip([channels, *ladder], ladder, strict=False)):
            kernel = min(4, frames)
            layers += [nn.Conv3d(narrow, wide, (kernel, 4, 4), (1, 2, 2), (0, 1, 1), bias=index == 0)]
            layers += [nn.BatchNorm3d(wide)] if index else []
            layers += [nn.LeakyReLU(SLOPE)]
            frames += 1 - kernel
        self.volume = nn.Sequential(*layers, nn.Flatten())
        for module in self.volume:
            if isinstance(module, nn.Conv3d):
                nn.init.normal_(module.weight, std=0.02)
        rows, columns = self.canvas.base
        self.judge = ProjectionHead(ladder[-1] * frames * rows * columns, classes)

    def forward(
        self, images: Float[Tensor, "b c t h w"], labels: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, " b"]:
        shown, length = images, images.shape[2]
        moment = torch.full((len(images),), length // 2, device=images.device)
        if self.training:
            shown = images + NOISE * torch.randn_like(images)
            moment = torch.randint(0, length, (len(images),), device=images.device)
        frames = shown[torch.arange(len(images), device=images.device), :, moment]
        volume = self.judge(self.volume(_padded(self.canvas, shown)), labels)
        image: Tensor = self.image(frames.contiguous(memory_format=torch.channels_last), labels)
        return image + volume
