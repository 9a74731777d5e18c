"""How measures are called where people read them."""

from __future__ import annotations

from augan.metrics import MEASURES, Estimate

ACCURACY = {
    "accuracy_of_synthetic": (
        "accuracy of samples (CAS)",
        "a classifier learns from samples, and is tested on real images",
    ),
    "accuracy_of_real": ("accuracy of real images", "the same, learnt from real images: what samples are to reach"),
    "accuracy_on_synthetic": ("accuracy on samples", "a classifier learns from real images, and is tested on samples"),
}

CLIPS = {
    "frame_frechet": ("Fréchet distance of frames", "of single frames, in a space of their own; 0 is best"),
    "motion": ("distance of motion", "how clips change and move; 0 is best, about 1 stands still"),
}

ROWS = {
    "column_shapes": ("column shapes", "1: each column is distributed as the real one", "{:.3f}"),
    "pair_trends": ("pair trends", "1: each pair of columns goes together as the real one does", "{:.3f}"),
    "auc_of_classifier": ("AUC of classifier", "learnt from these rows, tested on real ones; chance is 0.5", "{:.3f}"),
    "accuracy_of_classifier": ("its accuracy", "of the same classifiers", "{:.1%}"),
    "nearest_distance": ("nearest distance", "median, to the nearest real row; 'real' is what new rows have", "{:.2f}"),
    "copies": ("copies", "rows that are a real one", "{:.1%}"),
}
"""Of tables, with the format of each value."""

WINDOWS = {
    "marginal_distance": ("marginal distance", "0: each column has the real numbers, whenever they are", "{:.3f}"),
    "autocorrelation_distance": ("autocorrelation distance", "0: each column moves in time as the real one", "{:.3f}"),
    "cross_correlation_distance": ("cross-correlation distance", "0: columns move together as the real ones", "{:.3f}"),
    "discriminative_score": ("discriminative score", "0: a network cannot tell them from real ones; to 0.5", "{:.3f}"),
    "predictive_score": ("predictive score", "error of a network that learnt from them, on real windows", "{:.3f}"),
    "accuracy_of_classifier": ("accuracy of classifier", "balanced; learnt from these, tested on real ones", "{:.1%}"),
    "nearest_distance": (
        "nearest distance",
        "median, to the nearest real window; 'real' is what new ones have",
        "{:.3f}",
    ),
    "copies": ("copies", "windows that are a real one", "{:.1%}"),
}
"""The same of time series."""


def describe_measure(name: str, kind: str = "table") -> tuple[str, str, str]:
    """(title, meaning, format of its value) of a measure; `kind` decides where tables and series have one name."""
    if kind == "series" and name in WINDOWS:
        return WINDOWS[name]
    if name in MEASURES:
        measure = MEASURES[name]
        return measure.title, measure.meaning, measure.form
    if name in ROWS:
        return ROWS[name]
    if name in WINDOWS:
        return WINDOWS[name]
    title, meaning = (ACCURACY | CLIPS).get(name, (name, ""))
    return title, meaning, "{:.3f}"


def interval(estimate: Estimate, form: str) -> str:
    """'low to high', or nothing."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{form.format(estimate.low)} to {form.format(estimate.high)}"
