"""Networks for rows of tables: a generator that grows what it passes on, a discriminator that judges several rows at
once (CTGAN, arXiv:1907.00503, section 4.4; PacGAN, arXiv:1712.04086).
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
    """x -> [relu(norm(W x)), x]."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(size, width), nn.BatchNorm1d(width)

    def forward(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b e"]:
        return torch.cat([F.relu(self.norm(self.linear(x))), x], 1)


class TableGenerator(nn.Module):
    """Latents (b, latent_size) and, where the table has categories, conditions (b,) -> rows (b, width, 1, 1).

    A latent is `own` numbers that the layers see and a number for each place of which one is 1: the randomness of the
    choice, so that a row is a function of its latent. Numbers go through tanh; places through a Gumbel-softmax of
    temperature 0.2 in training (arXiv:1611.01144), and the largest is 1 in evaluation. The value that a condition asks
    for is written into the row, in training as well: it is what comes, whatever the layers say.
    """

    places: Tensor

    def __init__(self, table: TableSpec, *, own: int, width: int, layers: int) -> None:
        super().__init__()
        self.table, self.own, self.classes = table, own, len(table.conditions)
        self.hots = sum(block.hot.stop - block.hot.start for block in table.blocks)
        self.latent_size = own + self.hots
        sizes = [own + self.classes + layer * width for layer in range(layers + 1)]
        self.body = nn.Sequential(*(_Growing(size, width) for size in sizes[:-1]))
        self.last = nn.Linear(sizes[-1], table.width)
        self.register_buffer("places", torch.from_numpy(condition_places(table)), persistent=False)

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
        gumbel, parts, start = -(-uniform.log()).log(), [], 0
        for block in self.table.blocks:
            if block.number is not None:
                parts.append(raw[:, block.number : block.number + 1].tanh())
            size = block.hot.stop - block.hot.start
            scores = raw[:, block.hot] + gumbel[:, start : start + size]
            start += size
            if self.training:
                parts.append((scores / SOFTNESS).softmax(1))
            else:
                parts.append(F.one_hot(scores.argmax(1), size).to(scores))
        return torch.cat(parts, 1)

    def _asked(self, rows: Float[Tensor, "b c"], labels: Int64[Tensor, " b"]) -> Float[Tensor, "b c"]:
        """Rows with the value that is asked for written into them."""
        place = self.places[labels][:, None]
        firsts = torch.tensor([block.hot.start for block in self.table.asked], device=rows.device)
        ends = torch.tensor([block.hot.stop for block in self.table.asked], device=rows.device)
        own = ((place >= firsts) & (place < ends)).int().argmax(1)
        everywhere = torch.arange(rows.shape[1], device=rows.device)
        column = (everywhere >= firsts[own][:, None]) & (everywhere < ends[own][:, None])
        return torch.where(column, (everywhere == place).to(rows), rows)


class TableDiscriminator(nn.Module):
    """Packs of rows (b, pack * width, 1, 1) and, with conditions, theirs (b, pack) -> logits (b,).

    Two layers of `width` with dropout 0.5; a condition is one-hot beside its row.
    """

    def __init__(self, table: TableSpec, *, width: int, pack: int) -> None:
        super().__init__()
        self.pack, self.classes = pack, len(table.conditions)
        self.body = nn.Sequential(
            nn.Linear(pack * (table.width + self.classes), width),
            nn.LeakyReLU(SLOPE),
            nn.Dropout(DROPOUT),
            nn.Linear(width, width),
            nn.LeakyReLU(SLOPE),
            nn.Dropout(DROPOUT),
            nn.Linear(width, 1),
        )

    def forward(self, rows: Float[Tensor, "b c 1 1"], labels: Tensor | None = None) -> Float[Tensor, " b"]:
        require_labels(labels, self.classes)
        packs = rows.flatten(1)
        if labels is not None:
            asked = F.one_hot(labels.reshape(len(packs), self.pack), self.classes)
            packs = torch.cat([packs, asked.flatten(1).to(packs)], 1)
        logits: Tensor = self.body(packs)[:, 0]
        return logits
