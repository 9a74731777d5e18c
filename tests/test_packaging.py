"""What is shipped: extras that exist and are described, versions that are pinned, a site whose links hold."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import augan

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
FOR_MAKERS = {"bench", "dev", "rivals", "test"}


def test_every_extra_that_an_error_names_exists() -> None:
    named = set()
    for path in (ROOT / "src/augan").rglob("*.py"):
        named |= set(re.findall(r'require\("[\w.]+", "(\w+)"', path.read_text(encoding="utf-8")))
    assert len(named) >= 8
    assert named <= set(EXTRAS)


def test_all_holds_every_extra_of_users_but_the_large_loggers() -> None:
    (entry,) = EXTRAS["all"]
    held = set(entry.removeprefix("augan[").removesuffix("]").split(","))
    assert held == set(EXTRAS) - FOR_MAKERS - {"all", "wandb", "mlflow"}


def test_extras_are_described_where_releases_are() -> None:
    page = (ROOT / "docs/release.md").read_text(encoding="utf-8")
    described = {name for row in re.findall(r"^\| (`.+?) \|", page, re.M) for name in re.findall(r"`(\w+)`", row)}
    assert described == set(EXTRAS) - FOR_MAKERS


def test_what_tests_need_is_pinned() -> None:
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().split()}
    wanted, seen = ["augan[test]"], set()
    while wanted:
        name, _, rest = wanted.pop().partition("[")
        if name == "augan":
            wanted += [entry for extra in rest.rstrip("]").split(",") for entry in EXTRAS[extra]]
        else:
            seen.add(re.split(r"[<>=!~;]", name)[0].lower().replace("_", "-"))
    assert seen <= pinned
    assert {re.split(r"[<>=]", entry)[0].lower() for entry in PROJECT["dependencies"]} <= pinned


def test_the_image_is_built_from_pinned_versions_and_extras_that_exist() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    for line in re.findall(r"^RUN pip install.*$", text, re.M):
        assert "--constraint constraints.txt" in line
    (extras,) = re.findall(r"'\.\[([\w,]+)\]'", text)
    assert set(extras.split(",")) <= set(EXTRAS)
    copied = {name for line in re.findall(r"^COPY (.+)$", text, re.M) for name in line.split()[:-1]}
    assert all((ROOT / name).exists() for name in copied)
    allowed = set(re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.M))
    assert copied <= allowed


def test_the_version_is_the_codes() -> None:
    assert PROJECT["dynamic"] == ["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", augan.__version__)
    assert f"## {augan.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_sites_links_lead_to_its_own_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    site: Any = importlib.import_module("docs.site")
    monkeypatch.setattr(site, "OUT", tmp_path / "site-src")
    assert site.main() == 0
    pages = sorted((tmp_path / "site-src").rglob("*.md"))
    assert tmp_path / "site-src/index.md" in pages
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)\s#]+)", page.read_text(encoding="utf-8"))]
    own = [(page, link) for page, link in links if "://" not in link]
    assert len(own) > 100
    assert [(page.name, link) for page, link in own if not (page.parent / link).exists()] == []
