"""From one kind of image to another: learn from pairs how filled shapes become outlines, and translate a folder."""

from pathlib import Path

import numpy as np

from augan import translate
from augan.data import write_folder
from shapes import images_to_train, shapes

filled, _ = shapes(60, side=32)
inner = (
    np.roll(filled, 2, axis=1) & np.roll(filled, -2, axis=1) & np.roll(filled, 2, axis=2) & np.roll(filled, -2, axis=2)
)
write_folder(filled, None, None, Path("filled"))
write_folder(np.where(inner > 0, 0, filled), None, None, Path("outlines"))
run = translate.train("filled", "outlines", paired=True, images=images_to_train(), out="run", settings=["width=8"])
found = translate.apply(translate.load(run.path), "filled", "translated")
print(found.done, "images in", found.out)
