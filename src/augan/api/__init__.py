"""The functions of `import augan`: train, load, open, evaluate, generate, augment.

The command line calls the same functions; what they return is plain Python, NumPy and PyTorch.
"""

from augan.api.copies import augment
from augan.api.models import export_model, generate, load
from augan.api.reading import open_by, resolve, resolve_resumed
from augan.api.runs import new_run_folder, train
from augan.apply import Augmented, Contest, Diagnosis, compare_runs, evaluate
from augan.apply import diagnose_run as doctor
from augan.checkpoint import Model, Run
from augan.data import Source, inspect, open
from augan.export import Exported
from augan.metrics import Evaluation

__all__ = [
    "Augmented",
    "Contest",
    "Diagnosis",
    "Evaluation",
    "Exported",
    "Model",
    "Run",
    "Source",
    "augment",
    "compare_runs",
    "doctor",
    "evaluate",
    "export_model",
    "generate",
    "inspect",
    "load",
    "new_run_folder",
    "open",
    "open_by",
    "resolve",
    "resolve_resumed",
    "train",
]
