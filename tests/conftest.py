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
from augan.metrics import in_domain
from common import TINY, shapes

torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Decoded data and feature spaces go to a temporary folder, and feature spaces are made quickly."""
    in_domain.STEPS = 60
    folder = tmp_path_factory.mktemp("cache")
    os.environ["AUGAN_CACHE"] = str(folder)
    return folder


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
