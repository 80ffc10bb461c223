"""Batches are of one length, in the order asked for, and become smaller where a machine lacks memory: that is said."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.encoder.batches import Batches, lacks_memory
from indexer.errors import EnvironmentFailed, OutOfMemory
from indexer.index import Index

ROOT = Path(__file__).resolve().parents[3]


def texts(lengths):
    return [np.arange(length, dtype=np.int32) + 7 * row for row, length in enumerate(lengths)]


class Machine:
    """A model that has room for so many tokens at once, and gives a text's length and sum."""

    def __init__(self, room=10**9):
        self.room, self.seen = room, []

    def __call__(self, batch):
        assert len({len(ids) for ids in batch}) == 1
        self.seen.append((len(batch), len(batch[0])))
        if len(batch) * (len(batch[0]) + 2) > self.room:
            raise MemoryError
        return np.array([[len(ids), ids.sum()] for ids in batch], np.float32)


def expected(token_ids):
    return np.array([[len(ids), ids.sum()] for ids in token_ids], np.float32).reshape(-1, 2)


@given(st.lists(st.integers(0, 30), max_size=60), st.integers(1, 200), st.integers(32, 300))
def test_every_text_gets_its_own_vector_whatever_fits(lengths, tokens, room):
    given_texts, machine = texts(lengths), Machine(room)
    batches = Batches(tokens)
    np.testing.assert_array_equal(batches.encode(given_texts, 2, machine), expected(given_texts))
    assert all(count == 1 or count * (length + 2) <= tokens for count, length in machine.seen)


def test_once_memory_was_short_batches_stay_smaller_and_that_is_said():
    batches = Batches(120)
    assert batches.shortage == ""
    machine = Machine(room=50)
    batches.encode(texts([10] * 20), 2, machine)
    assert machine.seen[:2] == [(10, 10), (5, 10)]
    assert max(count for count, _ in machine.seen[3:]) <= 4
    assert "memory was short: batches of 24 tokens" in batches.shortage
    again = Machine(room=50)
    batches.encode(texts([10] * 20), 2, again)
    assert {count for count, _ in again.seen} == {2}


def test_a_text_that_does_not_fit_alone_is_named():
    with pytest.raises(OutOfMemory, match="a text of 30 tokens") as raised:
        Batches(120).encode(texts([3, 30, 4]), 2, Machine(room=20))
    assert (raised.value.row, raised.value.exit_code) == (1, 5)


def test_what_is_no_lack_of_memory_is_not_tried_again():
    calls = []

    def forward(batch):
        calls.append(batch)
        raise ValueError("shapes differ")

    with pytest.raises(ValueError, match="shapes differ"):
        Batches().encode(texts([3, 3]), 2, forward)
    assert len(calls) == 1
    assert not lacks_memory(ValueError("shapes differ"))


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's address limits")
@pytest.mark.slow
def test_onnx_runtime_goes_on_in_smaller_batches_where_memory_is_really_short():
    """A child gives its own address space a limit after loading the model: allocations fail in truth."""
    said = child(
        """
        encoder = OnnxEncoder.load(threads=1)
        ids = [np.full(250, 2000 + row, np.int32) for row in range(128)]
        wanted = encoder.encode(ids[:2], 2)
        encoder._batches = Batches(128 * 252)
        limit(200 << 20)
        made = encoder.encode(ids, 2)
        assert np.abs(made[:2] - wanted).max() < 1e-6, np.abs(made[:2] - wanted).max()
        print(encoder.shortage)
        """
    )
    assert "memory was short: batches of" in said


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's address limits")
@pytest.mark.slow
def test_a_text_for_which_there_is_really_no_memory_is_an_error_of_ours():
    said = child(
        """
        encoder = OnnxEncoder.load(threads=1)
        encoder.encode([np.full(2, 2000, np.int32)], 6)
        limit(1 << 20)
        try:
            encoder.encode([np.full(254, 2000, np.int32)], 6)
        except OutOfMemory as error:
            print(error.row, error)
        """
    )
    assert said.startswith("0 there is too little memory to encode a text of 254 tokens")


def child(body):
    """Run a body in a process of its own; return what it prints."""
    head = """
    import resource
    import numpy as np
    from indexer.encoder.batches import Batches
    from indexer.encoder.onnx import OnnxEncoder
    from indexer.errors import OutOfMemory

    def limit(more):
        pages = int(open("/proc/self/statm").read().split()[0])
        now = pages * resource.getpagesize() + more
        resource.setrlimit(resource.RLIMIT_AS, (now, now))
    """
    program = textwrap.dedent(head) + textwrap.dedent(body)
    told = {**os.environ, "PYTHONPATH": str(ROOT), "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=told, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Narrow:
    """Adds to a stub encoder a machine with room for so many tokens at once."""

    def __init__(self, encoder, room):
        self._encoder, self._batches, self._room = encoder, Batches(512), room

    def __getattr__(self, name):
        return getattr(self._encoder, name)

    @property
    def shortage(self):
        return self._batches.shortage

    def encode(self, token_ids, depth):
        def forward(batch):
            if len(batch) * len(batch[0]) > self._room:
                raise MemoryError
            return self._encoder.encode(batch, depth)

        return self._batches.encode(token_ids, self.dimension, forward)


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source").mkdir()
    for number in range(12):
        (tmp_path / "source" / f"part{number}.py").write_text(f"def part{number}(a, b):\n    return a + b * {number}\n")
    return tmp_path / "source"


def test_a_run_that_was_short_of_memory_notes_it_once(tmp_path, quick, stub_encoder, source):
    built = Index.build(tmp_path / "index", [str(source)], encoder=Narrow(stub_encoder, room=40))
    assert [note for note in built.summary.notes if "memory was short" in note] == built.summary.notes != []
    with built.view() as view:
        assert view.manifest.complete == 1.0


def test_the_unit_for_which_there_is_no_memory_is_named_and_the_words_are_there(tmp_path, quick, stub_encoder, source):
    (source / "long.py").write_text("def long():\n" + "".join(f"    step{n}(value)\n" for n in range(4)))
    with pytest.raises(EnvironmentFailed, match=r"long\.py, lines 1 to 5: there is too little memory.*is kept"):
        Index.build(tmp_path / "index", [str(source)], encoder=Narrow(stub_encoder, room=20))
    with Index.open(tmp_path / "index").view() as view:
        assert len(view.lexical) == 13
