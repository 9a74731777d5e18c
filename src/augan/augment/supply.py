"""Made rows among which to choose: how a forest of real ones judges them, and which are taken."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Int64

from augan.augment.selection import Side, select

OVERSUPPLY = 3
"""Candidates for each row that is wanted."""
Labels = Int64[np.ndarray, " n"]
Chosen = Int64[np.ndarray, " _"]


def filled_up(real: Side, candidates: Side, wanted: dict[int, int], seed: int) -> tuple[Chosen, dict[int, Any]]:
    """Selected candidates, filled up by others in the order they were made, class by class."""
    selection = select(real, candidates, wanted, seed)
    rows = []
    for label, count in wanted.items():
        members = np.flatnonzero(candidates.labels == label)
        kept = members[selection.fates[members] == "kept"]
        others = members[selection.fates[members] != "kept"]
        rows.append(np.concatenate([kept, others])[:count])
    return np.concatenate(rows).astype(np.int64), selection.rejected


def judged_rows(
    rows: np.ndarray, labels: Labels, made: np.ndarray, asked: Int64[np.ndarray, " m"], seed: int
) -> tuple[Side, Side]:
    """Real rows as a forest sees them that did not learn from them, made ones as a forest of all real ones does."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    classes = int(labels.max()) + 1
    forest = RandomForestClassifier(50, random_state=seed % 2**31)
    if np.bincount(labels).min() < 2:
        flat = np.full((len(rows), classes), 1 / classes), np.full((len(made), classes), 1 / classes)
        return Side(features=rows, labels=labels, probabilities=flat[0]), Side(
            features=made, labels=asked, probabilities=flat[1]
        )
    folds = StratifiedKFold(2, shuffle=True, random_state=seed % 2**31)
    own = cross_val_predict(forest, rows, labels, cv=folds, method="predict_proba")
    theirs = forest.fit(rows, labels).predict_proba(made)
    return (
        Side(features=rows, labels=labels, probabilities=own),
        Side(features=made, labels=asked, probabilities=theirs),
    )
