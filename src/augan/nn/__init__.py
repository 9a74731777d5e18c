"""Layers that networks share."""

from augan.nn.canvas import Canvas
from augan.nn.ema import averaged_copy, decay_for, update_average
from augan.nn.embed import ConditionedLatent, ProjectionHead
from augan.nn.layout import channels_last
from augan.nn.resample import Downsample, Upsample

__all__ = [
    "Canvas",
    "ConditionedLatent",
    "Downsample",
    "ProjectionHead",
    "Upsample",
    "averaged_copy",
    "channels_last",
    "decay_for",
    "update_average",
]
