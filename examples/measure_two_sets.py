"""Measure any generator's images, in a feature space of your own; here noisy images stand for a poor one."""

import numpy as np
from torch import nn

import augan
from augan.metrics import ModuleSpace, Preprocessing
from shapes import SETTINGS, images_to_train, shapes

real, labels = shapes(300)
holdout, _ = shapes(150, seed=1)
noise = np.random.default_rng(0).normal(0, 40, real.shape)
poor = (shapes(300, seed=2)[0] + noise).clip(0, 255).astype(np.uint8)

found = augan.evaluate((poor, labels), (real, labels), holdout=holdout, html="poor.html")
for name, estimate in found.measures.items():
    print(f"{name:22} {estimate.value:8.3f}   real images: {found.reference.get(name, float('nan')):.3f}")

# Any module that turns (n, c, h, w) into (n, d) can be the feature space.
network = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten())
tiny = ModuleSpace(network, prepare=Preprocessing(channels=3), name="4x4 averages")
run = augan.train((real, labels), images=images_to_train(), out="run", settings=SETTINGS)
print(augan.evaluate(run.path, (real, labels), features=tiny)["kernel"])
