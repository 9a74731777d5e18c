"""A trained model for other programs: ONNX files, exported programs, files of 8 bits."""

from augan.export.exporting import TOLERANCE, Exported, Form, differences, export_model, pace
from augan.export.onnx import load_onnx
from augan.export.program import trace

__all__ = [
    "TOLERANCE",
    "Exported",
    "Form",
    "differences",
    "export_model",
    "load_onnx",
    "pace",
    "trace",
]
