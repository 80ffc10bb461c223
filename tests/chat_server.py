"""A chat server on the loopback that does what a test says, well or badly."""

import json
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

CODE = "def largest(values):\n    return max(values)"


class ChatServer:
    """Plays a list of functions, one a request, the last one again and again; `seen` are the requests."""

    def __init__(self, *plays):
        self.plays, self.seen = list(plays), []
        self.most_at_once = self._at_once = 0
        self._counting = threading.Lock()
        # Set when the server is to end: what waits then goes on.
        self.over = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 10

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
                self.over, self.close_connection = server.over, True
                with server._counting:
                    server.seen.append(SimpleNamespace(path=self.path, headers=dict(self.headers), body=body))
                    play = server.plays.pop(0) if len(server.plays) > 1 else server.plays[0]
                    server._at_once += 1
                    server.most_at_once = max(server.most_at_once, server._at_once)
                try:
                    with suppress(ConnectionError):  # a client that goes away is what some tests are of
                        play(self)
                finally:
                    with server._counting:
                        server._at_once -= 1

            def log_message(self, *arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def close(self):
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def raw(status, content, **headers):
    """Return a play: a whole response of bytes."""

    def play(handler):
        handler.send_response(status)
        for name, value in {"Connection": "close", "Content-Length": str(len(content)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(content)

    return play


def fault(status, message="", **headers):
    """Return a play: an error as such servers send it."""
    return raw(status, json.dumps({"error": {"message": message}}).encode(), **headers)


def says(text, **usage):
    """Return a play: a reply of the model."""
    found = {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}
    return raw(200, json.dumps(found | ({"usage": usage} if usage else {})).encode())


def sleeps(seconds, then):
    """Return a play: nothing for a while, then another one."""

    def play(handler):
        handler.over.wait(seconds)
        then(handler)

    return play


def drips(piece, every, *, headers=True):
    """Return a play: a response without an end, a piece at a time; with `headers` false, even they have none."""

    def play(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        if headers:
            handler.wfile.write(b"Content-Type: application/json\r\nConnection: close\r\n\r\n")
        while not handler.over.wait(every):
            handler.wfile.write(piece)
            handler.wfile.flush()

    return play


def cut_off(handler):
    """Promise more than is sent."""
    handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{"choices": [')


def hang_up(handler):
    """Say nothing; the connection is closed."""


PLAYS = SimpleNamespace(
    CODE=CODE,
    raw=raw,
    fault=fault,
    says=says,
    sleeps=sleeps,
    drips=drips,
    cut_off=cut_off,
    hang_up=hang_up,
    good=says(f"Here it is:\n```python\n{CODE}\n```\nHope it helps.", prompt_tokens=40, completion_tokens=12),
    clock=time.perf_counter,
)
