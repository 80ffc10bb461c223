"""The client without being installed, a real Fathom server, and servers that do what a test says."""

import sys
import threading
from pathlib import Path

import pytest

from tests.scripted_server import ScriptedServer

sys.path.append(str(Path(__file__).parents[2] / "client"))

CODE = '''"""Rings."""


class Ring:
    """A buffer that overwrites its oldest entry."""

    def push(self, entry):
        self.entries[self.head % self.size] = entry

    def oldest(self):
        """Return the entry that is overwritten next."""
        return self.entries[self.head % self.size]


def read_settings(path):
    return path.read_text()
'''


@pytest.fixture(scope="session")
def served(tmp_path_factory, stub_module):
    """The address of a real server on a small index."""
    pytest.importorskip("flask", reason="the extra `web` is not installed: pip install 'fathom-search[web]'")
    from werkzeug.serving import make_server

    from indexer.index import Index
    from indexer.settings import Settings
    from web.app import create_app

    folder = tmp_path_factory.mktemp("served")
    (folder / "tree" / "a dir").mkdir(parents=True)
    (folder / "tree" / "ring.py").write_text(CODE)
    (folder / "tree" / "a dir" / "é#?.py").write_text("def odd_path():\n    return '\u2028\x0b\x85'\n")
    settings = Settings(index=folder / "index", processes=1)
    index = Index.build(settings.index, [str(folder / "tree")], settings=settings, encoder=stub_module.StubEncoder())
    server = make_server("127.0.0.1", 0, create_app(settings, index, stub_module.StubEncoder()), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def scripted():
    """Return a function that starts a scripted server."""
    started = []

    def start(*plays):
        started.append(ScriptedServer(*plays))
        return started[-1]

    yield start
    for server in started:
        server.close()
