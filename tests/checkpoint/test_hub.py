"""A model that is given away says what it is, comes back the same, and brings no code with it."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import shutil
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import augan
from augan.checkpoint import Model
from augan.cli.app import app
from augan.core.errors import AuganError, UserError

REAL = importlib.import_module("huggingface_hub") if importlib.util.find_spec("huggingface_hub") else None


@pytest.fixture
def given(tiny_run: augan.Run, tmp_path: Path) -> Path:
    return tiny_run.load().save_pretrained(tmp_path / "bars-gan", licence="cc-by-4.0")


def test_a_model_comes_back_the_same(given: Path, tiny_run: augan.Run) -> None:
    assert sorted(path.name for path in given.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "samples.png",
    ]
    mine, theirs = tiny_run.load(), Model.from_pretrained(given)
    assert theirs.hash == mine.hash == json.loads((given / "config.json").read_text())["generator"]
    assert torch.equal(theirs.sample(5, ["low", "high"], seed=3), mine.sample(5, ["low", "high"], seed=3))
    assert torch.equal(augan.load(given).sample(2), mine.sample(2))
    out = given.parent / "sheet.png"
    result = CliRunner().invoke(app, ["generate", str(given), "--count", "4", "--out", str(out), "--quiet"])
    assert result.exit_code == 0, result.output


def test_it_can_be_given_away_again(given: Path, tmp_path: Path) -> None:
    again = Model.from_pretrained(given).save_pretrained(tmp_path / "again")
    assert (again / "model.safetensors").read_bytes() == (given / "model.safetensors").read_bytes()
    assert json.loads((again / "config.json").read_text()) == json.loads((given / "config.json").read_text())
    assert "The licence of the data was not stated" in (again / "README.md").read_text()


def test_the_card_says_what_the_run_knows(given: Path, tiny_run: augan.Run) -> None:
    card = (given / "README.md").read_text(encoding="utf-8")
    _, front, text = card.split("---\n", 2)
    known = dict(line.split(": ", 1) for line in front.splitlines())
    assert json.loads(known["library_name"]) == "augan"
    assert json.loads(known["license"]) == "cc-by-4.0"
    seen = json.loads((given / "config.json").read_text())["images_seen"]
    (quality,) = [row["quality"] for row in tiny_run.metrics() if "quality" in row and row["images_seen"] == seen]
    for expected in (
        "110 images of `bars`. Licence of the data: cc-by-4.0.",
        "| high | 60 |",
        f"| Fréchet distance | {quality['frechet']:.2f} |",
        "110 images are few",
        f"{quality['near_copies']:.1%} of the samples measured were almost equal to a real image",
        "![Samples of the model](samples.png)",
        'augan.Model.from_pretrained("bars-gan")',
        "`strided` networks",
    ):
        assert expected in text
    assert str(tiny_run.path.parent) not in card  # nobody's folders


def test_loading_runs_nothing_that_lies_there(given: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (given / "modeling_augan.py").write_text("raise SystemExit('this was run')")
    (given / "__init__.py").write_text("raise SystemExit('this was run')")
    (given / "pytorch_model.bin").write_bytes(b"\x80\x04cos\nsystem\n(S'false'\ntR.")
    config = json.loads((given / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "modeling_augan.Model"}
    (given / "config.json").write_text(json.dumps(config))

    def never(*arguments: Any, **options: Any) -> None:
        raise AssertionError("a pickle was read")

    monkeypatch.setattr(torch, "load", never)
    assert Model.from_pretrained(given).sample(1).shape == (1, 1, 16, 16)


@pytest.mark.parametrize("field", ["item", "networks", "format"])
def test_a_damaged_folder_is_named(field: str, given: Path) -> None:
    config = json.loads((given / "config.json").read_text())
    config[field] = {"name": "os.system"} if field != "format" else 99
    (given / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError):
        Model.from_pretrained(given)


def test_what_is_there_is_not_overwritten(given: Path, tiny_run: augan.Run) -> None:
    before = (given / "README.md").read_bytes()
    with pytest.raises(UserError):
        tiny_run.load().save_pretrained(given)
    assert (given / "README.md").read_bytes() == before


class Hub:
    """Stands for the Hub: keeps folders by repository name."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.calls = folder, []  # type: ignore[var-annotated]

    def module(self) -> types.ModuleType:
        """A huggingface_hub whose calls come here; where the real one is installed, they must fit its signatures."""
        hub, fake = self, types.ModuleType("huggingface_hub")

        def fits(name: str, *arguments: Any, **options: Any) -> None:
            if REAL is not None:
                inspect.signature(getattr(REAL.HfApi, name)).bind(None, *arguments, **options)

        class HfApi:
            def __init__(self, token: str | None = None) -> None:
                hub.calls.append(("token", token))

            def create_repo(self, **options: Any) -> Any:
                fits("create_repo", **options)
                hub.calls.append(("create", options["repo_id"], options["private"], options["exist_ok"]))
                if options["repo_id"].startswith("forbidden/"):
                    raise PermissionError("403 Forbidden")
                return types.SimpleNamespace(repo_id=options["repo_id"])

            def upload_folder(self, **options: Any) -> str:
                fits("upload_folder", **options)
                shutil.copytree(options["folder_path"], hub.folder / options["repo_id"])
                return f"https://hub/{options['repo_id']}/commit/1"

        def snapshot_download(repo_id: str, **options: Any) -> str:
            fits("snapshot_download", repo_id, **options)
            if not (hub.folder / repo_id).exists():
                raise OSError("404 Repository not found")
            return str(hub.folder / repo_id)

        fake.HfApi, fake.snapshot_download = HfApi, snapshot_download  # type: ignore[attr-defined]
        return fake


def test_pushed_and_loaded_by_name(tiny_run: augan.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(tmp_path)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub.module())
    model = tiny_run.load()
    assert model.push_to_hub("me/bars", private=True, token="secret", licence="mit") == "https://hub/me/bars/commit/1"
    assert hub.calls == [("token", "secret"), ("create", "me/bars", True, True)]
    assert sorted(path.name for path in (tmp_path / "me/bars").iterdir())[0] == "README.md"
    assert 'from_pretrained("me/bars")' in (tmp_path / "me/bars/README.md").read_text()
    assert torch.equal(Model.from_pretrained("me/bars").sample(3), model.sample(3))
    with pytest.raises(AuganError, match="The Hub does not give me/none: 404"):
        Model.from_pretrained("me/none")
    with pytest.raises(AuganError, match="The Hub does not take forbidden/bars: 403"):
        model.push_to_hub("forbidden/bars")


def test_without_the_library(tiny_run: augan.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for call in (lambda: tiny_run.load().push_to_hub("me/bars"), lambda: Model.from_pretrained("me/bars")):
        with pytest.raises(UserError, match=r"pip install 'augan\[hub\]'"):
            call()
    with pytest.raises(UserError, match="not the name of a repository"):
        Model.from_pretrained("no/such/folder")
