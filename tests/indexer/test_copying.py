"""Copying an index into another store: all of it, once, however often the copy was stopped; nothing is encoded again."""

from contextlib import ExitStack, closing

import numpy as np
import pytest

from indexer import copying
from indexer.backends import Backends
from indexer.combining import CodeWeights
from indexer.copying import Copy
from indexer.errors import UsageError
from indexer.migration import copy_into
from indexer.publishing import Publisher
from indexer.settings import Settings
from indexer.store.interface import SourceReport

WORDS = ("badger", "camel", "dingo", "ermine", "ferret")


class Stopped(Exception):
    """What a test stops a copy with."""


@pytest.fixture(params=["embedded", pytest.param("elasticsearch-alone", marks=pytest.mark.slow)])
def composition(request):
    """What settings need to say for the stores that copies go into."""
    return {} if request.param == "embedded" else request.getfixturevalue("clustered") | {"backend": request.param}


@pytest.fixture
def trees(tmp_path, quick):
    """Two sources; one has a file that is skipped."""
    made = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        for word in WORDS:
            (folder / f"{word}.py").write_text(quick.text_of(f"{word}{name}"))
        made.append(folder)
    (made[0] / "picture.py").write_bytes(b"\0\1\2" * 100)
    return made


@pytest.fixture
def source(tmp_path, trees, quick):
    """An embedded index of both, deepened, where every third unit was rewritten."""
    folder = tmp_path / "source"
    encoder = quick.CountingEncoder()
    sources = [quick.folder_source(tree, tree.name) for tree in trees]
    quick.update(folder, sources, encoder)
    quick.rewrite(folder, {f"{word}{tree.name}_0" for word in WORDS[::2] for tree in trees})
    quick.update(folder, sources, encoder)
    return folder


@pytest.fixture
def copy(source, tmp_path, composition, monkeypatch):
    """Return what copies the index, or goes on with that, three files at a time, where no text can be encoded."""
    monkeypatch.setattr(copying, "_FILES", 3)

    def run(place, encoder):
        encode, encoder.encode = encoder.encode, None
        try:
            with ExitStack() as stack:
                old = stack.enter_context(closing(Backends(source, Settings(processes=1)).open_store()))
                manifest = stack.enter_context(old.snapshot())
                return copy_into(place, old, encoder, CodeWeights(*manifest.weights))
        finally:
            encoder.encode = encode

    return run


@pytest.fixture
def target(tmp_path, everywhere):
    """Where the copy goes."""
    folder = tmp_path / "target"
    return Backends(folder, everywhere.settings(folder))


def content(backends):
    """Return all that a store holds, by names instead of keys."""
    with closing(backends.open_store()) as store, store.snapshot():
        found = {}
        for record, keys in store.records():
            blocks, written, vectors = store.blocks(keys), store.rewritings(keys), store.stored_vectors(keys)
            for key, unit in zip(keys, record.units, strict=True):
                made = store.rewriting_vectors([written[key].key], 6) if key in written else {}
                found[record.repository, record.path, unit.id] = (
                    unit,
                    [(block.start_line, block.end_line) for block, _ in blocks[key]],
                    np.stack([vector for _, vector in blocks[key]]).round(3).tolist(),
                    vectors[key].depth,
                    (written[key].texts, [row.round(3).tolist() for row in made.values()]) if key in written else None,
                )
        stamps = {source.name: store.known_files(source.name) for source in store.sources()}
        known = {
            (name, path): (file.stamp, file.content_hash) for name in stamps for path, file in stamps[name].items()
        }
        return found, known, store.sources(), sorted(store.skipped(), key=lambda each: each.path)


def stopped_at(monkeypatch, owner, name, call, *, after=False):
    """Make the call of that number raise."""
    original, calls = getattr(owner, name), []

    def counted(self, *given, **named):
        calls.append(name)
        if len(calls) == call and not after:
            raise Stopped
        result = original(self, *given, **named)
        if len(calls) == call:
            raise Stopped
        return result

    monkeypatch.setattr(owner, name, counted)


STOPS = [
    (Copy, "_copy_rewritings", 1, False),
    (Copy, "_copy_rewritings", 3, True),
    (Copy, "_copy_vectors", 1, False),
    (Copy, "_copy_vectors", 2, False),
    (Publisher, "add_vectors", 2, True),
    (Publisher, "publish", 1, False),
]


@pytest.mark.parametrize(("owner", "name", "call", "after"), STOPS)
def test_a_copy_that_was_stopped_goes_on(copy, source, target, everywhere, owner, name, call, after):
    encoder = everywhere.CountingEncoder()
    with pytest.MonkeyPatch.context() as patch:
        stopped_at(patch, owner, name, call, after=after)
        with pytest.raises(Stopped):
            copy(target, encoder)
    copy(target, encoder)
    assert content(target) == content(Backends(source, Settings(processes=1)))
    everywhere.check(target.folder)


def test_a_copy_is_whole_and_an_update_of_it_finds_nothing_to_do(copy, source, target, trees, everywhere):
    encoder = everywhere.CountingEncoder()
    moved = copy(target, encoder)
    assert content(target) == content(Backends(source, Settings(processes=1)))
    encoder.encode = None
    everywhere.update(target.folder, [everywhere.folder_source(tree, tree.name) for tree in trees], encoder)
    manifest, units = everywhere.check(target.folder)
    assert (manifest.documents, manifest.depths) == (moved.documents, moved.depths)
    assert len(units) == 2 * 2 * len(WORDS)


def test_a_copy_stopped_between_its_sources_goes_on_and_one_that_is_whole_is_refused(
    copy, source, target, trees, everywhere
):
    encoder = everywhere.CountingEncoder()
    publish, reported = Publisher.publish, []

    def stopping(self, change=None):
        if isinstance(change, SourceReport):
            reported.append(change)
            if len(reported) == 2:
                raise Stopped
        return publish(self, change)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Publisher, "publish", stopping)
        with pytest.raises(Stopped):
            copy(target, encoder)
    copy(target, encoder)
    wanted = content(Backends(source, Settings(processes=1)))
    assert content(target) == wanted
    with pytest.raises(UsageError, match="already"):
        copy(target, encoder)
    assert content(target) == wanted


def test_a_place_with_another_index_is_refused(copy, target, trees, everywhere, tmp_path):
    encoder = everywhere.CountingEncoder()
    other = tmp_path / "other"
    other.mkdir()
    (other / "heron.py").write_text(everywhere.text_of("heron"))
    everywhere.update(target.folder, [everywhere.folder_source(other, "other")], encoder)
    before = content(target)
    with pytest.raises(UsageError, match="already"):
        copy(target, encoder)
    assert content(target) == before
