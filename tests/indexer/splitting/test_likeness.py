"""Sketches of units: equal for equal words, near for a small edit, far for other code, the same in every process."""

import random
import subprocess
import sys

import numpy as np
import pytest

from indexer.lexical.tokens import words
from indexer.splitting.likeness import LEAST_WORDS, SKETCH_BYTES, likeness, sketch
from indexer.splitting.parse import ParseRequest, parse_file
from indexer.types import SourceFile

BODY = '''def read_config(path, defaults):
    """Read the settings of a file, above the defaults."""
    settings = dict(defaults)
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            name, separator, value = line.partition("=")
            if not separator:
                raise ValueError(f"line {number} of {path} has no value")
            settings[name.strip()] = value.strip()
    for name in sorted(settings):
        if name not in defaults:
            raise KeyError(f"{path} sets {name}, which nothing reads")
    return settings
'''
OTHER = """class Queue:
    def __init__(self, capacity):
        self._items, self._capacity, self._lock = [], capacity, Lock()

    def push(self, item, timeout=None):
        if not self._lock.acquire(timeout=timeout):
            raise TimeoutError("another thread holds the queue")
        try:
            self._items.append(item)
        finally:
            self._lock.release()
"""


def of(text):
    return sketch(words(text))


def like(one, other):
    return likeness([one, other])[0, 1]


def test_equal_words_have_equal_sketches():
    assert len(of(BODY)) == SKETCH_BYTES
    assert of(BODY) == of("# " + BODY.replace("    ", "\t"))
    assert like(of(BODY), of(BODY)) == 1


def test_a_small_edit_stays_near_and_other_code_is_far():
    assert like(of(BODY), of(BODY.replace("strip()] = value", "lower()] = value"))) >= 0.85
    assert like(of(BODY), of(OTHER)) < 0.3
    assert like(of(BODY), of(" ".join(reversed(BODY.split())))) < 0.5


@pytest.mark.parametrize("count", [0, 1, 2, 3, LEAST_WORDS - 1])
def test_a_small_unit_has_no_sketch(count):
    assert sketch([f"w{n}" for n in range(count)]) == b""


def test_enough_words_have_a_sketch_even_if_all_are_equal():
    assert len(sketch(["x"] * LEAST_WORDS)) == SKETCH_BYTES


def test_the_estimate_is_right_on_average_and_close():
    """Units that share a known part of their runs of three words."""
    chance = random.Random(3)
    for share in (0.0, 0.5, 0.85):
        estimates, truths = [], []
        for _ in range(150):
            one = [str(chance.random()) for _ in range(160)]
            kept = round(len(one) * 2 * share / (1 + share))
            other = one[:kept] + [str(chance.random()) for _ in one[kept:]]
            runs = [set(zip(each, each[1:], each[2:], strict=False)) for each in (one, other)]
            truths.append(len(runs[0] & runs[1]) / len(runs[0] | runs[1]))
            estimates.append(like(sketch(one), sketch(other)))
        off = np.array(estimates) - np.array(truths)
        assert abs(off.mean()) < 0.02
        assert off.std() < 0.1


def test_likeness_compares_every_two():
    opposite = bytes(255 - byte for byte in of(BODY))
    found = likeness([of(BODY), of(OTHER), opposite])
    assert found.shape == (3, 3)
    assert (found == found.T).all()
    assert found.diagonal().tolist() == [1, 1, 1]
    assert found[0, 2] == -1
    assert likeness([]).shape == (0, 0)


def test_sketches_are_the_same_in_every_process_and_on_every_machine():
    """Stored sketches are compared with new ones: another value here needs another FORMAT of the store."""
    code = "import sys; from indexer.splitting.likeness import sketch; print(sketch(sys.argv[1:]).hex())"
    said = [word for n in range(20) for word in (f"größe{n}", "überall")]
    found = set()
    for seed, kernel in (("1", ""), ("2", "scalar")):  # the processor's vector instructions, and none
        environment = {"PYTHONHASHSEED": seed, "RENSA_FORCE_KERNEL": kernel}
        done = subprocess.run(
            [sys.executable, "-c", code, *said], capture_output=True, text=True, check=True, env=environment
        )
        found.add(done.stdout.strip())
    assert found == {sketch(said).hex()} == {"cd3c9ce972f26c8279ded59cfd07815e"}


def test_a_parser_gives_each_unit_its_sketch_without_numpy():
    found = parse_file(ParseRequest(SourceFile("r", "a.py", f"{BODY}\n\ndef tiny():\n    return 1\n".encode())))
    assert [row[12] for row in found["units"]] == [of(BODY).hex(), ""]
    code = "import sys; import indexer.splitting.worker; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
