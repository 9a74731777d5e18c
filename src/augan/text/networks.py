"""Generators that write word after word, and the discriminators that read them."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from augan.text.config import TextConfig
from augan.text.vocabulary import END, UNKNOWN, TextItem

NEVER = -1e9
"""A logit of what cannot be: far enough below all others, and finite, so that gradients are."""
WIDTHS = (2, 3, 4, 5)
POSITIONS = 8
NEGLIGIBLE = -20.0
"""Softened words whose share is below e^-20 of the largest have that share, and no gradient: shares so small that
floats are denormal take processors ten times as long."""
HEADS = 2
SLOPE = 0.2
State = tuple[Tensor, ...]
Labels = Int64[Tensor, " b"] | None


class WordGenerator(nn.Module):
    """What generators share: p(sentence) = product of p(token | tokens before it), exactly.

    A sentence ends with token END, or where it has `length` tokens; its first token is not END. So the probabilities
    of all sentences add up to 1, and the likelihood of any sentence can be told. Word `words` of the embedding is what
    stands before the first; a class is added to the embedding of every token.
    """

    out: nn.Linear

    def __init__(self, words: int, length: int, embedding: int, classes: int) -> None:
        super().__init__()
        self.words, self.length, self.classes = words, length, classes
        self.embed = nn.Embedding(words + 1, embedding)
        self.embed_class = nn.Embedding(classes, embedding) if classes else None

    def start(self, count: int) -> State:
        """The state before the first token of `count` sentences."""
        raise NotImplementedError

    def step(self, inputs: Float[Tensor, "b e"], state: State) -> tuple[Float[Tensor, "b v"], State]:
        """Logits of the next token."""
        raise NotImplementedError

    def inputs(self, tokens: Int64[Tensor, "*b"], labels: Labels) -> Float[Tensor, "*b e"]:
        """What tokens, and the class, are to the network."""
        found = cast(Tensor, self.embed(tokens))
        if self.embed_class is None or labels is None:
            return found
        kind = cast(Tensor, self.embed_class(labels))
        return found + (kind if tokens.dim() == 1 else kind[:, None])

    def states(self, rows: Int64[Tensor, "b t"], labels: Labels) -> Float[Tensor, "b t w"]:
        """What the last layer makes logits of, at every token of these sentences."""
        raise NotImplementedError

    def forward(self, rows: Int64[Tensor, "b t"], labels: Labels = None) -> Float[Tensor, "b t v"]:
        """Logits of every token of these sentences, each given those before it."""
        return no_end_first(self.out(self.states(rows, labels)))

    def shifted(self, rows: Int64[Tensor, "b t"]) -> Int64[Tensor, "b t"]:
        """The tokens before those of rows."""
        begin = torch.full_like(rows[:, :1], self.words)
        return torch.cat([begin, rows[:, :-1]], 1)

    def token_log_likelihood(self, rows: Int64[Tensor, "b t"], labels: Labels = None) -> Float[Tensor, "b t"]:
        """log p of each token given those before it, in nats; 0 behind the end."""
        told = mask_of(rows) > 0
        logits = self.out(self.states(rows, labels)[told])  # most of the work: not for what fills rows up
        first = torch.zeros_like(told)
        first[:, 0] = True
        never = torch.zeros_like(logits[0])
        never[END] = NEVER
        logits = torch.where(first[told][:, None], logits + never, logits)
        found = torch.zeros(rows.shape, device=rows.device, dtype=logits.dtype)
        return found.masked_scatter(told, -F.cross_entropy(logits, rows[told], reduction="none"))

    def log_likelihood(self, rows: Int64[Tensor, "b t"], labels: Labels = None) -> Float[Tensor, " b"]:
        """log p of each sentence, in nats."""
        return self.token_log_likelihood(rows, labels).sum(1)

    @torch.no_grad()
    def draw(
        self,
        count: int,
        labels: Labels = None,
        random: torch.Generator | None = None,
        temperature: float = 1.0,
        unknown: bool = True,
    ) -> Int64[Tensor, "b t"]:
        """`count` sentences. Logits are divided by `temperature`; without `unknown`, UNKNOWN is not drawn."""
        device = self.embed.weight.device
        state = self.start(count)
        last = torch.full((count,), self.words, device=device)
        rows = torch.full((count, self.length), END, device=device)
        going = torch.ones(count, dtype=torch.bool, device=device)
        for place in range(self.length):
            logits, state = self.step(self.inputs(last, labels), state)
            logits = logits / temperature
            if not place:
                logits[:, END] = NEVER
            if not unknown:
                logits[:, UNKNOWN] = NEVER
            last = torch.multinomial(logits.softmax(-1), 1, generator=random)[:, 0] * going
            rows[:, place] = last
            going = going & (last != END)
            if not bool(going.any()):
                break
        return rows

    def relaxed(
        self, count: int, labels: Labels, random: torch.Generator, inverse_temperature: float
    ) -> tuple[Float[Tensor, "b t v"], Int64[Tensor, "b t"]]:
        """Softened draws with gradients, and the draws: softmax(inverse temperature * (logits + Gumbel noise)).

        The largest of logits + noise is an exact draw, and what the next token is given (RelGAN, section 2.2).
        """
        device = self.embed.weight.device
        state, soft, hard = self.start(count), [], []
        last = torch.full((count,), self.words, device=device)
        going = torch.ones(count, dtype=torch.bool, device=device)
        ended = F.one_hot(torch.tensor(END, device=device), self.words).float()
        for place in range(self.length):
            logits, state = self.step(self.inputs(last, labels), state)
            if not place:
                logits = no_end_first(logits[:, None])[:, 0]
            uniform = torch.rand(logits.shape, generator=random).to(device).clamp_(1e-10, 1 - 1e-7)
            noisy = logits - (-uniform.log()).log()
            last = noisy.argmax(-1) * going
            scores = inverse_temperature * (noisy - noisy.amax(-1, keepdim=True).detach())
            weights = scores.clamp_min(NEGLIGIBLE).softmax(-1)
            soft.append(torch.where(going[:, None], weights, ended))
            hard.append(last)
            going = going & (last != END)
        return torch.stack(soft, 1), torch.stack(hard, 1)


class LstmGenerator(WordGenerator):
    """One layer of LSTM."""

    def __init__(
        self, words: int, length: int, embedding: int, width: int, classes: int = 0, dropout: float = 0.0
    ) -> None:
        super().__init__(words, length, embedding, classes)
        self.width = width
        self.lstm = nn.LSTM(embedding, width, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(width, words)

    def start(self, count: int) -> State:
        zeros = self.out.weight.new_zeros(1, count, self.width)
        return zeros, zeros

    def step(self, inputs: Float[Tensor, "b e"], state: State) -> tuple[Float[Tensor, "b v"], State]:
        found, state = self.lstm(self.dropout(inputs)[:, None], cast(Any, state))
        return self.out(self.dropout(found[:, 0])), state

    def states(self, rows: Int64[Tensor, "b t"], labels: Labels) -> Float[Tensor, "b t w"]:
        found, _ = self.lstm(self.dropout(self.inputs(self.shifted(rows), labels)))
        return self.dropout(found)


class RelationalGenerator(WordGenerator):
    """A memory of one slot that attends to itself and to the next token (arXiv:1806.01822, as RelGAN has it)."""

    def __init__(
        self, words: int, length: int, embedding: int, width: int, classes: int = 0, dropout: float = 0.0
    ) -> None:
        super().__init__(words, length, embedding, classes)
        self.width = width
        self.enter = nn.Linear(embedding, width)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.gate_input, self.gate_memory = nn.Linear(width, 2 * width), nn.Linear(width, 2 * width, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(width, words)

    def start(self, count: int) -> State:
        return (self.out.weight.new_zeros(count, self.width),)

    def step(self, inputs: Float[Tensor, "b e"], state: State) -> tuple[Float[Tensor, "b v"], State]:
        memory = self._next(state[0], self.enter(self.dropout(inputs)))
        return self.out(self.dropout(memory)), (memory,)

    def _next(self, memory: Float[Tensor, "b w"], seen: Float[Tensor, "b w"]) -> Float[Tensor, "b w"]:
        """The memory after one more token; gates as of an LSTM."""
        proposed = self.norms[0](memory + self._attend(memory, seen))
        proposed = self.norms[1](proposed + self.mlp(proposed))
        keep, take = (self.gate_input(seen) + self.gate_memory(memory.tanh())).chunk(2, -1)
        return (keep + 1).sigmoid() * memory + take.sigmoid() * proposed.tanh()

    def states(self, rows: Int64[Tensor, "b t"], labels: Labels) -> Float[Tensor, "b t w"]:
        (memory,), found = self.start(len(rows)), []
        for seen in self.enter(self.dropout(self.inputs(self.shifted(rows), labels))).unbind(1):
            memory = self._next(memory, seen)
            found.append(memory)
        return self.dropout(torch.stack(found, 1))

    def _attend(self, memory: Float[Tensor, "b w"], seen: Float[Tensor, "b w"]) -> Float[Tensor, "b w"]:
        """The memory asks itself and the token; two heads."""
        count = len(memory)
        key, value = self.key_value(torch.stack([memory, seen], 1)).view(count, 2, 2, HEADS, -1).unbind(2)
        query = self.query(memory).view(count, 1, HEADS, -1)
        weight = ((query * key).sum(-1) / math.sqrt(query.shape[-1])).softmax(1)
        return (weight[..., None] * value).sum(1).reshape(count, -1)


class RecurrentDiscriminator(nn.Module):
    """Reads a sentence word after word, and says at each whether it is real so far (arXiv:1905.09922, section 3.1).

    Words are dropped now and then, and know their place by waves of `POSITIONS` lengths; layer norms stand before and
    behind the LSTM.
    """

    def __init__(self, words: int, length: int, embedding: int, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, embedding)
        self.embed_class = nn.Embedding(classes, embedding) if classes else None
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("waves", _waves(length), persistent=False)
        self.norms = nn.ModuleList([nn.LayerNorm(embedding + POSITIONS), nn.LayerNorm(width)])
        self.lstm = nn.LSTM(embedding + POSITIONS, width, batch_first=True)
        self.out = nn.Linear(width, 1)

    def forward(self, rows: Int64[Tensor, "b t"], labels: Labels = None) -> Float[Tensor, "b t"]:
        """A logit a token."""
        seen = cast(Tensor, self.embed(rows))
        if self.embed_class is not None and labels is not None:
            seen = seen + self.embed_class(labels)[:, None]
        seen = self.dropout(seen)
        places = cast(Tensor, self.waves)[: rows.shape[1]].expand(len(rows), -1, -1)
        found, _ = self.lstm(self.norms[0](torch.cat([seen, places], -1)))
        return self.out(self.norms[1](found))[..., 0]


class ConvDiscriminator(nn.Module):
    """Sees a sentence in several embeddings, each with filters of 2 to 5 words (RelGAN, section 2.3).

    Softened words are seen as mixtures of embeddings, so that gradients reach whoever softened them.
    """

    def __init__(self, words: int, embedding: int, representations: int, filters: int, classes: int) -> None:
        super().__init__()
        self.representations = representations
        part = max(1, embedding // representations)
        self.embed = nn.Linear(words, part * representations, bias=False)
        nn.init.normal_(self.embed.weight, std=1.0 / math.sqrt(part))
        self.convolutions = nn.ModuleList([nn.Conv1d(part, filters, width) for width in WIDTHS])
        whole = filters * len(WIDTHS)
        self.embed_class = nn.Embedding(classes, whole) if classes else None
        self.mix = nn.Linear(whole, whole)
        self.out = nn.Linear(whole, 1)

    def forward(self, words: Float[Tensor, "b t v"], labels: Labels = None) -> Float[Tensor, "b r"]:
        """A logit of each representation."""
        count, length, _ = words.shape
        seen = cast(Tensor, self.embed(words)).view(count, length, self.representations, -1)
        seen = seen.permute(0, 2, 3, 1).reshape(count * self.representations, -1, length)
        seen = F.pad(seen, (0, max(0, WIDTHS[-1] - length)))
        found = torch.cat([F.leaky_relu(conv(seen), SLOPE).amax(-1) for conv in self.convolutions], -1)
        found = found + F.leaky_relu(self.mix(found), SLOPE)
        if self.embed_class is not None and labels is not None:
            kind = cast(Tensor, self.embed_class(labels))
            found = found * (1 + kind).repeat_interleave(self.representations, 0)
        return self.out(found).view(count, self.representations)


def _waves(length: int) -> Float[Tensor, "t p"]:
    """Sines and cosines of places, of 4 wavelengths (arXiv:1706.03762, section 3.5)."""
    place = torch.arange(length)[:, None] / 10_000 ** (torch.arange(POSITIONS // 2) * 2 / POSITIONS)
    return torch.cat([place.sin(), place.cos()], -1)


def no_end_first(logits: Float[Tensor, "b t v"]) -> Float[Tensor, "b t v"]:
    """The same, with END impossible as the first token."""
    never = torch.zeros(logits.shape[1:], device=logits.device)
    never[0, END] = NEVER
    return logits + never


def mask_of(rows: Int64[Tensor, "b t"]) -> Float[Tensor, "b t"]:
    """1 at the tokens of a sentence, the END behind it included; 0 beyond."""
    ends = (rows == END).long().cumsum(1)
    return ((ends == 0) | ((ends == 1) & (rows == END))).float()


GENERATORS: dict[str, type[LstmGenerator] | type[RelationalGenerator]] = {
    "lstm": LstmGenerator,
    "relational": RelationalGenerator,
}


def build_generator(config: TextConfig, item: TextItem) -> WordGenerator:
    """The generator of a configuration, for these words and classes."""
    return GENERATORS[config.generator](
        item.words, item.length, config.embedding, config.width, item.classes, config.dropout
    )


def build_discriminator(config: TextConfig, item: TextItem) -> nn.Module | None:
    """The discriminator of a configuration; None where likelihood is learnt."""
    if config.objective == "reward":
        return RecurrentDiscriminator(
            item.words,
            item.length,
            config.discriminator_embedding,
            config.discriminator_width,
            item.classes,
            config.word_dropout,
        )
    if config.objective == "relaxed":
        return ConvDiscriminator(
            item.words, config.discriminator_embedding, config.representations, config.filters, item.classes
        )
    return None
