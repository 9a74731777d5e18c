"""Still images among clips: a part of each batch, seen as clips that are watched three times at one moment.

The generator is asked for single frames in their place. So the discriminator judges what a frame looks like by more
pictures than the clips hold, and learns nothing of motion from them: it is told that no time passes between.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from augan import data as datasets
from augan.core.errors import UserError
from augan.core.world import World
from augan.data import Loader, Source
from augan.training.config import RunConfig


class Still(NamedTuple):
    """Some stills (k, c, h, w) and their classes in the clips' numbers."""

    images: Float[Tensor, "k c h w"]
    labels: Int64[Tensor, " k"] | None


class Stills:
    """Batches of stills by how many clips were seen.

    Raises:
        UserError: they cannot be opened, or have other channels or classes than the clips.
    """

    def __init__(
        self, config: RunConfig, clips: Source, share: int, device: torch.device, world: World, conditional: bool
    ) -> None:
        item = clips.item
        path = config.data.stills
        assert path is not None
        self.source = datasets.open(path, size=(item.height, item.width), kind="image")
        self.count = max(1, round(config.data.stills_share * share))
        self.channels, self.batch = item.channels, config.training.batch
        theirs = self.source.item.channels
        if 4 in (theirs, item.channels) and theirs != item.channels:
            raise UserError(f"data.stills={path} has {theirs} channels, and the clips have {item.channels}.")
        self._classes = self._matched(path, item.class_names or ()) if conditional else None
        self._loader = Loader(
            self.source, self.count, config.seed, device=device, rank=world.rank, world=world.size, prefetch=False
        )

    def _matched(self, path: str, names: tuple[str, ...]) -> np.ndarray:
        """The clips' number of each class of the stills."""
        own = self.source.item.class_names or ()
        unknown = sorted(set(own) - set(names))
        if not own or unknown:
            what = f"the class '{unknown[0]}'" if unknown else "no classes"
            raise UserError(f"data.stills={path} has {what}, and the clips have {', '.join(names[:10])}.")
        return np.array([names.index(name) for name in own], dtype=np.int64)

    def at(self, clips_seen: int) -> Still:
        """Those of the round that begins after so many clips."""
        found = self._loader.batch_at(clips_seen // self.batch * self._loader.step)
        images = found.images
        if images.shape[1] != self.channels:  # grey among colours, or colours among grey
            images = images.mean(1, keepdim=True).expand(-1, self.channels, -1, -1)
        labels = None
        if self._classes is not None and found.labels is not None:
            labels = torch.from_numpy(self._classes).to(found.labels.device)[found.labels]
        return Still(images, labels)
