"""From a configuration to a pair of networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from augan.core.config import STRICT
from augan.core.errors import unknown_name
from augan.core.item import ItemSpec
from augan.networks.article import ArticleDiscriminator, ArticleGenerator
from augan.networks.residual import ResidualDiscriminator, ResidualGenerator
from augan.networks.strided import StridedDiscriminator, StridedGenerator


class Generator(Protocol):
    """Any module with these two numbers and this call can be trained and sampled.

    `forward(latents (b, latent_size) float, labels (b,) int64 or None) -> (b, c, h, w) float`, values in [-1, 1].
    """

    latent_size: int
    classes: int

    def __call__(self, latents: Tensor, labels: Tensor | None = None) -> Tensor: ...


class Discriminator(Protocol):
    """Any module with this call can be trained against: images (b, c, h, w), labels (b,) or None -> logits (b,)."""

    def __call__(self, images: Tensor, labels: Tensor | None = None) -> Tensor: ...


@dataclass(frozen=True, kw_only=True, config=STRICT)
class NetworkConfig:
    """Which networks play.

    Attributes:
        name: the family: article, strided or residual.
        latent_size: numbers in a latent vector.
        width: base number of channels; parameters grow with its square.
        blocks: residual blocks a stage (residual only).
        conditional: whether classes condition both networks, where the data has labels.
    """

    name: str = "strided"
    latent_size: int = Field(default=64, ge=1)
    width: int = Field(default=32, ge=1)
    blocks: int = Field(default=1, ge=1)
    conditional: bool = True


def _article(config: NetworkConfig, item: ItemSpec, classes: int) -> tuple[nn.Module, nn.Module]:
    shape = {"channels": item.channels, "height": item.height, "width": item.width, "classes": classes}
    return (
        ArticleGenerator(**shape, base=config.width, latent_size=config.latent_size),
        ArticleDiscriminator(**shape, base=config.width),
    )


def _strided(config: NetworkConfig, item: ItemSpec, classes: int) -> tuple[nn.Module, nn.Module]:
    shape = {"channels": item.channels, "height": item.height, "width": item.width, "classes": classes}
    return (
        StridedGenerator(**shape, base=config.width, latent_size=config.latent_size),
        StridedDiscriminator(**shape, base=config.width),
    )


def _residual(config: NetworkConfig, item: ItemSpec, classes: int) -> tuple[nn.Module, nn.Module]:
    shape = {"channels": item.channels, "height": item.height, "width": item.width, "classes": classes}
    return (
        ResidualGenerator(**shape, base=config.width, blocks=config.blocks, latent_size=config.latent_size),
        ResidualDiscriminator(**shape, base=config.width, blocks=config.blocks),
    )


NETWORKS: dict[str, Callable[[NetworkConfig, ItemSpec, int], tuple[nn.Module, nn.Module]]] = {
    "article": _article,
    "strided": _strided,
    "residual": _residual,
}
"""What `--set networks.name=NAME` may name."""


def build(config: NetworkConfig, item: ItemSpec) -> tuple[nn.Module, nn.Module]:
    """(generator, discriminator) for items of this kind, freshly initialised from torch's global random state.

    Raises:
        UserError: the family is unknown; the message lists them.
    """
    if config.name not in NETWORKS:
        raise unknown_name("network family", config.name, NETWORKS)
    return NETWORKS[config.name](config, item, item.classes if config.conditional else 0)


def parameter_count(network: nn.Module) -> int:
    """How many numbers a network learns."""
    return sum(parameter.numel() for parameter in network.parameters())
