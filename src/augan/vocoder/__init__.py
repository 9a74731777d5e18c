"""From mel spectrograms to waveforms.

import augan

run = augan.vocoder.train("recordings/", out="runs/voice", minutes=15)
model = augan.vocoder.load(run.path)
wave = model.resynthesise(wave)  # (samples,) in [-1, 1] at the model's rate
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from augan.checkpoint import Run
from augan.core.config import from_dict, override
from augan.core.files import require_absent
from augan.data import open_recordings
from augan.training import Sink
from augan.vocoder.config import SIZES, GeneratorConfig, MelSpec, VocoderConfig, vocoder_config
from augan.vocoder.files import Resynthesised, resynthesise_files
from augan.vocoder.model import VocoderModel, export_vocoder, load_vocoder
from augan.vocoder.networks import VocoderGenerator, VocoderJudges
from augan.vocoder.trainer import Reading, VocoderTrainer

load = load_vocoder
apply = resynthesise_files
export = export_vocoder
DEFAULT_MINUTES = 5.0

__all__ = [
    "SIZES",
    "GeneratorConfig",
    "MelSpec",
    "Reading",
    "Resynthesised",
    "VocoderConfig",
    "VocoderGenerator",
    "VocoderJudges",
    "VocoderModel",
    "VocoderTrainer",
    "apply",
    "export",
    "load",
    "resynthesise_files",
    "train",
    "vocoder_config",
]


def train(
    data: Path | str,
    *,
    out: Path | str,
    size: str = "small",
    minutes: float | None = None,
    steps: int | None = None,
    settings: Sequence[str] = (),
    seed: int = 0,
    device: str = "auto",
    resume: bool = False,
    strict: bool = False,
    tell: Callable[[Reading], None] = lambda reading: None,
    should_stop: Callable[[], bool] = lambda: False,
    sinks: Sequence[Sink] = (),
) -> Run:
    """Trains a vocoder on a folder, .zip or .npz of sounds into the run folder `out`.

    Args:
        size: small, v1, v2 or v3.
        minutes, steps: the budget; 5 minutes if none is given.
        settings: 'key=value' changes of `VocoderConfig`.
        resume: go on with the run in `out`, with its own settings; `minutes` or `steps` extend its budget.
        strict: fail on sounds that cannot be read.
        sinks: loggers of your own, beside those of the setting `log` (`augan.training.Sink`).

    Raises:
        UserError: data, settings or folder do not do; nothing was overwritten.
        Interrupted: stopped and saved.
    """
    folder = Path(out)
    if resume:
        config = from_dict(VocoderConfig, Run(folder).config)
        if minutes is not None or steps is not None:
            budget = {"minutes": minutes, "steps": steps}
            config = override(config, [f"{name}={'null' if v is None else v}" for name, v in budget.items()])
    else:
        require_absent(folder, "Go on with it by --resume, or choose another --out.")
        if minutes is None and steps is None:
            minutes = DEFAULT_MINUTES
        config = vocoder_config(size, minutes=minutes, steps=steps, seed=seed, device=device, path=str(data))
    config = override(config, settings)
    sounds = open_recordings(data, config.rate_hz, strict)
    return VocoderTrainer(sounds, config, folder, tell=tell, should_stop=should_stop, sinks=sinks).run(resume)
