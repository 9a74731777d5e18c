"""Generators and discriminators, one file a family."""

from augan.networks.build import NETWORKS, Discriminator, Generator, NetworkConfig, build, parameter_count
from augan.networks.strided import StridedDiscriminator, StridedGenerator

__all__ = [
    "NETWORKS",
    "Discriminator",
    "Generator",
    "NetworkConfig",
    "StridedDiscriminator",
    "StridedGenerator",
    "build",
    "parameter_count",
]
