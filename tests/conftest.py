"""What many tests share: the encoder without a model, a chat server, the checks that every state of an index passes."""

import importlib.util
import os
import sys
import uuid
from pathlib import Path

import pytest

_TESTS = Path(__file__).parent


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write the golden rankings anew; then read the diff")


def _load(name, path):
    if name not in sys.modules:
        specification = importlib.util.spec_from_file_location(name, path)
        module = sys.modules[name] = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def stub_module():
    """The module of the stub encoder."""
    return _load("stub_encoder", _TESTS / "stub_encoder.py")


@pytest.fixture
def stub_encoder(stub_module):
    """An encoder without a model."""
    return stub_module.StubEncoder()


@pytest.fixture(scope="session")
def states(stub_module):
    """The module that builds small indexes fast and checks every promise of their state."""
    return _load("index_states", _TESTS / "indexer" / "index_states.py")


@pytest.fixture
def quick(states, monkeypatch):
    """Parse in this process and stage few files at a time; return the module of states."""
    states.hasten(monkeypatch.setattr)
    return states


# Compositions with a cluster: what each adds to the settings.
_DISTRIBUTED = {"words in elasticsearch": {}, "elasticsearch alone": {"backend": "elasticsearch-alone"}}


@pytest.fixture(params=["embedded", *(pytest.param(name, marks=pytest.mark.slow) for name in _DISTRIBUTED)])
def composition(request):
    """What settings need to say for each composition of back ends."""
    return {} if request.param == "embedded" else request.getfixturevalue("clustered") | _DISTRIBUTED[request.param]


@pytest.fixture(params=_DISTRIBUTED)
def distributed(request, clustered):
    """What settings need to say for each composition with a cluster."""
    return clustered | _DISTRIBUTED[request.param]


@pytest.fixture
def everywhere(quick, composition, monkeypatch):
    """`quick`, on each composition of back ends."""
    monkeypatch.setattr(quick, "CHOSEN", composition)
    return quick


@pytest.fixture(scope="session")
def small_sets():
    """The module that writes evaluation sets of a few lines."""
    return _load("small_sets", _TESTS / "search" / "evaluation" / "small_sets.py")


@pytest.fixture(scope="session")
def chat_server():
    """The module of the chat server."""
    return _load("chat_server", _TESTS / "chat_server.py")


@pytest.fixture(scope="session")
def gates():
    """The module of gates before real servers."""
    return _load("gate", _TESTS / "gate.py")


@pytest.fixture(scope="session")
def scripted_servers():
    """The module of servers that do what a test says."""
    return _load("scripted_server", _TESTS / "scripted_server.py")


@pytest.fixture
def plays(chat_server):
    """What a chat server can do."""
    return chat_server.PLAYS


@pytest.fixture
def serve(chat_server):
    """Start servers that play what a test says."""
    servers = []

    def start(*todo):
        servers.append(chat_server.ChatServer(*todo))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def elasticsearch_server():
    """The module that fetches, starts and stops a real Elasticsearch."""
    return _load("elasticsearch_server", _TESTS / "elasticsearch_server.py")


@pytest.fixture(scope="session")
def elasticsearch_url(elasticsearch_server):
    """The address of a real Elasticsearch that all tests share: that of ELASTICSEARCH_URL, or one started here."""
    if os.environ.get("ELASTICSEARCH_URL"):
        yield os.environ["ELASTICSEARCH_URL"]
        return
    try:
        cluster = elasticsearch_server.Cluster()
    except elasticsearch_server.ServerMissing as error:
        pytest.skip(f"{error}; or set ELASTICSEARCH_URL to the address of a server 8.19 or 9")
    yield cluster.url
    cluster.close()


@pytest.fixture
def clustered(elasticsearch_url):
    """Settings of an Elasticsearch for one test, under a name of its own; what it wrote goes afterwards."""
    pytest.importorskip("elasticsearch", reason="the extra `elasticsearch` is not installed")
    from indexer.cluster.connection import Cluster

    chosen = {
        "backend": "elasticsearch",
        "elasticsearch_url": elasticsearch_url,
        "elasticsearch_name": f"test-{uuid.uuid4().hex[:12]}",
    }
    yield chosen
    from indexer.settings import Settings

    Cluster(Settings(**chosen)).clear()
