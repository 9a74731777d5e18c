"""Measures of generated items against real ones. Arrays in, numbers out; no network of the game in sight."""

from augan.metrics.evaluate import Quality, diversity, measure
from augan.metrics.frechet import frechet_distance
from augan.metrics.in_domain import Extractor, cached_extractor, train_extractor
from augan.metrics.manifold import nearest_distances, precision_recall

__all__ = [
    "Extractor",
    "Quality",
    "cached_extractor",
    "diversity",
    "frechet_distance",
    "measure",
    "nearest_distances",
    "precision_recall",
    "train_extractor",
]
