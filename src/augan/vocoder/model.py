"""A trained vocoder: mels in, waveforms out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from augan.checkpoint import find_checkpoint, read_tensors
from augan.core.config import from_dict, to_dict
from augan.core.devices import choose_device
from augan.core.errors import UserError
from augan.core.files import atomic_file, read_json
from augan.vocoder.config import MelSpec, VocoderConfig
from augan.vocoder.features import log_mel, mel_griffin_lim
from augan.vocoder.networks import VocoderGenerator, plain

FORMAT = 1
KIND = "vocoder"


def guide_of(mels: Float[Tensor, "n mels frames"], spec: MelSpec, config: VocoderConfig) -> Tensor | None:
    """What the generator adds to, (n, frames * hop), if it has a guide."""
    count = config.generator.guide
    return mel_griffin_lim(mels, spec, mels.shape[2] * spec.hop, count) if count else None


class VocoderModel:
    """A generator of waveforms in evaluation mode.

    Attributes:
        spec: what it hears; config: its settings.
    """

    def __init__(
        self, generator: VocoderGenerator, spec: MelSpec, config: VocoderConfig, device: torch.device | str = "cpu"
    ) -> None:
        self.device = torch.device(device)
        self.generator = generator.to(self.device).eval()
        self.spec, self.config = spec, config

    @torch.no_grad()
    def decode(self, mels: Float[Tensor, "n mels frames"]) -> Float[Tensor, "n samples"]:
        """Waveforms in [-1, 1] of log mels as `log_mel` gives them, (n, frames * hop)."""
        made: Tensor = self.generator(mels.to(self.device), guide_of(mels, self.spec, self.config)).float().cpu()
        return made

    def resynthesise(self, wave: Float[Tensor, " samples"]) -> Float[Tensor, " samples"]:
        """A waveform of any length at the model's rate, to mels and back."""
        samples, hop = len(wave), self.spec.hop
        whole = F.pad(wave, (0, max(-samples % hop, self.spec.n_fft - samples)))
        whole = F.pad(whole, (0, -len(whole) % hop))
        return self.decode(log_mel(whole[None], self.spec))[0, :samples]

    def contract(self) -> dict[str, Any]:
        """What model.json holds."""
        return {"format": FORMAT, "kind": KIND, "mels": vars(self.spec), "config": to_dict(self.config)}


def load_vocoder(path: Path | str, *, which: str = "best", device: str = "cpu") -> VocoderModel:
    """The vocoder of a run folder or a checkpoint folder.

    Raises:
        UserError: no checkpoint there, damaged files, or a model of another kind.
    """
    checkpoint = find_checkpoint(Path(path), which)
    contract = read_json(checkpoint / "model.json")
    if not isinstance(contract, dict) or contract.get("kind") != KIND or contract.get("format") != FORMAT:
        raise UserError(f"{path} is not a vocoder. `augan vocoder train` makes one.")
    spec, config = MelSpec(**contract["mels"]), from_dict(VocoderConfig, contract["config"])
    with torch.random.fork_rng(devices=[]):
        generator = VocoderGenerator(config.generator, spec.mels)
    try:
        generator.load_state_dict(read_tensors(checkpoint / "model.safetensors"))
    except RuntimeError as error:
        raise UserError(f"{checkpoint}/model.safetensors does not fit the generator: {error}") from error
    plain(generator)
    return VocoderModel(generator, spec, config, choose_device(device))


def export_vocoder(model: VocoderModel, path: Path | str) -> Path:
    """Writes the generator as a program of torch.export (.pt2): log mels (1, mels, frames), and for a generator with a
    guide that one (1, frames * hop) -> (1, frames * hop), any number of frames from 8 on.

    Raises:
        UserError: the name has another ending.
    """
    target = Path(path)
    if target.suffix != ".pt2":
        raise UserError(f"A vocoder is exported as .pt2, not as '{target.suffix}'.")
    examples = [torch.zeros(1, model.spec.mels, 32)]
    frames = torch.export.Dim("frames", min=8, max=100_000)
    shapes: list[Any] = [{2: frames}]
    if model.config.generator.guide:
        examples.append(torch.zeros(1, 32 * model.spec.hop))
        shapes.append({1: model.spec.hop * frames})
    program = torch.export.export(model.generator.cpu(), tuple(examples), dynamic_shapes=tuple(shapes))
    with atomic_file(target) as temporary:
        torch.export.save(program, temporary)
    return target
