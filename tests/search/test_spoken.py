"""In which language of people a query is: said only where it is not English, and where the index does not know it."""

import json
from pathlib import Path

import pytest

from indexer.index import Index
from search.engine import Engine
from search.spoken import OTHER, other_language

_SETS = Path(__file__).parents[1] / "data"
_CODE = '''
def backoff(attempt):
    """Say how long a retry waits."""
    return 2**attempt


def wo_werden_die_anfragen():
    pass
'''


def unknown(text):
    return dict.fromkeys(text.split(), 0)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("wo wird die Wartezeit zwischen zwei Versuchen verdoppelt", "German"),
        ("dónde se cierran las conexiones que nadie usa", "Spanish"),
        ("连接在哪里被关闭", "Chinese"),
        ("соединение закрывается после ошибки", "Russian"),
        ("fail hone ke baad dobara koshish karne se pehle kitna rukta hai", OTHER),
    ],
)
def test_another_language_is_named_where_that_is_clear(text, language):
    assert other_language(text, unknown(text)) == language


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "?!",
        "x",
        "🦊 🦊",
        "\ud800 lone",
        "foo_bar(x) -> None",
        "parse json",
        "where are retries delayed",
        "Wortliste",
    ],
)
def test_nothing_is_said_of_english_of_names_and_of_what_is_no_language(text):
    assert other_language(text, unknown(text)) == ""


def test_what_the_index_knows_is_taken_as_it_is():
    text = "wo wird die Wartezeit verdoppelt"
    assert other_language(text, {"wartezeit": 1, "verdoppelt": 2, "wird": 0}) == "German"
    assert other_language(text, {"wartezeit": 1, "verdoppelt": 2, "wird": 1, "wo": 0}) == ""
    assert other_language(text, {}) == ""


def test_english_questions_are_english():
    questions = [json.loads(line) for line in (_SETS / "questions" / "questions.jsonl").read_text().splitlines()]
    texts = [each["text"] for each in questions if each["kind"] != "code"]
    wrong = [text for text in texts if other_language(text, unknown(text))]
    assert len(wrong) <= len(texts) // 100, wrong


@pytest.fixture
def engine(tmp_path, stub_encoder):
    (tmp_path / "retry.py").write_text(_CODE)
    index = Index.build(tmp_path / "index", [str(tmp_path / "retry.py")], encoder=stub_encoder)
    yield Engine(index, stub_encoder)
    index.close()


def test_an_answer_says_so_where_words_are_asked_for(engine):
    query = "wie lange wird zwischen zwei Versuchen gewartet"
    for mode in ("hybrid", "lexical"):
        assert any("looks like German" in note for note in engine.search(query, mode=mode).notes), mode
    assert not any("looks like" in note for note in engine.search("how long does a retry wait before it").notes)
    assert not any("looks like" in note for note in engine.search("wo werden die anfragen").notes)
