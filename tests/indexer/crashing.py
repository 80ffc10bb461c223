"""A process that indexes a changing tree until it is killed, or ends itself after one named step. No test is here.

Run as `crashing.py kill|deepen|steps|limit|disk FOLDER SEED NUMBER`, with the folders of the tests in PYTHONPATH. It says one JSON
line a round. NUMBER is how many rounds of kills there are, or 1 for a few steps and 0 for all.
"""

import functools
import json
import os
import resource
import shutil
import signal
import sqlite3
import sys
import time
import traceback
from pathlib import Path

import index_states as states

import cli.main
import indexer.index
import indexer.publishing
import indexer.store.connection
import indexer.store.sqlite
from indexer import pipeline as pipeline_module
from indexer.lexical.tantivy import TantivyWriter
from indexer.publishing import Publisher
from indexer.store.sqlite import SqliteStore
from indexer.vectors import segment_writer
from indexer.vectors.segment_writer import SegmentWriter

DIED = 9
STEPS = (
    (indexer.store.sqlite, "create"),
    (indexer.store.connection, "sync"),
    (SqliteStore, "announce"),
    (SqliteStore, "stage"),
    (SqliteStore, "restamp"),
    (SqliteStore, "publish"),
    (SqliteStore, "save_vectors"),
    (SqliteStore, "save_rewritings"),
    (SqliteStore, "save_rewriting_vectors"),
    (SqliteStore, "sweep"),
    (TantivyWriter, "freeze"),
    (indexer.publishing, "seal"),
    (indexer.publishing, "sync"),
    (segment_writer, "seal"),
    (segment_writer, "sync"),
    (segment_writer, "build_segment"),
    (SegmentWriter, "_write_dead"),
    (SegmentWriter, "_tidy"),
    (Publisher, "_write"),
    (Publisher, "_tidy"),
)


def say(**entry):
    sys.stdout.write(json.dumps(entry) + "\n")
    sys.stdout.flush()


def publish_often():
    states.hasten(setattr)
    pipeline_module._FIRST_PUBLISH_SECONDS = 0.0
    pipeline_module._ENCODE_UNITS = pipeline_module._STATIC_UNITS = 8


def acknowledge(base, manifest, mode="a"):
    """Say durably enough for a killed process which generation is done, and what it holds."""
    entry = {"generation": manifest.generation, "symbols": sorted(states.symbols_in(base / "tree"))}
    with (base / "acknowledged").open(mode) as said:
        said.write(json.dumps(entry) + "\n")


def last_acknowledged(base):
    path = base / "acknowledged"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    whole = [line for line in lines if line.endswith("\n")]
    return json.loads(whole[-1]) if whole else None


def index_forever(base, chance):
    """Change the tree, index it and keep rewritings, again and again; say what is acknowledged."""
    source, encoder = states.folder_source(base / "tree"), states.CountingEncoder()
    while True:
        states.change(base / "tree", chance)
        states.update(base / "index", [source], encoder, functools.partial(acknowledge, base))
        symbols = sorted(states.symbols_in(base / "tree"))
        states.rewrite(base / "index", set(chance.sample(symbols, min(3, len(symbols)))))


def forked(work):
    """Run something in a process of its own; return the process."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException:  # noqa: BLE001 - a forked process must not go on as its parent does
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def status_of(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def check_after_kill(base):
    """Check what a killed process left, then complete it."""
    acknowledged, found = last_acknowledged(base), states.check(base / "index")
    if acknowledged is not None:
        manifest, units = found
        assert manifest.generation >= acknowledged["generation"]
        now, said = states.symbols_in(base / "tree"), set(acknowledged["symbols"])
        symbols = {unit.symbol for unit in units.values()} - {""}
        assert said & now <= symbols, "an acknowledged unit is lost"
        assert symbols <= said | now, "a unit from nowhere"
    (base / "tree").mkdir(exist_ok=True)
    states.finish(base / "index", base / "tree", base / f"scratch-{time.monotonic_ns()}")
    acknowledge(base, states.check(base / "index")[0], "w")


def kill(base, seed, rounds):
    """Kill the indexing process at random moments."""
    publish_often()
    chance = states.chances(seed)
    for number in range(rounds):
        before = last_acknowledged(base)
        child = forked(functools.partial(index_forever, base, states.chances(f"{seed}-{number}")))
        time.sleep(chance.uniform(0.0, 0.6))
        os.kill(child, signal.SIGKILL)
        assert status_of(child) == -signal.SIGKILL
        acknowledged = last_acknowledged(base) != before
        say(
            round=number, acknowledged=acknowledged, failed=status_of(forked(functools.partial(check_after_kill, base)))
        )


class SlowEncoder(states.CountingEncoder):
    """Takes its time, so that a kill comes in the middle."""

    def encode(self, token_ids, depth):
        time.sleep(0.02)
        return super().encode(token_ids, depth)


def bring_down(base, encoder):
    indexer.index.deepen(base / "index", states.settings(base / "index"), encoder)


def deep_units(base):
    """How many units are stored at the deepest exit."""
    connection = sqlite3.connect(base / "index" / "store.sqlite3")
    count = connection.execute("SELECT count(DISTINCT unit_key) FROM blocks WHERE depth = 6").fetchone()[0]
    connection.close()
    return count


def check_deepening(base):
    """Check what a killed run of deepening left: complete at any moment."""
    manifest, units = states.check(base / "index")
    assert manifest.encoded == manifest.documents == len(units)


def finish_deepening(base, done):
    """Go on where it was; then the index is as if it had been built deep."""
    encoder = states.CountingEncoder()
    bring_down(base, encoder)
    assert encoder.blocks == states.check(base / "index")[0].documents - done, "a unit was encoded again"
    states.assert_same(base / "index", base / "direct")
    with states.writing(base / "index", states.settings(base / "index"), encoder):
        pass
    states.assert_nothing_left_over(base / "index")


def deepen(base, seed, rounds):
    """Kill the process that deepens an index at random moments; start anew whenever all is deep."""
    publish_often()
    indexer.index._DEEPEN_SECONDS, indexer.index._RETRY_SECONDS = 0.2, 0.0
    chance, encoder = states.chances(seed), states.CountingEncoder()
    (base / "tree").mkdir()
    for number in range(60):
        (base / "tree" / f"f{number}.py").write_text(states.text_of(f"w{number}", 2))
    source = states.folder_source(base / "tree")
    states.update(base / "shallow", [source], encoder, depth=0)
    states.update(base / "direct", [source], encoder)
    for number in range(rounds):
        if not (base / "index").exists():
            shutil.copytree(base / "shallow", base / "index")
        before = deep_units(base)
        child = forked(functools.partial(bring_down, base, SlowEncoder()))
        time.sleep(chance.uniform(0.0, 0.5))
        os.kill(child, signal.SIGKILL)
        killed = status_of(child) == -signal.SIGKILL
        failed = status_of(forked(functools.partial(check_deepening, base)))
        done = deep_units(base)
        if done == 120 or number == rounds - 1:
            failed = failed or status_of(forked(functools.partial(finish_deepening, base, done)))
            shutil.rmtree(base / "index")
        say(round=number, killed=killed, before=before, done=done, failed=failed or done < before)


class Countdown:
    """Ends the process before or after the n-th of the steps."""

    def __init__(self, number):
        self.left = number
        self.name = ""

    def tick(self, name):
        if not self.left:
            Path(os.environ["STEP_FILE"]).write_text(name)
            os._exit(DIED)
        self.left -= 1

    def around(self, name, call):
        @functools.wraps(call)
        def stepped(*args, **kwargs):
            self.tick(f"before {name}")
            result = call(*args, **kwargs)
            self.tick(f"after {name}")
            return result

        return stepped


def scenario(base, seed, number, names):
    """Index, rewrite, add, change, rename and delete, and index again, ending the process at one step."""
    countdown = Countdown(number)
    for owner, name in STEPS:
        if name in names:
            setattr(owner, name, countdown.around(name, getattr(owner, name)))
    tree, source = base / "tree", states.folder_source(base / "tree")
    tree.mkdir()
    for name in "abcdef":
        (tree / f"{name}.py").write_text(states.text_of(f"{name}{seed}"))
    states.update(base / "index", [source], states.CountingEncoder())
    states.rewrite(base / "index", {f"{name}{seed}_1" for name in "abde"})
    (tree / "a.py").write_text(states.text_of("changed", 3))
    (tree / "b.py").rename(tree / "renamed.py")
    (tree / "c.py").unlink()
    (tree / "added.py").write_text(states.text_of("added"))
    states.update(base / "index", [source], states.CountingEncoder())


def steps(base, seed, few):
    """End the process before and after every step, or some of the transactions only, each on an index of its own."""
    names, stride = ({"publish"}, 2) if few else ({name for _, name in STEPS}, 1)
    publish_often()
    os.environ["STEP_FILE"] = str(base / "step")
    for number in range(0, 10_000, stride):
        here = base / str(number)
        here.mkdir()
        status = status_of(forked(functools.partial(scenario, here, seed, number, names)))
        if status == 0:
            return
        assert status == DIED
        failed = status_of(forked(functools.partial(check_after_kill, here)))
        name = (base / "step").read_text()
        say(step=name, failed=failed)


def limit_files(base, size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def fill_disk(base, size):
    """Leave `size` bytes, or what there is."""
    with (base / "index" / "filler").open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, max(1, shutil.disk_usage(base / "index").free - size))


def write_within(base, limit, size):
    """Index where `limit` leaves room of `size` bytes; end with the exit code of the command line."""
    states.change(base / "tree", states.chances("full"))
    (base / "tree" / "large.py").write_text(states.text_of("large", 400))
    limit(base, size)
    arguments = ["index", "--quiet", "--index", str(base / "index"), "--name", "tree", str(base / "tree")]
    os._exit(cli.main.run(arguments))


def full(limit, base, seed, _):
    """Let the room end at many sizes; say the exit code, what was said and whether the old generation stayed."""
    states.hasten(setattr)
    indexer.index.load_encoder = lambda settings: states.CountingEncoder()
    states.change(base / "tree", states.chances(seed))
    states.update(base / "index", [states.folder_source(base / "tree")], states.CountingEncoder())
    for size in [size for power in range(9, 20) for size in (1 << power, 3 << (power - 1))]:
        before = states.check(base / "index")
        with (base / "said").open("w") as stream:
            standard = os.dup(2)
            os.dup2(stream.fileno(), 2)
            code = status_of(forked(functools.partial(write_within, base, limit, size)))
            os.dup2(standard, 2)
            os.close(standard)
        (base / "index" / "filler").unlink(missing_ok=True)
        manifest, units = states.check(base / "index")
        kept = manifest.generation > before[0].generation or units == before[1]
        scratch = base / f"scratch-{size}"
        failed = status_of(forked(functools.partial(states.finish, base / "index", base / "tree", scratch)))
        said = (base / "said").read_text()
        lines = [line for line in said.splitlines() if line.startswith("fathom: ")]
        say(size=size, code=code, lines=lines, traceback="Traceback" in said, kept=kept, failed=failed)
        for path in (base / "tree").iterdir():
            path.write_text(path.read_text().replace("def w", "def ww").replace("def large", "def llarge"))


MODES = {
    "kill": kill,
    "deepen": deepen,
    "steps": steps,
    "limit": functools.partial(full, limit_files),
    "disk": functools.partial(full, fill_disk),
}

if __name__ == "__main__":
    MODES[sys.argv[1]](Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
