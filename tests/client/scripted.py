"""A real HTTP server that does what a test says, well or badly, and Fathom's answers as it would send them."""

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Scripted:
    """A server that plays a list of functions, one a request, the last one again and again."""

    def __init__(self, *plays):
        self.plays, self.seen = list(plays), []
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 10

            def play(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                scripted.seen.append((self.path, dict(self.headers), body))
                play = scripted.plays.pop(0) if len(scripted.plays) > 1 else scripted.plays[0]
                self.close_connection = True
                with suppress(ConnectionError):  # a client that goes away is what some tests are of
                    play(self)

            do_GET = do_POST = play

            def log_message(self, *arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def reply(status, body=b"", **headers):
    """Return a play: a whole response."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    def play(handler):
        handler.send_response(status)
        for name, value in {"Connection": "close", "Content-Length": str(len(content)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(content)

    return play


def fault(status, code, **headers):
    """Return a play: an error in Fathom's shape."""
    return reply(
        status, {"error": {"code": code, "message": f"said {code}"}, "request_id": "r1"}, X_Request_ID="r1", **headers
    )


def chunks(*pieces, end=True):
    """Return a play: a response in pieces, cut off unless it comes to its `end`."""

    def play(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "application/x-ndjson")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.send_header("Connection", "close")
        handler.end_headers()
        for piece in pieces:
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            handler.wfile.flush()
        if end:
            handler.wfile.write(b"0\r\n\r\n")

    return play


def hang_up(handler):
    """Say nothing; the connection is closed."""


def answer(query="q", hits=(), **fields):
    """Return an answer's JSON."""
    return {
        "query": query, "class": "language", "generation": 1, "complete": 1.0, "took_ms": 1.0, "total": len(hits),
        "hits": list(hits), **fields,
    }  # fmt: skip


def hit(**fields):
    """Return a hit's JSON."""
    return {
        "rank": 1, "id": "u1", "repository": "tree", "path": "a.py", "start_line": 1, "end_line": 2, "language": "python",
        "kind": "function", "symbol": "f", "score": 0.5, "text": "def f():\n    pass", **fields,
    }  # fmt: skip
