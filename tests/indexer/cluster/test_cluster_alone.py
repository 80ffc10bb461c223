"""A cluster that holds all of an index goes away, refuses, or loses its writer: errors by name, nothing lost."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("elasticsearch", reason="the extra `elasticsearch` is not installed")

from elasticsearch import Elasticsearch

from indexer.backends import Backends
from indexer.errors import EnvironmentFailed, IndexDamaged, ServerUnavailable
from indexer.index import Index
from indexer.settings import Settings
from indexer.store.elasticsearch import ElasticsearchStore
from indexer.vectors.elasticsearch import ElasticsearchVectorWriter
from search.engine import Engine
from web.app import create_app

pytestmark = pytest.mark.slow

_PATHS = [str(Path(__file__).parents[up]) for up in (3, 2, 1)]


@pytest.fixture
def tree(tmp_path, states):
    folder = tmp_path / "tree"
    folder.mkdir()
    for word in ("settings", "journal", "parcel"):
        (folder / f"{word}.py").write_text(states.text_of(word))
    return folder


@pytest.fixture
def gate(gates, elasticsearch_url):
    opened = gates.Gate(urlsplit(elasticsearch_url).port)
    yield opened
    opened.open()
    opened.shut()


@pytest.fixture
def settings(tmp_path, clustered, gate):
    chosen = {"backend": "elasticsearch-alone", "elasticsearch_url": gate.url, "elasticsearch_seconds": 0.7}
    return Settings(index=tmp_path / "nowhere", processes=1, **clustered | chosen)


@pytest.fixture
def encoder(states):
    return states.CountingEncoder()


@pytest.fixture
def build(settings, tree, encoder, quick):
    return lambda: Index.build(None, [str(tree)], settings=settings, encoder=encoder)


def test_without_the_server_nothing_answers_until_it_is_back(build, settings, encoder, gate):
    engine = Engine(build(), encoder, settings)
    before = [hit.id for hit in engine.search("journal").hits]
    page = create_app(settings, encoder=encoder).test_client()
    assert page.get("/api/v1/search?query=journal").status_code == 200
    gate.shut()
    with pytest.raises(ServerUnavailable, match=gate.url):
        engine.search("parcel")
    refused = page.get("/api/v1/search?query=parcel")
    assert (refused.status_code, refused.json["error"]["code"]) == (503, "index_unavailable")
    assert gate.url not in refused.text
    assert page.get("/?q=parcel").status_code == 503
    gate.open()
    time.sleep(2.1)  # as long as it rests
    assert [hit.id for hit in engine.search("journal").hits] == before
    assert page.get("/api/v1/search?query=parcel").status_code == 200


_STEPS = [
    (ElasticsearchStore, "stage"),
    (ElasticsearchStore, "save_vectors"),
    (ElasticsearchStore, "publish"),
    (ElasticsearchVectorWriter, "freeze"),
]


@pytest.mark.parametrize(("part", "step"), _STEPS, ids=[step for _, step in _STEPS])
def test_a_server_that_goes_while_indexing_loses_nothing(
    build, settings, encoder, tree, states, gate, monkeypatch, part, step
):
    before = build()
    (tree / "address.py").write_text(states.text_of("address", 3))
    (tree / "parcel.py").unlink()
    work = getattr(part, step)

    def gone(*arguments, **named):
        gate.shut()
        return work(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(part, step, gone)
        with pytest.raises(ServerUnavailable, match="does not answer"):
            build()
    gate.open()
    time.sleep(2.1)
    with before.view() as view:  # words are published before vectors come
        assert view.manifest.documents == (7 if step == "save_vectors" else 6)
        states.check_view(view)
    kept = sum(encoder.given.values())
    with build().view() as view:
        assert {f"address_{n}" for n in range(3)} <= set(view.catalogue.symbols)
        assert view.manifest.documents == 7
        states.check_view(view)
        assert view.store.faults() == []
    if part is not ElasticsearchStore or step == "publish":  # what was encoded before it went is not encoded again
        assert sum(encoder.given.values()) <= kept + 3


@pytest.mark.parametrize("kind", ["store", "lexical", "vectors"])
def test_rows_that_are_refused_stop_the_publish_and_are_counted(build, settings, tree, states, kind):
    index, cluster = build(), Backends(settings.index, settings).cluster
    (name,) = cluster.indices(kind)
    with cluster.written() as client:
        client.indices.put_settings(index=name, settings={"index.blocks.write": True})
    (tree / "address.py").write_text(states.text_of("address", 3))
    with pytest.raises(EnvironmentFailed, match=r"cluster_block|of \d+ documents"):
        build()
    with cluster.written() as client:
        client.indices.put_settings(index=name, settings={"index.blocks.write": False})
    with index.view() as view:  # words are published before vectors come
        assert view.manifest.documents == (9 if kind == "vectors" else 6)
    with build().view() as view:
        assert view.manifest.documents == 9
        states.check_view(view)


@pytest.mark.parametrize("kind", ["store", "lexical", "vectors"])
def test_what_someone_deletes_meanwhile_is_not_made_again_by_the_next_document(
    build, settings, tree, states, monkeypatch, kind
):
    build().close()
    cluster = Backends(settings.index, settings).cluster
    (name,) = cluster.indices(kind)
    (tree / "address.py").write_text(states.text_of("address", 3))
    stage = ElasticsearchStore.stage

    def without(*arguments):
        with cluster.written() as client:
            client.indices.delete(index=name)
        return stage(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(ElasticsearchStore, "stage", without)
        with pytest.raises((EnvironmentFailed, IndexDamaged), match=r"require_alias|is missing in Elasticsearch"):
            build()
    assert cluster.indices(kind) == []
    with build().view() as view:
        assert view.manifest.documents == 9
        states.check_view(view)
        assert view.store.faults() == []


_WRITER = """
import json, sys
sys.path[:0] = sys.argv[2:]
import index_states as states
from pathlib import Path
states.CHOSEN = json.loads(sys.stdin.readline())
states.hasten(setattr)
states.pipeline_module._FIRST_PUBLISH_SECONDS = 0.0
tree = Path(sys.argv[1])
sys.stdout.write("ready\\n")
sys.stdout.flush()
states.update(tree.parent / "index", [states.folder_source(tree)], states.CountingEncoder())
"""


def test_a_writer_that_is_killed_loses_nothing_and_is_followed_at_once(tmp_path, quick, clustered, monkeypatch):
    chosen = {**clustered, "backend": "elasticsearch-alone"}
    monkeypatch.setattr(quick, "CHOSEN", chosen)
    tree, folder, chance = tmp_path / "tree", tmp_path / "index", quick.chances(7)
    for _ in range(6):
        for _ in range(4):
            quick.change(tree, chance)
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tree), *_PATHS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            writer.stdin.write(json.dumps(chosen) + "\n")
            writer.stdin.flush()
            assert writer.stdout.readline() == "ready\n"
            time.sleep(chance.uniform(0.05, 1.5))
            os.kill(writer.pid, signal.SIGKILL)
        # An index that was being made is there a moment later; whoever asks before is told to try again.
        with Elasticsearch(clustered["elasticsearch_url"]) as client:
            health = client.cluster.health(
                wait_for_status="yellow", wait_for_no_initializing_shards=True, timeout="10s"
            )
            assert not health["timed_out"]
        quick.check(folder)
        began = time.monotonic()
        quick.update(folder, [quick.folder_source(tree)], quick.CountingEncoder())
        assert time.monotonic() - began < 15, "the lock of the dead is waited for"
        _, units = quick.check(folder)
        assert {unit.symbol for unit in units.values() if unit.symbol} == quick.symbols_in(tree)


def test_servers_without_a_folder_read_what_another_writes(build, settings, encoder, tree, states):
    build().close()
    readers = [Engine(Index.open(settings=settings), encoder, settings) for _ in range(2)]
    (tree / "address.py").write_text(states.text_of("address", 3))
    assert all(not reader.search("sym:address_1").hits for reader in readers)
    build().close()
    found = [[hit.symbol for hit in reader.search("sym:address_1").hits] for reader in readers]
    assert found == [["address_1"], ["address_1"]]
    assert not settings.index.exists()
    with closing(Backends(settings.index, settings).open_store()) as store:
        assert store.faults() == []
