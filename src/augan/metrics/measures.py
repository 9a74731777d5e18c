"""Every measure by name: what it is, which way is better, and how to get it from a comparison."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from augan.core.errors import UserError
from augan.metrics.comparison import Comparison, Side
from augan.metrics.diversity import diversity
from augan.metrics.estimate import Estimate, jackknife, mean_of, ratio_of_medians, with_error
from augan.metrics.frechet import frechet_infinity
from augan.metrics.kernel import kernel_distance
from augan.metrics.memorisation import (
    authenticity,
    copying_statistic,
    feature_likelihood,
    near_copies,
    nearest_of_both,
)
from augan.metrics.pixels import scales_for, spectrum_gap
from augan.metrics.scores import inception_score

Rows = Int64[np.ndarray, " _"]
VERSION = 1
"""To be raised when a measure gives other numbers for the same features: such numbers are not compared."""


class NotMeasured(Exception):
    """Why a measure has no value here; it is stated in the report."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One measure.

    Attributes:
        better: 'low', 'high', or 'one' and 'zero' for values that are best there.
        by_class: whether it is given for each class too.
    """

    title: str
    meaning: str
    source: str
    better: str
    compute: Callable[[Comparison], Estimate]
    form: str = "{:.3f}"
    by_class: bool = True


def _frechet_infinity(comparison: Comparison) -> Estimate:
    error = comparison.frechet.error if comparison.errors else 0.0
    return frechet_infinity(comparison.real.features, comparison.fake.features, error, comparison.seed)


def _inception_score(comparison: Comparison) -> Estimate:
    if not comparison.space.classes:
        raise NotMeasured("the feature space knows no classes")
    return inception_score(comparison.probabilities, seed=comparison.seed)


def _of_manifolds(name: str) -> Callable[[Comparison], Estimate]:
    def compute(comparison: Comparison) -> Estimate:
        return mean_of(getattr(comparison.manifolds, name), comparison.seed)

    return compute


def _agreement(comparison: Comparison) -> Estimate:
    labels = comparison.fake.labels
    if labels is None or not comparison.class_names:
        raise NotMeasured("the samples have no labels")
    if comparison.space.classes != len(comparison.class_names):
        raise NotMeasured("the feature space does not know these classes; 'in-domain' does")
    right = comparison.probabilities.argmax(1) == labels
    return mean_of(right.astype(np.float64), comparison.seed)


def _diversity(comparison: Comparison) -> Estimate:
    real, fake = comparison.real, comparison.fake

    def of(i: Rows, j: Rows) -> float:
        labels = (None if side.labels is None else side.labels[rows] for side, rows in ((real, i), (fake, j)))
        return diversity(real.features[i], fake.features[j], *labels)

    value = of(np.arange(len(real)), np.arange(len(fake)))
    if not comparison.errors:
        return Estimate(value)
    return with_error(value, jackknife(of, (len(real), len(fake)), seed=comparison.seed), least=0.0)


def _perceptual_diversity(comparison: Comparison) -> Estimate:
    ours, theirs = (_pairs(comparison, side, "perceptual") for side in (comparison.fake, comparison.real))
    a, b = mean_of(ours, comparison.seed), mean_of(theirs, comparison.seed)
    if b.value <= 0:
        raise NotMeasured("all real images look the same to the feature space")
    ratio = a.value / b.value
    return with_error(ratio, float(np.hypot(a.error or 0.0, ratio * (b.error or 0.0))) / b.value, least=0.0)


def _ms_ssim(comparison: Comparison) -> Estimate:
    images = comparison.fake.images
    if images is not None and not scales_for(*images.shape[1:3]):
        raise NotMeasured("images below 11 pixels a side have no room for its window")
    return mean_of(_pairs(comparison, comparison.fake, "structural"), comparison.seed)


def _pairs(comparison: Comparison, side: Side, kind: str) -> Float[np.ndarray, " _"]:
    found = comparison.pair_values(side, kind)
    if found is None:
        raise NotMeasured("no class has two images" if side.images is not None else "there are only features")
    return found


def _spectrum_gap(comparison: Comparison) -> Estimate:
    real, fake = comparison.real, comparison.fake
    if real.spectrum is None or fake.spectrum is None:
        raise NotMeasured("images below 4 pixels a side have no spectrum" if real.images is not None else "no images")
    if real.spectrum.shape != fake.spectrum.shape:
        raise NotMeasured("the two sides differ in size")
    return Estimate(spectrum_gap(real.spectrum, fake.spectrum))


def _near_copies(comparison: Comparison) -> Estimate:
    return mean_of(near_copies(comparison.real.features, comparison.fake.features), comparison.seed)


def _authenticity(comparison: Comparison) -> Estimate:
    return mean_of(authenticity(comparison.real.features, comparison.fake.features), comparison.seed)


def _nearest_ratio(comparison: Comparison) -> Estimate:
    holdout = comparison.holdout.features if comparison.holdout else None
    ours, theirs = nearest_of_both(comparison.real.features, comparison.fake.features, holdout)
    found = ratio_of_medians(ours, theirs, comparison.seed)
    if not np.isfinite(found.value):
        raise NotMeasured("most real images repeat another one exactly")
    return found


def _with_holdout(compute: Callable[..., float]) -> Callable[[Comparison], Estimate]:
    def measured(comparison: Comparison) -> Estimate:
        if comparison.holdout is None:
            raise NotMeasured("it needs real images that the generator has not seen: --holdout")
        sides = (comparison.real.features, comparison.fake.features, comparison.holdout.features)
        return Estimate(compute(*sides, seed=comparison.seed))

    return measured


MEASURES: dict[str, Measure] = {
    "frechet": Measure(
        title="Fréchet distance",
        meaning="0 is best; equal counts only: few images raise it",
        source="arXiv:1706.08500, eq. 6",
        better="low",
        compute=lambda comparison: comparison.frechet,
    ),
    "frechet_infinity": Measure(
        title="Fréchet, extrapolated",
        meaning="the same, as if of infinitely many images",
        source="arXiv:1911.07023",
        better="low",
        compute=_frechet_infinity,
    ),
    "kernel": Measure(
        title="kernel distance",
        meaning="0 is expected of real images, at any count",
        source="arXiv:1801.01401, section 3",
        better="low",
        compute=lambda comparison: kernel_distance(comparison.real.features, comparison.fake.features),
        form="{:.4f}",
    ),
    "precision": Measure(
        title="precision",
        meaning="samples that look like real ones",
        source="arXiv:1904.06991, eq. 1",
        better="high",
        compute=_of_manifolds("precision"),
    ),
    "recall": Measure(
        title="recall",
        meaning="real images that the samples reach",
        source="arXiv:1904.06991, eq. 1",
        better="high",
        compute=_of_manifolds("recall"),
    ),
    "density": Measure(
        title="density",
        meaning="how deep among real images; real ones have about 1",
        source="arXiv:2002.09797, eq. 3",
        better="high",
        compute=_of_manifolds("density"),
    ),
    "coverage": Measure(
        title="coverage",
        meaning="real images with a sample among their neighbours",
        source="arXiv:2002.09797, eq. 4",
        better="high",
        compute=_of_manifolds("coverage"),
    ),
    "agreement": Measure(
        title="label agreement",
        meaning="samples that a classifier takes for the class asked for",
        source="in-domain classifier",
        better="high",
        compute=_agreement,
    ),
    "inception_score": Measure(
        title="inception score",
        meaning="clear and different classes; sees no real image",
        source="arXiv:1606.03498, section 4",
        better="high",
        compute=_inception_score,
        by_class=False,  # it is about classes
    ),
    "diversity": Measure(
        title="diversity",
        meaning="distances between samples of a class; real images have 1",
        source="mean pairwise distance, over that of real images",
        better="one",
        compute=_diversity,
    ),
    "perceptual_diversity": Measure(
        title="perceptual diversity",
        meaning="the same, in the maps of the network",
        source="arXiv:1801.03924, eq. 1, without learnt weights",
        better="one",
        compute=_perceptual_diversity,
    ),
    "ms_ssim": Measure(
        title="MS-SSIM of pairs",
        meaning="alikeness of two samples of a class",
        source="Wang et al. 2003; arXiv:1610.09585, section 4.2",
        better="low",
        compute=_ms_ssim,
    ),
    "spectrum_gap": Measure(
        title="spectrum gap (dB)",
        meaning="0 is best; sees blur and checkerboards",
        source="arXiv:2003.01826, section 3",
        better="low",
        compute=_spectrum_gap,
        form="{:.2f}",
    ),
    "near_copies": Measure(
        title="near copies",
        meaning="samples almost equal to a real image; about 0.01 is chance",
        source="first percentile of real nearest-neighbour distances",
        better="low",
        compute=_near_copies,
    ),
    "nearest_ratio": Measure(
        title="nearest-neighbour ratio",
        meaning="1 is as far from real images as new ones, 0 is copied",
        source="medians",
        better="one",
        compute=_nearest_ratio,
    ),
    "authenticity": Measure(
        title="authenticity",
        meaning="farther from a real image than its neighbour; low is copied",
        source="arXiv:2102.08921, section 4",
        better="high",
        compute=_authenticity,
    ),
    "copying": Measure(
        title="data-copying C_T",
        meaning="z-score; below -3 copies, far above 3 misses the data",
        source="arXiv:2004.05675, section 4",
        better="zero",
        compute=_with_holdout(copying_statistic),
        form="{:.2f}",
    ),
    "feature_likelihood": Measure(
        title="feature likelihood (FLD)",
        meaning="0 is best; rises with poor, few and copied samples",
        source="arXiv:2302.04440",
        better="low",
        compute=_with_holdout(feature_likelihood),
        form="{:.2f}",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What came out: estimates by name, and for the others the reason."""

    values: dict[str, Estimate]
    omitted: dict[str, str]


def measure_all(comparison: Comparison, only: Callable[[Measure], bool] = lambda measure: True) -> Measured:
    """Every measure (or those that `only` chooses) that can be had; a reason for each that cannot."""
    values, omitted = {}, {}
    for name, measure in MEASURES.items():
        if not only(measure):
            continue
        try:
            found = measure.compute(comparison)
        except (NotMeasured, UserError) as reason:
            omitted[name] = str(reason)
            continue
        if np.isfinite(found.value):
            values[name] = found
        else:
            omitted[name] = "it is not finite for these features"
    return Measured(values=values, omitted=omitted)


def measure_classes(comparison: Comparison) -> dict[str, dict[str, Estimate]]:
    """The measures that make sense in a class, for each class with at least 10 images on both sides."""
    found: dict[str, dict[str, Estimate]] = {}
    if comparison.real.labels is None or comparison.fake.labels is None:
        return found
    for label, name in enumerate(comparison.class_names or ()):
        part = comparison.of_class(label)
        if part is not None:
            found[name] = measure_all(part, lambda measure: measure.by_class).values
    return found
