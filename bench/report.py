"""Sections of docs/benchmarks.md, each written by the benchmark that measured it."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Written by the benchmarks (`make bench`), each of which replaces its own section. Compare numbers within a section only:
they come from one run on one machine.
"""


def machine() -> str:
    """Processor, cores, versions, date."""
    import torch

    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = re.search(r"model name\s*:\s*(.+)", info.read_text())
        name = found[1] if found else name
    return (
        f"{name}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}, "
        f"PyTorch {torch.__version__}, {date.today().isoformat()}"
    )


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def write_section(name: str, title: str, body: str, machines: Iterable[str] = ()) -> None:
    """Puts the section called `name` into the page, in place of its former self.

    `machines`: where its cells were measured, if that was not here and now.
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    where = "; ".join(sorted(set(machines))) or machine()
    section = f"{begin}\n## {title}\n\n{where}\n\n{body.strip()}\n{end}"
    text = PAGE.read_text() if PAGE.exists() else HEAD
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.S)
    text = pattern.sub(lambda _: section, text) if pattern.search(text) else f"{text.rstrip()}\n\n{section}\n"
    PAGE.write_text(text)
    print(section)
