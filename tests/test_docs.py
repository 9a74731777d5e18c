"""The documentation is true: generated pages are fresh, links lead somewhere, commands parse, names are mentioned."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

import augan
from augan.cli.app import app
from augan.game import AUGMENTATIONS, OBJECTIVES
from augan.networks import NETWORKS
from augan.recipes import RECIPES

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TEXT = {page.relative_to(ROOT).as_posix(): page.read_text() for page in PAGES}


def test_generated_pages_are_fresh() -> None:
    result = subprocess.run([sys.executable, "-m", "docs.build", "--check"], cwd=ROOT, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("page", TEXT)
def test_links_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", TEXT[page]):
        if not link.startswith(("http://", "https://")):
            assert ((ROOT / page).parent / link).exists(), link


def commands() -> list[tuple[str, str]]:
    found = []
    for page, text in TEXT.items():
        for block in re.findall(r"```\n(.*?)```", text, re.S):
            found += [(page, line) for line in block.splitlines() if line.startswith("augan ")]
    return found


def test_commands_exist() -> None:
    group: Any = typer.main.get_command(app)
    assert len(commands()) > 10
    for page, line in commands():
        _, name, *rest = shlex.split(line)
        assert name in group.commands, (page, line)
        known = {option for parameter in group.commands[name].params for option in parameter.opts}
        for part in rest:
            assert not part.startswith("--") or part in known, (page, line)


@pytest.mark.parametrize("page", TEXT)
def test_python_blocks_compile(page: str) -> None:
    for block in re.findall(r"```python\n(.*?)```", TEXT[page], re.S):
        ast.parse(block)


@pytest.mark.parametrize("name", [*RECIPES, *OBJECTIVES, *AUGMENTATIONS, *NETWORKS])
def test_every_name_is_documented(name: str) -> None:
    assert any(f"`{name}`" in text or f"## {name}" in text for text in TEXT.values())


MODULES = sorted(module.name for module in pkgutil.walk_packages(augan.__path__, "augan."))


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_doctests(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_settings_in_docs_exist() -> None:
    known = set(re.findall(r"`((?:data|networks|game|training)\.\w+)`", TEXT["docs/settings.md"]))
    prefixes = r"`((?:data|networks|game|training)\.(?!py|json)\w+)(?:=[^`]*)?`"
    for page, text in TEXT.items():
        mentioned = set(re.findall(prefixes, text))
        assert {name for name in mentioned if name.count(".") == 1} <= known, page
