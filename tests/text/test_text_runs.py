"""The user's path with text: train, generate, evaluate, resume, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import augan
from augan import text
from augan.checkpoint import CheckpointStore, read_tensors
from augan.cli.app import app
from augan.core.errors import AuganError, Interrupted, UserError
from augan.text.config import RECIPES

SMALL = ["embedding=8", "width=16", "discriminator_width=8", "discriminator_embedding=8", "representations=2",
         "filters=4", "batch=8", "likelihood_batch=8", "snapshots=2", "threads=1", "held_out=0.2"]  # fmt: skip
SIZES = ["big", "small", "old", "new", "red", "blue"]
PLACES = ["here", "there", "away", "inside", "outside"]
OPTIONS = [part for setting in SMALL for part in ("--set", setting)]


def call(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 sentences about animals and things, with labels."""
    random = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("text") / "mixed.tsv"
    kinds = {"animal": ["cat", "dog", "cow"], "thing": ["cup", "box", "car"]}
    lines = [
        f"the {random.choice(SIZES)} {random.choice(words)} is {random.choice(PLACES)} .\t{kind}"
        for kind, words in kinds.items()
        for _ in range(60)
    ]
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_from_file_to_file(recipe: str, sentences: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = call("train", sentences, "--recipe", recipe, "--images", 400, "--out", run, *OPTIONS, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["result"]["state"] == "finished"
    assert told["result"]["quality"]["perplexity"] > 1
    assert len(list((run / "samples").glob("*.txt"))) == 2
    assert json.loads((run / "data.json").read_text())["classes"] == {"animal": 60, "thing": 60}
    for name, options in (("new.txt", []), ("new.tsv", ["--classes", "thing"]), ("new.jsonl", ["--truncation", "1.5"])):
        assert call("generate", run, "--count", 70, "--out", tmp_path / name, *options).exit_code == 0
    lines = (tmp_path / "new.txt").read_text().splitlines()
    assert len(lines) == 70
    assert all(line.strip() for line in lines)
    assert {line.split("\t")[1] for line in (tmp_path / "new.tsv").read_text().splitlines()} == {"thing"}
    rows = [json.loads(line) for line in (tmp_path / "new.jsonl").read_text().splitlines()]
    assert {row["label"] for row in rows} == {"animal", "thing"}
    measured = call("evaluate", run, "--against", sentences, "--count", 50, "--json")
    assert measured.exit_code == 0, measured.output
    found = json.loads(measured.stdout)["rows"]
    assert {"temperature 1", "training sentences", "real, unseen", "unigram", "bigram"} <= set(found)
    assert found["training sentences"]["copies"] == 1
    assert found["temperature 1"]["perplexity"] > 1
    assert call("evaluate", run, "--against", sentences, "--count", 50).exit_code == 0
    assert call("runs", tmp_path).exit_code == 0


def test_likelihood_learns_classes_and_beats_words_alone(sentences: Path, tmp_path: Path) -> None:
    settings = [*SMALL, "width=32", "likelihood_rate=0.01", "dropout=0"]
    run = augan.train(sentences, recipe="mle", images=4_000, out=tmp_path / "run", settings=settings)
    model = text.load(run.path)
    made = model.sentences(60, ["animal"], seed=1)
    assert np.mean([any(word in line for word in ("cat", "dog", "cow")) for line in made]) > 0.8
    rows = text.evaluate(run.path, sentences, count=100).rows
    assert 2 * rows["temperature 1"].perplexity < rows["unigram"].perplexity  # type: ignore[operator]
    assert rows["temperature 1"].bleu[2] > rows["unigram"].bleu[2]
    assert augan.load(run.path).hash == model.hash
    assert model.sentences(5, seed=3) == model.sentences(70, seed=3)[:5] != model.sentences(5, seed=4)


@pytest.mark.parametrize("recipe", RECIPES)
def test_four_rounds_are_two_and_two_resumed(recipe: str, sentences: Path, tmp_path: Path) -> None:
    corpus = text.open_text(sentences)
    options: dict[str, Any] = {"recipe": recipe, "images": 160, "settings": [*SMALL, "turns=2"]}
    whole = text.train(corpus, out=tmp_path / "whole", **options)
    seen: list[int] = []

    def stop() -> bool:
        seen.append(0)
        return len(seen) == 9

    with pytest.raises(Interrupted, match="Go on with --resume"):
        text.train(corpus, out=tmp_path / "parts", should_stop=stop, **options)
    resumed = text.train(corpus, out=tmp_path / "parts", resume=True)
    ends = [CheckpointStore(run.path).last() for run in (whole, resumed)]
    for name in ("model", "training"):
        one, other = (read_tensors(end / f"{name}.safetensors") for end in ends if end is not None)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)
    assert whole.load is not None


def test_only_the_same_text_is_resumed(sentences: Path, tmp_path: Path) -> None:
    run = text.train(sentences, images=16, out=tmp_path / "run", settings=SMALL)
    others = [f"{line} again" for line in sentences.read_text().splitlines()]
    with pytest.raises(UserError, match="trained on other text"):
        text.train(others, out=run.path, resume=True, images=32)
    with pytest.raises(UserError, match="overwrites nothing"):
        text.train(sentences, images=16, out=run.path, settings=SMALL)
    with pytest.raises(UserError, match="is not a run on text"):
        text.train(sentences, out=tmp_path / "none", resume=True)


def test_a_divergence_is_an_error_and_nothing_bad_is_saved(
    sentences: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = text.TextTrainer(
        text.open_text(sentences), text.resolve(None, images=40, settings=SMALL), tmp_path / "run"
    )
    monkeypatch.setattr(trainer.players, "play", lambda *parts: {"loss_generator": torch.tensor(float("nan"))})
    with pytest.raises(AuganError, match=r"Training diverged.*--set likelihood_rate"):
        trainer.run()
    assert CheckpointStore(tmp_path / "run").last() is None


def test_a_collapse_is_a_word(sentences: Path, tmp_path: Path) -> None:
    trainer = text.TextTrainer(text.open_text(sentences), text.text_config("scratchgan", sentences=8), tmp_path / "run")
    assert trainer.health().word == "warming up"
    trainer.counters.snapshots = 1
    assert trainer.health().good
    trainer.counters.distinct = 0.01
    assert trainer.health().word == "collapsing"
    trainer.counters.distinct = 1.0
    trainer.counters.perplexity, trainer.counters.best_perplexity = 90.0, 50.0
    assert trainer.health().good, "an adversarial game is not judged by likelihood"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "{data}", "--recipe", "seqgan"], "Unknown recipe for text 'seqgan'"),
        (["train", "{data}", "--size", "32"], "--size is for other data than text"),
        (["train", "{data}", "--from", "x"], "--from is for other data than text"),
        (["train", "{data}", "--set", "widht=3"], "widht"),
        (["train", "{data}", "--set", "data.encoding=latin-17"], "Unknown encoding"),
        (["generate", "{run}", "--count", "0", "--out", "x.txt"], "at least 1 sentence"),
        (["generate", "{run}", "--count", "3", "--out", "x.png"], ".txt, .tsv, .jsonl"),
        (["generate", "{run}", "--count", "3", "--out", "x.txt", "--classes", "plant"], "Unknown class 'plant'"),
        (["generate", "{run}", "--count", "3", "--out", "x.txt", "--truncation", "0"], "Temperature 0"),
        (["evaluate", "{run}", "--against", "{data}", "--size", "3"], "are for images, and this is text"),
        (["lift", "{data}", "--holdout", "{data}"], "are for other data than text"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, sentences: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = text.train(sentences, images=8, out=tmp_path / "run", settings=SMALL).path
    before = sorted(tmp_path.rglob("*"))
    result = call(*(part.format(data=sentences, run=run) for part in arguments))
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert message in line
    assert sorted(tmp_path.rglob("*")) == before


def test_settings_can_be_seen_before(sentences: Path, tmp_path: Path) -> None:
    shown = call("train", sentences, "--recipe", "scratchgan", "--dry-run")
    assert json.loads(shown.stdout)["objective"] == "reward"
    assert not list(tmp_path.iterdir())


def test_a_bigger_copy_leaves_real_lines_as_they_are(sentences: Path, tmp_path: Path) -> None:
    lines = [*sentences.read_text().splitlines()[:80], "the   odd  spaces stay .\tanimal"]
    data = tmp_path / "few.tsv"
    data.write_text("\n".join(lines))
    run = text.train(data, images=80, out=tmp_path / "run", settings=SMALL)
    done = call("augment", data, "--run", run.path, "--out", tmp_path / "more.tsv", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["added"] == {"animal": 0, "thing": 41}
    written = (tmp_path / "more.tsv").read_text().splitlines()
    assert written[:81] == lines
    assert {line.split("\t")[1] for line in written[81:]} == {"thing"}
    listed = json.loads((tmp_path / "more.tsv.manifest.json").read_text())
    one = listed["items"][7]
    again = text.load(run.path).sample(1, ["thing"], seed=one["seed"], first=one["index"])[0]
    assert written[one["line"] - 1].split("\t")[0] == text.load(run.path).item.vocabulary.sentence(again)
    assert "a .tsv file" in call("augment", data, "--run", run.path, "--out", tmp_path / "x.zip").stderr


def test_inspect_says_what_text_is(sentences: Path) -> None:
    found = json.loads(call("inspect", sentences, "--json").stdout)
    assert found["images"] == 120
    assert found["classes"] == {"animal": 60, "thing": 60}
    assert "class animal" in call("inspect", sentences).stdout


def test_lift_says_its_word(sentences: Path, tmp_path: Path) -> None:
    found = augan.augment.lift_text(
        sentences, sentences=160, settings=SMALL, folds=2, cells=tmp_path / "cells", force=True
    )
    arms = {row["arm"]: row for row in found.table()}
    assert set(arms) == {"real", "class weights", "oversampling", "word dropout", "mle", "gan"}
    assert found.verdict.word in ("HELPS", "NO EVIDENCE", "HURTS")
    assert arms["real"]["balanced_accuracy"] > 0.9
    assert len(list((tmp_path / "cells").glob("mle-*.json"))) == 2
    assert "mle_copies" in found.record.about[0]
    told = call("lift", sentences, "--arms", "real,oversampling", "--folds", 2, "--json")
    assert told.exit_code == 3
    assert json.loads(told.stdout)["verdict"]["word"] == "NO EVIDENCE"
    with pytest.raises(UserError, match="no labels"):
        augan.augment.lift_text([f"a {i} b" for i in range(30)])
