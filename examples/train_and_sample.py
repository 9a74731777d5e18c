"""Train on an array file, load the model, draw samples."""

import numpy as np

import augan
from shapes import SETTINGS, images_to_train, shapes

images, _ = shapes(300)
np.save("real_images.npy", images)
run = augan.train("real_images.npy", images=images_to_train(), out="run", settings=SETTINGS, progress=True)
model = augan.load(run.path)
samples = model.sample(16, seed=7)
print(samples.shape, float(samples.min()), float(samples.max()))
augan.generate(model, 64, "samples.png")
