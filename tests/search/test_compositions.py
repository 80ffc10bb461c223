"""The same questions on every composition of back ends: the embedded one's answers, and complete listings."""

from pathlib import Path

import pytest

from indexer.backends import Backends
from indexer.index import Index
from indexer.migration import migrate
from indexer.settings import Backend, Settings
from search.engine import Engine

pytestmark = pytest.mark.slow

CORPUS = Path(__file__).parents[1] / "golden" / "corpus"
QUERIES = CORPUS.parent / "queries.txt"


@pytest.fixture(scope="module")
def embedded(tmp_path_factory, stub_module):
    folder = tmp_path_factory.mktemp("embedded") / "index"
    settings = Settings(index=folder, processes=1)
    encoder = stub_module.StubEncoder()
    return Engine(Index.build(folder, [str(CORPUS)], settings=settings, encoder=encoder), encoder, settings)


@pytest.fixture
def other(tmp_path, distributed, stub_encoder):
    settings = Settings(index=tmp_path / "index", processes=1, **distributed)
    built = Index.build(settings.index, [str(CORPUS)], settings=settings, encoder=stub_encoder)
    return Engine(built, stub_encoder, settings)


def _texts():
    lines = [line for line in QUERIES.read_text().splitlines() if line and not line.startswith("# ")]
    return [line.split("\t")[0] for line in lines]


# Engines add up in single precision, and a small difference of one signal is a smaller one of the score.
NEAR = 2e-3


def test_answers_are_those_of_the_embedded_index(embedded, other):
    for text in _texts():
        wanted, found = embedded.search(text), other.search(text)
        assert (found.total, found.query_class, found.notes) == (wanted.total, wanted.query_class, wanted.notes), text
        scores = [hit.score for hit in wanted.hits]
        assert [hit.score for hit in found.hits] == pytest.approx(scores, abs=NEAR), text
        # Units of one score may change places, at the end of the page with others.
        certain = {hit.id for hit in wanted.hits if hit.score > scores[-1] + NEAR}
        assert certain <= {hit.id for hit in found.hits}, text


@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
def test_complete_listings_are_the_same(embedded, other, mode):
    for text in [*_texts(), '"tracking number"', "/def \\w+/", "-token path:server", "lang:go", "kind:function retry"]:
        wanted = embedded.search(text, mode=mode, exhaustive=True)
        found = other.search(text, mode=mode, exhaustive=True)
        assert {hit.id for hit in found.hits} == {hit.id for hit in wanted.hits}, text


@pytest.fixture
def alone(tmp_path, clustered, stub_encoder):
    """Settings of an index that a cluster holds alone."""
    settings = Settings(index=tmp_path / "index", processes=1, **clustered | {"backend": Backend.ELASTICSEARCH_ALONE})
    Index.build(settings.index, [str(CORPUS)], settings=settings, encoder=stub_encoder).close()
    return settings


@pytest.fixture
def asked(monkeypatch):
    """What a reader asks a cluster for, of that which may be kept."""
    found = []
    monkeypatch.setattr("indexer.store.cluster_access.Rows.columns", lambda *_: found.append("heads") or [])
    monkeypatch.setattr("indexer.store.cluster_access.Rows.rows", lambda *_, **__: found.append("texts") or [])
    fetched = "indexer.vectors.elasticsearch.ElasticsearchVectors._fetched"
    monkeypatch.setattr(fetched, lambda *_: found.append("vectors") or {})
    return found


def test_what_was_read_ahead_is_not_asked_for_again(alone, stub_encoder, request):
    texts = _texts()[:10]
    wanted = [[hit.id for hit in Engine(Index.open(settings=alone), stub_encoder).search(text).hits] for text in texts]
    index = Index.open(settings=alone)
    engine = Engine(index, stub_encoder)
    with index.view() as view:
        view.read_ahead()
        said = dict(view.texts(None))
        assert list(said) == view.catalogue.keys.tolist()
    asked = request.getfixturevalue("asked")
    assert [[hit.id for hit in engine.search(text).hits] for text in texts] == wanted
    with index.view() as view:
        assert dict(view.texts(None)) == said
    assert asked == []


def test_of_a_large_index_only_the_names_are_read_ahead(alone, monkeypatch, request):
    monkeypatch.setattr("indexer.index._READ_AHEAD", 3)
    index = Index.open(settings=alone)
    with index.view() as view:
        assert len(view.catalogue.keys) > 3
        asked = request.getfixturevalue("asked")
        view.read_ahead()
    assert asked == []


def test_pages_fit_together(other):
    whole = [hit.id for hit in other.search("journal token retry", 60, rank=False).hits]
    pages = [
        hit.id
        for start in range(0, 60, 7)
        for hit in other.search("journal token retry", 7, offset=start, rank=False).hits
    ]
    assert pages[: len(whole)] == whole


def test_an_index_that_moved_answers_as_before(embedded, tmp_path, clustered, stub_encoder):
    """To the cluster and back, with nothing encoded again."""
    folder = tmp_path / "index"
    here, there = Settings(index=folder, processes=1), Settings(index=folder, processes=1, **clustered)
    Index.build(folder, [str(CORPUS)], settings=here, encoder=stub_encoder).close()
    stub_encoder.encode = None
    moved = migrate(folder, there, stub_encoder)
    texts = _texts()[:20]
    stub_encoder = type(stub_encoder)()
    found = Engine(Index.open(settings=there), stub_encoder, there)
    assert [hit.id for text in texts for hit in found.search(text).hits[:1]] == [
        hit.id for text in texts for hit in embedded.search(text).hits[:1]
    ]
    back = migrate(folder, here, stub_encoder)
    assert (back.documents, back.depths, back.segments) == (moved.documents, moved.depths, moved.segments)
    again = Engine(Index.open(settings=here), stub_encoder, here)
    for text in texts:
        assert [hit.id for hit in again.search(text).hits] == [hit.id for hit in embedded.search(text).hits]


def test_an_index_that_was_copied_into_a_cluster_is_whole_in_both_places(embedded, tmp_path, clustered, stub_encoder):
    """And what is copied back is what was there; nothing is encoded again."""
    folder, again = tmp_path / "index", tmp_path / "again"
    here = Settings(index=folder, processes=1)
    there = Settings(index=folder, processes=1, **clustered | {"backend": "elasticsearch-alone"})
    Index.build(folder, [str(CORPUS)], settings=here, encoder=stub_encoder).close()
    encode, stub_encoder.encode = stub_encoder.encode, None
    moved = migrate(folder, there, stub_encoder)
    back = migrate(
        again,
        here.model_copy(update={"elasticsearch_url": there.elasticsearch_url, **_named(there)}),
        stub_encoder,
        source=Backend.ELASTICSEARCH_ALONE,
    )
    stub_encoder.encode = encode
    assert (back.documents, back.depths) == (moved.documents, moved.depths)
    for settings in (here, there, here.model_copy(update={"index": again})):
        engine = Engine(Index.open(settings=settings), stub_encoder, settings)
        assert Backends(settings.index, settings).open_store().faults() == []
        for text in _texts()[:20]:
            wanted, found = embedded.search(text), engine.search(text)
            assert [hit.score for hit in found.hits] == pytest.approx([hit.score for hit in wanted.hits], abs=NEAR)


def _named(settings):
    return {"elasticsearch_name": settings.elasticsearch_name}
