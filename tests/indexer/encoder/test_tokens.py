"""Tokenising word by word: the same tokens and places as the whole text has, whatever it holds."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from indexer.encoder import tokens
from indexer.encoder.onnx import default_model_folder
from indexer.encoder.tokens import Tokeniser

SHIPPED = (default_model_folder() / "tokenizer.json").read_text(encoding="utf-8")
WHOLE = Tokenizer.from_str(SHIPPED)
BY_WORD = Tokeniser(WHOLE)
CODE = [
    "",
    " \t\n",
    "def readHTTPFile(path_name, *, __x__=None):\n\treturn XMLParser.parse(path_name)[0]",
    "a\x0cb\x00c \x7f(\x01)\x1f",
    "naïve ≠ “quoted” x\u0301y (\u0301 ΣΑΣ İI é_É e\u00a0f g\u2028h i\u200bj \ufeffk",
    "中文注释 = 1; // 测试foo_bar",
    "x" * 300 + " " + "lorem" * 30,
    "see [CLS] and [MASK][SEP], [cls]",
]


def whole(text):
    encoding = WHOLE.encode(text, add_special_tokens=False)
    return encoding.ids, [start for start, _ in encoding.offsets]


def by_word(texts, tokeniser=BY_WORD):
    return [(found.ids.tolist(), found.starts.tolist()) for found in tokeniser.tokenise(texts)]


def described(**changes):
    return Tokeniser(Tokenizer.from_str(json.dumps({**json.loads(SHIPPED), **changes})))


def test_the_shipped_tokeniser_is_asked_for_words_alone():
    asked = []

    class Counting:
        def to_str(self):
            return SHIPPED

        def encode(self, text, **how):
            return WHOLE.encode(text, **how)

        def encode_batch(self, texts, **how):
            asked.extend(texts)
            return WHOLE.encode_batch(texts, **how)

    texts = ["open the file", "open(the_file)"]
    found = Tokeniser(Counting()).tokenise(texts)
    assert [each.ids.tolist() for each in found] == [whole(text)[0] for text in texts]
    assert sorted(" ".join(asked).split(" ")) == ["(", ")", "file", "open", "the", "the_file"]


def test_no_text_gives_nothing():
    assert BY_WORD.tokenise([]) == []


@pytest.mark.parametrize("text", CODE)
def test_a_text_has_the_tokens_of_the_whole(text):
    assert by_word([text]) == [whole(text)]


def test_texts_together_are_as_alone():
    assert by_word(CODE * 3) == list(map(whole, CODE * 3))


@settings(deadline=None, max_examples=300)
@given(st.text(st.one_of(st.sampled_from(" \t\n_aAbB1.[]("), st.characters(exclude_categories=["Cs"]))))
@example("ǅ_ǅa\u0345")
def test_any_text_has_the_tokens_of_the_whole(text):
    assert by_word([text]) == [whole(text)]


def test_few_kept_words_and_many_threads_change_nothing(monkeypatch):
    monkeypatch.setattr(tokens, "_KEPT", 5)
    monkeypatch.setattr(tokens, "_LONGEST", 4)
    tokeniser = Tokeniser(WHOLE)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: by_word([text], tokeniser), CODE * 10))
    assert found == [[whole(text)] for text in CODE * 10]
    tokeniser.tokenise(["a b"])
    assert len(tokeniser._words) <= 5


def test_what_is_asked_for_stays_when_others_go(monkeypatch):
    monkeypatch.setattr(tokens, "_KEPT", 3)
    tokeniser = Tokeniser(WHOLE)
    tokeniser.tokenise(["a b c"])
    tokeniser.tokenise(["c d"])
    assert set(tokeniser._words) == {"c", "d"}


@pytest.mark.parametrize(
    "changes",
    [
        {"normalizer": None},
        {"normalizer": {"type": "Lowercase"}},
        {"pre_tokenizer": {"type": "Whitespace"}},
        {"pre_tokenizer": None},
        {
            "normalizer": {
                "type": "Sequence",
                "normalizers": [
                    {"type": "Replace", "pattern": {"Regex": "a b"}, "content": " "},
                    json.loads(SHIPPED)["normalizer"]["normalizers"][-1],
                ],
            }
        },
        {"added_tokens": [{**json.loads(SHIPPED)["added_tokens"][1], "normalized": True, "content": "a b"}]},
    ],
    ids=["no normaliser", "another", "another division", "none", "across words", "tokens across words"],
)
def test_a_tokeniser_that_may_look_past_words_gets_the_whole(changes):
    tokeniser = described(**changes)
    plain = tokeniser._whole.encode_batch(CODE, add_special_tokens=False)
    assert by_word(CODE, tokeniser) == [(each.ids, [start for start, _ in each.offsets]) for each in plain]
    assert not tokeniser._by_word


def test_without_split_identifiers_words_are_still_words():
    tokeniser = described(normalizer=json.loads(SHIPPED)["normalizer"]["normalizers"][-1])
    assert tokeniser._by_word
    plain = tokeniser._whole.encode_batch(CODE, add_special_tokens=False)
    assert by_word(CODE, tokeniser) == [(each.ids, [start for start, _ in each.offsets]) for each in plain]
