"""Both players of a run: the model, and the discriminator that stands beside it in the checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from augan.checkpoint import Model, find_checkpoint, load_model, read_tensors
from augan.core.config import from_dict
from augan.core.errors import UserError
from augan.core.files import read_json
from augan.core.item import ItemSpec
from augan.game import apply_spectral_norm
from augan.networks import NetworkConfig, build

PREFIX = "discriminator."
ALONE = 1e-4


class Critic:
    """Logits of items, each judged on its own.

    Attributes:
        network: the discriminator, in evaluation mode, without gradients of its weights.
        conditional: whether it wants labels.
        alone: whether its logit of an item does not depend on the others of the batch; if it does, items are judged
            one at a time.
    """

    def __init__(self, network: nn.Module, conditional: bool) -> None:
        self.network = network.eval().requires_grad_(False)
        self.conditional = conditional
        self.alone: bool | None = None

    def __call__(self, items: Float[Tensor, "n ..."], labels: Int64[Tensor, " n"] | None = None) -> Float[Tensor, " n"]:
        """Logits (n,); above 0 is real, where the objective has a level."""
        if self.alone is None:
            self.alone = self._judges_alone(items, labels)
        if self.alone or len(items) < 2:
            return self._judge(items, labels)
        one = [self._judge(items[k : k + 1], None if labels is None else labels[k : k + 1]) for k in range(len(items))]
        return torch.cat(one)

    def _judge(self, items: Tensor, labels: Tensor | None) -> Tensor:
        arguments = [items] if labels is None or not self.conditional else [items, labels]
        return self.network(*arguments).float().reshape(len(items))

    @torch.no_grad()
    def _judges_alone(self, items: Tensor, labels: Tensor | None) -> bool | None:
        if len(items) < 2:
            return None
        own = None if labels is None else labels[:2]
        both = self._judge(items[:2], own)
        single = torch.cat([self._judge(items[k : k + 1], None if own is None else own[k : k + 1]) for k in range(2)])
        return bool((both - single).abs().max() <= ALONE * (1 + single.abs().max()))


def load_critic(path: Path | str, *, discriminator: nn.Module | None = None, which: str = "best") -> Critic:
    """The discriminator of a run or checkpoint folder.

    Args:
        path: the folder.
        discriminator: a module of the same structure, for runs that trained a user's own.
        which: 'best' or 'last' checkpoint of a run.

    Raises:
        UserError: the checkpoint holds a generator only, or a discriminator of another structure.
    """
    checkpoint = find_checkpoint(Path(path), which)
    if not (checkpoint / "training.safetensors").is_file():
        raise UserError(f"{checkpoint} holds a generator only: its discriminator was not kept.")
    saved = read_tensors(checkpoint / "training.safetensors")
    weights = {key.removeprefix(PREFIX): value for key, value in saved.items() if key.startswith(PREFIX)}
    model = read_json(checkpoint / "model.json")
    if discriminator is None:
        discriminator = _built(model, checkpoint)
    if any(".parametrizations." in f".{key}" for key in weights):
        apply_spectral_norm(discriminator)
    try:
        discriminator.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{checkpoint} holds another discriminator ({reason}). Give yours: load_critic(path, discriminator=module)."
        ) from error
    networks = model.get("networks") or {}
    classes = len((model.get("item") or {}).get("class_names") or ())
    return Critic(discriminator, classes > 0 and bool(networks.get("conditional", True)))


def _built(model: dict[str, Any], checkpoint: Path) -> nn.Module:
    if model.get("networks") is None:
        raise UserError(
            f"{checkpoint} holds networks of your own: give the discriminator as load_critic(path, discriminator=...)."
        )
    with torch.random.fork_rng(devices=[]):
        return build(from_dict(NetworkConfig, model["networks"]), ItemSpec.from_json(model["item"]))[1]


def players(path: Path | str, which: str = "best", device: str = "cpu") -> tuple[Model, Critic | None, str | None]:
    """(model, its discriminator or None, why there is none)."""
    model = load_model(path, which=which, device=device)
    try:
        critic = load_critic(path, which=which)
    except UserError as reason:
        return model, None, str(reason)
    critic.network.to(model.device)
    return model, critic, None
