"""Sounds from a folder to a run, to files, to measures and studies."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from test_sound_items import RATE, call, tones

import augan
from augan.augment.sounds import plain_view, spec_augment
from augan.core.errors import UserError
from augan.core.item import ItemSpec
from augan.core.sounds import SoundSpec
from augan.networks import NetworkConfig, build
from augan.networks.wavegan import depth_of, phase_shuffle
from common import TINY

SMALL = [part for setting in TINY for part in ("--set", setting)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tones(tmp_path_factory.mktemp("sounds") / "tones", each=24)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "tones"
    result = call("train", data, "--images", 64, "--out", folder, *SMALL)
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="module")
def waves(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "waves"
    settings = ["--set", "networks.width=2", "--set", "training.batch=8", "--set", "training.snapshots=1"]
    result = call("train", data, "--recipe", "wavegan", "--images", 32, "--out", folder, *settings)
    assert result.exit_code == 0, result.output
    return folder


def read(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert file.getframerate() == RATE
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


@pytest.mark.parametrize("kind", ["run", "waves"])
def test_previews_are_seen_and_heard(kind: str, request: pytest.FixtureRequest) -> None:
    samples = request.getfixturevalue(kind) / "samples"
    names = {path.suffix for path in samples.iterdir()}
    assert names == {".png", ".wav"}
    assert len(read(next(samples.glob("*.wav")))) == 2 * (2048 + RATE // 4)


@pytest.mark.parametrize("kind", ["run", "waves"])
def test_generate_writes_every_form(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    pytest.importorskip("soundfile")
    folder = request.getfixturevalue(kind)
    for name in ("sounds", "row.wav", "row.flac", "row.ogg", "sounds.npz", "sheet.png"):
        result = call("generate", folder, "--count", 4, "--out", tmp_path / name)
        assert result.exit_code == 0, result.output
    files = sorted(path.relative_to(tmp_path).as_posix() for path in (tmp_path / "sounds").rglob("*.wav"))
    assert files == ["sounds/tone0/0.wav", "sounds/tone0/2.wav", "sounds/tone1/1.wav", "sounds/tone1/3.wav"]
    assert len(read(tmp_path / "row.wav")) == 4 * (2048 + RATE // 4)
    with np.load(tmp_path / "sounds.npz") as archive:
        assert archive["waveforms"].shape == (4, 2048, 1)
        assert int(archive["rate_hz"]) == RATE
        heard = (archive["waveforms"][1, :, 0] * 32767).round()
    assert np.abs(heard - read(tmp_path / "sounds/tone1/1.wav")).max() <= 1
    again = augan.open(tmp_path / "sounds.npz")
    assert again.item.kind == "sound"
    assert len(again) == 4


def test_wrong_endings_are_refused(run: Path, tmp_path: Path) -> None:
    result = call("generate", run, "--count", 2, "--out", tmp_path / "a.mp4")
    assert result.exit_code == 2
    assert ".wav" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["run", "waves"])
def test_evaluate(kind: str, request: pytest.FixtureRequest, data: Path) -> None:
    folder = request.getfixturevalue(kind)
    result = call("evaluate", folder, "--against", data, "--count", 24, "--json")
    assert result.exit_code == 0, result.output
    measures = json.loads(result.stdout)["measures"]
    assert {"frechet", "agreement", "inception_score"} <= set(measures)


def test_real_sounds_against_others(data: Path, tmp_path: Path) -> None:
    other = tones(tmp_path / "others", each=12, samples=1500)
    found = augan.evaluate(other, data, count=24)
    assert np.isfinite(found.measures["frechet"].value)


def test_a_run_goes_on(data: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    options = ["--set", "networks.width=2", "--set", "training.batch=8", "--set", "training.snapshots=1"]
    options += ["--set", "training.measure_images=0", "--set", "training.schedule_images=32", "--recipe", "wavegan"]
    assert call("train", data, "--images", 32, "--out", whole, *options).exit_code == 0
    assert call("train", data, "--images", 16, "--out", parts, *options).exit_code == 0
    assert call("train", data, "--images", 32, "--out", parts, "--resume").exit_code == 0
    assert augan.load(whole).hash == augan.load(parts).hash


def test_a_bigger_copy_is_of_sounds(data: Path, run: Path, tmp_path: Path) -> None:
    result = call("augment", data, "--run", run, "--strategy", "26", "--out", tmp_path / "more", "--force")
    assert result.exit_code == 0, result.output
    new = sorted((tmp_path / "more").rglob("synthetic-*.wav"))
    assert len(new) == 4
    assert len(augan.open(tmp_path / "more")) == 52
    assert call("augment", data, "--run", run, "--strategy", "26", "--out", tmp_path / "more.npz").exit_code == 2


def test_a_study_has_arms_of_sounds(data: Path) -> None:
    found = augan.lift(data, arms=["real", "classical", "specaugment", "plain-specaugment"], folds=2, steps=20)
    assert set(found.record.measured) == {"real", "classical", "specaugment", "plain-specaugment"}
    with pytest.raises(UserError, match="backwards"):
        augan.lift(data, folds=2, steps=2, flip=True)


# ---------------------------------------------------------------------- changes


def line(row: int, column: int) -> torch.Tensor:
    images = torch.full((8, 1, 64, 32), -1.0)
    images[:, :, row, :] = 0.5
    images[:, :, :, column] = 0.5
    return images


def test_plain_views_move_within_bounds() -> None:
    images = line(40, 16)
    changed = plain_view(images, np.random.default_rng(0))
    assert changed.shape == images.shape
    assert changed.min() >= -1
    assert changed.max() <= 1
    rows = changed[:, 0, :, :].mean(2).argmax(1)
    assert len(set(rows.tolist())) > 3
    most = 2 ** (2 / 12) * 1.1
    assert all(23.5 / most - 2 <= 63.5 - row <= 23.5 * most + 2 for row in rows.tolist())


def test_spec_augment_hides_whole_rows_and_columns() -> None:
    images = torch.zeros(16, 1, 40, 30)
    hidden = spec_augment(images, np.random.default_rng(1)) == -1
    for one in hidden[:, 0]:
        rows, columns = one.all(1), one.all(0)
        assert torch.equal(one, rows[:, None] | columns[None])
        assert rows.sum() <= 2 * 9
        assert columns.sum() <= 2 * 7
    assert hidden.any()


# ---------------------------------------------------------------------- WaveGAN


def test_depth_follows_length() -> None:
    assert [depth_of(samples) for samples in (64, 1024, 6144, 16384, 65536)] == [1, 3, 4, 5, 5]


@pytest.mark.parametrize("samples", [1024, 1000, 6144])
@pytest.mark.parametrize("channels", [1, 2])
def test_wavegan_fits_any_length(samples: int, channels: int) -> None:
    spec = SoundSpec(rate_hz=RATE, samples=samples, form="waveform")
    item = ItemSpec(channels=channels, height=1, width=samples, class_names=("a", "b"), kind="sound", sound=spec)
    generator, discriminator = build(NetworkConfig(name="wavegan", width=2), item)
    labels = torch.tensor([0, 1, 1])
    made = generator(torch.randn(3, 64), labels)
    assert made.shape == (3, channels, 1, samples)
    assert discriminator(made, labels).shape == (3,)


def test_wavegan_and_pictures_do_not_mix(data: Path, tmp_path: Path) -> None:
    for settings in (["--set", "networks.name=wavegan"], ["--recipe", "wavegan", "--set", "networks.name=strided"]):
        result = call("train", data, "--images", 16, "--out", tmp_path / "run", *settings)
        assert result.exit_code == 2
        assert "wavegan" in result.stderr


def test_phase_shuffle_moves_and_reflects() -> None:
    maps = torch.arange(6.0).expand(200, 1, 6)
    torch.manual_seed(0)
    moved = phase_shuffle(maps, 2)
    expected = {
        (2.0, 3.0, 4.0, 5.0, 4.0, 3.0),
        (1.0, 2.0, 3.0, 4.0, 5.0, 4.0),
        (0.0, 1.0, 2.0, 3.0, 4.0, 5.0),
        (1.0, 0.0, 1.0, 2.0, 3.0, 4.0),
        (2.0, 1.0, 0.0, 1.0, 2.0, 3.0),
    }
    assert {tuple(row[0].tolist()) for row in moved} == expected
