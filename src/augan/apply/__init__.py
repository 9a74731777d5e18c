"""What people come for: samples, a balanced data set, measures."""

from augan.apply.augment import Augmented, augment, check_model, plan_additions
from augan.apply.contest import Contest, compare_runs
from augan.apply.diagnosis import Diagnosis, diagnose_run, plot_run
from augan.apply.evaluate import evaluate
from augan.apply.generate import generate, interpolation
from augan.apply.layouts import check_out
from augan.apply.strategy import images_to_add
from augan.apply.table_evaluation import is_run
from augan.apply.wording import describe_measure

__all__ = [
    "Augmented",
    "Contest",
    "Diagnosis",
    "augment",
    "check_model",
    "check_out",
    "compare_runs",
    "describe_measure",
    "diagnose_run",
    "evaluate",
    "generate",
    "images_to_add",
    "interpolation",
    "is_run",
    "plan_additions",
    "plot_run",
]
