"""Weights and activations of 8 bits: a quarter of the size, at a loss that is measured and not promised."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from augan.checkpoint import Model
from augan.core.optional import require

CALIBRATION_BATCHES = 8
CALIBRATION_SEED = 2**31 - 1
"""Of the latents whose activations set the ranges: not the seed of samples that are looked at."""
KINDS = ["Conv", "ConvTranspose", "Gemm", "MatMul"]


def quantise(source: Path, model: Model, path: Path) -> None:
    """Writes the ONNX file `source` anew with 8-bit weights (a scale a channel) and 8-bit activations.

    The ranges of activations are the least and the largest values over 512 latents (arXiv:1712.05877, section 3.1,
    after training).

    Raises:
        UserError: a library is missing.
    """
    require("onnx", "export", "--int8")
    tools: Any = require("onnxruntime.quantization", "export", "--int8")
    shapes: Any = require("onnxruntime.quantization.shape_inference", "export", "--int8")
    logging.getLogger().addFilter(_about_preparation)
    try:
        with tempfile.TemporaryDirectory() as folder:
            prepared = Path(folder) / "prepared.onnx"
            shapes.quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
            tools.quantize_static(
                str(prepared),
                str(path),
                _Latents(model),
                quant_format=tools.QuantFormat.QDQ,
                op_types_to_quantize=KINDS,
                per_channel=True,
                activation_type=tools.QuantType.QUInt8,
                weight_type=tools.QuantType.QInt8,
            )
    finally:
        logging.getLogger().removeFilter(_about_preparation)


def _about_preparation(record: logging.LogRecord) -> bool:
    """Leaves out the library's advice to prepare the file, which has been followed."""
    return "pre-process" not in record.getMessage()


class _Latents:
    """Latents and labels, batch by batch, as the library's calibration reads them."""

    def __init__(self, model: Model) -> None:
        self._batches = self._drawn(model)

    @staticmethod
    def _drawn(model: Model) -> Iterator[dict[str, Any]]:
        for number in range(CALIBRATION_BATCHES):
            first, count = number * model.block, model.block
            batch = {"latents": model.latents(count, CALIBRATION_SEED, first).numpy()}
            labels = model.labels(count, None, first)
            yield batch if labels is None else batch | {"labels": labels.numpy()}

    def get_next(self) -> dict[str, Any] | None:
        """The next batch, or None at the end."""
        return next(self._batches, None)
