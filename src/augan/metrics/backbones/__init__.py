"""Architectures of published feature extractors, written so that their published weights load."""

from augan.metrics.backbones.efficientnet_lite import EfficientNetLite0, efficientnet_lite0
from augan.metrics.backbones.inception import Inception, inception
from augan.metrics.backbones.vision_transformer import VisionTransformer, clip_visual, dinov2

__all__ = [
    "EfficientNetLite0",
    "Inception",
    "VisionTransformer",
    "clip_visual",
    "dinov2",
    "efficientnet_lite0",
    "inception",
]
