"""HiFi-GAN: a generator of waveforms from mels, and discriminators of periods and of scales (arXiv:2010.05646)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize

from augan.vocoder.config import GeneratorConfig

SLOPE = 0.1
PERIODS = (2, 3, 5, 7, 11)
"""Of the period discriminators: coprime, so that they overlap as little as possible."""
SCALES = 3
MOST_LOG = 6.0
Waves = Float[Tensor, "b samples"]
Verdicts = list[Tensor]
Maps = list[list[Tensor]]
"""Feature maps of each discriminator."""


def _started_small(module: nn.Module) -> None:
    """Weights N(0, 0.01), as in the paper's program."""
    if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
        nn.init.normal_(module.weight, std=0.01)


def _normed(module: nn.Module) -> nn.Module:
    return parametrizations.weight_norm(module)


class ResidualBlock(nn.Module):
    """Dilated convolutions, each (with `paired`, and one without dilation) around a skip."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...], paired: bool) -> None:
        super().__init__()
        self.dilated = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, dilation=step, padding=step * (kernel - 1) // 2) for step in dilations
        )
        self.plain = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, padding=(kernel - 1) // 2) for _ in dilations if paired
        )

    def forward(self, maps: Float[Tensor, "b c t"]) -> Float[Tensor, "b c t"]:
        for index, dilated in enumerate(self.dilated):
            change = dilated(F.leaky_relu(maps, SLOPE))
            if len(self.plain):
                change = self.plain[index](F.leaky_relu(change, SLOPE))
            maps = maps + change
        return maps


class VocoderGenerator(nn.Module):
    """Log mels (b, mels, frames) and perhaps a guide (b, frames * hop) -> waveforms (b, frames * hop) in [-1, 1].

    Transposed convolutions, each followed by the mean of residual blocks of several kernels (multi-receptive field
    fusion), then a convolution and tanh. With `inverse_hop`, that convolution gives log magnitudes and phases of short
    spectra instead, whose inverse transform is the waveform. A guide is a waveform that it sees and adds to.
    """

    def __init__(self, config: GeneratorConfig, mels: int) -> None:
        super().__init__()
        self.hop, self.inverse_hop = config.hop, config.inverse_hop
        self.first = nn.Conv1d(mels, config.channels, 7, padding=3)
        widths = [config.channels // 2**stage for stage in range(len(config.rates) + 1)]
        self.up = nn.ModuleList(
            nn.ConvTranspose1d(wide, narrow, kernel, rate, padding=(kernel - rate) // 2)
            for wide, narrow, rate, kernel in zip(widths, widths[1:], config.rates, config.kernels, strict=False)
        )
        self.blocks = nn.ModuleList(
            nn.ModuleList(
                ResidualBlock(width, kernel, dilations, config.paired_convolutions)
                for kernel, dilations in zip(config.block_kernels, config.dilations, strict=True)
            )
            for width in widths[1:]
        )
        bins = 2 * config.inverse_hop + 1
        self.last = nn.Conv1d(widths[-1], 2 * bins if config.inverse_hop else 1, 7, padding=3)
        self.guide: nn.Conv1d | None = None
        if config.guide:
            step = config.inverse_hop or 1
            self.guide = nn.Conv1d(1, widths[-1], 4 * step + 1, step, padding=2 * step)
        for part in (self.up, self.blocks):
            part.apply(_started_small)
        if config.guide or not config.inverse_hop:
            _started_small(self.last)
        for module in list(self.modules()):
            if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
                _normed(module)
        self.register_buffer("basis", inverse_basis(max(1, config.inverse_hop)), persistent=False)

    def forward(self, mels: Tensor, guide: Tensor | None = None) -> Tensor:
        maps = self.first(mels)
        for stage, (up, blocks) in enumerate(zip(self.up, self.blocks, strict=True)):
            maps = up(F.leaky_relu(maps, SLOPE))
            if self.guide is not None and guide is not None and stage + 1 == len(self.up):
                maps = maps + self.guide(guide[:, None])[:, :, : maps.shape[2]]
            maps = torch.stack([block(maps) for block in blocks]).mean(0)  # type: ignore[attr-defined]
        last = self.last(F.leaky_relu(maps))
        made = self._inverse(last) if self.inverse_hop else last[:, 0].tanh()
        return made if guide is None else (guide + made).clamp(-1, 1)

    def _inverse(self, maps: Tensor) -> Tensor:
        """Waveforms (b, t * inverse_hop) whose short spectra are exp(maps) with phases, by overlap and addition.

        What is added to a guide may be of either sign, and is given by real and imaginary parts instead. Two spectra
        are repeated at either end, so that as many overlap there as elsewhere.
        """
        parts = F.pad(maps, (2, 2), mode="replicate")
        if self.guide is None:
            logs, phases = parts.chunk(2, 1)
            strength, angle = logs.clamp(max=MOST_LOG).exp(), torch.pi * phases.sin()
            parts = torch.cat([strength * angle.cos(), strength * angle.sin()], 1)
        assert isinstance(self.basis, Tensor)
        waves = F.conv_transpose1d(parts, self.basis.to(parts), stride=self.inverse_hop)[:, 0]
        edge = 4 * self.inverse_hop
        return waves[:, edge : edge + maps.shape[2] * self.inverse_hop].clamp(-1, 1)


def inverse_basis(hop: int) -> Float[Tensor, "parts 1 size"]:
    """What a real and an imaginary part of each frequency add to a frame of 4 * hop samples, in a window of Hann.

    Divided by 1.5, the sum of four overlapping squared windows, as the window is thought to be there twice.
    """
    size = 4 * hop
    angles = 2 * torch.pi * torch.arange(size // 2 + 1)[:, None] * torch.arange(size) / size
    counts = torch.full((size // 2 + 1, 1), 2.0)
    counts[0] = counts[-1] = 1.0
    whole = torch.cat([counts * angles.cos(), -counts * angles.sin()]) / size
    return (whole * torch.hann_window(size) / 1.5)[:, None]


def plain(network: nn.Module) -> nn.Module:
    """Weights as they come out of weight normalisation, in place: for use and export."""
    for module in network.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")
    return network


class PeriodDiscriminator(nn.Module):
    """Judges samples `period` apart: the waveform is folded into rows of `period` (section 2.3)."""

    def __init__(self, period: int, divided: int = 1) -> None:
        super().__init__()
        self.period = period
        widths = [1, *(max(4, width // divided) for width in (32, 128, 512, 1024, 1024))]
        self.layers = nn.ModuleList(
            _normed(nn.Conv2d(narrow, wide, (5, 1), (3 if index < 4 else 1, 1), (2, 0)))
            for index, (narrow, wide) in enumerate(zip(widths, widths[1:], strict=False))
        )
        self.last = _normed(nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, waves: Waves) -> tuple[Tensor, list[Tensor]]:
        over = -waves.shape[1] % self.period
        maps = F.pad(waves[:, None], (0, over), mode="reflect").unflatten(2, (-1, self.period))
        found = []
        for layer in self.layers:
            maps = F.leaky_relu(layer(maps), SLOPE)
            found.append(maps)
        verdict = self.last(maps)
        return verdict.flatten(1), [*found, verdict]


class ScaleDiscriminator(nn.Module):
    """Judges the waveform by grouped convolutions (section 2.3); the first one has spectral normalisation."""

    def __init__(self, spectral: bool, divided: int = 1) -> None:
        super().__init__()
        norm = parametrizations.spectral_norm if spectral else _normed
        shapes = (  # outputs, kernel, stride, groups
            (128, 15, 1, 1),
            (128, 41, 2, 4),
            (256, 41, 2, 16),
            (512, 41, 4, 16),
            (1024, 41, 4, 16),
            (1024, 41, 1, 16),
            (1024, 5, 1, 1),
        )
        self.layers, before = nn.ModuleList(), 1
        for outputs, kernel, stride, groups in shapes:
            wide = max(4, outputs // divided)
            parts = max(1, groups // divided)
            self.layers.append(norm(nn.Conv1d(before, wide, kernel, stride, kernel // 2, groups=parts)))
            before = wide
        self.last = norm(nn.Conv1d(before, 1, 3, padding=1))

    def forward(self, waves: Float[Tensor, "b 1 samples"]) -> tuple[Tensor, list[Tensor]]:
        maps, found = waves, []
        for layer in self.layers:
            maps = F.leaky_relu(layer(maps), SLOPE)
            found.append(maps)
        verdict = self.last(maps)
        return verdict.flatten(1), [*found, verdict]


class VocoderJudges(nn.Module):
    """Five discriminators of periods and three of scales, all of which must be convinced.

    Waveforms (b, samples) -> (verdicts (b, _) of each, feature maps of each).
    """

    def __init__(self, divided: int = 1) -> None:
        super().__init__()
        self.periods = nn.ModuleList(PeriodDiscriminator(period, divided) for period in PERIODS)
        self.scales = nn.ModuleList(ScaleDiscriminator(index == 0, divided) for index in range(SCALES))

    def forward(self, waves: Waves) -> tuple[Verdicts, Maps]:
        verdicts, maps = [], []
        for judge in self.periods:
            verdict, found = judge(waves)
            verdicts.append(verdict)
            maps.append(found)
        smaller = waves[:, None]
        for index, judge in enumerate(self.scales):
            if index:
                smaller = F.avg_pool1d(smaller, 4, 2, 2)
            verdict, found = judge(smaller)
            verdicts.append(verdict)
            maps.append(found)
        return verdicts, maps


def judges_loss(real: Verdicts, fake: Verdicts) -> Float[Tensor, ""]:
    """Least squares: real ones at 1, made ones at 0 (equation 1)."""
    return torch.stack([(1 - r).square().mean() + f.square().mean() for r, f in zip(real, fake, strict=True)]).sum()


def generator_loss(fake: Verdicts) -> Float[Tensor, ""]:
    """Made ones at 1 (equation 2)."""
    return torch.stack([(1 - f).square().mean() for f in fake]).sum()


def feature_loss(real: Maps, fake: Maps) -> Float[Tensor, ""]:
    """Mean absolute difference of all feature maps (equation 4)."""
    pairs = [(r, f) for ours, theirs in zip(real, fake, strict=True) for r, f in zip(ours, theirs, strict=True)]
    return torch.stack([(r.detach() - f).abs().mean() for r, f in pairs]).sum()


def learned(network: nn.Module) -> int:
    """Parameters as the paper counts them: weights and biases, weight normalisation merged."""
    total = 0
    for module in network.modules():
        if isinstance(module, nn.Conv1d | nn.ConvTranspose1d | nn.Conv2d):
            total += module.weight.numel() + (0 if module.bias is None else module.bias.numel())
    return total
