"""Features by content: what was computed once is read back, whichever path it came from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from jaxtyping import Float

from augan.core.errors import UserError
from augan.core.files import atomic_file
from augan.core.version import __version__
from augan.metrics.space import FeatureSpace

MOST_BYTES = 2 << 30
"""The oldest features go when there are more than these."""


def cached_features(
    space: FeatureSpace, content: str, compute: Callable[[], Float[np.ndarray, "n d"]], cache: Path
) -> Float[np.ndarray, "n d"]:
    """`compute()`, or what it gave for this content in this space before.

    Args:
        content: names the images, in their order, by what they hold: a change of any gives another text.
    """
    if not space.keeps:
        return compute()
    text = "\n".join((__version__, space.hash, space.preprocessing, content))
    folder = cache / "features"
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:40]}.npy"
    with suppress(OSError, ValueError, EOFError):
        found: np.ndarray = np.load(path, allow_pickle=False)
        if found.ndim == 2 and found.dtype == np.float32:
            with suppress(OSError):
                path.touch()
            return found
    features = compute()
    with suppress(UserError, OSError):  # keeping them only saves time
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as temporary, open(temporary, "wb") as file:
            np.save(file, features, allow_pickle=False)
        _forget_oldest(folder)
    return features


def _forget_oldest(folder: Path) -> None:
    files = sorted(folder.glob("*.npy"), key=lambda path: path.stat().st_mtime)
    total = sum(path.stat().st_size for path in files)
    for path in files[:-1]:
        if total <= MOST_BYTES:
            return
        total -= path.stat().st_size
        path.unlink(missing_ok=True)
