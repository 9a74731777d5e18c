"""A feature space made from the user's own data: seconds to train, nothing to download.

With labels, a small convolutional classifier, whose penultimate features are the space and whose accuracy on held-out
images is stated. Without labels, the same network learns to recognise an image among others after random crops and
changes of contrast (arXiv:2002.05709, NT-Xent); features are scaled to one length. Distances in this space are
comparable only with one another: its name and hash go with each number.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from augan.core.errors import UserError
from augan.core.files import atomic_folder, read_json, write_json
from augan.core.item import ItemSpec, to_unit
from augan.core.rng import derive, numpy_stream
from augan.metrics.space import FeatureSpace, Items, hash_of
from augan.nn import channels_last

FEATURES = 128
LONGEST = 64
LEAST_SHIFT = 0.06
STEPS = 400
LEAST_STEPS = 60
MOST_PASSES = 40
VERSION = 5
"""Part of the cache's key: to be raised when anything here changes what an extractor computes."""


class Encoder(nn.Module):
    """(b, c, h, w) in [-1, 1] -> features (b, 128), not negative."""

    width = FEATURES

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = [channels, 32, 64, 128, FEATURES]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(narrow, wide, 3 if index else 5, stride=2, padding=1 if index else 2, bias=False)
            for index, (narrow, wide) in enumerate(zip(widths, widths[1:], strict=False))
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(wide) for wide in widths[1:])

    def maps(self, images: Tensor) -> list[Tensor]:
        """What each convolution gives."""
        found = [images]
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            found.append(F.relu(norm(convolution(found[-1]))))
        return found[1:]

    def forward(self, images: Tensor) -> Tensor:
        return self.maps(images)[-1].mean((2, 3))


class InDomainSpace(FeatureSpace):
    """Features of images, and class probabilities where the data had labels.

    Attributes:
        name: 'in-domain classifier' or 'in-domain contrastive'.
        hash: of the weights, 16 hexadecimal digits; numbers with different hashes are not comparable.
        accuracy: of the classifier on held-out real images, balanced over classes; None without labels or holdout.
    """

    def __init__(self, item: ItemSpec, network: nn.Module, head: nn.Linear | None, accuracy: float | None) -> None:
        self.item, self.network, self.head, self.accuracy = (
            item,
            network.eval(),
            None if head is None else head.eval(),
            accuracy,
        )
        self.name = "in-domain contrastive" if head is None else "in-domain classifier"
        self.hash = hashlib.sha256(f"{VERSION} {hash_of(self.state().items())}".encode()).hexdigest()[:16]
        self.preprocessing = f"{item.width}x{item.height}, averaged to at most {LONGEST} pixels on the longer side"
        self.dimensions = FEATURES
        self.networks = (self.network,) if self.head is None else (self.network, self.head)
        self.classes = 0 if head is None else head.out_features

    def state(self) -> dict[str, Tensor]:
        """All weights by name."""
        tensors = {f"network.{key}": value for key, value in self.network.state_dict().items()}
        if self.head is not None:
            tensors |= {f"head.{key}": value for key, value in self.head.state_dict().items()}
        return {key: value.detach().clone().contiguous() for key, value in tensors.items()}

    def features(self, images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, "n d"]:
        """(n, 128) float32; without labels, scaled to length 128^(1/2)."""
        return self._in_parts(images, 256, self._run)

    def _run(self, images: Tensor) -> Tensor:
        features = self.network(reduced(images))
        # The contrastive loss sees directions only: lengths are arbitrary, and a few long ones would rule distances.
        return features if self.head is not None else F.normalize(features, dim=1) * FEATURES**0.5

    @torch.no_grad()
    def probabilities(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n k"]:
        """Class probabilities of features, (n, classes).

        Raises:
            UserError: the extractor knows no classes.
        """
        if self.head is None:
            raise UserError("This feature space was made without labels: it gives no class probabilities.")
        result: np.ndarray = self.head(torch.from_numpy(features).to(self.device)).softmax(1).cpu().numpy()
        return result

    @torch.no_grad()
    def taps(self, images: Float[Tensor, "n c h w"]) -> list[Tensor]:
        """Four maps, each with half the side of the one before."""
        return [maps.cpu() for maps in self.network.maps(reduced(images.to(self.device)))]  # type: ignore[operator]


def reduced(images: Tensor) -> Tensor:
    """At most 64 pixels on the longer side, by averaging."""
    longer = max(images.shape[2:])
    if longer <= LONGEST:
        return images.contiguous(memory_format=torch.channels_last)
    size = [max(8, round(side * LONGEST / longer)) for side in images.shape[2:]]
    return F.interpolate(images, size=size, mode="area").contiguous(memory_format=torch.channels_last)


def train_extractor(items: Items, *, seed: int = 0, steps: int | None = None, batch: int = 64) -> InDomainSpace:
    """Makes the feature space of a data set; deterministic under `seed` on one machine and thread number.

    With labels, a tenth of each class with 10 or more images is held out to measure accuracy, and classes are drawn
    equally often. The fewer the images, the fewer the steps and the stronger the changes under which they are learnt
    (`steps_for`, `strength_for`): features of images that were learnt must be like those of new ones.
    """
    steps = steps or steps_for(len(items), batch)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "in-domain"))
        network = channels_last(Encoder(items.item.channels))
        if items.labels is None:
            _fit(network, None, _contrastive_step(items, network, seed, batch), steps)
            return InDomainSpace(items.item, network, None, None)
        head = nn.Linear(FEATURES, items.item.classes)
        train, held_out = _split(items.labels, seed)
        strength = strength_for(steps * batch / len(items))
        _fit(network, head, _classifier_step(items, network, head, train, seed, batch, strength), steps)
        extractor = InDomainSpace(items.item, network, head, None)
        extractor.accuracy = _balanced_accuracy(extractor, items, held_out)
        return extractor


def _fit(network: nn.Module, head: nn.Module | None, loss_of: Callable[[int], Tensor], steps: int) -> None:
    parameters = [*network.parameters(), *(head.parameters() if head else ())]
    optimizer = torch.optim.AdamW(parameters, lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=steps)
    network.train()
    for step in range(steps):  # in float32: no slower here, and bfloat16 gave NaN on maps of one pixel (8x8 images)
        loss = loss_of(step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    network.eval()


def _split(labels: np.ndarray, seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Per class, the indices to learn from; and the held-out indices of all classes."""
    train, held_out = [], []
    for label in range(int(labels.max()) + 1):
        members = numpy_stream(seed, "in-domain split", label).permutation(np.flatnonzero(labels == label))
        count = len(members) // 10
        held_out.append(members[:count])
        train.append(members[count:])
    return train, np.concatenate(held_out)


def _classifier_step(
    items: Items,
    network: nn.Module,
    head: nn.Module,
    train: list[np.ndarray],
    seed: int,
    batch: int,
    strength: float,
) -> Callable[[int], Tensor]:
    present = [label for label, members in enumerate(train) if len(members)]

    def loss(step: int) -> Tensor:
        random = numpy_stream(seed, "in-domain batch", step)
        labels = random.choice(present, batch)
        indices = np.array([random.choice(train[label]) for label in labels])
        images = random_view(reduced(to_unit(items.items(indices))), random, strength, LEAST_SHIFT)
        return F.cross_entropy(head(network(images)).float(), torch.from_numpy(labels), label_smoothing=0.05)

    return loss


def _contrastive_step(items: Items, network: nn.Module, seed: int, batch: int) -> Callable[[int], Tensor]:
    projection = nn.Linear(FEATURES, 64)  # random and fixed: the space is read before it

    def loss(step: int) -> Tensor:
        random = numpy_stream(seed, "in-domain batch", step)
        count = min(batch, len(items))
        images = reduced(to_unit(items.items(random.choice(len(items), count, replace=False))))
        views = torch.cat([random_view(images, random), random_view(images, random)])
        codes = F.normalize(projection(network(views)).float(), dim=1)
        similarity = (codes @ codes.T / 0.2).masked_fill(torch.eye(2 * count, dtype=torch.bool), -torch.inf)
        return F.cross_entropy(similarity, torch.arange(2 * count).roll(count))

    return loss


def steps_for(count: int, batch: int = 64) -> int:
    """How many steps are taken by themselves: 400, but no item is seen more than about 40 times."""
    return min(STEPS, max(LEAST_STEPS, round(MOST_PASSES * count / batch)))


def strength_for(passes: float) -> float:
    """How much images are changed while the classifier learns, from 0 to 1, by how often it sees each of them.

    A classifier that knows its images by heart gives them features that new images do not get: then real images look
    as if they were not real. Seen a few times, images need no change but a small shift.
    """
    return min(1.0, max(0.0, (passes - 5) / 20))


def random_view(images: Tensor, random: np.random.Generator, strength: float = 1.0, least_shift: float = 0.0) -> Tensor:
    """Each image cropped at random and resized back, with changed contrast and brightness.

    At strength 1, crops have 60 to 100 % of each side, contrast changes by 30 % and brightness by a tenth of the range.
    `least_shift` moves crops by that share of half of a side even where they are whole.
    """
    count, _, height, width = images.shape
    scale = torch.from_numpy(random.uniform(1 - 0.4 * strength, 1.0, (count, 1)).astype(np.float32))
    room = (1 - scale).clamp_min(least_shift)
    centre = torch.from_numpy(random.uniform(-1, 1, (count, 2)).astype(np.float32)) * room
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = scale[:, 0]
    theta[:, :, 2] = centre
    grid = F.affine_grid(theta, [count, 1, height, width], align_corners=False)
    views = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    gain, shift = 0.3 * strength, 0.2 * strength
    gains = torch.from_numpy(random.uniform(1 - gain, 1 + gain, (count, 1, 1, 1)).astype(np.float32))
    shifts = torch.from_numpy(random.uniform(-shift, shift, (count, 1, 1, 1)).astype(np.float32))
    return (views * gains + shifts).contiguous(memory_format=torch.channels_last)


def _balanced_accuracy(extractor: InDomainSpace, items: Items, held_out: np.ndarray) -> float | None:
    if not len(held_out) or items.labels is None:
        return None
    guesses = extractor.probabilities(extractor.features_of(items, held_out)).argmax(1)
    truth = items.labels[held_out]
    return float(np.mean([(guesses[truth == label] == label).mean() for label in np.unique(truth)]))


def cached_extractor(items: Items, key: str, cache: Path, *, seed: int = 0, steps: int | None = None) -> InDomainSpace:
    """The extractor of a data set with content `key`, from `cache` if it is there, else trained and kept there."""
    steps = steps or steps_for(len(items))
    folder = cache / "extractors" / f"{key[:32]}-{seed}-{steps}-v{VERSION}"
    if folder.exists():
        try:
            return _load(folder, items.item)
        except (UserError, SafetensorError, RuntimeError, KeyError, TypeError, OSError):
            shutil.rmtree(folder, ignore_errors=True)  # damaged: it is made again
    extractor = train_extractor(items, seed=seed, steps=steps)
    # Keeping it only saves time: a full or read-only disk, or another process that was faster, must not stop the work.
    with suppress(UserError, OSError), atomic_folder(folder) as temporary:
        save_file(extractor.state(), temporary / "extractor.safetensors")
        write_json(
            temporary / "extractor.json", {"accuracy": extractor.accuracy, "labelled": extractor.head is not None}
        )
    return extractor


def _load(folder: Path, item: ItemSpec) -> InDomainSpace:
    document = read_json(folder / "extractor.json")
    tensors = load_file(folder / "extractor.safetensors")
    network = channels_last(Encoder(item.channels))
    network.load_state_dict({key[8:]: value for key, value in tensors.items() if key.startswith("network.")})
    head = nn.Linear(FEATURES, item.classes) if document["labelled"] else None
    if head is not None:
        head.load_state_dict({key[5:]: value for key, value in tensors.items() if key.startswith("head.")})
    return InDomainSpace(item, network, head, document["accuracy"])
