"""Measures of generated items against real ones. Arrays in, numbers out; no network of the game in sight."""

from augan.metrics.accuracy import accuracy_scores
from augan.metrics.clips import ClipEncoder, clip_view, reduced_clips
from augan.metrics.comparison import LEAST_IMAGES, MOST_SHOWN, Comparison, Side
from augan.metrics.custom import ModuleSpace, OnnxSpace
from augan.metrics.diversity import diversity
from augan.metrics.estimate import Estimate
from augan.metrics.evaluation import Evaluation, evaluation_of
from augan.metrics.feature_cache import cached_features
from augan.metrics.frechet import Moments, frechet_distance, frechet_estimate, frechet_from_moments, frechet_infinity
from augan.metrics.in_domain import Encoder, InDomainSpace, cached_extractor, random_view, reduced, train_extractor
from augan.metrics.kernel import kernel_distance, kernel_distance_of_subsets
from augan.metrics.manifold import (
    manifolds,
    nearest_distances,
    nearest_neighbours,
    neighbour_radii,
    precision_recall,
    realism,
)
from augan.metrics.measures import MEASURES, Measure
from augan.metrics.memorisation import authenticity, copying_statistic, feature_likelihood, near_copies, nearest_ratio
from augan.metrics.motion import motion_distance, motion_statistics
from augan.metrics.pixels import Spectrum, ms_ssim, spectrum_gap, ssim
from augan.metrics.quality import Quality, measure
from augan.metrics.rows import RowSpace
from augan.metrics.scores import inception_score
from augan.metrics.series import SeriesEvaluation, evaluate_windows
from augan.metrics.space import FeatureSpace, Items, Preprocessing
from augan.metrics.spaces import SPACES, in_domain_space, open_space, train_space
from augan.metrics.tables import TableEvaluation, evaluate_codes
from augan.metrics.windows import WindowSpace

__all__ = [
    "LEAST_IMAGES",
    "MEASURES",
    "MOST_SHOWN",
    "SPACES",
    "ClipEncoder",
    "Comparison",
    "Encoder",
    "Estimate",
    "Evaluation",
    "FeatureSpace",
    "InDomainSpace",
    "Items",
    "Measure",
    "ModuleSpace",
    "Moments",
    "OnnxSpace",
    "Preprocessing",
    "Quality",
    "RowSpace",
    "SeriesEvaluation",
    "Side",
    "Spectrum",
    "TableEvaluation",
    "WindowSpace",
    "accuracy_scores",
    "authenticity",
    "cached_extractor",
    "cached_features",
    "clip_view",
    "copying_statistic",
    "diversity",
    "evaluate_codes",
    "evaluate_windows",
    "evaluation_of",
    "feature_likelihood",
    "frechet_distance",
    "frechet_estimate",
    "frechet_from_moments",
    "frechet_infinity",
    "in_domain_space",
    "inception_score",
    "kernel_distance",
    "kernel_distance_of_subsets",
    "manifolds",
    "measure",
    "motion_distance",
    "motion_statistics",
    "ms_ssim",
    "near_copies",
    "nearest_distances",
    "nearest_neighbours",
    "nearest_ratio",
    "neighbour_radii",
    "open_space",
    "precision_recall",
    "random_view",
    "realism",
    "reduced",
    "reduced_clips",
    "spectrum_gap",
    "ssim",
    "train_extractor",
    "train_space",
]
