"""Models as folders that can be given away: config.json, model.safetensors, README.md, samples.png; and the Hub.

The layout is that of `huggingface_hub.PyTorchModelHubMixin`. Only JSON and safetensors are ever read.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from augan.checkpoint.card import model_card
from augan.checkpoint.model import Model
from augan.checkpoint.run import Run
from augan.checkpoint.series import SeriesModel, as_windows
from augan.core.errors import AuganError, UserError
from augan.core.files import atomic_folder, read_json, write_json
from augan.core.item import from_unit
from augan.core.optional import require
from augan.core.pictures import save_sheet
from augan.core.plots import save_plots
from augan.core.version import __version__

FILES = ("config.json", "model.safetensors", "README.md", "samples.png")
COLUMNS, ROWS = 8, 8


def save(model: Model, folder: Path, licence: str | None, repository: str | None) -> Path:
    """What `Model.save_pretrained` does."""
    contract, run = _contract(model), _run_of(model)
    with atomic_folder(folder) as temporary:
        tensors = {
            key: value.detach().cpu().contiguous().clone() for key, value in model.generator.state_dict().items()
        }
        save_file(tensors, temporary / "model.safetensors", metadata={"format": "pt"})
        write_json(temporary / "config.json", contract)
        _sheet(model, temporary / "samples.png")
        card = model_card(model.item, contract, run, licence, repository or folder.name)
        (temporary / "README.md").write_text(card, encoding="utf-8")
    return folder


def _contract(model: Model) -> dict[str, Any]:
    """What config.json holds: model.json of the checkpoint, where there is one."""
    known = {} if model.origin is None else read_json(_contract_file(model.origin))
    own = model.contract(known.get("networks"))
    kept = {key: known[key] for key in ("images_seen", "data_key") if key in known}
    return {**own, **kept, "augan": known.get("augan", __version__), "generator": model.hash, "library_name": "augan"}


def _contract_file(checkpoint: Path) -> Path:
    own = checkpoint / "model.json"
    return own if own.exists() else checkpoint / "config.json"


def _run_of(model: Model) -> Run | None:
    """The run folder that the model was loaded from, if that is where its checkpoint lies."""
    if model.origin is None or len(model.origin.resolve().parents) < 2:
        return None
    folder = model.origin.resolve().parents[1]
    there = model.origin.resolve().parent.name == "checkpoints" and (folder / "data.json").is_file()
    return Run(folder) if there and (folder / "config.json").is_file() else None


def _sheet(model: Model, path: Path) -> None:
    """A row a class (the first 8), or 8 rows."""
    names = (model.item.class_names or ())[:ROWS] if model.conditional else ()
    classes = [name for name in names for _ in range(COLUMNS)] or None
    count = COLUMNS * (len(names) or ROWS)
    if isinstance(model, SeriesModel):
        save_plots(path, as_windows(model.sample(count, classes).numpy()), COLUMNS, names or None)
        return
    save_sheet(path, from_unit(model.sample(count, classes)), COLUMNS, names or None)


def fetched(source: Path | str, revision: str | None, token: str | None) -> Path:
    """The folder that `source` names: one that exists, or a repository on the Hub, which is downloaded.

    Raises:
        UserError: no such folder, and no name of a repository; huggingface_hub is missing.
        AuganError: the Hub does not give it.
    """
    folder = Path(source)
    if folder.exists():
        return folder
    parts = str(source).split("/")
    if len(parts) != 2 or not all(parts) or str(source).startswith((".", "~")):
        raise UserError(f"{source} does not exist, and is not the name of a repository, such as 'somebody/model'.")
    hub: Any = require("huggingface_hub", "hub", f"Loading {source} from the Hub")
    try:
        return Path(hub.snapshot_download(str(source), revision=revision, token=token, allow_patterns=list(FILES)))
    except (OSError, ValueError) as error:
        raise AuganError(f"The Hub does not give {source}: {error}") from error


def push(
    model: Model,
    repository: str,
    *,
    licence: str | None,
    private: bool | None,
    token: str | None,
    revision: str | None,
    message: str,
) -> str:
    """What `Model.push_to_hub` does."""
    hub: Any = require("huggingface_hub", "hub", "push_to_hub")
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / repository.rpartition("/")[2]
        try:
            client = hub.HfApi(token=token)
            name = client.create_repo(repo_id=repository, private=private, exist_ok=True).repo_id
            save(model, folder, licence, name)
            address = client.upload_folder(
                repo_id=name, repo_type="model", folder_path=folder, commit_message=message, revision=revision
            )
        except (OSError, ValueError) as error:
            if isinstance(error, UserError):
                raise
            raise AuganError(f"The Hub does not take {repository}: {error}") from error
    return str(address)
