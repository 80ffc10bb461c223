"""The JSON API: one shape for every error, the command line's shape for every answer."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest

from indexer.index import Index
from indexer.settings import Settings

pytest.importorskip("flask", reason="the extra `web` is not installed: pip install 'fathom-search[web]'")
from search.engine import Engine
from web.app import create_app


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "query"),
        ({"query": ""}, "query"),
        ({"query": 5}, "query"),
        ({"query": "a", "moon": 1}, "moon"),
        ({"query": "a", "k": 0}, "k"),
        ({"query": "a", "k": 10**9}, "k"),
        ({"query": "a", "offset": -1}, "offset"),
        ({"query": "a", "mode": "psychic"}, "mode"),
        ({"query": "a" * 100_001}, "query"),
    ],
)
def test_a_wrong_search_names_its_field(client, body, field, error):
    assert error(client.post("/api/v1/search", json=body), 400, "invalid_request")["field"] == field


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"a"', b"\xff\xfe"])
def test_a_body_that_is_no_object(client, body, error):
    error(client.post("/api/v1/search", data=body), 400, "invalid_request")


def test_queries_that_cannot_be_read_or_are_too_large(client, error):
    error(client.get("/api/v1/search?q=read"), 400, "invalid_request")
    error(client.get("/api/v1/search?query=/(/"), 400, "bad_query")
    error(client.post("/api/v1/search", data=b"x" * 10_000_000), 413, "request_entity_too_large")
    assert client.post("/api/v1/search", json={"query": "a b " * 25_000}).status_code == 200


def test_what_is_not_there(client, error):
    error(client.get("/api/v1/nowhere"), 404, "not_found")
    error(client.delete("/api/v1/search"), 405, "method_not_allowed")
    error(client.get("/api/v1/units/nothing"), 404, "not_found")
    error(client.get("/api/v1/similar?id=nothing"), 404, "not_found")
    error(client.get("/api/v1/files/tree/none.py"), 404, "not_found")
    error(client.get("/api/v1/files/tree/../../etc/passwd"), 404, "not_found")


def test_no_index_yet(tmp_path, stub_encoder, error):
    client = create_app(Settings(index=tmp_path / "none"), encoder=stub_encoder).test_client()
    error(client.get("/api/v1/search?query=read"), 503, "index_unavailable")
    error(client.post("/api/v1/batch", data=b'{"query": "a"}\n'), 503, "index_unavailable")
    error(client.get("/readyz"), 503, "not_ready")
    assert client.get("/healthz").status_code == 200


def test_a_fault_of_ours_leaks_nothing(client, monkeypatch, error):
    monkeypatch.setattr(Engine, "search", lambda *_, **__: 1 / 0)
    said = error(client.get("/api/v1/search?query=read"), 500, "internal_error")
    assert "zero" not in said["message"]


def test_a_search_is_the_engines_answer(client, index, stub_encoder, settings):
    expected = Engine(index, stub_encoder, settings).search("read settings", 2).model_dump()
    for reply in (
        client.get("/api/v1/search?query=read+settings&k=2"),
        client.post("/api/v1/search", json={"query": "read settings", "k": 2}),
    ):
        assert reply.status_code == 200
        found = reply.json
        assert found.keys() - expected.keys() == {"cursor"}
        assert not expected.keys() - found.keys()
        assert [hit["id"] for hit in found["hits"]] == [hit["id"] for hit in expected["hits"]]
        assert found["hits"][0]["symbol"] == "read_settings"
    second = client.get("/api/v1/search?query=read+settings&k=1&offset=1").json["hits"]
    assert [hit["id"] for hit in second] == [expected["hits"][1]["id"]]


def test_units_files_status_and_suggestions(client):
    hit = client.get("/api/v1/search?query=read_settings").json["hits"][0]
    unit = client.get(f"/api/v1/units/{hit['id']}").json
    assert {name: unit[name] for name in ("id", "text", "symbol", "kind")} == {
        name: hit[name] for name in ("id", "text", "symbol", "kind")
    }
    assert hit["id"] not in [each["id"] for each in client.get(f"/api/v1/similar?id={hit['id']}").json["hits"]]
    lines = client.get("/api/v1/files/tree/settings.py").json["lines"]
    assert lines[0] == {"number": 1, "text": "def read_settings(path):"}
    status = client.get("/api/v1/status").json
    assert status["files"] == 1
    assert status["units"] == sum(counts["units"] for counts in status["languages"].values())
    assert sum(status["depths"].values()) == status["units"]
    found = client.get("/api/v1/suggest?prefix=sett").json["suggestions"]
    assert found[:2] == [{"text": "Settings", "kind": "symbol"}, {"text": "settings.py", "kind": "path"}]
    assert client.get("/api/v1/suggest").json == {"suggestions": []}


def test_a_batch_keeps_its_order_and_goes_on_after_a_broken_line(client):
    lines = [
        {"id": 1, "query": "read settings", "k": 1},
        "broken",
        {"id": "c", "query": "/(/"},
        {"id": 4, "query": "save", "moon": 1},
        {"id": 5, "query": "save", "k": 1},
    ]
    body = "\n\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    reply = client.post("/api/v1/batch", data=body)
    found = [json.loads(line) for line in reply.text.splitlines()]
    assert reply.mimetype == "application/x-ndjson"
    assert [each.get("error", {}).get("code") for each in found] == [
        None, "invalid_request", "bad_query", "invalid_request", None,
    ]  # fmt: skip
    assert found[0]["hits"][0]["symbol"] == "read_settings"
    assert (found[0]["id"], found[2]["id"], found[4]["id"]) == (1, "c", 5)


def test_a_new_generation_is_picked_up(client, settings, stub_encoder):
    before = client.get("/readyz").json["generation"]
    tree = settings.index.parent / "tree"
    (tree / "new.py").write_text("def zebra():\n    return 1\n")
    Index.build(settings.index, [str(tree)], settings=settings, encoder=stub_encoder).close()
    assert client.get("/readyz").json["generation"] > before
    assert client.get("/api/v1/search?query=zebra").json["hits"][0]["path"] == "new.py"
    assert client.get("/api/v1/suggest?prefix=zeb").json["suggestions"]


@pytest.mark.slow
def test_the_real_server(tmp_path, tree):
    pytest.importorskip("gunicorn", reason="the extra `web` is not installed")
    fathom = [sys.executable, "-m", "cli.main"]
    place = ["--index", str(tmp_path / "index")]
    missing = subprocess.run([*fathom, "serve", "--port", "0", *place], capture_output=True, text=True, timeout=60)
    assert missing.returncode == 3
    subprocess.run([*fathom, "index", "-q", *place, str(tree)], check=True, timeout=120)
    server = subprocess.Popen(
        [*fathom, "serve", "--port", "0", *place], stderr=subprocess.PIPE, text=True, env={**os.environ}
    )
    try:
        address = re.search(r"http://\S+:(\d+)/", server.stderr.readline())
        with urllib.request.urlopen(f"{address[0]}api/v1/search?query=read+settings", timeout=60) as reply:
            assert json.load(reply)["hits"][0]["symbol"] == "read_settings"
        with urllib.request.urlopen(address[0], timeout=60) as reply:
            assert b"<form" in reply.read()
        taken = subprocess.run(
            [*fathom, "serve", "--port", address[1], *place], capture_output=True, text=True, timeout=60
        )
        assert taken.returncode == 5
        assert "cannot be listened on" in taken.stderr
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=30)
    assert server.returncode == 0
