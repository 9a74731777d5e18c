"""Fill up the smaller classes of a folder with synthetic images."""

from pathlib import Path

import augan
from augan.data import write_folder
from shapes import SETTINGS, images_to_train, shapes

images, labels = shapes(300)
write_folder(images, labels, ("disc", "square"), Path("photos"))
run = augan.train("photos", images=images_to_train(), out="run", settings=SETTINGS)
result = augan.augment("photos", "balanced", run=run.path)
print(result.real, "+", result.added, "in", result.out)
