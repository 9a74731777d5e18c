"""The page of an evaluation: whole, self-contained, true to the numbers."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import augan
from common import shapes

VOID = {"meta", "img", "br", "polyline"}


class Balance(HTMLParser):
    """Notes whether every element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            values = dict(attrs)
            assert values.get("alt")
            self.images.append(values["src"] or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def page(path: Path) -> tuple[str, Balance]:
    text = path.read_text(encoding="utf-8")
    parser = Balance()
    parser.feed(text)
    assert parser.open == []
    return text, parser


def test_page_of_labelled_images(bars_npz: Path, bars_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    fresh = shapes({"high": 20, "middle": 20, "low": 20}, seed=4)
    found = augan.evaluate(bars_folder, bars_npz, holdout=fresh[0], html=path, accuracy_score=True)
    text, parser = page(path)
    assert not re.search(r'(src|href)="(?!data:)', text)  # nothing is loaded from elsewhere
    assert f"{found['recall']:.3f}" in text
    assert found.features["hash"] in text
    for title in ("Measures", "Classes", "Best samples", "Worst samples", "nearest to a real image", "Spectra"):
        assert title in text
    assert len(parser.images) == 12 + 12 + 12 * 4
    picture = Image.open(io.BytesIO(base64.b64decode(parser.images[0].partition(",")[2])))
    assert picture.size == (16, 16)
    rows = [np.asarray(Image.open(io.BytesIO(base64.b64decode(src.partition(",")[2])))) for src in parser.images[24:28]]
    assert np.array_equal(rows[0], rows[1])  # the samples are the real images: the nearest is the same


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_page_of_plain_arrays(channels: int, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    real, fake = (random.integers(0, 256, (30, 12, 12, channels), dtype=np.uint8) for _ in range(2))
    augan.evaluate(fake, real, html=tmp_path / "page.html")
    text, parser = page(tmp_path / "page.html")
    assert "Classes" not in text
    assert len(parser.images) == 12 + 12 + 12 * 4
    assert "Not measured" in text


def test_names_are_escaped(bars_npz: Path, tmp_path: Path) -> None:
    folder = tmp_path / "<b>x"
    images, labels = shapes({"high": 12, "middle": 12, "low": 12}, seed=4)
    augan.data.write_folder(images, labels, ("high", "middle", "low"), folder)
    augan.evaluate(folder, bars_npz, html=tmp_path / "page.html")
    assert "<b>x" not in page(tmp_path / "page.html")[0]


def test_a_page_of_a_run(tiny_run: augan.Run, bars_npz: Path, tmp_path: Path) -> None:
    augan.evaluate(tiny_run.path, bars_npz, html=tmp_path / "page.html", count=60)
    assert "60 samples against 60 of 110 real images" in page(tmp_path / "page.html")[0]
