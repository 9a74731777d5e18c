"""Classification accuracy scores: what a classifier learns from samples, and what a real one makes of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from augan.core.errors import UserError
from augan.core.item import ItemSpec
from augan.core.rng import numpy_stream
from augan.metrics.estimate import Estimate, mean_of
from augan.metrics.in_domain import InDomainSpace, steps_for, train_extractor
from augan.metrics.space import Items

TEST_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class Part:
    """Some of the items of a set, as a set."""

    parent: Items
    rows: np.ndarray

    @property
    def item(self) -> ItemSpec:
        return self.parent.item

    @property
    def labels(self) -> np.ndarray | None:
        return None if self.parent.labels is None else self.parent.labels[self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def items(self, indices: np.ndarray) -> np.ndarray:
        """(b,) indices to (b, h, w, c) uint8."""
        return self.parent.items(self.rows[indices])


def accuracy_scores(
    real: Items, fake: Items, holdout: Items | None = None, *, seed: int = 0, steps: int | None = None
) -> dict[str, Estimate]:
    """Trains the in-domain classifier on either side with the same number of steps (arXiv:1905.10887).

    Returns shares of right answers, each with an interval over the tested images:
        accuracy_of_synthetic: trained on samples, tested on real images (the classification accuracy score, CAS).
        accuracy_of_real: trained on real images, tested on other real ones: what CAS is to reach.
        accuracy_on_synthetic: trained on real images, tested on samples (the reverse).

    Real images to test on are `holdout`, or else a fifth of each real class that neither classifier learns from.

    Raises:
        UserError: a side without labels, class names that differ, or no images to test on.
    """
    for name, side in (("real images", real), ("samples", fake)):
        if side.labels is None:
            raise UserError(f"Accuracy scores need labels on both sides, and the {name} have none.")
    if fake.item.class_names != real.item.class_names:
        raise UserError("Accuracy scores need the same classes on both sides.")
    if holdout is not None and holdout.labels is not None and holdout.item.class_names == real.item.class_names:
        learnt, test = real, holdout
    else:
        learnt, test = _split(real, seed)
    if not len(test):
        raise UserError("Accuracy scores need at least 5 real images in a class, to test on one of them, or --holdout.")
    steps = steps or steps_for(len(learnt))
    by_real = train_extractor(learnt, seed=seed, steps=steps)
    by_fake = train_extractor(fake, seed=seed, steps=steps)
    return {
        "accuracy_of_synthetic": _accuracy(by_fake, test, seed),
        "accuracy_of_real": _accuracy(by_real, test, seed),
        "accuracy_on_synthetic": _accuracy(by_real, fake, seed),
    }


def _split(items: Items, seed: int) -> tuple[Part, Part]:
    labels = items.labels
    assert labels is not None
    test: list[np.ndarray] = []
    for label in np.unique(labels):
        members = numpy_stream(seed, "accuracy score split", int(label)).permutation(np.flatnonzero(labels == label))
        test.append(members[: int(len(members) * TEST_SHARE)])
    rows = np.sort(np.concatenate(test))
    return Part(items, np.setdiff1d(np.arange(len(labels)), rows)), Part(items, rows)


def _accuracy(classifier: InDomainSpace, items: Items, seed: int) -> Estimate:
    guesses = classifier.probabilities(classifier.features_of(items, np.arange(len(items)))).argmax(1)
    return mean_of((guesses == items.labels).astype(np.float64), seed)
