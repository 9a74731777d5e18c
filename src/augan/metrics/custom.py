"""Feature spaces of the user's own: a torch module, an exported program, a TorchScript file, or an ONNX file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from augan.core.config import from_dict
from augan.core.errors import UserError
from augan.core.optional import require
from augan.metrics.space import FeatureSpace, Preprocessing, hash_of

AT_ONCE = 64


class ModuleSpace(FeatureSpace):
    """Features from any module: (b, c, h, w) floats -> (b, d), or maps (b, d, h, w), which are averaged over space.

    Args:
        module: put into evaluation mode.
        prepare: how images in [-1, 1] become its input; as they are, if None.
        name: for reports; the class's name if None.
    """

    def __init__(self, module: nn.Module, *, prepare: Preprocessing | None = None, name: str | None = None) -> None:
        self._module = module.eval()
        self._prepare = prepare or Preprocessing(channels=None)
        self.name = name or type(module).__name__
        # Weights and structure; what Python code does with them no hash sees: features are not kept by it.
        structure = hashlib.sha256(repr(module).encode()).hexdigest()
        self.hash = hashlib.sha256(f"{structure} {hash_of(module.state_dict().items())}".encode()).hexdigest()[:16]
        self.keeps = False
        self.preprocessing = str(self._prepare)
        self.dimensions = 0
        self.networks = (self._module,)

    def features(self, images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, "n d"]:
        """(n, d) float32."""
        values = self._in_parts(images, AT_ONCE, lambda part: self._run(self._prepare(part).contiguous()))
        self.dimensions = values.shape[1]
        return values

    def _run(self, images: Tensor) -> Tensor:
        return as_features(self._module(images), len(images), self.name)


def as_features(output: Any, count: int, name: str) -> Float[Tensor, "_ d"]:
    """A network's output as (count, d) float32.

    Raises:
        UserError: it is no tensor of 2 or 4 dimensions with a row for each image.
    """
    values = torch.as_tensor(output) if isinstance(output, Tensor | np.ndarray) else None
    if values is None or values.ndim not in (2, 4) or len(values) != count:
        shape = type(output).__name__ if values is None else tuple(values.shape)
        raise UserError(
            f"The network '{name}' gave {shape} for {count} images; features are ({count}, d), or maps "
            f"({count}, d, h, w)."
        )
    values = values.float()
    return values.mean((2, 3)) if values.ndim == 4 else values


def script_space(path: Path) -> ModuleSpace:
    """The space of a TorchScript file (torch.jit.save); see `sidecar` for its input.

    Raises:
        UserError: the file cannot be read as one.
    """
    try:
        module = torch.jit.load(str(path), map_location="cpu")
    except (RuntimeError, ValueError, OSError) as error:
        raise UserError(f"{path} is not a TorchScript file (torch.jit.save writes one).") from error
    return _of_file(ModuleSpace(module, prepare=sidecar(path), name=path.name), path)


def _of_file(space: ModuleSpace, path: Path) -> ModuleSpace:
    """A space that its file says all about."""
    space.hash, space.keeps = hashlib.sha256(path.read_bytes()).hexdigest()[:16], True
    return space


def exported_space(path: Path) -> ModuleSpace:
    """The space of a file that torch.export.save wrote; see `sidecar` for its input. It must take any batch size.

    Raises:
        UserError: the file cannot be read as one.
    """
    try:
        program = torch.export.load(path)
    except Exception as error:  # zip, JSON, version and schema errors of many kinds
        raise UserError(f"{path} is not an exported program (torch.export.save writes one).") from error
    space = _of_file(ModuleSpace(_Exported(program.module()), prepare=sidecar(path), name=path.name), path)
    space.networks = ()  # it stays on the device that it was exported for
    return space


class _Exported(nn.Module):
    """An exported program, which refuses train() and eval()."""

    def __init__(self, program: nn.Module) -> None:
        super().__init__()
        self._run = [program]  # not a submodule

    def forward(self, images: Tensor) -> Any:
        return self._run[0](images)


class OnnxSpace(ModuleSpace):
    """Features from an ONNX file with one input (b, c, h, w), run by ONNX Runtime; the first output counts.

    Without a sidecar, images come in [-1, 1], in the size and the channels that the file fixes, if it fixes any.

    Raises:
        UserError: onnxruntime is missing, or the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        runtime: Any = require("onnxruntime", "features", "An ONNX feature space")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        try:
            data = path.read_bytes()
            self._session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no common base of their own
            raise UserError(f"{path} cannot be read as ONNX: {' '.join(str(error).split())[:120]}.") from error
        shape = self._session.get_inputs()[0].shape
        if len(shape) != 4:
            raise UserError(f"{path} takes {len(shape)} dimensions; a feature space takes images (b, c, h, w).")
        channels, height, width = (side if isinstance(side, int) else None for side in shape[1:])
        fixed = (height, width) if height and width else None
        self._prepare = sidecar(path) or Preprocessing(size=fixed, channels=channels)
        self.name, self.hash = path.name, hashlib.sha256(data).hexdigest()[:16]
        self.preprocessing = str(self._prepare)
        self.dimensions = 0

    def _run(self, images: Tensor) -> Tensor:
        name = self._session.get_inputs()[0].name
        try:
            output = self._session.run(None, {name: images.numpy()})[0]
        except Exception as error:
            raise UserError(f"{self.name} failed: {' '.join(str(error).split())[:160]}.") from error
        return as_features(output, len(images), self.name)


def sidecar(path: Path) -> Preprocessing | None:
    """What `NAME.json` beside `NAME.onnx` or `NAME.pt` says: size [h, w], channels, mean, std; None without a file.

    Raises:
        UserError: the file holds something else.
    """
    file = path.with_suffix(".json")
    if not file.is_file():
        return None
    try:
        document = json.loads(file.read_text())
    except (ValueError, OSError) as error:
        raise UserError(f"{file} is not a JSON document.") from error
    if not isinstance(document, dict):
        raise UserError(f"{file} must hold an object with size, channels, mean or std.")
    return from_dict(Preprocessing, document)
