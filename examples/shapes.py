"""Coloured shapes for the other examples: small, labelled, made on the fly."""

from __future__ import annotations

import argparse

import numpy as np

SETTINGS = ["networks.width=8", "training.batch=16", "training.measure_images=0", "training.snapshots=1"]
"""Small networks and no measures, so that each example ends in seconds. Leave them out for real work."""


def shapes(count: int, side: int = 16, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """`count` images (n, side, side, 3) uint8 of discs (label 0, two thirds of them) and squares (label 1)."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    images, labels = np.zeros((count, side, side, 3), dtype=np.uint8), (np.arange(count) % 3 == 2).astype(np.int64)
    for image, label in zip(images, labels, strict=True):
        y, x = random.uniform(side * 0.3, side * 0.7, 2)
        radius, dy, dx = random.uniform(side * 0.15, side * 0.3), np.abs(rows - y), np.abs(columns - x)
        inside = np.maximum(dy, dx) < radius if label else dy**2 + dx**2 < radius**2
        image[inside] = random.integers(100, 256, 3)
    return images, labels


def images_to_train() -> int:
    """The --images option that every example has."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=3000, help="real images to show to the discriminator")
    return int(parser.parse_args().images)
