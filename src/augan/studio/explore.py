"""Images for sliders: samples of a model by class, seed and truncation, moves of one latent, walks."""

from __future__ import annotations

import base64
import io
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from augan import api, translate
from augan.apply.generate import slerp
from augan.checkpoint import Model, Run, find_checkpoint
from augan.core.errors import UserError
from augan.core.item import from_unit
from augan.core.pictures import to_pillow
from augan.explain import Direction, directions
from augan.translate import TranslationModel

KEPT = 3
"""Models in memory."""
MOST = 120
"""Images at once."""
SLIDERS = 6


class Models:
    """Loaded models, the last few; each is used by one thread at a time."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Path, Any] = OrderedDict()
        self.lock = threading.RLock()

    def gan(self, run: Run, which: str = "best") -> Model:
        """The generator of a run.

        Raises:
            UserError: there is no checkpoint yet, or it makes no images.
        """
        model: Model = self._get(run, which, api.load)
        if model.item.frames is not None or model.item.kind != "image":
            raise UserError(f"The run makes items of the kind {model.item.kind}; the page shows images only.")
        return model

    def translation(self, run: Run, which: str = "best") -> TranslationModel:
        """The translation of a run."""
        model: TranslationModel = self._get(run, which, translate.load)
        return model

    def _get(self, run: Run, which: str, load: Callable[[Path], Any]) -> Any:
        with self.lock:
            checkpoint = find_checkpoint(run.path, which)
            if checkpoint not in self._kept:
                self._kept[checkpoint] = load(checkpoint)
            self._kept.move_to_end(checkpoint)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return self._kept[checkpoint]


def png(image: UInt8[np.ndarray, "h w c"]) -> bytes:
    """One image as a PNG."""
    buffer = io.BytesIO()
    to_pillow(image).save(buffer, format="PNG")
    return buffer.getvalue()


def data_url(content: bytes, kind: str = "image/png") -> str:
    """A picture as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def pictures(images: Float[Tensor, "n c h w"]) -> list[str]:
    """Images in [-1, 1] as addresses."""
    return [data_url(png(image)) for image in from_unit(images)]


def samples(
    model: Model, count: int, classes: Sequence[str] | None, seed: int, truncation: float, first: int = 0
) -> list[str]:
    """Samples as `augan.Model.sample` draws them.

    Raises:
        UserError: too many, an unknown class, truncation outside (0, 1].
    """
    if not 0 < count <= MOST:
        raise UserError(f"{count} images: between 1 and {MOST} can be shown at once.")
    return pictures(model.sample(count, list(classes) if classes else None, seed, truncation, first))


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One slider: a direction of unit length among latents; `found` in the run, or a random one."""

    name: str
    direction: Float[Tensor, " d"]
    found: bool


def axes(model: Model, run: Run | None = None) -> list[Axis]:
    """What sliders move along: directions that were found in the run, else random ones at right angles.

    The random ones are the same for each model of that size.
    """
    found = () if run is None else found_directions(model)
    if found:
        return [Axis(name=one.name, direction=one.vector.float(), found=True) for one in found]
    drawn = torch.from_numpy(np.random.default_rng(0).standard_normal((model.latent_size, model.latent_size)))
    rows = torch.linalg.qr(drawn)[0].T[:SLIDERS].float()
    return [Axis(name=f"direction {number}", direction=row, found=False) for number, row in enumerate(rows, 1)]


_FOUND: WeakKeyDictionary[Model, tuple[Direction, ...]] = WeakKeyDictionary()


def found_directions(model: Model) -> tuple[Direction, ...]:
    """The directions among latents that change a generator's images most (`augan.explain.directions`), found once.

    GANSpace's where they lie among latents, else those of the mean Jacobian: sliders move latents, not styles.
    """
    if model not in _FOUND:
        methods = (directions(model, method, SLIDERS)[0] for method in ("pca", "jacobian"))
        _FOUND[model] = next((tuple(found) for found in methods if all(one.place == "latent" for one in found)), ())
    return _FOUND[model]


def moved(
    model: Model,
    *,
    seed: int,
    index: int = 0,
    label: str | None = None,
    truncation: float = 1.0,
    offsets: Sequence[float] = (),
    toward: int | None = None,
    share: float = 0.0,
    run: Run | None = None,
) -> str:
    """One sample, moved: first towards that of another seed on a great circle, then along `axes`.

    Args:
        offsets: how far along each axis, in standard deviations of a latent.
        toward: the other seed; share: how far, in [0, 1].

    Raises:
        UserError: an unknown class, more offsets than axes, numbers out of range.
    """
    if not 0 < truncation <= 1:
        raise UserError(f"Truncation {truncation:g} is out of range: above 0, at most 1 (no truncation).")
    if not 0 <= share <= 1 or seed < 0 or index < 0 or (toward or 0) < 0:
        raise UserError("A seed is 0 or more, and a share between 0 and 1.")
    latent = model.latents(1, seed, index)[0]
    if toward is not None and share:
        latent = slerp(latent, model.latents(1, toward, index)[0], torch.tensor([share], dtype=torch.float32))[0]
    directions = axes(model, run)
    if len(offsets) > len(directions):
        raise UserError(f"{len(offsets)} offsets for {len(directions)} directions.")
    for offset, direction in zip(offsets, directions, strict=False):
        latent = latent + float(offset) * direction.direction
    classes = [label] if label is not None and model.conditional else None
    labels = model.labels(1, classes)
    return pictures(model.decode(truncation * latent[None], labels))[0]


def walk(model: Model, wish: Mapping[str, Any]) -> tuple[bytes, str]:
    """An interpolation through `points` samples as a GIF, or an MP4 where `form` says so; (content, media type).

    Raises:
        UserError: see `augan.generate`; .mp4 needs the extra video.
    """
    form, points = str(wish.get("form") or "gif"), int(wish.get("points") or 6)
    if form not in ("gif", "mp4"):
        raise UserError(f"A walk is a gif or an mp4, not '{form}'.")
    if not 2 <= points <= 24:
        raise UserError(f"{points} points: between 2 and 24 are expected.")
    label = wish.get("class")
    with tempfile.TemporaryDirectory() as folder:
        path = api.generate(
            model,
            points,
            Path(folder) / f"walk.{form}",
            classes=[str(label)] if label else None,
            truncation=float(wish.get("truncation") or 1.0),
            seed=int(wish.get("seed") or 0),
        )
        return path.read_bytes(), {"gif": "image/gif", "mp4": "video/mp4"}[form]


def translated(model: TranslationModel, content: bytes, direction: str | None) -> bytes:
    """A picture, as a file's bytes, translated; the result is a PNG.

    Raises:
        UserError: it cannot be read, or the model does not go that way.
    """
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "picture"
        source.write_bytes(content)
        return translate.apply(model, source, Path(folder) / "translated.png", direction=direction).out.read_bytes()
