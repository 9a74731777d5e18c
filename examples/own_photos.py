"""From a folder of photos to samples, and to an ONNX file for other programs (`pip install 'augan[export]'`)."""

from pathlib import Path

import augan
from augan.data import write_folder
from augan.export import load_onnx
from shapes import SETTINGS, images_to_train, shapes

images, _ = shapes(300)
write_folder(images, None, None, Path("photos"))  # stands for a folder of your own
source = augan.open("photos")
print(f"{len(source)} photos of {source.item.width}x{source.item.height}")
run = augan.train(source, images=images_to_train(), out="run", settings=SETTINGS)
augan.generate(run.load(), 64, "samples.png")
exported = augan.export_model(run.path, onnx="model.onnx")
for form in exported.forms:
    print(f"{form.name}: {form.size_bytes / 1e6:.1f} MB, {form.images_per_sec:,.0f} images/s")
print(load_onnx("model.onnx").sample(4, seed=7).shape)
