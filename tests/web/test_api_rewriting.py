"""`rewrite_ms` over HTTP: refused where it cannot be, passed on where it can, and never taken for an answer one has."""

import json
import socket
from pathlib import Path

import pytest

pytest.importorskip("flask", reason="the extra `web` is not installed: pip install 'fathom-search[web]'")
from pydantic import SecretStr

_SEARCH = "/api/v1/search?query=biggest+number"
_DOCUMENT = Path(__file__).parents[2] / "docs" / "api.md"


@pytest.fixture
def rewriting(make, serve, plays, tmp_path):
    """Return what makes a client of a server with a generator that plays."""

    def made(play=plays.good):
        return make(cache=tmp_path / "cache", generator_url=serve(play).url, generator_model="tiny")

    return made


@pytest.mark.parametrize("value", ["-1", "60001", "soon", "1.5", ""])
def test_a_time_that_cannot_be_names_its_field(client, error, value):
    assert error(client.get(f"{_SEARCH}&rewrite_ms={value}"), 400, "invalid_request")["field"] == "rewrite_ms"


def test_without_a_generator_it_is_an_error(client, error):
    said = error(client.get(f"{_SEARCH}&rewrite_ms=50"), 400, "generator_missing")
    assert "FATHOM_GENERATOR_URL" in said["message"]
    assert client.get(f"{_SEARCH}&rewrite_ms=0").status_code == 200


def test_the_answer_says_what_was_used(rewriting, plays):
    client = rewriting()
    for reply in (
        client.get(f"{_SEARCH}&rewrite_ms=20000&explain=true"),
        client.post("/api/v1/search", json={"query": "biggest number", "rewrite_ms": 20000, "explain": True}),
    ):
        assert reply.json["rewriting"]["exemplars"] == [plays.CODE]
        assert reply.json["notes"] == []
        assert "rewrite" in reply.json["timings_ms"]
        assert "faults" not in reply.json
    assert "rewriting" not in client.get(_SEARCH).json


def test_it_has_no_tag(rewriting):
    client = rewriting()
    assert "ETag" in client.get(_SEARCH).headers
    reply = client.get(f"{_SEARCH}&rewrite_ms=20000", headers={"If-None-Match": "*"})
    assert "ETag" not in reply.headers
    assert reply.headers["Cache-Control"] == "no-store"


def test_a_dead_generator_is_said_without_its_address_and_key(make, tmp_path, caplog):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}/v1"
        named = {"generator_url": url, "generator_model": "tiny", "generator_key": SecretStr("sk-secret")}
        with caplog.at_level("INFO", "fathom.access"):
            reply = make(cache=tmp_path / "cache", **named).get(f"{_SEARCH}&rewrite_ms=20000")
    assert reply.status_code == 200
    assert "cannot be reached" in reply.json["notes"][0]
    assert url not in reply.text
    assert url in caplog.text
    assert "sk-secret" not in reply.text + caplog.text


def test_a_page_of_the_one_is_none_of_the_other(rewriting, error):
    client = rewriting()
    first = client.get("/api/v1/search?query=settings&k=1&rewrite_ms=20000").json
    assert first["cursor"]
    again = f"/api/v1/search?query=settings&k=1&cursor={first['cursor']}"
    error(client.get(again), 400, "bad_cursor")
    assert client.get(f"{again}&rewrite_ms=20000").json["hits"][0]["rank"] == 2


def test_a_line_of_a_batch_may_want_it(rewriting, client):
    lines = b'{"id": 1, "query": "biggest", "rewrite_ms": 20000}\n{"id": 2, "query": "biggest"}\n'
    found = [json.loads(line) for line in rewriting().post("/api/v1/batch", data=lines).text.splitlines()]
    assert [each["id"] for each in found] == [1, 2]
    assert ["rewriting" in each for each in found] == [True, False]
    refused, plain = (json.loads(line) for line in client.post("/api/v1/batch", data=lines).text.splitlines())
    assert refused["error"]["code"] == "generator_missing"
    assert "hits" in plain
    wrong = client.post("/api/v1/batch", data=b'{"query": "a", "rewrite_ms": -1}\n').text
    assert "rewrite_ms" in json.loads(wrong)["error"]["message"]


def test_the_document_describes_it(client):
    document = client.get("/api/v1/openapi.json").json
    schemas = document["components"]["schemas"]
    assert set(schemas["Rewriting"]["properties"]) == {"generator", "exemplars", "ms", "cached"}
    for answer in ("Answer", "SearchAnswer", "BatchAnswer"):
        assert "hits" in schemas[answer]["properties"]
        assert "rewriting" in schemas[answer]["properties"]
        assert "rewriting" not in schemas[answer]["required"]
        assert "faults" not in schemas[answer]["properties"]
    asked = {each["name"]: each["schema"] for each in document["paths"]["/api/v1/search"]["get"]["parameters"]}
    assert asked["rewrite_ms"] == {"type": "integer", "minimum": 0, "maximum": 60_000, "default": 0}


def test_the_settings_are_documented():
    text = _DOCUMENT.read_text("utf-8")
    assert all(f"`FATHOM_GENERATOR_{name}`" in text for name in ("URL", "MODEL", "KEY"))
