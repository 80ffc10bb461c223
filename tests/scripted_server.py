"""A real HTTP server on the loopback that does what a test says, well or badly."""

import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Seen(NamedTuple):
    """A request as it came."""

    path: str
    headers: dict
    body: Any


class ScriptedServer:
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

            def handle(self):
                with suppress(ConnectionError):  # a client that goes away is what some tests are of
                    super().handle()

            def play(self):
                body = server.read(self.rfile.read(int(self.headers.get("Content-Length", 0))))
                self.over, self.body, self.close_connection = server.over, body, True
                with server._counting:
                    server.seen.append(Seen(self.path, dict(self.headers), body))
                    play = server.plays.pop(0) if len(server.plays) > 1 else server.plays[0]
                    server._at_once += 1
                    server.most_at_once = max(server.most_at_once, server._at_once)
                try:
                    play(self)
                finally:
                    with server._counting:
                        server._at_once -= 1

            do_GET = do_POST = do_PUT = play

            def log_message(self, *arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def read(self, body):
        """Return a request's body as `seen` keeps it."""
        return body

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


def hang_up(handler):
    """Say nothing; the connection is closed."""
