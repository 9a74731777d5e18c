"""Feature spaces whose published weights are found on this machine or downloaded once: Inception, DINOv2, CLIP."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from augan.core.errors import UserError
from augan.core.files import atomic_file
from augan.metrics.backbones import Inception, clip_visual, dinov2, inception
from augan.metrics.space import FeatureSpace, Preprocessing, as_channels

AT_ONCE = 32
TIMEOUT_SEC = 30


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A published file.

    Attributes:
        space: the name of the feature space it belongs to.
        files: names under which it is looked for, the first being that of the download.
        sha256: of the file; "" takes any.
        url: where it comes from.
    """

    space: str
    files: tuple[str, ...]
    sha256: str
    url: str


INCEPTION = Weights(
    space="inception",
    files=("weights-inception-2015-12-05-6726825d.pth", "pt_inception-2015-12-05-6726825d.pth"),
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
)
DINOV2 = Weights(
    space="dinov2",
    files=("dinov2_vitl14_pretrain.pth",),
    sha256="d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428",  # not by its authors: as others pin it
    url="https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth",
)
CLIP = Weights(
    space="clip",
    files=("ViT-B-32.pt",),
    sha256="40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
    url="https://openaipublic.azureedge.net/clip/models/"
    "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af/ViT-B-32.pt",
)


def find_weights(weights: Weights, cache: Path) -> tuple[Path, str]:
    """The file and its SHA-256: from `cache/weights`, from torch's own cache, or by download.

    Raises:
        UserError: it is nowhere and cannot be downloaded, or a file of that name holds something else.
    """
    for folder in (cache / "weights", torch_checkpoints(), Path.home() / ".cache" / "clip"):
        for name in weights.files:
            if (folder / name).is_file():
                return folder / name, _checked(folder / name, weights)
    path = cache / "weights" / weights.files[0]
    _download(weights, path)
    return path, _checked(path, weights)


def torch_checkpoints() -> Path:
    """Where torch.hub, torch-fidelity and torchmetrics keep downloaded weights."""
    base = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torch"
    return Path(base) / "hub" / "checkpoints"


def _checked(path: Path, weights: Weights) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    found = digest.hexdigest()
    if not found.startswith(weights.sha256):
        raise UserError(
            f"{path} is not the published file: its SHA-256 begins with {found[:12]}, not with {weights.sha256[:12]}. "
            f"Remove it, if it is there, and get it from {weights.url}."
        )
    return found


def _download(weights: Weights, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            urllib.request.urlopen(weights.url, timeout=TIMEOUT_SEC) as answer,
            atomic_file(path) as temporary,
            open(temporary, "wb") as file,
        ):
            shutil.copyfileobj(answer, file, 1 << 20)
            file.flush()
            _checked(temporary, weights)
    except (urllib.error.URLError, TimeoutError, ConnectionError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise UserError(
            f"The weights of the feature space '{weights.space}' are not on this machine, and could not be downloaded "
            f"({reason}). Download {weights.url} elsewhere and place it at {path}; or use --features in-domain or "
            "bundled, which need no download."
        ) from error


def _state(path: Path, archive: bool = False) -> Mapping[str, Tensor]:
    """The tensors of a file, read without running any code of it; `archive`: it is a TorchScript archive."""
    try:
        if archive:
            module: Any = torch.jit.load(str(path), map_location="cpu")
            return {name: value.float() for name, value in module.state_dict().items()}
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, ValueError, OSError, pickle.UnpicklingError, EOFError) as error:
        raise UserError(f"{path} cannot be read as PyTorch weights. Remove it and download it again.") from error


class PretrainedSpace(FeatureSpace):
    """Features of a published network in evaluation mode."""

    def __init__(self, name: str, digest: str, network: nn.Module, dimensions: int, prepare: Preprocessing) -> None:
        self._network, self._prepare = network, prepare
        self.name, self.hash, self.dimensions = name, digest[:16], dimensions
        self.preprocessing = str(prepare)
        self.networks = (network,)

    def features(self, images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, "n d"]:
        """(n, dimensions) float32."""
        return self._in_parts(images, AT_ONCE, lambda part: self._network(self._prepare(part)))


class InceptionSpace(PretrainedSpace):
    """2,048 pooled features of the InceptionV3 of 2015-12-05: the Fréchet distance in them is the FID.

    Published values compare only with the same counts and the same real images (usually 50,000 samples against the
    training set). Images are resized as TensorFlow 1 did it, without antialiasing, like the published code.
    """

    def __init__(self, network: Inception, digest: str) -> None:
        super().__init__("InceptionV3 (FID)", digest, network, 2048, Preprocessing())
        self._inception = network
        self.classes = 1008
        self.preprocessing = "bilinear without antialiasing to 299x299 as in TensorFlow 1; (x - 128) / 128"

    def features(self, images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, "n d"]:
        """(n, 2048) float32."""
        return self._in_parts(images, AT_ONCE, lambda part: self._inception(_levels(part)))

    @torch.no_grad()
    def probabilities(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n k"]:
        """Of the 1,008 outputs, from logits without their bias, as torch-fidelity's inception score takes them."""
        logits = self._inception.logits(torch.from_numpy(features).to(self.device))
        result: np.ndarray = logits.softmax(1).cpu().numpy()
        return result


def _levels(images: Tensor) -> Tensor:
    """Values in [-1, 1] as the 8-bit levels that they stand for."""
    return as_channels(images, 3).add(1).mul(127.5).round()


def inception_space(cache: Path) -> InceptionSpace:
    """The space of the published FID.

    Raises:
        UserError: see `find_weights`.
    """
    path, digest = find_weights(INCEPTION, cache)
    return InceptionSpace(inception(_state(path)), digest)


IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP_SCALE = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


def dinov2_space(cache: Path) -> PretrainedSpace:
    """1,024 features of DINOv2 ViT-L/14 at 224x224 (arXiv:2304.07193), in which distances follow people's judgement
    better than in Inception's (arXiv:2306.04675).

    Raises:
        UserError: see `find_weights`.
    """
    path, digest = find_weights(DINOV2, cache)
    prepare = Preprocessing(size=(224, 224), mean=IMAGENET[0], std=IMAGENET[1])
    return PretrainedSpace("DINOv2 ViT-L/14", digest, dinov2(_state(path)), 1024, prepare)


def clip_space(cache: Path) -> PretrainedSpace:
    """512 features of CLIP's ViT-B/32 at 224x224 (arXiv:2103.00020); images that are not square are squeezed, not cut.

    Raises:
        UserError: see `find_weights`.
    """
    path, digest = find_weights(CLIP, cache)
    prepare = Preprocessing(size=(224, 224), mean=CLIP_SCALE[0], std=CLIP_SCALE[1])
    network = clip_visual(_state(path, archive=True))
    return PretrainedSpace("CLIP ViT-B/32", digest, network, 512, prepare)
