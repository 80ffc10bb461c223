"""What many tests share: the encoder without a model, a chat server, the checks that every state of an index passes."""

import importlib.util
import sys
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


@pytest.fixture(scope="session")
def small_sets():
    """The module that writes evaluation sets of a few lines."""
    return _load("small_sets", _TESTS / "search" / "evaluation" / "small_sets.py")


@pytest.fixture(scope="session")
def chat_server():
    """The module of the chat server."""
    return _load("chat_server", _TESTS / "chat_server.py")


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
