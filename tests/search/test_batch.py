"""Many queries at once: the answers that each would get alone, and errors in their places."""

import json

import pytest

from indexer.errors import IndexMissing, QueryError, UsageError
from indexer.index import Index
from indexer.settings import Settings
from search.batch import batched
from search.engine import Engine, Wanted
from search.retrieval import Mode
from search.service import Service
from tests.stub_encoder import StubEncoder

CODE = "".join(f"def step_{n}(value):\n    return value + {n}\n\n\n" for n in range(12)) + (
    "def read_settings(path):\n    return path.read_text()\n"
)
QUERIES = ("read settings", "step_3", "lang:python step", "return value + 7", "/step_\\d/", "nothing of the kind")


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("batch")
    (folder / "tree").mkdir()
    (folder / "tree" / "code.py").write_text(CODE)
    settings = Settings(index=folder / "index", processes=1)
    index = Index.build(settings.index, [str(folder / "tree")], settings=settings, encoder=StubEncoder())
    return Engine(index, StubEncoder(), settings)


@pytest.fixture(scope="module")
def service(engine):
    return Service(engine._settings, engine._index, StubEncoder())


def same(one, two):
    fields = [answer.model_dump(exclude={"took_ms"}) for answer in (one, two)]
    assert [hit["id"] for hit in fields[0]["hits"]] == [hit["id"] for hit in fields[1]["hits"]]
    assert {**fields[0], "hits": ()} == {**fields[1], "hits": ()}


@pytest.mark.parametrize("mode", list(Mode))
def test_each_answer_is_that_of_the_query_alone(engine, mode):
    wanted = [Wanted(text, k, offset, mode) for text in QUERIES for k, offset in ((3, 0), (2, 1))]
    for each, answer in zip(wanted, engine.answers(wanted), strict=True):
        same(answer, engine.search(each.text, each.k, offset=each.offset, mode=mode))


def test_a_batch_is_a_list_in_order_and_raises_what_a_search_would(engine):
    for text, answer in zip(QUERIES, engine.batch(QUERIES, 2, mode="lexical"), strict=True):
        same(answer, engine.search(text, 2, mode="lexical"))
    assert engine.batch([]) == []
    with pytest.raises(QueryError):
        engine.batch(["step", "/(/"])
    with pytest.raises(UsageError, match="psychic"):
        engine.batch(["step"], mode="psychic")


def test_errors_come_in_their_places(engine):
    found = list(engine.answers([Wanted("/(/"), Wanted("step"), Wanted("step", 0), Wanted("step", 1, -1)]))
    assert [type(each) for each in found] == [QueryError, type(engine.search("step")), UsageError, UsageError]


def test_queries_are_encoded_together_and_only_those_that_need_it(engine, monkeypatch):
    given = []
    encoder = StubEncoder()
    taken = encoder.encode

    def encode(ids, depth):
        given.extend([len(ids)] if depth else [])  # words are looked up at exit 0 as ranking needs them
        return taken(ids, depth)

    monkeypatch.setattr(encoder, "encode", encode)
    counting = Engine(engine._index, encoder, engine._settings)
    list(counting.answers([Wanted("read settings"), Wanted("step", mode=Mode.LEXICAL), Wanted("step value")]))
    assert given == [2]


def test_lines_are_read_as_they_are_wanted(engine):
    def lines():
        yield from (json.dumps({"query": "step", "k": 1}) for _ in range(200))
        raise AssertionError("read too far")

    answers = batched(engine, lines())
    assert [next(answers)["hits"][0]["rank"] for _ in range(100)] == [1] * 100


def codes(answers):
    return [each.get("error", {}).get("code") for each in answers]


def test_errors_are_in_their_places_and_defaults_count_where_nothing_is_named(engine):
    lines = [
        b'\xef\xbb\xbf{"id": "a", "query": "read settings"}',
        "",
        b"\xff",
        '{"id": 3, "query": "step", "k": 2}',
        '{"id": 4}',
        "[]",
        "\ufeff" + '{"query": "step"}',
        "[" * 100_000,
        '{"query": "\\ud800"}',
        '{"query": "step", "budget": 0}',
        '{"query": "' + "x" * 100_001 + '"}',
        '{"query": "step"}' + " " * (2 << 20),
    ]
    found = list(batched(engine, lines, {"k": 1}))
    wrong = "invalid_request"
    assert codes(found) == [None, wrong, None, wrong, wrong, None, wrong, wrong, wrong, wrong, wrong]
    assert [len(each.get("hits", ())) for each in found[:6]] == [1, 0, 2, 0, 0, 1]
    assert (found[1]["id"], found[3]["id"]) == (None, 4)
    assert "query" in found[3]["error"]["message"]
    assert "budget" in found[8]["error"]["message"]
    assert "longer than" in found[10]["error"]["message"]


def test_queries_of_beir_are_read_whatever_else_they_carry(engine):
    lines = [
        '{"_id": "q1", "text": "read settings", "metadata": {}, "answers": [1], "k": 2}',
        '{"_id": "q2", "text": ""}',
        '{"_id": "q3", "title": "no text"}',
        '{"_id": "q4", "text": "step", "query": "both"}',
        '{"_id": 5, "text": "step"}',
    ]
    found = list(batched(engine, lines))
    assert codes(found) == [None, "invalid_request", "invalid_request", "invalid_request", None]
    assert [each["id"] for each in found] == ["q1", "q2", "q3", "q4", 5]
    assert len(found[0]["hits"]) == 2


@pytest.mark.parametrize("identity", ["null", "true", "1.5", "[]", "{}"])
def test_an_id_is_text_or_a_whole_number(engine, identity):
    (found,) = batched(engine, [f'{{"id": {identity}, "query": "step", "k": 0}}'])
    assert found["id"] is None
    assert codes([found]) == ["invalid_request"]


def test_a_budget_makes_a_context_and_none_makes_none(engine, service):
    lines = [
        '{"query": "read settings", "budget": 90}',
        '{"query": "read settings"}',
        '{"query": "/(/", "budget": 90}',
        '{"query": "read settings", "k": 1, "budget": 5000, "neighbours": true}',
    ]
    first, second, third, last = service.batch(lines)
    assert set(first["context"]) == {"text", "tokens", "units", "left_out"}
    assert "def read_settings" in first["context"]["text"]
    assert first["context"]["tokens"] <= 90
    assert {*first["context"]["units"], *first["context"]["left_out"]} == {hit["id"] for hit in first["hits"]}
    assert "context" not in second
    assert third["error"]["code"] == "bad_query"
    assert last["context"]["units"][0] == last["hits"][0]["id"]
    by_default = list(service.batch(lines[1:2], {"budget": 90, "neighbours": False}))
    assert by_default[0]["context"] == first["context"]
    assert next(iter(batched(engine, lines[:1])))["context"] == first["context"]


def test_a_batch_without_an_index_is_one_error_at_once(tmp_path):
    with pytest.raises(IndexMissing):
        Service(Settings(index=tmp_path / "none"), encoder=StubEncoder()).batch(['{"query": "step"}'])
