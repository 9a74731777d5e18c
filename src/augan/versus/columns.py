"""The columns of a comparison: what each number is, how it is written, and which way is better."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Column:
    """One number.

    Attributes:
        better: 'low', 'high', 'one', or '' where it is a cost or a description.
        least, most: beyond which no value lies; intervals are cut there.
    """

    title: str
    meaning: str
    form: str = "{:.3f}"
    better: str = ""
    least: float = 0.0
    most: float = math.inf


COLUMNS: dict[str, Column] = {
    "reconstruction": Column(
        title="reconstruction MSE",
        meaning="mean squared error of held-out images, of values from 0 to 1; the GAN's by optimisation",
        form="{:.4f}",
        better="low",
    ),
    "find_seconds": Column(title="s/image", meaning="seconds to find the latent of an image", form="{:.4f}"),
    "frechet": Column(title="Fréchet", meaning="distance of samples and held-out images; 0 is best", better="low"),
    "kernel": Column(
        title="kernel",
        least=-math.inf,
        meaning="kernel distance; 0 is expected of real images",
        form="{:.4f}",
        better="low",
    ),
    "precision": Column(title="precision", most=1.0, meaning="samples that look like real images", better="high"),
    "recall": Column(title="recall", most=1.0, meaning="real images that the samples reach", better="high"),
    "density": Column(
        title="density", meaning="how deep samples lie among real images; real ones have about 1", better="high"
    ),
    "coverage": Column(
        title="coverage", most=1.0, meaning="real images with a sample among their neighbours", better="high"
    ),
    "sharpness": Column(
        title="sharpness",
        meaning="variance of the Laplacian of samples, over that of held-out images; 1 is as sharp, less is blurred",
        better="one",
    ),
    "probe": Column(
        title="linear probe",
        most=1.0,
        meaning="held-out accuracy of a linear map from latents to classes",
        better="high",
    ),
    "path_length": Column(
        title="path length",
        meaning="perceptual change along the way between two samples, squared; low is smooth",
        form="{:.2f}",
        better="low",
    ),
    "elbo": Column(
        title="ELBO, nats",
        least=-math.inf,
        meaning="lower bound of the log probability of a held-out 8-bit image",
        form="{:.1f}",
        better="high",
    ),
    "bits_per_dim": Column(
        title="bits/dim", meaning="the same bound as bits for each value of an image; low is better", better="low"
    ),
    "samples_per_sec": Column(title="samples/s", meaning="images a second, 64 at a time", form="{:,.0f}"),
    "parameters": Column(title="parameters", meaning="of all networks that were trained", form="{:,.0f}"),
    "sampling_parameters": Column(title="to sample", meaning="parameters that sampling needs", form="{:,.0f}"),
    "train_seconds": Column(
        title="training s", meaning="seconds of training, on the clock that counted", form="{:.1f}"
    ),
    "train_cpu_seconds": Column(title="CPU s", meaning="processor seconds of training", form="{:.1f}"),
    "train_images": Column(title="images seen", meaning="real images shown in training", form="{:,.0f}"),
}
"""By name, in the order of the table."""
