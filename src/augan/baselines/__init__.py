"""What augan's own generators are held against: a classifier that is trained alike on anything, an autoencoder."""

from augan.baselines.classifier import Change, ImageClassifier, Lesson, train_classifier
from augan.baselines.noise import si_sdr, spectral_gate
from augan.baselines.vae import VAE, elbo_terms, fit_vae

__all__ = [
    "VAE",
    "Change",
    "ImageClassifier",
    "Lesson",
    "elbo_terms",
    "fit_vae",
    "si_sdr",
    "spectral_gate",
    "train_classifier",
]
