"""Train a generator of your own: any module with `latent_size`, `classes` and forward(latents[, labels])."""

import torch
from torch import nn

import augan
from shapes import SETTINGS, images_to_train, shapes


class Mine(nn.Module):
    """(b, 32) -> (b, 3, 16, 16) in [-1, 1], without classes."""

    latent_size, classes = 32, 0

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(32, 256), nn.ReLU(), nn.Linear(256, 3 * 16 * 16), nn.Tanh())

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        return self.layers(latents).view(-1, 3, 16, 16)


images, _ = shapes(300)
run = augan.train(images, images=images_to_train(), out="run", settings=SETTINGS, generator=Mine())
model = augan.load(run.path, generator=Mine())  # a file holds weights, never code: the module comes from you
print(model.sample(4).shape)
