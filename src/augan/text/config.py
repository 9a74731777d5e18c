"""Settings of a generator of sentences, and the published ways to set them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, replace
from typing import Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from augan.core.config import STRICT
from augan.core.errors import UserError, unknown_name
from augan.training import require_loggers


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TextDataConfig:
    """How text is read.

    Attributes:
        path: where it was, for the record.
        encoding: of the files; null: what their first bytes say, else UTF-8.
        level: a token is a word (or a mark), or a character.
        lowercase: small letters only.
        vocabulary: so many most frequent words are kept, the others are one, <unk>.
        length: sentences of more tokens are left out.
    """

    path: str | None = None
    encoding: str | None = None
    level: Literal["words", "characters"] = "words"
    lowercase: bool = False
    vocabulary: int = Field(default=5_000, ge=2)
    length: int = Field(default=32, ge=1)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TextConfig:
    """Everything that decides a run on text.

    Attributes:
        recipe: its name.
        objective: likelihood (of the real sentences), reward (of each token, by a recurrent discriminator) or relaxed
            (gradients through softened draws, from a convolutional discriminator).
        data: how text is read.
        generator: lstm, or relational (a memory that attends to itself).
        embedding: numbers of the generator for a word.
        width: numbers of its state.
        dropout: of its words and states, where likelihood is learnt.
        discriminator_embedding: numbers of the discriminator for a word.
        discriminator_width: of a recurrent discriminator's state.
        word_dropout: of the words of a recurrent discriminator.
        representations: how many embeddings a convolutional discriminator sees a sentence in.
        filters: of a convolutional discriminator, for each width from 2 to 5 words.
        pretrain: the share of the budget that goes to likelihood first.
        discount: of the rewards of later tokens.
        baseline: how fast the mean return, which is subtracted from returns, follows in a round.
        inverse_temperature: of softened draws at the end; it rises exponentially from 1.
        turns: of the discriminator, for each of the generator.
        batch: sentences of a turn in an adversarial game.
        likelihood_batch: sentences of a round of likelihood.
        learning_rate: of the generator in a game.
        likelihood_rate: of the generator where likelihood is learnt.
        discriminator_rate: of the discriminator.
        beta1: of Adam, in a game.
        beta2: of Adam, in a game.
        decay_from: share of learning by likelihood after which its rate falls to 0.
        weight_decay: of the discriminator.
        clip: the norm to which gradients are cut.
        average: sentences in which the weight of what the generator was halves in its moving average, which is what
            is kept; 0: the generator as it is.
        minutes: the budget in time.
        sentences: the budget in real sentences shown, --images; one of the two.
        snapshots: samples, measures and checkpoints in the run.
        held_out: share of the different sentences that are kept for measures.
        seed: decides every random draw.
        device: auto, cpu, cuda or mps.
        threads: of the processor; null follows what is free.
        log: loggers beside metrics.jsonl, as with --log: tensorboard, wandb, mlflow.
    """

    recipe: str = "custom"
    objective: Literal["likelihood", "reward", "relaxed"] = "likelihood"
    data: TextDataConfig = field(default_factory=TextDataConfig)
    generator: Literal["lstm", "relational"] = "lstm"
    embedding: int = Field(default=64, ge=1)
    width: int = Field(default=128, ge=2)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    discriminator_embedding: int = Field(default=64, ge=1)
    discriminator_width: int = Field(default=128, ge=1)
    word_dropout: float = Field(default=0.1, ge=0, lt=1)
    representations: int = Field(default=16, ge=1)
    filters: int = Field(default=64, ge=1)
    pretrain: float = Field(default=0.0, ge=0, le=1)
    discount: float = Field(default=0.23, ge=0, le=1)
    baseline: float = Field(default=0.08, gt=0, le=1)
    inverse_temperature: float = Field(default=100.0, ge=1)
    turns: int = Field(default=1, ge=1)
    batch: int = Field(default=64, ge=1)
    likelihood_batch: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    likelihood_rate: float = Field(default=2e-3, gt=0)
    discriminator_rate: float = Field(default=1e-3, gt=0)
    beta1: float = Field(default=0.5, ge=0, lt=1)
    beta2: float = Field(default=0.999, ge=0, lt=1)
    decay_from: float = Field(default=0.5, ge=0, le=1)
    weight_decay: float = Field(default=0.0, ge=0)
    clip: float = Field(default=5.0, gt=0)
    average: float = Field(default=0.0, ge=0)
    minutes: float | None = Field(default=None, gt=0)
    sentences: int | None = Field(default=None, ge=1)
    snapshots: int = Field(default=8, ge=1)
    held_out: float = Field(default=0.05, ge=0, lt=1)
    seed: int = 0
    device: str = "auto"
    threads: int | None = Field(default=None, ge=1)
    log: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_loggers(self.log)
        if (self.minutes is None) == (self.sentences is None):
            raise UserError("Give a budget: either minutes or sentences (--images), and not both.")
        if self.generator == "relational" and self.width % 2:
            raise UserError(f"The relational memory has two heads: width {self.width} is odd. Give an even one.")


def _mle() -> dict[str, Any]:
    return {"objective": "likelihood"}


def _scratchgan() -> dict[str, Any]:
    return {
        "objective": "reward",
        "learning_rate": 2e-3,
        "discriminator_rate": 5e-3,
        "weight_decay": 1e-6,
        "average": 20_000.0,
        "dropout": 0.0,
    }


def _relgan() -> dict[str, Any]:
    return {
        "objective": "relaxed",
        "generator": "relational",
        "pretrain": 0.6,
        "turns": 5,
        "learning_rate": 1e-4,
        "discriminator_rate": 1e-4,
        "beta1": 0.9,
        "average": 5_000.0,
    }


RECIPES: dict[str, Callable[[], dict[str, Any]]] = {"mle": _mle, "scratchgan": _scratchgan, "relgan": _relgan}
"""What `--recipe` may name for text: maximum likelihood, arXiv:1905.09922, and RelGAN (ICLR 2019)."""


def text_config(recipe: str = "auto", **values: Any) -> TextConfig:
    """A recipe's settings; auto is mle. 5 minutes if no budget is given.

    Raises:
        UserError: an unknown recipe, or two budgets.
    """
    name = "mle" if recipe == "auto" else recipe
    if name not in RECIPES:
        raise unknown_name("recipe for text", recipe, ("auto", *RECIPES))
    known = {key: value for key, value in values.items() if value is not None}
    if "minutes" not in known and "sentences" not in known:
        known["minutes"] = 5.0
    budget = {"minutes": None, "sentences": None} | known
    return replace(TextConfig(recipe=name, sentences=1, **RECIPES[name]()), **budget)
