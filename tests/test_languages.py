"""README.md in other languages says the same: commands, code in sentences, headings, pictures and where links lead."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ENGLISH = (ROOT / "README.md").read_text(encoding="utf-8")
TRANSLATIONS = sorted(path.name for path in ROOT.glob("README.*.md"))


def blocks(text: str) -> list[str]:
    return re.findall(r"^```.*?^```", text, re.S | re.M)


def headings(text: str) -> list[int]:
    """The levels of the headings, in order."""
    return [len(marks) for marks in re.findall(r"^(#+) ", re.sub(r"```.*?```", "", text, flags=re.S), re.M)]


def code(text: str) -> Counter[str]:
    """Code in sentences; a line break in it is a space."""
    return Counter(
        " ".join(words.split()) for words in re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    )


def links(text: str) -> Counter[str]:
    return Counter(link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not link.startswith("README"))


def test_there_is_a_chinese_one() -> None:
    assert "README.zh-CN.md" in TRANSLATIONS
    assert "(README.zh-CN.md)" in ENGLISH


@pytest.mark.parametrize("name", TRANSLATIONS)
def test_it_says_the_same(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert blocks(text) == blocks(ENGLISH)
    assert headings(text) == headings(ENGLISH)
    assert code(text) == code(ENGLISH)
    assert links(text) == links(ENGLISH)


def test_a_difference_is_seen() -> None:
    assert blocks(ENGLISH.replace("--minutes 30", "--minutes 3", 1)) != blocks(ENGLISH)
    assert headings(ENGLISH + "\n## More\n") != headings(ENGLISH)
    assert code(ENGLISH.replace("`--json`", "`--jsons`")) != code(ENGLISH)
    assert links(ENGLISH.replace("docs/cli.md", "docs/data.md")) != links(ENGLISH)
