"""From a configuration to a pair of networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from augan.core.config import STRICT
from augan.core.errors import UserError, unknown_name
from augan.core.item import ItemSpec
from augan.core.table import TableSpec
from augan.networks.article import ArticleDiscriminator, ArticleGenerator
from augan.networks.ctgan import TableDiscriminator, TableGenerator
from augan.networks.residual import ResidualDiscriminator, ResidualGenerator
from augan.networks.series import SeriesDiscriminator, SeriesGenerator
from augan.networks.skip import SkipDiscriminator, SkipGenerator
from augan.networks.strided import StridedDiscriminator, StridedGenerator
from augan.networks.style import StyleDiscriminator, StyleGenerator
from augan.networks.video import SparseDiscriminator, VideoGenerator
from augan.networks.volume import MocoganDiscriminator, MocoganGenerator, VolumeDiscriminator
from augan.networks.wavegan import WaveDiscriminator, WaveGenerator
from augan.nn import ease_classes_in

AUXILIARY = ("skip", "strided")
"""Families whose discriminator can have an auxiliary class loss."""

TRANSITION = ("article", "series", "skip", "strided")
"""Families whose classes can come in later."""


class Generator(Protocol):
    """Any module with these two numbers and this call can be trained and sampled.

    `forward(latents (b, latent_size) float, labels (b,) int64 or None) -> (b, c, h, w) float`, values in [-1, 1].
    It may offer `class_codes() -> list of (classes, channels)`, what each class brings to it; `game.tail` needs that.
    """

    latent_size: int
    classes: int

    def __call__(self, latents: Tensor, labels: Tensor | None = None) -> Tensor: ...


class Discriminator(Protocol):
    """Any module with this call can be trained against: images (b, c, h, w), labels (b,) or None -> logits (b,).

    It may offer `features(images) -> (b, f)` and `head(features, labels) -> (b,)`, whose composition is the call, if it
    judges each image on its own: real and generated images then go through it at once, and class matching costs next to
    nothing. Beside these, `head.class_loss(features, labels)` serves `game.auxiliary`, and
    `reconstruction_loss(features, images)` serves `game.reconstruction`.
    """

    def __call__(self, images: Tensor, labels: Tensor | None = None) -> Tensor: ...


@dataclass(frozen=True, kw_only=True, config=STRICT)
class NetworkConfig:
    """Which networks play.

    Attributes:
        name: the family: article, strided, residual, style or skip; wavegan for waveforms; of clips video, video-3d or
            mocogan; rows or ctgan for tables; series for time series.
        latent_size: numbers in a latent vector; of clips, those of their content: motion has its own beside them.
        width: base number of channels; parameters grow with its square.
        widest: the coarsest maps have at most so many times `width` channels; null: the family's usual (4; skip: 8).
            Residual, style and skip only.
        blocks: residual blocks a stage (residual), or layers that grow (rows, ctgan).
        pack: rows that the discriminator judges at once (rows and ctgan only, arXiv:1712.04086).
        mapping: layers from the latent to the style (style only).
        conditioning: projection, or auxiliary with a class loss of its own, game.auxiliary (strided and skip only).
        conditional: whether classes condition both networks, where the data has labels.
        transition: share of the run in which classes come in (arXiv:2201.06578): not at all in its first half, linearly
            in its second; 0: from the start. For few images; with conditioning = projection only.
    """

    name: str = "strided"
    latent_size: int = Field(default=64, ge=1)
    width: int = Field(default=32, ge=1)
    widest: int | None = Field(default=None, ge=1)
    blocks: int = Field(default=1, ge=1)
    mapping: int = Field(default=2, ge=1)
    pack: int = Field(default=1, ge=1)
    conditioning: Literal["projection", "auxiliary"] = "projection"
    conditional: bool = True
    transition: float = Field(default=0.0, ge=0, lt=1)

    def __post_init__(self) -> None:
        if self.pack > 1 and self.name not in TABLE_NETWORKS:
            raise UserError(f"networks.pack is for {', '.join(TABLE_NETWORKS)} networks. Leave it at 1.")
        if self.transition and (self.name not in TRANSITION or self.conditioning == "auxiliary"):
            raise UserError(
                f"networks.transition is for {', '.join(TRANSITION)} networks with networks.conditioning=projection. "
                "Leave it at 0."
            )
        if self.conditioning == "auxiliary" and self.name not in AUXILIARY:
            raise UserError(
                f"networks.conditioning=auxiliary is for {' and '.join(AUXILIARY)} networks, not for {self.name}."
            )


def _article(config: NetworkConfig, shape: dict[str, Any]) -> tuple[nn.Module, nn.Module]:
    return ArticleGenerator(**shape, latent_size=config.latent_size), ArticleDiscriminator(**shape)


def _strided(config: NetworkConfig, shape: dict[str, Any]) -> tuple[nn.Module, nn.Module]:
    discriminator = StridedDiscriminator(**shape, conditioning=config.conditioning)
    return StridedGenerator(**shape, latent_size=config.latent_size), discriminator


def _residual(config: NetworkConfig, shape: dict[str, Any]) -> tuple[nn.Module, nn.Module]:
    shape = shape | {"blocks": config.blocks, "widest": config.widest or 4}
    return ResidualGenerator(**shape, latent_size=config.latent_size), ResidualDiscriminator(**shape)


def _style(config: NetworkConfig, shape: dict[str, Any]) -> tuple[nn.Module, nn.Module]:
    shape = shape | {"widest": config.widest or 4}
    generator = StyleGenerator(**shape, latent_size=config.latent_size, mapping=config.mapping)
    return generator, StyleDiscriminator(**shape)


def _skip(config: NetworkConfig, shape: dict[str, Any]) -> tuple[nn.Module, nn.Module]:
    shape = shape | {"widest": config.widest or 8}
    discriminator = SkipDiscriminator(**shape, conditioning=config.conditioning)
    return SkipGenerator(**shape, latent_size=config.latent_size), discriminator


def _wavegan(config: NetworkConfig, shape: dict[str, Any]) -> tuple[nn.Module, nn.Module]:
    return WaveGenerator(**shape, latent_size=config.latent_size), WaveDiscriminator(**shape)


NETWORKS: dict[str, Callable[[NetworkConfig, dict[str, Any]], tuple[nn.Module, nn.Module]]] = {
    "article": _article,
    "strided": _strided,
    "residual": _residual,
    "style": _style,
    "skip": _skip,
    "wavegan": _wavegan,
}
"""What `--set networks.name=NAME` may name."""


def _video(config: NetworkConfig, shape: dict[str, Any]) -> tuple[nn.Module, nn.Module]:
    return VideoGenerator(**shape, content=config.latent_size), SparseDiscriminator(**shape)


def _video_3d(config: NetworkConfig, shape: dict[str, Any]) -> tuple[nn.Module, nn.Module]:
    return VideoGenerator(**shape, content=config.latent_size), VolumeDiscriminator(**shape)


def _mocogan(config: NetworkConfig, shape: dict[str, Any]) -> tuple[nn.Module, nn.Module]:
    return MocoganGenerator(**shape, content=config.latent_size), MocoganDiscriminator(**shape)


CLIP_NETWORKS: dict[str, Callable[[NetworkConfig, dict[str, Any]], tuple[nn.Module, nn.Module]]] = {
    "video": _video,
    "video-3d": _video_3d,
    "mocogan": _mocogan,
}
"""The same for clips."""


def _ctgan(config: NetworkConfig, table: TableSpec, plain: bool = False) -> tuple[nn.Module, nn.Module]:
    own, width, layers = config.latent_size, config.width, config.blocks
    generator = TableGenerator(table, own=own, width=width, layers=layers, plain=plain)
    return generator, TableDiscriminator(table, width=width, pack=config.pack, plain=plain)


def _rows(config: NetworkConfig, table: TableSpec) -> tuple[nn.Module, nn.Module]:
    return _ctgan(config, table, plain=True)


TABLE_NETWORKS: dict[str, Callable[[NetworkConfig, TableSpec], tuple[nn.Module, nn.Module]]] = {
    "rows": _rows,
    "ctgan": _ctgan,
}
"""The same, for tables."""


def _series(config: NetworkConfig, shape: dict[str, Any]) -> tuple[nn.Module, nn.Module]:
    return SeriesGenerator(**shape, latent_size=config.latent_size), SeriesDiscriminator(**shape)


SERIES_NETWORKS: dict[str, Callable[[NetworkConfig, dict[str, Any]], tuple[nn.Module, nn.Module]]] = {"series": _series}
"""The same, for windows of time series."""


def _families(item: ItemSpec) -> dict[str, Callable[[NetworkConfig, dict[str, Any]], tuple[nn.Module, nn.Module]]]:
    return {"video": CLIP_NETWORKS, "series": SERIES_NETWORKS}.get(item.kind, NETWORKS)


def build(config: NetworkConfig, item: ItemSpec) -> tuple[nn.Module, nn.Module]:
    """(generator, discriminator) for items of this kind, freshly initialised from torch's global random state.

    Raises:
        UserError: the family is unknown (the message lists them), or not for such items.
    """
    if item.table is not None:
        if config.name not in TABLE_NETWORKS:
            raise unknown_name("network family for items of kind table", config.name, TABLE_NETWORKS)
        return TABLE_NETWORKS[config.name](config, item.table)
    families = _families(item)
    if config.name not in families:
        raise unknown_name(f"network family for items of kind {item.kind}", config.name, families)
    waveforms = item.sound is not None and item.sound.form == "waveform"
    if waveforms != (config.name == "wavegan"):
        raise UserError(
            f"networks.name={config.name} does not go with {'waveforms' if waveforms else 'pictures or spectrograms'}: "
            "waveforms (data.form=waveform) and wavegan belong together."
        )
    classes = item.classes if config.conditional else 0
    shape: dict[str, Any] = {"channels": item.channels, "height": item.height, "width": item.width, "classes": classes}
    if item.frames is not None:
        shape["frames"] = item.frames
    pair = families[config.name](config, shape | {"base": config.width})
    if config.transition:
        for network in pair:
            ease_classes_in(network)
    return pair


def parameter_count(network: nn.Module) -> int:
    """How many numbers a network learns."""
    return sum(parameter.numel() for parameter in network.parameters())
