"""Sentences: generators that learn from text files, and what their sentences are worth.

import augan

run = augan.train("sentences.txt", recipe="mle", minutes=5)
model = augan.text.load(run.path)
model.sentences(10, seed=7, temperature=0.8)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from augan.checkpoint import Run
from augan.core.config import from_dict, override
from augan.core.errors import UserError
from augan.core.files import require_absent
from augan.core.world import join
from augan.text.config import RECIPES, TextConfig, TextDataConfig, text_config
from augan.text.corpus import Corpus, Lines, divided, is_text, open_text, read_lines
from augan.text.files import drawn, generate_text
from augan.text.measure import Judge, TextEvaluation, TextRow, beside, evaluate_text, perplexity, swept
from augan.text.model import TextModel, is_text_run, load_text
from augan.text.ngrams import CountModel, bleu, features, self_bleu
from augan.text.oracle import Divergence, divergence, oracle_corpus, random_oracle
from augan.text.trainer import TextTrainer
from augan.text.vocabulary import TextItem, Vocabulary, tokenise, written
from augan.training import Observer, Sink

load = load_text
evaluate = evaluate_text
generate = generate_text

__all__ = [
    "RECIPES",
    "Corpus",
    "CountModel",
    "Divergence",
    "Judge",
    "Lines",
    "TextConfig",
    "TextDataConfig",
    "TextEvaluation",
    "TextItem",
    "TextModel",
    "TextRow",
    "TextTrainer",
    "Vocabulary",
    "beside",
    "bleu",
    "divergence",
    "divided",
    "drawn",
    "evaluate",
    "evaluate_text",
    "features",
    "generate",
    "generate_text",
    "is_text",
    "is_text_run",
    "load",
    "load_text",
    "open_text",
    "oracle_corpus",
    "perplexity",
    "random_oracle",
    "read_lines",
    "resolve",
    "self_bleu",
    "swept",
    "text_config",
    "tokenise",
    "train",
    "written",
]


def resolve(
    data: Any,
    *,
    minutes: float | None = None,
    images: int | None = None,
    recipe: str = "auto",
    settings: Sequence[str] = (),
    seed: int = 0,
    device: str = "auto",
) -> TextConfig:
    """The configuration that `train` would use.

    Raises:
        UserError: an unknown recipe or setting, two budgets.
    """
    config = text_config(recipe, minutes=minutes, sentences=images, seed=seed, device=device)
    path = str(data) if isinstance(data, str | Path) else None
    return override(config, [*settings, f"data.path={'null' if path is None else _quoted(path)}"])


def _quoted(text: str) -> str:
    import json

    return json.dumps(text)


def resolve_resumed(
    out: Path | str,
    minutes: float | None = None,
    images: int | None = None,
    settings: Sequence[str] = (),
    device: str = "auto",
) -> TextConfig:
    """The configuration with which a run would go on.

    Raises:
        UserError: `out` is not a run on text, or a wrong setting.
    """
    if not is_text_run(out):
        raise UserError(f"{out} is not a run on text. Resume it with its own data.")
    config = from_dict(TextConfig, Run(out).config)
    budget = {"minutes": minutes, "sentences": images}
    if any(value is not None for value in budget.values()):
        config = override(config, [f"{name}={'null' if v is None else v}" for name, v in budget.items()])
    config = override(config, settings)
    return config if device == "auto" else override(config, [f"device={device}"])


def train(
    data: Any,
    *,
    minutes: float | None = None,
    images: int | None = None,
    out: Path | str,
    recipe: str = "auto",
    settings: Sequence[str] = (),
    seed: int = 0,
    device: str = "auto",
    resume: bool = False,
    observer: Observer | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    sinks: Sequence[Sink] = (),
) -> Run:
    """Trains a generator of sentences into the run folder `out`.

    Args:
        data: whatever `open_text` takes.
        minutes, images: the budget; images are real sentences shown. 5 minutes if none is given.
        recipe: auto (mle), mle, scratchgan or relgan.
        settings: 'key=value' changes of `TextConfig`.
        resume: go on with the run in `out`, with its own settings; a budget extends its own.
        sinks: loggers of your own, beside those of the setting `log` (`augan.training.Sink`).

    Raises:
        UserError: text, settings or folder do not do; nothing was overwritten.
        Interrupted: stopped and saved.
    """
    folder, world = Path(out), join()

    def chosen() -> TextConfig:
        if resume:
            return resolve_resumed(folder, minutes, images, settings, device)
        require_absent(folder, "Go on with it by --resume, or choose another --out.")
        return resolve(data, minutes=minutes, images=images, recipe=recipe, settings=settings, seed=seed, device=device)

    config = world.decided(chosen)
    corpus = open_text(data, config.data)
    trainer = TextTrainer(
        corpus,
        config,
        folder,
        observer=observer if world.first else None,
        should_stop=should_stop,
        world=world,
        sinks=sinks,
    )
    return trainer.run(resume)
