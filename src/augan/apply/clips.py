"""From a model of clips to files: animations, films, sheets of frames, arrays, folders; of any length and rate."""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from augan.checkpoint import Model
from augan.core.errors import UserError
from augan.core.files import atomic_file, atomic_folder, require_absent, require_folder_names, require_space
from augan.core.item import from_unit
from augan.core.npz import NpzWriter
from augan.core.reels import USUAL_RATE, mosaic, save_clip, save_frames, save_mosaic, write_mp4
from augan.data.kinds import NOUNS

Classes = Sequence[str | int] | None
Tick = Callable[[int], None]
MOST_SHOWN = 100
"""Clips on one sheet or in one animation."""
MOST_FRAMES = 10_000


class AtTimes(nn.Module):
    """A generator of clips asked for other moments than those of training."""

    def __init__(self, generator: nn.Module, times: Float[Tensor, " k"]) -> None:
        super().__init__()
        self.generator = generator
        self.latent_size: int = generator.latent_size  # type: ignore[assignment]
        self.classes: int = generator.classes  # type: ignore[assignment]
        self.register_buffer("times", times)

    def forward(
        self, latents: Float[Tensor, "b d"], labels: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b c k h w"]:
        found: Tensor = self.generator(latents, labels, self.times)
        return found


def at_times(model: Model, frames: int | None, fps: float | None) -> Model:
    """The model with clips of other lengths, in frames, or another rate, in frames a second.

    Without `frames`, clips last as long as those of training. Where nobody said the rate of the training clips, it
    counts as 10 frames a second.

    Raises:
        UserError: not a model of clips, or numbers that are not above 0.
    """
    item = model.item
    if item.kind != "video" or item.frames is None:
        raise UserError(f"--frames and --fps are for models of clips, and this one makes {NOUNS[model.item.kind]}.")
    if frames is None and fps is None:
        return model
    rate = item.frames_per_sec or USUAL_RATE
    wanted = rate if fps is None else fps
    if not 0 < wanted <= 1000:
        raise UserError(f"--fps {wanted:g}: above 0 and at most 1000 is expected.")
    length = max(1, round(item.frames * wanted / rate)) if frames is None else frames
    if not 1 <= length <= MOST_FRAMES:
        raise UserError(f"--frames {length}: from 1 to {MOST_FRAMES} is expected.")
    times = torch.arange(length, dtype=torch.float32) * (rate / wanted)
    generator = AtTimes(copy.deepcopy(model.generator), times)
    return Model(generator, replace(item, frames=length, frames_per_sec=wanted), model.device)


def generate_clips(
    model: Model,
    count: int,
    out: Path | str,
    *,
    classes: Classes = None,
    truncation: float = 1.0,
    seed: int = 0,
    frames: int | None = None,
    fps: float | None = None,
    grid: int = 0,
    tick: Tick = lambda done: None,
) -> Path:
    """Writes `count` clips to `out`, whose name decides the form.

    .gif and .mp4: all clips beside one another (one clip alone: in its own size). .png: a sheet of frames, a clip a
    row. .npz: `clips` (n, t, h, w, c) uint8, `frames_per_sec` and, if conditional, `labels` and `class_names`. Anything
    else: a folder of clips, in a subfolder a class if conditional: .mp4 files, or .gif where PyAV is not installed.

    Args:
        frames, fps: length and rate, see `at_times`.
        grid: if given, a grid of `count` contents, one a row, with so many motions, one a column (.gif or .mp4).

    Raises:
        UserError: `out` exists, too little space, an unknown ending or class, too many clips for one picture.
    """
    path = Path(out)
    if count < 1:
        raise UserError(f"--count {count}: at least 1 clip must be generated.")
    require_absent(path)
    longer = at_times(model, frames, fps)
    request = _Request(longer, count, classes, truncation, seed, tick)
    next(model.stream(1, classes, seed, truncation), None)  # wrong classes fail before anything is written
    suffix = path.suffix.lower()
    if grid:
        _write_grid(path, request, grid)
        return path
    writers: dict[str, Callable[[Path, _Request], None]] = {
        ".npz": _write_npz,
        ".png": _write_sheet,
        ".gif": _write_moving,
        ".mp4": _write_moving,
        "": _write_folder,
    }
    if suffix not in writers:
        raise UserError(f"Cannot write '{suffix}' files. Use .gif, .mp4, .npz, .png, or a folder name without a dot.")
    if suffix in (".gif", ".mp4", ".png") and count > MOST_SHOWN:
        raise UserError(f"One picture holds at most {MOST_SHOWN} clips, not {count}. Use .npz or a folder for more.")
    require_space(path, count * int(np.prod(longer.item.shape)))
    writers[suffix](path, request)
    return path


class _Request:
    """What was asked for."""

    def __init__(self, model: Model, count: int, classes: Classes, truncation: float, seed: int, tick: Tick) -> None:
        self.model, self.count, self.classes, self.tick = model, count, classes, tick
        self.truncation, self.seed = truncation, seed

    @property
    def rate(self) -> float:
        return self.model.item.frames_per_sec or USUAL_RATE

    def batches(self) -> Iterator[tuple[UInt8[np.ndarray, "b t h w c"], Int64[Tensor, " b"] | None]]:
        done = 0
        for clips, labels in self.model.stream(self.count, self.classes, self.seed, self.truncation, batch=16):
            yield from_unit(clips), labels
            done += len(clips)
            self.tick(done)

    def all(self) -> UInt8[np.ndarray, "n t h w c"]:
        return np.concatenate([clips for clips, _ in self.batches()])


def _write_npz(path: Path, request: _Request) -> None:
    item = request.model.item
    with atomic_file(path) as temporary, NpzWriter(temporary) as archive:
        shape = (request.count, *item.stored_shape)
        archive.add_stream("clips", shape, np.uint8, (clips for clips, _ in request.batches()))
        archive.add("frames_per_sec", np.array(request.rate))
        labels = request.model.labels(request.count, request.classes)
        if labels is not None:
            archive.add("labels", labels.numpy())
            archive.add("class_names", np.array(item.class_names))


def _write_sheet(path: Path, request: _Request) -> None:
    labels, names = request.model.labels(request.count, request.classes), request.model.item.class_names or ()
    save_frames(path, request.all(), None if labels is None else [names[int(label)] for label in labels])


def _write_moving(path: Path, request: _Request) -> None:
    clips = request.all()
    if len(clips) == 1:
        save_clip(path, clips[0], request.rate)
    elif path.suffix.lower() == ".gif":
        save_mosaic(path, clips, request.rate, _columns(request))
    else:
        write_mp4(path, mosaic(clips, _columns(request)), request.rate)


def _columns(request: _Request) -> int | None:
    """As many as there are classes, so that each has a column; None for a square."""
    chosen = request.model.class_indices(request.classes)
    fits = chosen is not None and len(chosen) > 1 and request.count % len(chosen) == 0
    return len(chosen) if fits and chosen is not None else None


def _write_folder(path: Path, request: _Request) -> None:
    names, digits, done = request.model.item.class_names or (), len(str(request.count - 1)), 0
    ending = ".mp4" if importlib.util.find_spec("av") is not None else ".gif"
    if request.model.conditional:
        require_folder_names(names)
    with atomic_folder(path) as temporary:
        for clips, labels in request.batches():
            for index, clip in enumerate(clips):
                folder = temporary if labels is None else temporary / names[int(labels[index])]
                folder.mkdir(exist_ok=True)
                save_clip(folder / f"{done:0{digits}d}{ending}", clip, request.rate)
                done += 1


def _write_grid(path: Path, request: _Request, motions: int) -> None:
    """A row a content, a column a motion."""
    if path.suffix.lower() not in (".gif", ".mp4"):
        raise UserError(f"--grid writes .gif or .mp4, not '{path.suffix}'.")
    if request.count * motions > MOST_SHOWN:
        raise UserError(f"One picture holds at most {MOST_SHOWN} clips, not {request.count * motions}.")
    model = request.model
    generator = model.generator.generator if isinstance(model.generator, AtTimes) else model.generator
    content = getattr(generator, "content", None)
    if not isinstance(content, int):
        raise UserError("--grid needs a generator whose latent has parts for content and for motion.")
    shown = request.truncation * model.latents(request.count, request.seed)
    moving = request.truncation * model.latents(motions, request.seed + 1)
    labels = model.labels(request.count, request.classes)
    rows = []
    for number in range(request.count):
        latents = torch.cat([shown[number, :content].expand(motions, -1), moving[:, content:]], 1)
        own = None if labels is None else labels[number].expand(motions)
        rows.append(from_unit(model.decode(latents, own)))
    clips = np.concatenate(rows)
    if path.suffix.lower() == ".gif":
        save_mosaic(path, clips, request.rate, motions)
    else:
        write_mp4(path, mosaic(clips, motions), request.rate)
    request.tick(len(clips))
