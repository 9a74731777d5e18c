"""Train on a torch Dataset of your own: it is read once, and then lies in augan's cache."""

import torch

import augan
from shapes import SETTINGS, images_to_train, shapes


class Shapes(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """(3, h, w) float tensors in [0, 1] and whole numbers."""

    def __init__(self) -> None:
        self.images, self.labels = shapes(300)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return torch.from_numpy(self.images[index]).permute(2, 0, 1) / 255, int(self.labels[index])


run = augan.train(Shapes(), images=images_to_train(), out="run", settings=SETTINGS)
print(run.load().sample(4, classes=["0", "1"]).shape)
