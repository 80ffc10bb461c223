"""Code is indexed at the cheapest exit and brought to the deepest: at every moment complete, in the end as if built so."""

import os
import shutil
import sqlite3
import threading
import time

import numpy as np
import pytest

from indexer import index as index_module
from indexer import pipeline as pipeline_module
from indexer import publishing
from indexer.encoder.units import plan_unit, tokenise_units
from indexer.errors import IndexBusy, IndexDamaged, IndexIncompatible, IndexMissing, UsageError
from indexer.index import Index, deepen, writing
from indexer.store.connection import STORE_FILE
from indexer.store.sqlite import SqliteStore
from indexer.vectors import segment_writer
from search.engine import Engine

FILES = 8
# Longer than the stub's window: a unit of several blocks.
LONG = "def long_one(value):\n" + "".join(f"    step_{n} = 'common', value + {n}\n" for n in range(30)) + "\n\n"


@pytest.fixture(scope="module")
def built(tmp_path_factory, states):
    """A tree with functions, a unit of several blocks, a test and a document; an index of it at depth 0, and one deep."""
    base = tmp_path_factory.mktemp("deepening")
    tree = base / "tree"
    (tree / "tests").mkdir(parents=True)
    for number in range(FILES):
        (tree / f"f{number}.py").write_text(states.text_of(f"w{number}", 2))
    (tree / "long.py").write_text(LONG)
    (tree / "tests" / "test_f.py").write_text(states.text_of("tested", 2))
    (tree / "README.md").write_text("# common\n\nWhat this is.\n")
    with pytest.MonkeyPatch.context() as patch:
        states.hasten(patch.setattr)
        states.update(base / "shallow", [states.folder_source(tree)], states.CountingEncoder(), depth=0)
        patch.setattr(pipeline_module, "_AT_ONCE", 10**6)
        encoder = states.CountingEncoder()
        states.update(base / "direct", [states.folder_source(tree)], encoder)
    assert encoder.given[0] == 0
    shutil.copytree(base, base.with_name("template"))
    return base


@pytest.fixture
def folders(built, quick, monkeypatch):
    """What was built, as it was, at the same place; batches of four units."""
    monkeypatch.setattr(pipeline_module, "_ENCODE_UNITS", 4)
    shutil.rmtree(built)
    return shutil.copytree(built.with_name("template"), built)


@pytest.fixture
def tree(folders):
    return folders / "tree"


@pytest.fixture
def shallow(folders):
    """An index of the tree at depth 0."""
    return folders / "shallow"


@pytest.fixture
def direct(folders):
    """An index of the same tree that never was shallow."""
    return folders / "direct"


def slice_of(quick, folder, encoder):
    """Deepen one batch, as a run does whose time is over."""
    with writing(folder, quick.settings(folder), encoder) as pipeline:
        return pipeline.deepen(0.0)


def vectors_of(folder):
    """Each unit's vector by its id."""
    index = Index.open(folder)
    with index.view() as view:
        keys = view.catalogue.keys
        units = view.store.units(keys.tolist())
        found = dict(zip((units[key].id for key in keys.tolist()), view.vectors.vectors(keys), strict=True))
    index.close()
    return found


def answers_of(folder, encoder):
    """Ids and cosines of all units, for a few queries."""
    index = Index.open(folder)
    engine = Engine(index, encoder)
    answers = [engine.search(query, 100, mode="vector") for query in ("common", "w3_1 returned", "step_7 value")]
    index.close()
    return [[(hit.id, hit.score) for hit in answer.hits] for answer in answers]


def rows(folder, sql):
    connection = sqlite3.connect(folder / STORE_FILE)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def assert_as_built_deep(quick, folder, direct):
    quick.assert_same(folder, direct)
    mine, wanted = vectors_of(folder), vectors_of(direct)
    for unit, vector in wanted.items():
        np.testing.assert_array_equal(mine[unit], vector)
    assert answers_of(folder, quick.CountingEncoder()) == answers_of(direct, quick.CountingEncoder())
    assert sorted(rows(folder, "SELECT vector_key FROM vectors")) == sorted(
        rows(direct, "SELECT vector_key FROM vectors")
    )


# what can go wrong


@pytest.mark.parametrize("depth", [1, 7, -1])
def test_an_unknown_depth_is_refused_with_the_list(tmp_path, quick, shallow, tree, depth):
    before = quick.check(shallow)
    with pytest.raises(UsageError, match=rf"no exit at depth {depth}; it has 0, 6"):
        deepen(shallow, quick.settings(shallow, depth), quick.CountingEncoder())
    with pytest.raises(UsageError, match="it has 0, 6"):
        Index.build(shallow, [str(tree)], settings=quick.settings(shallow, depth), encoder=quick.CountingEncoder())
    assert quick.check(shallow) == before


def test_a_missing_index_is_not_made(tmp_path, quick):
    folder = tmp_path / "nothing"
    with pytest.raises(IndexMissing, match="fathom index"):
        deepen(folder, quick.settings(folder), quick.CountingEncoder())
    assert not folder.exists()


def test_an_index_in_which_nothing_is_published_is_missing(tmp_path, quick):
    folder = tmp_path / "index"
    with writing(folder, quick.settings(folder), quick.CountingEncoder()):
        pass
    with pytest.raises(IndexMissing, match="empty"):
        deepen(folder, quick.settings(folder), quick.CountingEncoder())


@pytest.mark.parametrize(
    ("name", "said"), [("wide", "stub, and this is wide;"), ("stub", "this is stub in another version")]
)
def test_another_model_is_refused_by_name_and_nothing_changes(quick, shallow, stub_module, name, said):
    before, other = quick.check(shallow), stub_module.StubEncoder(dimension=8)
    other.name = name
    with pytest.raises(IndexIncompatible, match=f"another model.*{said}"):
        deepen(shallow, quick.settings(shallow), other)
    with pytest.raises(IndexIncompatible, match=f"another model.*{said}"):
        Engine(Index.open(shallow), other).search("common")
    assert quick.check(shallow) == before


def test_a_damaged_index_is_not_deepened(quick, shallow):
    manifest, _ = quick.check(shallow)
    (shallow / next(entry.path for entry in manifest.segments[0].files)).unlink()
    with pytest.raises(IndexDamaged, match="fathom check --repair"):
        deepen(shallow, quick.settings(shallow), quick.CountingEncoder())


class _Stopped(KeyboardInterrupt):
    pass


@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize(
    "step", [(SqliteStore, "save_vectors"), (publishing.Publisher, "publish"), (SqliteStore, "publish"), "encode"]
)
def test_what_was_deepened_before_an_interrupt_is_not_done_again(quick, shallow, direct, monkeypatch, step, after):
    """Stopped before or after each step: every block but those in hand is encoded once, and nothing is lost."""
    monkeypatch.setattr(pipeline_module, "_FIRST_PUBLISH_SECONDS", 0.0)
    encoder = quick.CountingEncoder()
    owner, name = (quick.CountingEncoder, step) if step == "encode" else step
    call, left = getattr(owner, name), [after]

    def stopped(*args, **options):
        if not left[0]:
            raise _Stopped
        left[0] -= 1
        return call(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, stopped)
        with pytest.raises(_Stopped):
            deepen(shallow, quick.settings(shallow), encoder)
    manifest, units = quick.check(shallow)
    assert manifest.encoded == manifest.documents == len(units)
    deepen(shallow, quick.settings(shallow), encoder)
    assert_as_built_deep(quick, shallow, direct)
    total = len(rows(direct, "SELECT * FROM vectors"))
    in_hand = 4 * 6 if step == (SqliteStore, "save_vectors") else 0
    assert total <= encoder.given[6] <= total + in_hand
    assert encoder.given[0] == 0


def test_a_sweep_that_was_stopped_is_made_up_for(quick, shallow, direct, monkeypatch):
    def stopped(store):
        raise _Stopped

    with monkeypatch.context() as patch:
        patch.setattr(SqliteStore, "sweep", stopped)
        with pytest.raises(_Stopped):
            deepen(shallow, quick.settings(shallow), quick.CountingEncoder())
    assert len(rows(shallow, "SELECT * FROM vectors")) > len(rows(direct, "SELECT * FROM vectors"))
    encoder = quick.CountingEncoder()
    assert deepen(shallow, quick.settings(shallow), encoder).encoded == encoder.blocks == 0
    assert_as_built_deep(quick, shallow, direct)


# what it does


def test_an_index_at_depth_zero_is_complete_and_searchable(quick, shallow):
    manifest, units = quick.check(shallow)
    assert manifest.depths == {0: len(units)}
    engine = Engine(Index.open(shallow), quick.CountingEncoder())
    answer = engine.search("long_one")
    assert answer.complete == 1.0
    assert not any("vectors" in note for note in answer.notes)
    assert answer.hits[0].symbol == "long_one"
    assert engine.search("def w3_1 return w3", mode="vector").hits[0].symbol == "w3_1"


def test_queries_are_encoded_at_the_deepest_exit(quick, shallow):
    encoder = quick.CountingEncoder()
    Engine(Index.open(shallow), encoder).search("what does w3_1 return")
    assert encoder.given[6] == 1, "exit 0 looks up the words of units that ranking compares"


def test_a_deepened_index_is_as_if_it_had_been_built_so(quick, shallow, direct):
    encoder = quick.CountingEncoder()
    before, units = quick.check(shallow)
    summary = deepen(shallow, quick.settings(shallow), encoder)
    assert summary.encoded == len(units)
    assert encoder.given == {0: 0, 6: len(rows(direct, "SELECT * FROM vectors"))}
    manifest, after = quick.check(shallow)
    assert (manifest.depths, after) == ({6: len(units)}, units)
    assert manifest.generation > before.generation
    assert_as_built_deep(quick, shallow, direct)
    with writing(shallow, quick.settings(shallow), encoder):
        pass
    quick.assert_nothing_left_over(shallow)


def test_vectors_are_replaced_unit_by_unit(quick, shallow, direct):
    """After every slice each unit has one vector: that of its depth."""
    first, last = vectors_of(shallow), vectors_of(direct)
    seen = []
    while not slice_of(quick, shallow, quick.CountingEncoder()):
        manifest, units = quick.check(shallow)
        now = vectors_of(shallow)
        deep = {unit for unit in units if np.array_equal(now[unit], last[unit])}
        flat = {unit for unit in units if np.array_equal(now[unit], first[unit])}
        assert (deep | flat, deep & flat) == (set(units), set())
        seen.append(manifest.depths)
        assert manifest.depths == {depth: len(found) for depth, found in ((0, flat), (6, deep)) if found}
    count = len(last)
    deep_counts = [depths.get(6, 0) for depths in seen]
    assert all(0 < later - before <= 4 for before, later in zip([0, *deep_counts], deep_counts, strict=False))
    assert len(seen) > count / 4
    assert quick.check(shallow)[0].depths == {6: count}


def test_deepening_what_is_deep_does_nothing(quick, direct):
    before, encoder = quick.check(direct), quick.CountingEncoder()
    assert deepen(direct, quick.settings(direct), encoder).encoded == 0
    assert quick.check(direct) == before
    assert encoder.blocks == 0


def test_a_shallower_depth_than_there_is_takes_nothing_away(quick, direct, tree):
    before, _ = quick.check(direct)
    deepen(direct, quick.settings(direct, 0), quick.CountingEncoder())
    quick.update(direct, [quick.folder_source(tree)], quick.CountingEncoder(), depth=0)
    assert quick.check(direct)[0].depths == before.depths


def test_the_most_useful_units_come_first(quick, shallow, monkeypatch):
    monkeypatch.setattr(pipeline_module, "_ENCODE_UNITS", 1)
    order, save = [], SqliteStore.save_vectors

    def watched(store, encoded):
        encoded = list(encoded)
        order.extend(entry.unit for entry in encoded)
        save(store, encoded)

    monkeypatch.setattr(SqliteStore, "save_vectors", watched)
    deepen(shallow, quick.settings(shallow), quick.CountingEncoder())
    units = SqliteStore(shallow).units(order)
    useful = [
        units[key].kind in ("function", "method", "class") and not units[key].path.startswith("tests/") for key in order
    ]
    assert len(order) == len(set(order)) == len(quick.check(shallow)[1])
    assert useful == sorted(useful, reverse=True)
    assert {True, False} == set(useful)


def test_changed_files_are_encoded_again(quick, shallow, tree, tmp_path):
    encoder = quick.CountingEncoder()
    deepen(shallow, quick.settings(shallow), encoder)
    before = encoder.blocks
    (tree / "f3.py").write_text(quick.text_of("other", 3))
    (tree / "f4.py").unlink()
    summary = quick.update(shallow, [quick.folder_source(tree)], encoder)
    assert (summary.changed, summary.removed) == (1, 1)
    assert 0 < encoder.blocks - before <= 4
    manifest, units = quick.check(shallow)
    assert manifest.depths == {6: len(units)}
    fresh = tmp_path / "fresh"
    quick.update(fresh, [quick.folder_source(tree)], quick.CountingEncoder())
    quick.assert_same(shallow, fresh)


def test_files_that_change_in_the_middle_of_deepening(quick, shallow, tree, tmp_path):
    for _ in range(2):
        assert not slice_of(quick, shallow, quick.CountingEncoder())
    (tree / "f0.py").write_text(quick.text_of("other", 3))
    (tree / "f7.py").unlink()
    (tree / "f1.py").rename(tree / "g1.py")
    quick.update(shallow, [quick.folder_source(tree)], quick.CountingEncoder(), depth=0)
    manifest, units = quick.check(shallow)
    assert manifest.encoded == len(units)
    assert set(manifest.depths) == {0, 6}
    deepen(shallow, quick.settings(shallow), quick.CountingEncoder())
    fresh = tmp_path / "fresh"
    quick.update(fresh, [quick.folder_source(tree)], quick.CountingEncoder())
    quick.assert_same(shallow, fresh)


def test_a_source_in_two_segments_is_removed_from_both(quick, shallow, tree, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for number in range(FILES):
        (other / f"o{number}.py").write_text(quick.text_of(f"o{number}", 2))
    second = quick.folder_source(other, "other")
    quick.update(shallow, [second], quick.CountingEncoder(), depth=0)
    for _ in range(5):
        assert not slice_of(quick, shallow, quick.CountingEncoder())
    sources = _depths_of_sources(shallow)
    assert sources == {("tree", 0), ("tree", 6), ("other", 0), ("other", 6)}
    with writing(shallow, quick.settings(shallow), quick.CountingEncoder()) as pipeline:
        pipeline.remove("tree")
        pipeline.sweep()
    manifest, units = quick.check(shallow)
    assert {unit.repository for unit in units.values()} == {"other"}
    assert manifest.encoded == len(units) == sum(manifest.depths.values())
    deepen(shallow, quick.settings(shallow), quick.CountingEncoder())
    fresh = tmp_path / "fresh"
    quick.update(fresh, [second], quick.CountingEncoder())
    quick.assert_same(shallow, fresh)
    with writing(shallow, quick.settings(shallow), quick.CountingEncoder()) as pipeline:
        pipeline.remove("other")
        pipeline.sweep()
    manifest, units = quick.check(shallow)
    assert (manifest.depths, manifest.segments, manifest.dead, units) == ({}, (), None, {})
    assert rows(shallow, "SELECT count(*) FROM vectors") == [(0,)]


def _depths_of_sources(folder):
    sql = "SELECT DISTINCT f.repository, b.depth FROM blocks b JOIN units u USING (unit_key) JOIN files f USING (file_key)"
    return set(rows(folder, sql))


def test_every_file_of_an_index_of_two_depths_is_built_anew(quick, shallow):
    for _ in range(2):
        assert not slice_of(quick, shallow, quick.CountingEncoder())
    manifest, units = quick.check(shallow)
    assert len(manifest.segments) == len(manifest.depths) == 2
    wanted = vectors_of(shallow)
    for segment in manifest.segments:
        (shallow / segment.files[0].path).write_bytes(b"")
    with pytest.raises(IndexDamaged, match="fathom check --repair"):
        Index.open(shallow)
    encoder = quick.CountingEncoder()
    with writing(shallow, quick.settings(shallow), encoder) as pipeline:
        pipeline.encode()
    after, found = quick.check(shallow)
    assert (after.depths, found) == (manifest.depths, units)
    assert encoder.given == {0: 0, 6: 0}
    now = vectors_of(shallow)
    for unit, vector in wanted.items():
        np.testing.assert_array_equal(now[unit], vector)


def test_the_sweep_removes_the_shallow_vectors_only(quick, shallow):
    assert not slice_of(quick, shallow, quick.CountingEncoder())
    with writing(shallow, quick.settings(shallow), quick.CountingEncoder()) as pipeline:
        pipeline.sweep(always=True)
    used = set(rows(shallow, "SELECT vector_key FROM blocks"))
    assert set(rows(shallow, "SELECT vector_key FROM vectors")) == used
    assert dict(rows(shallow, "SELECT depth, count(DISTINCT unit_key) FROM blocks GROUP BY 1"))[6] == 4
    assert quick.check(shallow)


def test_shallow_vectors_that_were_not_published_yet_are_passed_over(tmp_path, quick, tree, direct, monkeypatch):
    """Stored at depth 0 by a run that ended before it published them; the next one deepens."""
    folder = tmp_path / "index"

    def stopped(*_, **__):
        raise _Stopped

    with writing(folder, quick.settings(folder), quick.CountingEncoder()) as pipeline:
        pipeline.refresh(quick.folder_source(tree))
    with monkeypatch.context() as patch:
        patch.setattr(publishing.Publisher, "publish", stopped)
        with pytest.raises(_Stopped):
            quick.update(folder, [], quick.CountingEncoder(), depth=0)
    assert quick.check(folder)[0].depths == {}
    encoder = quick.CountingEncoder()
    deepen(folder, quick.settings(folder), encoder)
    assert encoder.given[0] == 0
    assert [segment.depth for segment in quick.check(folder)[0].segments] == [6]
    assert_as_built_deep(quick, folder, direct)


def test_the_recall_is_that_of_the_largest_segment(quick, shallow, monkeypatch):
    """A small deep segment, searched exactly, says nothing of the large shallow one."""
    measured = []

    def counted(segment):
        measured.append(len(segment.keys))
        return 1 / len(segment.keys)

    monkeypatch.setattr(segment_writer, "measure_recall", counted)
    count = quick.check(shallow)[0].documents
    done = False
    while not done:
        done = slice_of(quick, shallow, quick.CountingEncoder())
        manifest, _ = quick.check(shallow)
        largest = max(segment.count for segment in manifest.segments)
        assert manifest.recall in (1.0, 1 / largest)
        assert (manifest.recall == 1.0) == (largest == count and not measured)
    assert manifest.recall == 1 / count


# beside others


def test_a_reader_in_the_middle_of_deepening_sees_each_unit_once(quick, shallow, monkeypatch):
    monkeypatch.setattr(pipeline_module, "_FIRST_PUBLISH_SECONDS", 0.0)
    monkeypatch.setattr(pipeline_module, "_ENCODE_UNITS", 1)
    monkeypatch.setattr(index_module, "_DEEPEN_SECONDS", 0.0)
    monkeypatch.setattr(index_module, "_RETRY_SECONDS", 0.0)
    index, stop, seen, failures = Index.open(shallow), threading.Event(), [], []
    count = quick.check(shallow)[0].documents

    def read():
        try:
            while not stop.is_set():
                with index.view() as view:
                    quick.check_view(view)
                    assert view.manifest.encoded == count
                    seen.append(view.manifest.depths.get(6, 0))
        except BaseException as error:  # noqa: BLE001 - the test's thread raises it
            failures.append(error)
        finally:
            index.close()

    thread = threading.Thread(target=read)
    thread.start()
    deepen(shallow, quick.settings(shallow), quick.CountingEncoder())
    stop.set()
    thread.join()
    assert failures == []
    assert seen == sorted(seen)
    assert len(set(seen)) > 3


def test_another_writer_gets_in_between_two_slices(quick, shallow, tree, tmp_path, monkeypatch):
    monkeypatch.setattr(index_module, "_DEEPEN_SECONDS", 0.0)
    monkeypatch.setattr(index_module, "_RETRY_SECONDS", 0.02)
    monkeypatch.setattr(pipeline_module, "_ENCODE_UNITS", 1)
    mask, deepened = os.umask(0o022), []
    os.umask(mask)
    deepening = threading.Thread(
        target=lambda: deepened.append(deepen(shallow, quick.settings(shallow), quick.CountingEncoder()))
    )
    (tree / "added.py").write_text(quick.text_of("added", 2))
    deepening.start()
    while quick.check(shallow)[0].depths.get(6, 0) == 0:
        time.sleep(0.005)
    written = False
    while not written:
        try:
            quick.update(shallow, [quick.folder_source(tree)], quick.CountingEncoder(), depth=0)
            written = True
        except IndexBusy:
            time.sleep(0.001)
    assert deepening.is_alive(), "it came when all was done"
    between, _ = quick.check(shallow)
    deepening.join()
    os.umask(mask)
    assert set(between.depths) == {0, 6}
    manifest, units = quick.check(shallow)
    assert manifest.depths == {6: len(units)}
    assert {"added_0", "added_1"} <= {unit.symbol for unit in units.values()}
    fresh = tmp_path / "fresh"
    quick.update(fresh, [quick.folder_source(tree)], quick.CountingEncoder())
    quick.assert_same(shallow, fresh)


def test_a_few_new_units_go_to_the_deepest_exit_at_once(quick, shallow, tree):
    encoder = quick.CountingEncoder()
    (tree / "added.py").write_text(quick.text_of("added", 2))
    with writing(shallow, quick.settings(shallow), encoder) as pipeline:
        pipeline.refresh(quick.folder_source(tree))
        pipeline.encode()
        assert not pipeline.deep
    assert encoder.given[0] == 0
    assert quick.check(shallow)[0].depths[6] == 2


def test_a_unit_of_several_blocks_is_joined_with_the_scorer(quick, shallow, direct):
    """What decides is the encoder's scorer, in every step: at once, from the store, after a repair."""
    index = Index.open(direct)
    encoder = quick.CountingEncoder()
    with index.view() as view:
        unit = next(unit for unit in quick.units_of(view).values() if unit.symbol == "long_one")
    tokens, head = tokenise_units(encoder, [(unit.path, unit.symbol, unit.text)])[0]
    plan = plan_unit(encoder, tokens, head, unit.text, unit.start_line, unit.cuts, 6)
    assert len(plan.blocks) > 3
    stored = encoder.encode(plan.token_ids, 6).astype(np.float16).astype(np.float32)
    mean = stored.mean(axis=0)
    np.testing.assert_allclose(vectors_of(direct)[unit.id], mean / np.linalg.norm(mean), atol=1e-3)
