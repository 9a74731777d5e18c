"""The engine that plays the game, written once for every kind of item."""

from augan.training.config import DataConfig, RunConfig, TrainingConfig, require_loggers
from augan.training.console import ConsoleObserver
from augan.training.journal import Journal
from augan.training.loop import Trainer
from augan.training.observer import Observer, Progress
from augan.training.parts import Stored, packed
from augan.training.quality import QualityMeter
from augan.training.signals import stop_signals
from augan.training.sinks import Sink, sinks_of

__all__ = [
    "ConsoleObserver",
    "DataConfig",
    "Journal",
    "Observer",
    "Progress",
    "QualityMeter",
    "RunConfig",
    "Sink",
    "Stored",
    "Trainer",
    "TrainingConfig",
    "packed",
    "require_loggers",
    "sinks_of",
    "stop_signals",
]
