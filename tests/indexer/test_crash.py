"""The indexing process dies, at random and at every step, or its disk is full: nothing acknowledged is lost."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_STEPS = {
    "create",
    "announce",
    "stage",
    "freeze",
    "seal",
    "sync",
    "build_segment",
    "publish",
    "save_vectors",
    "sweep",
    "save_rewritings",
    "save_rewriting_vectors",
}
_SEED = os.environ.get("FATHOM_TEST_SEED", "1")


def _can_mount():
    probe = ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return shutil.which("unshare") is not None and subprocess.run(probe, capture_output=True).returncode == 0


def _run(mode, folder, number, within=()):
    print(f"seed {_SEED}; FATHOM_TEST_SEED sets it")  # noqa: T201 - shown where the test fails
    paths = os.pathsep.join(map(str, (_HERE.parents[1], _HERE.parent, _HERE)))
    command = [*within, sys.executable, str(_HERE / "crashing.py"), mode, str(folder), _SEED, str(number)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths})
    assert done.returncode == 0, done.stderr
    rounds = [json.loads(line) for line in done.stdout.splitlines()]
    assert [entry for entry in rounds if entry["failed"]] == [], done.stderr
    return rounds


@pytest.mark.parametrize("rounds", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path, rounds):
    done = _run("kill", tmp_path, rounds)
    assert len(done) == rounds
    assert any(entry["acknowledged"] for entry in done), "no kill came after a generation"


@pytest.mark.parametrize("rounds", [8, pytest.param(30, marks=pytest.mark.slow)])
def test_nothing_deepened_is_lost_or_done_again_when_the_process_is_killed(tmp_path, rounds):
    done = _run("deepen", tmp_path, rounds)
    assert len(done) == rounds
    assert any(0 < entry["done"] < 120 for entry in done), "no kill came in the middle"


@pytest.mark.slow
@pytest.mark.timeout(900)  # some 300 steps, an index and its check for each
def test_every_step_may_be_the_last(tmp_path):
    names = {entry["step"] for entry in _run("steps", tmp_path, 0)}
    assert names >= {f"{when} {step}" for when in ("before", "after") for step in _STEPS}


def test_the_transaction_may_be_the_last_step(tmp_path):
    assert {entry["step"] for entry in _run("steps", tmp_path, 1)} == {"before publish"}


def _assert_full(rounds):
    assert {entry["code"] for entry in rounds} == {0, 5}
    for entry in rounds:
        assert entry["kept"], entry
        assert not entry["traceback"], entry
        assert len(entry["lines"]) == (1 if entry["code"] else 0), entry


@pytest.mark.slow
def test_a_limit_of_file_sizes_is_one_error_and_the_old_generation_still_answers(tmp_path):
    _assert_full(_run("limit", tmp_path, 0))


@pytest.mark.slow
@pytest.mark.skipif(not _can_mount(), reason="a small disk of its own needs the right to mount one")
def test_a_full_disk_is_one_error_and_the_old_generation_still_answers(tmp_path):
    (tmp_path / "index").mkdir()
    mount = f'mount -t tmpfs -o size=4m tmpfs {shlex.quote(str(tmp_path / "index"))} && exec "$@"'
    _assert_full(_run("disk", tmp_path, 0, ("unshare", "-m", "sh", "-c", mount, "sh")))
