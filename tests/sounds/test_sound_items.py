"""Sounds as items: transforms, rates, and what is said of recordings that are not as they should be."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import augan
from augan.cli.app import app
from augan.core.errors import UserError
from augan.core.item import ItemSpec, from_unit, to_unit
from augan.core.sounds import SoundSpec, decode, encode, griffin_lim, istft, resample, stft, window_for, write_wav

RATE = 8000
SPEC = SoundSpec(rate_hz=RATE, samples=2048, n_fft=256, hop=128, floor_db=-80.0, top_db=0.0)


def sine(hertz: float, samples: int, rate: int = RATE, amplitude: float = 0.5) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(samples) / rate)).astype(np.float32)


def tones(folder: Path, classes: int = 2, each: int = 4, samples: int = 2000, rate: int = RATE) -> Path:
    """Tones of another height in each class."""
    for label in range(classes):
        for index in range(each):
            path = folder / f"tone{label}" / f"{index}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_wav(path, sine(400 * (label + 1) + 10 * index, samples, rate)[None], rate)
    return folder


def call(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


# ---------------------------------------------------------------------- mathematics


def test_a_sine_stands_in_its_row_at_its_level() -> None:
    items = encode(torch.from_numpy(sine(1000, 2048))[None, None], SPEC)
    assert items.shape == (1, 128, 16, 1)
    column = items[0, :, 8, 0]
    assert column.argmax() == 128 - 1 - 1000 * 256 // RATE
    assert (column.max() / 255 - 1) * 80 == pytest.approx(20 * np.log10(0.5), abs=0.3)


def test_the_transform_is_inverted() -> None:
    waves = torch.randn(3, 2048)
    assert torch.allclose(istft(stft(waves, 256, 128), 256, 128, 2048), waves, atol=1e-5)


def test_griffin_lim_finds_a_sound_with_these_magnitudes() -> None:
    waves = torch.from_numpy(np.stack([sine(700, 4096) * np.hanning(4096).astype(np.float32)]))
    magnitudes = stft(waves, 256, 128).abs()
    errors = []
    for iterations in (1, 32):
        made = stft(griffin_lim(magnitudes, 256, 128, 4096, iterations), 256, 128).abs()
        errors.append(float((made - magnitudes).norm() / magnitudes.norm()))
    assert errors[1] < 0.1
    assert errors[1] < errors[0] / 2


def test_a_sound_does_not_depend_on_those_beside_it() -> None:
    items = encode(torch.randn(3, 1, 2048) * 0.1, SPEC)
    assert torch.allclose(decode(items, SPEC)[1:2], decode(items[1:2], SPEC), atol=1e-4)


@pytest.mark.parametrize(("rate", "wanted"), [(22050, 8000), (8000, 16000), (44100, 22050), (8000, 11025)])
def test_resampling_keeps_tones_and_length(rate: int, wanted: int) -> None:
    made = resample(torch.from_numpy(sine(440, rate, rate))[None], rate, wanted)
    assert made.shape == (1, wanted)
    assert np.abs(made[0].numpy() - sine(440, wanted, wanted))[300:-300].max() < 2e-3


def test_resampling_drops_what_the_new_rate_cannot_hold() -> None:
    made = resample(torch.from_numpy(sine(5000, 22050, 22050))[None], 22050, 8000)
    assert made[0, 300:-300].abs().max() < 5e-3


def test_waveforms_come_back_exactly() -> None:
    spec = SoundSpec(rate_hz=RATE, samples=64, form="waveform")
    items = np.arange(-32767, 32767, 1024, dtype=np.int16).reshape(1, 1, 64, 1)
    assert np.array_equal(encode(decode(items, spec), spec), items)
    assert np.array_equal(from_unit(to_unit(items), np.int16), items)


def test_windows_are_about_32_ms() -> None:
    assert [window_for(rate)[0] for rate in (8000, 16000, 48000)] == [256, 512, 2048]


def test_the_item_survives_json() -> None:
    item = ItemSpec(channels=1, height=128, width=16, kind="sound", sound=SPEC)
    assert ItemSpec.from_json(json.loads(json.dumps(item.to_json()))) == item
    assert "sound" not in ItemSpec(channels=1, height=8, width=8).to_json()


# ---------------------------------------------------------------------- reading


def test_folders_zips_and_arrays(tmp_path: Path) -> None:
    import shutil

    folder = tones(tmp_path / "tones")
    source = augan.open(folder)
    assert source.item.kind == "sound"
    assert source.item.class_names == ("tone0", "tone1")
    assert source.item.shape == (1, 128, 16)
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", folder)
    again = augan.open(packed)
    assert again.key == source.key
    waves = np.stack([sine(400 + 20 * i, 2000) for i in range(6)])
    made = augan.open(waves, kind="sound", sound=augan.data.SoundReading(rate_hz=RATE))
    assert made.item.shape == source.item.shape
    with pytest.raises(UserError, match="rate"):
        augan.open(waves, kind="sound")


def test_stereo_and_flac(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    for index in range(4):
        pair = np.stack([sine(500, 2000), sine(900 + index, 2000)], axis=1)
        soundfile.write(tmp_path / f"{index}.flac", pair, RATE)
    source = augan.open(tmp_path)
    assert source.item.channels == 2
    left, right = source.items(np.array([0]))[0, :, 4].T
    assert left.argmax() == 127 - 16
    assert right.argmax() in (127 - 28, 127 - 29)


def test_the_reading_is_as_asked(tmp_path: Path) -> None:
    folder = tones(tmp_path / "tones")
    reading = augan.data.SoundReading(rate_hz=4000, seconds=0.5, form="waveform")
    source = augan.open(folder, sound=reading)
    assert source.item.sound is not None
    assert (source.item.sound.rate_hz, source.item.sound.samples) == (4000, 2048)
    assert source.items(np.array([0])).dtype == np.int16
    with pytest.raises(UserError, match="rate_hz"):
        augan.data.SoundReading(rate_hz=10)
    with pytest.raises(UserError, match="no size"):
        augan.open(folder, size=32)


def spoil(folder: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    top = folder / "tone0"
    (top / "broken.wav").write_bytes(b"RIFF nothing of the kind")
    (top / "empty.wav").write_bytes(b"")
    write_wav(top / "silent.wav", np.zeros((1, 2000), np.float32), RATE)
    write_wav(top / "none.wav", np.zeros((1, 0), np.float32), RATE)
    bad = sine(500, 2000)
    bad[7] = np.nan
    soundfile.write(top / "nan.wav", bad, RATE, subtype="FLOAT")


def test_bad_sounds_are_left_out_and_named(tmp_path: Path) -> None:
    folder = tones(tmp_path / "tones")
    clean = augan.open(folder)
    spoil(folder)
    source = augan.open(folder)
    assert np.array_equal(source.items(np.arange(8)), clean.items(np.arange(8)))
    (note,) = [note for note in source.notes if "could not be read" in note]
    for reason in ("broken", "empty file", "silent", "no samples", "NaN"):
        assert reason in note
    result = call("train", folder, "--strict", "--out", tmp_path / "run")
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert "5 of 13 sounds could not be read" in line
    assert not (tmp_path / "run").exists()


def test_notes_on_rates_channels_and_clipping(tmp_path: Path) -> None:
    folder = tones(tmp_path / "tones")
    write_wav(folder / "tone0" / "fast.wav", sine(500, 4000, 16000)[None], 16000)
    write_wav(folder / "tone0" / "four.wav", np.tile(sine(500, 2000), (4, 1)), RATE)
    write_wav(folder / "tone1" / "stereo.wav", np.tile(sine(500, 2000), (2, 1)), RATE)
    write_wav(folder / "tone1" / "loud.wav", np.clip(3 * sine(500, 2000), -1, 1)[None], RATE)
    source = augan.open(folder)
    said = " ".join(source.notes)
    for part in ("1 of 12 sounds (16,000 Hz) were resampled to 8,000 Hz", "more than 2 channels", "mixed to mono"):
        assert part in said
    assert "1 sounds are clipped" in said
    assert source.item.channels == 1


def test_all_bad_is_an_error(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.zeros((1, 2000), np.float32), RATE)
    write_wav(tmp_path / "b.wav", np.zeros((1, 2000), np.float32), RATE)
    with pytest.raises(UserError, match="none is left"):
        augan.open(tmp_path)


def test_wav_files_are_plain(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.stack([sine(500, 100), sine(600, 100)]), RATE)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, RATE, 100)
