"""Any map-style torch Dataset (or list) of images, read once into a temporary file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from PIL import Image, ImageOps

from augan.core.errors import UserError
from augan.data.arrays import CHANNELS
from augan.data.cache import Cache
from augan.data.decode import Unreadable, image_to_array
from augan.data.policy import kind_of

WANTED = "an image or (image, label), the image a tensor (C, H, W) or (H, W), an array (H, W[, C]) or a PIL image"


class Spool:
    """The items of a data set as raw arrays in an unnamed temporary file.

    A data set is read exactly once: its items may be costly, or random.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        with cache.write_errors():
            cache.folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=cache.folder)  # noqa: SIM115 (lives as long as the spool)
        self._items: list[tuple[int, tuple[int, ...], str]] = []

    def __len__(self) -> int:
        return len(self._items)

    def add(self, array: np.ndarray) -> None:
        """Appends one (h, w, c) array."""
        with self._cache.write_errors():
            self._items.append((self._file.tell(), array.shape, array.dtype.str))
            self._file.write(np.ascontiguousarray(array).data)

    def stream(self, chosen: Bool[np.ndarray, " n"]) -> Iterator[tuple[int, np.ndarray | Unreadable]]:
        """The chosen items in order."""
        for index in np.flatnonzero(chosen):
            offset, shape, dtype = self._items[index]
            self._file.seek(offset)
            data = self._file.read(int(np.prod(shape)) * np.dtype(dtype).itemsize)
            yield int(index), np.frombuffer(data, dtype=dtype).reshape(shape)

    def name_of(self, index: int) -> str:
        """'item 5'."""
        return f"item {index}"


def spool_dataset(dataset: Any, cache: Cache) -> tuple[Spool, np.ndarray | None, tuple[str, ...] | None]:
    """(items, labels, class names) of a data set.

    Raises:
        UserError: an item is not an image, or only some items have labels.
    """
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        raise UserError(
            f"{type(dataset).__name__} has no length or cannot be indexed. Give a map-style Dataset, a "
            "path or an array."
        )
    spool, labels = Spool(cache), []
    for index in range(len(dataset)):
        image, label = _split(dataset[index])
        spool.add(_item_array(image, index))
        if label is not None:
            labels.append(label)
    if labels and len(labels) != len(spool):
        raise UserError(f"{len(labels)} of {len(spool)} items have a label. Give all of them one, or none.")
    if not labels:
        return spool, None, None
    values = np.asarray(labels)
    return spool, values, _class_names(dataset, values)


def _split(item: Any) -> tuple[Any, Any]:
    if isinstance(item, dict):
        image = next((item[key] for key in ("image", "img", "pixel_values") if key in item), None)
        return image, _plain_label(item.get("label", item.get("labels")))
    if isinstance(item, (tuple, list)) and len(item) >= 2:
        return item[0], _plain_label(item[1])
    return (item[0], None) if isinstance(item, (tuple, list)) and item else (item, None)


def _plain_label(label: Any) -> Any:
    """Tensors and NumPy scalars of one value as plain Python; anything else as it is."""
    if isinstance(label, torch.Tensor):
        label = label.detach().cpu().numpy()
    return label.item() if isinstance(label, (np.ndarray, np.generic)) and label.size == 1 else label


def _item_array(image: Any, index: int) -> np.ndarray:
    if isinstance(image, Image.Image):
        return image_to_array(ImageOps.exif_transpose(image))
    first = isinstance(image, torch.Tensor)
    if isinstance(image, torch.Tensor):
        image = image.detach().cpu()
        image = (image.float() if image.dtype == torch.bfloat16 else image).numpy()
    if not isinstance(image, np.ndarray) or kind_of(image.dtype) is None:
        raise UserError(f"Item {index} of the data set is a {type(image).__name__}, and it must be {WANTED}.")
    if image.ndim == 2:
        image = image[:, :, None]
    elif image.ndim == 3 and image.shape[0] in CHANNELS and (first or image.shape[2] not in CHANNELS):
        image = np.moveaxis(image, 0, 2)
    if image.ndim != 3 or image.shape[2] not in CHANNELS or min(image.shape) < 1:
        raise UserError(f"Item {index} of the data set has shape {image.shape}, and it must be {WANTED}.")
    return np.asarray(image)


def _class_names(dataset: Any, values: np.ndarray) -> tuple[str, ...] | None:
    """The names that torchvision's data sets carry in `classes`, where the labels are numbers into them."""
    names = getattr(dataset, "classes", None)
    if not isinstance(names, Sequence) or isinstance(names, str) or values.dtype.kind not in "iu":
        return None
    if not all(isinstance(name, str) for name in names) or len(names) <= values.max(initial=0):
        return None
    return tuple(names)
