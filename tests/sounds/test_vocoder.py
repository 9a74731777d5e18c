"""Vocoders: sizes as published, losses, a run from end to end, the baseline."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from test_sound_items import RATE, call, sine, tones

from augan import vocoder
from augan.baselines import si_sdr
from augan.core.errors import UserError
from augan.vocoder import SIZES, MelSpec, VocoderGenerator, VocoderJudges, vocoder_config
from augan.vocoder.config import GeneratorConfig
from augan.vocoder.features import filters, log_mel, mel_distance, mel_griffin_lim, stft_distance
from augan.vocoder.model import guide_of
from augan.vocoder.networks import feature_loss, generator_loss, inverse_basis, judges_loss, learned, plain

SPEC = MelSpec(rate_hz=RATE, n_fft=512, hop=128, mels=40, low_hz=0.0, high_hz=4000.0)
TINY_VOCODER = [
    'generator={"channels":16,"rates":[8,4],"kernels":[16,8],"block_kernels":[3],"dilations":[[1]],"inverse_hop":4,"guide":2}',
    "batch=2",
    "segment=1024",
    "judges=16",
    "held_out=2",
    "snapshots=1",
    "threads=1",
]


def settings(*more: str) -> list[str]:
    return [part for setting in (*TINY_VOCODER, *more) for part in ("--set", setting)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tones(tmp_path_factory.mktemp("voices") / "tones", each=5)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "voice"
    result = call("vocoder", "train", data, "--out", folder, "--steps", 4, *settings("warm_up=0.5"))
    assert result.exit_code == 0, result.output
    return folder


# ---------------------------------------------------------------------- networks


@pytest.mark.parametrize(("size", "millions"), [("v1", 13.92), ("v2", 0.92), ("v3", 1.46)])
def test_parameters_are_the_papers(size: str, millions: float) -> None:
    with torch.device("meta"):
        count = learned(VocoderGenerator(SIZES[size]["generator"], 80))
    assert abs(count / 1e6 - millions) < 0.01


@pytest.mark.parametrize("size", SIZES)
def test_a_frame_becomes_a_hop(size: str) -> None:
    config = SIZES[size]["generator"]
    small = GeneratorConfig(
        channels=16,
        rates=config.rates,
        kernels=config.kernels,
        block_kernels=config.block_kernels,
        dilations=config.dilations,
        paired_convolutions=config.paired_convolutions,
        inverse_hop=config.inverse_hop,
    )
    made = VocoderGenerator(small, 40)(torch.randn(2, 40, 9))
    assert made.shape == (2, 9 * config.hop)
    assert made.abs().max() <= 1


def test_a_guided_generator_begins_as_its_guide() -> None:
    config = GeneratorConfig(channels=16, rates=(8, 4), kernels=(16, 8), inverse_hop=4, guide=2)
    guide = torch.from_numpy(sine(500, 9 * 128))[None]
    made = VocoderGenerator(config, 40)(torch.zeros(1, 40, 9), guide)
    assert float(si_sdr(made.detach(), guide)) > 15
    assert not torch.equal(made, guide)


def test_weight_normalisation_comes_off_unchanged() -> None:
    network = VocoderGenerator(GeneratorConfig(channels=16), 40)
    mels = torch.randn(1, 40, 5)
    before = network(mels)
    assert torch.allclose(plain(network)(mels), before, atol=1e-5)
    assert all("parametrizations" not in name for name in network.state_dict())


def test_short_spectra_become_the_waveform_that_they_are_of() -> None:
    hop, wave = 4, torch.from_numpy(sine(700, 256))[None]
    spectra = torch.stft(wave, 4 * hop, hop, window=torch.hann_window(4 * hop), center=True, return_complex=True)
    parts = torch.cat([spectra.real, spectra.imag], 1)
    made = torch.nn.functional.conv_transpose1d(parts, inverse_basis(hop), stride=hop)[0, 0, 2 * hop : 2 * hop + 256]
    assert torch.allclose(made[16:-16], wave[0, 16:-16], atol=1e-5)


def test_losses_have_their_closed_forms() -> None:
    real, fake = [torch.ones(2, 3), torch.zeros(2, 5)], [torch.zeros(2, 3), torch.full((2, 5), 0.5)]
    assert float(judges_loss(real, fake)) == pytest.approx(0 + 0 + 1 + 0.25)
    assert float(generator_loss(fake)) == pytest.approx(1 + 0.25)
    maps = [[torch.zeros(2, 3), torch.ones(2)], [torch.ones(4)]]
    others = [[torch.ones(2, 3), torch.ones(2)], [torch.full((4,), 3.0)]]
    assert float(feature_loss(maps, others)) == pytest.approx(1 + 0 + 2)


def test_all_judges_judge() -> None:
    verdicts, maps = VocoderJudges(16)(torch.randn(2, 1024))
    assert len(verdicts) == len(maps) == 8
    assert all(len(verdict) == 2 for verdict in verdicts)


# ---------------------------------------------------------------------- mels


def test_filters_cover_the_band_with_equal_areas() -> None:
    weights = filters(MelSpec(rate_hz=22050, n_fft=1024, hop=256, mels=80, low_hz=0, high_hz=8000))
    areas = weights.sum(1) * 22050 / 1024
    assert torch.allclose(areas[60:], torch.ones(20), atol=0.05)
    assert weights[:, int(8100 * 1024 / 22050) :].abs().max() == 0


def test_a_louder_sound_has_higher_mels() -> None:
    wave = torch.from_numpy(sine(700, 4096))[None]
    quiet, loud = log_mel(0.1 * wave, SPEC), log_mel(0.2 * wave, SPEC)
    peak = loud.mean(2).argmax(1)
    assert float((loud - quiet)[0, peak].mean()) == pytest.approx(np.log(2), abs=1e-3)
    assert quiet.shape == (1, 40, 32)


def test_griffin_lim_from_mels_is_near_and_aligned() -> None:
    wave = torch.zeros(1, 4096)
    wave[0, 2048:2448] = torch.from_numpy(sine(700, 400))
    made = mel_griffin_lim(log_mel(wave, SPEC), SPEC, 4096)
    assert made.shape == wave.shape
    loudness = made.square().unfold(1, 256, 256).sum(2)[0]
    assert int(loudness.argmax()) in (8, 9)
    tone = torch.from_numpy(sine(700, 4096))[None]
    again = mel_griffin_lim(log_mel(tone, SPEC), SPEC, 4096)
    noise = torch.randn(1, 4096) * 0.3
    assert mel_distance(again, tone, SPEC) < mel_distance(noise, tone, SPEC) / 3


def test_distances_are_none_to_itself() -> None:
    wave = torch.randn(1, 4096)
    assert float(mel_distance(wave, wave, SPEC)) == 0
    assert float(stft_distance(wave, wave, RATE)) == 0
    assert float(stft_distance(wave / 2, wave, RATE)) == pytest.approx(0.5 + np.log(2), abs=0.01)


# ---------------------------------------------------------------------- runs


def test_a_run_holds_what_a_run_holds(run: Path) -> None:
    assert {path.name for path in run.iterdir()} >= {"config.json", "data.json", "metrics.jsonl", "result.json"}
    assert list((run / "samples").glob("*.wav"))
    quality = json.loads((run / "result.json").read_text())["quality"]
    assert {"vocoder", "griffin_lim"} <= set(quality)
    assert quality["griffin_lim"]["mel"] > 0


def test_apply_and_export(run: Path, data: Path, tmp_path: Path) -> None:
    result = call("vocoder", "apply", run, data / "tone0", "--out", tmp_path / "again")
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "again").glob("*.wav"))) == 5
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/a.wav").write_bytes((data / "tone0/0.wav").read_bytes())
    (tmp_path / "bad/b.wav").write_bytes(b"no sound")
    result = call("vocoder", "apply", run, tmp_path / "bad", "--out", tmp_path / "some", "--json")
    assert result.exit_code == 1
    assert list(json.loads(result.stdout)["failed"]) == ["b.wav"]
    assert (tmp_path / "some/failed.txt").exists()
    result = call("vocoder", "export", run, "--out", tmp_path / "voice.pt2")
    assert result.exit_code == 0, result.output
    model = vocoder.load(run)
    program = torch.export.load(tmp_path / "voice.pt2").module()
    mels = torch.randn(1, 40, 50)
    assert torch.allclose(program(mels, guide_of(mels, model.spec, model.config)), model.decode(mels), atol=1e-5)


def test_stopped_and_resumed_is_as_if_it_had_not_been(data: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    given = settings("warm_up=0", "cool_down=0")
    assert call("vocoder", "train", data, "--out", whole, "--steps", 4, *given).exit_code == 0
    assert call("vocoder", "train", data, "--out", parts, "--steps", 2, *given).exit_code == 0
    assert call("vocoder", "train", data, "--out", parts, "--steps", 4, "--resume").exit_code == 0
    assert json.loads((parts / "config.json").read_text())["steps"] == 4
    ours, theirs = (vocoder.load(path, which="last").generator.state_dict() for path in (whole, parts))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_mistakes_are_one_line(run: Path, data: Path, tmp_path: Path) -> None:
    cases = [
        (["train", data, "--out", tmp_path / "x", "--size", "v9"], "v9"),
        (["train", data, "--out", run, "--steps", "1"], "exists"),
        (["train", data, "--out", tmp_path / "x", "--steps", "1", "--set", "segment=1000"], "multiple of the hop"),
        (["train", data, "--out", tmp_path / "x", "--steps", "1", "--set", "held_out=9"], "held out"),
        (["apply", run, tmp_path / "none", "--out", tmp_path / "x"], "does not exist"),
        (["export", run, "--out", tmp_path / "x.onnx"], ".pt2"),
    ]
    for arguments, words in cases:
        result = call("vocoder", *arguments)
        assert result.exit_code == 2, result.output
        assert words in result.stderr
        assert len(result.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_budget_is_one_of_two() -> None:
    with pytest.raises(UserError, match="budget"):
        vocoder_config("small", steps=1, minutes=1.0)
