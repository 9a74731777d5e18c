"""Generators and discriminators, one file a family."""

from augan.networks.build import NETWORKS, Discriminator, Generator, NetworkConfig, build, parameter_count
from augan.networks.strided import StridedDiscriminator, StridedGenerator
from augan.networks.translation import PatchDiscriminator, ResnetGenerator, UNetGenerator, start_small

__all__ = [
    "NETWORKS",
    "Discriminator",
    "Generator",
    "NetworkConfig",
    "PatchDiscriminator",
    "ResnetGenerator",
    "StridedDiscriminator",
    "StridedGenerator",
    "UNetGenerator",
    "build",
    "parameter_count",
    "start_small",
]
