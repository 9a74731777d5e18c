"""Rules that say how a run is doing. Numbers in, a word and a sentence out."""

from augan.health.rules import Health, diagnose, first_non_finite

__all__ = ["Health", "diagnose", "first_non_finite"]
