"""Generators and discriminators, one file a family."""

from augan.networks.build import NETWORKS, Discriminator, Generator, NetworkConfig, build, parameter_count

__all__ = ["NETWORKS", "Discriminator", "Generator", "NetworkConfig", "build", "parameter_count"]
