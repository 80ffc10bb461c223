"""Who may ask: hosts, the pages of other sites, and what one request may carry."""

import json
import logging

import pytest

pytest.importorskip("flask", reason="the extra `web` is not installed: pip install 'fathom-search[web]'")
from indexer.errors import UsageError
from indexer.settings import Settings

SEARCH = "/api/v1/search?query=read"
FOREIGN = ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "a b"]


@pytest.mark.parametrize("host", FOREIGN)
def test_a_foreign_name_for_a_loopback_server(client, error, host):
    for path in (SEARCH, "/healthz", "/metrics", "/api/v1/nowhere"):
        error(client.get(path, headers={"Host": host}), 421, "foreign_host")
    page = client.get("/", headers={"Host": host})
    assert page.status_code == 421
    assert "<" not in page.text


@pytest.mark.parametrize("host", ["localhost", "localhost:8420", "127.0.0.1:8420", "[::1]:8420"])
def test_the_names_of_a_loopback_server(client, host):
    assert client.get(SEARCH, headers={"Host": host}).status_code == 200


def test_a_server_that_is_not_on_loopback(make, error):
    open_to_all = {"environ_overrides": {"SERVER_NAME": "192.0.2.1"}, "headers": {"Host": "code.example"}}
    assert make().get(SEARCH, **open_to_all).status_code == 200
    error(make(hosts=("other.example",)).get(SEARCH, **open_to_all), 421, "foreign_host")
    assert make(hosts=("code.example",)).get(SEARCH, **open_to_all).status_code == 200
    assert make(hosts=(".example",)).get(SEARCH, **open_to_all).status_code == 200


def test_only_this_machine_is_told_where_its_folders_are(make):
    def told(client, **asked):
        return [source["location"] for source in client.get("/api/v1/status", **asked).json["sources"]]

    assert all(place.startswith("/") for place in told(make()))
    from_afar = {"environ_overrides": {"SERVER_NAME": "192.0.2.1"}, "headers": {"Host": "code.example"}}
    assert set(told(make(), **from_afar)) == {""}
    assert set(told(make(hosts=("localhost",)))) == {""}


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example", "//", "http://["])
def test_a_foreign_page(client, error, origin):
    for method, path in (("GET", SEARCH), ("POST", "/api/v1/search"), ("POST", "/api/v1/batch"), ("OPTIONS", SEARCH)):
        reply = client.open(path, method=method, headers={"Origin": origin})
        error(reply, 403, "foreign_origin")
        assert "Access-Control-Allow-Origin" not in reply.headers
    assert client.post("/", data={"q": "x"}, headers={"Origin": origin}).status_code == 403


def test_our_own_page(client):
    assert client.get(SEARCH, headers={"Origin": "http://localhost"}).status_code == 200
    reply = client.get(SEARCH, headers={"Origin": "http://localhost:8420", "Host": "localhost:8420"})
    assert reply.status_code == 200
    assert "Access-Control-Allow-Origin" not in reply.headers


def test_pages_that_are_named_may_read(make, error):
    client = make(cors=("https://code.example",))
    reply = client.get(SEARCH, headers={"Origin": "https://code.example"})
    assert reply.headers["Access-Control-Allow-Origin"] == "https://code.example"
    assert "Origin" in reply.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in reply.headers
    error(client.get(SEARCH, headers={"Origin": "https://other.example"}), 403, "foreign_origin")
    asked = {"Origin": "https://code.example", "Access-Control-Request-Method": "POST"}
    reply = client.options("/api/v1/search", headers=asked)
    assert reply.status_code == 200
    assert "POST" in reply.headers["Access-Control-Allow-Methods"]
    assert "X-API-Key" in reply.headers["Access-Control-Allow-Headers"]
    assert "Origin" in client.get(SEARCH).headers["Vary"]


def test_all_pages_may_read(make):
    reply = make(cors=("*",)).get(SEARCH, headers={"Origin": "null"})
    assert reply.status_code == 200
    assert reply.headers["Access-Control-Allow-Origin"] == "null"


@pytest.mark.parametrize("origin", ["code.example", "https://code.example/", "ftp://code.example", "https://a.b/path"])
def test_what_is_no_origin_is_refused_at_the_start(make, origin):
    with pytest.raises(UsageError, match="FATHOM_CORS"):
        make(cors=(origin,))


def test_settings_come_with_commas(monkeypatch):
    monkeypatch.setenv("FATHOM_CORS", "https://a.example, https://b.example")
    monkeypatch.setenv("FATHOM_HOSTS", "a.example")
    found = Settings()
    assert found.cors == ("https://a.example", "https://b.example")
    assert found.hosts == ("a.example",)


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH"])
def test_a_method_that_is_none_of_a_route(client, error, method):
    for path in ("/healthz", "/readyz", "/metrics", "/api/v1/status", "/api/v1/units/x"):
        reply = client.open(path, method=method)
        error(reply, 405, "method_not_allowed")
        assert "GET" in reply.headers["Allow"]


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "code"),
    [
        ("POST", "/api/v1/search", '{"query": "a"}', {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        ("POST", "/api/v1/search", "query=a", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
        ("POST", "/api/v1/search", '{"query": "a"}', {"Content-Encoding": "gzip"}, 415, "unsupported_media_type"),
        ("POST", "/api/v1/batch", '{"query": "a"}', {"Content-Type": "text/csv"}, 415, "unsupported_media_type"),
        ("POST", "/api/v1/search", '{"query": "a", "k": "5"}', {}, 400, "invalid_request"),
        ("POST", "/api/v1/search", '{"query": "a", "rank": 1}', {}, 400, "invalid_request"),
        ("POST", "/api/v1/search", '{"query": "a", "k": 1.5}', {}, 400, "invalid_request"),
        ("POST", "/api/v1/search", '{"query": "a", "k": null}', {}, 400, "invalid_request"),
        ("POST", "/api/v1/search", '{"query": "\\ud800"}', {}, 400, "invalid_request"),
        ("POST", "/api/v1/search", "[" * 100_000, {}, 400, "invalid_request"),
        ("GET", "/api/v1/search?query=a&query=b", None, {}, 400, "invalid_request"),
        ("GET", "/api/v1/search?query=%ff", None, {}, 400, "invalid_request"),
        ("GET", "/api/v1/search?query=%ed%a0%80", None, {}, 400, "invalid_request"),
        ("GET", "/api/v1/search?query=a&k=5.0", None, {}, 400, "invalid_request"),
        ("GET", "/api/v1/search?query=a&k=%d9%a5", None, {}, 400, "invalid_request"),
        ("GET", "/api/v1/search?query=a&rank=yes", None, {}, 400, "invalid_request"),
        ("GET", "/api/v1/search?query=a&id=1", None, {}, 400, "invalid_request"),
        ("GET", "/api/v1/search?query=a&" + "x" * 5_000 + "=1", None, {}, 400, "invalid_request"),
        ("GET", "/api/v1/status?verbose=true", None, {}, 400, "invalid_request"),
        ("GET", "/api/v1/files/tree/settings.py?start_line=0", None, {}, 400, "invalid_request"),
        ("GET", "/api/v1/units/%00", None, {}, 404, "not_found"),
        ("GET", "/api/v1/units/%ff", None, {}, 404, "not_found"),
        ("GET", "/api/v1/files/tree//settings.py", None, {}, 404, "not_found"),
        ("GET", "/api//v1/status", None, {}, 404, "not_found"),
    ],
)  # fmt: skip
def test_bad_requests(client, error, method, path, body, headers, status, code):
    reply = client.open(path, method=method, data=body, headers=headers)
    said = error(reply, status, code)
    assert len(said.get("field", "")) <= 100


def test_odd_but_good_requests(client):
    for body in (
        '{"query": "a\\u0000b", "k": 1.0}',
        '{"query": "<script>alert(1)</script>"}',
        '{"query": "\\ud83d\\ude00"}',
    ):
        reply = client.post("/api/v1/search", data=body, content_type="application/json; charset=utf-8")
        assert reply.status_code == 200
        assert reply.mimetype == "application/json"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
    # The longest query, each of its characters written in the longest way.
    longest = '{"query": "' + "\\ud83d\\ude00" * 100_000 + '"}'
    assert client.post("/api/v1/search", data=longest, content_type="application/json").status_code == 200


def test_html_in_what_was_asked_is_never_html(client, error):
    for path in (
        "/api/v1/<script>",
        "/api/v1/units/<script>",
        "/api/v1/search?query=/(<script>/",
        "/api/v1/files/<b>/<i>",
    ):
        reply = client.get(path)
        assert reply.mimetype == "application/json"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"


def test_a_part_of_a_file(client, error):
    whole = client.get("/api/v1/files/tree/settings.py").json["lines"]
    part = client.get("/api/v1/files/tree/settings.py?start_line=2&end_line=4").json["lines"]
    assert part == [line for line in whole if 2 <= line["number"] <= 4]
    assert client.get("/api/v1/files/tree/settings.py?start_line=900").json["lines"] == []


def test_a_repository_with_slashes_in_its_name(client, error, settings, tree, stub_encoder):
    from indexer.index import writing
    from indexer.sources.factory import open_source

    (tree / "deep").mkdir()
    (tree / "deep" / "file.py").write_text("def deep():\n    return 1\n")
    named = open_source(str(tree), name="host/owner/shop", cache=tree, include_vendored=False, max_bytes=10_000)
    with writing(settings.index, settings, stub_encoder) as pipeline:
        pipeline.refresh(named)
        pipeline.encode()
    for slash in ("/", "%2F"):
        found = client.get(f"/api/v1/files/host{slash}owner{slash}shop/deep/file.py").json
        assert (found["repository"], found["path"]) == ("host/owner/shop", "deep/file.py")
    error(client.get("/api/v1/files/host/owner/shop/deep/none.py"), 404, "not_found")


@pytest.mark.parametrize(
    ("sent", "taken"),
    [("abc-1", True), ("x" * 128, True), ("x" * 129, False), ("a b", False), ("", False), ("ü", False)],
)
def test_the_id_of_a_request(client, sent, taken):
    reply = client.get("/healthz", headers={"X-Request-ID": sent})
    assert (reply.headers["X-Request-ID"] == sent) is taken
    assert reply.headers["X-Request-ID"]


def test_what_the_log_says(make, caplog):
    with caplog.at_level(logging.INFO, "fathom.access"):
        make().get("/api/v1/search?query=a+secret+plan", headers={"X-Request-ID": "one"})
        make().get("/api/v1/units/none")
        with make().post("/api/v1/batch", data=b'{"query": "secret"}\n') as reply:
            assert reply.text.count("\n") == 1
        make(log_queries=True).get("/api/v1/search?query=a+plan")
    lines = [json.loads(record.getMessage()) for record in caplog.records if record.name == "fathom.access"]
    assert [(line["route"], line["status"]) for line in lines] == [
        ("/api/v1/search", 200), ("/api/v1/units/<unit_id>", 404), ("/api/v1/batch", 200), ("/api/v1/search", 200),
    ]  # fmt: skip
    assert lines[0]["id"] == "one"
    assert all(line["ms"] >= 0 for line in lines)
    assert "secret" not in str(lines)
    assert lines[3]["query"] == "a plan"
