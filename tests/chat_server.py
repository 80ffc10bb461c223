"""A chat server on the loopback that does what a test says, well or badly."""

import json
import re
import time
from types import SimpleNamespace

from tests.scripted_server import ScriptedServer, hang_up, raw

CODE = "def largest(values):\n    return max(values)"


class ChatServer(ScriptedServer):
    """A server whose requests are JSON, below the address that such servers have."""

    def __init__(self, *plays):
        super().__init__(*plays)
        self.url += "/v1"

    def read(self, body):
        return json.loads(body)


def fault(status, message="", **headers):
    """Return a play: an error as such servers send it."""
    return raw(status, json.dumps({"error": {"message": message}}).encode(), **headers)


def says(text, **usage):
    """Return a play: a reply of the model."""
    found = {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}
    return raw(200, json.dumps(found | ({"usage": usage} if usage else {})).encode())


def writes(handler, name=re.compile(r"(?:def|named) (\w+)")):
    """Play: a purpose of code that names what the code does, and code for a purpose; tokens are counted."""
    asked = handler.body["messages"][-1]["content"]
    found = name.search(asked)
    about = found[1] if found else "nothing"
    purpose = asked.startswith("What is this")
    text = f"Purrs at whatever is named {about}." if purpose else f"```python\ndef meow_{about}(): pass\n```"
    says(text, prompt_tokens=100, completion_tokens=10)(handler)


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


PLAYS = SimpleNamespace(
    CODE=CODE,
    raw=raw,
    fault=fault,
    says=says,
    sleeps=sleeps,
    drips=drips,
    cut_off=cut_off,
    hang_up=hang_up,
    writes=writes,
    good=says(f"Here it is:\n```python\n{CODE}\n```\nHope it helps.", prompt_tokens=40, completion_tokens=12),
    clock=time.perf_counter,
)
