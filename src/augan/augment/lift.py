"""Does synthetic data make a better classifier? The whole study in one call."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from augan.augment.films import films_of
from augan.augment.foreign import Foreign, fit_translation, open_foreign, require_apart
from augan.augment.frames import FrameTask, fit_rows_gan
from augan.augment.heldout import Holdout, array_holdout, check_leaks, open_holdout, second_opinion
from augan.augment.makers import Fit, Gallery, Labels, fit_autoencoder, fit_gan, load_gallery, save_gallery
from augan.augment.pictures import CHEAP, GENERATIVE, PictureTask
from augan.augment.study import CONTROL, LEAST_IN_CLASS, Outcome, Plan, Record, Task, conduct
from augan.augment.tables import EstimatorTask
from augan.augment.twins import groups_of, twins_within
from augan.augment.verdict import NOTHING_LEFT, Verdict, best_cheap, compare, judge, with_second_opinion
from augan.core.errors import UserError
from augan.core.files import write_json
from augan.core.item import stills
from augan.core.notebook import COLOURS, card
from augan.data import Source, as_pictures, class_counts
from augan.data import open as open_source
from augan.data.tables import TableSource, frame_of, is_table, open_frame, source_of

WARN_IN_CLASS = 50
HELD_OUT_SEEDS = 3
MOST_COMPARED = 50_000
"""Up to so many items are compared with one another."""


@dataclass(frozen=True, kw_only=True)
class Lift:
    """What `lift` found.

    Attributes:
        verdict: HELPS, NO EVIDENCE or HURTS, and why.
        record: every outcome; notes: what the reader should know about the data.
        settings: what repeats the study.
        gallery: pictures of the first split's synthetic images; None where none were made.
    """

    verdict: Verdict
    record: Record
    notes: tuple[str, ...]
    settings: Mapping[str, Any]
    gallery: Gallery | None = None

    def table(self) -> list[dict[str, Any]]:
        """A row an arm: means over splits, and the difference from the best arm without a generator."""
        rows = []
        for name in self.record.measured:
            over = None if name == self.verdict.rival else compare(self.record, name, self.verdict.rival)
            rows.append(
                {
                    "arm": name,
                    "meaning": self.record.arms[name].meaning,
                    **{measure: float(self.record.scores(name, measure).mean()) for measure in MEASURED},
                    "recalls": dict(zip(self.record.class_names, self.record.recalls(name).tolist(), strict=True)),
                    "over_rival": None if over is None else asdict(over),
                }
            )
        return rows

    def _repr_html_(self) -> str:
        """In a notebook: the verdict, and every arm's balanced accuracy."""
        arms = {row["arm"]: f"{row['balanced_accuracy']:.1%}" for row in self.table()}
        word = self.verdict.word
        return card(word, arms, notes=(*self.verdict.reasons, *self.notes), colour=COLOURS.get(word))

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "verdict": self.verdict.to_json(),
            "arms": self.table(),
            "generators": list(self.record.about),
            "notes": list(self.notes),
            "settings": dict(self.settings),
        }


MEASURED = ("balanced_accuracy", "macro_f1", "brier", "calibration")


def lift(
    data: Any,
    labels: Any = None,
    *,
    label: str | None = None,
    classifier: Any = None,
    samplers: Mapping[str, Any] | None = None,
    fit: Fit | None = None,
    autoencoder: Fit | None = None,
    arms: Sequence[str] | None = None,
    groups: Any = None,
    holdout: Any = None,
    foreign: Any = None,
    translate: Any = None,
    minutes: float = 1.0,
    steps: int | None = None,
    folds: int = 5,
    repeats: int = 1,
    seeds: int = 1,
    seed: int = 0,
    ratio: float = 1.0,
    wanted: Callable[[Labels], Mapping[int, int]] | None = None,
    flip: bool = False,
    force: bool = False,
    cells: Path | str | None = None,
    settings: Sequence[str] = (),
    also: Mapping[str, Any] | None = None,
    tell: Callable[[Outcome], None] = lambda outcome: None,
) -> Lift:
    """Whether a generator's items make a better classifier, tested on real items that neither has seen.

    Images (whatever `augan.open` takes) are judged with a small convolutional classifier of `steps` steps, whatever
    the arm: real images, six ways to make more of them without a generator, samples of a variational autoencoder, and
    samples of a GAN; both are trained for `minutes` on each training part. Of clips the classifier has convolutions
    over time as well, there is no autoencoder, and windows of one film stay on one side of every split. With a
    `classifier` or `samplers`, `data` is an array (n, ...) with `labels`, and any classifier with fit and predict_proba
    and any sampler with fit_resample are judged: augan's own GAN need not be among them.

    Args:
        data, labels: a source with labels, arrays, or a table.
        label: the column of a table that is the class.
        classifier: a scikit-learn classifier; for arrays of two dimensions a random forest where None is given.
        samplers: by name; `{"gan": GANSampler()}` for arrays of two dimensions where None is given.
        fit, autoencoder: other ways to get a maker of images from a training part.
        arms: which to measure; None for all.
        groups: (n,), items that belong together (a patient, a speaker): no group is on both sides of a split.
        holdout: labelled data that takes no part in the study. The best arm with samples and its rival, trained on all
            of the data, are compared on it; HELPS does not stand where it shows a loss.
        foreign: labelled images of another domain, whose classes are among the data's. They are added to the training
            items of two more arms: 'foreign', as they are, and 'translated', which has to beat it, too.
        translate: how they are translated: `fit_translation(...)` or another function (foreign, training part, seed) ->
            something with `translate(images)`, called for each training part; a run, a model or anything with
            `translate`, which must not have learnt from the data; None trains CUT for `minutes`.
        steps: of the classifier; None for 1,000 on images and 300 on clips.
        minutes: for each GAN, each autoencoder and each translation of each split.
        folds, repeats, seeds: how many splits, and trainings in each.
        ratio: synthetic images of a class for each of the largest class's.
        wanted: instead of it, a function from the labels of a training part to numbers of synthetic images.
        flip: whether mirrored images keep their label.
        force: go on with classes of fewer than 20 items, and with held-out items that are in the data, too.
        cells: a folder where outcomes are kept, so that a study that was stopped goes on.
        settings: of the GANs, where there is no `fit`.
        also: more settings to be remembered, such as those of `fit`: outcomes in `cells` are for them only.
        tell: is told each outcome.

    Raises:
        UserError: no labels, one class, classes that are too small, an unknown arm, a sampler that does not follow the
            contract, held-out items of other shapes or classes or such as are in the data, too; images of another
            domain that have other classes or are in the data or among the held-out items, a translation that has
            learnt from the data.
    """
    plan = Plan(folds=folds, repeats=repeats, seeds=seeds, seed=seed)
    marks = None if groups is None else np.asarray(groups)
    task: Task
    held: Holdout | None = None
    rows = None if samplers is not None else _table(data, labels, label)
    if rows is not None:
        if foreign is not None or wanted is not None:
            raise UserError("Images of another domain, and wanted numbers, are for studies of images: leave them out.")
        learn: Any = fit or fit_rows_gan(minutes=minutes, settings=settings)
        frames = FrameTask(rows, learn, classifier=classifier, groups=marks)
        task = frames
        if holdout is not None:
            held = _row_holdout(frames, holdout)
    elif classifier is not None or samplers is not None or (isinstance(data, np.ndarray) and data.ndim == 2):
        if foreign is not None:
            raise UserError("Images of another domain are for studies of images without samplers: leave foreign out.")
        task = _estimator_task(data, labels, classifier, samplers, marks)
        if holdout is not None:
            held = array_holdout(np.asarray(data), task.class_names, holdout)
    else:
        makers = (fit or fit_gan(minutes=minutes, settings=settings), autoencoder or fit_autoencoder(minutes=minutes))
        source = _labelled(data, labels)
        abroad = _abroad(source, foreign, translate, minutes)
        task = _picture_task(source, makers, steps, ratio, wanted, flip, marks, abroad)
        if holdout is not None:
            held = open_holdout(task.source, holdout)
    notes = _examined(task, force, plan)
    together = task.groups
    if marks is None and together is not None:
        notes += (f"Clips of one film, of {len(np.unique(together)):,}, stay on one side of every split.",)
    notes += _kept_together(task)
    if held is not None:
        notes += check_leaks(task.items(np.arange(len(task.labels))), held, force)
    notes += _apart(task, held, force)
    chosen = _chosen_arms(task, arms)
    described = {
        "data": task.key,
        "folds": folds,
        "repeats": repeats,
        "seeds": seeds,
        "seed": seed,
        "groups": None if together is None else hashlib.sha256("\n".join(map(str, together)).encode()).hexdigest()[:16],
        "minutes": minutes,
        "ratio": ratio,
        **task.described,
        **({"settings": list(settings)} if settings else {}),
        **(also or {}),
        "arms": list(chosen),
    }
    folder = None if cells is None else _checked_cells(Path(cells), described)
    record = _conducted(task, plan, chosen, folder, tell)
    memorised = [text for row in record.about for text in row.get("memorised", ())][:1]
    verdict = judge(record, memorised)
    if held is not None and verdict.arm is not None:
        opinion = second_opinion(task, held, verdict.arm, verdict.rival, max(seeds, HELD_OUT_SEEDS), seed)
        verdict = with_second_opinion(verdict, opinion)
    return Lift(verdict=verdict, record=record, notes=notes, settings=described, gallery=_gallery(task, folder))


def _table(data: Any, labels: Any, label: str | None) -> TableSource | None:
    """The table to be studied, where the data are one; `labels` become its last column."""
    if isinstance(data, TableSource):
        return data
    if not is_table(data):
        return None
    frame, name = frame_of(data), label
    if labels is not None:
        name = str(getattr(labels, "name", None) or "label")
        frame = frame.assign(**{name: np.asarray(labels)})
    return open_frame(frame, name, "table")


def _row_holdout(task: FrameTask, holdout: Any) -> Holdout:
    """Held-out rows: a table with the same columns, or a pair of the others and the label."""
    spec = task.source.spec
    if isinstance(holdout, tuple) and len(holdout) == 2:
        frame = frame_of(holdout[0]).assign(**{str(spec.label): np.asarray(holdout[1])})
    else:
        frame = frame_of(holdout)
    other = source_of(frame.reset_index(drop=True), spec, "holdout")
    assert other.labels is not None
    names = tuple(f"row {row}" for row in range(len(other)))
    return Holdout(items=task.features_of(other), labels=other.labels, names=names)


def _conducted(
    task: Task, plan: Plan, arms: Sequence[str], folder: Path | None, tell: Callable[[Outcome], None]
) -> Record:
    """Arms without a generator first; the others only where something is left to gain."""
    cheap = [name for name in arms if not task.arms[name].generative]
    record = conduct(task, plan, cheap, cells=folder, tell=tell)
    best = float(record.scores(best_cheap(record)).mean())
    if len(cheap) == len(arms) or 1 - best <= NOTHING_LEFT:
        return record
    more = conduct(task, plan, [name for name in arms if name not in cheap], cells=folder, tell=tell)
    return Record(
        plan=plan,
        outcomes=(*record.outcomes, *more.outcomes),
        about=more.about,
        arms=task.arms,
        class_names=task.class_names,
    )


def _kept_together(task: Task) -> tuple[str, ...]:
    """Puts pictures that repeat one another into one group, and says so. Equal rows of a table may be two cases."""
    if task.items(np.zeros(1, np.int64)).ndim < 4:
        return ()
    if len(task.labels) > MOST_COMPARED:
        return (f"Of more than {MOST_COMPARED:,} images, repeated ones are not looked for.",)
    found = twins_within(stills(task.items(np.arange(len(task.labels)))))
    if not len(found):
        return ()
    task.groups = groups_of(len(task.labels), found.pairs, task.groups)
    return (
        f"{len(found):,} pairs of images are the same ({len(found.exact):,} exactly, {len(found.near):,} nearly): such "
        "images stay on one side of every split.",
    )


def _gallery(task: Task, folder: Path | None) -> Gallery | None:
    """Of this process's training, or of the one that wrote the cells."""
    found: Gallery | None = getattr(task, "gallery", None)
    path = None if folder is None else folder / "gallery.npz"
    if path is not None:
        if found is not None:
            save_gallery(found, path)
        elif path.exists():
            return load_gallery(path)
    return found


def _estimator_task(
    data: Any, labels: Any, classifier: Any, samplers: Mapping[str, Any] | None, groups: np.ndarray | None
) -> EstimatorTask:
    items = np.asarray(data)
    if labels is None:
        raise UserError("An array needs labels: lift(X, y, ...).")
    marks = np.asarray(labels)
    if len(marks) != len(items):
        raise UserError(f"There are {len(items)} items and {len(marks)} labels.")
    if marks.dtype.kind == "f" and not np.isfinite(marks).all():
        raise UserError("Some labels are not a number. Leave those items out.")
    if items.dtype.kind == "f" and not np.isfinite(items).all():
        raise UserError("Some items hold NaN or infinity. Leave them out, or fill the gaps.")
    names, codes = np.unique(marks, return_inverse=True)
    if classifier is None:
        from sklearn.ensemble import RandomForestClassifier

        classifier = RandomForestClassifier()
    if samplers is None:
        from augan.augment.sampler import GANSampler

        samplers = {"gan": GANSampler()}
    class_names = tuple(str(name) for name in names)
    return EstimatorTask(items, codes.astype(np.int64), class_names, classifier, samplers, groups)


def _apart(task: Task, held: Holdout | None, force: bool) -> tuple[str, ...]:
    """Notes on images of another domain.

    Raises:
        UserError: some are in the data or in the holdout, and `force` is not set.
    """
    foreign: Foreign | None = getattr(task, "foreign", None)
    if foreign is None:
        return ()
    notes = foreign.notes + require_apart(foreign, task.items(np.arange(len(task.labels))), "the data", force)
    return notes if held is None else notes + require_apart(foreign, held.items, "the holdout", force)


def _labelled(data: Any, labels: Any) -> Source:
    source = open_source(data if labels is None else (data, labels))
    if source.item.kind == "series":
        raise UserError(
            "A study judges classifiers of images, sounds, rows or sentences, and there is none of time series. "
            "`augan evaluate` says what a classifier learns from generated windows."
        )
    if source.labels is None or not class_counts(source):
        raise UserError(f"{source.name} has no labels: there is no classifier to help.")
    return as_pictures(source)


def _abroad(source: Source, foreign: Any, translate: Any, minutes: float) -> Foreign | None:
    """Images of another domain, if there are to be any."""
    if foreign is None:
        return None
    if source.item.kind == "video":
        raise UserError("Images of another domain are for studies of images: leave foreign out.")
    return open_foreign(source, foreign, fit_translation(minutes=minutes) if translate is None else translate)


def _picture_task(
    source: Source,
    makers: tuple[Fit, Fit],
    steps: int | None,
    ratio: float,
    wanted: Callable[[Labels], Mapping[int, int]] | None,
    flip: bool,
    groups: np.ndarray | None,
    foreign: Foreign | None,
) -> PictureTask:
    clips = source.item.kind == "video"
    if clips and groups is None:
        groups = films_of(source)
    return PictureTask(
        source,
        makers[0],
        autoencoder=None if clips else makers[1],
        steps=steps,
        ratio=ratio,
        wanted=wanted,
        flip=flip,
        groups=groups,
        foreign=foreign,
    )


def _examined(task: Task, force: bool, plan: Plan) -> tuple[str, ...]:
    """What is worth a note.

    Raises:
        UserError: one class, too few items of a class, groups of another length.
    """
    counts = np.bincount(task.labels, minlength=len(task.class_names))
    if (counts > 0).sum() < 2:
        raise UserError("There is one class only, so that there is nothing to tell apart.")
    if task.groups is not None and len(task.groups) != len(task.labels):
        raise UserError(f"There are {len(task.labels)} items and {len(task.groups)} groups.")
    fewest = int(counts.argmin())
    name = task.class_names[fewest]
    if counts[fewest] < LEAST_IN_CLASS and not force:
        raise UserError(
            f"Class '{name}' has {counts[fewest]} items: of fewer than {LEAST_IN_CLASS} a generator learns copies, and "
            "test sets are too small to show a gain. Collect more, leave the class out, or --force."
        )
    notes = []
    if counts[fewest] < WARN_IN_CLASS:
        tested = counts[fewest] // plan.folds
        notes.append(f"Class '{name}' has {counts[fewest]} items, about {tested} in each test set: gains show late.")
    return tuple(notes)


def _chosen_arms(task: Task, arms: Sequence[str] | None) -> tuple[str, ...]:
    known = [*(name for name in (*CHEAP, *GENERATIVE) if name in task.arms), *task.arms]
    if arms is None:
        return tuple(dict.fromkeys(known))
    unknown = [name for name in arms if name not in task.arms]
    if unknown:
        raise UserError(f"There is no arm '{unknown[0]}'. There are: {', '.join(task.arms)}.")
    bases = [other for name in arms for other in (task.arms[name].base, *task.arms[name].beside) if other]
    if not any(not task.arms[name].generative and name != CONTROL for name in (*arms, *bases)):
        raise UserError("Name at least one arm without a generator, such as 'classical'.")
    wanted = {*arms, *bases}
    return tuple(name for name in dict.fromkeys(known) if name in wanted)


def _checked_cells(folder: Path, settings: Mapping[str, Any]) -> Path:
    """The folder, if what it holds is of this study.

    Raises:
        UserError: it is of another one.
    """
    from augan.core.files import read_json

    path = folder / "study.json"
    ours = {name: value for name, value in settings.items() if name != "arms"}
    if path.exists():
        if read_json(path) != ours:
            raise UserError(f"{folder} holds outcomes of another study. Choose another folder for this one.")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, ours)
    return folder
