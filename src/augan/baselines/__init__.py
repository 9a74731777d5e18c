"""What a GAN must beat: a classifier that learns from real images only, and the cheap ways to give it more."""

from augan.baselines.classifier import ImageClassifier, Lesson, train_classifier

__all__ = ["ImageClassifier", "Lesson", "train_classifier"]
