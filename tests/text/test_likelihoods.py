"""Probabilities add up, draws follow them, divergences and overlaps are what closed forms say."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from augan.text import CountModel, bleu, divergence, features, oracle_corpus, random_oracle, self_bleu
from augan.text.model import TextModel
from augan.text.networks import GENERATORS, WordGenerator, mask_of
from augan.text.ngrams import Overlap
from augan.text.players import returns
from augan.text.vocabulary import END, TextItem, Vocabulary

WORDS, LENGTH = 4, 3


def every_sentence() -> np.ndarray:
    """All rows of up to 3 tokens, of words 1 to 3; the first is not END."""
    rows = [
        list(tokens) + [END] * (LENGTH - count)
        for count in range(1, LENGTH + 1)
        for tokens in itertools.product(range(1, WORDS), repeat=count)
    ]
    return np.array(rows, np.int64)


def small(name: str, classes: int = 0, seed: int = 0) -> WordGenerator:
    torch.manual_seed(seed)
    generator = GENERATORS[name](WORDS, LENGTH, 6, 8, classes)
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return generator.eval().requires_grad_(False)


def item(classes: tuple[str, ...] | None = None) -> TextItem:
    vocabulary = Vocabulary(words=("<end>", "<unk>", "a", "b"))
    return TextItem(vocabulary=vocabulary, length=LENGTH, class_names=classes)


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("classes", [0, 2])
def test_probabilities_of_all_sentences_add_up_to_one(name: str, classes: int) -> None:
    generator, rows = small(name, classes), torch.from_numpy(every_sentence())
    for label in range(max(1, classes)):
        labels = torch.full((len(rows),), label) if classes else None
        assert float(generator.log_likelihood(rows, labels).exp().sum()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", GENERATORS)
def test_step_by_step_is_all_at_once(name: str) -> None:
    generator, rows = small(name), torch.from_numpy(every_sentence())
    told = generator(rows).log_softmax(-1).gather(2, rows[..., None])[..., 0] * mask_of(rows)
    torch.testing.assert_close(generator.token_log_likelihood(rows), told)
    state, last = generator.start(len(rows)), torch.full((len(rows),), WORDS)
    for place in range(LENGTH):
        logits, state = generator.step(generator.inputs(last, None), state)
        if place:
            torch.testing.assert_close(logits, generator(rows)[:, place])
        last = rows[:, place]


@pytest.mark.parametrize("name", GENERATORS)
def test_draws_follow_the_likelihood(name: str) -> None:
    generator, rows = small(name), every_sentence()
    places = {tuple(row): place for place, row in enumerate(rows.tolist())}
    random = torch.Generator().manual_seed(1)
    chances = generator.log_likelihood(torch.from_numpy(rows)).exp().numpy()
    soft, hard = generator.relaxed(20_000, None, random, 5.0)
    for drawn in (generator.draw(20_000, None, random), hard):
        counts = np.bincount([places[tuple(row)] for row in drawn.tolist()], minlength=len(rows))
        assert np.abs(counts / 20_000 - chances).max() < 4 * math.sqrt(0.25 / 20_000)
    torch.testing.assert_close(soft.sum(-1), torch.ones(20_000, LENGTH))
    assert bool((soft.argmax(-1) == hard).all())


def test_without_unknown_words_none_is_drawn() -> None:
    rows = small("lstm").draw(2_000, None, torch.Generator().manual_seed(0), unknown=False)
    assert not bool((rows == 1).any())


def test_divergences_are_those_of_all_sentences() -> None:
    one, other = (TextModel(small("lstm", seed=seed), item()) for seed in (0, 1))
    rows = every_sentence()
    p, q = one.log_likelihood(rows).astype(float), other.log_likelihood(rows).astype(float)
    tokens = np.minimum((rows != END).sum(1) + 1, LENGTH)
    found = divergence(one, other, 20_000)
    forward = (np.exp(p) * (p - q)).sum() / (np.exp(p) * tokens).sum()
    reverse = (np.exp(q) * (q - p)).sum() / (np.exp(q) * tokens).sum()
    entropy = -(np.exp(p) * p).sum() / (np.exp(p) * tokens).sum()
    assert found.forward == pytest.approx(forward, abs=5 * found.forward_error)
    assert found.reverse == pytest.approx(reverse, abs=5 * found.reverse_error)
    assert found.entropy == pytest.approx(entropy, rel=0.02)
    same = divergence(one, one, 200)
    assert same.forward == same.reverse == 0
    before = other.hash
    assert divergence(one, other, 500, temperature=0.5).reverse != pytest.approx(found.reverse)
    torch.testing.assert_close(other.log_likelihood(rows), q.astype(np.float32))
    assert len(before) == 64


def test_the_oracle_is_the_same_each_time() -> None:
    oracle = random_oracle(20, 6)
    assert oracle.hash == random_oracle(20, 6).hash != random_oracle(20, 6, seed=1).hash
    corpus = oracle_corpus(oracle, 50)
    assert corpus.rows.shape == (50, 6)
    assert (corpus.rows[:, 0] != END).all()
    assert corpus.rows.max() < len(corpus.vocabulary)


def test_returns_are_discounted_sums() -> None:
    found = returns(torch.tensor([[1.0, 0.0, 2.0]]), 0.5)
    torch.testing.assert_close(found, torch.tensor([[1.5, 1.0, 2.0]]))


def test_bleu_by_hand() -> None:
    references = [["the", "cat", "sat", "on", "the", "mat"], ["a", "dog", "ran"]]
    assert bleu(references[:1], references) == pytest.approx(np.ones(4))
    found = Overlap(references, 2).scores([["the", "the", "the", "cat"]])
    # unigrams: 'the' twice at most and 'cat' once, 3 of 4; bigrams: 'the cat', 1 of 3; nearest length 3: no penalty
    assert found[0, 0] == pytest.approx(math.sqrt(3 / 4 * 1 / 3))
    short = Overlap(references[:1], 2).scores([["the", "cat"]])
    assert short[0, 0] == pytest.approx(math.exp(1 - 6 / 2))


def test_self_bleu_leaves_the_sentence_itself_out() -> None:
    alike = [["a", "b", "c", "d", "e"]] * 4
    assert self_bleu(alike) == pytest.approx(np.ones(4))
    apart = [[f"{word}{i}" for word in "abcde"] for i in range(4)]
    assert self_bleu(apart).max() < 0.1


@pytest.mark.parametrize("order", [1, 2])
def test_counted_words_are_a_distribution(order: int) -> None:
    rows = np.array([[2, 3, 0], [2, 0, 0], [3, 3, 2], [1, 2, 3]])
    model = CountModel(rows, WORDS, order)
    assert np.exp(model.log_likelihood(every_sentence())).sum() == pytest.approx(1, abs=1e-5)
    drawn = model.sample(4_000, seed=1)
    first = np.bincount(drawn[:, 0], minlength=WORDS) / 4_000
    assert np.abs(first - model.first).max() < 0.04
    assert (drawn == model.sample(4_000, seed=1)).all()


def test_features_tell_order_and_need_no_vocabulary() -> None:
    one, same, other = features([["a", "b", "c"], ["a", "b", "c"], ["c", "b", "a"]])
    assert (one == same).all()
    assert np.abs(one - other).max() > 0.1
    assert (features([[]]) == 0).all()
