"""A trained generator of sentences with everything that is needed to use it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from augan.checkpoint import find_checkpoint, read_tensors
from augan.core.config import from_dict
from augan.core.devices import choose_device
from augan.core.errors import UserError, unknown_name
from augan.core.files import read_json
from augan.core.rng import torch_stream
from augan.text.config import TextConfig
from augan.text.networks import WordGenerator, build_generator
from augan.text.vocabulary import TextItem

FORMAT = 1
KIND = "text"
BLOCK = 64
"""Sentences are drawn in blocks of this size, a stream a block: sentence i of a seed is the same however many are."""
Classes = Sequence[str | int] | None


class TextModel:
    """Sentences from a generator, reproducibly.

    Attributes:
        item: words, length and classes; conditional: whether a class can be asked for.
    """

    def __init__(self, generator: WordGenerator, item: TextItem, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.generator = generator.to(self.device).eval().requires_grad_(False)
        self.item = item
        self.conditional = item.classes > 0

    @property
    def hash(self) -> str:
        """SHA-256 over names and values of the weights, and the vocabulary."""
        digest = hashlib.sha256(self.item.vocabulary.hash.encode())
        for name, value in sorted(self.generator.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    def labels(self, n: int, classes: Classes = None, first: int = 0) -> Int64[Tensor, " n"] | None:
        """Labels of sentences `first` to `first + n - 1`: `classes` in turn. None if unconditional.

        Raises:
            UserError: an unknown class, or a class asked of a model without.
        """
        if not self.conditional:
            if classes is not None:
                raise UserError("This generator was trained without classes: none can be asked for.")
            return None
        names = self.item.class_names or ()
        chosen = list(range(len(names))) if classes is None else [_index(name, names) for name in classes]
        if not chosen:
            raise UserError("The list of classes is empty. Leave it out for all classes.")
        return torch.tensor(chosen, dtype=torch.int64)[torch.arange(first, first + n) % len(chosen)]

    def sample(
        self,
        n: int,
        classes: Classes = None,
        seed: int = 0,
        temperature: float = 1.0,
        first: int = 0,
        unknown: bool = False,
    ) -> Int64[np.ndarray, "n t"]:
        """(n, length) numbers of words, filled up with END.

        Args:
            classes: names or numbers, taken in turn; None for all in turn.
            temperature: logits are divided by it; below 1, more typical and less diverse sentences.
            unknown: whether <unk> may come; the distribution that was learnt has it.

        Raises:
            UserError: an unknown class, a negative number, or a temperature that is not above 0.
        """
        if min(n, seed, first) < 0:
            raise UserError(f"Number {n}, seed {seed} and first {first}: all must be 0 or more.")
        if not temperature > 0:
            raise UserError(f"Temperature {temperature} is out of range: above 0 (1 is as learnt).")
        if n == 0:
            return np.empty((0, self.item.length), np.int64)
        blocks = range(first // BLOCK, -(-(first + n) // BLOCK))
        rows = []
        for block in blocks:
            labels = self.labels(BLOCK, classes, block * BLOCK)
            random = torch_stream(seed, "sentences", block, device=self.device)
            kinds = None if labels is None else labels.to(self.device)
            rows.append(self.generator.draw(BLOCK, kinds, random, temperature, unknown).cpu())
        found: np.ndarray = torch.cat(rows).numpy()
        return found[first - blocks.start * BLOCK :][:n]

    def sentences(self, n: int, classes: Classes = None, seed: int = 0, temperature: float = 1.0) -> list[str]:
        """n sentences as text; see `sample`."""
        return [self.item.vocabulary.sentence(row) for row in self.sample(n, classes, seed, temperature)]

    @torch.no_grad()
    def log_likelihood(self, rows: np.ndarray, labels: np.ndarray | None = None) -> Float[np.ndarray, " n"]:
        """log p of each row (n, length), in nats, at temperature 1; of its class, if the model has classes."""
        found = [np.empty(0, np.float32)]
        for start in range(0, len(rows), 256):
            part = torch.from_numpy(rows[start : start + 256].astype(np.int64)).to(self.device)
            kinds = None if labels is None else torch.from_numpy(labels[start : start + 256]).to(self.device)
            found.append(self.generator.log_likelihood(part, kinds).cpu().numpy())
        return np.concatenate(found)

    def contract(self, config: dict[str, Any]) -> dict[str, Any]:
        """What model.json holds."""
        return {"format": FORMAT, "kind": KIND, "item": self.item.to_json(), "config": config}


def _index(name: str | int, names: tuple[str, ...]) -> int:
    if isinstance(name, int | np.integer):
        if not 0 <= name < len(names):
            raise UserError(f"Class number {name} is out of range: 0 to {len(names) - 1}.")
        return int(name)
    if name not in names:
        raise unknown_name("class", name, names)
    return names.index(name)


def is_text_run(path: Any) -> bool:
    """Whether `path` is a run or checkpoint folder of a generator of sentences."""
    if not isinstance(path, str | Path) or not Path(path).is_dir():
        return False
    try:
        data = Path(path) / "data.json"
        if data.is_file():
            return bool(read_json(data)["item"].get("kind") == KIND)
        return bool(read_json(Path(path) / "model.json").get("kind") == KIND)
    except (UserError, KeyError, AttributeError, TypeError):
        return False


def load_text(path: Path | str, *, which: str = "best", device: str = "cpu") -> TextModel:
    """The generator of a run folder or a checkpoint folder.

    Raises:
        UserError: no checkpoint there, damaged files, or a model of another kind.
    """
    checkpoint = find_checkpoint(Path(path), which)
    contract = read_json(checkpoint / "model.json")
    if not isinstance(contract, dict) or contract.get("kind") != KIND or contract.get("format") != FORMAT:
        raise UserError(f"{path} is not a generator of sentences. `augan train sentences.txt` makes one.")
    try:
        item = TextItem.from_json(contract["item"])
        config = from_dict(TextConfig, contract["config"])
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{checkpoint}/model.json is damaged ({error!r}). Take another checkpoint.") from error
    with torch.random.fork_rng(devices=[]):
        generator = build_generator(config, item)
    try:
        generator.load_state_dict(read_tensors(checkpoint / "model.safetensors"))
    except RuntimeError as error:
        raise UserError(f"{checkpoint}/model.safetensors does not fit the generator: {error}") from error
    return TextModel(generator, item, choose_device(device))
