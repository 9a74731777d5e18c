"""A feature space of clips, made from the user's own in seconds: a small network over time and plane.

It learns to tell what was done to a clip: nothing, its frames shuffled, one frame frozen, played backwards, or slowed
down to half. Beside that it learns the classes of clips that have labels; of clips without, to recognise one among
others after random crops (NT-Xent, arXiv:2002.05709). So its features see both what is shown and how it moves.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from augan.core.errors import UserError
from augan.core.files import atomic_folder, read_json, write_json
from augan.core.item import ItemSpec, to_unit
from augan.core.rng import derive, numpy_stream
from augan.metrics import in_domain
from augan.metrics.in_domain import FEATURES, LEAST_SHIFT, InDomainSpace, random_view, strength_for
from augan.metrics.space import FeatureSpace, Items

LONGEST = 32
BATCH = 32
AT_ONCE = 128
MOST_STEPS = 240
VERSION = 1
"""Part of the cache's key: to be raised when anything here changes what a space computes."""
CHANGES = ("as it is", "shuffled", "frozen", "backwards", "slow")


class ClipEncoder(nn.Module):
    """(b, c, t, h, w) in [-1, 1] -> features (b, 128), not negative."""

    width = FEATURES

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = [2 * channels, 16, 48, 96, FEATURES]
        self.convolutions = nn.ModuleList(
            nn.Conv3d(narrow, wide, 3, stride=(2 if index else 1, 2, 2), padding=1, bias=False)
            for index, (narrow, wide) in enumerate(zip(widths, widths[1:], strict=False))
        )
        self.norms = nn.ModuleList(nn.BatchNorm3d(wide) for wide in widths[1:])

    def maps(self, clips: Tensor) -> list[Tensor]:
        """What each convolution gives. It sees frames, and how each differs from the one before."""
        change = F.pad(clips.diff(dim=2), (0, 0, 0, 0, 1, 0))
        found = [torch.cat([clips, 2 * change], 1)]
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            found.append(F.relu(norm(convolution(found[-1]))))
        return found[1:]

    def forward(self, clips: Tensor) -> Tensor:
        return self.maps(clips)[-1].mean((2, 3, 4))


class ClipSpace(InDomainSpace):
    """Features of clips, and class probabilities where the data had labels; see InDomainSpace."""

    def __init__(self, item: ItemSpec, network: ClipEncoder, head: nn.Linear | None, accuracy: float | None) -> None:
        super().__init__(item, network, head, accuracy)
        self.name = "clips, self-supervised" if head is None else "clips, classifier"
        self.preprocessing = f"{item.frames} frames of {item.width}x{item.height}, averaged to at most {LONGEST} pixels"

    def features(self, images: Float[Tensor, "n c t h w"]) -> Float[np.ndarray, "n d"]:
        """(n, 128) float32; without labels, scaled to length 128^(1/2)."""
        return self._in_parts(images, AT_ONCE, self._run)

    def _run(self, images: Tensor) -> Tensor:
        features = self.network(reduced_clips(images))
        return features if self.head is not None else F.normalize(features, dim=1) * FEATURES**0.5

    taps = FeatureSpace.taps


def reduced_clips(clips: Float[Tensor, "n c t h w"]) -> Float[Tensor, "n c t u v"]:
    """At most 32 pixels on the longer side, by averaging."""
    longer = max(clips.shape[3:])
    if longer <= LONGEST:
        return clips
    size = (clips.shape[2], *(max(4, round(side * LONGEST / longer)) for side in clips.shape[3:]))
    return F.interpolate(clips, size=size, mode="area")


def orders_of(length: int, kinds: Int64[np.ndarray, " n"], random: np.random.Generator) -> Int64[np.ndarray, "n t"]:
    """Which frames of a clip of `length` are shown, in order, for each of `kinds` (numbers of CHANGES)."""
    orders = np.tile(np.arange(length), (len(kinds), 1))
    for row, kind in enumerate(kinds):
        if CHANGES[kind] == "shuffled":
            orders[row] = random.permutation(length)
        elif CHANGES[kind] == "frozen":
            orders[row] = random.integers(length)
        elif CHANGES[kind] == "backwards":
            orders[row] = orders[row][::-1]
        elif CHANGES[kind] == "slow":
            orders[row] = np.arange(length) // 2 + random.integers(length // 2 + 1)
    return orders.clip(0, length - 1)


def changed_clips(
    clips: UInt8[np.ndarray, "n t h w c"], kinds: Int64[np.ndarray, " n"], random: np.random.Generator
) -> UInt8[np.ndarray, "n t h w c"]:
    """Stored clips with what `kinds` says done to each."""
    return clips[np.arange(len(clips))[:, None], orders_of(clips.shape[1], kinds, random)]


class _Learner(NamedTuple):
    """The network with its heads: what was done, the class (without labels None), and the contrast."""

    network: ClipEncoder
    change: nn.Linear
    head: nn.Linear | None
    projection: nn.Linear


def train_clip_space(items: Items, *, seed: int = 0, steps: int | None = None) -> ClipSpace:
    """Makes the space of a set of clips; deterministic under `seed` on one machine and thread number.

    With labels, a tenth of each class with 10 or more clips is held out to measure accuracy.
    """
    steps = steps or steps_for(len(items))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "clips"))
        head = None if items.labels is None else nn.Linear(FEATURES, items.item.classes)
        learner = _Learner(
            ClipEncoder(items.item.channels), nn.Linear(FEATURES, len(CHANGES)), head, nn.Linear(FEATURES, 64)
        )
        learner.projection.requires_grad_(False)
        train, held_out = _held_out(items, seed)
        heads = nn.ModuleList([learner.change, *([head] if head is not None else [])])
        strength = strength_for(steps * BATCH / len(items))
        in_domain._fit(learner.network, heads, lambda step: _loss(items, learner, train, seed, step, strength), steps)
        space = ClipSpace(items.item, learner.network, head, None)
        space.accuracy = in_domain._balanced_accuracy(space, items, held_out)
        return space


def steps_for(count: int) -> int:
    """How many steps are taken: 240 at most, fewer for few clips, as of images."""
    return min(MOST_STEPS, in_domain.steps_for(count, BATCH))


def _held_out(items: Items, seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Groups to learn from, one a class, all of it without labels; and what is held out."""
    if items.labels is None:
        return [np.arange(len(items))], np.empty(0, np.int64)
    return in_domain._split(items.labels, seed)


def _loss(items: Items, learner: _Learner, train: list[np.ndarray], seed: int, step: int, strength: float) -> Tensor:
    random = numpy_stream(seed, "clips batch", step)
    groups = random.choice([label for label, members in enumerate(train) if len(members)], BATCH)
    indices = np.array([random.choice(train[group]) for group in groups])
    clips = reduced_clips(to_unit(items.items(indices)))
    kinds = random.integers(0, len(CHANGES), len(clips))
    orders = torch.from_numpy(orders_of(clips.shape[2], kinds, random))
    done = clips[torch.arange(len(clips))[:, None], :, orders].movedim(2, 1)
    if learner.head is not None:
        both = torch.cat([clip_view(done, random, strength), clip_view(clips, random, strength)])
        features = learner.network(both)
        told, known = features[:BATCH], features[BATCH:]
        class_loss = F.cross_entropy(learner.head(known), torch.from_numpy(groups), label_smoothing=0.05)
        return class_loss + _change_loss(learner, told, kinds)
    views = torch.cat([clip_view(done, random), clip_view(done, random)])
    features = learner.network(views)
    codes = F.normalize(learner.projection(features), dim=1)
    count = len(codes)
    similarity = (codes @ codes.T / 0.2).masked_fill(torch.eye(count, dtype=torch.bool), -torch.inf)
    contrast = F.cross_entropy(similarity, torch.arange(count).roll(count // 2))
    return contrast + _change_loss(learner, features, np.concatenate([kinds, kinds]))


def _change_loss(learner: _Learner, features: Tensor, kinds: np.ndarray) -> Tensor:
    return F.cross_entropy(learner.change(features), torch.from_numpy(kinds), label_smoothing=0.05)


def clip_view(clips: Float[Tensor, "n c t h w"], random: np.random.Generator, strength: float = 1.0) -> Tensor:
    """Each clip in [-1, 1] cropped and recoloured at random, all of its frames alike."""
    channels, length = clips.shape[1:3]
    views = random_view(clips.flatten(1, 2), random, strength, LEAST_SHIFT)
    return views.unflatten(1, (channels, length)).contiguous()


def video_space(items: Items, key: str, cache: Path, *, seed: int = 0) -> ClipSpace:
    """The space of clips with content `key`, from `cache` if it is there, else trained and kept there."""
    steps = steps_for(len(items))
    folder = cache / "extractors" / f"clips-{key[:32]}-{seed}-{steps}-v{VERSION}"
    if folder.exists():
        try:
            return _load(folder, items.item)
        except (UserError, SafetensorError, RuntimeError, KeyError, TypeError, OSError):
            shutil.rmtree(folder, ignore_errors=True)  # damaged: it is made again
    space = train_clip_space(items, seed=seed, steps=steps)
    with suppress(UserError, OSError), atomic_folder(folder) as temporary:  # keeping it only saves time
        save_file(space.state(), temporary / "extractor.safetensors")
        write_json(temporary / "extractor.json", {"accuracy": space.accuracy, "labelled": space.head is not None})
    return space


def _load(folder: Path, item: ItemSpec) -> ClipSpace:
    document = read_json(folder / "extractor.json")
    tensors = load_file(folder / "extractor.safetensors")
    network = ClipEncoder(item.channels)
    network.load_state_dict({key[8:]: value for key, value in tensors.items() if key.startswith("network.")})
    head = nn.Linear(FEATURES, item.classes) if document["labelled"] else None
    if head is not None:
        head.load_state_dict({key[5:]: value for key, value in tensors.items() if key.startswith("head.")})
    return ClipSpace(item, network, head, document["accuracy"])
