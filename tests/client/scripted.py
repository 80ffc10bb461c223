"""What a scripted server plays to the client: Fathom's answers as it would send them, and worse."""

import json

from tests.scripted_server import hang_up, raw

__all__ = ["answer", "chunks", "fault", "hang_up", "hit", "reply"]


def reply(status, body=b"", **headers):
    """Return a play: a whole response."""
    return raw(status, body if isinstance(body, bytes) else json.dumps(body).encode(), **headers)


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
