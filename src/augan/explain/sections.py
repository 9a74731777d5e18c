"""The sections of an explanation: each asks its questions of a subject and says what it found."""

from __future__ import annotations

from dataclasses import asdict
from html import escape
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from augan.checkpoint import Run
from augan.core.errors import UserError
from augan.core.item import to_unit
from augan.core.page import notes, table
from augan.core.pictures import sheet
from augan.core.rng import derive
from augan.explain.attribution import (
    Score,
    grad_cam,
    integrated_gradients,
    sanity,
    sureness,
)
from augan.explain.direction import Direction, edit
from augan.explain.directions import directions
from augan.explain.dissection import dissect, layers_with_maps
from augan.explain.drawing import class_points, coloured, curve, embedded, heat, signed, stills, strips
from augan.explain.effects import STRENGTHS, specificity, with_effects
from augan.explain.geometry import TRUNCATIONS, class_map, interpolations, nearest_real, path_length, truncation_sweep
from augan.explain.intake import decode
from augan.explain.story import story
from augan.explain.subject import Section, Subject
from augan.explain.supervised import learnt

FOUND = ("sefa", "pca", "jacobian")
SHOWN = 8
ATTRIBUTED = 6
TESTED = 4
JUDGED = 256
REAL_FEATURES = 2_000


def direction_section(subject: Subject) -> Section:
    """Directions of every method with their effects, beside random ones."""
    found: list[Direction] = []
    remarks: list[str] = []
    for method in (*FOUND, "random"):
        some, said = directions(subject.model, method, subject.count, subject.seed)
        known = {entry.name for entry in found}
        found += [entry for entry in some if entry.name not in known]  # what fell back is there already
        remarks += said
    some, said = learnt(subject.model, subject.scores, seed=subject.seed)
    found, remarks = found + some, remarks + said
    found = with_effects(subject.model, found, subject.attributes, seed=subject.seed)
    control = [abs(value) for entry in found if entry.method == "random" for value in entry.effects.values()]
    largest_by_chance = max(control)
    pictures: dict[str, Image.Image] = {}
    parts: list[str] = []
    for method in dict.fromkeys(entry.method for entry in found):
        some = [entry for entry in found if entry.method == method]
        drawn = _edit_strips(subject, some[: max(SHOWN, subject.count)])
        pictures[f"directions-{method}.png"] = drawn
        parts += [f"<h3>{escape(METHODS[method])}</h3>", embedded(drawn, f"Samples moved along directions: {method}")]
        parts.append(_direction_table(some, largest_by_chance))
    text = (
        "<p>One sample moved by -3 to 3 deviations of the codes along each direction. The effect on an attribute is "
        "how far it moves from one end to the other, as the mean over samples, in its deviations over samples; "
        f"the largest of {sum(entry.method == 'random' for entry in found)} random directions on any attribute is "
        f"{largest_by_chance:.2f}. Selectivity is the largest effect over the mean of the others.</p>"
    )
    return Section(
        name="directions",
        title="Directions",
        html=text + notes(remarks) + "\n".join(parts),
        data={
            "directions": [entry.to_json() for entry in found],
            "largest_random_effect": largest_by_chance,
            "notes": remarks,
        },
        pictures=pictures,
        directions=tuple(found),
    )


METHODS = {
    "sefa": "Closed form: what the layers that take the code amplify most (SeFa)",
    "pca": "Principal components of styles or first activations (GANSpace)",
    "jacobian": "What changes pictures most: the Jacobian's",
    "random": "Random directions, as a control",
    "supervised": "Supervised: attributes (as InterFaceGAN)",
}


def _edit_strips(subject: Subject, found: list[Direction]) -> Image.Image:
    model = subject.model
    latents, labels = model.latents(1, derive(subject.seed, "strips")), model.labels(1)
    rows = [torch.cat([edit(model, latents, one, strength, labels) for strength in STRENGTHS]) for one in found]
    return strips(torch.stack(rows), [entry.name for entry in found])


def _direction_table(found: list[Direction], largest_by_chance: float) -> str:
    rows = []
    for entry in found:
        target, selective = specificity(entry.effects)
        size = entry.effects[target]
        share = "" if entry.share is None else f"{entry.share:.1%}"
        fit = share if entry.fit is None else f"R2 {entry.fit:.2f}"
        mark = " *" if abs(size) > largest_by_chance and entry.method != "random" else ""
        rows.append(
            f"<tr><td>{escape(entry.name)}</td><td class=n>{fit}</td><td>{escape(target)}</td>"
            f"<td class=n>{size:+.2f}{mark}</td><td class=n>{selective:.1f}</td></tr>"
        )
    head = "<th>direction</th><th class=n>share or fit</th><th>moves most</th><th class=n>effect</th>"
    more = "<p class=soft>* more than any random direction moves any attribute</p>"
    return table(head + "<th class=n>selectivity</th>", rows) + (more if any("*" in row for row in rows) else "")


def geometry_section(subject: Subject) -> Section:
    """Path length, ways, truncation, classes."""
    model = subject.model
    parts: list[str] = []
    lengths = [
        path_length(model, subject.space, seed=subject.seed),
        path_length(model, subject.space, sampling="ends", seed=subject.seed),
    ]
    ways = strips(interpolations(model, seed=subject.seed))
    rows, spread = truncation_sweep(model, seed=subject.seed)
    swept = strips(rows, [f"{amount:g}" for amount in TRUNCATIONS])
    pictures = {"interpolations.png": ways, "truncation.png": swept}
    parts += [_length_table(lengths), "<h3>Ways between samples</h3>", embedded(ways, "Interpolations")]
    share = ", ".join(f"{amount:g}: {value:.2f}" for amount, value in zip(TRUNCATIONS, spread, strict=True))
    parts += [
        f"<h3>Truncation</h3><p>How much samples differ, beside none: {share}.</p>",
        embedded(swept, "Truncation"),
    ]
    data: dict[str, Any] = {
        "path_length": [asdict(one) for one in lengths],
        "truncation": dict(zip(map(str, TRUNCATIONS), spread, strict=True)),
        "classes": None,
    }
    found = class_map(model, subject.space, seed=subject.seed)
    if found is not None:
        names = model.item.class_names or ()
        parts.append(
            f"<h3>Classes</h3><p>Two principal components ({found.share:.0%} of the variance): {found.of}.</p>"
        )
        parts.append(class_points(found, names))
        near = {name: names[k] for name, k in zip(names, found.nearest, strict=True)}
        data["classes"] = {"places": found.places.tolist(), "share": found.share, "of": found.of, "nearest": near}
    return Section(name="geometry", title="Latent geometry", html="\n".join(parts), data=data, pictures=pictures)


def _length_table(lengths: list[Any]) -> str:
    rows = []
    for one in lengths:
        seen = "" if one.features is None else f"{one.features:.3g} ± {one.features_error:.2g}"
        where = "anywhere on ways" if one.sampling == "whole" else "at their ends"
        rows.append(
            f"<tr><td>{where}</td><td class=n>{seen}</td>"
            f"<td class=n>{one.pixels:.3g} ± {one.pixels_error:.2g}</td></tr>"
        )
    text = "<p>Perceptual path length: how fast pictures change on ways between latents, with standard errors.</p>"
    return text + table("<th>where</th><th class=n>features</th><th class=n>pixels</th>", rows)


def copies_section(subject: Subject) -> Section:
    """The nearest real items to samples."""
    if subject.real is None or subject.space is None:
        raise UserError(subject.missing.get("real", "There is no real data to compare with."))
    rows = subject.rows(REAL_FEATURES)
    features = subject.space.features_of(subject.real, rows)
    found = nearest_real(subject.model, features, subject.space, seed=subject.seed)
    shown = [stills(found.samples[:SHOWN])]
    for rank in range(found.nearest.shape[1]):
        shown.append(stills(to_unit(subject.real.items(rows[found.nearest[:SHOWN, rank]]))))
    drawn = sheet(coloured(np.concatenate(shown)), SHOWN, ["sample", "nearest", "second", "third"])
    text = (
        f"<p>The samples that are nearest to real items, of {len(found.samples)}, and their nearest of {len(rows):,}. "
        f"Median distance over that between real items: {found.ratio:.2f} (0 would be copies); near copies: "
        f"{found.copies:.1%}.</p>"
    )
    data = {"ratio": found.ratio, "near_copies": found.copies, "samples": len(found.samples), "real": len(rows)}
    return Section(
        name="neighbours",
        title="Nearest real items",
        html=text + embedded(drawn, "Samples and nearest real items"),
        data=data,
        pictures={"neighbours.png": drawn},
    )


def critic_section(subject: Subject) -> Section:
    """Integrated gradients, Grad-CAM, their checks, and what the discriminator is most and least sure of."""
    if subject.critic is None:
        raise UserError(subject.missing.get("critic", "There is no discriminator beside this model."))
    model = subject.model
    sides = {"samples": (decode(model, model.latents(JUDGED), model.labels(JUDGED)), model.labels(JUDGED))}
    if subject.real is not None:
        sides["real"] = subject.real_items(JUDGED)
    logits = {name: _logits(subject, *side) for name, side in sides.items()}
    sure = {name: _surest(sides[name][0], values) for name, values in logits.items()}
    own, labels = sides.get("real", sides["samples"])
    mean = own.mean(0)
    drawn, numbers, summary = _attributed(
        subject, own[:ATTRIBUTED], None if labels is None else labels[:ATTRIBUTED], mean
    )
    pictures = {"attribution.png": drawn} | {f"sure-{name}.png": image for name, image in sure.items()}
    parts = [summary, embedded(drawn, "Items, integrated gradients, Grad-CAM")]
    for name, image in sure.items():
        values = logits[name]
        parts.append(
            f"<h3>Most and least sure of {'real items' if name == 'real' else name}</h3><p>Logits from "
            f"{values.min():.2f} to {values.max():.2f}, median {np.median(values):.2f}, of {len(values)}. Above: the "
            "most real to it; below: the least.</p>"
        )
        parts.append(embedded(image, f"Most and least sure of {name}"))
    data = numbers | {
        "logits": {
            name: {"min": float(v.min()), "median": float(np.median(v)), "max": float(v.max()), "items": len(v)}
            for name, v in logits.items()
        }
    }
    return Section(name="critic", title="The discriminator's view", html="\n".join(parts), data=data, pictures=pictures)


def _logits(subject: Subject, items: Tensor, labels: Tensor | None) -> np.ndarray:
    parts = []
    critic = subject.critic
    assert critic is not None
    for rows in torch.arange(len(items)).split(64):
        own = None if labels is None else labels[rows].to(subject.model.device)
        parts.append(sureness(lambda part, own=own: critic(part, own), items[rows].to(subject.model.device)))  # type: ignore[misc]
    return np.concatenate(parts)


def _surest(items: Tensor, logits: np.ndarray) -> Image.Image:
    order = torch.from_numpy(np.argsort(-logits, kind="stable"))
    count = min(SHOWN, len(items) // 2)
    return strips(torch.stack([items[order[:count]], items[order[-count:]]]), ["most real", "least real"])


def _attributed(
    subject: Subject, items: Tensor, labels: Tensor | None, baseline: Tensor
) -> tuple[Image.Image, dict[str, Any], str]:
    """(items above integrated gradients above Grad-CAM, numbers, what they say)."""
    critic = subject.critic
    assert critic is not None
    device = subject.model.device
    items, baseline = items.to(device), baseline.to(device)

    def score_of(network: nn.Module, kinds: Tensor | None) -> Score:
        judge = type(critic)(network, critic.conditional)
        judge.alone = critic.alone
        return lambda part: judge(part, None if kinds is None else kinds.to(device))

    found = [
        integrated_gradients(_for_one(score_of, critic.network, labels, k), items[k : k + 1], baseline)
        for k in range(len(items))
    ]
    values = torch.cat([one.values for one in found])
    errors = torch.cat([one.error for one in found])
    steps = np.concatenate([one.steps for one in found])
    cams = _cams(score_of(critic.network, labels), critic.network, items)
    checks = [
        sanity(
            critic.network,
            lambda network, k=k: _for_one(score_of, network, labels, k),  # type: ignore[misc]
            items[k : k + 1],
            baseline,
            grad_cams=cams is not None,
        )
        for k in range(min(TESTED, len(items)))
    ]
    check = {name: float(np.mean([one[name] for one in checks])) for name in checks[0]}
    rows = [coloured(stills(items.cpu())), signed(values), *([] if cams is None else [heat(cams)])]
    drawn = sheet(np.concatenate(rows), len(items), ["item", "integrated", "Grad-CAM"][: len(rows)])
    seen = "there is no Grad-CAM, as this discriminator has no maps of whole items"
    if cams is not None:
        seen = f"Grad-CAM's by {check['grad_cam']:.2f}"
    numbers = {
        "completeness_errors": errors.tolist(),
        "steps": steps.tolist(),
        "correlation_after_randomisation": check,
    }
    text = (
        "<p>What speaks for real (orange) and against it (blue), from the mean of the items as the baseline. "
        f"Integrated gradients add up to the logit's change within {float(errors.max()):.2%} at worst "
        f"({steps.max()} steps). "
        f"With all weights drawn anew, values correlate by {check['integrated_gradients']:.2f} with those shown (their "
        f"sizes by {check['integrated_gradients_size']:.2f}), {seen}. Near 0, maps show what was learnt; near 1, they "
        "show the item alone.</p>"
    )
    return drawn, numbers, text


def _cams(score: Score, network: nn.Module, items: Tensor) -> Tensor | None:
    """Grad-CAM's maps; None for a network that has none of whole items (one of three frames of a clip)."""
    try:
        return grad_cam(score, network, items)
    except UserError:
        return None


def _for_one(score_of: Any, network: nn.Module, labels: Tensor | None, k: int) -> Score:
    """The score of points that are all variants of item k."""
    kind = None if labels is None else labels[k]
    return lambda part: score_of(network, None if kind is None else kind.expand(len(part)))(part)


def dissection_section(subject: Subject) -> Section:
    """Units of the generator against masks."""
    if not subject.masks:
        raise UserError("No masks are given (in Python: masks={name: function of items}).")
    units = []
    for layer in layers_with_maps(subject.model):
        units += dissect(subject.model, subject.masks, layer, seed=subject.seed)[:3]
    units.sort(key=lambda unit: -unit.iou)
    rows = [
        f"<tr><td>{escape(unit.layer)}</td><td class=n>{unit.unit}</td><td>{escape(unit.mask)}</td>"
        f"<td class=n>{unit.iou:.2f}</td><td class=n>{unit.chance:.2f}</td></tr>"
        for unit in units[:20]
    ]
    head = "<th>layer</th><th class=n>unit</th><th>mask</th><th class=n>IoU</th><th class=n>other samples' masks</th>"
    return Section(name="dissection", title="Units", html=table(head, rows), data=[asdict(unit) for unit in units])


def story_section(subject: Subject) -> Section:
    """How samples of the same latents changed, and what the run saw and did."""
    if subject.run is None:
        raise UserError("There is no run folder beside this model.")
    return story_of(subject.run)


def story_of(run: Run) -> Section:
    """The same for a run of any kind."""
    found = story(run)
    parts: list[str] = []
    if found.distances:
        parts.append("<p>Fréchet distance over images seen:</p>" + curve(found.distances, "Fréchet distance"))
    parts.append(notes([f"{seen:,} images: {word}" for seen, word in found.health + found.acts]))
    for seen, path in found.sheets:
        try:
            with Image.open(path) as image:
                picture = image.convert("RGB")
        except OSError:
            parts.append(f"<p>{escape(path.name)} cannot be read.</p>")
            continue
        parts += [f"<h3>After {seen:,} images</h3>", embedded(picture, f"Samples after {seen} images")]
    return Section(name="story", title="Training", html="\n".join(parts), data=found.to_json())


SECTIONS = {
    "directions": direction_section,
    "geometry": geometry_section,
    "neighbours": copies_section,
    "critic": critic_section,
    "dissection": dissection_section,
    "story": story_section,
}
"""In the order of the page."""
