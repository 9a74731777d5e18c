"""A language whose every probability is known, to hold generators against exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from augan.core.rng import derive
from augan.text.corpus import Corpus
from augan.text.model import TextModel
from augan.text.networks import LstmGenerator
from augan.text.ngrams import mask
from augan.text.vocabulary import SPECIAL, TextItem, Vocabulary


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """How far a model is from the oracle, in nats a token, by exact likelihoods of sentences drawn from either.

    Attributes:
        forward: KL(oracle || model), large where the model leaves out what the oracle says; reverse: KL(model ||
            oracle), large where it says what the oracle would not. Each with its standard error.
        nll_oracle: -log p of the model's sentences under the oracle; entropy: the oracle's.
    """

    forward: float
    reverse: float
    forward_error: float
    reverse_error: float
    nll_oracle: float
    entropy: float

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))


def random_oracle(
    words: int = 100, length: int = 12, seed: int = 0, width: int = 32, sharpness: float = 1.0
) -> TextModel:
    """An LSTM whose weights are drawn from N(0, sharpness^2) (arXiv:1609.05473, section 4.1), over `words` words.

    Words are w0, w1, ... and <unk>, which is a word as any other here.
    """
    names = tuple(f"w{number}" for number in range(words - 1))
    item = TextItem(vocabulary=Vocabulary(words=(*SPECIAL, *names)), length=length)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "oracle"))
        generator = LstmGenerator(item.words, length, width, width)
        for parameter in generator.parameters():
            nn.init.normal_(parameter, std=sharpness)
    return TextModel(generator, item)


def oracle_corpus(oracle: TextModel, count: int, seed: int = 0) -> Corpus:
    """Sentences that the oracle says."""
    rows = oracle.sample(count, seed=seed, unknown=True).astype(np.int32)
    vocabulary = oracle.item.vocabulary
    return Corpus(
        rows=rows,
        sentences=tuple(tuple(vocabulary.tokens(row)) for row in rows),
        vocabulary=vocabulary,
        labels=None,
        class_names=None,
        name="oracle",
        words=len(vocabulary) - 1,
        key=f"oracle-{oracle.hash[:16]}-{count}-{seed}",
    )


def divergence(
    oracle: TextModel, model: TextModel, count: int = 2_000, seed: int = 1, temperature: float = 1.0
) -> Divergence:
    """Both Kullback-Leibler divergences by `count` sentences of either side; at a temperature of the model.

    Likelihoods at another temperature are those of the generator whose logits are divided by it.
    """
    said = oracle.sample(count, seed=seed, unknown=True)
    made = model.sample(count, seed=seed, temperature=temperature, unknown=True)
    tokens, own_tokens = mask(said).sum(1), mask(made).sum(1)
    with _cooled(model, temperature):
        ours, theirs = model.log_likelihood(said), model.log_likelihood(made)
    entropy, truth = oracle.log_likelihood(said), oracle.log_likelihood(made)
    forward, reverse = entropy - ours, theirs - truth
    scale, own_scale = float(tokens.mean()), float(own_tokens.mean())
    return Divergence(
        forward=float(forward.mean()) / scale,
        reverse=float(reverse.mean()) / own_scale,
        forward_error=float(forward.std() / np.sqrt(count)) / scale,
        reverse_error=float(reverse.std() / np.sqrt(count)) / own_scale,
        nll_oracle=-float(truth.mean()) / own_scale,
        entropy=-float(entropy.mean()) / scale,
    )


class _cooled:  # noqa: N801
    """Within the block, the generator's last layer is divided by a temperature."""

    def __init__(self, model: TextModel, temperature: float) -> None:
        self.out, self.temperature = model.generator.out, temperature

    def __enter__(self) -> None:
        self._scale(1 / self.temperature)

    def __exit__(self, *error: object) -> None:
        self._scale(self.temperature)

    @torch.no_grad()
    def _scale(self, by: float) -> None:
        for parameter in self.out.parameters():
            parameter.mul_(by)
