"""Runs as evaluation tools read them: each query once, each hit's score in the order of its rank."""

import json

import ir_measures
import pytest
import pytrec_eval

from search.runs import FORMATS, named


def answer(identity, *scores):
    hits = [{"id": f"{identity}-{n}", "rank": n + 1, "score": score} for n, score in enumerate(scores)]
    return {"id": identity, "hits": hits}


def failed(identity):
    return {"id": identity, "error": {"code": "bad_query", "message": "wrong"}}


def text(shape, *answers):
    return "".join(FORMATS[shape](answers))


@pytest.mark.parametrize("identity", ["", " ", "a b", "a\tb", "\u2028"])
def test_a_name_that_a_run_cannot_hold_is_an_error(identity):
    (found,) = named([answer(identity, 1.0)])
    assert found["error"]["code"] == "invalid_request"


def test_a_name_that_was_there_before_is_named_as_an_error():
    found = list(
        named([answer("a", 1.0), answer("a", 2.0), answer(None, 1.0), answer(3, 1.0), failed(None), failed("x")])
    )
    assert [each.get("error", {}).get("code") for each in found] == [
        None, "duplicate_id", None, "duplicate_id", "bad_query", "bad_query",
    ]  # fmt: skip
    assert [each["id"] for each in found] == ["a", "a", "3", "3", "5", "x"]
    assert "'a'" in found[1]["error"]["message"]


# Ties, and hits that only match (0) below negative scores.
SCORES = [(3.0, 2.0, 1.0), (1.0, 1.0, 1.0), (-1.0, -2.0, 0.0, 0.0), (15.678901, 15.678901, 0.0)]


@pytest.mark.parametrize("scores", SCORES)
@pytest.mark.parametrize("best", range(3))
def test_every_reader_sees_the_ranks(scores, best, tmp_path):
    found = answer("q", *scores)
    (tmp_path / "run").write_text(text("trec", found))
    beir = json.loads(text("beir", found))
    read = {"q": {each.doc_id: each.score for each in ir_measures.read_trec_run(str(tmp_path / "run"))}}
    for run in (read, beir):
        judged = pytrec_eval.RelevanceEvaluator({"q": {f"q-{best}": 1}}, {"recip_rank"})
        assert judged.evaluate(run)["q"]["recip_rank"] == pytest.approx(1 / (best + 1))


def test_trec_lines_have_six_columns_and_errors_none():
    lines = text("trec", answer("a", 2.0, 1.0), failed("b"), answer("c")).splitlines()
    assert [line.split(" ") for line in lines] == [
        ["a", "Q0", "a-0", "1", "2.000000", "fathom"],
        ["a", "Q0", "a-1", "2", "1.000000", "fathom"],
    ]


def test_beir_has_every_query_also_those_without_hits():
    assert json.loads(text("beir", answer("a", 2.0, 1.0), failed("b"), answer('"c')))== {
        "a": {"a-0": 2.0, "a-1": 1.0}, "b": {}, '"c': {},
    }  # fmt: skip
    assert json.loads(text("beir")) == {}


def test_json_lines_are_one_line_each_whatever_is_in_them():
    odd = {"id": 1, "hits": [], "query": "a\nb\u2028é\x00"}
    assert [json.loads(line) for line in text("jsonl", odd, failed("b")).split("\n")[:-1]] == [odd, failed("b")]


@pytest.mark.parametrize("shape", FORMATS)
def test_formats_are_written_as_answers_come(shape):
    def endless():
        yield answer("a", 1.0)
        raise AssertionError("read too far")

    assert "a-0" in next(iter(FORMATS[shape](endless())))
