"""The page that goes with a model that is given away: what it makes, from what, how well, and where it ends."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from augan.checkpoint.run import Run
from augan.core.item import ItemSpec

MEASURES = {
    "frechet": ("Fréchet distance", "{:.2f}", "0 is best; comparable in the same feature space only"),
    "precision": ("precision", "{:.2f}", "share of samples near real images"),
    "recall": ("recall", "{:.2f}", "share of real images that samples reach"),
    "coverage": ("coverage", "{:.2f}", "share of real images with a sample among their neighbours"),
    "diversity": ("diversity", "{:.2f}", "differences between samples; real images have 1"),
    "agreement": ("label agreement", "{:.1%}", "share of samples that a classifier takes for the class asked for"),
    "near_copies": ("near copies", "{:.1%}", "share of samples almost equal to a real image; about 1 % is chance"),
}
MOST_CLASSES = 50
SMALL_SET = 1_000


def model_card(
    item: ItemSpec, contract: Mapping[str, Any], run: Run | None, licence: str | None, repository: str
) -> str:
    """The README.md of a model, with the front matter that the Hub reads.

    What is said of data and measures is read from the run folder; neither paths nor names of files are told.
    """
    data = None if run is None else run.data
    quality = None if run is None else _quality(run, contract.get("images_seen"))
    parts = [
        _front(item, data, licence),
        f"# {repository.rpartition('/')[2]}\n\n{_what(item, contract)}",
        "![Samples of the model](samples.png)",
        _use(item, repository),
        "## Data\n\n" + _data(data, licence),
        "## Training\n\n" + _training(run, contract),
        "## Measures\n\n" + _measures(quality),
        "## Limits\n\n" + "\n".join(f"- {line}" for line in _limits(item, data, quality)),
    ]
    return "\n\n".join(parts) + "\n"


def _quality(run: Run, images_seen: Any) -> dict[str, Any] | None:
    """The measure that was taken of this very checkpoint."""
    found = [row["quality"] for row in run.metrics() if "quality" in row and row.get("images_seen") == images_seen]
    return found[-1] if found else None


def _front(item: ItemSpec, data: Mapping[str, Any] | None, licence: str | None) -> str:
    """YAML, whose values are written as JSON, which is YAML too."""
    known: dict[str, Any] = {
        "library_name": "augan",
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["gan", "image-generation", *(["class-conditional"] if item.classes else [])],
    }
    if licence is not None:
        known["license"] = licence
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in known.items()]
    return "\n".join(["---", *lines, "---"])


def _what(item: ItemSpec, contract: Mapping[str, Any]) -> str:
    colour = {1: "grey", 3: "RGB", 4: "RGBA"}.get(item.channels, f"{item.channels}-channel")
    classes = f", of {item.classes} classes" if item.classes else ""
    return (
        f"A generative adversarial network that makes {colour} images of {item.height} x {item.width} pixels{classes}. "
        f"Its weights' SHA-256 is `{contract['generator'][:16]}...`; made by augan {contract['augan']}."
    )


def _use(item: ItemSpec, repository: str) -> str:
    asked = f", classes=[{json.dumps(item.class_names[0], ensure_ascii=False)}]" if item.class_names else ""
    return (
        "```python\nimport augan\n\n"
        f"model = augan.Model.from_pretrained({json.dumps(repository)})\n"
        f"images = model.sample(16, seed=7{asked})  # {(16, *item.shape)} float32 in [-1, 1]\n```"
        "\n\nLoading reads JSON and safetensors, and runs no code of this repository."
    )


def _data(data: Mapping[str, Any] | None, licence: str | None) -> str:
    said = (
        f"Licence of the data: {licence}." if licence else "**The licence of the data was not stated.** Ask before use."
    )
    if data is None:
        return f"The run that this model comes from was not at hand. {said}"
    counts = data.get("classes") or {}
    text = f"{data['images']:,} images of `{_cell(data['name'])}`. {said}"
    if not counts:
        return text
    rows = [(_cell(name), f"{count:,}") for name, count in list(counts.items())[:MOST_CLASSES]]
    more = f"\n\nand {len(counts) - MOST_CLASSES} more classes" if len(counts) > MOST_CLASSES else ""
    return f"{text}\n\n{_table(('class', 'images'), rows)}{more}"


def _training(run: Run | None, contract: Mapping[str, Any]) -> str:
    networks = contract.get("networks")
    family = "a generator of its own" if networks is None else f"`{networks['name']}` networks"
    seen = contract.get("images_seen")
    text = f"{family[0].upper()}{family[1:]}" + ("" if seen is None else f", {seen:,} real images seen")
    return f"{text}." if run is None else f"{text}; recipe `{run.config['recipe']}`, seed {run.config['seed']}."


def _measures(quality: Mapping[str, Any] | None) -> str:
    if quality is None:
        return "This checkpoint was not measured."
    rows = [
        (title, form.format(quality[name]), meaning)
        for name, (title, form, meaning) in MEASURES.items()
        if quality.get(name) is not None
    ]
    return (
        f"{quality['fake_images']:,} samples against {quality['real_images']:,} of the real images, in the feature "
        f"space `{quality['features']}` ({quality['features_hash'][:8]}).\n\n"
        + _table(("measure", "value", "meaning"), rows)
    )


def _limits(item: ItemSpec, data: Mapping[str, Any] | None, quality: Mapping[str, Any] | None) -> list[str]:
    lines = [
        "Samples are synthetic: they are no evidence about the world, and not to be passed off as photographs.",
        "What the data lack or over-represent, samples lack or over-represent.",
    ]
    if data is not None and data["images"] < SMALL_SET:
        lines.append(f"{data['images']:,} images are few: samples may resemble single ones of them.")
    copies = None if quality is None else quality.get("near_copies")
    if copies is None:
        lines.append("Whether samples copy real images was not measured.")
    else:
        lines.append(f"{copies:.1%} of the samples measured were almost equal to a real image.")
    agreement = None if quality is None else quality.get("class_agreement")
    if agreement:
        worst = min(agreement, key=agreement.get)
        lines.append(f"The class asked for is least often right for `{_cell(worst)}`: {agreement[worst]:.1%}.")
    return lines


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *rows])


def _cell(text: str) -> str:
    """On one line, with nothing that ends the cell or the code around it."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("`", "'")
