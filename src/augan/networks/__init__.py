"""Generators and discriminators, one file a family."""

from augan.networks.build import (
    NETWORKS,
    SERIES_NETWORKS,
    Discriminator,
    Generator,
    NetworkConfig,
    build,
    parameter_count,
)
from augan.networks.crops import CropDiscriminator, StyleTranslator
from augan.networks.strided import StridedDiscriminator, StridedGenerator
from augan.networks.translation import PatchDiscriminator, ResnetGenerator, UNetGenerator, start_small

__all__ = [
    "NETWORKS",
    "SERIES_NETWORKS",
    "CropDiscriminator",
    "Discriminator",
    "Generator",
    "NetworkConfig",
    "PatchDiscriminator",
    "ResnetGenerator",
    "StridedDiscriminator",
    "StridedGenerator",
    "StyleTranslator",
    "UNetGenerator",
    "build",
    "parameter_count",
    "start_small",
]
