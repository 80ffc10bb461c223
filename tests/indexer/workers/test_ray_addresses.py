"""Naming a Ray cluster: what is no address, no extra, and nothing that answers, each said at once. Needs no Ray."""

import importlib.util
import socket
import subprocess
import sys

import pytest

from cli.main import run
from indexer.errors import UsageError
from indexer.settings import Settings
from indexer.workers.cluster import Cluster
from indexer.workers.factory import hired
from indexer.workers.local import LocalWorkers

_needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None,
    reason="the extra `ray` is not installed: pip install 'fathom-search[ray]', then pytest tests/indexer/workers",
)


@pytest.mark.parametrize(
    "address", ["host", "host:", ":6379", "host:ray", "host:0", "host:65536", "ray://host:10001", " "]
)
def test_what_is_no_address_is_wrong_use(address):
    with pytest.raises(UsageError, match="takes HOST:PORT"):
        Cluster(address)


@pytest.mark.parametrize("address", ["local", "auto", "10.0.0.7:6379", "head.example:6379", "[::1]:6379"])
def test_addresses_are_taken(address):
    assert Cluster(address).address == address


def test_without_the_extra_the_command_that_brings_it_is_said(stub_encoder, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'fathom-search\[ray\]'"):
        hired(Settings(ray="local"), stub_encoder)


def test_without_an_address_this_machine_works(stub_encoder):
    with hired(Settings(), stub_encoder) as workers:
        assert isinstance(workers, LocalWorkers)


def test_watching_does_not_go_with_a_cluster(tmp_path, capsys):
    assert run(["index", "--watch", "--ray", "local", "--index", str(tmp_path / "i"), str(tmp_path)]) == 2
    assert "does not go with --ray" in capsys.readouterr().err


def _indexing(address, folder, seconds):
    """Run `fathom index --ray` in a process of its own: Ray reads its settings once, and other tests have others."""
    arguments = ["index", "--ray", address, "--index", str(folder / "i"), str(folder)]
    code = (
        "from cli.main import run\n"
        "from indexer.workers import cluster\n"
        f"cluster._PROBE_SECONDS = {seconds}\n"
        f"raise SystemExit(run({arguments!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith(f"fathom: no Ray cluster can be used at {address}: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.mark.slow
@_needs_ray
def test_a_port_where_nobody_listens(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert "refused" in _indexing(f"127.0.0.1:{taken.getsockname()[1]}", tmp_path, 25)


@pytest.mark.slow
@_needs_ray
def test_a_port_of_another_service_is_given_up_in_time(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert "not answer within 3 s" in _indexing(f"127.0.0.1:{other.getsockname()[1]}", tmp_path, 3)
