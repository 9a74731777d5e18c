"""Clips of every layout, and what is said of those that do not fit."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

import augan
from augan.core.errors import UserError
from augan.data import Cutting
from augan.data.films import Film
from common_clips import moving, write_frames, write_video

CLIPS = moving(4, frames=8)


def opened(path: Path, frames: int | None = 8, **options: object) -> augan.data.ArraySource:
    return augan.open(path, cutting=Cutting(frames=frames), **options)


@pytest.mark.parametrize(("suffix", "exact"), [(".mp4", 12), (".webm", 60), (".avi", 60), (".gif", 1)])
def test_video_files_are_clips_in_class_folders(tmp_path: Path, suffix: str, exact: int) -> None:
    for number, clip in enumerate(CLIPS):
        write_video(tmp_path / "set" / "ab"[number % 2] / f"{number}{suffix}", clip)
    source = opened(tmp_path / "set")
    assert source.item.kind == "video"
    assert source.item.shape == (1, 8, 16, 16)  # grey in a colour file is grey
    assert source.item.frames_per_sec == pytest.approx(10, rel=0.02)
    assert source.item.class_names == ("a", "b")
    found = source.items(np.arange(4))
    assert np.abs(found[0].astype(int) - CLIPS[0]).mean() <= exact


def test_folders_of_frames_and_a_zip_of_them_are_the_same_clips(tmp_path: Path) -> None:
    for number, clip in enumerate(CLIPS):
        write_frames(tmp_path / "set" / "ab"[number % 2] / str(number), clip)
    source = opened(tmp_path / "set", kind="video")
    assert source.item.class_names == ("a", "b")
    assert np.array_equal(source.items(np.arange(4))[[0, 2, 1, 3]], CLIPS)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in sorted((tmp_path / "set").rglob("*.png")):
            archive.write(file, file.relative_to(tmp_path / "set").as_posix())
    assert np.array_equal(opened(tmp_path / "set.zip", kind="video").items(np.arange(4)), source.items(np.arange(4)))
    assert augan.open(tmp_path / "set").item.kind == "image"  # frames do not tell


def test_arrays_keep_their_length_labels_and_rate(tmp_path: Path) -> None:
    path = tmp_path / "clips.npz"
    np.savez(path, clips=CLIPS, labels=[0, 1, 0, 1], class_names=np.array(["x", "y"]), frames_per_sec=np.array(12.5))
    source = augan.open(path)
    assert (source.item.kind, source.item.frames, source.item.frames_per_sec) == ("video", 8, 12.5)
    assert source.item.class_names == ("x", "y")
    assert np.array_equal(source.items(np.arange(4)), CLIPS)
    assert np.array_equal(augan.open(CLIPS).items(np.arange(4)), CLIPS)
    halves = augan.open((CLIPS, np.array([0, 1, 0, 1])), cutting=Cutting(frames=4))
    assert np.array_equal(halves.items(np.arange(8)), CLIPS.reshape(8, 4, 16, 16, 1))
    assert halves.labels is not None
    assert halves.labels.tolist() == [0, 0, 1, 1, 0, 0, 1, 1]


def test_films_are_cut_one_after_another_and_short_ones_are_named(tmp_path: Path) -> None:
    write_video(tmp_path / "long.gif", np.concatenate([CLIPS[0], CLIPS[1], CLIPS[2][:3]]))
    write_video(tmp_path / "short.gif", CLIPS[3][:5])
    source = opened(tmp_path)
    assert len(source) == 2
    notes = " ".join(source.notes)
    assert "1 clips shorter than 8 frames were left out (short.gif (5))" in notes
    assert "1 films were cut into 2 clips" in notes
    with pytest.raises(UserError, match=r"None of the 2 clips .* gives 16 frames: .* data.frames=16"):
        augan.open(tmp_path, cutting=Cutting(frames=16, step=2))


def test_one_frame_clips_are_refused_in_one_line(tmp_path: Path) -> None:
    for number in range(3):
        write_video(tmp_path / f"{number}.mp4", CLIPS[number][:1])
    with pytest.raises(UserError, match=r"All 3 clips .* have one frame. Give --kind image"):
        opened(tmp_path)
    with pytest.raises(UserError, match="2 to 256 frames"):
        opened(tmp_path, frames=1)


def test_gifs_that_do_not_move_are_images_and_those_that_do_can_be(tmp_path: Path) -> None:
    for number in range(3):
        write_video(tmp_path / "still" / f"{number}.gif", CLIPS[number][:1])
        write_video(tmp_path / "moving" / f"{number}.gif", CLIPS[number])
    assert augan.open(tmp_path / "still").item.kind == "image"
    assert opened(tmp_path / "moving").item.kind == "video"
    first = augan.open(tmp_path / "moving", kind="image")
    assert (first.item.kind, first.item.frames, len(first)) == ("image", None, 3)


def test_broken_containers_are_named_and_skipped_unless_strict(tmp_path: Path) -> None:
    for number, clip in enumerate(CLIPS):
        write_video(tmp_path / f"{number}.mp4", clip)
    (tmp_path / "text.mp4").write_text("not a film")
    whole = (tmp_path / "0.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    source = opened(tmp_path)
    assert len(source) == 4
    assert any("2 of 6 clips could not be read (cut.mp4 (" in note and "text.mp4 (" in note for note in source.notes)
    with pytest.raises(UserError, match=r"2 of 6 clips could not be read"):
        opened(tmp_path, strict=True)


def test_a_variable_rate_is_resampled_and_sound_ignored_with_notes(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 1.3]
    write_video(tmp_path / "a.mp4", CLIPS[0], times=times)
    write_video(tmp_path / "b.mp4", CLIPS[1], times=times, sound=True)
    source = opened(tmp_path, frames=7)
    notes = " ".join(source.notes)
    assert "2 clips have a variable frame rate (the first is a.mp4)" in notes
    assert "1 clips have sound, which is ignored." in notes


def test_rates_are_resampled_by_the_times_of_frames() -> None:
    film = Film(name="film", times=np.arange(10) / 10, frames=lambda: iter(()))
    assert film.rate == pytest.approx(10)
    assert film.chosen(Cutting()).tolist() == list(range(10))
    assert film.chosen(Cutting(step=3)).tolist() == [0, 3, 6, 9]
    assert film.chosen(Cutting(frames_per_sec=5)).tolist() == [0, 2, 4, 6, 8]
    assert film.chosen(Cutting(frames_per_sec=20)).tolist()[:6] == [0, 0, 1, 1, 2, 2]
    gap = Film(name="film", times=np.array([0, 0.1, 0.2, 0.3, 0.8]), frames=lambda: iter(()))
    assert gap.uneven
    assert gap.chosen(Cutting(frames_per_sec=10)).tolist() == [0, 1, 2, 3, 3, 3, 3, 3, 4]


def test_frames_of_several_sizes_become_one_size_with_a_note(tmp_path: Path) -> None:
    write_video(tmp_path / "a.gif", CLIPS[0])
    write_video(tmp_path / "b.gif", moving(1, side=24)[0])
    source = opened(tmp_path)
    assert source.item.shape == (1, 8, 16, 16)
    assert any(note.startswith("Clips have 2 different sizes") for note in source.notes)


def test_what_holds_no_clips_says_so(tmp_path: Path) -> None:
    write_frames(tmp_path / "loose", CLIPS[0])
    with pytest.raises(UserError, match="holds loose frames, and a folder is a clip"):
        opened(tmp_path / "loose", kind="video")
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("a")
    with pytest.raises(UserError, match="holds no clips"):
        opened(tmp_path / "text", kind="video")
    np.save(tmp_path / "flat.npy", np.zeros((4, 8), np.uint8))
    with pytest.raises(UserError, match="does not hold clips"):
        opened(tmp_path / "flat.npy", kind="video")
    np.savez(tmp_path / "wrong.npz", clips=CLIPS, labels=[0, 1])
    with pytest.raises(UserError, match="2 labels for 4 clips"):
        opened(tmp_path / "wrong.npz")
