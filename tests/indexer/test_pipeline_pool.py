"""Parsers that hang, crash or answer nonsense: the file comes back as lines, in time, and no process stays."""

import sys
import time

import psutil
import pytest

from indexer.splitting.pool import ParserPool
from indexer.types import SourceFile

_SECONDS = 0.5
_CRASH = "import sys; sys.stdin.buffer.read(8); sys.exit(3)"
_HANG = "import time; time.sleep(60)"
_ANSWER = """
import sys, struct
while sys.stdin.buffer.read(1):
    sys.stdout.buffer.write({answer})
    sys.stdout.buffer.flush()
"""
_NONSENSE = {
    "no frame": b"nonsense that is longer than a header and goes on",
    "no JSON": (4).to_bytes(4) + (0).to_bytes(4) + b"\xff\xfe{{",
    "no object": (2).to_bytes(4) + (0).to_bytes(4) + b"[]",
    "no units": (2).to_bytes(4) + (0).to_bytes(4) + b"{}",
    "endless": b"\xff" * 8,
}


def _files(count):
    return [(n, SourceFile("r", f"f{n}.py", f"def f{n}():\n    return {n}\n".encode())) for n in range(count)]


@pytest.fixture(autouse=True)
def _others():
    """What other tests left running for the whole session, a server among them, is none of the pool's."""
    _BEFORE.clear()
    _BEFORE.update(psutil.Process().children(recursive=True))


_BEFORE = set()


def _children():
    return [child for child in psutil.Process().children(recursive=True) if child not in _BEFORE]


def _pool(code, processes=1):
    return ParserPool(processes, _SECONDS, (sys.executable, "-c", code))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (_HANG, "more than 0.5 s"),
        (_CRASH, "crashed"),
        ("pass", "crashed"),
        *((_ANSWER.format(answer=answer), "cannot be read") for answer in _NONSENSE.values()),
    ],
    ids=["hangs", "crashes", "ends", *_NONSENSE],
)
def test_a_broken_parser_costs_a_file_its_grammar_and_nothing_else(code, said):
    started = time.monotonic()
    with _pool(code) as pool:
        ((tag, file, parsed),) = pool.parse(_files(1))
    assert time.monotonic() - started < _SECONDS + 1
    assert said in parsed.failure
    assert not parsed.fields["parsed"]
    assert [unit[7] for unit in parsed.fields["units"]] == ["def f0():\n    return 0"]
    assert (tag, file.path) == (0, "f0.py")
    assert _children() == []


def test_every_file_of_a_broken_parser_comes_back_in_order():
    with _pool(_CRASH, 2) as pool:
        done = list(pool.parse(_files(30)))
    assert [tag for tag, _, _ in done] == list(range(30))
    assert all("crashed" in parsed.failure for _, _, parsed in done)
    assert _children() == []


def test_a_sound_parser_goes_on_after_each_file():
    with ParserPool(2) as pool:
        done = list(pool.parse(_files(40)))
        assert len(_children()) <= 2
    assert [parsed.failure for _, _, parsed in done] == [""] * 40
    assert [parsed.fields["units"][0][2] for _, _, parsed in done] == [f"f{n}" for n in range(40)]
    assert _children() == []


@pytest.mark.parametrize("code", [_HANG, _CRASH, None])
def test_an_interrupt_of_the_reader_leaves_no_process(code):
    pool = _pool(code, 2) if code else ParserPool(2)
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), pool:
        _read_some(pool, 0 if code == _HANG else 1)
    assert time.monotonic() - started < _SECONDS + 3
    assert _children() == []


def _read_some(pool, count):
    results = pool.parse(_files(40))
    for _ in range(count):
        next(results)
    raise KeyboardInterrupt


def test_a_reader_that_stops_early_leaves_no_process():
    with ParserPool(2) as pool:
        assert next(iter(pool.parse(_files(40))))[0] == 0
    assert _children() == []


def test_a_parser_that_cannot_be_started_is_an_error():
    with pytest.raises(OSError), ParserPool(1, _SECONDS, ("/no/such/program",)) as pool:
        list(pool.parse(_files(1)))
