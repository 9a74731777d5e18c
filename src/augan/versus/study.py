"""The comparison: divide the data, train each model with each seed for the same time, measure all on the same."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from augan.checkpoint import load_model
from augan.core.config import from_dict, override, to_dict
from augan.core.devices import choose_device
from augan.core.errors import Interrupted, UserError
from augan.core.files import atomic_file, read_json, require_absent, write_json
from augan.core.rng import numpy_stream
from augan.core.version import __version__
from augan.core.world import World
from augan.data import Source, cache_folder, subset
from augan.data import open as open_source
from augan.metrics import cached_extractor
from augan.networks import build, parameter_count
from augan.recipes import Budget, recipe_config
from augan.training import RunConfig, Trainer
from augan.training.start import with_precision
from augan.versus.coders import Coder
from augan.versus.config import VersusConfig
from augan.versus.fit import fit
from augan.versus.measure import Bench, Outcome, laplacian_variance, measured, of_samples
from augan.versus.players import CoderPlayer, GanPlayer, Player
from augan.versus.reading import Values, expectations, reading
from augan.versus.statistics import interval

MOST_HELD_OUT = 1_000
LEAST_HELD_OUT, LEAST_SHOWN = 10, 20
FIXED = ("networks.conditional=false", "training.measure_images=0", "training.snapshots=1")
"""Of the recipe: no classes, which only a GAN would be told, and all of the time for training."""
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.monotonic, "processor": time.process_time}
Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Versus:
    """The outcome.

    Attributes:
        values: by model and column, one a seed.
        reference: the same columns of training images in the place of samples.
        reading: sentences made from the values.
        pictures: by model, of the first seed; `real` are the held-out images that were reconstructed.
        facts: the data, the networks, the feature space, the machine's threads.
    """

    config: VersusConfig
    values: Mapping[str, Values]
    reference: Mapping[str, float]
    reading: tuple[str, ...]
    facts: Mapping[str, Any]
    notes: tuple[str, ...]
    real: np.ndarray = field(repr=False)
    pictures: Mapping[str, Sequence[Outcome]] = field(repr=False)
    out: Path

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "augan": __version__,
            "settings": to_dict(self.config),
            "facts": dict(self.facts),
            "models": {
                model: {
                    column: {"values": list(found), **interval(found).to_json()} for column, found in values.items()
                }
                for model, values in self.values.items()
            },
            "reference": dict(self.reference),
            "expectations": [one.to_json() for one in expectations(self.values)],
            "reading": list(self.reading),
            "notes": list(self.notes),
            "out": str(self.out),
        }


def compare(
    data: Any,
    out: Path | str,
    *,
    models: Sequence[str] = VersusConfig.models,
    seeds: Sequence[int] = VersusConfig.seeds,
    minutes: float | None = None,
    images: int | None = None,
    beta: float = 1.0,
    held_out: float = 0.2,
    size: int | str | None = None,
    settings: Sequence[str] = (),
    seed: int = 0,
    device: str = "auto",
    resume: bool = False,
    tell: Tell = lambda text: None,
    **more: Any,
) -> Versus:
    """Trains and measures a GAN and autoencoders of the same networks side by side, and writes a report into `out`.

    Args:
        data: images in any form that `augan.open` reads.
        models: of gan, ae, vae, vae-gan.
        seeds: each model is trained with each of them; intervals need two, better three.
        minutes: training time of each model and seed (one minute if neither is given); or images shown.
        beta: weight of the VAE's divergence.
        held_out: share of the images that no model sees.
        settings: 'key=value' changes of what the recipe chooses, for all models.
        seed: which images are held out.
        resume: go on with the comparison in `out`: what it has trained and measured stays.
        tell: hears a line about each step.
        more: other settings of `VersusConfig`.

    Raises:
        UserError: unknown models or settings, items that are no images, too few of them, `out` exists.
        Interrupted: stopped; what was finished stays, `resume` goes on.
    """
    budget = {"minutes": 1.0 if minutes is None and images is None else minutes, "images": images}
    plain = {"models": tuple(models), "seeds": tuple(seeds), "beta": beta, "held_out": held_out, "seed": seed}
    config = from_dict(VersusConfig, {**plain, **budget, **more})
    folder = Path(out)
    if not resume:
        require_absent(folder, "Go on with it by --resume, or choose another --out.")
    source = open_source(data, size=size)
    _require_outside(folder, source)
    shown, kept = divided(source, config)
    asked = {"comparison": to_dict(config), "settings": list(settings), "data": source.key}
    run = _resumed(folder, asked) if resume else run_config(shown, config, settings, device)
    if set(config.models) != {"gan"}:
        with torch.random.fork_rng(devices=[]):  # a family that cannot encode fails before there is a folder
            Coder(run.networks, shown.item, gaussian=True)
    bench = bench_of(shown, kept, config)
    if not resume:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "settings.json", {**asked, "run": to_dict(run)})
    outcomes: dict[str, list[Outcome]] = {model: [] for model in config.models}
    for one in config.seeds:  # seed by seed: what is there when it is stopped has all models
        for model in config.models:
            outcomes[model].append(_cell(model, one, shown, config, run, bench, folder, tell))
    return _finished(config, run, source, shown, bench, outcomes, folder)


def _require_outside(folder: Path, source: Source) -> None:
    """Raises UserError for a folder inside a folder of images: its pictures would become part of the data."""
    origin = getattr(source, "origin", None)
    if origin is not None and origin.path.is_dir() and folder.resolve().is_relative_to(origin.path.resolve()):
        raise UserError(f"{folder} lies inside the data, {origin.path}, which stays as it is. Choose another --out.")


def divided(source: Source, config: VersusConfig) -> tuple[Source, Source]:
    """Images that models see, and images that they do not.

    Raises:
        UserError: items are no images, or there are too few.
    """
    if source.item.kind != "image":
        raise UserError(f"compare is for images, and {source.name} holds items of kind '{source.item.kind}'.")
    count = len(source)
    held = min(MOST_HELD_OUT, round(config.held_out * count))
    if held < LEAST_HELD_OUT or count - held < LEAST_SHOWN:
        raise UserError(
            f"compare needs at least {LEAST_HELD_OUT} images held out and {LEAST_SHOWN} to learn from; of {count} "
            f"images --held-out {config.held_out:g} holds out {held}. Add images or change --held-out."
        )
    order = numpy_stream(config.seed, "versus held out").permutation(count)
    return subset(source, np.sort(order[held:])), subset(source, np.sort(order[:held]))


def run_config(shown: Source, config: VersusConfig, settings: Sequence[str], device: str) -> RunConfig:
    """What all models are trained with: the recipe's networks, batch, average and game, and one precision."""
    budget = Budget(minutes=config.minutes, images=config.images)
    found = recipe_config("auto", shown.item, len(shown), {}, budget, device)
    found = override(found, [f"training.device={device}", *settings])
    found = override(found, FIXED)
    changed = found.training
    if (changed.minutes, changed.images) != (config.minutes, config.images):
        raise UserError("The budget of a comparison is given by --minutes or --images, not by --set.")
    return with_precision(found, choose_device(device), World())


def bench_of(shown: Source, kept: Source, config: VersusConfig) -> Bench:
    """The feature space of the images that models see, and the held-out images in it."""
    space = cached_extractor(shown, shown.key, cache_folder())
    everything = np.arange(len(kept))
    inverted = numpy_stream(config.seed, "versus inverted").permutation(len(kept))[: config.inverted]
    probed = numpy_stream(config.seed, "versus probed").permutation(len(shown))[: config.probed]
    labels = None
    if shown.labels is not None and kept.labels is not None:
        labels = (np.asarray(shown.labels, np.int64)[probed], np.asarray(kept.labels, np.int64)[inverted])
    return Bench(
        space=space,
        real=space.features_of(kept, everything),
        held_out=kept.items(inverted),
        probed=shown.items(probed),
        labels=labels,
        sharpness=laplacian_variance(kept.items(everything)),
        clock=CLOCKS[config.clock],
    )


def _resumed(folder: Path, asked: dict[str, Any]) -> RunConfig:
    """What the comparison in a folder trains with: a recipe that times the machine could now choose otherwise.

    Raises:
        UserError: there is none, or another one.
    """
    document = read_json(folder / "settings.json")
    if {key: document.get(key) for key in asked} != json.loads(json.dumps(asked)):
        raise UserError(f"{folder} holds a comparison with other settings or data. Resume it with the same ones.")
    return from_dict(RunConfig, document["run"])


def _cell(
    model: str,
    seed: int,
    shown: Source,
    config: VersusConfig,
    run: RunConfig,
    bench: Bench,
    folder: Path,
    tell: Tell,
) -> Outcome:
    """One model of one seed, trained and measured; or read, where that was done before."""
    path = folder / "cells" / f"{model}-{seed}.npz"
    if path.exists():
        return _read(path)
    place = folder / "models" / f"{model}-{seed}"
    shutil.rmtree(place, ignore_errors=True)  # half-trained, by a comparison that was stopped
    tell(f"{model}, seed {seed}: training")
    try:
        player, cost = _trained(model, seed, shown, config, replace(run, seed=seed), place)
    except Interrupted as error:
        shutil.rmtree(place, ignore_errors=True)
        raise Interrupted(f"Stopped; finished models are in {folder}. Go on with --resume.") from error
    tell(f"{model}, seed {seed}: measuring")
    found = measured(player, bench, seed)
    found = replace(found, values=found.values | cost)
    with atomic_file(path) as temporary, open(temporary, "wb") as file:
        numbers = np.frombuffer(json.dumps(found.values).encode(), np.uint8)
        np.savez(file, values=numbers, reconstructions=found.reconstructions, samples=found.samples)
    said = ", ".join(f"{name} {found.values[name]:.4g}" for name in ("reconstruction", "frechet", "precision"))
    tell(f"{model}, seed {seed}: {said}")
    return found


def _read(path: Path) -> Outcome:
    with np.load(path, allow_pickle=False) as file:
        values = json.loads(file["values"].tobytes().decode())
        return Outcome(values=values, reconstructions=file["reconstructions"], samples=file["samples"])


def _trained(
    model: str, seed: int, shown: Source, config: VersusConfig, run: RunConfig, place: Path
) -> tuple[Player, dict[str, float]]:
    clock = CLOCKS[config.clock]
    if model != "gan":
        beta = config.beta if model == "vae" else 1.0
        fitted = fit(model, shown, run, place, beta=beta, clock=clock)
        cost = (fitted.seconds, fitted.cpu_seconds, fitted.images)
        return CoderPlayer(fitted, shown, seed, clock), _cost(*cost)
    start = time.process_time()
    trainer = Trainer(shown, run, place, clock=clock)
    result = trainer.run().result()
    assert result is not None
    parameters = sum(map(parameter_count, build(run.networks, shown.item)))
    best = load_model(place, device=run.training.device)
    player = GanPlayer(best, parameters, config.restarts, config.steps, seed, clock)
    return player, _cost(result["elapsed_sec"], time.process_time() - start, result["images_seen"])


def _cost(seconds: float, cpu_seconds: float, images: int) -> dict[str, float]:
    return {"train_seconds": seconds, "train_cpu_seconds": cpu_seconds, "train_images": float(images)}


def _finished(
    config: VersusConfig,
    run: RunConfig,
    source: Source,
    shown: Source,
    bench: Bench,
    outcomes: dict[str, list[Outcome]],
    folder: Path,
) -> Versus:
    from augan.versus.report import write_all

    values = {
        model: {name: [one.values[name] for one in found] for name in found[0].values}
        for model, found in outcomes.items()
    }
    rows = numpy_stream(config.seed, "versus reference").permutation(len(shown))[: len(bench.real)]
    space = bench.space
    notes = [*source.notes]
    if bench.labels is None:
        notes.append("The data has no labels: there is no linear probe.")
    facts = {
        "data": source.name,
        "key": source.key,
        "images": len(source),
        "learnt_from": len(shown),
        "held_out": len(bench.real),
        "reconstructed": len(bench.held_out),
        "size": f"{source.item.width}x{source.item.height}x{source.item.channels}",
        "networks": to_dict(run.networks),
        "batch": run.training.batch,
        "objective": run.game.objective,
        "precision": run.training.precision,
        "space": f"{space.name} {space.hash}",
    }
    found = Versus(
        config=config,
        values=values,
        reference=of_samples(shown.items(np.sort(rows)), bench),
        reading=tuple(reading(values)),
        facts=facts,
        notes=tuple(notes),
        real=bench.held_out,
        pictures=outcomes,
        out=folder,
    )
    write_all(found)
    return found
