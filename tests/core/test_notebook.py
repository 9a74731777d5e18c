"""What objects show of themselves in a notebook: facts and a picture, whole and escaped."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
from PIL import Image

import augan
from augan.augment.verdict import Verdict
from augan.core.notebook import card
from augan.data import ArraySource, subset


def picture(html: str) -> Image.Image:
    """The picture that the HTML holds."""
    (data,) = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    image.load()
    return image


def test_a_card_escapes_what_it_is_told() -> None:
    html = card("<script>", {"a<b": "x&y", "none": None, "many": 12345}, notes=["<i>"], colour="#123456")
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "a&lt;b" in html
    assert "x&amp;y" in html
    assert "12,345" in html
    assert "&lt;i&gt;" in html
    assert "none" not in html
    assert html.count("<div") == html.count("</div>")


def test_a_run_and_its_model(tiny_run: augan.Run) -> None:
    html = tiny_run._repr_html_()
    newest = sorted((tiny_run.path / "samples").iterdir())[-1]
    assert np.array_equal(np.asarray(picture(html)), np.asarray(Image.open(newest)))
    assert "finished" in html
    assert "480" in html
    model = tiny_run.load()
    html = model._repr_html_()
    assert "16 x 16 x 1" in html
    assert "high, middle, low" in html
    assert picture(html).width > 8 * 16


def test_a_source_and_a_part_of_it(bars: ArraySource) -> None:
    html = bars._repr_html_()
    assert "high (60), middle (30), low (20)" in html
    assert picture(html).height > 2 * 16
    assert "high (3)" in subset(bars, np.arange(3))._repr_html_()
    assert "<img" not in subset(bars, np.arange(0))._repr_html_()


def test_a_verdict_shows_its_word_and_why() -> None:
    html = Verdict(word="HURTS", reasons=("'gan' loses < 3 points.",), arm="gan", rival="mixup")._repr_html_()
    assert "HURTS" in html
    assert "&#x27;gan&#x27; loses &lt; 3 points." in html
    assert "#b3261e" in html
