"""Layers that networks share."""

from augan.nn.canvas import Canvas
from augan.nn.ema import averaged_copy, decay_for, update_average
from augan.nn.embed import (
    AuxiliaryHead,
    ConditionedLatent,
    ProjectionHead,
    class_head,
    ease_classes_in,
    set_class_strength,
)
from augan.nn.layout import channels_last
from augan.nn.resample import Downsample, Upsample
from augan.nn.strided_conv import StridedConv, TransposedConv
from augan.nn.synced import synchronise_batch_norm

__all__ = [
    "AuxiliaryHead",
    "Canvas",
    "ConditionedLatent",
    "Downsample",
    "ProjectionHead",
    "StridedConv",
    "TransposedConv",
    "Upsample",
    "averaged_copy",
    "channels_last",
    "class_head",
    "decay_for",
    "ease_classes_in",
    "set_class_strength",
    "synchronise_batch_norm",
    "update_average",
]
