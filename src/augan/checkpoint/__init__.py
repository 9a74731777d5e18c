"""Run folder format, checkpoints, and models loaded from them."""

from augan.checkpoint.model import Model, find_checkpoint, load_item, load_model, model_of
from augan.checkpoint.run import Run, find_runs
from augan.checkpoint.store import CheckpointStore, pack, read_tensors, unpack

__all__ = [
    "CheckpointStore",
    "Model",
    "Run",
    "find_checkpoint",
    "find_runs",
    "load_item",
    "load_model",
    "model_of",
    "pack",
    "read_tensors",
    "unpack",
]
