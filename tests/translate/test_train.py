"""Translations end to end: what is learnt, resumed, measured, applied, and refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import augan
from augan import translate
from augan.cli.app import app
from augan.core.errors import Interrupted, UserError
from augan.translate import Sides, open_sides, translation_config, two_sample_accuracy
from augan.translate.measure import measured
from augan.translate.model import TILE, TranslationModel

SMALL = ["width=4", "blocks=2", "patch_width=4", "batch=4", "threads=1", "snapshots=2"]
CROPS = [*SMALL, "crop=8", "zoom=1.5"]


def squares(count: int, side: int = 16, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Masks (n, s, s, 1) and the pictures (n, s, s, 3) that belong to them."""
    random = np.random.default_rng(seed)
    masks, pictures = np.zeros((count, side, side, 1), np.uint8), np.full((count, side, side, 3), 30, np.uint8)
    for row in range(count):
        top, left = random.integers(1, side // 2, 2)
        size = int(random.integers(side // 4, side // 2))
        masks[row, top : top + size, left : left + size] = 255
        pictures[row, top : top + size, left : left + size] = (220, 60, 40)
    return masks, pictures


def sides_for(recipe: str) -> tuple[np.ndarray, np.ndarray]:
    masks, pictures = squares(24)
    return (masks[:1], pictures[:1]) if recipe == "sincut" else (masks, pictures)


def trained(folder: Path, recipe: str, images: int = 24, **options: Any) -> augan.Run:
    settings = CROPS if recipe == "sincut" else SMALL
    return translate.train(*sides_for(recipe), recipe=recipe, images=images, out=folder, settings=settings, **options)


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> augan.Run:
    return trained(tmp_path_factory.mktemp("runs") / "paint", "pix2pix")


def test_pix2pix_learns_a_colour(tmp_path: Path) -> None:
    masks, pictures = squares(60)
    settings = [*SMALL, "width=8", "learning_rate=2e-3", "held_out=20", "enlarge=1", "dropout=false"]
    run = translate.train(masks, pictures, paired=True, images=1600, out=tmp_path / "run", settings=settings)
    quality = (run.result() or {})["quality"]
    assert quality["model"]["l1"] < 0.5 * quality["identity"]["l1"]
    assert quality["model"]["psnr"] > quality["identity"]["psnr"]
    assert quality["images"] == 20
    assert run.summary()["state"] == "finished"
    assert {path.suffix for path in (run.path / "samples").iterdir()} == {".png"}


@pytest.mark.parametrize("recipe", list(translate.RECIPES))
def test_a_resumed_run_is_the_uninterrupted_one(recipe: str, tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", recipe)
    rounds = 0

    def stop() -> bool:
        nonlocal rounds
        rounds += 1
        return rounds == 2

    with pytest.raises(Interrupted, match="--resume"):
        trained(tmp_path / "parts", recipe, should_stop=stop)
    parts = translate.train(*sides_for(recipe), out=tmp_path / "parts", resume=True)
    models = [translate.load(run.path, which="last") for run in (whole, parts)]
    assert models[0].hash == models[1].hash
    assert models[0].directions == (("a2b", "b2a") if recipe == "cyclegan" else ("a2b",))


def test_what_is_kept_is_the_average(tmp_path: Path) -> None:
    """With a half-life that nothing outlasts, averages are the generators; with a long one they lag, and resume."""
    _, pictures = squares(24)
    reds = pictures[:, :, ::-1]

    def learnt(name: str, average: float, **options: Any) -> augan.Run:
        settings = [*SMALL, "shortcut=true", "patch_norm=none", "r1=1", f"average={average}"]
        return translate.train(
            pictures, reds, recipe="cut", images=24, out=tmp_path / name, settings=settings, **options
        )

    as_is, at_once, late = (learnt(name, average) for name, average in (("0", 0), ("1", 1e-6), ("2", 40)))
    hashes = [translate.load(run.path, which="last").hash for run in (as_is, at_once, late)]
    assert hashes[0] == hashes[1] != hashes[2]
    rounds = iter(range(100))
    with pytest.raises(Interrupted):
        learnt("parts", 40, should_stop=lambda: next(rounds) == 2)
    parts = translate.train(pictures, reds, out=tmp_path / "parts", resume=True)
    assert translate.load(parts.path, which="last").hash == hashes[2]


def test_directions(tmp_path: Path) -> None:
    run = trained(tmp_path / "back", "cut", direction="b2a")
    model = translate.load(run.path)
    assert model.directions == ("b2a",)
    assert model.translate(squares(2)[1]).shape == (2, 16, 16, 1)
    with pytest.raises(UserError, match="does not go a2b"):
        model.translate(squares(2)[0], "a2b")
    both = translate.load(trained(tmp_path / "both", "cyclegan").path)
    with pytest.raises(UserError, match="both ways"):
        both.translate(squares(2)[0])


@pytest.mark.parametrize("size", [(16, 16), (13, 21), (5, 1), (40, 16)])
def test_any_size_comes_out_as_it_went_in(painter: augan.Run, size: tuple[int, int]) -> None:
    model = translate.load(painter.path)
    images = np.random.default_rng(0).integers(0, 256, (2, *size, 1), dtype=np.uint8)
    made = model.translate(images)
    assert made.shape == (2, *size, 3)
    assert np.array_equal(made[1:], model.translate(images[1:]))
    with pytest.raises(UserError, match=r"\(n, h, w, 1\)"):
        model.translate(np.zeros((1, 8, 8, 3), np.uint8))


@pytest.mark.parametrize("recipe", [name for name in translate.RECIPES if name != "sincut"])
def test_any_size_can_be_learnt(recipe: str, tmp_path: Path) -> None:
    masks, pictures = (side[:, :13, :14] for side in squares(8))
    run = translate.train(masks, pictures, recipe=recipe, images=8, out=tmp_path / "run", settings=SMALL)
    assert translate.load(run.path).translate(masks, "a2b").shape == (8, 13, 14, 3)
    with pytest.raises(UserError, match="too small for patches"):
        translate.train(
            masks, pictures, recipe=recipe, images=8, out=tmp_path / "other", settings=[*SMALL, "patch_layers=3"]
        )
    assert not (tmp_path / "other").exists()


def test_unmeasured_the_newest_is_the_best(tmp_path: Path) -> None:
    """Eight held-out images of sides that are not matched have no score."""
    masks, pictures = squares(24)
    settings = [*SMALL, "held_out=8", "snapshots=4"]
    run = translate.train(masks, pictures, recipe="cut", images=32, out=tmp_path / "run", settings=settings)
    assert translate.load(run.path).hash == translate.load(run.path, which="last").hash


def test_large_images_go_through_in_tiles_without_seams() -> None:
    """A generator that sees one pixel at a time gives the same by tiles as at once."""
    import torch

    class Negative(torch.nn.Module):
        multiple = 4

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            assert max(images.shape[2:]) <= TILE
            return -images

    item = augan.open(squares(2)[0]).item
    model = TranslationModel({"a2b": Negative()}, item, item)
    image = np.random.default_rng(0).integers(0, 256, (1, 700, 1100, 1), dtype=np.uint8)
    assert np.array_equal(model.translate(image), 255 - image)


def test_pairs_are_matched_by_name(tmp_path: Path) -> None:
    masks, pictures = squares(4)
    for side, images in (("a", masks), ("b", pictures)):
        (tmp_path / side).mkdir()
        for row, image in enumerate(images):
            suffix = "png" if side == "a" else "bmp"
            Image.fromarray(image.squeeze()).save(tmp_path / side / f"{'dcba'[row]}.{suffix}")
    sides = open_sides(tmp_path / "a", tmp_path / "b", paired=True)
    assert sides.names == ("a", "b", "c", "d")
    assert np.array_equal(sides.a.items(np.array([0])), masks[3:])
    assert np.array_equal(sides.b.items(np.array([0])), pictures[3:])
    (tmp_path / "b" / "a.bmp").rename(tmp_path / "b" / "z.bmp")
    with pytest.raises(UserError, match="2 images have no partner on the other side: a, z"):
        open_sides(tmp_path / "a", tmp_path / "b", paired=True)
    assert not open_sides(tmp_path / "a", tmp_path / "b", paired=False).paired


def test_both_sides_in_one_place(tmp_path: Path) -> None:
    masks, pictures = squares(3)
    np.savez(tmp_path / "both.npz", a=masks, b=pictures)
    beside = np.concatenate([np.repeat(masks, 3, 3), pictures], 2)
    for data in (tmp_path / "both.npz", beside):
        sides = open_sides(data, paired=True)
        assert isinstance(sides, Sides)
        assert np.array_equal(sides.b.items(np.arange(3)), pictures)


def test_bad_sides_are_one_line(tmp_path: Path) -> None:
    masks, pictures = squares(4)
    np.savez(tmp_path / "other.npz", images=masks)
    np.savez(tmp_path / "uneven.npz", a=masks, b=pictures[:3])
    (tmp_path / "empty").mkdir()
    for given, said in (
        ((masks, pictures[:3]), "4 and 3 images"),
        ((masks, squares(4, 32)[1]), "different sizes, 16x16 and 32x32"),
        ((tmp_path / "empty", pictures), "no image|empty"),
        ((tmp_path / "other.npz",), "no arrays a and b"),
        ((tmp_path / "uneven.npz",), "4 and 3 images"),
        ((masks,), "two sides beside one another"),
    ):
        with pytest.raises(UserError, match=said):
            open_sides(*given, paired=True)
    with pytest.raises(UserError, match="two sides"):
        open_sides(masks, paired=False)


def pair_folders(folder: Path, sizes: dict[str, tuple[tuple[int, int], tuple[int, int]]]) -> tuple[Path, Path]:
    random = np.random.default_rng(0)
    for name, pair in sizes.items():
        for side, size in zip("ab", pair, strict=True):
            (folder / side).mkdir(exist_ok=True)
            Image.fromarray(random.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / side / f"{name}.png")
    return folder / "a", folder / "b"


@pytest.mark.parametrize("packed", [False, True])
def test_one_pair_of_different_sizes_is_named(packed: bool, tmp_path: Path) -> None:
    """Its halves would be cut differently, and a note would be all that is said."""
    same = {f"same{row}": ((16, 16), (16, 16)) for row in range(4)}
    sides: tuple[Path, ...] = pair_folders(
        tmp_path, {**same, "odd": ((16, 16), (32, 32)), "wide": ((16, 16), (16, 24))}
    )
    if packed:
        for side in sides:
            with zipfile.ZipFile(side.with_suffix(".zip"), "w") as archive:
                for path in reversed(sorted(side.iterdir())):
                    archive.write(path, path.name)
        sides = tuple(side.with_suffix(".zip") for side in sides)
    with pytest.raises(UserError, match=r"2 pairs have sides.*odd \(16x16 and 32x32\), wide \(16x16 and 16x24\)"):
        open_sides(*sides, paired=True)
    with pytest.raises(UserError, match=r"1 pairs have sides.*: wide .*one aspect"):
        open_sides(*sides, paired=True, size=16)
    assert len(open_sides(*sides, paired=False).a) == 6


def test_pairs_of_several_sizes_are_pairs(tmp_path: Path) -> None:
    sides = pair_folders(tmp_path, {f"{side}": ((side, side + 4), (side, side + 4)) for side in (16, 20, 24)})
    opened = open_sides(*sides, paired=True)
    assert opened.a.item.shape == opened.b.item.shape


def test_an_unreadable_half_of_a_pair_is_named(tmp_path: Path) -> None:
    a, b = pair_folders(tmp_path, {f"{row}": ((16, 16), (16, 16)) for row in range(4)})
    whole = (a / "2.png").read_bytes()
    (a / "2.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"1 images have no partner.*: 2\. 1 of 4 images could not be read \(2\.png"):
        open_sides(a, b, paired=True)


def test_a_film_is_no_side(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"film")
    for paired in (True, False):
        with pytest.raises(UserError, match="is a film"):
            open_sides(squares(4)[0], tmp_path / "film.mp4", paired=paired)
        with pytest.raises(UserError, match="is a film"):
            open_sides(tmp_path / "film.mp4", squares(4)[0], paired=paired)


def test_settings_that_contradict_one_another_are_refused(tmp_path: Path) -> None:
    for recipe, options, said in (
        ("nope", {}, "pix2pix"),
        ("cyclegan", {"direction": "a2b"}, "both ways"),
        ("cut", {"direction": "both"}, "one way"),
    ):
        with pytest.raises(UserError, match=said):
            translation_config(recipe, **options)  # type: ignore[arg-type]
    masks, pictures = squares(4)
    with pytest.raises(UserError, match="for pairs"):
        translate.train(masks, pictures, paired=False, recipe="pix2pix", out=tmp_path / "run")
    with pytest.raises(UserError, match="L1 term"):
        translate.train(masks, pictures, recipe="cut", out=tmp_path / "run", settings=["l1=1"])
    with pytest.raises(UserError, match="at least 2 are to be left"):
        translate.train(masks, pictures, recipe="cut", out=tmp_path / "run", settings=["held_out=3"])
    assert not (tmp_path / "run").exists()
    published = translation_config("cut", published=True)
    assert (published.width, published.up, published.blocks, published.batch) == (64, "smooth", 9, 1)


def test_measures_know_equal_images() -> None:
    _, pictures = squares(30, 32)
    row = measured(pictures, pictures, True)
    assert (row.l1, row.retrieval) == (0, 1)
    assert row.ssim == pytest.approx(1)
    noise = np.random.default_rng(0).integers(0, 256, pictures.shape, dtype=np.uint8)
    worse = measured(noise, pictures, True)
    assert worse.l1 is not None
    assert worse.ssim is not None
    assert worse.l1 > 0.5
    assert worse.ssim < 0.1


def test_two_samples_are_told_apart_only_where_they_differ() -> None:
    random = np.random.default_rng(0)
    same = two_sample_accuracy(random.normal(size=(400, 4)), random.normal(size=(400, 4)))
    other = two_sample_accuracy(random.normal(size=(400, 4)), random.normal(size=(400, 4)) + 3)
    assert 0.4 < same < 0.6
    assert other > 0.95


def test_a_folder_with_a_broken_file_is_done_but_for_it(painter: augan.Run, tmp_path: Path) -> None:
    masks, _ = squares(3)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for row, image in enumerate(masks):
        Image.fromarray(image[..., 0]).save(tmp_path / "in" / ("deep" if row else "") / f"{row}.png")
    whole = (tmp_path / "in" / "0.png").read_bytes()
    (tmp_path / "in" / "bad.png").write_bytes(b"not a picture")
    (tmp_path / "in" / "cut.png").write_bytes(whole[: len(whole) // 2])
    done = CliRunner().invoke(
        app, ["translate", "apply", str(painter.path), str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    )
    assert done.exit_code == 1
    assert "bad.png" in done.stderr
    names = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert names == ["0.png", "deep/1.png", "deep/2.png", "failed.txt"]
    failed = (tmp_path / "out" / "failed.txt").read_text().splitlines()
    assert ["bad.png" in failed[0], "cut.png" in failed[1], len(failed)] == [True, True, 2]
    with Image.open(tmp_path / "out" / "0.png") as picture:
        assert (picture.size, picture.mode) == ((16, 16), "RGB")


def test_a_picture_and_a_zip(painter: augan.Run, tmp_path: Path) -> None:
    masks, _ = squares(2)
    model = translate.load(painter.path)
    Image.fromarray(masks[0, ..., 0]).save(tmp_path / "one.png")
    translate.apply(model, tmp_path / "one.png", tmp_path / "one-out.jpg")
    with Image.open(tmp_path / "one-out.jpg") as picture:
        assert picture.size == (16, 16)
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        archive.write(tmp_path / "one.png", "x/one.png")
    found = translate.apply(model, tmp_path / "many.zip", tmp_path / "out.zip")
    assert (found.done, found.failed) == (1, {})
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.namelist() == ["x/one.png"]


def test_names_that_lead_out_of_a_zip_write_nothing(painter: augan.Run, tmp_path: Path) -> None:
    Image.fromarray(squares(1)[0][0, ..., 0]).save(tmp_path / "one.png")
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.write(tmp_path / "one.png", "../../outside.png")
    with pytest.raises(UserError, match="leads outside"):
        translate.apply(translate.load(painter.path), tmp_path / "evil.zip", tmp_path / "deep" / "out")
    assert not (tmp_path / "outside.png").exists()
    (tmp_path / "no.zip").write_bytes(b"PK")
    with pytest.raises(UserError, match="not a zip file"):
        translate.apply(translate.load(painter.path), tmp_path / "no.zip", tmp_path / "out")


def test_deep_pictures_are_read_in_the_range_that_was_learnt(tmp_path: Path) -> None:
    masks, pictures = squares(8)
    run = translate.train(
        masks.astype(np.uint16) * 16, pictures, recipe="pix2pix", images=8, out=tmp_path / "run", settings=SMALL
    )
    model = translate.load(run.path)
    assert model.items["a"].value_range[1] == 4095 or model.items["a"].value_range[1] == 4080
    deep = (masks[0, ..., 0].astype(np.float64) / 255 * model.items["a"].value_range[1]).round().astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    translate.apply(model, tmp_path / "deep.png", tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as picture:
        assert np.array_equal(np.asarray(picture), model.translate(masks[:1])[0])


def test_a_translation_is_not_a_model_of_images(painter: augan.Run, tmp_path: Path) -> None:
    for act in (
        lambda: augan.load(painter.path),
        lambda: augan.evaluate(painter.path, squares(8)[1]),
        lambda: augan.generate(augan.load(painter.path), 1, tmp_path / "x.png"),
    ):
        with pytest.raises(UserError, match="translate apply"):
            act()


def test_what_cannot_be_translated_is_one_line(painter: augan.Run, tiny_run: augan.Run, tmp_path: Path) -> None:
    model = translate.load(painter.path)
    (tmp_path / "film.mp4").write_bytes(b"film")
    (tmp_path / "bad.png").write_bytes(b"bad")
    (tmp_path / "empty").mkdir()
    for data, out, said in (
        ("film.mp4", "out", "film"),
        ("bad.png", "out.png", "cannot be read"),
        ("empty", "out", "no images"),
        ("nowhere", "out", "does not exist"),
        ("empty", "film.mp4", "overwrites nothing"),
        ("empty", "out.png", "folder or a .zip"),
    ):
        with pytest.raises(UserError, match=said):
            translate.apply(model, tmp_path / data, tmp_path / out)
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="not a translation"):
        translate.load(tiny_run.path)


def test_the_commands(tmp_path: Path) -> None:
    masks, pictures = squares(12)
    np.savez(tmp_path / "both.npz", a=masks, b=pictures)
    settings = [part for setting in [*SMALL, "held_out=4"] for part in ("--set", setting)]
    given = ["translate", "train", str(tmp_path / "both.npz"), "--images", "16", "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(app, [*given, *settings, "--quiet"])
    assert done.exit_code == 0, done.output
    assert "retrieval" in done.stderr
    again = CliRunner().invoke(app, given)
    assert again.exit_code != 0
    more = CliRunner().invoke(app, [*given[:3], "--out", given[-1], "--resume", "--images", "24", "--json", "--quiet"])
    assert json.loads(more.stdout)["images_seen"] == 24
