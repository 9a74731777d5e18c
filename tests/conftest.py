"""Shared: one thread, a cache of its own, a small labelled data set, and small runs trained on it once."""

from __future__ import annotations

import os
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pytest
import torch

import augan
from augan.data import ArraySource

torch.set_num_threads(1)

TINY = [
    "networks.width=8",
    "networks.latent_size=8",
    "training.batch=16",
    "training.snapshots=2",
    "training.measure_images=40",
    "training.threads=1",
]
"""Settings that make any recipe small."""


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Decoded data and feature spaces go to a temporary folder."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["AUGAN_CACHE"] = str(folder)
    return folder


def shapes(
    per_class: dict[str, int], side: int = 16, channels: int = 1, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Images that a small network tells apart at once: bright bars (class by class lower), with noise."""
    random = np.random.default_rng(seed)
    images, labels = [], []
    for label, count in enumerate(per_class.values()):
        for _ in range(count):
            image = random.integers(0, 60, (side, side, channels))
            row = (label * side) // len(per_class) + int(random.integers(0, 2))
            image[row : row + 3, 2:-2] = random.integers(180, 256)
            images.append(image)
            labels.append(label)
    return np.array(images, dtype=np.uint8), np.array(labels, dtype=np.int64)


@pytest.fixture(scope="session")
def bars_npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An .npz of 60 + 30 + 20 images of three classes."""
    path = tmp_path_factory.mktemp("data") / "bars.npz"
    counts = {"high": 60, "middle": 30, "low": 20}
    images, labels = shapes(counts)
    np.savez(path, images=images, labels=labels, class_names=np.array(list(counts)))
    return path


@pytest.fixture(scope="session")
def bars_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same images as PNG files in class folders."""
    path = tmp_path_factory.mktemp("data") / "bars"
    counts = {"high": 60, "middle": 30, "low": 20}
    images, labels = shapes(counts)
    augan.data.write_folder(images, labels, tuple(counts), path)
    return path


@pytest.fixture(scope="session")
def bars(bars_npz: Path) -> ArraySource:
    """The opened source."""
    return augan.open(bars_npz)


@pytest.fixture(scope="session")
def tiny_run(bars_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> augan.Run:
    """A small conditional run of 480 images."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    return augan.train(bars_npz, images=480, out=out, recipe="strided", settings=TINY)
