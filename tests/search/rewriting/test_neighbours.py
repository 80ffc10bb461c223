"""Feedback from a query's own best units: nothing to feed back, and by hand."""

import json
import math

import numpy as np
import pytest

from cli.main import run
from indexer.errors import UsageError
from indexer.index import Index
from indexer.settings import Settings
from search.engine import Engine
from search.ranking.weights import FUSION
from search.retrieval import Mode
from search.rewriting.neighbours import Feedback, feedback_terms, feedback_vector

X, Y, Z = np.eye(3, dtype=np.float32)
NONE = np.empty((0, 3), np.float32)
HALF = Feedback(units=2, terms=2, words=0.5, vector=0.5)


def same(term):
    return 1.0


@pytest.mark.parametrize(
    "wrong", [{"units": 0}, {"terms": 0}, {"words": 1.0}, {"words": -0.1}, {"vector": 1.0}, {"vector": math.nan}]
)
def test_wrong_feedback_is_refused(wrong):
    with pytest.raises(UsageError, match="feedback"):
        Feedback(**wrong)


@pytest.mark.parametrize("units", [[], [""], ["()[]{}"], ["", "+-*/"]])
def test_units_that_say_nothing_leave_the_terms(units):
    assert feedback_terms({"sort": 2.0}, units, same, HALF) == {"sort": 2.0}


def test_a_query_without_terms_gets_none():
    assert feedback_terms({}, ["sort rows"], same, HALF) == {}


def test_terms_that_the_whole_index_says_are_not_fed_back():
    assert feedback_terms({"sort": 1.0}, ["self rows"], lambda _: 0.0, HALF) == {"sort": 1.0}


def test_terms_weigh_as_much_as_is_said_and_the_first_unit_most():
    found = feedback_terms({"sort": 2.0}, ["apple apple", "pear", "plum"], same, HALF)
    assert set(found) == {"sort", "appl", "pear"}
    assert found["sort"] == 2.0
    assert found["appl"] + found["pear"] == pytest.approx(2.0)
    assert found["appl"] == pytest.approx(2 * found["pear"])
    assert feedback_terms({"sort": 2.0}, ["sort"], same, HALF) == {"sort": 4.0}


def test_vectors_are_moved_and_keep_their_norm():
    assert np.array_equal(feedback_vector(X, NONE, HALF), X)
    assert np.array_equal(feedback_vector(X, np.zeros((2, 3), np.float32), HALF), X)
    assert np.array_equal(feedback_vector(X, np.array([-X]), HALF), X)
    moved = feedback_vector(X, np.array([Y, Y, Z]), HALF)
    assert moved == pytest.approx(np.array([1, 1, 0]) / math.sqrt(2))


@pytest.mark.parametrize("mode", list(Mode))
def test_a_search_with_feedback_finds_what_stands_beside_the_best(tmp_path, stub_encoder, mode):
    (tmp_path / "code.py").write_text(
        "def biggest(values):\n    return zebra(values)\n\n\ndef other(items):\n    return zebra(items)\n"
    )
    settings = Settings(index=tmp_path / "index", processes=1)
    index = Index.build(settings.index, [str(tmp_path / "code.py")], settings=settings, encoder=stub_encoder)
    engine, feedback = Engine(index, stub_encoder, settings), Feedback()
    for text in ("biggest", "nothing of the kind"):
        plain = engine.pool(text, mode=mode, weights=FUSION)
        fed = engine.pool(text, mode=mode, weights=FUSION, feedback=feedback)
        assert {head.id for head in plain.heads} <= {head.id for head in fed.heads}
    found = engine.pool("biggest", mode=mode, weights=FUSION, feedback=feedback)
    assert [head.symbol for head in found.heads] == ["biggest", "other"]


def test_an_evaluation_shows_what_it_brings(small_sets, tmp_path, monkeypatch, capfd):
    folder = small_sets.text_set(tmp_path / "tiny")
    monkeypatch.setenv("FATHOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FATHOM_PROCESSES", "1")
    assert run(["eval", "--mode", "lexical", "--rewriter", "neighbours", "--json", str(folder)]) == 0
    (entry,) = json.loads(capfd.readouterr().out)
    assert set(entry["systems"]) == {"bm25", "bm25+neighbours"}
    assert set(entry["gains"]) == {"bm25+neighbours"}
    assert "rewriter" not in entry
    assert run(["eval", "--mode", "lexical", "--rewriter", "neighbours", str(folder)]) == 0
    assert "gains over plain" in capfd.readouterr().out
