"""ONNX files: written from a traced generator, and read back as a model that samples as any other does."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from augan.checkpoint import Model
from augan.core.errors import UserError
from augan.core.item import ItemSpec
from augan.core.optional import require
from augan.core.version import __version__
from augan.export.program import OUTPUT, input_names

KEY = "augan"
"""Under this name the file's metadata hold, as JSON, what the generator makes."""
OPSET = 18


def require_writer() -> None:
    """Raises UserError where what writes ONNX files is not installed."""
    for module in ("onnx", "onnxscript", "onnxruntime"):
        require(module, "export", "Export to ONNX")


def save_onnx(program: Any, model: Model, path: Path) -> None:
    """Writes a traced model as an ONNX file: inputs `latents` and, if conditional, `labels`; output `images`.

    The size of the batch is open. The item (channels, size, class names) is in the file's metadata.

    Raises:
        UserError: a library is missing.
    """
    described = {
        "item": model.item.to_json(),
        "latent_size": model.latent_size,
        "conditional": model.conditional,
        "generator": model.hash,
        "augan": __version__,
    }
    write_graph(program, path, input_names(model), described)


def write_graph(program: Any, path: Path, inputs: list[str], described: dict[str, Any]) -> None:
    """Writes a traced graph with one output, `images`, and what `described` says of it.

    Raises:
        UserError: a library is missing.
    """
    require_writer()
    with _quietly():
        written: Any = torch.onnx.export(
            program, (), dynamo=True, input_names=inputs, output_names=[OUTPUT], opset_version=OPSET
        )
    written.model.metadata_props[KEY] = json.dumps(described)
    written.save(path, external_data=False)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Within the block, the exporter keeps its warnings about other libraries and its progress to itself."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def session_of(data: bytes) -> Any:
    """A session of onnxruntime for an ONNX file's bytes, on the processor and on as many threads as PyTorch has.

    Raises:
        UserError: onnxruntime is missing.
    """
    runtime: Any = require("onnxruntime", "export", "Running an ONNX file")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    return runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


class OnnxGenerator(nn.Module):
    """A generator that onnxruntime computes, on the processor and on as many threads as PyTorch has.

    The digest of the file stands where weights would, so that models of different files have different hashes.
    """

    digest: Tensor

    def __init__(self, path: Path, latent_size: int, classes: int) -> None:
        super().__init__()
        self.latent_size, self.classes = latent_size, classes
        data = path.read_bytes()
        self.register_buffer("digest", torch.frombuffer(bytearray(hashlib.sha256(data).digest()), dtype=torch.uint8))
        self._session = session_of(data)

    def forward(
        self, latents: Float[Tensor, "b d"], labels: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b c *grid"]:
        given = (
            {"latents": latents.numpy()} if labels is None else {"latents": latents.numpy(), "labels": labels.numpy()}
        )
        return torch.from_numpy(self._session.run([OUTPUT], given)[0])


def load_onnx(path: Path | str) -> Model:
    """The model of a file that `augan export --onnx` wrote; samples as a PyTorch model does, on the processor.

    Raises:
        UserError: no such file, not one of augan's, or a library is missing.
    """
    source = Path(path)
    if not source.is_file():
        raise UserError(f"{source} does not exist.")
    described = read_description(source)
    item = ItemSpec.from_json(described["item"])
    classes = item.classes if described["conditional"] else 0
    return Model(OnnxGenerator(source, described["latent_size"], classes), item)


def read_description(path: Path) -> dict[str, Any]:
    """What the metadata of an ONNX file say about it.

    Raises:
        UserError: it is no ONNX file, or augan did not write it.
    """
    onnx: Any = require("onnx", "export", "Reading an ONNX file")
    try:
        properties = onnx.load(path, load_external_data=False).metadata_props
    except Exception as error:  # of whatever kind the parser of its day raises
        raise UserError(f"{path} cannot be read as an ONNX file ({error}).") from error
    found = {entry.key: entry.value for entry in properties}
    if KEY not in found:
        raise UserError(f"{path} was not written by augan: it does not say what it generates.")
    described: dict[str, Any] = json.loads(found[KEY])
    return described
