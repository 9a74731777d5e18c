"""A trained generator with everything that is needed to use it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from augan.checkpoint.store import CheckpointStore, read_tensors
from augan.core.config import from_dict
from augan.core.devices import choose_device
from augan.core.errors import UserError, unknown_name
from augan.core.files import read_json
from augan.core.item import ItemSpec, from_unit
from augan.core.notebook import card
from augan.core.pictures import sheet
from augan.data.kinds import NOUNS
from augan.networks import NetworkConfig, build

FORMAT = 1
"""Version of model.json."""
LATENTS = 64
"""Latents are drawn in blocks of this size, one stream a block."""
SHOWN = 16
"""Samples that a notebook shows."""
BLOCK_PIXELS = 64 * 32 * 32
"""Images are made in blocks of a fixed size that start at its multiples: the last bits of a convolution depend on how
many images it is given, and image i is to be the same to the last bit however many are drawn. A block holds about so
many pixels: 64 images of 32x32, one of 256x256."""


class Model:
    """Samples from a generator, reproducibly: image i of seed s is always the same, however many are drawn.

    Attributes:
        generator: the averaged generator, in evaluation mode.
        item: what it generates (channels, height, width, class names, value range).
        conditional: whether a class can be asked for.
        hash: SHA-256 of its weights, 64 hexadecimal digits.
        origin: the folder that it was loaded from, or None.
    """

    def __init__(
        self, generator: nn.Module, item: ItemSpec, device: torch.device | str = "cpu", origin: Path | None = None
    ) -> None:
        self.device, self.origin = torch.device(device), origin
        self.generator = generator.to(self.device).eval().requires_grad_(False)
        self.item = item
        self.latent_size = int(cast(Any, generator).latent_size)
        self.conditional = int(getattr(generator, "classes", 0)) > 0
        self.block = max(1, min(LATENTS, BLOCK_PIXELS // (item.height * item.width * (item.frames or 1))))

    @property
    def hash(self) -> str:
        """SHA-256 over names and values of the weights."""
        digest = hashlib.sha256()
        for name, value in sorted(self.generator.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    def class_indices(self, classes: Sequence[str | int] | None) -> list[int] | None:
        """Class numbers for names or numbers; all of them for None; None for an unconditional model.

        Raises:
            UserError: an unknown class (the known ones are listed), or a class asked of an unconditional model.
        """
        if not self.conditional:
            if classes is not None:
                raise UserError("This generator was trained without classes: none can be asked for.")
            return None
        names = self.item.class_names or ()
        if classes is None:
            return list(range(len(names)))
        if not len(classes):
            raise UserError("The list of classes is empty. Leave it out for all classes.")
        return [self._class_index(name, names) for name in classes]

    @staticmethod
    def _class_index(name: str | int, names: tuple[str, ...]) -> int:
        if isinstance(name, int | np.integer):
            if not 0 <= name < len(names):
                raise UserError(f"Class number {name} is out of range: 0 to {len(names) - 1}.")
            return int(name)
        if name not in names:
            raise unknown_name("class", name, names)
        return names.index(name)

    def latents(self, n: int, seed: int = 0, first: int = 0) -> Float[Tensor, "n d"]:
        """z ~ N(0, I) for images `first` to `first + n - 1` of `seed`."""
        blocks = range(first // LATENTS, -(-(first + n) // LATENTS))
        rows = [
            np.random.default_rng([seed & 0xFFFFFFFF, seed >> 32, block]).standard_normal(
                (LATENTS, self.latent_size), dtype=np.float32
            )
            for block in blocks
        ]
        drawn = np.concatenate(rows) if rows else np.empty((0, self.latent_size), np.float32)
        return torch.from_numpy(drawn[first - blocks.start * LATENTS :][:n])

    def labels(
        self, n: int, classes: Sequence[str | int] | None = None, first: int = 0, seed: int = 0
    ) -> Int64[Tensor, " n"] | None:
        """Labels of images `first` to `first + n - 1`: `classes` in turn, again and again. None if unconditional.

        No `seed` changes them; models that draw labels take it.
        """
        indices = self.class_indices(classes)
        if indices is None:
            return None
        return torch.tensor(indices, dtype=torch.int64)[torch.arange(first, first + n) % len(indices)]

    @torch.no_grad()
    def decode(self, latents: Float[Tensor, "n d"], labels: Int64[Tensor, " n"] | None) -> Float[Tensor, "n c *grid"]:
        """Images in [-1, 1] of given latents and labels."""
        arguments = [latents.to(self.device)]
        if self.conditional and labels is not None:
            arguments.append(labels.to(self.device))
        images: Tensor = self.generator(*arguments)
        return images.float().clamp(-1, 1).cpu()

    def stream(
        self,
        n: int,
        classes: Sequence[str | int] | None = None,
        seed: int = 0,
        truncation: float = 1.0,
        first: int = 0,
        batch: int = 64,
    ) -> Iterator[tuple[Tensor, Tensor | None]]:
        """The images of `sample`, with their labels, in batches: memory stays flat at any n."""
        if n < 0:
            raise UserError(f"Cannot draw {n} {NOUNS[self.item.kind]}: the count must be 0 or more.")
        if seed < 0 or first < 0:
            raise UserError(f"Seed {seed} and first {first}: both must be 0 or more.")
        if not 0 < truncation <= 1:
            raise UserError(f"Truncation {truncation} is out of range: above 0, at most 1 (no truncation).")
        start, end = first, first + n
        while start < end:
            stop = min(end, (start // batch + 1) * batch)
            blocks = range(start // self.block, -(-stop // self.block))
            images = torch.cat([self._block(number, classes, seed, truncation) for number in blocks])
            yield (
                images[start - blocks.start * self.block :][: stop - start],
                self.labels(stop - start, classes, start, seed),
            )
            start = stop

    def _block(self, number: int, classes: Sequence[str | int] | None, seed: int, truncation: float) -> Tensor:
        first, count = number * self.block, self.block
        return self.decode(truncation * self.latents(count, seed, first), self.labels(count, classes, first, seed))

    def sample(
        self,
        n: int,
        classes: Sequence[str | int] | None = None,
        seed: int = 0,
        truncation: float = 1.0,
        first: int = 0,
    ) -> Float[Tensor, "n c *grid"]:
        """n images, (n, C, H, W) float32 in [-1, 1] on the CPU.

        Args:
            n: how many.
            classes: class names or numbers, taken in turn (n of them: one each); None for all classes in turn.
            seed: image i of a seed does not depend on n.
            truncation: latents are multiplied by it; below 1, more typical and less diverse images.
            first: number of the first image.

        Raises:
            UserError: an unknown class, a negative n, seed or first, truncation outside (0, 1].
        """
        batches = [images for images, _ in self.stream(n, classes, seed, truncation, first)]
        return torch.cat(batches) if batches else torch.empty(0, *self.item.shape)

    def contract(self, networks: dict[str, Any] | None) -> dict[str, Any]:
        """What model.json holds; `networks` is the configuration that builds the generator, if one does."""
        return {
            "format": FORMAT,
            "item": self.item.to_json(),
            "networks": networks,
            "latent_size": self.latent_size,
        }

    def _repr_html_(self) -> str:
        """In a notebook: what it makes, and 16 samples."""
        facts = {
            "makes": " x ".join(map(str, self.item.stored_shape)),
            "classes": ", ".join(self.item.class_names or ()) if self.conditional else None,
            "parameters": sum(value.numel() for value in self.generator.state_dict().values()),
            "from": self.origin,
        }
        picture = sheet(from_unit(self.sample(SHOWN)), SHOWN // 2) if self.item.kind == "image" else None
        return card("augan model", facts, picture)

    def save_pretrained(self, folder: Path | str, *, licence: str | None = None, name: str | None = None) -> Path:
        """Writes config.json, model.safetensors, samples.png and a README.md with the facts about data and measures.

        Args:
            folder: must not exist.
            licence: of the data that it was trained on, as the Hub calls it ("cc-by-4.0"); None is said to be unknown.
            name: of the model in the README; None for the folder's.

        Raises:
            UserError: something is there.
        """
        from augan.checkpoint import hub  # which knows models

        return hub.save(self, Path(folder), licence, name)

    @classmethod
    def from_pretrained(
        cls,
        source: Path | str,
        *,
        generator: nn.Module | None = None,
        device: str = "cpu",
        revision: str | None = None,
        token: str | None = None,
    ) -> Model:
        """The model of a folder that `save_pretrained` wrote, or of a repository on the Hub ("somebody/model").

        Only JSON and safetensors are read: nothing that lies in the folder is ever run.

        Raises:
            UserError: no such folder or repository name, damaged files, huggingface_hub is missing.
            AuganError: the Hub does not give it.
        """
        from augan.checkpoint import hub  # which knows models

        return load_model(hub.fetched(source, revision, token), generator=generator, device=device)

    def push_to_hub(
        self,
        repository: str,
        *,
        licence: str | None = None,
        private: bool | None = None,
        token: str | None = None,
        revision: str | None = None,
        message: str = "Model by augan",
    ) -> str:
        """Uploads what `save_pretrained` writes to a repository on the Hub, made if need be; the commit's address.

        Raises:
            UserError: huggingface_hub is missing.
            AuganError: the Hub does not take it.
        """
        from augan.checkpoint import hub  # which knows models

        options = {"private": private, "token": token, "revision": revision, "message": message}
        return hub.push(self, repository, licence=licence, **options)  # type: ignore[arg-type]


def find_checkpoint(path: Path, which: str = "best") -> Path:
    """The checkpoint folder that `path` (a run, a checkpoint, or what `save_pretrained` wrote) stands for.

    Raises:
        UserError: there is none.
    """
    if (path / "model.json").exists() or (path / "model.safetensors").exists():
        return path
    if not path.exists():
        raise UserError(f"{path} does not exist. `augan runs` lists the runs in a folder.")
    if which not in ("best", "last"):
        raise unknown_name("checkpoint", which, ("best", "last"))
    store = CheckpointStore(path)
    checkpoint = store.best() if which == "best" else store.last()
    if checkpoint is None:
        raise UserError(
            f"{path} holds no checkpoint: it is not a run folder, or training was stopped before the first."
        )
    return checkpoint


def load_model(
    path: Path | str, *, generator: nn.Module | None = None, which: str = "best", device: str = "cpu"
) -> Model:
    """The model of a run folder or a checkpoint folder.

    Args:
        path: the folder.
        generator: a module of the same structure, for runs that trained a user's own generator.
        which: 'best' or 'last' checkpoint of a run.
        device: auto, cpu, cuda or mps.

    Raises:
        UserError: no checkpoint there, damaged files, or a generator of another structure.
    """
    checkpoint = find_checkpoint(Path(path), which)
    item, networks = _read_contract(checkpoint)
    if generator is None:
        if networks is None:
            raise UserError(f"{checkpoint} holds a generator of your own: pass it as load(path, generator=module).")
        with torch.random.fork_rng(devices=[]):  # loading must not move the caller's random state
            generator, _ = build(from_dict(NetworkConfig, networks), item)
    try:
        generator.load_state_dict(read_tensors(checkpoint / "model.safetensors"))
    except RuntimeError as error:
        raise UserError(f"{checkpoint}/model.safetensors does not fit the generator: {error}") from error
    return model_of(generator, item, choose_device(device), checkpoint)


def model_of(
    generator: nn.Module, item: ItemSpec, device: torch.device | str = "cpu", origin: Path | None = None
) -> Model:
    """The model of a generator, of the class for what it makes."""
    if item.kind == "table":
        from augan.checkpoint.tables import TableModel

        return TableModel(generator, item, device, origin)
    if item.kind == "series":
        from augan.checkpoint.series import SeriesModel

        return SeriesModel(generator, item, device, origin)
    return Model(generator, item, device, origin)


def load_item(checkpoint: Path) -> ItemSpec:
    """What the model of a checkpoint folder generates."""
    return _read_contract(checkpoint)[0]


def _read_contract(checkpoint: Path) -> tuple[ItemSpec, dict[str, Any] | None]:
    """The item and the networks' configuration of model.json."""
    path = checkpoint / "model.json"
    path = path if path.exists() else checkpoint / "config.json"  # of `save_pretrained`
    contract = read_json(path)
    try:
        if contract.get("kind", "image") != "image":
            uses = {"text": "`augan generate` and `augan evaluate` use it", "vocoder": "`augan vocoder apply` uses it"}
            use = uses.get(contract["kind"], "`augan translate apply` makes images from images with it")
            raise UserError(f"{checkpoint} is a {contract['kind']}, no generator of items from latents: {use}.")
        if contract.get("format") != FORMAT:
            raise UserError(f"{checkpoint} has format {contract.get('format')}; this augan reads format {FORMAT}.")
        return ItemSpec.from_json(contract["item"]), contract["networks"]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path} is damaged ({error!r}). Take another checkpoint.") from error
