"""augan: from a folder of images to a trained GAN and a bigger, balanced data set.

    import augan

    run = augan.train("photos/", minutes=5)
    model = augan.load(run.path)
    images = model.sample(16)             # (16, C, H, W) float32 in [-1, 1]
    augan.augment("photos/", "balanced/", run=run.path)

Attributes load on first use, so that `import augan` is quick, and so that it may come before torch is imported: then
waiting threads spin only briefly, which matters where cores are shared (see `augan.core.threads`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from augan.core.threads import prepare_environment
from augan.core.version import __version__

prepare_environment()

if TYPE_CHECKING:
    from augan import explain, text, translate, vocoder
    from augan.api import (
        augment,
        compare_runs,
        doctor,
        evaluate,
        export_model,
        generate,
        inspect,
        load,
        open,
        train,
    )
    from augan.augment import lift  # type: ignore[no-redef]
    from augan.checkpoint import Model, Run
    from augan.core.errors import AuganError, Interrupted, UserError
    from augan.data import Source
    from augan.training import Trainer
    from augan.versus import compare

_HOMES = {
    **dict.fromkeys(
        (
            "augment",
            "compare_runs",
            "doctor",
            "evaluate",
            "export_model",
            "generate",
            "inspect",
            "load",
            "open",
            "train",
        ),
        "augan.api",
    ),
    "lift": "augan.augment",
    **dict.fromkeys(("Model", "Run"), "augan.checkpoint"),
    **dict.fromkeys(("AuganError", "Interrupted", "UserError"), "augan.core.errors"),
    "Source": "augan.data",
    "Trainer": "augan.training",
    "compare": "augan.versus",
}

__all__ = [
    "AuganError",
    "Interrupted",
    "Model",
    "Run",
    "Source",
    "Trainer",
    "UserError",
    "__version__",
    "augment",
    "compare",
    "compare_runs",
    "doctor",
    "evaluate",
    "explain",
    "export_model",
    "generate",
    "inspect",
    "lift",
    "load",
    "open",
    "text",
    "train",
    "translate",
    "vocoder",
]


def __getattr__(name: str) -> Any:
    if name in ("explain", "text", "translate", "vocoder"):
        return import_module(f"augan.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'augan' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
