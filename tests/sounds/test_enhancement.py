"""Noisy sounds to clean ones: pairs of folders, sounds of any length, the baseline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from test_sound_items import RATE, call, sine

from augan import translate
from augan.baselines import si_sdr, spectral_gate
from augan.core.errors import UserError
from augan.core.sounds import SoundSpec, magnitudes_of, stft, write_wav
from augan.translate.gain import GainGenerator, noise_ratio


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, random = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    for side in ("noisy", "clean"):
        (folder / side).mkdir()
    for index in range(8):
        wave = sine(400 + 60 * index, 2000)
        write_wav(folder / "clean" / f"{index}.wav", wave[None], RATE)
        noise = 0.1 * random.standard_normal(2000).astype(np.float32)
        write_wav(folder / "noisy" / f"{index}.wav", (wave + noise)[None], RATE)
    return folder


@pytest.fixture(scope="module")
def run(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "clean"
    options = ["--images", 8, "--set", "width=4", "--set", "snapshots=1", "--set", "held_out=0", "--set", "batch=4"]
    result = call("translate", "train", pairs / "noisy", pairs / "clean", "--paired", "--out", folder, *options)
    assert result.exit_code == 0, result.output
    return folder


def test_si_sdr_has_its_closed_form() -> None:
    target = torch.from_numpy(sine(500, 8000))
    other = torch.from_numpy(sine(1000, 8000))  # at right angles to it
    assert float(si_sdr(3 * (target + other / 10), target)) == pytest.approx(20, abs=0.01)


def test_the_gate_takes_steady_noise_away() -> None:
    random = torch.Generator().manual_seed(0)
    wave = torch.zeros(1, 16000)
    wave[0, 4000:10000] = torch.from_numpy(sine(700, 6000))
    noisy = wave + 0.05 * torch.randn(1, 16000, generator=random)
    assert float(si_sdr(spectral_gate(noisy), wave) - si_sdr(noisy, wave)) > 5


def test_sides_are_stored_alike(pairs: Path) -> None:
    sides = translate.open_sides(pairs / "noisy", pairs / "clean", paired=True)
    assert sides.item("a").sound == sides.item("b").sound
    assert sides.item("a").sound is not None


def test_a_sound_is_neither_mirrored_nor_cut(run: Path) -> None:
    config = translate.Run(run).config
    assert (config["flip"], config["enlarge"]) == (False, 1.0)
    assert config["gain"]
    assert config["norm"] == "instance"
    assert config["snr"] > 0


class Always(torch.nn.Module):
    """The same value everywhere."""

    multiple = 4

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.full_like(images, self.value)


@pytest.mark.parametrize(("given", "gain"), [(1.0, 1.0), (0.0, 0.5), (-0.8, 0.1)])
@pytest.mark.parametrize("floor", [-80.0, -60.0])
def test_a_gain_multiplies_magnitudes(given: float, gain: float, floor: float) -> None:
    spec = SoundSpec(rate_hz=8000, samples=1024, floor_db=floor, top_db=-5.0)
    loud = torch.full((1, 1, 4, 4), 0.5)
    made = GainGenerator(Always(given), spec)(loud)
    ours, theirs = (magnitudes_of((side + 1) * 127.5, spec) for side in (made, loud))
    assert torch.allclose(ours / theirs, torch.full_like(loud, gain), atol=1e-4)


def test_a_gain_of_nothing_is_silence() -> None:
    spec = SoundSpec(rate_hz=8000, samples=1024)
    assert torch.equal(GainGenerator(Always(-1.0), spec)(torch.zeros(1, 1, 4, 4)), -torch.ones(1, 1, 4, 4))


def test_the_ratio_of_errors_has_its_closed_form() -> None:
    spec = SoundSpec(rate_hz=8000, samples=1024)  # 80 dB: a factor of ten is a half
    target = torch.zeros(2, 1, 4, 4)
    assert float(noise_ratio(target - 0.5, target, spec)) == pytest.approx(np.log10(0.81 + 1e-3), abs=1e-5)
    assert float(noise_ratio(target, target, spec)) == pytest.approx(-3, abs=1e-3)


@pytest.mark.parametrize("setting", ["gain=true", "snr=1"])
def test_gains_are_for_sounds(setting: str, tmp_path: Path) -> None:
    sides = [np.zeros((4, 16, 16), np.uint8)] * 2
    with pytest.raises(UserError, match="spectrograms on both sides"):
        translate.train(*sides, paired=True, images=4, out=tmp_path / "run", settings=[setting, "width=4"])
    with pytest.raises(UserError, match="these sounds have none"):
        translate.train(*sides, paired=False, images=4, out=tmp_path / "run", settings=[setting])


@pytest.mark.parametrize("samples", [300, 2000, 5001])
def test_no_frequency_gets_louder(run: Path, samples: int) -> None:
    model = translate.load(run)
    wave = torch.from_numpy(sine(600, samples) + 0.05 * np.random.default_rng(1).standard_normal(samples)).float()[None]
    made = translate.translate_wave(model, wave)
    assert made.shape == wave.shape
    ours, theirs = (stft(torch.nn.functional.pad(w, (0, 600)), 256, 128).abs() for w in (made, wave))
    assert ours.sum() <= theirs.sum() * 1.01


def test_short_sounds_are_followed_by_silence_as_in_training(run: Path) -> None:
    model = translate.load(run)
    sound = model.items["a"].sound
    assert sound is not None
    wave = torch.from_numpy(sine(600, 600))[None]
    longer = torch.nn.functional.pad(wave, (0, sound.samples - 600))
    assert torch.allclose(translate.translate_wave(model, wave), translate.translate_wave(model, longer)[:, :600])


def test_folders_become_folders(run: Path, pairs: Path, tmp_path: Path) -> None:
    result = call("translate", "apply", run, pairs / "noisy", "--out", tmp_path / "clean")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "clean").iterdir()) == [f"{index}.wav" for index in range(8)]
    result = call("translate", "apply", run, pairs / "noisy" / "0.wav", "--out", tmp_path / "one.wav")
    assert result.exit_code == 0, result.output
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.wav").write_bytes(b"RIFF")
    result = call("translate", "apply", run, tmp_path / "broken", "--out", tmp_path / "none")
    assert result.exit_code == 2
    assert "None of the 1 sounds" in result.stderr
    assert call("translate", "apply", run, pairs / "noisy", "--out", tmp_path / "x.zip").exit_code == 2
    assert not (tmp_path / "none").exists()
