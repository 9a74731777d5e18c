"""The documentation is true: generated pages are fresh, links lead somewhere, commands parse, Python runs, names and
quoted messages are the code's."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

import augan
from augan.cli.app import app
from augan.game import AUGMENTATIONS, OBJECTIVES, penalties
from augan.networks import NETWORKS
from augan.networks.build import CLIP_NETWORKS
from augan.recipes import RECIPES
from augan.recipes.recipes import CLIP_RECIPES

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TEXT = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
MODULES = sorted(module.name for module in pkgutil.walk_packages(augan.__path__, "augan."))
PENALTIES = [name for name, _ in inspect.getmembers(penalties, inspect.isfunction) if "penalty" in name]
GROUP: Any = typer.main.get_command(app)


def build(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "docs.build", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_generated_pages_are_fresh() -> None:
    result = build("--check")
    assert result.returncode == 0, result.stderr


def test_a_stale_page_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(ROOT)
    pages: Any = importlib.import_module("docs.build")
    monkeypatch.setattr(pages, "FOLDER", tmp_path)
    monkeypatch.setattr(sys, "argv", ["build"])
    assert pages.main() == 0
    (tmp_path / "cli.md").write_text("old")
    monkeypatch.setattr(sys, "argv", ["build", "--check"])
    capsys.readouterr()
    assert pages.main() == 1
    assert "docs/cli.md" in (said := capsys.readouterr().err)
    assert "settings.md" not in said


def test_a_setting_without_a_meaning_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    pages: Any = importlib.import_module("docs.build")
    import dataclasses

    @dataclasses.dataclass
    class Config:
        """A group.

        Attributes:
            known: what it is.
        """

        known: int = 0
        unknown: int = 0

    with pytest.raises(SystemExit, match="unknown"):
        pages.attributes(Config)


def anchors(text: str) -> set[str]:
    """What GitHub makes of headings."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", TEXT)
def test_links_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", TEXT[page]):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("page", [name for name in TEXT if name.startswith("docs/")])
def test_the_index_leads_to_every_page(page: str) -> None:
    assert page == "docs/index.md" or f"({page.removeprefix('docs/')})" in TEXT["docs/index.md"]


def commands() -> Iterator[tuple[str, str]]:
    """Every command line in a block that is not Python."""
    for page, text in TEXT.items():
        for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.S | re.M):
            if language != "python":
                lines = block.replace("\\\n", " ").splitlines()
                yield from ((page, line.removeprefix("$ ")) for line in lines if re.match(r"(\$ )?augan ", line))


@pytest.mark.parametrize(("page", "line"), sorted(set(commands())))
def test_commands_parse(page: str, line: str) -> None:
    _, name, *rest = shlex.split(line, comments=True)
    assert name in GROUP.commands, page
    command = GROUP.commands[name]
    while hasattr(command, "commands"):
        name, *rest = rest
        assert name in command.commands, line
        command = command.commands[name]
    with command.make_context(name, rest):  # raises for an unknown option or a missing one
        pass


@pytest.mark.parametrize("page", TEXT)
def test_commands_in_sentences_exist(page: str) -> None:
    for line in re.findall(r"`augan ([^`\n]+)`", TEXT[page]):
        words = line.split()
        names = [word for word in words if re.fullmatch(r"[a-z][a-z-]*", word)]
        group = {option for parameter in GROUP.params for option in parameter.opts} | {"--help"}
        named = names[0] if names and words[0] == names[0] else None
        assert named is None or named in GROUP.commands, line
        command = GROUP.commands.get(named)
        if hasattr(command, "commands"):
            assert names[1] in command.commands, line
            command = command.commands[names[1]]
        known = group | ({o for p in command.params for o in (*p.opts, *p.secondary_opts)} if command else set())
        assert {word for word in words if word.startswith("--")} <= known, line


def python_blocks() -> list[tuple[str, str]]:
    return [(page, block) for page, text in TEXT.items() for block in re.findall(r"```python\n(.*?)```", text, re.S)]


@pytest.mark.parametrize(("page", "block"), python_blocks(), ids=[page for page, _ in python_blocks()])
def test_python_blocks(page: str, block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = compile(block, page, "exec")
    if block.startswith("# runs\n"):
        monkeypatch.chdir(tmp_path)
        exec(code, {"__name__": page})
    for node in ast.walk(ast.parse(block)):  # names of the package exist, also where the block is not run
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "augan":
            assert hasattr(augan, node.attr), f"augan.{node.attr}"


def test_some_python_blocks_run() -> None:
    assert sum(block.startswith("# runs\n") for _, block in python_blocks()) >= 2


@pytest.mark.parametrize(
    "name", [*RECIPES, *CLIP_RECIPES, *OBJECTIVES, *AUGMENTATIONS, *NETWORKS, *CLIP_NETWORKS, *PENALTIES]
)
def test_every_name_is_documented(name: str) -> None:
    assert any(f"`{name}`" in text for page, text in TEXT.items() if page.startswith("docs/"))


def test_dotted_names_exist() -> None:
    for page, text in TEXT.items():
        for name in re.findall(r"`(augan(?:\.\w+)+)[`(]", text):
            assert resolves(name), (page, name)


def resolves(name: str) -> bool:
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:count]))
        except ImportError:
            continue
        for part in parts[count:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def test_paths_exist() -> None:
    """Files of the package that the architecture names."""
    for name in re.findall(r"`((?:\w+/)*\w+\.py)`", TEXT["docs/architecture.md"]):
        assert (ROOT / name).exists() or (ROOT / "src/augan" / name).exists(), name


def test_settings_in_docs_exist() -> None:
    known = set(re.findall(r"`((?:data|networks|game|training)\.\w+)`", TEXT["docs/settings.md"]))
    prefixes = r"`(?:--set )?'?((?:data|networks|game|training)\.(?!py|json|md)\w+)(?:=[^`]*)?`"
    for page, text in TEXT.items():
        mentioned = set(re.findall(prefixes, text))
        assert mentioned <= known, (page, mentioned - known)


def test_layers_are_the_contracts() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    assert "\n".join(f"    {layer}" for layer in contract["layers"]) in TEXT["docs/architecture.md"]


@cache
def messages() -> list[tuple[re.Pattern[str], int]]:
    """Every text of the package as a pattern whose variable parts are open, and the length of what is fixed."""
    patterns = []
    for path in sorted((ROOT / "src/augan").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        joined = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
        inside = {id(part) for node in joined for part in node.values}
        for node in ast.walk(tree):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            fixed = [part.value if isinstance(part, ast.Constant) else None for part in parts]
            if id(node) not in inside and any(isinstance(text, str) for text in fixed):
                pattern = "".join(".*" if text is None else re.escape(str(text)) for text in fixed)
                patterns.append((re.compile(pattern), sum(len(str(text)) for text in fixed if text is not None)))
    return patterns


def test_messages_in_docs_are_the_codes() -> None:
    section = TEXT["docs/data.md"].split("## What is refused")[1].split("\n## ")[0]
    quoted = re.findall(r"^\| [^|]+ \| `([^`]+)` \|$", section, re.M)
    assert len(quoted) > 15
    for message in quoted:
        assert any(length > 0.35 * len(message) and pattern.search(message) for pattern, length in messages()), message


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_doctests(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
