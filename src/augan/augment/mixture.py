"""Synthetic items beside real ones in a torch Dataset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from augan.checkpoint import Model
from augan.core.errors import UserError
from augan.core.item import from_unit


class SyntheticMix(Dataset[tuple[Any, int, float]]):
    """A labelled map-style Dataset with a model's samples after its own items: `(image, label, weight)`.

    Real items keep their place, number and transform, and weigh 1. Samples take their classes in turn; sample i is a
    function of the model, `seed` and i. They are made once, and held as bytes: `ratio * len(dataset)` images.

        loader = DataLoader(SyntheticMix(dataset, model, ratio=0.5, weight=0.3), batch_size=64, shuffle=True)
        for images, labels, weights in loader:
            loss = (cross_entropy(net(images), labels, reduction="none") * weights).mean()

    Args:
        dataset: items are (image, label), the labels numbered as the model's classes.
        model: conditional, of images of the same size and channels.
        ratio: samples for each real item, above 0.
        weight: of a sample's loss.
        convert: makes a sample (c, h, w) in [-1, 1] into what the dataset's images are. None: by the first of these, a
            tensor of bytes, a float tensor in [0, 1] or [-1, 1], or a PIL image.

    Raises:
        UserError: an unconditional model, a ratio or weight out of range, images of another kind or size.
    """

    def __init__(
        self,
        dataset: Any,
        model: Model,
        ratio: float = 1.0,
        weight: float = 1.0,
        *,
        seed: int = 0,
        convert: Callable[[Tensor], Any] | None = None,
    ) -> None:
        if not model.conditional:
            raise UserError("The model has no classes, so that its samples have no labels. Train on labelled data.")
        if ratio <= 0 or weight < 0:
            raise UserError(f"Ratio {ratio} and weight {weight}: above 0, and at least 0, are expected.")
        if not hasattr(dataset, "__len__") or len(dataset) == 0:
            raise UserError("The dataset is empty, or has no length.")
        self.dataset, self.weight, self.real = dataset, float(weight), len(dataset)
        self._convert = convert or _like(dataset[0][0], model)
        count = max(1, round(ratio * self.real))
        parts = [(from_unit(images), labels) for images, labels in model.stream(count, seed=seed)]
        self.images = np.concatenate([images for images, _ in parts])
        self.labels = torch.cat([labels for _, labels in parts if labels is not None])

    def __len__(self) -> int:
        return self.real + len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, int, float]:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        if index < self.real:
            image, label = self.dataset[index]
            return image, int(label), 1.0
        place = index - self.real
        sample = torch.from_numpy(self.images[place]).permute(2, 0, 1).float() / 127.5 - 1
        return self._convert(sample), int(self.labels[place]), self.weight


def _like(example: Any, model: Model) -> Callable[[Tensor], Any]:
    """How samples become images of the example's kind."""
    item = model.item
    found: tuple[int, ...]
    convert: Callable[[Tensor], Any]
    if isinstance(example, Image.Image):
        found, convert = (len(example.getbands()), example.height, example.width), _picture
    elif isinstance(example, Tensor) and example.dim() == 3:
        found = tuple(example.shape)
        if example.dtype == torch.uint8:
            convert = _bytes
        elif float(example.min()) >= 0 and float(example.max()) <= 1:
            convert = _share
        elif float(example.min()) >= -1 and float(example.max()) <= 1:
            convert = _same
        else:
            raise UserError(
                "The dataset's images have values outside [-1, 1]. Give convert=, which makes samples in [-1, 1] so."
            )
    else:
        raise UserError("The dataset's images are neither PIL images nor tensors (c, h, w). Give convert=.")
    if found != item.shape:
        raise UserError(f"The dataset's images are {found} (c, h, w), and the model's {item.shape}. Give convert=.")
    return convert


def _picture(sample: Tensor) -> Any:
    pixels = from_unit(sample[None])[0]
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _bytes(sample: Tensor) -> Tensor:
    return torch.from_numpy(from_unit(sample[None])[0]).permute(2, 0, 1)


def _share(sample: Tensor) -> Tensor:
    return (sample + 1) / 2


def _same(sample: Tensor) -> Tensor:
    return sample
