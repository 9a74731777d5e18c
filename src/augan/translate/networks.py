"""The players of a translation, from its settings."""

from __future__ import annotations

from torch import nn

from augan.core.errors import UserError
from augan.core.item import ItemSpec
from augan.networks import (
    CropDiscriminator,
    PatchDiscriminator,
    ResnetGenerator,
    StyleTranslator,
    UNetGenerator,
    start_small,
)
from augan.translate.config import TranslationConfig
from augan.translate.gain import GainGenerator, require_one_sound

MOST_DOWNS = 8


def build_generator(config: TranslationConfig, source: ItemSpec, target: ItemSpec) -> nn.Module:
    """From items of one kind to items of the other.

    Raises:
        UserError: items that are too small, or that have no gain where the settings ask for one.
    """
    inner = _generator(config, source, target)
    return GainGenerator(inner, require_one_sound(source, target, "gain")) if config.gain else inner


def _generator(config: TranslationConfig, source: ItemSpec, target: ItemSpec) -> nn.Module:
    if config.generator == "style":  # its weights start as StyleGAN2's
        return StyleTranslator(
            source.channels, target.channels, blocks=config.blocks, width=config.width, noise=config.noise
        )
    if config.generator == "resnet":
        return start_small(
            ResnetGenerator(
                source.channels,
                target.channels,
                blocks=config.blocks,
                width=config.width,
                norm=config.norm,
                dropout=config.dropout,
                up=config.up,
                shortcut=config.shortcut and source.channels == target.channels,
            )
        )
    downs = config.downs or fitting_downs(source)
    return start_small(
        UNetGenerator(
            source.channels,
            target.channels,
            downs=downs,
            width=config.width,
            norm=config.norm,
            dropout=config.dropout,
            up=config.up,
        )
    )


def fitting_downs(item: ItemSpec) -> int:
    """As many halvings as leave at least one pixel, at most 8.

    Raises:
        UserError: fewer than 8 pixels a side.
    """
    side = min(item.height, item.width)
    if side < 8:
        raise UserError(f"Images of {item.height}x{item.width} are too small to translate: at least 8 pixels a side.")
    return min(MOST_DOWNS, side.bit_length() - 1)


def build_discriminator(config: TranslationConfig, channels: int, item: ItemSpec) -> nn.Module:
    """Judges patches of items, or whole crops; of a pair, both images' channels.

    Raises:
        UserError: the items are smaller than a patch or a crop.
    """
    if config.crop:
        if min(item.height, item.width) < config.crop:
            raise UserError(
                f"An image of {item.height}x{item.width} has no crops of {config.crop}x{config.crop}. Give a larger "
                "image or --size, or a smaller --set crop."
            )
        return CropDiscriminator(channels, side=config.crop, width=config.patch_width)
    least = 3 * 2**config.patch_layers
    if min(item.height, item.width) < least:
        raise UserError(
            f"Images of {item.height}x{item.width} are too small for patches of {config.patch_layers} layers, which "
            f"need {least} pixels a side. Give --set patch_layers={max(1, config.patch_layers - 1)} or a larger --size."
        )
    return start_small(
        PatchDiscriminator(
            channels,
            width=config.patch_width,
            layers=config.patch_layers,
            norm=config.patch_norm or config.norm,
            up=config.up,
        )
    )
