"""Measures of rows: closed forms, SDMetrics' own functions where it is installed, the order of trivial baselines."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import augan
from augan.core.table import expand
from augan.metrics import tables
from augan.metrics.rows import row_features
from augan.metrics.tables import (
    binned,
    bootstrap,
    column_shapes,
    correlation_similarity,
    efficacy,
    evaluate_codes,
    independent,
    ks_complement,
    mean_auc,
    pair_trends,
    tv_complement,
)
from mixed_rows import mixed


@pytest.fixture(autouse=True)
def small_forests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classifiers that measure are small."""
    monkeypatch.setattr(tables, "TREES", 20)


def test_closed_forms() -> None:
    assert ks_complement(np.arange(10.0), np.arange(10.0)) == 1
    assert ks_complement(np.zeros(4), np.ones(3)) == 0
    assert ks_complement(np.array([0.0, 1.0, np.nan]), np.array([0.0, 0.0])) == 0.5
    assert tv_complement(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])) == pytest.approx(0.75)
    line = np.stack([np.arange(5.0), np.arange(5.0)], 1)
    assert correlation_similarity(line, line * [1, -1]) == pytest.approx(0)
    assert np.isnan(correlation_similarity(line, np.ones((5, 2))))
    shares = np.array([[0.1, 0.9], [0.8, 0.2], [0.5, 0.5], [0.5, 0.5]])
    assert mean_auc(shares, np.array([1, 0, 1, 0])) == pytest.approx(0.875)


def test_like_sdmetrics() -> None:
    pytest.importorskip("sdmetrics")
    from sdmetrics.column_pairs import ContingencySimilarity, CorrelationSimilarity
    from sdmetrics.single_column import KSComplement, TVComplement

    random = np.random.default_rng(0)
    real = pd.DataFrame({"x": random.normal(size=80), "y": random.normal(size=80), "c": random.integers(0, 4, 80)})
    fake = pd.DataFrame({"x": random.normal(1, 2, 60), "y": random.normal(size=60), "c": random.integers(0, 3, 60)})
    ours = ks_complement(real["x"].to_numpy(), fake["x"].to_numpy())
    assert ours == pytest.approx(KSComplement.compute(real["x"], fake["x"]))
    assert tv_complement(real["c"].to_numpy(), fake["c"].to_numpy()) == pytest.approx(
        TVComplement.compute(real["c"], fake["c"])
    )
    pair = ["x", "y"]
    assert correlation_similarity(real[pair].to_numpy(), fake[pair].to_numpy()) == pytest.approx(
        CorrelationSimilarity.compute(real[pair], fake[pair])
    )
    places = binned(real["x"].to_numpy(), fake["x"].to_numpy())
    theirs = ContingencySimilarity.compute(
        real[["x", "c"]].copy(), fake[["x", "c"]].copy(), continuous_column_names=["x"]
    )
    assert tv_complement(places[0] * 4 + real["c"].to_numpy(), places[1] * 4 + fake["c"].to_numpy()) == pytest.approx(
        theirs
    )


def test_real_rows_score_one_and_independent_columns_lose_the_pairs() -> None:
    source = augan.open(mixed(400), label="sex")
    spec, codes = source.spec, source.codes
    assert set(column_shapes(spec, codes, codes).values()) == {1.0}
    assert min(pair_trends(spec, codes, codes).values()) == pytest.approx(1)
    apart = independent(codes, 400)
    assert min(column_shapes(spec, codes, apart).values()) > 0.85
    assert pair_trends(spec, codes, apart)["number", "sex"] < 0.75
    assert efficacy(spec, codes, codes)["auc"] > 0.98
    assert efficacy(spec, apart, codes)["auc"] < 0.8


def test_an_evaluation_has_the_baselines_beside_it() -> None:
    real, held = augan.open(mixed(200), label="sex"), augan.open(mixed(200, seed=1), label="sex")
    held = augan.data.tables.source_of(held.frame, real.spec, "held")
    found = evaluate_codes(real.spec, bootstrap(real.codes, 150, seed=5), real.codes, held.codes)
    assert found.measures["copies"]["model"] == found.measures["copies"]["bootstrap"] == 1
    assert found.measures["copies"]["real"] == 0
    assert found.measures["auc_of_classifier"]["real"] > 0.9
    assert set(found.measures["pair_trends"]) == {"model", "independent", "bootstrap", "real"}
    assert found.rows == {"model": 150, "against": 200, "holdout": 200}
    assert "held-out rows" in found.notes[0]


def test_features_of_a_row_are_its_deviations_and_places() -> None:
    source = augan.open(mixed(), label="sex")
    rows = row_features(source.spec, source.codes)
    first = (mixed()["number"] - mixed()["number"].mean()) / mixed()["number"].std(ddof=0)
    assert np.abs(rows[:, 0] - first).max() < 0.05
    space = augan.metrics.RowSpace(source.item)
    import torch

    encoded = torch.from_numpy(expand(source.spec, source.codes))[:, :, None, None]
    np.testing.assert_allclose(space.features(encoded), rows, atol=1e-6)
