"""Feature spaces by name, or from a file of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from augan.core.errors import UserError, unknown_name
from augan.metrics.bundled import BundledSpace
from augan.metrics.clips import train_clip_space, video_space
from augan.metrics.custom import ModuleSpace, OnnxSpace, exported_space, script_space
from augan.metrics.in_domain import InDomainSpace, cached_extractor, train_extractor
from augan.metrics.pretrained import clip_space, dinov2_space, inception_space
from augan.metrics.space import FeatureSpace, Items

FILES: dict[str, Callable[[Path], FeatureSpace]] = {
    ".onnx": OnnxSpace,
    ".pt2": exported_space,
    ".pt": script_space,
    ".ts": script_space,
}


@dataclass(frozen=True)
class Kind:
    """A feature space that has a name: what it is, and how it is opened (data, its content key, cache)."""

    meaning: str
    open: Callable[[Items, str, Path], FeatureSpace]


def in_domain_space(items: Items, key: str, cache: Path) -> InDomainSpace:
    """The space made from the real items, for their kind."""
    return video_space(items, key, cache) if items.item.kind == "video" else cached_extractor(items, key, cache)


def train_space(items: Items, seed: int) -> InDomainSpace:
    """A new one, kept nowhere."""
    return train_clip_space(items, seed=seed) if items.item.kind == "video" else train_extractor(items, seed=seed)


SPACES: dict[str, Kind] = {
    "in-domain": Kind(
        "made from the real images in seconds: a classifier where they have labels, contrastive where not",
        in_domain_space,
    ),
    "bundled": Kind(
        "EfficientNet-Lite0, ImageNet weights that come inside a package", lambda items, key, cache: BundledSpace()
    ),
    "inception": Kind(
        "InceptionV3 of the published FID; its weights are downloaded once",
        lambda items, key, cache: inception_space(cache),
    ),
    "dinov2": Kind(
        "DINOv2 ViT-L/14, self-supervised; its weights are downloaded once",
        lambda items, key, cache: dinov2_space(cache),
    ),
    "clip": Kind(
        "CLIP ViT-B/32, the image half; its weights are downloaded once",
        lambda items, key, cache: clip_space(cache),
    ),
}


def open_space(space: str | Path | nn.Module | FeatureSpace, items: Items, key: str, cache: Path) -> FeatureSpace:
    """The feature space that is meant.

    Args:
        space: a name in SPACES, an .onnx file, an exported program (.pt2), a TorchScript file (.pt, .ts), a module,
            or a space.
        items, key: the real data and its content key; `in-domain` learns from it.
        cache: where `in-domain` spaces and downloads are kept.

    Raises:
        UserError: an unknown name, a file that cannot be read, weights that cannot be had.
    """
    if isinstance(space, FeatureSpace):
        return space
    if isinstance(space, nn.Module):
        return ModuleSpace(space)
    name = str(space)
    if name in SPACES:
        return SPACES[name].open(items, key, cache)
    path = Path(name)
    if path.suffix.lower() in FILES:
        if not path.is_file():
            raise UserError(f"{path} does not exist. A feature space is a name ({', '.join(SPACES)}) or a file.")
        return FILES[path.suffix.lower()](path)
    raise unknown_name("feature space", name, [*SPACES, *(f"FILE{ending}" for ending in FILES)])
