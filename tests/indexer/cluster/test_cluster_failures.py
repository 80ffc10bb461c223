"""A cluster that is away, slow, busy, or holds what was not written: errors by name, flagged answers, nothing lost."""

import json
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("elasticsearch", reason="the extra `elasticsearch` is not installed")

from cli.main import run
from indexer.cluster.connection import Cluster
from indexer.cluster.writing import write
from indexer.errors import EnvironmentFailed, IndexDamaged, IndexIncompatible, ServerUnavailable, UsageError
from indexer.index import Index
from indexer.settings import Settings
from search.degrading import WORDLESS
from search.engine import Engine, Wanted

_SECRET = "pass-word-4711"


def _code(word, functions=2):
    return "".join(
        f'def {word}_{n}(path):\n    """Read the {word}."""\n    return {word!r}\n\n\n' for n in range(functions)
    )


@pytest.fixture
def tree(tmp_path):
    folder = tmp_path / "tree"
    folder.mkdir()
    for word in ("settings", "journal", "parcel"):
        (folder / f"{word}.py").write_text(_code(word))
    return folder


@pytest.fixture
def gate(gates, elasticsearch_url):
    opened = gates.Gate(urlsplit(elasticsearch_url).port)
    yield opened
    opened.open()
    opened.shut()


@pytest.fixture
def settings(tmp_path, clustered, gate):
    return Settings(
        index=tmp_path / "index",
        processes=1,
        **{**clustered, "elasticsearch_url": gate.url, "elasticsearch_seconds": 0.7},
    )


@pytest.fixture
def build(settings, tree, stub_encoder):
    return lambda: Index.build(settings.index, [str(tree)], settings=settings, encoder=stub_encoder)


def _scripted(scripted, status, body, product="Elasticsearch"):
    said = {"Content-Type": "application/json", "X-Elastic-Product": product}
    return scripted.raw(status, json.dumps(body).encode(), **said)


@pytest.fixture
def play(scripted_servers):
    """Start a server that answers as it is told; return its settings and what it saw."""
    servers = []

    def start(*answers, **chosen):
        server = scripted_servers.ScriptedServer(*(_scripted(scripted_servers, *each) for each in answers))
        servers.append(server)
        named = {"backend": "elasticsearch", "elasticsearch_url": server.url, **chosen}
        return Settings(**named), server

    yield start
    for server in servers:
        server.close()


# contradictions


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"backend": "elasticsearch"}, "needs an address"),
        ({"backend": "elasticsearch", "elasticsearch_url": "localhost:9200"}, "no address"),
        ({"backend": "elasticsearch", "elasticsearch_url": "http://h"}, "no address"),
        ({"backend": "elasticsearch", "elasticsearch_url": "http://h:x"}, "no address"),
        ({"backend": "elasticsearch", "elasticsearch_url": f"http://me:{_SECRET}@h:9200"}, "FATHOM_ELASTICSEARCH_USER"),
        ({"elasticsearch_url": f"http://me:{_SECRET}@h:9200"}, "holds a user"),
        ({"elasticsearch_user": "me"}, "go together"),
        ({"elasticsearch_password": _SECRET}, "go together"),
        ({"elasticsearch_user": "me", "elasticsearch_password": _SECRET, "elasticsearch_key": "k"}, "use one"),
        ({"elasticsearch_ca": Path("nowhere.pem")}, "https"),
        ({"elasticsearch_ca": Path("nowhere.pem"), "elasticsearch_url": "https://h:1"}, "no file"),
    ],
)
def test_settings_that_contradict_one_another_are_refused_by_name(tmp_path, chosen, said):
    default = {} if "backend" in chosen else {"backend": "elasticsearch", "elasticsearch_url": "http://h:9200"}
    with pytest.raises(UsageError, match=said) as caught:
        Index.build(tmp_path / "index", [], settings=Settings(**default | chosen))
    assert _SECRET not in str(caught.value)
    assert not (tmp_path / "index").exists()


def test_an_address_without_the_back_end_is_refused(tmp_path):
    with pytest.raises(UsageError, match="add --backend elasticsearch"):
        Index.open(settings=Settings(index=tmp_path, elasticsearch_url="http://h:9200"))


def test_a_name_that_no_index_can_have_is_wrong_use(monkeypatch, capsys):
    monkeypatch.setenv("FATHOM_ELASTICSEARCH_NAME", "Upper Case")
    assert run(["status"]) == 2
    assert "elasticsearch_name" in capsys.readouterr().err


# answers that a server plays


def test_another_version_is_said(play):
    refusal = {"error": {"root_cause": [{"type": "media_type_header_exception", "reason": "Invalid media-type"}]}}
    chosen, _ = play((400, refusal))
    with pytest.raises(EnvironmentFailed, match=r"8\.19 and 9"), Cluster(chosen).asked() as client:
        client.search(index="x")


def test_what_is_no_elasticsearch_is_said(play):
    chosen, _ = play((200, {"hits": {}}, "another search engine"))
    with pytest.raises(EnvironmentFailed, match="is not Elasticsearch"), Cluster(chosen).asked() as client:
        client.search(index="x")


def test_a_busy_server_is_unavailable_after_two_more_tries(play):
    chosen, server = play((429, {"error": {"type": "circuit_breaking_exception", "reason": "too much"}}))
    cluster = Cluster(chosen)
    with pytest.raises(ServerUnavailable, match="429"), cluster.asked() as client:
        client.search(index="x")
    assert len(server.seen) == 3
    with pytest.raises(ServerUnavailable, match="429"), cluster.asked():
        pytest.fail("asked a server that was busy a moment ago")
    assert len(server.seen) == 3


def _items(*statuses):
    items = [
        {
            "index": {
                "_id": str(n),
                "status": status,
                **({"error": {"type": "t", "reason": "full"}} if status > 299 else {}),
            }
        }
        for n, status in enumerate(statuses)
    ]
    return (200, {"errors": any(status > 299 for status in statuses), "items": items})


_OPERATIONS = [{"_op_type": "index", "_index": "x", "_id": str(n), "_source": {"n": n}} for n in range(3)]


def test_what_was_not_taken_is_offered_again(play, monkeypatch):
    monkeypatch.setattr("indexer.cluster.writing._FIRST_PAUSE", 0.01)
    chosen, server = play(_items(201, 429, 503), _items(201, 429), _items(201))
    assert write(Cluster(chosen), _OPERATIONS) == 3
    assert [request.body.count(b'"_id"') for request in server.seen] == [3, 2, 1]


def test_what_is_never_taken_is_counted_and_named(play, monkeypatch):
    monkeypatch.setattr("indexer.cluster.writing._FIRST_PAUSE", 0.01)
    monkeypatch.setattr("indexer.cluster.writing._RETRIES", 2)
    chosen, _ = play(_items(201, 429, 429), _items(429, 429))
    with pytest.raises(ServerUnavailable, match=r"2 of 3 documents \(2 times 429 t: full\)"):
        write(Cluster(chosen), _OPERATIONS)
    chosen, _ = play(_items(201, 400, 201))
    with pytest.raises(EnvironmentFailed, match="1 of 3 documents"):
        write(Cluster(chosen), _OPERATIONS)


def test_a_key_goes_in_the_header_and_nowhere_else(play):
    chosen, server = play(
        (401, {"error": {"type": "security_exception", "reason": "unable to authenticate"}}), elasticsearch_key=_SECRET
    )
    cluster = Cluster(chosen)
    with pytest.raises(EnvironmentFailed, match="FATHOM_ELASTICSEARCH_KEY") as caught, cluster.asked() as client:
        client.search(index="x")
    assert {name.lower(): value for name, value in server.seen[0].headers.items()}[
        "authorization"
    ] == f"ApiKey {_SECRET}"
    for shown in (str(caught.value), repr(cluster), repr(chosen), str(vars(cluster)), chosen.model_dump_json()):
        assert _SECRET not in shown


# a real server that goes away


@pytest.mark.slow
def test_without_the_server_answers_are_by_meaning_and_say_so_until_it_is_back(build, settings, stub_encoder, gate):
    engine = Engine(build(), stub_encoder, settings)
    texts = ["read the journal", '"Read the parcel"', "kind:function settings", "-journal path"]
    before = [engine.search(text) for text in texts]
    gate.shut()
    for text, whole in zip(texts, before, strict=True):
        answer = engine.search(text)
        assert WORDLESS in answer.notes
        assert gate.url not in " ".join(answer.notes)
        assert gate.url in answer.faults[0]
        assert answer.probability is None
        if text.startswith(('"', "kind", "-")):  # conditions hold all the same
            assert {hit.id for hit in answer.hits} == {hit.id for hit in whole.hits}
    degraded = list(engine.answers([Wanted(text) for text in texts]))
    assert all(WORDLESS in answer.notes for answer in degraded)
    with pytest.raises(ServerUnavailable, match=gate.url):
        engine.search("journal", mode="lexical")
    gate.open()
    time.sleep(2.1)  # as long as it rests
    after = [engine.search(text) for text in texts]
    assert [[hit.id for hit in each.hits] for each in after] == [[hit.id for hit in each.hits] for each in before]
    assert not any(WORDLESS in answer.notes for answer in after)


@pytest.mark.slow
def test_a_server_that_says_nothing_costs_one_search_its_patience_and_the_next_none(
    build, settings, stub_encoder, gate
):
    engine = Engine(build(), stub_encoder, settings)
    engine.search("read the journal")
    gate.silent.set()
    began = time.monotonic()
    assert WORDLESS in engine.search("read the parcel").notes
    first = time.monotonic()
    assert WORDLESS in engine.search("read the settings").notes
    assert first - began < 4
    assert time.monotonic() - first < 0.5


@pytest.mark.slow
def test_an_index_opens_while_the_server_is_away(build, settings, stub_encoder, gate):
    build().close()
    gate.shut()
    index = Index.open(settings=settings)
    assert WORDLESS in Engine(index, stub_encoder, settings).search("journal").notes
    gate.open()
    time.sleep(2.1)
    assert Engine(index, stub_encoder, settings).search("journal", mode="lexical").hits


@pytest.mark.slow
def test_indexing_without_the_server_fails_and_the_next_run_lacks_nothing(build, settings, tree, states, gate):
    build().close()
    (tree / "address.py").write_text(_code("address", 3))
    gate.shut()
    with pytest.raises(ServerUnavailable, match="does not answer"):
        build()
    gate.open()
    index = build()
    with index.view() as view:
        assert len(view.lexical) == view.manifest.documents == 9
        assert len(view.lexical.containing(["address"])) == 3


@pytest.mark.slow
def test_documents_that_are_refused_stop_the_publish_and_are_counted(build, settings, tree, clustered):
    index = build()
    name = index.store.snapshot()
    with name as manifest:
        lexical = manifest.lexical
    cluster = Cluster(settings)
    with cluster.written() as client:
        client.indices.put_settings(index=lexical, settings={"index.blocks.write": True})
    (tree / "address.py").write_text(_code("address", 3))
    with pytest.raises(EnvironmentFailed, match=r"of 3 documents .*cluster_block"):
        build()
    with index.view() as view:
        assert view.manifest.generation == manifest.generation
        assert len(view.lexical.containing(["journal"])) == 2
    with cluster.written() as client:
        client.indices.put_settings(index=lexical, settings={"index.blocks.write": False})
    with build().view() as view:
        assert len(view.lexical.containing(["address"])) == 3


# a real server that holds something else


@pytest.fixture
def lexical(build):
    with build().view() as view:
        return view.manifest.lexical


def _damages(index, client):
    yield "missing", lambda: client.indices.delete(index=index)
    yield "5 units instead of 6", lambda: client.delete(index=index, id="2", refresh=True)
    mark = client.indices.get(index=index).body[index]["mappings"]["_meta"]
    mark["fathom"]["format"] = 99
    yield "format 99", lambda: client.indices.put_mapping(index=index, meta=mark)


@pytest.mark.slow
@pytest.mark.parametrize("which", range(3))
def test_an_index_that_is_missing_short_or_another_is_damage_and_is_repaired(
    which, lexical, settings, stub_encoder, tree
):
    cluster = Cluster(settings)
    with cluster.written() as client:
        said, damage = list(_damages(lexical, client))[which]
        damage()
    with pytest.raises(IndexDamaged, match=said) as caught:
        Index.open(settings=settings)
    assert "fathom check --repair" in str(caught.value)
    with Index.build(settings.index, [str(tree)], settings=settings, encoder=stub_encoder).view() as view:
        assert view.manifest.lexical != lexical
        assert len(view.lexical.containing(["journal"])) == 2
    with cluster.written() as client:
        assert list(client.indices.get_alias(name=f"{settings.elasticsearch_name}-lexical")) == [view.manifest.lexical]


@pytest.mark.slow
def test_another_field_of_the_mapping_is_damage(build, settings):
    with build().view() as view:
        lexical = view.manifest.lexical
    cluster = Cluster(settings)
    with cluster.written() as client:
        made = client.indices.get(index=lexical).body[lexical]["mappings"]
        for field in ("name", "path", "docstring", "body"):
            made["properties"][field].pop("similarity")
        client.indices.delete(index=lexical)
        client.indices.create(index=lexical, mappings=made)
    with pytest.raises(IndexDamaged, match="its field name is laid out otherwise"):
        Index.open(settings=settings)


@pytest.mark.slow
def test_a_name_that_another_index_has_is_refused(build, settings, tmp_path, tree, stub_encoder):
    build().close()
    with pytest.raises(UsageError, match="FATHOM_ELASTICSEARCH_NAME"):
        Index.build(tmp_path / "other", [str(tree)], settings=settings, encoder=stub_encoder)
    with Index.open(settings=settings).view() as view:
        assert len(view.lexical.containing(["journal"])) == 2


@pytest.mark.slow
def test_the_back_end_of_an_index_is_not_changed_in_passing(build, settings, tree, stub_encoder):
    build().close()
    embedded = Settings(index=settings.index, processes=1)
    for attempt in (
        lambda: Index.open(settings=embedded),
        lambda: Index.build(settings.index, [str(tree)], settings=embedded, encoder=stub_encoder),
    ):
        with pytest.raises(IndexIncompatible, match="back end elasticsearch, and the settings say embedded"):
            attempt()
