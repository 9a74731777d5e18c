"""How a class enters a network."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from augan.core.errors import UserError


def require_labels(labels: Tensor | None, classes: int) -> None:
    """Raises UserError unless labels are given exactly where a network has classes."""
    if classes and labels is None:
        raise UserError(f"This network is conditional on {classes} classes: give it labels, (b,) int64.")
    if not classes and labels is not None:
        raise UserError("This network has no classes: call it without labels.")


class ConditionedLatent(nn.Module):
    """Joins a latent with the embedding of its class: (b, d) -> (b, d + embedding); without classes, (b, d)."""

    strength: Tensor | None

    def __init__(self, latent_size: int, classes: int, embedding_size: int = 64) -> None:
        super().__init__()
        self.classes = classes
        self.embedding = nn.Embedding(classes, embedding_size) if classes else None
        self.output_size = latent_size + (embedding_size if classes else 0)
        self.register_buffer("strength", None)

    def forward(self, latents: Float[Tensor, "b d"], labels: Int64[Tensor, " b"] | None) -> Float[Tensor, "b e"]:
        require_labels(labels, self.classes)
        if self.embedding is None:
            return latents
        return torch.cat([latents, _weakened(self.embedding(labels), self.strength)], 1)


class ProjectionHead(nn.Module):
    """logit = w . h + b + <embedding(class), h> (projection discriminator, arXiv:1802.05637, equation 3)."""

    strength: Tensor | None

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.linear = nn.Linear(features, 1)
        self.embedding = nn.Embedding(classes, features) if classes else None
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, std=features**-0.5)
        self.register_buffer("strength", None)

    @property
    def level(self) -> nn.Parameter | None:
        """What shifts all logits alike."""
        return self.linear.bias

    def forward(self, features: Float[Tensor, "b f"], labels: Int64[Tensor, " b"] | None) -> Float[Tensor, " b"]:
        require_labels(labels, self.classes)
        logits: Tensor = self.linear(features).squeeze(1)
        if self.embedding is not None:
            logits = logits + _weakened((features * self.embedding(labels)).sum(1), self.strength)
        return logits


def _weakened(value: Tensor, strength: Tensor | None) -> Tensor:
    return value if strength is None else value * strength.to(value.dtype)


def ease_classes_in(network: nn.Module) -> None:
    """Gives a network a strength of its classes, which `set_class_strength` moves from 0 to 1 (arXiv:2201.06578)."""
    for module in network.modules():
        if isinstance(module, ConditionedLatent | ProjectionHead):
            module.strength = torch.zeros(())


def set_class_strength(network: nn.Module, strength: float) -> None:
    """How much classes count: 0 not at all, 1 in full. Networks that were not made so stay as they are."""
    for module in network.modules():
        if isinstance(module, ConditionedLatent | ProjectionHead) and module.strength is not None:
            module.strength.fill_(strength)


class AuxiliaryHead(nn.Module):
    """A logit without the class, and a class loss of its own: D2D-CE of ReACGAN (arXiv:2111.01118, equation 7)."""

    def __init__(
        self, features: int, classes: int, size: int = 512, margin: float = 0.98, temperature: float = 0.5
    ) -> None:
        super().__init__()
        self.classes, self.margin, self.temperature = classes, margin, temperature
        self.linear = nn.Linear(features, 1)
        self.embed = nn.Linear(features, size)
        self.proxies = nn.Embedding(classes, size)

    @property
    def level(self) -> nn.Parameter | None:
        """What shifts all logits alike."""
        return self.linear.bias

    def forward(self, features: Float[Tensor, "b f"], labels: Int64[Tensor, " b"] | None) -> Float[Tensor, " b"]:
        require_labels(labels, self.classes)
        return self.linear(features).squeeze(1)

    def class_loss(self, features: Float[Tensor, "b f"], labels: Int64[Tensor, " b"]) -> Float[Tensor, ""]:
        """Cross-entropy between items' embeddings f_i, their class's proxy w_i and the items of other classes.

        With a_i = relu(margin - f_i . w_i) / T: mean of a_i + log(e^-a_i + sum_{j: y_j != y_i} e^(relu(f_i . f_j - 1 +
        margin) / T)), all vectors of length 1. Easy positives and easy negatives have no gradient.
        """
        codes = self.embed(features)
        codes = F.normalize(codes.to(torch.promote_types(codes.dtype, torch.float32)), dim=1)
        proxies = F.normalize(self.proxies(labels).to(codes.dtype), dim=1)
        positive = F.relu(self.margin - (codes * proxies).sum(1)) / self.temperature
        negative = F.relu(codes @ codes.t() - 1 + self.margin) / self.temperature
        negative = negative.masked_fill(labels[:, None] == labels[None], -torch.inf)
        return (positive + torch.logsumexp(torch.cat([-positive[:, None], negative], 1), 1)).mean()


def class_head(features: int, classes: int, conditioning: str) -> nn.Module:
    """What turns features into logits: by projection, or with an auxiliary class loss."""
    return (
        AuxiliaryHead(features, classes)
        if classes and conditioning == "auxiliary"
        else ProjectionHead(features, classes)
    )
