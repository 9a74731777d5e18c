"""Train against a discriminator of your own: any module with forward(images[, labels]) -> (b,) logits."""

import torch
from torch import nn

import augan
from shapes import SETTINGS, images_to_train, shapes


class Mine(nn.Module):
    """Judges an image by its class's row of logits."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 32, 4, 2, 1), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(2048, 2))

    def forward(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return self.layers(images).gather(1, labels[:, None]).squeeze(1)


run = augan.train(shapes(300), images=images_to_train(), out="run", settings=SETTINGS, discriminator=Mine())
print(run.load().sample(4).shape)
