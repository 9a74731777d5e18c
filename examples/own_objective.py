"""Train with an objective of your own: two losses, each a function of (real logits, fake logits)."""

from torch.nn.functional import relu

import augan
from augan.game import Objective
from shapes import SETTINGS, images_to_train, shapes

wide_hinge = Objective(
    discriminator_loss=lambda real, fake: relu(2 - real).mean() + relu(2 + fake).mean(),
    generator_loss=lambda real, fake: -fake.mean(),
)
run = augan.train(shapes(300), images=images_to_train(), out="run", settings=SETTINGS, objective=wide_hinge)
print(run.load().sample(4).shape)
