"""Random additions, changes, renames, deletions and broken runs against a dictionary of what must be found."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from indexer import pipeline as pipeline_module
from indexer.encoder.units import plan_unit, tokenise_units
from indexer.index import Index, writing

_SOURCES = ("one", "two")
_NAMES = st.sampled_from([f"f{number}.py" for number in range(8)])
_WORDS = st.integers(0, 40).map(lambda number: f"word{number}")


class _Interrupted(Exception):
    pass


def _machine(states):
    class IndexMachine(RuleBasedStateMachine):
        """`files` is what the trees hold, `indexed` what the index must hold, by source, but of those broken off."""

        @initialize()
        def start(self):
            self.base = Path(tempfile.mkdtemp(prefix="fathom-model-"))
            self.folder = self.base / "index"
            self.encoder = states.CountingEncoder()
            self.files = {name: {} for name in _SOURCES}
            self.indexed = {}
            self.known_blocks = set()
            self.broken_off = set()
            for name in _SOURCES:
                (self.base / name).mkdir()

        def teardown(self):
            shutil.rmtree(self.base, ignore_errors=True)

        @rule(source=st.sampled_from(_SOURCES), path=_NAMES, word=_WORDS, functions=st.integers(1, 4))
        def write(self, source, path, word, functions):
            text = states.text_of(word, functions)
            self.files[source][path] = text
            (self.base / source / path).write_text(text)

        @precondition(lambda self: any(self.files.values()))
        @rule(source=st.sampled_from(_SOURCES), path=_NAMES, to=_NAMES)
        def rename(self, source, path, to):
            if path in self.files[source]:
                (self.base / source / path).rename(self.base / source / to)
                self.files[source][to] = self.files[source].pop(path)

        @rule(source=st.sampled_from(_SOURCES), paths=st.sets(_NAMES, max_size=5))
        def delete(self, source, paths):
            for path in paths & self.files[source].keys():
                (self.base / source / path).unlink()
                del self.files[source][path]

        @rule(sources=st.lists(st.sampled_from(_SOURCES), min_size=1, max_size=2, unique=True), often=st.booleans())
        def index(self, sources, often):
            patient = pipeline_module._FIRST_PUBLISH_SECONDS
            pipeline_module._FIRST_PUBLISH_SECONDS = 0.0 if often else patient
            before = self.encoder.blocks
            try:
                states.update(self.folder, [self.source(name) for name in sources], self.encoder)
            finally:
                pipeline_module._FIRST_PUBLISH_SECONDS = patient
            for name in sources:
                self.indexed[name] = dict(self.files[name])
            self.broken_off -= set(sources)
            self.check_whole(self.encoder.blocks - before)

        @rule(source=st.sampled_from(_SOURCES), batches=st.integers(1, 3), often=st.booleans())
        def interrupt(self, source, batches, often):
            """Stage a few batches, publishing between them or not, and break off; then index what was broken off."""
            left = [batches]
            stage = pipeline_module.Pipeline._stage

            def broken(pipeline, batch):
                if not left[0]:
                    raise _Interrupted
                left[0] -= 1
                stage(pipeline, batch)
                if often:
                    pipeline._publish(None)

            pipeline_module.Pipeline._stage = broken
            try:
                with writing(self.folder, states.settings(self.folder), self.encoder) as pipeline:
                    pipeline.refresh(self.source(source))
            except _Interrupted:
                self.broken_off.add(source)
            else:
                self.indexed[source] = dict(self.files[source])
                self.broken_off.discard(source)
            finally:
                pipeline_module.Pipeline._stage = stage

        @rule(source=st.sampled_from(_SOURCES))
        def remove(self, source):
            with writing(self.folder, states.settings(self.folder), self.encoder) as pipeline:
                pipeline.remove(source)
                pipeline.encode()
                pipeline.sweep()
            self.indexed.pop(source, None)
            self.broken_off.discard(source)
            found = states.check(self.folder)
            self.known_blocks = self.blocks_of(found[1]) if found else set()

        def source(self, name):
            return states.folder_source(self.base / name, name)

        def check_whole(self, encoded):
            for name in sorted(self.broken_off):
                states.update(self.folder, [self.source(name)], self.encoder)
                self.indexed[name] = dict(self.files[name])
            self.broken_off.clear()
            manifest, units = states.check(self.folder)
            assert manifest.encoded == manifest.documents == len(units)
            found = sorted((unit.repository, unit.path, unit.symbol, unit.text) for unit in units.values())
            assert found == sorted(self.expected())
            blocks = self.blocks_of(units)
            assert encoded <= len(blocks - self.known_blocks), "a block was encoded again"
            self.known_blocks = blocks

        def blocks_of(self, units):
            """The keys of the deepest blocks whose vectors need not be made again."""
            found = set()
            for unit in units.values():
                tokens, head = tokenise_units(self.encoder, [(unit.path, unit.symbol, unit.text)])[0]
                found.update(plan_unit(self.encoder, tokens, head, unit.text, unit.start_line, unit.cuts, 6).keys)
            return found

        def expected(self):
            for name, files in self.indexed.items():
                for path, text in files.items():
                    for unit in states.parsed(name, path, text):
                        yield name, path, unit[2], unit[7]

        @invariant()
        def store_and_derived_indexes_agree(self):
            states.check(self.folder)

    return IndexMachine


def _run(states, examples, steps):
    machine = _machine(states)
    machine.TestCase.settings = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    machine.TestCase().runTest()


def test_a_few_random_histories_equal_the_dictionary(everywhere):
    _run(everywhere, 4, 12)


@pytest.mark.slow
def test_random_histories_equal_the_dictionary(quick):
    _run(quick, 60, 25)


def test_dead_vectors_are_left_out_and_then_written_away(tmp_path, quick):
    """Deleting below a fifth leaves the segment and names the dead; above, everything is written anew."""
    tree, folder, encoder = tmp_path / "tree", tmp_path / "index", quick.CountingEncoder()
    tree.mkdir()
    for number in range(20):
        (tree / f"f{number}.py").write_text(quick.text_of(f"w{number}", 2))
    quick.update(folder, [quick.folder_source(tree)], encoder)
    (tree / "f0.py").unlink()
    quick.update(folder, [quick.folder_source(tree)], encoder)
    manifest, _ = quick.check(folder)
    assert [segment.count for segment in manifest.segments] == [40]
    assert manifest.dead is not None
    for number in range(1, 8):
        (tree / f"f{number}.py").unlink()
    quick.update(folder, [quick.folder_source(tree)], encoder)
    manifest, _ = quick.check(folder)
    assert [segment.count for segment in manifest.segments] == [24]
    assert manifest.dead is None
    for path in tree.iterdir():
        path.unlink()
    quick.update(folder, [quick.folder_source(tree)], encoder)
    manifest, units = quick.check(folder)
    assert (manifest.segments, manifest.recall, units) == ((), None, {})


def test_small_segments_are_merged_and_large_ones_shared(tmp_path, quick):
    tree, folder, encoder = tmp_path / "tree", tmp_path / "index", quick.CountingEncoder()
    tree.mkdir()
    for number in range(30):
        (tree / f"f{number}.py").write_text(quick.text_of(f"w{number}", 2))
    quick.update(folder, [quick.folder_source(tree)], encoder)
    first, _ = quick.check(folder)
    for number in range(5):
        (tree / f"new{number}.py").write_text(quick.text_of(f"n{number}", 1))
        quick.update(folder, [quick.folder_source(tree)], encoder)
    manifest, _ = quick.check(folder)
    assert first.segments[0] in manifest.segments
    assert sorted(segment.count for segment in manifest.segments) == [5, 60]
    assert encoder.blocks == len(set(_all_block_keys(folder)))


def _all_block_keys(folder):
    index = Index.open(folder)
    with index.view() as view:
        for key in view.catalogue.keys.tolist():
            yield from (vector.tobytes() for _, vector in view.store.blocks([key])[key])
    index.close()


def test_a_source_that_was_broken_off_can_be_removed_whole(tmp_path, everywhere, monkeypatch):
    """What it had staged does not come back with the next generation."""
    tree, folder, encoder = tmp_path / "tree", tmp_path / "index", everywhere.CountingEncoder()
    tree.mkdir()
    for number in range(9):
        (tree / f"f{number}.py").write_text(everywhere.text_of(f"w{number}", 2))
    with monkeypatch.context() as patch:
        patch.setattr(pipeline_module.Pipeline, "_count", _break_off)
        with pytest.raises(_Interrupted), writing(folder, everywhere.settings(folder), encoder) as pipeline:
            pipeline.refresh(everywhere.folder_source(tree))
    with writing(folder, everywhere.settings(folder), encoder) as pipeline:
        assert pipeline.remove("tree") == 3
    manifest, units = everywhere.check(folder)
    assert (manifest.documents, units) == (0, {})
    index = everywhere.opened(folder)
    assert index.store.statistics().sources == ()
    index.close()


def _break_off(*_, **__):
    raise _Interrupted


def test_what_was_staged_replaces_the_live_version_though_the_file_changed_again(tmp_path, everywhere, monkeypatch):
    """A run staged version 2 and broke off; the next one publishes midway and then meets version 3."""
    tree, folder, encoder = tmp_path / "tree", tmp_path / "index", everywhere.CountingEncoder()
    tree.mkdir()
    (tree / "z.py").write_text(everywhere.text_of("first"))
    everywhere.update(folder, [everywhere.folder_source(tree)], encoder)
    (tree / "z.py").write_text(everywhere.text_of("second", 3))
    with monkeypatch.context() as patch:
        patch.setattr(pipeline_module.Pipeline, "_count", _break_off)
        with pytest.raises(_Interrupted), writing(folder, everywhere.settings(folder), encoder) as pipeline:
            pipeline.refresh(everywhere.folder_source(tree))
    everywhere.check(folder)
    for number in range(7):
        (tree / f"a{number}.py").write_text(everywhere.text_of(f"a{number}"))
    (tree / "z.py").write_text(everywhere.text_of("third"))
    monkeypatch.setattr(pipeline_module, "_FIRST_PUBLISH_SECONDS", 0.0)
    seen = []
    publish = pipeline_module.Pipeline._publish

    def watched(pipeline, change):
        publish(pipeline, change)
        found = everywhere.check(folder)
        seen.append({unit.symbol for unit in found[1].values() if unit.path == "z.py"})

    monkeypatch.setattr(pipeline_module.Pipeline, "_publish", watched)
    stage = pipeline_module.Pipeline._stage

    def staged(pipeline, batch, *rest):
        stage(pipeline, batch, *rest)
        assert everywhere.check(folder), "what is staged shows before it is published"

    monkeypatch.setattr(pipeline_module.Pipeline, "_stage", staged)
    everywhere.update(folder, [everywhere.folder_source(tree)], encoder)
    assert {"second_0", "second_1", "second_2"} <= set.union(*seen)
    assert {symbol for symbol in seen[-1] if symbol} == {"third_0", "third_1"}


def test_vectors_that_wait_are_bounded(tmp_path, everywhere, monkeypatch):
    """A rebuild of the derived files publishes as often as the memory for vectors is full."""
    tree, folder, encoder = tmp_path / "tree", tmp_path / "index", everywhere.CountingEncoder()
    tree.mkdir()
    for number in range(40):
        (tree / f"f{number}.py").write_text(everywhere.text_of(f"w{number}", 2))
    everywhere.update(folder, [everywhere.folder_source(tree)], encoder)
    before, units = everywhere.check(folder)
    everywhere.lose(folder)
    monkeypatch.setattr("indexer.vectors.segment_writer._WAITING", 16)
    if "backend" in everywhere.CHOSEN:
        monkeypatch.setattr("indexer.vectors.elasticsearch._WAITING", 16)
    monkeypatch.setattr(pipeline_module, "_ENCODE_UNITS", 8)
    waiting = [0]
    add, publish = pipeline_module.Publisher.add_vectors, pipeline_module.Publisher.publish

    def watched(publisher, keys, vectors, depth):
        add(publisher, keys, vectors, depth)
        waiting[-1] += len(keys)

    def published(publisher, *change):
        waiting.append(0)
        return publish(publisher, *change)

    monkeypatch.setattr(pipeline_module.Publisher, "add_vectors", watched)
    monkeypatch.setattr(pipeline_module.Publisher, "publish", published)
    with writing(folder, everywhere.settings(folder), encoder) as pipeline:
        pipeline.encode()
    assert max(waiting) == 16
    after, rebuilt = everywhere.check(folder)
    assert rebuilt == units
    assert after.generation >= before.generation + 5
