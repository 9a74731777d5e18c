"""Lays the pages out for mkdocs: `python -m docs.site` writes site-src/, which `mkdocs build` reads (mkdocs.yml).

Pages keep their places, so that links between them stay as they are; README.md becomes the front page. What leads to
code, which the site does not hold, becomes plain text.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
OUT = ROOT / "site-src"
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]*)(#[^)\s]*)?\)")


def pages() -> list[Path]:
    """All pages, below the root."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return sorted(path.relative_to(ROOT) for path in found)


def laid_out(text: str, page: Path, known: set[str]) -> str:
    """A page with its links as they are on the site."""

    def link(match: re.Match[str]) -> str:
        picture, words, path, anchor = match[1], match[2], match[3], match[4] or ""
        if not path or "://" in path:
            return match[0]
        target = (ROOT / page.parent / path).resolve()
        inside = target.relative_to(ROOT).as_posix()
        if inside == "README.md":
            inside, path = "index.md", re.sub("README.md$", "index.md", path)
        if inside in known:
            return f"{picture}[{words}]({path}{anchor})"
        return words

    return LINK.sub(link, text)


def main() -> int:
    """Writes site-src/ anew."""
    shutil.rmtree(OUT, ignore_errors=True)
    names = pages()
    pictures = [path.relative_to(ROOT) for path in (ROOT / "docs/images").iterdir()]
    known = {path.as_posix() for path in [*names, *pictures]} | {"index.md"}
    for page in names:
        target = OUT / ("index.md" if page.as_posix() == "README.md" else page)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(laid_out((ROOT / page).read_text(encoding="utf-8"), page, known), encoding="utf-8")
    for picture in pictures:
        (OUT / picture).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / picture, OUT / picture)
    print(f"{len(names)} pages in {OUT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
