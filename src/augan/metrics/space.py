"""What a feature space is: images in, features out, with all that another number must share to be comparable."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from augan.core.config import STRICT
from augan.core.errors import UserError
from augan.core.item import ItemSpec, to_unit

BATCH = 256
Tick = Callable[[int], None]


@runtime_checkable
class Items(Protocol):
    """What features are taken of; every Source is one."""

    @property
    def item(self) -> ItemSpec: ...
    @property
    def labels(self) -> np.ndarray | None: ...
    def __len__(self) -> int: ...
    def items(self, indices: np.ndarray) -> np.ndarray: ...


class FeatureSpace(ABC):
    """Features of images, and class probabilities where the network has classes.

    Attributes:
        name: of the network.
        hash: of its weights, 16 hexadecimal digits.
        preprocessing: what happens to images in [-1, 1] before the network sees them, in words.
        keeps: whether name, hash and preprocessing say all, so that features may be kept by them.
        dimensions: of the features; 0 until a network of the user's own has given some.
        classes: how many classes it gives probabilities of; 0 for none.
    """

    name: str
    hash: str
    preprocessing: str
    dimensions: int
    classes: int = 0
    keeps: bool = True
    device: torch.device = torch.device("cpu")
    networks: tuple[nn.Module, ...] = ()
    """What `to` moves; a space that has none to show stays where it is."""

    def to(self, device: torch.device) -> FeatureSpace:
        """Computes on another device from now on; features still come back as arrays."""
        if self.networks:
            for network in self.networks:
                network.to(device)
            self.device = device
        return self

    @torch.no_grad()
    def _in_parts(
        self, images: Float[Tensor, "n c *grid"], at_once: int, run: Callable[[Tensor], Tensor]
    ) -> Float[np.ndarray, "n d"]:
        """`run` over some images at a time, (n, dimensions) float32."""
        with full_float32(self.device):
            parts = [run(part.to(self.device)).float().cpu() for part in images.split(at_once)]
        return torch.cat(parts).numpy() if parts else np.empty((0, self.dimensions), np.float32)

    @abstractmethod
    def features(self, images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, "n d"]:
        """Features of images in [-1, 1], (n, dimensions) float32, whatever the batch.

        Raises:
            UserError: a number of channels that the network cannot take.
        """

    def probabilities(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n k"]:
        """Class probabilities of features, (n, classes).

        Raises:
            UserError: the space knows no classes.
        """
        raise UserError(f"The feature space '{self.name}' gives no class probabilities.")

    def taps(self, images: Float[Tensor, "n c h w"]) -> list[Tensor]:
        """Maps (n, c_i, h_i, w_i) from early to late layers, for perceptual distances; the features as one map
        where a network shows no others."""
        return [torch.from_numpy(self.features(images))[:, :, None, None]]

    @property
    def has_taps(self) -> bool:
        """Whether `taps` are maps of the network, and not the features again."""
        return type(self).taps is not FeatureSpace.taps

    def features_of(
        self, items: Items, indices: np.ndarray, tick: Tick = lambda done: None
    ) -> Float[np.ndarray, "n d"]:
        """Features of stored items, in bounded memory; `tick` hears how many are done."""
        parts = []
        for start in range(0, len(indices), BATCH):
            parts.append(self.features(to_unit(items.items(indices[start : start + BATCH]))))
            tick(min(start + BATCH, len(indices)))
        return np.concatenate(parts) if parts else np.empty((0, self.dimensions), np.float32)


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Preprocessing:
    """How images in [-1, 1] become a network's input.

    Attributes:
        size: (height, width) to resize to, bicubic with antialiasing, both sides freely; None keeps the size.
        channels: that the network takes; grey images are repeated. None takes them as they come.
        mean, std: subtracted from, and divided into, values in [0, 1]; one number, or one for each channel.
    """

    size: tuple[int, int] | None = None
    channels: int | None = 3
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.5,)

    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k u v"]:
        """What the network sees.

        Raises:
            UserError: the images have other channels.
        """
        values = resized(as_channels(images, self.channels), self.size)
        device = images.device
        return (values.add(1).div(2) - _column(self.mean, device)) / _column(self.std, device)

    def __str__(self) -> str:
        size = "as they are" if self.size is None else f"bicubic with antialiasing to {self.size[1]}x{self.size[0]}"
        numbers = [", ".join(f"{value:g}" for value in values) for values in (self.mean, self.std)]
        return f"{size}; (x - [{numbers[0]}]) / [{numbers[1]}] for x in 0 to 1"


def _column(values: tuple[float, ...], device: torch.device) -> Tensor:
    return torch.tensor(values, device=device).view(1, -1, 1, 1)


@contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """Convolutions on CUDA without TF32, and always by the same algorithm: features are those of other devices."""
    if device.type != "cuda":
        yield
        return
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield


def as_channels(images: Float[Tensor, "n c h w"], channels: int | None) -> Float[Tensor, "n k h w"]:
    """Images with that many channels; grey is repeated, anything else is refused."""
    given = images.shape[1]
    if channels is None or given == channels:
        return images
    if given == 1:
        return images.expand(-1, channels, -1, -1)
    raise UserError(
        f"This feature space takes images of 1 or {channels} channels, and these have {given}. "
        "The space 'in-domain' takes any."
    )


def resized(images: Float[Tensor, "n c h w"], size: tuple[int, int] | None) -> Float[Tensor, "n c u v"]:
    """Bicubic with antialiasing, as Pillow does it, cut to [-1, 1]."""
    if size is None or tuple(images.shape[2:]) == size:
        return images
    return F.interpolate(images, size=size, mode="bicubic", antialias=True, align_corners=False).clamp(-1, 1)


def hash_of(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """16 hexadecimal digits of named tensors, in the order of their names."""
    digest = hashlib.sha256()
    for _, value in sorted(tensors, key=lambda pair: pair[0]):
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def perceptual_distances(
    space: FeatureSpace, images: Float[Tensor, "n c h w"], others: Float[Tensor, "n c h w"]
) -> Float[np.ndarray, " n"]:
    """Distances between pairs of images in the maps of a network, (n,); 0 is equal, about 2 at most.

    At each place of each map, features are scaled to length 1; the squared distance is averaged over places and over
    maps. This is the form of LPIPS without its learnt weights (arXiv:1801.03924, equation 1 with w = 1): values are not
    LPIPS values.
    """
    total = np.zeros(len(images))
    maps = list(zip(space.taps(images), space.taps(others), strict=True))
    for a, b in maps:
        squared = (F.normalize(a, dim=1, eps=1e-10) - F.normalize(b, dim=1, eps=1e-10)).square().sum(1)
        total += squared.mean((1, 2)).double().numpy()
    return total / len(maps)


def perceptual_distances_of_features(
    a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "n d"]
) -> Float[np.ndarray, " n"]:
    """The same for a space whose only map are its features."""
    x, y = (F.normalize(torch.from_numpy(side).double(), dim=1, eps=1e-10) for side in (a, b))
    return (x - y).square().sum(1).numpy()
