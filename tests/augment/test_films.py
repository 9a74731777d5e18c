"""Studies of clips: what is compared, that films stay whole, that classifiers see movement."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import augan
from augan.augment import lift
from augan.augment.films import films_of
from augan.augment.pictures import PictureTask
from augan.baselines import Lesson, train_classifier
from augan.core.errors import UserError
from augan.data import Source
from common_clips import moving, write_video


def _directed(each: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    clips = np.concatenate([moving(each, right=right, seed=seed + right) for right in (False, True)])
    return clips, np.arange(2).repeat(each)


class _Oracle:
    """Makes new real clips."""

    def make(self, label: int, count: int, seed: int) -> np.ndarray:
        return moving(count, right=bool(label), seed=1_000 + seed % 1_000)


def _fit(train: Source, seed: int) -> _Oracle:
    return _Oracle()


def test_a_classifier_of_clips_tells_directions_that_no_frame_shows() -> None:
    clips, labels = _directed(60, 0)
    learnt = train_classifier(Lesson(images=clips, targets=np.eye(2)[labels], views=True), 60)
    other, truth = _directed(60, 50)
    assert (learnt.predict(other) == truth).mean() > 0.9
    backwards = learnt.predict(np.ascontiguousarray(other[:, ::-1]))
    assert (backwards == truth).mean() < 0.5
    assert learnt.predict_proba(other[:3]).sum(1) == pytest.approx(1)


def test_a_study_of_clips_compares_arms_without_an_autoencoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("augan.metrics.clips.MOST_STEPS", 8)
    clips, labels = _directed(24, 0)
    assert PictureTask(augan.open((clips, labels)), None).steps == 300
    found = lift((clips, labels), fit=_fit, steps=3, folds=2)
    arms = set(found.record.measured)
    assert {"real", "classical", "weights", "smote", "mixup", "gan-raw", "gan-classical"} <= arms
    assert "vae" not in arms
    assert found.settings["steps"] == 3
    assert found.gallery is not None
    assert found.gallery.real[0].shape[1:] == clips.shape[2:]  # middle frames


def test_windows_of_a_film_stay_together(tmp_path: Path) -> None:
    for name in ("down", "right"):
        for number, clip in enumerate(moving(20, frames=16, side=24, right=name == "right", seed=3)):
            write_video(tmp_path / "set" / name / f"{number:02d}.gif", clip)
    source = augan.open(tmp_path / "set", cutting=augan.data.Cutting(frames=8))
    films = films_of(source)
    assert films is not None
    assert len(source) == 80
    assert np.bincount(films).tolist() == [2] * 40
    found = lift(source, arms=["real"], folds=2, steps=1, fit=_fit)
    assert found.settings["groups"] is not None
    assert "Clips of one film, of 40, stay on one side of every split." in found.notes


def test_held_out_clips_that_are_in_the_data_are_refused() -> None:
    clips, labels = _directed(24, 0)
    with pytest.raises(UserError, match="held-out items are in the data, too"):
        lift((clips, labels), arms=["real"], folds=2, steps=1, holdout=(clips[:6], labels[:6]))


def test_images_of_another_domain_are_for_images() -> None:
    clips, labels = _directed(24, 0)
    with pytest.raises(UserError, match="leave foreign out"):
        lift((clips, labels), foreign=(clips, labels), fit=_fit, steps=1)
