"""Networks for rows of tables: a generator that grows what it passes on, a discriminator that judges several rows at
once (CTGAN, arXiv:1907.00503, section 4.4; PacGAN, arXiv:1712.04086). `plain` ones are without batch normalisation and
dropout, for many small batches.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from augan.core.table import TableSpec, condition_places
from augan.nn.embed import require_labels

SOFTNESS = 0.2
"""Temperature of the Gumbel-softmax."""
SLOPE, DROPOUT = 0.2, 0.5


class _Growing(nn.Module):
    """x -> [relu(norm(W x)), x]; where it is plain x -> [leaky relu(W x), x]."""

    def __init__(self, size: int, width: int, plain: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(size, width)
        self.norm: nn.Module = nn.Identity() if plain else nn.BatchNorm1d(width)
        self.slope = SLOPE if plain else 0.0

    def forward(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b e"]:
        return torch.cat([F.leaky_relu(self.norm(self.linear(x)), self.slope), x], 1)


class TableGenerator(nn.Module):
    """Latents (b, latent_size) and, where the table has categories, conditions (b,) -> rows (b, width, 1, 1).

    A latent is `own` numbers that the layers see and a number for each place of which one is 1: the randomness of the
    choice, so that a row is a function of its latent. Numbers go through tanh; places through a Gumbel-softmax of
    temperature 0.2 in training (arXiv:1611.01144), and the largest is 1 in evaluation. The value that a condition asks
    for is written into the row, in training as well: it is what comes, whatever the layers say.
    """

    places: Tensor
    columns: Tensor
    owners: Tensor

    def __init__(self, table: TableSpec, *, own: int, width: int, layers: int, plain: bool = False) -> None:
        super().__init__()
        self.table, self.own, self.classes = table, own, len(table.conditions)
        self.hots = sum(block.hot.stop - block.hot.start for block in table.blocks)
        self.latent_size = own + self.hots
        sizes = [own + self.classes + layer * width for layer in range(layers + 1)]
        self.body = nn.Sequential(*(_Growing(size, width, plain) for size in sizes[:-1]))
        self.last = nn.Linear(sizes[-1], table.width)
        self.choices = _Choices(table)
        inside = torch.zeros(len(table.asked), table.width, dtype=torch.bool)
        for row, block in enumerate(table.asked):
            inside[row, block.hot] = True
        owners = [row for row, block in enumerate(table.asked) for _ in range(block.hot.start, block.hot.stop)]
        self.register_buffer("places", torch.from_numpy(condition_places(table)), persistent=False)
        self.register_buffer("columns", inside, persistent=False)
        self.register_buffer("owners", torch.tensor(owners, dtype=torch.int64), persistent=False)

    def forward(
        self, latents: Float[Tensor, "b d"], labels: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b c 1 1"]:
        require_labels(labels, self.classes)
        own, chance = latents[:, : self.own], latents[:, self.own :]
        if labels is not None:
            own = torch.cat([own, F.one_hot(labels, self.classes).to(own)], 1)
        rows = self._shaped(self.last(self.body(own)).float(), chance.float())
        if labels is not None:
            rows = self._asked(rows, labels)
        return rows[:, :, None, None]

    def _shaped(self, raw: Float[Tensor, "b c"], chance: Float[Tensor, "b h"]) -> Float[Tensor, "b c"]:
        """Numbers in [-1, 1], places that add up to 1."""
        uniform = torch.special.ndtr(chance).clamp(1e-6, 1 - 1e-6)
        shaped: Tensor = self.choices(raw, -(-uniform.log()).log())
        return shaped

    def _asked(self, rows: Float[Tensor, "b c"], labels: Int64[Tensor, " b"]) -> Float[Tensor, "b c"]:
        """Rows with the value that is asked for written into them."""
        value = F.one_hot(self.places[labels], rows.shape[1]).to(rows)
        return torch.where(self.columns[self.owners[labels]], value, rows)


class _Choices(nn.Module):
    """Raw rows (b, c) and noise (b, h) -> rows; all columns at once, each padded to as many places as the largest has.

    There is no learning in it: in training places are a softmax of temperature 0.2, in evaluation the largest is 1.
    """

    numbers: Tensor
    hots: Tensor
    padded: Tensor
    back: Tensor
    order: Tensor

    def __init__(self, table: TableSpec) -> None:
        super().__init__()
        numbers = [block.number for block in table.blocks if block.number is not None]
        hots = [place for block in table.blocks for place in range(block.hot.start, block.hot.stop)]
        self.size = max(block.hot.stop - block.hot.start for block in table.blocks)
        padded = torch.full((len(table.blocks), self.size), len(hots))  # one behind the last: -inf
        back, start = [], 0
        for row, block in enumerate(table.blocks):
            count = block.hot.stop - block.hot.start
            padded[row, :count] = torch.arange(start, start + count)
            back += [row * self.size + place for place in range(count)]
            start += count
        order = torch.empty(table.width, dtype=torch.int64)
        order[torch.tensor([*numbers, *hots])] = torch.arange(table.width)
        for name, value in {"numbers": numbers, "hots": hots, "back": back}.items():
            self.register_buffer(name, torch.tensor(value, dtype=torch.int64), persistent=False)
        self.register_buffer("padded", padded.flatten(), persistent=False)
        self.register_buffer("order", order, persistent=False)

    def forward(self, raw: Float[Tensor, "b c"], noise: Float[Tensor, "b h"]) -> Float[Tensor, "b c"]:
        scores = F.pad(raw.index_select(1, self.hots) + noise, (0, 1), value=float("-inf"))
        choices = scores.index_select(1, self.padded).reshape(len(raw), -1, self.size)
        if self.training:
            chosen = (choices / SOFTNESS).softmax(2)
        else:
            chosen = F.one_hot(choices.argmax(2), self.size).to(scores)
        hots = chosen.flatten(1).index_select(1, self.back)
        return torch.cat([raw.index_select(1, self.numbers).tanh(), hots], 1).index_select(1, self.order)


class TableDiscriminator(nn.Module):
    """Packs of rows (b, pack * width, 1, 1) and, with conditions, theirs (b, pack) -> logits (b,).

    Two layers of `width` with dropout 0.5, where they are not plain; a condition is one-hot beside its row.
    """

    def __init__(self, table: TableSpec, *, width: int, pack: int, plain: bool = False) -> None:
        super().__init__()
        self.pack, self.classes = pack, len(table.conditions)
        rest: list[nn.Module] = [] if plain else [nn.Dropout(DROPOUT)]
        first = [nn.Linear(pack * (table.width + self.classes), width), nn.LeakyReLU(SLOPE), *rest]
        second = [nn.Linear(width, width), nn.LeakyReLU(SLOPE), *rest]
        self.body = nn.Sequential(*first, *second, nn.Linear(width, 1))

    def forward(self, rows: Float[Tensor, "b c 1 1"], labels: Tensor | None = None) -> Float[Tensor, " b"]:
        require_labels(labels, self.classes)
        packs = rows.flatten(1)
        if labels is not None:
            asked = F.one_hot(labels.reshape(len(packs), self.pack), self.classes)
            packs = torch.cat([packs, asked.flatten(1).to(packs)], 1)
        logits: Tensor = self.body(packs)[:, 0]
        return logits
