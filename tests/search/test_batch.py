"""Many queries at once: the answers that each would get alone, and errors in their places."""

import json

import pytest

from cli.main import run
from indexer.errors import QueryError, UsageError
from indexer.index import Index
from indexer.settings import Settings
from search.batch import batched, trec_lines
from search.engine import Engine, Wanted
from search.retrieval import Mode
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
    monkeypatch.setattr(encoder, "encode", lambda ids, depth: given.append(len(ids)) or taken(ids, depth))
    counting = Engine(engine._index, encoder, engine._settings)
    list(counting.answers([Wanted("read settings"), Wanted("step", mode=Mode.LEXICAL), Wanted("step value")]))
    assert given == [2]


def test_lines_are_read_as_they_are_wanted(engine):
    def lines():
        yield from (json.dumps({"query": "step", "k": 1}) for _ in range(200))
        raise AssertionError("read too far")

    answers = batched(engine, lines())
    assert [next(answers)["hits"][0]["rank"] for _ in range(100)] == [1] * 100


def test_lines_and_trec(engine):
    lines = [
        b'{"id": "a", "query": "read settings"}',
        "",
        b"\xff",
        '{"id": 3, "query": "step", "k": 2}',
        '{"id": 4}',
        "[]",
    ]
    found = list(batched(engine, lines, k=1))
    assert [each.get("error", {}).get("code") for each in found] == [
        None, "invalid_request", None, "invalid_request", "invalid_request",
    ]  # fmt: skip
    assert [len(each.get("hits", ())) for each in found] == [1, 0, 2, 0, 0]
    assert "query" in found[3]["error"]["message"]
    (line,) = trec_lines(found[0], "run")
    assert line.split() == ["a", "Q0", found[0]["hits"][0]["id"], "1", line.split()[4], "run"]
    assert list(trec_lines(found[1], "run")) == []


@pytest.mark.slow
def test_the_command(tmp_path, capsys):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "code.py").write_text(CODE)
    place = ["--index", str(tmp_path / "index")]
    assert run(["index", "-q", *place, str(tmp_path / "tree")]) == 0
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"id": 7, "query": "read settings"}\nbroken\n{"query": "step_3"}\n')
    assert run(["batch", *place, "-k", "1", str(queries)]) == 1
    told = capsys.readouterr()
    found = [json.loads(line) for line in told.out.splitlines()]
    assert [each["id"] for each in found] == [7, None, None]
    assert found[0]["hits"][0]["symbol"] == "read_settings"
    assert "3 queries, 1 of them not answered" in told.err
    assert run(["batch", *place, "--format", "trec", "-o", str(tmp_path / "run"), str(queries)]) == 1
    assert {line.split()[0] for line in (tmp_path / "run").read_text().splitlines()} == {"7", "3"}
    assert run(["batch", "--index", str(tmp_path / "none"), str(queries)]) == 3
    assert run(["batch", *place, str(tmp_path / "missing.jsonl")]) == 2
