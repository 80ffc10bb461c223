"""A local Ray of two workers: the same index as without it, lost workers, hostile files, and who is refused."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from indexer.encoder.files import CONFIG, write_hashes
from indexer.encoder.onnx import OnnxEncoder, default_model_folder
from indexer.errors import EnvironmentFailed
from indexer.index import Index
from indexer.settings import Settings
from indexer.types import SourceFile
from indexer.workers.local import LocalWorkers

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None,
        reason="the extra `ray` is not installed: pip install 'fathom-search[ray]', then pytest tests/indexer/workers",
    ),
]

_DEPTH = 2
# Ends the actor that started it, as what takes all of a node's memory would, when it sees the word.
_POISONED = """
import os, signal, subprocess, sys
from indexer.splitting.parse import parse_file, request_from
from indexer.splitting.worker import read_frame, write_frame
while (frame := read_frame(sys.stdin.buffer)) is not None:
    if b"poison" in frame[1]:
        os.kill(os.getppid(), signal.SIGKILL)
    write_frame(sys.stdout.buffer, parse_file(request_from(*frame)))
"""


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def address():
    """A cluster of one node with two cores, which asks for a token."""
    before = dict(os.environ)
    os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="a" * 32, RAY_USAGE_STATS_ENABLED="0")
    # Its sockets need a short path.
    scratch, port = Path(tempfile.mkdtemp(prefix="fr-", dir="/tmp")), _free_port()
    options = [f"--port={port}", "--num-cpus=2", f"--temp-dir={scratch}", "--include-dashboard=false", "--block"]
    options += ["--object-store-memory=80000000", "--disable-usage-stats"]
    head = subprocess.Popen(
        [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        for line in head.stdout:
            if "Ray runtime started" in line:
                break
        yield f"127.0.0.1:{port}"
    finally:
        head.terminate()
        head.stdout.read()
        head.stdout.close()
        assert head.wait(60) is not None
        shutil.rmtree(scratch, ignore_errors=True)
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="module")
def encoder():
    """The shipped model."""
    return OnnxEncoder.load(threads=1)


@pytest.fixture(scope="module")
def connected(address):
    """A connection that the tests of this process share."""
    from indexer.workers.cluster import Cluster

    connection = Cluster(address)
    connection.connect()
    yield address
    connection.close()


@pytest.fixture
def workers(connected, encoder):
    """Make workers of the cluster, once those of the test before have left it."""
    import ray

    from indexer.workers.ray import RayWorkers

    while ray.available_resources().get("CPU") != 2:
        time.sleep(0.1)

    def make(**options):
        return RayWorkers(connected, encoder, **options)

    return make


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A folder of small files in three languages."""
    root = tmp_path_factory.mktemp("tree")
    for number, file in _files(70):
        (root / file.path).write_bytes(file.content)
        assert number >= 0
    (root / "list.go").write_text("package list\n\nfunc Sort(a []int) []int {\n\treturn a\n}\n")
    (root / "notes.md").write_text("# Notes\n\nHow a queue is drained.\n")
    return root


def _files(count, word="value"):
    text = "def step_{n}({word}):\n    '''Return what step {n} makes of it.'''\n    return {word} * {n}\n"
    return [(n, SourceFile("r", f"f{n}.py", text.format(n=n, word=word).encode())) for n in range(count)]


def _blocks(encoder, count):
    return [
        (n, [t.ids for t in encoder.tokenise([f"def f{n}(x): return x + {n}", "read a file"])]) for n in range(count)
    ]


def _state(folder):
    """Every unit by its id with its text and vector, and the answers to a few queries."""
    from search.engine import Engine

    index = Index.open(folder)
    with index.view() as view:
        keys = view.catalogue.keys
        units = view.store.units(keys.tolist())
        found = dict(zip((units[key].id for key in keys.tolist()), view.vectors.vectors(keys), strict=True))
        texts = [(unit.id, unit.path, unit.start_line, unit.text) for unit in units.values()]
    engine = Engine(index, OnnxEncoder.load(threads=1))
    asked = [engine.search(query, 10) for query in ("what step 7 makes", "sort a list", "f12", "drain a queue")]
    index.close()
    return sorted(texts), found, [[(hit.id, round(hit.score, 5)) for hit in answer.hits] for answer in asked]


def test_an_index_is_the_same_as_without_a_cluster(connected, encoder, tree, tmp_path, monkeypatch):
    monkeypatch.setattr("indexer.pipeline._ENCODE_UNITS", 8)
    built = {}
    for name, ray in (("with", connected), ("without", "")):
        settings = Settings(index=tmp_path / name, ray=ray, depth=_DEPTH, processes=2)
        summary = Index.build(tmp_path / name, [str(tree)], settings=settings, encoder=encoder).summary
        built[name] = _state(tmp_path / name)
        assert (summary.added, summary.notes) == (72, [])
    (texts, vectors, answers), (wanted, their_vectors, their_answers) = built["with"], built["without"]
    assert texts == wanted
    assert vectors.keys() == their_vectors.keys()
    for unit, vector in their_vectors.items():
        np.testing.assert_allclose(vectors[unit], vector, atol=1e-6)
    assert answers == their_answers
    assert all(answers)


def test_a_worker_killed_at_work_costs_nothing(workers, encoder, capfd):
    files, batches = _files(400), _blocks(encoder, 60)
    local = LocalWorkers(encoder, 1)
    with workers(most=2) as crew:
        parsed = []
        for done in crew.parse(files):
            parsed.append(done)
            if len(parsed) in (20, 200):
                os.kill(crew.processes[0], signal.SIGKILL)
        encoded = []
        for done in crew.encode(batches, _DEPTH):
            encoded.append(done)
            if len(encoded) in (5, 30):
                os.kill(crew.processes[-1], signal.SIGKILL)
    assert capfd.readouterr() == ("", "")
    assert parsed == list(local.parse(files))
    wanted = list(local.encode(batches, _DEPTH))
    assert [tag for tag, _ in encoded] == [tag for tag, _ in wanted]
    for (_, ours), (_, theirs) in zip(encoded, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_files_that_kill_two_workers_come_back_by_lines_and_no_other_does(workers):
    files, bad = _files(60), [5, 22, 23, 40, 58]
    for at in bad:
        files[at] = (at, SourceFile("r", f"bad{at}.py", b"def poison():\n    return 1\n"))
    with workers(most=2, command=(sys.executable, "-c", _POISONED)) as crew:
        done = list(crew.parse(files))
    assert [tag for tag, _, _ in done] == list(range(60))
    assert [tag for tag, _, parsed in done if parsed.failure] == bad
    for at in bad:
        parsed = done[at][2]
        assert parsed.failure == "2 workers ended while they parsed it"
        assert not parsed.fields["parsed"]
        assert [unit[7] for unit in parsed.fields["units"]] == ["def poison():\n    return 1"]


def test_only_a_bounded_part_is_read_ahead(workers):
    read = []

    def counted():
        for entry in _files(2_000):
            read.append(entry[0])
            yield entry

    with workers(most=1) as crew:
        done = crew.parse(counted())
        next(done)
        time.sleep(0.5)
        assert len(read) <= 4 * 16
        done.close()


def test_another_version_and_another_model_are_refused_by_name(workers, connected, encoder, tmp_path, monkeypatch):
    from indexer.workers import ray as module

    other = tmp_path / "model"
    shutil.copytree(default_model_folder(), other)
    (other / CONFIG).write_text((other / CONFIG).read_text().replace('"window": 254', '"window": 250'))
    write_hashes(other)
    mine = OnnxEncoder.load(other, threads=1)
    with pytest.raises(EnvironmentFailed, match=f"another model .fingerprint {encoder.fingerprint}"):
        module.RayWorkers(connected, mine).__enter__()
    with pytest.raises(EnvironmentFailed, match=r"a worker on .* failed: the folder .* holds no model"):
        module.RayWorkers(connected, encoder, model=tmp_path).__enter__()
    monkeypatch.setattr(module, "version", lambda name: "9.9.9")
    with pytest.raises(EnvironmentFailed, match=r"runs Fathom 0.* and this is 9.9.9; install the same version"):
        workers().__enter__()


def test_a_cluster_without_what_is_wanted_is_refused(workers):
    with pytest.raises(EnvironmentFailed, match="has no free GPU"):
        workers(device="cuda").__enter__()


def _fathom(address, folder, tree, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "cli.main", "index", "--ray", address, "--index", str(folder), str(tree)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_an_interrupt_ends_the_run_and_leaves_no_worker(address, tmp_path):
    root = tmp_path / "large"
    shutil.copytree(Path(os.__file__).parent / "asyncio", root / "a", ignore=shutil.ignore_patterns("__pycache__"))
    process = _fathom(address, tmp_path / "index", root)
    line = process.stderr.readline()
    assert "searchable by words" in line
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=30)[1]
    assert (process.returncode, said) == (130, "\ninterrupted; what was done is kept\n")
    deadline = time.monotonic() + 10
    while (left := _left()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left


def _left():
    """Actors of ours that still run on this machine."""
    names = [process.cmdline() for process in psutil.process_iter() if process.name().startswith("ray::")]
    return [name for name in names if "RemoteWorker" in " ".join(name)]


def test_another_token_is_said(address, tmp_path, tree):
    process = _fathom(address, tmp_path / "index", tree, RAY_AUTH_TOKEN="b" * 32)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 5
    assert "it asks for another token; set RAY_AUTH_MODE=token" in said
