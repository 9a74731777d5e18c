"""Any shell, any platform: completion, no colour where it is not wanted, nothing that only a POSIX fork can do."""

from __future__ import annotations

import ast
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from augan.cli.app import app
from augan.cli.console import runs_table, show_verdict

SOURCES = sorted((Path(__file__).parents[2] / "src/augan").rglob("*.py"))
POSIX_ONLY = {"fork", "forkpty", "sched_getaffinity", "getuid", "geteuid", "setsid", "killpg", "mkfifo", "sync"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_the_commands(shell: str) -> None:
    asked = {"_AUGAN_COMPLETE": f"complete_{shell}", "COMP_WORDS": "augan ex", "COMP_CWORD": "1"}
    asked |= {"_TYPER_COMPLETE_ARGS": "augan ex", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    result = CliRunner().invoke(app, [], prog_name="augan", env=asked)
    assert "export" in result.stdout
    assert "train" not in result.stdout


def test_the_help_offers_it() -> None:
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "100"}).stdout
    assert "--install-completion" in shown


def shown(monkeypatch: pytest.MonkeyPatch, terminal: bool, no_color: str | None) -> str:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal or None, color_system="auto")
    show_verdict(console, {"word": "HELPS", "reasons": ["it does"]})
    return out.getvalue()


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[1;32mHELPS" in shown(monkeypatch, terminal=True, no_color=None)
    assert "\x1b" not in shown(monkeypatch, terminal=False, no_color=None)
    assert "32m" not in shown(monkeypatch, terminal=True, no_color="1")  # bold is no colour


def test_commands_write_no_escapes_into_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in (["--help"], ["train", "--help"], ["runs"], ["init"], ["trian"]):
        result = CliRunner().invoke(app, arguments)
        assert "\x1b" not in result.stdout + result.stderr, arguments


def test_the_first_look_says_how_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["runs"])
    assert result.exit_code == 0
    assert "augan demo" in result.stdout
    assert CliRunner().invoke(app, ["runs", "--json"]).stdout.strip() == "[]"
    assert CliRunner().invoke(app, ["runs", "elsewhere"]).exit_code == 2
    out = io.StringIO()
    runs_table(Console(file=out), [], tmp_path / "[bold]")
    assert "[bold]" in out.getvalue()


def uses(path: Path) -> set[str]:
    """What of `os` a file uses that not every platform has, unless it asks by hasattr first; and forking."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes: list[Any] = list(ast.walk(tree))
    asked = {
        getattr(node.args[1], "value", None)
        for node in nodes
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "hasattr" and len(node.args) == 2
    }
    found = {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "os" and node.attr in POSIX_ONLY
    }
    words = {node.value for node in nodes if isinstance(node, ast.Constant) and node.value in ("fork", "forkserver")}
    imported = {
        name.name
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([ast.alias(node.module or "")] if isinstance(node, ast.ImportFrom) else node.names)
    }
    at_the_top = imported & {"fcntl", "resource", "pwd", "grp", "termios"}
    return (found - asked) | words | at_the_top


def test_nothing_needs_a_fork_or_a_posix_system() -> None:
    assert {path.name: found for path in SOURCES if (found := uses(path))} == {}


def test_what_only_posix_has_would_be_seen(tmp_path: Path) -> None:
    code = tmp_path / "code.py"
    code.write_text("import fcntl, os\nos.fork()\ncontext = get_context('fork')\nos.sched_getaffinity(0)\n")
    assert uses(code) == {"fcntl", "fork", "sched_getaffinity"}
    code.write_text("import os\ncores = os.sched_getaffinity(0) if hasattr(os, 'sched_getaffinity') else None\n")
    assert uses(code) == set()
