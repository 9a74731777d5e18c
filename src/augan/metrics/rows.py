"""Rows of tables as features: numbers in deviations, categories as places."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from augan.core.item import ItemSpec
from augan.core.table import Codes, TableSpec, collapse, values_of
from augan.metrics.space import FeatureSpace

SHARE = 0.5**0.5
"""Two rows that differ in a category are at distance 1 in it, as two whose numbers are a deviation apart."""


def row_features(spec: TableSpec, codes: Codes) -> Float[np.ndarray, "n d"]:
    """Columns side by side, float32.

    Of numbers the deviations from the mean (0 where missing) and, if some are missing, whether this is; of a category
    1/sqrt(2) at the place of its value and 0 at the others.
    """
    parts = []
    for index, block in enumerate(spec.blocks):
        column = spec.columns[block.column]
        if block.number is None:
            parts.append(SHARE * np.eye(column.places, dtype=np.float32)[codes.places[:, index]])
            continue
        values = (values_of(spec, codes, index) - column.mean) / column.deviation
        parts.append(np.nan_to_num(values)[:, None].astype(np.float32))
        if column.missing:
            parts.append(np.isnan(values)[:, None].astype(np.float32))
    return np.concatenate(parts, axis=1)


class RowSpace(FeatureSpace):
    """`row_features` as a feature space: nothing is learnt."""

    head = None
    accuracy = None

    def __init__(self, item: ItemSpec) -> None:
        assert item.table is not None
        self.item, self.spec, self.name = item, item.table, "rows"
        self.hash = hashlib.sha256(json.dumps(self.spec.to_json(), sort_keys=True).encode()).hexdigest()[:16]
        self.preprocessing = "numbers in deviations from the mean, categories one-hot over the root of 2"
        self.dimensions = self.features(torch.zeros(1, item.channels, 1, 1)).shape[1]

    def features(self, images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, "n d"]:
        """Features of encoded rows (n, width, 1, 1)."""
        return row_features(self.spec, collapse(self.spec, images[:, :, 0, 0].numpy()))
