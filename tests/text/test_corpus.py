"""Text files of every kind become sentences, and what is wrong with one is said in a line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from augan.core.errors import UserError
from augan.text import TextDataConfig, divided, is_text, open_text, tokenise, written
from augan.text.vocabulary import END, UNKNOWN, TextItem, Vocabulary

LINES = [f"the {colour} cat sits ." for colour in ("red", "blue", "green", "white", "black", "grey")] * 2


def text_file(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_words_and_marks_come_back() -> None:
    for line in ("it's a well-known dog, isn't it?", "wait ( here ) : now!", "naïve café, déjà vu."):
        assert tokenise(written(tokenise(line))) == tokenise(line)
    assert written(tokenise("a cat, asleep.")) == "a cat, asleep."
    assert tokenise("ab c", "characters") == ["a", "b", " ", "c"]


def test_rows_are_numbers_of_words(tmp_path: Path) -> None:
    corpus = open_text(text_file(tmp_path / "a.txt", "\n".join(LINES)))
    assert corpus.rows.dtype == np.int32
    assert corpus.rows.shape == (12, 5)
    assert [corpus.vocabulary.sentence(row) for row in corpus.rows] == [line.replace(" .", ".") for line in LINES]
    assert (corpus.rows > UNKNOWN).all()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_are_told_by_their_first_bytes(tmp_path: Path, encoding: str) -> None:
    text = "\n".join(f"café {line}" for line in LINES)
    corpus = open_text(text_file(tmp_path / "a.txt", text.encode(encoding)))
    assert corpus.sentences[0][0] == "café"


def test_another_encoding_is_named_by_its_byte(tmp_path: Path) -> None:
    content = ("\n".join(LINES) + "\ncafé\n").encode("latin-1")
    path = text_file(tmp_path / "a.txt", content)
    with pytest.raises(UserError, match=r"line 13: byte 0xe9 at place .* is not utf-8.*data.encoding=latin-1"):
        open_text(path)
    assert open_text(path, TextDataConfig(encoding="latin-1")).sentences[-1] == ("café",)
    with pytest.raises(UserError, match="Unknown encoding 'klingon'"):
        open_text(path, TextDataConfig(encoding="klingon"))


def test_utf_16_without_a_mark_is_named(tmp_path: Path) -> None:
    path = text_file(tmp_path / "a.txt", "\n".join(LINES).encode("utf-16-le"))
    with pytest.raises(UserError, match="zero bytes.*data.encoding=utf-16-le"):
        open_text(path)
    assert len(open_text(path, TextDataConfig(encoding="utf-16-le"))) == 12


def test_empty_lines_are_left_out_and_counted(tmp_path: Path) -> None:
    corpus = open_text(text_file(tmp_path / "a.txt", "\n\n".join(LINES) + "\n   \n"))
    assert len(corpus) == 12
    assert corpus.notes == ("a.txt: 12 empty lines of 24 left out.",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no sentences"),
        ("\n \n", "holds no sentences"),
        ("cat\n" * 20, "a single word, 'cat'"),
        ("a cat\n" * 3, "holds 3 sentences of 1 to 32 tokens.*at least 10"),
        (("a " * 40 + "\n") * 12, "holds 0 sentences of 1 to 32 tokens"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_text(text_file(tmp_path / "a.txt", content))


def test_huge_vocabularies_are_cut_and_long_sentences_left_out(tmp_path: Path) -> None:
    lines = [f"a cat number{i}" for i in range(30)] + ["a cat " * 5]
    corpus = open_text(text_file(tmp_path / "a.txt", "\n".join(lines)), TextDataConfig(vocabulary=2, length=6))
    assert corpus.vocabulary.words == ("<end>", "<unk>", "a", "cat")
    assert corpus.unknown == pytest.approx(1 / 3)
    assert corpus.notes == (
        "1 of 31 sentences have more than 6 tokens and are left out.",
        "2 of 32 words are kept; the others, 33.3% of all tokens, are <unk>: data.vocabulary.",
    )
    assert (corpus.rows[:, 2] == UNKNOWN).all()


def test_labels_of_tables_and_of_folders(tmp_path: Path) -> None:
    table = text_file(tmp_path / "a.tsv", "".join(f"{line}\t{'ab'[i % 2]}\n" for i, line in enumerate(LINES)))
    corpus = open_text(table)
    assert corpus.class_counts() == {"a": 6, "b": 6}
    for name in ("good", "bad"):
        text_file(tmp_path / "both" / f"{name}.txt", "\n".join(LINES))
    assert open_text(tmp_path / "both").class_counts() == {"bad": 12, "good": 12}
    text_file(tmp_path / "one" / "all.txt", "\n".join(LINES))
    assert open_text(tmp_path / "one").class_names is None
    assert open_text((LINES, ["x", "y"] * 6)).class_names == ("x", "y")


def test_what_is_wrong_with_labels_is_named(tmp_path: Path) -> None:
    table = text_file(tmp_path / "a.tsv", "".join(f"{line}\ta\n" for line in LINES) + "no label here\n")
    with pytest.raises(UserError, match="line 13: 'sentence<TAB>label' is expected, and there are 1 column "):
        open_text(table)
    for name in ("train", "test"):
        text_file(tmp_path / "parts" / f"{name}.txt", "\n".join(LINES))
    with pytest.raises(UserError, match=r"holds parts \(test, train\), not classes"):
        open_text(tmp_path / "parts")
    with pytest.raises(UserError, match="2 labels"):
        open_text((LINES, ["x", "y"]))


def test_what_is_text(tmp_path: Path) -> None:
    assert is_text(text_file(tmp_path / "a.txt", "x"))
    assert is_text(tmp_path)
    text_file(tmp_path / "b.png", "x")
    assert not is_text(tmp_path)
    assert is_text(tmp_path, "text")
    assert not is_text(np.zeros(3))
    with pytest.raises(UserError, match="Unknown kind of item 'txt'"):
        is_text(tmp_path, "txt")


def test_repeated_sentences_stay_on_one_side() -> None:
    lines = [f"word{i % 20} ends" for i in range(100)]
    learnt, kept = divided(open_text(lines), 0.25, seed=3)
    assert len(learnt) + len(kept) == 100
    assert len(kept) == 25
    assert not set(learnt.sentences) & set(kept.sentences)
    with pytest.raises(UserError, match="at least 2"):
        divided(open_text(lines), 0.99, seed=3)


def test_items_survive_json() -> None:
    item = TextItem(vocabulary=Vocabulary(words=("<end>", "<unk>", "é")), length=7, class_names=("a", "b"))
    assert TextItem.from_json(item.to_json()) == item
    changed = item.to_json()
    changed["vocabulary"]["words"][2] = "e"
    with pytest.raises(UserError, match="damaged"):
        TextItem.from_json(changed)
    assert END == 0
