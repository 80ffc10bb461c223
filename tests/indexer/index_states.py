"""Small indexes built fast, and the checks that every state of an index must pass. No test is here."""

import contextlib
import random
import zlib

import numpy as np
from stub_encoder import StubEncoder

from indexer import pipeline as pipeline_module
from indexer.backends import Backends
from indexer.errors import IndexMissing
from indexer.index import Index, writing
from indexer.settings import Settings
from indexer.sources.folder import FolderSource
from indexer.splitting.parse import ParseRequest, parse_file
from indexer.splitting.pool import ParsedFile
from indexer.store.interface import NewRewriting
from indexer.types import SourceFile
from indexer.workers import local as local_workers

# Every unit of `text_of` holds it.
COMMON = "common"
# Every purpose of `rewrite` holds it, and no unit.
PURRS = "purr"
DIMENSION = 16


class InlinePool:
    """A parser pool without processes."""

    def __init__(self, processes):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def parse(self, files):
        for tag, file in files:
            yield tag, file, ParsedFile(parse_file(ParseRequest(file)))


class CountingEncoder(StubEncoder):
    """Remembers how many blocks it was given at each depth; `blocks` are those at the deepest."""

    def __init__(self):
        super().__init__(dimension=DIMENSION)
        self.given = dict.fromkeys(self.depths, 0)

    @property
    def blocks(self):
        return self.given[self.depths[-1]]

    def encode(self, token_ids, depth):
        self.given[depth] += len(token_ids)
        return super().encode(token_ids, depth)


def hasten(patch):
    """Parse in this process, stage few files at a time, and deepen where a few units are new already."""
    patch(local_workers, "ParserPool", InlinePool)
    patch(pipeline_module, "_STAGE_FILES", 3)
    patch(pipeline_module, "_AT_ONCE", 4)


def folder_source(tree, name="tree"):
    return FolderSource(tree, name, False, 1 << 20)


# What tests on other back ends add to the settings of every index here.
CHOSEN = {}


def settings(folder, depth=None):
    chosen = dict(CHOSEN)
    if chosen:  # each index in a cluster has a name of its own
        chosen["elasticsearch_name"] += f"-{zlib.crc32(str(folder).encode()):x}"
    return Settings(index=folder, processes=1, depth=depth, **chosen)


def opened(folder):
    return Index.open(folder, settings(folder))


def chances(seed):
    return random.Random(seed)


def text_of(word, functions=2):
    """Return a Python file of a few functions, named for a word of its own."""
    return "".join(f"def {word}_{n}():\n    return {COMMON!r}, {word!r}\n\n\n" for n in range(functions))


def parsed(repository, path, text):
    """Return the rows of units that a file gives."""
    return parse_file(ParseRequest(SourceFile(repository, path, text.encode())))["units"]


def change(tree, chance):
    """Add, change, rename or delete a few files of a tree."""
    tree.mkdir(exist_ok=True)
    for _ in range(chance.randint(1, 4)):
        files = sorted(tree.iterdir())
        action = chance.choice(["add", "add", "change", "rename", "delete"]) if len(files) > 4 else "add"
        word = f"w{chance.randrange(10**9)}"
        if action == "add":
            (tree / f"{word}.py").write_text(text_of(word, chance.randint(1, 4)))
        elif action == "change":
            chance.choice(files).write_text(text_of(word))
        elif action == "rename":
            chance.choice(files).rename(tree / f"{word}.py")
        else:
            chance.choice(files).unlink()


def symbols_in(tree):
    """Return the functions that the files of a tree define now."""
    lines = [line for path in tree.iterdir() for line in path.read_text().splitlines()]
    return {line[4 : line.index("(")] for line in lines if line.startswith("def ")}


def update(folder, sources, encoder, said=lambda manifest: None, depth=None):
    """Bring an index up to date and to a depth; `said` is told of every acknowledged manifest."""
    with writing(folder, settings(folder, depth), encoder) as pipeline:
        for source in sources:
            pipeline.refresh(source)
            said(pipeline.manifest)
        pipeline.encode()
        said(pipeline.manifest)
        pipeline.deepen()
        said(pipeline.manifest)
        pipeline.sweep()
    return pipeline.summary


def rewrite(folder, symbols):
    """Keep a purpose and a rewriting of the units with these symbols; the next generation has them."""
    with Backends(folder, settings(folder)).written_store() as store:
        units = [unit for unit in store.units(store.catalogue().keys.tolist()).values() if unit.symbol in symbols]
        store.save_rewritings([NewRewriting((u.id,), u.text, "model", f"{PURRS} {u.symbol}", "pass") for u in units])


def copy_rewritings(folder, other):
    """Give another index of the same units what was kept for those of one, and publish it."""
    store = Backends(folder, settings(folder)).open_store()
    keys = store.catalogue().keys.tolist()
    symbols = {store.units([key])[key].symbol for key in store.rewritings(keys, staged=True)}
    store.close()
    rewrite(other, symbols)
    with writing(other, settings(other), CountingEncoder()) as pipeline:
        pipeline.publish()


def lose(folder):
    """Take away something derived that the published generation names."""
    backends = Backends(folder, settings(folder))
    with contextlib.closing(backends.open_store()) as store, store.snapshot() as manifest:
        for entry in manifest.files():
            (folder / entry.path).unlink()
            return
    with backends.cluster.written() as client:
        client.indices.delete(index=manifest.vectors)


def units_of(view):
    return view.store.units(view.catalogue.keys.tolist())


def vector_keys(view):
    keys, _ = view.vectors.search(np.ones(DIMENSION, np.float32), 10**6)
    return keys.tolist()


def check_view(view):
    """Check that store, BM25 and vectors of a generation agree; return its units by id."""
    keys = view.catalogue.keys.tolist()
    units = units_of(view)
    assert view.manifest.documents == len(keys) == len(view.lexical)
    assert view.lexical.containing([COMMON]).tolist() == [key for key in keys if COMMON in units[key].text]
    if view.manifest.weights[2]:
        purring = [key for key, written in view.rewritings(keys).items() if PURRS in written.purpose.lower()]
        assert view.lexical.containing([PURRS]).tolist() == sorted(purring)
    assert len(view.vectors) == view.manifest.encoded
    found = vector_keys(view)
    assert len(found) == len(set(found)) == view.manifest.encoded
    assert set(found) <= set(keys)
    return {unit.id: unit for unit in units.values()}


def check(folder):
    """Check an index from outside; return its manifest and units by id, or None where there is none yet."""
    try:
        index = opened(folder)
    except IndexMissing:
        return None
    try:
        assert index.store.faults() == []
        with index.view() as view:
            assert Backends(folder, settings(folder)).faults(view.manifest) == []
            # What is stored is as deep as what is published, or deeper.
            for depth in (0, 6):
                published = sum(count for at, count in view.manifest.depths.items() if at >= depth)
                assert view.store.count_shallower(depth) <= view.manifest.documents - published
            return view.manifest, check_view(view)
    finally:
        index.close()


def assert_nothing_left_over(folder):
    """Check that an index's folder holds what its manifest names, the store and the lock, and nothing else."""
    index = opened(folder)
    with index.view() as view:
        named = {entry.path for entry in view.manifest.files()}
    index.close()
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {name for name in there - named if not name.endswith(".lock")} == {"store.sqlite3"}


def ranked(folder, queries):
    """Return each query's BM25 hits as sets of ids, and each unit's vector."""
    index = opened(folder)
    with index.view() as view:
        ids = {key: unit.id for key, unit in units_of(view).items()}
        answers = [{ids[key] for key in view.lexical.search({word: 1.0}, 10**5).keys.tolist()} for word in queries]
        keys = np.array(sorted(ids), dtype=np.int64)
        vectors = dict(zip((ids[key] for key in keys.tolist()), view.vectors.vectors(keys), strict=True))
    index.close()
    return answers, vectors


def assert_same(one, other):
    """Check that two complete indexes hold the same units and give the same hits."""
    (manifest, units), (manifest_wanted, wanted) = check(one), check(other)
    assert manifest.encoded == manifest.documents
    assert manifest.depths == manifest_wanted.depths
    assert units == wanted
    queries = [COMMON, *sorted({unit.symbol.split("_")[0] for unit in wanted.values()})[:5]]
    (hits, vectors), (hits_wanted, vectors_wanted) = ranked(one, queries), ranked(other, queries)
    assert hits == hits_wanted
    assert vectors.keys() == vectors_wanted.keys()
    for name, vector in vectors.items():
        np.testing.assert_allclose(vector, vectors_wanted[name], atol=1e-3)


def finish(folder, tree, scratch):
    """Complete what an interrupted run left; check it against an index built from nothing, and what is left over."""
    encoder = CountingEncoder()
    update(folder, [folder_source(tree)], encoder)
    update(scratch, [folder_source(tree)], encoder)
    copy_rewritings(folder, scratch)
    assert_same(folder, scratch)
    with writing(folder, settings(folder), encoder):
        pass
    assert_nothing_left_over(folder)
