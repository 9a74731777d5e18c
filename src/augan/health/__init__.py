"""Rules that say how a run is doing. Numbers in, words out."""

from augan.health.doctor import Finding, Record, examine
from augan.health.rules import COLLAPSE, DIVERGED, Health, diagnose, first_non_finite

__all__ = ["COLLAPSE", "DIVERGED", "Finding", "Health", "Record", "diagnose", "examine", "first_non_finite"]
