"""Every store against the embedded one: the same history gives the same reads; and what only a shared one can meet."""

import subprocess
import sys
import textwrap
import threading
import time
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

pytest.importorskip("elasticsearch", reason="the extra `elasticsearch` is not installed")

from indexer.backends import Backends
from indexer.cluster.lease import Lease, leased
from indexer.errors import EnvironmentFailed, IndexBusy, IndexDamaged, IndexIncompatible, IndexMissing, UsageError
from indexer.lexical.interface import LexicalDocument
from indexer.settings import Backend, Settings
from indexer.store.cluster_head import make_store
from indexer.store.factory import EVERYONE
from indexer.store.interface import FileRecord, Forgotten, NewRewriting, SourceReport, SourceRow, UnitVectors
from indexer.store.manifest import Manifest
from indexer.types import Block, Kind, Skipped, SkipReason, Unit

pytestmark = pytest.mark.slow

_LONG = "deep." * 3_000 + "end"


def manifest(generation, documents):
    return Manifest(
        generation=generation,
        created="",
        documents=documents,
        depths={},
        model="m",
        fingerprint="f",
        lexical="",
        lexical_files=(),
    )


def record(path, count, version="", repository="repo"):
    """A file of some functions, of which every other is documented and one has a very long name."""
    units = tuple(
        Unit(
            f"{path[:99]}:{n}{version}",
            repository,
            path,
            "python",
            (Kind.FUNCTION, Kind.MODULE)[n % 4 == 3],
            _LONG if n == 2 else f"f{n}",
            f"def f{n}()",
            "Says so." if n % 2 else "",
            n * 10 + 1,
            n * 10 + 9,
            f"def f{n}(): return {n!r} + {version!r}  # ünï → 漢 \U0001f600 of {path}",
            (n * 10 + 3,),
        )
        for n in range(count)
    )
    content = f"{path}{version}".encode()
    sketches = tuple(bytes([n % 251, 255]) for n in range(count))
    return FileRecord(repository, path, "python", f"s{version}", content, 100, count != 3, 1, units, sketches)


SOURCE = SourceRow("repo", "folder", "/x", "r1", "now")
SKIPPED = (
    Skipped("repo", "z.bin", SkipReason.BINARY, "why"),
    Skipped("repo", "a.bin", SkipReason.BINARY),
    Skipped("repo", "b", SkipReason.SECRET),
)


@pytest.fixture
def alone(clustered, tmp_path):
    """The back ends of an index that a cluster holds alone."""
    return Backends(tmp_path / "alone", Settings(**clustered | {"backend": Backend.ELASTICSEARCH_ALONE}))


@pytest.fixture
def plain(tmp_path):
    return Backends(tmp_path / "plain", Settings())


def reads(store):
    """All that is read of a published state, in a form that can be compared."""
    with store.snapshot() as published:
        everything = store.catalogue()
        keys = everything.keys.tolist()
        units = store.units(keys)
        some = next(iter(units.values()), None)
        return {
            "generation": published and published.generation,
            "units": units,
            "heads": store.heads(keys),
            "texts": list(store.texts()),
            "two texts": list(store.texts(everything.keys[-2:][::-1])),
            "key": some and store.key_of(some.id),
            "no key": store.key_of("nowhere:1"),
            "siblings": some and store.siblings(some.id),
            "at": some and store.unit_at(some.path, 15, None),
            "nothing at": some and store.unit_at(some.path, 15, "another"),
            "sources": store.sources(),
            "statistics": replace(store.statistics(), blocks=0),
            "skipped": list(store.skipped()),
            "skipped of": list(store.skipped("repo")),
            "rewritings": store.rewritings(keys),
            "blocks": {
                key: [(block, vector.tolist()) for block, vector in blocks]
                for key, blocks in store.blocks(keys).items()
            },
            "catalogue": [
                (key, everything.files[file], everything.kinds[kind], everything.symbols[symbol])
                for key, file, kind, symbol in zip(
                    keys, everything.file.tolist(), everything.kind.tolist(), everything.symbol.tolist(), strict=True
                )
            ],
            "faults": store.faults(),
        }


def work(store):
    """All that a writer reads of what is live and staged."""
    known = store.known_files("repo")
    return {
        "known": known,
        "staged": list(store.staged()),
        "superseded": store.superseded(),
        "live": list(store.live()),
        "encoded": store.encoded(-1, 100),
        "encoded two": store.encoded(1, 2),
        "shallow": {
            (depth, useful): store.shallower(depth, after, 3, useful=useful)
            for depth in (0, 2, 6)
            for useful in (True, False)
            for after in (-1, 2)
        },
        "how shallow": [store.count_shallower(depth) for depth in (0, 2, 6)],
        "keys": store.unit_keys([file.key for file in known.values()]).tolist(),
        "after": [store.count_after([]), store.count_after([known[path].key for path in sorted(known)][:1])],
        "relinked": store.relinked(),
        "written": store.any_rewritings(),
        "unwritten": {useful: store.unwritten("gen", -1, 4, useful=useful) for useful in (True, False)},
        "unwritten of": store.unwritten("gen", -1, 4, useful=True, sources=["repo"]),
        "unwritten of none": store.unwritten("gen", -1, 4, useful=True, sources=["another"]),
    }


class History:
    """Steps of a writer, each with what was read after it."""

    def __init__(self, store):
        self.store, self.seen, self.generation = store, [], 0

    def stage(self, *records):
        self.seen.append(self.store.stage(list(records)))
        self.look()

    def publish(self, removed=(), change=None):
        removed = [*removed, *self.store.superseded()]
        self.generation += 1
        self.store.publish(manifest(self.generation, self.store.count_after(removed)), removed, change)
        self.look()

    def encode(self, keys, depth, block=bytes(16)):
        """Give units a block each, of one text for all: its vector is new the first time."""
        new = {} if self.store.known_vectors([block]) else {block: np.full(8, 0.25, np.float32)}
        blocks = (Block(1, 2, 0, 5), Block(3, 9, 5, 9))
        self.store.save_vectors(UnitVectors(key, depth, blocks, (block, block), new) for key in keys)
        self.look()

    def look(self):
        self.seen += [work(self.store), reads(self.store)]


def compared(plain, alone, play):
    """Play a history on both stores; every read of one equals that of the other."""
    histories = []
    for backends in (plain, alone):
        with backends.written_store() as store:
            histories.append(History(store))
            play(histories[-1])
        with closing(backends.open_store()) as store:
            histories[-1].seen.append(reads(store))
    for one, other in zip(histories[0].seen, histories[1].seen, strict=True):
        if isinstance(one, dict):
            for name in one:
                assert other[name] == one[name], name
        assert other == one


def test_an_index_that_is_not_there_is_missing_and_not_made(alone):
    with pytest.raises(IndexMissing, match=f"there is no index {alone.cluster.name} in Elasticsearch"):
        alone.open_store()
    assert not alone.cluster.indices("store")


def test_an_empty_store_reads_as_an_empty_one_does(plain, alone):
    compared(plain, alone, lambda history: history.look())


def test_a_store_opened_for_reading_refuses_to_write(alone):
    with alone.written_store():
        pass
    with pytest.raises(UsageError, match="opened for reading"):
        alone.open_store().stage([record("a.py", 1)])


def test_a_history_of_files_reads_as_in_the_embedded_store(plain, alone):
    def play(history):
        history.store.announce(SOURCE)
        history.look()
        history.stage(record("a.py", 5), record("test/b.py", 2), record("empty.py", 0))
        history.publish(change=SourceReport(SOURCE, SKIPPED))
        history.store.restamp({1: "newer"})
        history.encode([1, 2, 6], 0)
        history.encode([2], 6)
        history.stage(record("a.py", 3, "x"), record("c.py", 1))
        history.publish()
        history.publish([2], SourceReport(replace(SOURCE, revision="r2"), SKIPPED[:1]))
        history.stage(record("c.py", 1, repository="other"))
        history.publish(change=Forgotten("repo"))

    compared(plain, alone, play)


def test_rewritings_read_as_in_the_embedded_store(plain, alone):
    def play(history):
        store, file = history.store, record("a.py", 4)
        history.stage(file, record("twin.py", 1))
        history.publish()
        texts = [(unit.id, unit.text) for unit in file.units]
        store.save_rewritings([NewRewriting((texts[0][0],), texts[0][1], "gen", "Does.", "code")])
        history.look()
        store.save_rewritings(
            [
                NewRewriting((texts[0][0], "nobody"), texts[0][1], "other", "Does more.", ""),
                NewRewriting((texts[1][0],), "not its text", "gen", "Lies.", "code"),
                NewRewriting((texts[1][0],), texts[1][1], "gen", "Does.", ""),
            ]
        )
        history.seen.append([store.rewritings([1, 2], staged=True), store.rewritings([1, 2])])
        history.seen.append([store.written_before(texts[0][1], name) for name in ("gen", "other", "none")])
        store.save_rewriting_vectors({1: np.ones((2, 8), np.float32)}, 2)
        history.seen.append({key: each.tolist() for key, each in store.rewriting_vectors([1, 2], 2).items()})
        history.seen.append(store.rewriting_vectors([1, 2], 6))
        history.publish()
        moved = tuple(replace(unit, path="moved.py") for unit in file.units)
        history.stage(replace(file, content_hash=b"moved", path="moved.py", units=moved))
        history.seen.append(store.rewritings([6, 7, 8, 9], staged=True))
        history.publish([1])
        store.save_rewritings([NewRewriting((), "a text that no unit has", "gen", "Nothing.", "code")])
        store.sweep()
        history.seen.append(store.written_before("a text that no unit has", "gen"))

    compared(plain, alone, play)


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["stage", "publish", "remove", "encode", "rewrite", "sweep"]),
        st.integers(0, 3),
        st.integers(0, 4),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
@example(steps=[("stage", 0, 0), ("stage", 0, 1), ("publish", 0, 0), ("stage", 0, 1), ("remove", 0, 0)])
def test_any_history_reads_as_in_the_embedded_store(plain, alone, tmp_path_factory, steps):
    plain.folder = tmp_path_factory.mktemp("plain")

    def play(history):
        staged = set()
        for number, (step, which, count) in enumerate(steps):
            store, live = history.store, history.store.known_files("repo")
            # A path is staged once between two generations, whether the file has units or none.
            if step == "stage" and which not in staged:
                staged.add(which)
                history.stage(record(f"{which}.py", count, str(number)))
            elif step == "publish":
                staged.clear()
                history.publish(change=SourceReport(SOURCE, SKIPPED[:which]))
            elif step == "remove":
                staged.clear()
                history.publish([file.key for path, file in live.items() if path == f"{which}.py"])
            elif step == "encode":
                history.encode(
                    [key for _, key, _ in list(store.live())[which:]], (0, 2, 6)[count % 3], bytes([which] * 16)
                )
            elif step == "rewrite":
                for _, _, unit in list(store.live())[which : which + 2]:
                    store.save_rewritings([NewRewriting((unit.id,), unit.text, "gen", f"Purpose {number}.", "code")])
                history.look()
            elif step == "sweep":
                store.sweep()

    alone.cluster.clear()
    compared(plain, alone, play)


def _published(alone, *records):
    with alone.written_store() as store:
        history = History(store)
        store.stage(records)
        history.publish(change=SourceReport(SOURCE, SKIPPED))
        return reads(store)


def test_what_was_staged_survives_its_writer_and_what_was_marked_is_undone(alone, monkeypatch):
    before = _published(alone, record("a.py", 2), record("b.py", 1))
    with alone.written_store() as store:
        store.stage([record("a.py", 1, "x")])
        monkeypatch.setattr(type(store), "_replace", lambda *_: 1 / 0)  # after the marks, before the commit
        with pytest.raises(ZeroDivisionError):
            store.publish(manifest(2, 2), [1], SourceReport(SOURCE, ()))
    monkeypatch.undo()
    with closing(alone.open_store()) as store:
        assert reads(store) == before
    with alone.written_store() as store:
        assert reads(store) == before
        assert [unit.id for _, _, unit in store.staged()] == ["a.py:0x"]
        assert store.superseded() == [1]
        store.publish(manifest(2, 2), [1], None)
        assert [unit.id for _, _, unit in store.live()] == ["b.py:0", "a.py:0x"]
        assert len(list(store.skipped())) == len(SKIPPED)


def test_half_a_file_is_not_staged(alone, monkeypatch):
    _published(alone, record("a.py", 2))
    with alone.written_store() as store:
        calls = iter([store._rows.write])
        monkeypatch.setattr(type(store._rows), "write", lambda _, found: next(calls, lambda _: 1 / 0)(found))
        with pytest.raises(ZeroDivisionError):
            store.stage([record("b.py", 3)])
    monkeypatch.undo()
    with alone.written_store() as store:
        assert list(store.staged()) == []
        ((file, keys),) = store.stage([record("c.py", 2)])
        assert file > 2, "a key that was given away is not given twice"
        assert min(keys) > 5
        assert store.count_after([]) == 4


def test_a_reader_keeps_its_generation_while_others_publish(alone):
    before = _published(alone, record("a.py", 2))
    with closing(alone.open_store()) as reader, reader.snapshot():
        with alone.written_store() as store:
            store.stage([record("a.py", 3, "x")])
            store.publish(manifest(2, 3), [1], Forgotten("repo"))
        assert reads(reader) == before
        with reader.snapshot() as inner:
            assert inner.generation == 1
    with closing(alone.open_store()) as reader, reader.snapshot() as newest:
        assert newest.generation == 2
        assert reader.sources() == ()


def _altered(alone, name, change):
    with alone.cluster.written() as client:
        index = alone.cluster.indices("store")[0]
        row = client.get(index=index, id=name)["_source"]
        change(row["body"])
        client.index(index=index, id=name, document=row, refresh=True)


def test_an_altered_row_is_found_and_named(alone):
    _published(alone, record("a.py", 2))
    _altered(alone, "unit-1", lambda body: body.update(text="def f0(): return 'other'"))
    with closing(alone.open_store()) as store:
        with pytest.raises(IndexDamaged, match=r"unit a\.py:0 \(a\.py\) is damaged; run `fathom remove repo`"):
            store.units([1])
        assert store.units([2])
        assert [fault.problem for fault in store.faults()] == ["unit a.py:0 of a.py is altered"]


def test_an_altered_vector_is_found(alone):
    with alone.written_store() as store:
        store.stage([record("a.py", 2)])
        store.publish(manifest(1, 2), [], None)
        History(store).encode([1, 2], 0)
    _altered(alone, f"vector-{bytes(16).hex()}", lambda body: body.update(vector=body["vector"][::-1]))
    with closing(alone.open_store()) as store:
        with pytest.raises(IndexDamaged, match="is damaged"):
            store.blocks([1])
        assert len(store.faults()) == 2


def test_an_altered_manifest_is_refused(alone):
    _published(alone, record("a.py", 1))
    _altered(alone, "head", lambda body: body.update(said=body["said"].replace('"documents":1', '"documents":2')))
    with (
        closing(alone.open_store()) as store,
        pytest.raises(IndexDamaged, match="manifest is damaged"),
        store.snapshot(),
    ):
        pass


def test_a_store_of_another_format_is_refused(alone):
    with alone.cluster.written() as client:
        mark = {"fathom": {"format": 0, "owner": "everyone"}}
        client.indices.create(index=f"{alone.cluster.name}-store-1", mappings={"_meta": mark})
    with pytest.raises(IndexIncompatible, match="format 0"):
        alone.open_store()


def test_a_name_that_another_index_has_is_refused(alone):
    with alone.cluster.written() as client:
        client.indices.create(index=f"{alone.cluster.name}-store-1", mappings={"_meta": {"fathom": {"owner": "me"}}})
    with pytest.raises(UsageError, match="another index uses the name"), alone.written_store():
        pass


def test_one_writes_at_a_time_and_others_are_told_who(alone):
    with alone.written_store(), pytest.raises(IndexBusy, match=r"another process, \d+ on "), alone.written_store():
        pass
    with alone.written_store():
        pass


def test_a_brief_writer_is_waited_for_and_does_not_wait(alone):
    with alone.written_store(), pytest.raises(IndexBusy), alone.written_store(brief=True):
        pass
    program = f"""
        import time
        from indexer.backends import Backends
        from indexer.settings import Settings
        from pathlib import Path
        chosen = Settings.model_validate_json({alone._settings.model_dump_json(exclude={"elasticsearch_key", "elasticsearch_password", "price_in", "price_out"})!r})
        with Backends(Path("."), chosen).written_store(brief=True):
            print("writing", flush=True)
            time.sleep(1.5)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "writing\n"
        started = time.monotonic()
        with alone.written_store():
            assert time.monotonic() - started > 0.5
    assert other.returncode == 0


def _lock(alone):
    with alone.cluster.written() as client:
        return client.get(index=f"{alone.cluster.name}-store-1", id="lock")["_source"]["body"]


def test_a_writer_that_was_killed_is_followed_at_once_on_its_machine(alone):
    with alone.written_store() as store:
        body = _lock(alone)
        # As if a process that is gone had it.
        gone = subprocess.Popen([sys.executable, "-c", ""])
        gone.wait()
        _altered(alone, "lock", lambda found: found.update(body, owner="gone", process=gone.pid))
        with alone.written_store() as next_store:
            next_store.stage([record("a.py", 1)])
            next_store.publish(manifest(1, 1), [], None)
        with pytest.raises(EnvironmentFailed, match="another process began to write"):
            store.publish(manifest(1, 0), [], None)
    with closing(alone.open_store()) as reader, reader.snapshot() as published:
        assert published.documents == 1


def test_a_lock_of_another_machine_is_taken_when_its_time_is_over(alone, monkeypatch):
    monkeypatch.setattr("indexer.cluster.lease._WATCHED", 1.0)
    with alone.written_store():
        _altered(alone, "lock", lambda found: found.update(machine="elsewhere", host="elsewhere", owner="them"))
        with pytest.raises(IndexBusy, match="on elsewhere"), alone.written_store():
            pass
        _altered(alone, "lock", lambda found: found.update(until=time.time() - 60))
        with alone.written_store():
            pass


def test_who_lost_the_lock_writes_nothing_more(alone, monkeypatch):
    monkeypatch.setattr("indexer.cluster.lease._RENEWED", 0.1)
    with alone.written_store() as store:
        _altered(alone, "lock", lambda found: found.update(machine="elsewhere", owner="them"))
        time.sleep(1.0)
        for attempt in (lambda: store.stage([record("a.py", 1)]), lambda: store.publish(manifest(1, 0), [], None)):
            with pytest.raises(EnvironmentFailed, match="took the writer lock"):
                attempt()
    assert _lock(alone)["owner"] == "them", "what another has is not released"


def test_a_lock_is_renewed_while_it_is_held(alone, monkeypatch):
    monkeypatch.setattr("indexer.cluster.lease._RENEWED", 0.1)
    with alone.written_store() as store:
        first = _lock(alone)["until"]
        time.sleep(1.0)
        assert _lock(alone)["until"] > first
        store.stage([record("a.py", 1)])


def test_units_without_blocks_long_paths_and_removed_files_read_as_in_the_embedded_store(plain, alone):
    def play(history):
        history.stage(record("a.py", 2), record("long/" * 1_000 + "漢" * 9_000, 2))
        history.publish()
        history.encode([1, 2], 0)
        history.store.save_vectors([UnitVectors(1, 6, (), (), {})])
        history.look()
        history.publish([1])
        history.seen.append(history.store.unit_keys([1, 2]).tolist())
        history.seen.append(history.store.count_after([1]))

    compared(plain, alone, play)


def test_vectors_beyond_a_page_are_swept(alone, monkeypatch):
    monkeypatch.setattr("indexer.cluster.generations.PAGE", 4)
    with alone.written_store() as store:
        store.stage([record("a.py", 2)])
        names = [bytes([n] * 16) for n in range(30)]
        blocks = tuple(Block(1, 2, n, n + 1) for n in range(30))
        new = {name: np.full(8, 0.25, np.float32) for name in names}
        store.save_vectors([UnitVectors(1, 0, blocks, tuple(names), new)])
        store.save_vectors([UnitVectors(1, 0, blocks[:10], tuple(names[:10]), {})])
        assert store.sweep() == 20
        assert store.known_vectors(names) == set(names[:10])


def test_an_altered_link_and_a_rewriting_that_is_gone_are_found(alone):
    file = record("a.py", 2)
    with alone.written_store() as store:
        store.stage([file])
        store.save_rewritings([NewRewriting((u.id,), u.text, "gen", f"Says {u.id}.", "") for u in file.units])
        store.publish(manifest(1, 2), [], None)
    _altered(alone, "link-1-1", lambda body: body.update(hash=7))
    with alone.cluster.written() as client:
        client.delete(index=alone.cluster.indices("store")[0], id="rewriting-2", refresh=True)
    with closing(alone.open_store()) as store:
        assert [fault.problem for fault in store.faults()] == [
            f"the rewriting of unit {key} is not what was written" for key in (1, 2)
        ]


def test_what_fails_after_the_commit_does_not_fail_the_publication(alone, monkeypatch):
    def refused(*_):
        raise EnvironmentFailed("refused")

    monkeypatch.setattr("indexer.store.elasticsearch.purge", refused)
    assert _published(alone, record("a.py", 2))["generation"] == 1


def test_two_threads_of_a_process_do_not_take_the_lock_from_one_another(alone, monkeypatch):
    index = make_store(alone.cluster, EVERYONE)
    written = Lease._written

    def and_another_comes(lease, condition):
        done = written(lease, condition)
        monkeypatch.setattr(Lease, "_written", written)
        with pytest.raises(IndexBusy), leased(alone.cluster, index):
            pass
        return done

    monkeypatch.setattr(Lease, "_written", and_another_comes)
    with leased(alone.cluster, index) as lease:
        lease.refuse_lost()


def test_a_lock_whose_answer_was_lost_is_ones_own(alone, monkeypatch):
    index = make_store(alone.cluster, EVERYONE)
    written = Lease._written

    def unheard(lease, condition):
        monkeypatch.setattr(Lease, "_written", written)
        assert written(lease, condition)
        lease._mark = {}
        return False

    monkeypatch.setattr(Lease, "_written", unheard)
    with leased(alone.cluster, index) as lease:
        lease.refuse_lost()
    with leased(alone.cluster, index):  # it was released
        pass


def test_a_process_of_another_container_is_not_taken_for_dead(alone):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with alone.written_store():
        _altered(alone, "lock", lambda found: found.update(owner="them", process=gone.pid, machine="a container's"))
        with pytest.raises(IndexBusy), alone.written_store():
            pass


def test_a_lock_that_is_renewed_is_not_taken_whatever_its_clock_says(alone, monkeypatch):
    monkeypatch.setattr("indexer.cluster.lease._WATCHED", 1.5)
    with alone.written_store():
        over = threading.Event()

        def renew():
            while not over.wait(0.2):
                _altered(alone, "lock", lambda body: body.update(owner="them", machine="elsewhere", until=0.0))

        renewing = threading.Thread(target=renew)
        renewing.start()
        try:
            time.sleep(0.5)
            with pytest.raises(IndexBusy), alone.written_store():
                pass
        finally:
            over.set()
            renewing.join()


def _losing(store, after):
    """Let a store's lease be lost after it was asked for a number of times."""
    counted = iter(range(after))
    lease = store._rows._lease
    refuse = lease.refuse_lost

    def lost():
        if next(counted, None) is None:
            lease._lost = "another process took the writer lock"
        refuse()

    lease.refuse_lost = store._cluster.refuse = lost


def test_a_lock_that_is_lost_in_the_midst_of_writing_ends_it(alone):
    with alone.written_store() as store:
        _losing(store, 700)
        with pytest.raises(EnvironmentFailed, match="took the writer lock"):
            store.stage([record("a.py", 2_000)])
        store._rows.refresh()
        with alone.cluster.written() as client:
            assert client.count(index=store._index, query={"term": {"row": "unit"}})["count"] < 1_000


def test_a_lock_that_is_lost_in_the_midst_of_marking_ends_it(alone):
    with alone.written_store() as store:
        store.stage([record("a.py", 600)])
        store.publish(manifest(1, 600), [], None)
        _losing(store, 20)
        with pytest.raises(EnvironmentFailed, match="took the writer lock"):
            store.publish(manifest(2, 0), [1], None)
        store._rows.refresh()
        with alone.cluster.written() as client:
            assert client.count(index=store._index, query={"term": {"removed": 2}})["count"] < 600


def test_a_file_is_never_published_twice_and_the_next_writer_keeps_the_newest(plain, alone):
    with plain.written_store() as store, pytest.raises(IndexDamaged):
        store.stage([record("a.py", 1), record("a.py", 2, "x")])
    with alone.written_store() as store:
        History(store).encode([key for _, keys in store.stage([record("a.py", 1)]) for key in keys], 0)
        store.stage([record("a.py", 2, "x")])
        with pytest.raises(EnvironmentFailed, match="1 file would be in the index twice"):
            store.publish(manifest(1, 3), [], None)
    with alone.written_store() as store:
        assert [unit.id for _, _, unit in store.staged()] == ["a.py:0x", "a.py:1x"]
        assert store.count_after([]) == 2
        store.publish(manifest(1, 2), [], None)
        store.stage([record("a.py", 1)])
        with pytest.raises(EnvironmentFailed, match="twice"):
            store.publish(manifest(2, 3), [], None)
    with closing(alone.open_store()) as store:
        assert store.faults() == []
        assert store.statistics().blocks == 0
        assert store.statistics().units == 2


def test_who_lost_the_lock_writes_no_words_and_no_vectors(alone):
    with alone.written_store() as store:
        words, vectors = alone.lexical_writer(None, fresh=True), alone.vector_writer(None, 2, fresh=True)
        vectors.add(np.array([1]), np.array([[0.6, 0.8]], dtype=np.float32), 0)
        vectors.freeze(1, np.empty(0, np.int64))
        store._rows.held()._lost = "another process took the writer lock"
        words.add(LexicalDocument(1, 1, "", "", "", "lost"))
        with pytest.raises(EnvironmentFailed, match="another process took the writer lock"):
            words.freeze(1)
        vectors.add(np.array([2]), np.array([[0.6, 0.8]], dtype=np.float32), 0)
        with pytest.raises(EnvironmentFailed, match="another process took the writer lock"):
            vectors.freeze(1, np.empty(0, np.int64))
    with alone.cluster.written() as client:
        for name, count in ((words.name, 0), (vectors.name, 1)):
            client.indices.refresh(index=name)
            assert client.count(index=name)["count"] == count


def test_a_store_that_is_laid_out_otherwise_is_refused(alone):
    _published(alone, record("a.py", 2))
    (name,) = alone.cluster.indices("store")
    with alone.cluster.written() as client:
        mappings = client.indices.get_mapping(index=name)[name]["mappings"]
        mappings["properties"]["key"] = {"type": "text"}
        client.indices.delete(index=name)
        client.indices.create(index=name, mappings=mappings)
    with pytest.raises(IndexIncompatible, match="its field key is laid out otherwise"):
        alone.open_store()
    with pytest.raises(IndexIncompatible, match="its field key is laid out otherwise"), alone.written_store():
        pass


def test_a_renewal_whose_answer_was_lost_counts(alone):
    with leased(alone.cluster, make_store(alone.cluster, EVERYONE)) as lease:
        lease._until = 0.0
        assert lease._is_ours()
        lease.refuse_lost()
        assert lease._until < time.monotonic() + 60
