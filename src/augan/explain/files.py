"""Pictures in, latents and edits out: what `augan invert` and `augan edit` read and write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from PIL import Image
from torch import Tensor

from augan import data as datasets
from augan.apply.evaluate import cutting_of
from augan.checkpoint import Model
from augan.core.errors import UserError
from augan.core.files import atomic_file, atomic_folder, require_absent, write_json
from augan.core.item import ItemSpec, from_unit
from augan.core.pictures import save_sheet, sheet, to_pillow
from augan.data.decode import SUFFIXES, Unreadable, decode
from augan.data.policy import Plan, convert, to_levels
from augan.explain.direction import Direction, chosen, edit, load_directions
from augan.explain.directions import METHODS, directions
from augan.explain.drawing import coloured, stills
from augan.explain.inversion import Inversion

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
SHEET_IMAGES = 64
MOST_STRENGTHS = 64


def read_pictures(paths: Sequence[Path | str], item: ItemSpec) -> tuple[UInt8[np.ndarray, "n h w c"], list[str]]:
    """Pictures at the model's size and channels, and their names: files one by one, and all of folders and data files.

    Larger pictures are reduced to cover the size and cut to it evenly, as data is.

    Raises:
        UserError: nothing there, or something that cannot be read.
    """
    require_pictures(item)
    pictures, names = [], []
    for path in map(Path, paths):
        if path.is_file() and path.suffix.lower() in SUFFIXES:
            pictures.append(_picture(path, item)[None])
            names.append(str(path))
            continue
        source = datasets.open_like(path, item, cutting=cutting_of(None, item))
        if source.item.channels != item.channels:
            raise UserError(f"{path} has {source.item.channels} channels, and the model makes {item.channels}.")
        pictures.append(source.items(np.arange(len(source))))
        names += [f"{path}:{number}" for number in range(len(source))]
    if not pictures:
        raise UserError("No image is given: name pictures, folders or data files.")
    return np.concatenate(pictures), names


def _picture(path: Path, item: ItemSpec) -> UInt8[np.ndarray, "h w c"]:
    try:
        image = decode(path.read_bytes())
    except (OSError, Unreadable) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    levels = to_levels(image, item.value_range if image.dtype != np.uint8 else (0.0, 255.0))
    pixels = np.asarray(to_pillow(levels).convert(MODES.get(item.channels, "RGB")))
    plan = Plan(
        height=item.height,
        width=item.width,
        channels=item.channels,
        scales={"uint8": (0.0, 255.0)},
        value_range=(0.0, 255.0),
        sizes=_sizes(pixels),
        notes=(),
    )
    return convert(pixels.reshape(*pixels.shape[:2], -1), plan, alpha=item.channels == 4)


def _sizes(pixels: np.ndarray) -> datasets.Sizes:
    size = (int(pixels.shape[0]), int(pixels.shape[1]))
    return datasets.Sizes(smallest=size, median=size, largest=size, distinct=1)


def write_inversion(found: Inversion, folder: Path, names: Sequence[str], model: Model) -> None:
    """Writes a new folder: `latents.npz` (latents, labels where there are classes, errors, names), `sheet.png` (image,
    reconstruction, nearest sample; the first 64) and `report.json`.

    Raises:
        UserError: something is there already.
    """
    arrays = {"latents": found.latents.numpy(), "errors": found.errors.numpy(), "names": np.array(list(names))}
    if found.labels is not None:
        arrays["labels"] = found.labels.numpy()
    sides = torch.stack([found.images, found.reconstructions, found.nearest], 1)[:SHEET_IMAGES]
    with atomic_folder(folder) as temporary:
        np.savez(temporary / "latents.npz", **arrays)  # type: ignore[arg-type]
        drawn = sheet(coloured(stills(sides.flatten(0, 1))), 3, [Path(name).name[:24] for name in names[:SHEET_IMAGES]])
        drawn.save(temporary / "sheet.png")
        report = found.to_json() | {"names": list(names), "generator": model.hash}
        report["columns"] = ["image", "reconstruction", "nearest sample"]
        write_json(temporary / "report.json", report)


def require_pictures(item: ItemSpec) -> None:
    """Raises UserError for a model of rows or of time series, whose items nobody can show it as pictures."""
    if item.kind in ("table", "series"):
        raise UserError(
            f"The run makes items of the kind {item.kind}: inversion and edits are for pictures and sounds."
        )


def read_latents(path: Path, model: Model) -> tuple[Float[Tensor, "n d"], Int64[Tensor, " n"] | None]:
    """Latents and labels of an .npz (`latents`, `labels`) or .npy, or of a folder that `augan invert` wrote.

    Raises:
        UserError: not readable, or of another model.
    """
    require_pictures(model.item)
    file = path / "latents.npz" if path.is_dir() else path
    try:
        loaded = np.load(file, allow_pickle=False)
        latents = loaded["latents"] if isinstance(loaded, np.lib.npyio.NpzFile) else loaded
        labels = loaded["labels"] if isinstance(loaded, np.lib.npyio.NpzFile) and "labels" in loaded else None
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise UserError(f"{file} holds no latents ({error}). `augan invert` writes latents.npz.") from error
    if latents.ndim != 2 or latents.shape[1] != model.latent_size or not np.isfinite(latents).all():
        raise UserError(
            f"{file} has latents of shape {latents.shape}; (n, {model.latent_size}), all finite, is expected."
        )
    known = None if labels is None else torch.from_numpy(labels.astype(np.int64))
    if model.conditional and known is None:
        raise UserError(f"{file} has no labels, and this model has classes. Add 'labels', (n,) class numbers.")
    return torch.from_numpy(latents.astype(np.float32)), known if model.conditional else None


def write_edits(
    model: Model,
    latents: Float[Tensor, "n d"],
    labels: Int64[Tensor, " n"] | None,
    direction: Direction,
    strengths: Sequence[float],
    out: Path,
) -> None:
    """Writes latents moved along a direction by each strength.

    .png: a sheet, a row a latent, a column a strength. .npz: `images` (n, s, h, w, c) uint8 (more axes for films),
    `strengths`, and `latents` (n, s, d) for directions of the latent. Else a folder of PNG files.

    Raises:
        UserError: `out` exists, an unknown ending, no strength, or one that is not finite.
    """
    if not strengths or len(strengths) > MOST_STRENGTHS or not all(np.isfinite(strengths)):
        raise UserError(f"Between 1 and {MOST_STRENGTHS} finite strengths are needed, such as -3,-1,0,1,3.")
    if out.suffix.lower() not in (".png", ".npz", ""):
        raise UserError(f"Cannot write '{out.suffix}' files. Use .png, .npz, or a folder name without a dot.")
    require_absent(out)
    made = torch.stack([edit(model, latents, direction, amount, labels) for amount in strengths], 1)
    pictures = stills(made.flatten(0, 1))
    if out.suffix.lower() == ".png":
        save_sheet(out, coloured(pictures), len(strengths))
    elif out.suffix.lower() == ".npz":
        arrays = {"images": _stored(made), "strengths": np.array(strengths)}
        if direction.place == "latent":
            amounts = torch.tensor(strengths, dtype=torch.float32)[None, :, None] * direction.unit
            arrays["latents"] = (latents[:, None] + amounts * direction.vector).numpy()
        with atomic_file(out) as temporary:
            np.savez(temporary, **arrays)  # type: ignore[arg-type]
    else:
        with atomic_folder(out) as folder:
            for number, picture in enumerate(pictures):
                row, column = divmod(number, len(strengths))
                Image.fromarray(picture.squeeze()).save(folder / f"{row:04d}-{strengths[column]:+g}.png")


def _stored(made: Float[Tensor, "n s *item"]) -> UInt8[np.ndarray, "n s *places"]:
    if made.dim() == 5:
        return from_unit(made.flatten(0, 1)).reshape(*made.shape[:2], *made.shape[3:], made.shape[2])
    return made.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).movedim(2, -1).numpy()


def direction_of(model: Model, name: str, folder: Path | None, run: Path, seed: int = 0) -> Direction:
    """The direction that a name or a number means: of `folder`, of RUN/explain, or found anew (sefa for numbers).

    Raises:
        UserError: there is none.
    """
    if folder is None and (run / "explain" / "directions.json").is_file():
        folder = run / "explain"
    if folder is not None:
        return chosen(load_directions(folder), name)
    method, _, number = name.rpartition("-")
    if name.isdigit():
        method, number = "sefa", name
    if method not in METHODS or not number.isdigit() or not 1 <= int(number) <= model.latent_size:
        raise UserError(
            f"There is no direction '{name}' before `augan explain` has found some, but sefa-1 and on, pca-1, "
            "jacobian-1 and random-1 (and numbers, for sefa)."
        )
    found, _ = directions(model, method, int(number), seed)
    return found[int(number) - 1]
