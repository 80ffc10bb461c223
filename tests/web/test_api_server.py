"""The API over a real server: what only shows when bytes travel, processes fork and clients go away."""

import contextlib
import http.client
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

pytest.importorskip("flask", reason="the extra `web` is not installed: pip install 'fathom-search[web]'")
pytest.importorskip("gunicorn", reason="the extra `web` is not installed")

pytestmark = pytest.mark.slow

_ROOT = Path(__file__).parents[2]
_APPLICATION = """
import importlib.util, os, sys
from web.serving import gunicorn_options, log_requests, share_counts
share_counts()
log_requests()
specification = importlib.util.spec_from_file_location("stub_encoder", {stub!r})
module = importlib.util.module_from_spec(specification)
sys.modules["stub_encoder"] = module
specification.loader.exec_module(module)
from gunicorn.app.base import BaseApplication
from indexer.settings import Settings
from web.app import create_app

class Served(BaseApplication):
    def load_config(self):
        for name, value in gunicorn_options().items():
            self.cfg.set(name, value)
        self.cfg.set("bind", "127.0.0.1:0")
        self.cfg.set("workers", int(sys.argv[1]))
        self.cfg.set("threads", 8)

    def load(self):
        return create_app(Settings(), encoder=module.StubEncoder())

Served().run()
"""
_JSON = {"Content-Type": "application/json"}
_NDJSON = {"Content-Type": "application/x-ndjson"}
# The server's own: eight for requests and what libraries keep; a batch that goes on has one more.
_THREADS_AT_REST = 24


class Server:
    """A gunicorn of its own on a free port; `log` is what it wrote."""

    def __init__(self, folder, workers=1, **environment):
        self.log = folder / "log"
        code = folder / "served.py"
        code.write_text(_APPLICATION.format(stub=str(_ROOT / "tests" / "stub_encoder.py")))
        settings = {"FATHOM_INDEX": str(folder / "index"), "PYTHONPATH": str(_ROOT), **environment}
        with self.log.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, str(code), str(workers)], stderr=out, stdout=out, env={**os.environ, **settings}
            )
        self.port = self._port()

    def _port(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = re.search(r"Listening at: http://127.0.0.1:(\d+)", self.log.read_text())
            if found:
                return int(found[1])
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def ask(self, method, path, body=None, headers=None, timeout=60):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            return reply.status, dict(reply.getheaders()), reply.read()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def _workers(server):
    return [child.pid for child in psutil.Process(server.process.pid).children()]


def _memory(server):
    return max(psutil.Process(pid).memory_info().rss for pid in _workers(server))


def _threads(server):
    return max(psutil.Process(pid).num_threads() for pid in _workers(server))


@pytest.fixture
def start(tmp_path):
    started = []

    def one(**options):
        started.append(Server(tmp_path, **options))
        return started[-1]

    yield one
    for server in started:
        server.stop()


_HOOKS = """
import json
import schemathesis

@schemathesis.serializer("application/x-ndjson")
def written(context, value):
    return json.dumps(value).encode()

@schemathesis.deserializer("application/x-ndjson")
def read(context, response):
    return [json.loads(line) for line in response.content.splitlines()]

@schemathesis.check
def a_good_request_is_only_refused_for_what_no_schema_says(context, response, case):
    if response.status_code == 400 and case.meta.generation.mode is schemathesis.GenerationMode.POSITIVE:
        assert response.json()["error"]["code"] in ("bad_query", "bad_cursor", "generator_missing")
"""
# Which queries and cursors can be read no schema can say: the check of our own looks at those.
_CHECKS = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "304", "400", "404"]
negative_data_rejection.expected-statuses = ["4xx"]
"""


def _say(port, said):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
        head, _, body = b"".join(iter(lambda: connection.recv(4096), b"")).partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode(), json.loads(body)


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        (b"GET /api/v1/search?query=" + 100_000 * b"a" + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 414, "uri_too_long"),
        (b"GET / HTTP/1.1\r\nX-A: " + 1_000_000 * b"a" + b"\r\n\r\n", 431, "header_fields_too_large"),
        (b"GET / HTTP/1.1\r\nno header\r\n\r\n", 400, "bad_request"),
        (b"\x16\x03\x01 TLS\r\n\r\n", 400, "bad_request"),
    ],
)
def test_what_cannot_be_read_is_refused_in_the_one_shape(build, start, said, status, code):
    build().close()
    found, head, body = _say(start().port, said)
    assert (found, body["error"]["code"]) == (status, code)
    assert body["error"]["message"]
    assert f"X-Request-ID: {body['request_id']}" in head


@pytest.mark.timeout(600)
def test_the_document_holds_against_thousands_of_requests(build, start, tmp_path):
    pytest.importorskip("schemathesis", reason="schemathesis is not installed: pip install schemathesis")
    build().close()
    server = start()
    (tmp_path / "hooks.py").write_text(_HOOKS)
    (tmp_path / "schemathesis.toml").write_text(_CHECKS)
    run = subprocess.run(
        [str(Path(sys.executable).with_name("schemathesis")), "run", "--max-examples", "200", "--seed", "6", "--no-color",
         f"http://127.0.0.1:{server.port}/api/v1/openapi.json"],
        cwd=tmp_path,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=550,
    )  # fmt: skip
    said = "\n".join(line[:400] for line in run.stdout.splitlines()[-80:])
    assert run.returncode == 0, said
    made = re.search(r"(\d+) generated, (\d+) passed", run.stdout)
    assert made, said
    assert int(made[2]) >= 2_000, said
    assert "Traceback" not in server.log.read_text()


def test_bodies_that_are_too_large_and_clients_that_go(build, start):
    build().close()
    server = start()
    status, _, body = server.ask("POST", "/api/v1/search", b'{"query": "' + b"x" * 10_000_000 + b'"}', _JSON)
    assert (status, json.loads(body)["error"]["code"]) == (413, "request_entity_too_large")
    status, _, _ = server.ask("POST", "/api/v1/search", json.dumps({"query": "a" * 100_000}), _JSON)
    assert status == 200
    for sent in (b"", b"GET", b"POST /api/v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"):
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                client.sendall(sent)
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"GET /api/v1/search?query=read HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert server.ask("GET", "/api/v1/search?query=read", timeout=10)[0] == 200
    assert "Traceback" not in server.log.read_text()


def test_a_body_that_is_not_framed(build, start):
    build().close()
    server = start()
    for path in ("search", "batch"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
            head = f"POST /api/v1/{path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            client.sendall(head.encode() + b"zz\r\n")
            received = b""
            while piece := client.recv(65536):
                received += piece
        if path == "search":
            assert received.startswith(b"HTTP/1.1 400 ")
            assert b"bad_request" in received
    assert server.ask("GET", "/api/v1/search?query=read", timeout=10)[0] == 200
    assert "internal_error" not in server.log.read_text()


def _chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def _open_batch(server):
    client = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    head = "POST /api/v1/batch HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
    client.sendall(f"{head}Content-Type: application/x-ndjson\r\n\r\n".encode())
    return client


def test_answers_begin_before_the_body_has_ended(build, start):
    build().close()
    server = start()
    with _open_batch(server) as client:
        # The server reads a kilobyte at a time.
        line = json.dumps({"id": "first", "query": "read " + "x" * 2_000}).encode()
        client.sendall(_chunk(line + b"\nbroken\n" + b" " * 1_100 + b"\n"))
        received = b""
        while b"invalid_request" not in received:
            received += client.recv(65536)
        assert b'"first"' in received
        client.sendall(_chunk(b'{"id": "last", "query": "save"}\n') + b"0\r\n\r\n")
        while not received.endswith(b"0\r\n\r\n"):
            received += client.recv(65536)
        assert b'"last"' in received


def test_all_may_be_sent_before_anything_is_read(build, start):
    """Clients that send a body whole before they read are the most common; what they get is larger than any buffer."""
    build().close()
    server = start()
    lines = [{"id": number, "query": f"read settings {number}"} for number in range(10_000)]
    lines[5_000] = "x" * 3_000_000
    before = _memory(server)
    body = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines).encode()
    status, headers, received = server.ask("POST", "/api/v1/batch", body, _NDJSON, timeout=240)
    assert (status, headers["Content-Type"]) == (200, "application/x-ndjson")
    found = [json.loads(line) for line in received.splitlines()]
    assert [each["id"] for each in found] == [*range(5_000), None, *range(5_001, 10_000)]
    assert found[5_000]["error"]["code"] == "invalid_request"
    assert found[9_999]["hits"]
    assert len(received) > 10_000_000
    # Neither the body nor the answers are held.
    assert _memory(server) - before < 60_000_000


def test_clients_that_leave_a_batch_half_way(build, start):
    build().close()
    server = start()
    line = json.dumps({"query": "read settings"}).encode() + b"\n"
    for number in range(40):
        with _open_batch(server) as client:
            client.sendall(_chunk(line * 200))
            if number % 2:
                client.recv(1000)
            if number % 3 == 0:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            if number % 4 == 0:
                client.sendall(b"zz not a chunk\r\n")
    deadline = time.monotonic() + 60
    while _threads(server) > _THREADS_AT_REST and time.monotonic() < deadline:
        time.sleep(0.2)
    assert _threads(server) <= _THREADS_AT_REST
    for _ in range(20):
        assert server.ask("GET", "/api/v1/search?query=read", timeout=10)[0] == 200
    assert server.ask("POST", "/api/v1/batch", line * 3, _NDJSON)[2].count(b"\n") == 3


def test_no_request_fails_while_generations_follow_each_other(build, start, tree):
    build().close()
    server = start()
    stop, statuses, generations = threading.Event(), Counter(), set()

    def ask(number):
        connections = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        with contextlib.closing(connections) as connection:
            asked(number, connection)

    def asked(number, connection):
        for turn in itertools.count():
            if stop.is_set():
                return
            path = ("/api/v1/search?query=read+{}", "/api/v1/suggest?prefix=re{}", "/api/v1/status", "/readyz")[
                turn % 4
            ]
            connection.request("GET", path.format(f"{number}_{turn}"))
            reply = connection.getresponse()
            said = json.loads(reply.read())
            statuses[reply.status] += 1
            generations.add(said.get("generation"))

    with ThreadPoolExecutor(6) as clients:
        done = [clients.submit(ask, number) for number in range(6)]
        for number in range(8):
            (tree / "changing.py").write_text(f"def read_{number}():\n    return {number}\n")
            build().close()
        stop.set()
    assert [each.exception() for each in done] == [None] * 6
    assert set(statuses) == {200}
    assert statuses[200] > 50
    assert len(generations) > 4


def test_an_index_that_comes_later(build, start):
    server = start()
    status, headers, body = server.ask("GET", "/api/v1/search?query=read")
    assert (status, json.loads(body)["error"]["code"]) == (503, "index_unavailable")
    assert "Retry-After" in headers
    assert b"/" not in body
    assert server.ask("GET", "/readyz")[0] == 503
    assert server.ask("POST", "/api/v1/batch", b'{"query": "a"}', _NDJSON)[0] == 503
    build().close()
    assert server.ask("GET", "/api/v1/search?query=read")[0] == 200
    assert server.ask("GET", "/readyz")[0] == 200


def test_the_counts_of_several_processes_add_up(build, start):
    build().close()
    server = start(workers=3)
    # A connection of its own for each, so that every process has some.
    for _ in range(60):
        assert server.ask("GET", "/api/v1/search?query=read")[0] == 200
    seen = set()
    for _ in range(20):
        text = server.ask("GET", "/metrics")[2].decode()
        seen.add(re.search(r'fathom_requests_total\{route="/api/v1/search",status="200"\} (\S+)', text)[1])
    assert seen == {"60.0"}
    assert len(set(_workers(server))) == 3


def test_every_request_has_its_line(build, start):
    build().close()
    server = start()
    server.ask("GET", "/api/v1/search?query=very+private", headers={"X-Request-ID": "mine"})
    server.ask("POST", "/api/v1/batch", b'{"query": "very private"}', _NDJSON)
    deadline, lines = time.monotonic() + 10, []
    while len(lines) < 2 and time.monotonic() < deadline:
        lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    assert [(line["route"], line["status"]) for line in lines] == [("/api/v1/search", 200), ("/api/v1/batch", 200)]
    assert lines[0]["id"] == "mine"
    assert "private" not in server.log.read_text()
