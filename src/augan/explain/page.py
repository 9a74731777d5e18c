"""`augan explain`: one page of HTML without any other file, and its data beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from augan import data as datasets
from augan.apply.evaluate import cutting_of
from augan.checkpoint import Model, Run, find_checkpoint
from augan.core.errors import UserError
from augan.core.files import atomic_folder, read_json, require_absent, write_json, write_text
from augan.core.page import notes, page
from augan.core.version import __version__
from augan.data import Source, cache_folder
from augan.explain.direction import Direction, write_directions
from augan.explain.dissection import Masks
from augan.explain.effects import Attribute, attributes_for
from augan.explain.intake import decode
from augan.explain.players import Critic, players
from augan.explain.sections import SECTIONS, story_of
from augan.explain.subject import Section, Subject
from augan.metrics import FeatureSpace, InDomainSpace, open_space


@dataclass(frozen=True, eq=False)
class Explanation:
    """What was found.

    Attributes:
        out: the folder with `index.html`, `explanation.json`, pictures, and directions for `augan edit`.
        data: what explanation.json holds.
        directions: those found, with their effects.
    """

    out: Path
    data: dict[str, Any]
    directions: tuple[Direction, ...]


def explain(
    target: Path | str | Model,
    *,
    data: Any = None,
    out: Path | str | None = None,
    critic: Critic | None = None,
    attributes: Mapping[str, Attribute] | None = None,
    masks: Mapping[str, Masks] | None = None,
    count: int = 8,
    which: str = "best",
    device: str = "cpu",
    seed: int = 0,
    tell: Callable[[str], None] = lambda text: None,
) -> Explanation:
    """Writes what a generator and its discriminator have learnt: directions, geometry, attributions, the run's story.

    Args:
        target: a run or checkpoint folder, or a model.
        data: real items, in any form that `augan.open` reads; None takes the run's own data where it still is.
        out: a new folder; None is `explain` inside the run.
        critic: a discriminator for a `target` that is a model.
        attributes: functions of items (n, c, ...) in [-1, 1] to (n,) numbers, on which effects are measured and for
            which directions are looked for, beside those that any picture has.
        masks: functions of items to truth values (n, ...) of their places, for dissection; of items with four channels,
            what is opaque, if none are given.
        count: directions of each method.
        which: 'best' or 'last' checkpoint of a run.
        tell: hears which part is being made.

    Raises:
        UserError: `out` exists, or the target or the data cannot be opened.
    """
    folder = _folder(target, out)
    require_absent(folder)
    if (kind := _kind(target, which)) != "image":
        run = _run_of(Path(str(target)))
        what = "A model of series" if kind == "series" else f"A {kind}"
        reason = f"{what} has no latents of pictures and no discriminator of whole ones to ask."
        told = [] if run is None else [story_of(run)]
        omitted = {name: reason for name in SECTIONS if not told or name != "story"}
        return _write(folder, told, omitted, {"target": str(target), "generator": None, "seed": seed})
    subject = _subject(target, data, critic, attributes, masks, count, which, device, seed)
    sections, omitted = [], {}
    for name, ask in SECTIONS.items():
        tell(name)
        try:
            sections.append(ask(subject))
        except UserError as error:
            omitted[name] = str(error)
    about = {
        "target": str(target) if isinstance(target, str | Path) else "model",
        "generator": subject.model.hash,
        "real": None if subject.real is None else {"name": subject.real.name, "key": subject.real.key},
        "features": None if subject.space is None else {"name": subject.space.name, "hash": subject.space.hash},
        "seed": seed,
    }
    return _write(folder, sections, omitted, about)


def _write(folder: Path, sections: list[Section], omitted: dict[str, str], about: dict[str, Any]) -> Explanation:
    """The folder, whole or not at all."""
    document = {"augan": __version__, **about, "omitted": omitted}
    document = _finite(document | {section.name: section.data for section in sections})
    found = tuple(direction for section in sections for direction in section.directions)
    with atomic_folder(folder) as temporary:
        write_json(temporary / "explanation.json", document)
        if found:
            write_directions(found, temporary)
        for section in sections:
            for file, image in section.pictures.items():
                image.save(temporary / file)
        write_text(temporary / "index.html", _html(document, sections, omitted))
    return Explanation(folder, document, found)


def _finite(value: Any) -> Any:
    """The same with null for numbers that are not finite (a ratio to distances of 0), which JSON does not know."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


UNSEEN = ("table", "series")
"""Kinds of items that are no pictures to anybody."""


def _kind(target: Path | str | Model, which: str) -> str:
    """What a checkpoint holds: image, for generators of pictures, clips and sounds, or another kind of model."""
    if isinstance(target, Model):
        return target.item.kind if target.item.kind in UNSEEN else "image"
    contract = read_json(find_checkpoint(Path(target), which) / "model.json")
    if not isinstance(contract, dict):
        return "image"
    item = contract.get("item")
    own = item.get("kind") if isinstance(item, dict) else None
    return str(own) if own in UNSEEN else str(contract.get("kind", "image"))


def _folder(target: Path | str | Model, out: Path | str | None) -> Path:
    if out is not None:
        return Path(out)
    if isinstance(target, Model) or not (Path(target) / "config.json").exists():
        raise UserError("Say where to write the explanation: --out DIR (only a run folder has a place for it).")
    return Path(target) / "explain"


def _subject(
    target: Path | str | Model,
    data: Any,
    critic: Critic | None,
    attributes: Mapping[str, Attribute] | None,
    masks: Mapping[str, Masks] | None,
    count: int,
    which: str,
    device: str,
    seed: int,
) -> Subject:
    missing: dict[str, str] = {}
    run = None
    if isinstance(target, Model):
        model = target
    else:
        model, critic, reason = players(target, which, device)
        if reason is not None:
            missing["critic"] = reason
        run = _run_of(Path(target))
    real, reason = _real(model, run, data)
    if reason is not None:
        missing["real"] = reason
    space = None
    if real is not None:
        space = open_space("in-domain", real, real.key, cache_folder()).to(model.device)
    made = decode(model, model.latents(2), model.labels(2))
    known = attributes_for(made.shape[1], made.dim() - 2)
    scores = {**known, **(attributes or {}), **_class_scores(model, real, space)}
    return Subject(
        model=model,
        critic=critic,
        run=run,
        real=real,
        space=space,
        missing=missing,
        attributes={**known, **(attributes or {})},
        scores=scores,
        masks=masks or ({"opaque": lambda items: items[:, 3] > 0} if made.shape[1] == 4 else {}),
        count=count,
        seed=seed,
    )


def _run_of(path: Path) -> Run | None:
    """The run of a run folder, or of a checkpoint inside one."""
    for folder in (path, *path.resolve().parents[:2]):
        if (folder / "config.json").exists():
            return Run(folder)
    return None


def _real(model: Model, run: Run | None, data: Any) -> tuple[Source | None, str | None]:
    """(real items at the model's size, why there are none)."""
    if data is None:
        path = None if run is None else run.config.get("data", {}).get("path")
        if path is None or not Path(path).exists():
            return None, "The run's data is not there any more. Give it: --data D."
        data = path
    source = datasets.open_like(data, model.item, cutting=cutting_of(None if run is None else run.path, model.item))
    if source.item.shape != model.item.shape:
        raise UserError(f"{source.name} has items of {source.item.shape}, and the model makes {model.item.shape}.")
    unknown = set(source.item.class_names or ()) - set(model.item.class_names or ())
    if model.conditional and (source.labels is None or unknown):
        raise UserError(
            f"{source.name} lacks labels of the model's classes, or has others: {', '.join(sorted(unknown))}."
        )
    return source, None


def _class_scores(model: Model, real: Source | None, space: FeatureSpace | None) -> dict[str, Attribute]:
    """For a model without classes on labelled data: the classifier's log odds of each class, of at most eight."""
    if model.conditional or real is None or not isinstance(space, InDomainSpace) or not space.classes:
        return {}
    names = real.item.class_names or ()

    def score(column: int) -> Attribute:
        def odds(items: Any) -> Any:
            import torch

            chances = torch.from_numpy(space.probabilities(space.features(items)))[:, column].clamp(1e-6, 1 - 1e-6)
            return torch.logit(chances)

        return odds

    return {f"class {name}": score(column) for column, name in enumerate(names[:8])}


def _html(document: dict[str, Any], sections: list[Section], omitted: dict[str, str]) -> str:
    title = f"What {document['target']} has learnt"
    parts = [f"<h1>{escape(title)}</h1>"]
    parts.append(notes([f"{name} is left out: {reason}" for name, reason in omitted.items()]))
    for section in sections:
        parts += [f'<h2 id="{section.name}">{escape(section.title)}</h2>', section.html]
    generator = "" if document["generator"] is None else f", generator {document['generator'][:16]}"
    made = f"augan {document['augan']}{generator}, seed {document['seed']}"
    space = document.get("features")
    parts.append(f"<p class=soft>{escape(made)}{'' if space is None else escape(f', features {space}')}.</p>")
    return page(title, parts)
