"""Geometry in closed form, the story of a run, and the commands end to end."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn import Film, linear, painter
from PIL import Image
from typer.testing import CliRunner

import augan
from augan import explain
from augan.cli.app import app
from augan.core.item import ItemSpec
from augan.explain.intake import decode
from augan.metrics import InDomainSpace, train_extractor
from augan.networks import NetworkConfig, build
from common import TINY


def call(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def styled(classes: int = 3) -> augan.Model:
    names = tuple("abcdefgh"[:classes]) or None
    item = ItemSpec(channels=3, height=16, width=16, class_names=names)
    torch.manual_seed(0)
    return augan.Model(build(NetworkConfig(name="style", width=8, latent_size=8), item)[0], item)


# ---------------------------------------------------------------------- geometry


def test_ways_turn_at_a_constant_rate_from_end_to_end() -> None:
    a, b = torch.tensor([[2.0, 0.0], [1.0, 1.0]]), torch.tensor([[0.0, 4.0], [1.0, 1.0]])
    torch.testing.assert_close(explain.spherical(a, b, 0.0), a)
    torch.testing.assert_close(explain.spherical(a, b, 1.0), b)
    middle = explain.spherical(a, b, torch.tensor([0.5, 0.5]))
    torch.testing.assert_close(middle[0], 3 * torch.tensor([0.5, 0.5]).sqrt())
    torch.testing.assert_close(middle[1], a[1])


def test_path_length_of_a_linear_generator_in_closed_form() -> None:
    """Items A z change by A dz/dt: the mean of |A dz/dt|^2 over values, with dz/dt by differences in float64."""
    model = linear()
    found = explain.path_length(model, paths=400, sampling="ends")
    from augan.core.rng import derive

    a, b = (model.latents(400, derive(0, "paths", side)).double() for side in range(2))
    speed = (explain.spherical(a, b, 1e-6) - a) / 1e-6
    matrix = model.generator.layer.weight.double()
    expected = float((speed @ matrix.T).square().mean())
    assert found.pixels == pytest.approx(expected, rel=0.02)
    assert found.features is None
    assert 0 < found.pixels_error < found.pixels


def test_path_length_in_a_feature_space_grows_with_the_generator(bars: augan.data.ArraySource) -> None:
    space = train_extractor(bars, steps=20)
    item = ItemSpec(channels=1, height=16, width=16)
    small, large = linear((1, 16, 16)), linear((1, 16, 16))
    large.generator.layer.weight.data *= 2
    model = augan.Model(large.generator, item)
    lengths = [explain.path_length(one, space, paths=64).features for one in (small, model)]
    assert lengths[0] is not None
    assert lengths[1] is not None
    assert lengths[1] > 1.5 * lengths[0] > 0


def test_truncation_draws_to_the_middle() -> None:
    for model in (painter(), styled()):
        latents = model.latents(6)
        labels = None if not model.conditional else torch.tensor([0, 1, 2, 0, 1, 2])
        middle = explain.truncated(model, latents, 0.0, labels)
        torch.testing.assert_close(middle[0], middle[3])
        whole = explain.truncated(model, latents, 1.0, labels)
        torch.testing.assert_close(whole, decode(model, latents, labels), atol=1e-5, rtol=0)
    rows, spread = explain.truncation_sweep(painter(), columns=6)
    assert rows.shape == (5, 6, 3, 16, 16)
    assert spread[0] == 0
    assert spread[-1] == 1
    assert spread == sorted(spread)


def test_interpolations_begin_and_end_with_samples_of_one_class() -> None:
    model = styled()
    found = explain.interpolations(model, rows=2, columns=5)
    from augan.core.rng import derive

    for side, column in ((0, 0), (1, 4)):
        latents = model.latents(2, derive(0, "interpolations", side))
        torch.testing.assert_close(found[:, column], decode(model, latents, model.labels(2)), atol=1e-4, rtol=0)


def test_classes_lie_where_their_embeddings_do() -> None:
    item = ItemSpec(channels=1, height=8, width=8, class_names=tuple("abcd"))
    generator = build(NetworkConfig(width=8, latent_size=4), item)[0]
    places = torch.zeros(4, 64)
    places[:, 5], places[:, 9] = torch.tensor([0.0, 0.1, 5.0, 9.0]), torch.tensor([0.0, 0.0, 3.0, -3.0])
    generator.condition.embedding.weight.data = places
    found = explain.class_map(augan.Model(generator, item))
    assert found is not None
    assert found.share == pytest.approx(1)
    assert found.nearest == [1, 0, 1, 2]
    distances = np.linalg.norm(found.places[:, None] - found.places[None], axis=2)
    np.testing.assert_allclose(distances, torch.cdist(places, places).numpy(), atol=1e-5)
    style = explain.class_map(styled(4))
    assert style is not None
    assert style.of == "class embedding of the generator"
    assert explain.class_map(painter()) is None


def test_copies_are_seen() -> None:
    model = painter()
    source = augan.open(
        ((decode(model, model.latents(200, seed=3), None) + 1) * 127.5).numpy().transpose(0, 2, 3, 1).astype(np.uint8)
    )
    space = train_extractor(source, steps=20)
    assert isinstance(space, InDomainSpace)
    real = space.features_of(source, np.arange(200))
    found = explain.nearest_real(model, real, space, count=64)
    assert found.samples.shape == (64, 3, 16, 16)
    assert np.all(np.diff(found.distances[:, 0]) >= 0)
    assert np.all(np.diff(found.distances, axis=1) >= 0)
    assert found.ratio > 0.1


# ---------------------------------------------------------------------- the story


def test_the_story_of_a_run(tmp_path: Path, tiny_run: augan.Run) -> None:
    found = explain.story(tiny_run)
    assert [path.name for _, path in found.sheets] == sorted(p.name for p in (tiny_run.path / "samples").glob("*.png"))
    assert found.images_seen == 480
    assert len(found.distances) >= 1
    (tmp_path / "config.json").write_text("{}")
    rows = [{"images_seen": seen, "health": word} for seen, word in ((1, "warming up"), (2, "healthy"), (3, "healthy"))]
    rows += [{"images_seen": 4, "act": "went back"}, {"images_seen": 5, "health": "D wins"}]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)) + '\n{"cut')
    (tmp_path / "samples").mkdir()
    for seen in range(1, 21):
        (tmp_path / "samples" / f"{seen:09d}.png").touch()
    other = explain.story(augan.Run(tmp_path))
    assert other.health == ((1, "warming up"), (2, "healthy"), (5, "D wins"))
    assert other.acts == ((4, "went back"),)
    assert [seen for seen, _ in other.sheets] == [1, 5, 9, 12, 16, 20]


# ---------------------------------------------------------------------- the page


@pytest.fixture(scope="module")
def explained(tiny_run: augan.Run, bars_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("explained") / "page"
    result = call("explain", tiny_run.path, "--data", bars_npz, "--out", out, "--count", 2, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document.pop("out") == str(out)
    assert document == json.loads((out / "explanation.json").read_text())
    return out


def test_the_page_needs_nothing_else(explained: Path) -> None:
    text = (explained / "index.html").read_text()
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", text)
    assert "http" not in re.sub(r"base64,[^\"]+", "", text)
    for title in ("Directions", "Latent geometry", "Nearest real items", "The discriminator", "Training"):
        assert f">{title}" in text
    assert "dissection is left out" in text


def test_the_numbers_stand_beside_the_page(explained: Path, tiny_run: augan.Run) -> None:
    document = json.loads((explained / "explanation.json").read_text())
    names = [entry["name"] for entry in document["directions"]["directions"]]
    assert names[:6] == ["sefa-1", "sefa-2", "pca-1", "pca-2", "jacobian-1", "jacobian-2"]
    assert {"random-1", "random-2"} <= set(names)
    assert document["generator"] == tiny_run.load().hash
    assert max(document["critic"]["completeness_errors"]) <= 0.01
    assert set(document["critic"]["logits"]) == {"real", "samples"}
    assert document["geometry"]["classes"]["nearest"].keys() == {"high", "middle", "low"}
    assert document["neighbours"]["real"] == 110
    assert set(document["omitted"]) == {"dissection"}
    for name in ("directions-sefa", "interpolations", "truncation", "neighbours", "attribution", "sure-real"):
        Image.open(explained / f"{name}.png").load()


def test_edits_by_the_page_s_directions(
    explained: Path, tiny_run: augan.Run, bars_folder: Path, tmp_path: Path
) -> None:
    pictures = sorted((bars_folder / "high").glob("*.png"))[:2]
    out = tmp_path / "inverted"
    few = ("--candidates", 64, "--restarts", 1, "--steps", 5)
    result = call("invert", tiny_run.path, *pictures, "--out", out, *few, "--label", "high", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads((out / "report.json").read_text())
    assert report["images"] == json.loads(result.stdout)["images"] == 2
    assert report["names"] == [str(path) for path in pictures]
    assert all(row["error"] <= row["nearest_error"] for row in report["errors"])
    assert Image.open(out / "sheet.png").size[0] > 3 * 64
    kept = np.load(out / "latents.npz")
    model = tiny_run.load()
    assert kept["labels"].tolist() == model.class_indices(["high", "high"])

    edited = tmp_path / "edited.npz"
    options = ("--direction", "pca-2", "--strength", "-2,0,2", "--out", edited)
    result = call("edit", tiny_run.path, out, *options, "--directions", explained)
    assert result.exit_code == 0, result.output
    made = np.load(edited)
    assert made["images"].shape == (2, 3, 16, 16, 1)
    labels = torch.from_numpy(kept["labels"])
    still = model.decode(torch.from_numpy(kept["latents"]), labels)
    np.testing.assert_array_equal(made["images"][:, 1], augan.core.item.from_unit(still))
    again = model.decode(torch.from_numpy(made["latents"][:, 2]), labels)
    np.testing.assert_array_equal(made["images"][:, 2], augan.core.item.from_unit(again))
    for name in ("sheet.png", "folder"):
        result = call("edit", tiny_run.path, out, "--direction", 1, "--strength", 1.5, "--out", tmp_path / name)
        assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "folder").glob("*.png"))) == 2


def test_a_folder_of_images_is_inverted(tiny_run: augan.Run, bars_npz: Path, tmp_path: Path) -> None:
    few = ("--candidates", 32, "--restarts", 1, "--steps", 1)
    result = call("invert", tiny_run.path, bars_npz, "--out", tmp_path / "all", *few)
    assert result.exit_code == 0, result.output
    assert np.load(tmp_path / "all" / "latents.npz")["latents"].shape == (110, 8)


def refused(*arguments: object) -> str:
    result = call(*arguments)
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    return str(line)


def test_mistakes_are_one_line(tiny_run: augan.Run, tmp_path: Path) -> None:
    run, there = tiny_run.path, tmp_path / "there"
    there.mkdir()
    (there / "x.txt").write_text("mine")
    picture = tmp_path / "a.png"
    Image.new("L", (16, 16)).save(picture)
    assert "exists already" in refused("explain", run, "--out", there)
    assert "exists already" in refused("invert", run, picture, "--out", there)
    assert "cannot be read" in refused("invert", run, _text(tmp_path / "b.png"), "--out", tmp_path / "o")
    assert "does not exist" in refused("invert", run, tmp_path / "c", "--out", tmp_path / "o")
    assert "Did you mean 'high'" in refused("invert", run, picture, "--out", tmp_path / "o", "--label", "hihg")
    np.save(tmp_path / "z.npy", np.zeros((2, 3), np.float32))
    edit = ("edit", run, tmp_path / "z.npy", "--out", tmp_path / "o.png", "--strength")
    assert "(n, 8)" in refused(*edit, "1", "--direction", "1")
    np.save(tmp_path / "z.npy", np.zeros((2, 8), np.float32))
    assert "labels" in refused(*edit, "1", "--direction", "1")
    np.savez(tmp_path / "y.npz", latents=np.zeros((2, 8), np.float32), labels=np.array([0, 1]))
    edit = ("edit", run, tmp_path / "y.npz", "--out", tmp_path / "o.png", "--strength")
    assert "not a number" in refused(*edit, "much", "--direction", "1")
    assert "no direction 'smile'" in refused(*edit, "1", "--direction", "smile")
    assert "finite" in refused(*edit, "nan", "--direction", "1")
    ending = ("edit", run, tmp_path / "y.npz", "--out", tmp_path / "o.tif", "--strength", "1", "--direction", "1")
    assert "'.tif'" in refused(*ending)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png", "there", "y.npz", "z.npy"]


def _text(path: Path) -> Path:
    path.write_text("no picture")
    return path


def test_a_model_of_one_s_own_is_explained_without_a_run(tmp_path: Path) -> None:
    masks = {"bright": lambda items: items.amax(1) > 0}
    reads = {"redness": lambda items: (items[:, 0] - items[:, 2]).mean((1, 2))}
    found = explain.explain(painter(), out=tmp_path / "own", masks=masks, attributes=reads, count=3)
    assert {"neighbours", "critic", "story"} <= set(found.data["omitted"])
    named = {entry.name: entry for entry in found.directions}
    assert "redness" in named["sefa-3"].effects
    assert named["redness"].fit is not None
    assert (tmp_path / "own" / "directions.safetensors").exists()


def test_films_are_explained(tmp_path: Path) -> None:
    model = augan.Model(Film(), ItemSpec(channels=1, height=8, width=8))
    found = explain.explain(model, out=tmp_path / "film", count=2)
    assert {"directions", "geometry"} <= set(found.data)
    Image.open(tmp_path / "film" / "interpolations.png").load()


def test_a_run_on_clips_is_explained_with_its_own_data(tmp_path: Path) -> None:
    """Clips that are there twice, too: distances of 0 between real ones."""
    clips = np.repeat(np.random.default_rng(0).integers(0, 256, (12, 4, 16, 16, 1), dtype=np.uint8), 2, 0)
    np.savez(tmp_path / "clips.npz", clips=clips)
    settings = [*TINY, "training.measure_images=0"]
    run = augan.train(tmp_path / "clips.npz", images=32, out=tmp_path / "run", settings=settings)
    result = call("explain", run.path, "--out", tmp_path / "page", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert {"directions", "geometry", "neighbours", "critic"} <= set(found)
    assert found["neighbours"]["real"] == len(clips)


def test_a_translation_tells_its_story(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 1), dtype=np.uint8)
    few = ["width=8", "patch_width=8", "snapshots=1", "held_out=2", "threads=1"]
    run = augan.translate.train(pictures, 255 - pictures, paired=True, images=6, out=tmp_path / "run", settings=few)
    result = call("explain", run.path, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["story"]["sheets"]
    assert "no latents" in found["omitted"]["directions"]
    assert (run.path / "explain" / "index.html").exists()
    assert "exists already" in refused("explain", run.path)
