"""A small index, an application on it, and what every error of the API must look like."""

import pytest

from indexer.index import Index
from indexer.settings import Settings

CODE = "def read_settings(path):\n    return path.read_text()\n\n\nclass Settings:\n    def save(self):\n        pass\n"


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "settings.py").write_text(CODE)
    return tmp_path / "tree"


@pytest.fixture
def settings(tmp_path, tree):
    return Settings(index=tmp_path / "index", processes=1)


@pytest.fixture
def build(settings, tree, stub_encoder):
    """Return what indexes the tree as it is and returns the index."""
    return lambda: Index.build(settings.index, [str(tree)], settings=settings, encoder=stub_encoder)


@pytest.fixture
def index(build):
    return build()


@pytest.fixture
def make(settings, index, stub_encoder):
    """Return what makes an application with other settings and returns a client of it."""
    from web.app import create_app

    def made(**changes):
        return create_app(settings.model_copy(update=changes), index, stub_encoder).test_client()

    return made


@pytest.fixture
def client(make):
    return make()


@pytest.fixture
def error():
    """Return what checks that a reply is an error in the one shape, and returns it."""

    def checked(reply, status, code):
        assert reply.status_code == status, reply.text
        assert set(reply.json) == {"error", "request_id"}
        assert set(reply.json["error"]) <= {"code", "message", "field"}
        assert reply.json["error"]["code"] == code
        assert reply.json["request_id"] == reply.headers["X-Request-ID"]
        assert not any(leak in reply.text for leak in ("Traceback", "/tmp", 'File \\"'))
        return reply.json["error"]

    return checked
