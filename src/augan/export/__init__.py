"""A trained model for other programs: ONNX files, exported programs, files of 8 bits."""

from augan.export.exporting import (
    LEVELS,
    TOLERANCE,
    Exported,
    Form,
    checked,
    differences,
    export_model,
    pace,
    targets_of,
)
from augan.export.onnx import load_onnx, require_writer, session_of, write_graph
from augan.export.program import trace

__all__ = [
    "LEVELS",
    "TOLERANCE",
    "Exported",
    "Form",
    "checked",
    "differences",
    "export_model",
    "load_onnx",
    "pace",
    "require_writer",
    "session_of",
    "targets_of",
    "trace",
    "write_graph",
]
