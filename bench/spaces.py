"""Do feature spaces rank known corruptions, lost classes and the checkpoints of a run as they should?

The corruptions are those by which the Fréchet inception distance was introduced (arXiv:1706.08500, section 4: noise,
blur, rectangles, swirl, salt and pepper, foreign images), at four strengths from none; and lost classes and repeated
images beside them. Real images are 1,000 of a data set, which the in-domain space also learns from; the corrupted ones
are 1,000 others. A distance should rise at every step; a fall by less than twice its standard error is said
apart (which is lenient: both values come from the same images).

Data: the demo's digits; Fashion-MNIST, where the Debian package dataset-fashion-mnist is installed; CIFAR-10 as a zip
of class folders at $AUGAN_BENCH_DATA/cifar10.zip, where that is set. What is missing is left out, and said.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

import augan
from augan.core.item import to_unit
from augan.data import cache_folder, demo_digits
from augan.metrics import (
    FeatureSpace,
    frechet_distance,
    frechet_estimate,
    kernel_distance,
    open_space,
    train_extractor,
)
from bench.report import table, write_section
from bench.sets import Missing, cifar, fashion

COUNT = 1_000
STRENGTHS = (0, 1, 2, 3)
Images = np.ndarray
Corruption = Callable[[Images, np.ndarray, int, np.random.Generator], Images]


def _noise(images: Images, labels: np.ndarray, strength: int, random: np.random.Generator) -> Images:
    levels = images + random.normal(0, 15 * strength, images.shape)
    return levels.clip(0, 255).astype(np.uint8)


def _blur(images: Images, labels: np.ndarray, strength: int, random: np.random.Generator) -> Images:
    sigma = 0.5 * strength
    offsets = torch.arange(-4.0, 5.0)
    window = torch.exp(-(offsets**2) / (2 * sigma**2))
    window /= window.sum()
    values = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    channels = values.shape[1]
    for axis in (0, 1):
        shape = (channels, 1, 9, 1) if axis == 0 else (channels, 1, 1, 9)
        padding = (0, 0, 4, 4) if axis == 0 else (4, 4, 0, 0)
        kernel = window.view(1, 1, *shape[2:]).expand(shape)
        values = F.conv2d(F.pad(values, padding, mode="reflect"), kernel.contiguous(), groups=channels)
    return values.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()


def _rectangles(images: Images, labels: np.ndarray, strength: int, random: np.random.Generator) -> Images:
    """Two grey squares, with sides of an eighth, a quarter and three eighths of the image."""
    result, side = images.copy(), images.shape[1]
    size = side * strength // 8
    for image in result:
        for _ in range(2):
            top, left = random.integers(0, side - size, 2)
            image[top : top + size, left : left + size] = 128
    return result


def _swirl(images: Images, labels: np.ndarray, strength: int, random: np.random.Generator) -> Images:
    """A turn about the centre that falls off outwards."""
    values = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    line = torch.linspace(-1, 1, images.shape[1])
    y, x = torch.meshgrid(line, line, indexing="ij")
    angle = 0.7 * strength * torch.exp(-2 * (x**2 + y**2))
    grid = torch.stack([x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()], -1)
    turned = F.grid_sample(values, grid.expand(len(values), -1, -1, -1), padding_mode="border", align_corners=True)
    return turned.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()


def _salt(images: Images, labels: np.ndarray, strength: int, random: np.random.Generator) -> Images:
    result, drawn = images.copy(), random.random(images.shape[:3])
    result[drawn < 0.02 * strength] = 0
    result[drawn > 1 - 0.02 * strength] = 255
    return result


def _foreign(images: Images, labels: np.ndarray, strength: int, random: np.random.Generator) -> Images:
    """A share of the images is turned upside down and negative."""
    result = images.copy()
    chosen = random.permutation(len(images))[: len(images) * strength // 6]
    result[chosen] = 255 - result[chosen, ::-1]
    return result


def _lost(images: Images, labels: np.ndarray, strength: int, random: np.random.Generator) -> Images:
    """Two, four, six classes are lost; the others take their place."""
    kept = np.flatnonzero(labels >= 2 * strength)
    return images[random.choice(kept, len(images), replace=len(kept) < len(images))]


def _repeated(images: Images, labels: np.ndarray, strength: int, random: np.random.Generator) -> Images:
    """Only 200, 50, 12 different images."""
    return images[np.arange(len(images)) % (200 // 4 ** (strength - 1))]


CORRUPTIONS: dict[str, Corruption] = {
    "noise": _noise,
    "blur": _blur,
    "rectangles": _rectangles,
    "swirl": _swirl,
    "salt and pepper": _salt,
    "foreign images": _foreign,
    "lost classes": _lost,
    "repeated images": _repeated,
}


def corrupted(name: str, images: Images, labels: np.ndarray, strength: int) -> Images:
    """The images at that strength; 0 leaves them."""
    if strength == 0:
        return images
    return CORRUPTIONS[name](images, labels, strength, np.random.default_rng(strength))


def _photographs() -> tuple[Images, np.ndarray]:
    images, labels = cifar()[:2]
    chosen = np.random.default_rng(0).permutation(len(images))[:5000]
    return images[chosen], labels[chosen]


def data_sets() -> tuple[dict[str, tuple[Images, np.ndarray]], list[str]]:
    """Those that are here, by name; and what is missing."""
    found: dict[str, tuple[Images, np.ndarray]] = {"digits": demo_digits()}
    missing = []
    readers = {"Fashion-MNIST": lambda: tuple(part[:5000] for part in fashion()[:2]), "CIFAR-10": _photographs}
    for name, read in readers.items():
        try:
            images, labels = read()
            found[name] = images, labels
        except Missing as error:
            missing.append(str(error))
    return found, missing


def spaces(images: Images, labels: np.ndarray) -> dict[str, FeatureSpace]:
    """In-domain with and without labels, made from the images; and the bundled one."""
    labelled, plain = augan.open((images, labels)), augan.open(images)
    return {
        "in-domain, labels": train_extractor(labelled),
        "in-domain, no labels": train_extractor(plain),
        "bundled": open_space("bundled", plain, plain.key, cache_folder()),
    }


def _rises(values: list[float]) -> bool:
    return all(a < b for a, b in zip(values, values[1:], strict=False))


def verdict(values: list[float], error: Callable[[int], float]) -> str:
    """'rises'; 'rises but for steps within the error' of the value after them; or 'does not'."""
    if _rises(values):
        return "rises"
    falls = [index for index in range(1, len(values)) if values[index] <= values[index - 1]]
    if values[-1] > values[0] and all(values[k - 1] - values[k] < 2 * error(k) for k in falls):
        return "within error"
    return "**does not**"


def corruption_table(name: str, images: Images, labels: np.ndarray) -> tuple[str, dict[str, int]]:
    """Distances at each strength, in each space."""
    if images.ndim == 3:
        images = images[..., None]
    order = np.random.default_rng(1).permutation(len(images))
    real, fresh = order[:COUNT], order[COUNT : 2 * COUNT]
    learnt = np.concatenate([real, order[2 * COUNT :]])
    rows: list[list[str]] = []
    counts: dict[str, int] = {}
    for title, space in spaces(images[learnt], labels[learnt]).items():
        base = space.features(to_unit(images[real]))
        clean = space.features(to_unit(images[fresh]))
        for corruption in CORRUPTIONS:
            sets = [
                clean
                if strength == 0
                else space.features(to_unit(corrupted(corruption, images[fresh], labels[fresh], strength)))
                for strength in STRENGTHS
            ]
            distances = [frechet_distance(base, one) for one in sets]
            estimates = [kernel_distance(base, one) for one in sets]
            kernels = [one.value for one in estimates]
            words = [
                verdict(distances, lambda k, base=base, sets=sets: frechet_estimate(base, sets[k]).error or 0.0),
                verdict(kernels, lambda k, estimates=estimates: estimates[k].error or 0.0),
            ]
            for word in words:
                counts[word] = counts.get(word, 0) + 1
            cells = [" ".join(f"{value:.3g}" for value in row) for row in (distances, kernels)]
            rows.append([title, corruption, cells[0], words[0], cells[1], words[1]])
            print(name, *rows[-1], flush=True)
    header = ["space", "corruption", "Fréchet at strengths 0 to 3", "", "kernel", ""]
    return table(header, rows), counts


BUDGETS = (500, 1_500, 4_000, 10_000, 30_000)


def checkpoint_table(images: Images, labels: np.ndarray) -> str:
    """The samples of one run after more and more images: distances in each space."""
    order = np.random.default_rng(1).permutation(len(images))
    real, learnt = order[:COUNT], order[COUNT:]
    base_images = images[real][..., None] if images.ndim == 3 else images[real]
    all_spaces = spaces(images[learnt], labels[learnt])
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        settings = ["training.measure_images=0", "training.snapshots=1"]
        source = augan.open((images[learnt], labels[learnt]))
        samples = []
        for index, budget in enumerate(BUDGETS):
            augan.train(
                source, images=budget, out=run, recipe="strided", settings=[] if index else settings, resume=index > 0
            )
            drawn = augan.load(run, which="last").sample(COUNT, [int(label) for label in labels[real]], seed=0)
            samples.append(drawn.clone())
    for title, space in all_spaces.items():
        base = space.features(to_unit(base_images))
        sets = [space.features(one) for one in samples]
        distances = [frechet_distance(base, one) for one in sets]
        kernels = [kernel_distance(base, one).value for one in sets]
        rows.append(
            [title]
            + [f"{a:.3g} / {b:.3g}" for a, b in zip(distances, kernels, strict=True)]
            + ["falls" if _rises(distances[::-1]) and _rises(kernels[::-1]) else "**does not**"]
        )
        print(*rows[-1], flush=True)
    return table(["space", *(f"{budget:,} images" for budget in BUDGETS), ""], rows)


def main() -> None:
    """Runs the benchmark."""
    found, missing = data_sets()
    parts = []
    for name, (images, labels) in found.items():
        text, counts = corruption_table(name, images, labels)
        title = f"{name}: {counts.get('rises', 0)} of {sum(counts.values())} rise at every step"
        if counts.get("within error"):
            title += f", {counts['within error']} but for falls within twice the error"
        parts.append(f"### {title}\n\n{text}")
    digits = found["digits"]
    parts.append(
        "### Checkpoints of one run on digits\n\nFréchet / kernel distance to 1,000 real digits, of 1,000 samples "
        f"after so many images of training.\n\n{checkpoint_table(*digits)}"
    )
    if missing:
        parts.append("Left out: " + "; ".join(missing) + ".")
    intro = "1,000 corrupted images against 1,000 real ones, which the in-domain space has learnt from."
    write_section("spaces", "How feature spaces rank corruptions and checkpoints", "\n\n".join([intro, *parts]))


if __name__ == "__main__":
    main()
