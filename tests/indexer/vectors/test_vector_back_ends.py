"""Every place for vectors against brute force: bad input, replacing, deepening, removal, generations, filters."""

import time
from urllib.parse import urlsplit

import numpy as np
import pytest

from indexer.backends import Backends
from indexer.errors import EnvironmentFailed, IndexDamaged, ServerUnavailable, UsageError
from indexer.settings import Settings
from indexer.store.manifest import Manifest

_NONE = np.empty(0, np.int64)
_DIMENSION = 32


def _vectors(count, seed=0, dimension=_DIMENSION):
    """Unit vectors about a few hundred centres, the same for every seed."""
    chance = np.random.default_rng(seed)
    centres = np.random.default_rng(300).standard_normal((300, dimension))
    vectors = centres[chance.integers(300, size=count)] + 0.6 * chance.standard_normal((count, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _stored(vectors):
    return vectors.astype(np.float16).astype(np.float32)


class _BackEnd:
    """Writes generations of vectors in one place, and opens them."""

    def __init__(self, folder, **chosen):
        folder.mkdir()
        self.backends = Backends(folder, Settings(index=folder, **chosen))
        self.manifest = None

    def writer(self, *, fresh=False, dimension=_DIMENSION):
        return self.backends.vector_writer(self.manifest, dimension, fresh=fresh)

    @property
    def next(self):
        return (self.manifest.generation if self.manifest else 0) + 1

    def publish(self, writer, gone=()):
        """Move the generation; return what a reader of it has, and goes on having."""
        frozen = writer.freeze(self.next, np.array(sorted(gone), np.int64))
        self.manifest = Manifest(
            generation=self.next,
            created="",
            documents=sum(frozen.depths.values()),
            depths=dict(frozen.depths),
            model="",
            fingerprint="",
            backend=self.backends.kind,
            lexical="",
            lexical_files=(),
            vectors=frozen.name,
            segments=frozen.segments,
            dead=frozen.dead,
        )
        writer.settle(self.manifest)
        return self.open()

    def open(self):
        return self.backends.open_vectors(self.manifest)

    def build(self, keys, vectors, depth=0):
        writer = self.writer()
        writer.add(np.asarray(keys, np.int64), vectors, depth)
        opened = self.publish(writer)
        writer.close()
        return opened

    def raw(self, act):
        """Let a test do to the cluster's index what it wants."""
        with self.backends.cluster.written() as client:
            return act(client, self.manifest.vectors)


@pytest.fixture(params=["embedded", pytest.param("elasticsearch", marks=pytest.mark.slow)])
def back_end(request, tmp_path):
    chosen = request.getfixturevalue("alone") if request.param == "elasticsearch" else {}
    return _BackEnd(tmp_path / "index", **chosen)


@pytest.fixture
def alone(clustered):
    return {**clustered, "backend": "elasticsearch-alone"}


@pytest.fixture
def cluster(alone, tmp_path):
    return _BackEnd(tmp_path / "index", **alone)


@pytest.fixture
def gate(gates, elasticsearch_url):
    opened = gates.Gate(urlsplit(elasticsearch_url).port)
    yield opened
    opened.open()
    opened.shut()


def _keys(found):
    return found[0].tolist()


def _agrees(index, truth, queries, limit=10, within=None):
    """Hold what is found against all vectors, by key, of which `within` may be found; exact down to the rounding."""
    alive = np.array(sorted(truth if within is None else truth.keys() & set(within.tolist())), np.int64)
    stored = _stored(np.stack([truth[key] for key in alive.tolist()])) if len(alive) else np.empty((0, _DIMENSION))
    hits = wanted = 0
    for query in queries:
        keys, cosines = index.search(query, limit, within)
        exact = dict(zip(alive.tolist(), (stored @ query).tolist(), strict=True))
        best = sorted(exact, key=lambda key: (-exact[key], key))[:limit]
        assert len(keys) == len(best)
        assert set(keys.tolist()) <= exact.keys()
        np.testing.assert_allclose(cosines, [exact[key] for key in keys.tolist()], atol=1e-3)
        assert np.all(np.diff(cosines) <= 0)
        hits += len(set(best) & set(keys.tolist()))
        wanted += len(best)
    assert hits >= 0.97 * wanted


# bad input


def test_nothing_was_ever_added(back_end):
    writer = back_end.writer()
    assert not writer.pending
    assert not writer.crowded
    assert writer.held(0).tolist() == []
    index = back_end.publish(writer, gone=[4])
    assert back_end.manifest.depths == {}
    assert (len(index), _keys(index.search(np.ones(_DIMENSION, np.float32), 5))) == (0, [])
    assert index.vectors(np.array([1, 2])).shape == (2, 0)
    assert len(back_end.build(range(3), _vectors(3))) == 3


def test_odd_searches(back_end):
    vectors = _vectors(30)
    index = back_end.build(range(30), vectors)
    assert _keys(index.search(vectors[3], 5, _NONE)) == []
    assert _keys(index.search(vectors[3], 5, np.array([77, 10**12]))) == []
    assert _keys(index.search(vectors[3], 5, np.array([3, 77]))) == [3]
    assert sorted(_keys(index.search(vectors[3], 500))) == list(range(30))
    assert index.search(np.zeros(_DIMENSION, np.float32), 5)[1].tolist() == [0] * 5
    assert index.vectors(_NONE).shape[0] == 0
    found = index.vectors(np.array([7, 10**12, 7, -1, 2]))
    np.testing.assert_array_equal(found[[0, 2, 4]], _stored(vectors[[7, 7, 2]]))
    assert not found[[1, 3]].any()


@pytest.mark.slow
def test_vectors_of_another_dimension_are_refused(cluster):
    index = cluster.build(range(9), _vectors(9))
    with pytest.raises(UsageError, match="16 numbers, and the index's vectors have 32"):
        index.search(_vectors(1, dimension=16)[0], 3)
    writer = cluster.writer()
    for wrong in (_vectors(2, dimension=16), _vectors(3)):
        with pytest.raises(UsageError, match="2 units of an index of 32 numbers"):
            writer.add(np.array([1, 2]), wrong, 0)


@pytest.mark.slow
def test_an_index_that_goes_under_a_reader_is_damage(cluster):
    index = cluster.build(range(300), _vectors(300))
    cluster.raw(lambda client, name: client.indices.delete(index=name))
    for attempt in (
        lambda: index.search(_vectors(1)[0], 3),
        lambda: index.vectors(np.array([3])),
        cluster.open,
        cluster.writer,
    ):
        with pytest.raises(IndexDamaged, match="fathom check --repair"):
            attempt()
    writer = cluster.writer(fresh=True)
    assert writer.held(0).tolist() == []
    writer.add(np.arange(300), _vectors(300), 0)
    assert len(cluster.publish(writer)) == 300


def _relaid(client, name):
    made = client.indices.get(index=name).body[name]["mappings"]
    made["properties"]["vector"]["similarity"] = "cosine"
    client.indices.delete(index=name)
    client.indices.create(index=name, mappings=made)


def _older(client, name):
    mark = client.indices.get(index=name).body[name]["mappings"]["_meta"]
    client.indices.put_mapping(index=name, meta={"fathom": {**mark["fathom"], "format": 99}})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_relaid, "its field vector is laid out otherwise"),
        (_older, "format 99"),
        (lambda client, name: client.delete(index=name, id="2-1", refresh=True), "8 vectors instead of 9"),
        (lambda client, name: client.indices.delete(index=name), "missing"),
    ],
)
def test_an_index_that_is_not_what_was_written_is_damage(cluster, damage, said):
    from indexer.vectors.elasticsearch import faults

    cluster.build(range(9), _vectors(9))
    cluster.raw(damage)
    with pytest.raises(IndexDamaged, match=said):
        cluster.open()
    found = faults(cluster.backends.cluster, cluster.manifest.vectors, 1, 9)
    assert [said in fault.problem for fault in found] == [True]


@pytest.fixture
def behind(alone, tmp_path, gate):
    """A cluster behind the gate."""
    return _BackEnd(tmp_path / "index", **{**alone, "elasticsearch_url": gate.url, "elasticsearch_seconds": 0.7})


@pytest.mark.slow
def test_while_the_server_is_away_readers_say_so_and_go_on_afterwards(behind, gate):
    vectors = _vectors(300)
    index = behind.build(range(300), vectors)
    gate.shut()
    opened = behind.open()
    for attempt in (lambda: index.search(vectors[0], 3), lambda: opened.vectors(np.array([3])), behind.writer):
        with pytest.raises(ServerUnavailable, match="does not answer"):
            attempt()
    gate.open()
    time.sleep(2.1)  # nobody is asked again before
    for each in (index, opened):
        _agrees(each, dict(enumerate(vectors)), vectors[:5])


@pytest.mark.slow
@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_server_that_goes_while_it_is_written_to_loses_nothing(behind, gate, monkeypatch, step):
    """Before anything was written, before what is new, before it can be seen."""
    from indexer.vectors import elasticsearch

    vectors, deeper = _vectors(400), _vectors(400, seed=3)
    behind.build(range(300), vectors[:300])
    todo = iter(range(9))

    def until(act):
        def go(*given, **named):
            if next(todo) == step:
                gate.shut()
            return act(*given, **named)

        return go

    writer = behind.writer()
    writer.add(np.arange(200, 400), deeper[200:], 2)
    with monkeypatch.context() as patched:
        for name in ("write", "refresh"):
            patched.setattr(elasticsearch, name, until(getattr(elasticsearch, name)))
        with pytest.raises(ServerUnavailable):
            writer.freeze(2, np.array([5]))
    gate.open()
    time.sleep(2.1)
    truth = dict(enumerate(vectors[:300]))
    _agrees(behind.open(), truth, vectors[:9])
    writer = behind.writer()
    assert behind.raw(lambda client, name: client.count(index=name)["count"]) == 300
    _agrees(behind.open(), truth, vectors[:9])
    writer.add(np.arange(200, 400), deeper[200:], 2)
    truth |= {key: deeper[key] for key in range(200, 400)}
    del truth[5]
    _agrees(behind.publish(writer, gone=[5]), truth, vectors[:9])


@pytest.mark.slow
def test_documents_that_are_refused_stop_the_publish_and_are_counted(cluster):
    vectors = _vectors(300)
    index = cluster.build(range(200), vectors[:200])
    writer = cluster.writer()
    writer.add(np.arange(150, 300), vectors[150:], 2)
    cluster.raw(lambda client, name: client.indices.put_settings(index=name, settings={"index.blocks.write": True}))
    with pytest.raises(EnvironmentFailed, match=r"did not take 50 of 50 documents"):
        writer.freeze(2, _NONE)
    cluster.raw(lambda client, name: client.indices.put_settings(index=name, settings={"index.blocks.write": False}))
    _agrees(index, dict(enumerate(vectors[:200])), vectors[:3])
    writer = cluster.writer()
    writer.add(np.arange(150, 300), vectors[150:], 2)
    _agrees(cluster.publish(writer), dict(enumerate(vectors)), vectors[:3])
    assert cluster.manifest.depths == {0: 150, 2: 150}


# generations


def test_an_equal_or_greater_depth_replaces_and_a_lesser_is_ignored(back_end):
    first, equal, deeper, lesser = (_vectors(60, seed) for seed in range(4))
    old = back_end.build(range(60), first, depth=2)
    writer = back_end.writer()
    keys = np.arange(60)
    writer.add(keys[:10], equal[:10], 2)
    writer.add(keys[10:20], deeper[10:20], 6)
    writer.add(keys[20:30], lesser[20:30], 0)
    writer.add(keys[30:40], deeper[30:40], 6)
    writer.add(keys[30:40], equal[30:40], 4)
    writer.add(keys[40:50], deeper[40:50], 4)
    assert writer.pending
    new = back_end.publish(writer)
    assert not writer.pending
    assert back_end.manifest.depths == {2: 30, 4: 10, 6: 20}
    wanted = np.concatenate([equal[:10], deeper[10:20], first[20:30], deeper[30:50], first[50:]])
    np.testing.assert_array_equal(new.vectors(keys), _stored(wanted))
    _agrees(new, dict(enumerate(wanted)), wanted[::7])
    np.testing.assert_array_equal(old.vectors(keys), _stored(first))
    _agrees(old, dict(enumerate(first)), first[::7])
    assert writer.held(0).tolist() == list(range(60))
    assert writer.held(3).tolist() == [*range(10, 20), *range(30, 50)]
    assert writer.held(7).tolist() == []


def test_what_is_gone_is_not_found_and_old_readers_go_on(back_end):
    vectors = _vectors(2_500)
    truth = dict(enumerate(vectors))
    first = back_end.build(range(2_000), vectors[:2_000])
    gone = set(range(0, 2_000, 3)) | {10**9}
    writer = back_end.writer()
    writer.add(np.arange(2_000, 2_500), vectors[2_000:], 0)
    writer.add(np.array([3, 6]), vectors[[9, 12]], 6)  # gone all the same
    second = back_end.publish(writer, gone)
    after = {key: vector for key, vector in truth.items() if key not in gone}
    assert len(second) == len(after)
    _agrees(second, after, vectors[::300])
    _agrees(first, dict(enumerate(vectors[:2_000])), vectors[::300])
    assert not second.vectors(np.array([3, 6, 9])).any()
    np.testing.assert_array_equal(first.vectors(np.array([3, 6, 9])), _stored(vectors[[3, 6, 9]]))
    within = np.arange(0, 2_500, 2)
    _agrees(second, after, vectors[::300], within=within)
    _agrees(back_end.publish(writer), after, vectors[::300])


def test_what_was_not_published_is_undone(back_end):
    vectors, other = _vectors(400), _vectors(400, seed=5)
    back_end.build(range(300), vectors[:300], depth=2)
    writer = back_end.writer()
    writer.add(np.arange(250, 400), other[250:], 6)
    writer.freeze(2, np.arange(0, 100))
    writer.close()
    truth = dict(enumerate(vectors[:300]))
    _agrees(back_end.open(), truth, vectors[::40])
    writer = back_end.writer()
    assert writer.held(0).tolist() == list(range(300))
    assert writer.held(6).tolist() == []
    _agrees(back_end.open(), truth, vectors[::40])
    writer.add(np.array([350]), vectors[350:351], 0)
    second = back_end.publish(writer)
    truth[350] = vectors[350]
    _agrees(second, truth, vectors[::40])
    assert back_end.manifest.depths == {0: 1, 2: 300}


def test_written_anew_it_has_nothing_of_before(back_end):
    vectors = _vectors(90)
    old = back_end.build(range(60), vectors[:60])
    before = back_end.manifest.vectors
    writer = back_end.writer(fresh=True)
    assert writer.held(0).tolist() == []
    writer.add(np.arange(50, 90), vectors[50:], 4)
    new = back_end.publish(writer)
    assert back_end.manifest.depths == {4: 40}
    _agrees(new, {key: vectors[key] for key in range(50, 90)}, vectors[::10])
    _agrees(old, dict(enumerate(vectors[:60])), vectors[::10])
    writer.close()
    assert back_end.writer().held(4).tolist() == list(range(50, 90))
    if before:
        assert back_end.backends.cluster.indices("vectors") == [back_end.manifest.vectors]


@pytest.mark.slow
def test_of_equal_depths_that_wait_the_last_counts(cluster):
    vectors, other = _vectors(10), _vectors(10, seed=1)
    writer = cluster.writer()
    writer.add(np.arange(10), vectors, 4)
    writer.add(np.arange(5), other[:5], 4)
    index = cluster.publish(writer)
    assert cluster.manifest.depths == {4: 10}
    np.testing.assert_array_equal(index.vectors(np.arange(10)), _stored(np.concatenate([other[:5], vectors[5:]])))


@pytest.mark.slow
def test_the_alias_names_the_published_index_and_the_purge_leaves_what_is_read(cluster, monkeypatch):
    vectors = _vectors(40)
    cluster.build(range(40), vectors)
    writer = cluster.writer()
    for depth in (2, 4):
        writer.add(np.arange(40), vectors, depth)
        last = cluster.publish(writer)
    count = cluster.raw(lambda client, name: client.count(index=name)["count"])
    assert count == 120
    monkeypatch.setattr("indexer.cluster.generations.KEPT_SECONDS", -1)
    previous = last
    writer.add(np.arange(40), vectors, 6)
    last = cluster.publish(writer)
    cluster.raw(lambda client, name: client.indices.refresh(index=name))
    assert cluster.raw(lambda client, name: client.count(index=name)["count"]) == 80
    for index in (previous, last):
        _agrees(index, dict(enumerate(vectors)), vectors[:3])
    alias = f"{cluster.backends.cluster.name}-vectors"
    named = cluster.raw(lambda client, name: list(client.indices.get_alias(name=alias)))
    assert named == [cluster.manifest.vectors]


# searching


@pytest.mark.parametrize("within", [None, 1, 9, 300, 5_000])
def test_searches_agree_with_brute_force(back_end, within):
    vectors = _vectors(6_000)
    index = back_end.build(range(6_000), vectors)
    allowed = None
    if within is not None:
        allowed = np.sort(np.random.default_rng(within).choice(6_000, within, replace=False))
    _agrees(index, dict(enumerate(vectors)), _vectors(20, seed=9), within=allowed)
    _agrees(index, dict(enumerate(vectors)), _vectors(4, seed=8), limit=200, within=allowed)


@pytest.mark.slow
@pytest.mark.parametrize("size", [40, 2_000, 5_900])
def test_more_keys_than_a_query_names_are_no_other_filter(cluster, monkeypatch, size):
    monkeypatch.setattr("indexer.vectors.elasticsearch._CLAUSE_KEYS", 30)
    monkeypatch.setattr("indexer.vectors.elasticsearch._MOST", 1_500)
    vectors = _vectors(6_000)
    index = cluster.build(range(6_000), vectors)
    allowed = np.sort(np.random.default_rng(size).choice(6_000, size, replace=False))
    _agrees(index, dict(enumerate(vectors)), _vectors(5, seed=9), within=allowed)
    _agrees(index, dict(enumerate(vectors)), _vectors(2, seed=8), limit=1_600)


def test_all_can_be_asked_for_and_ties_are_broken_by_key(back_end):
    vectors = np.repeat(_vectors(2), 150, axis=0)
    index = back_end.build(
        np.random.default_rng(4).permutation(300), vectors[np.random.default_rng(4).permutation(300)]
    )
    found, cosines = index.search(vectors[0], 300)
    assert found.tolist() == [*range(150), *range(150, 300)]
    assert len(np.unique(np.round(cosines, 3))) == 2


@pytest.mark.slow
def test_what_is_kept_of_a_generation_is_bounded_and_right(cluster, monkeypatch):
    monkeypatch.setattr("indexer.vectors.elasticsearch._KEPT", 20)
    vectors = _vectors(100)
    index = cluster.build(range(100), vectors)
    chance = np.random.default_rng(2)
    for _ in range(60):
        keys = chance.choice(120, 8)
        wanted = np.concatenate([_stored(vectors), np.zeros((20, _DIMENSION), np.float32)])[keys]
        np.testing.assert_array_equal(index.vectors(keys), wanted)
        assert len(index._kept.of(range(120))) <= 20
