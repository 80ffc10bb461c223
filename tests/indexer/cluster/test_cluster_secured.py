"""A cluster that asks for a password over TLS, with a certificate of its own: what is said, and what never is."""

import shutil
import subprocess

import pytest

pytest.importorskip("elasticsearch", reason="the extra `elasticsearch` is not installed")

from cli.main import run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate, and is not here"),
]


@pytest.fixture(scope="module")
def secured(elasticsearch_server, tmp_path_factory):
    """A server and the PEM file of its certificate."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "server.crt", folder / "server.key"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    try:
        cluster = elasticsearch_server.Cluster(secured=True, tls=(certificate, key))
    except elasticsearch_server.ServerMissing as error:
        pytest.skip(str(error))
    yield cluster, certificate
    cluster.close()


@pytest.fixture
def environment(secured, tmp_path, monkeypatch):
    cluster, certificate = secured
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a.py").write_text("def read_journal(path):\n    return path.read_text()\n")
    for name, value in {
        "INDEX": tmp_path / "index",
        "BACKEND": "elasticsearch",
        "ELASTICSEARCH_URL": cluster.url,
        "ELASTICSEARCH_CA": certificate,
        "ELASTICSEARCH_USER": "elastic",
        "ELASTICSEARCH_PASSWORD": cluster.password,
        "ELASTICSEARCH_NAME": "secured",
    }.items():
        monkeypatch.setenv(f"FATHOM_{name}", str(value))
    return monkeypatch


def test_index_and_search_with_a_password_over_tls_and_fail_by_name_without(environment, secured, tmp_path, capsys):
    password = secured[0].password
    assert run(["index", str(tmp_path / "tree")]) == 0
    assert run(["search", "--mode", "lexical", "journal"]) == 0
    assert "read_journal" in capsys.readouterr().out
    assert run(["status", "--json"]) == 0
    assert password not in capsys.readouterr().out
    with environment.context() as changed:
        changed.setenv("FATHOM_ELASTICSEARCH_PASSWORD", "not-the-password")
        assert run(["search", "--mode", "lexical", "journal"]) == 5
        said = capsys.readouterr().err
        assert "refused the credentials (401" in said
        assert "not-the-password" not in said
    with environment.context() as changed:
        changed.delenv("FATHOM_ELASTICSEARCH_CA")
        assert run(["search", "--mode", "lexical", "journal"]) == 5
        assert "certificate" in capsys.readouterr().err.lower()
    with environment.context() as changed:
        changed.setenv("FATHOM_ELASTICSEARCH_CA", str(tmp_path / "nothing.pem"))
        assert run(["search", "journal"]) == 2
    for path in (tmp_path / "index").rglob("*"):
        assert not path.is_file() or password.encode() not in path.read_bytes()
