"""The recipe of docs/rag.md, run block by block as it is written, against a real server on the shipped model."""

import importlib.util
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

import pytest

pytest.importorskip("httpx", reason="httpx is not installed: pip install httpx")
pytest.importorskip("gunicorn", reason="the extra `web` is not installed: pip install 'fathom-search[web]'")

ROOT = Path(__file__).parents[2]
ADDRESS = "http://127.0.0.1:8420"
RETRY = '''import time


def call_with_backoff(function, attempts=5):
    """Call a function again after a growing pause when it fails."""
    for attempt in range(attempts):
        try:
            return function()
        except OSError:
            time.sleep(2**attempt)
    raise RuntimeError("gave up")
'''
SHAPES = '''class Circle:
    """A round shape."""

    def __init__(self, radius):
        self.radius = radius

    def area(self):
        """How much surface the shape covers."""
        return 3.14159 * self.radius**2
'''
# What each block that prints has to have said.
SAID = {
    "From an index to a context": "def call_with_backoff",
    "Thousands of queries": "q3 failed:",
    "LangChain": "project/retry.py:",
    "LlamaIndex": "project/retry.py:",
    "Haystack": "def call_with_backoff",
    "How good is the retrieval?": "nDCG@10",
}
FRAMEWORKS = {"langchain": "langchain_core", "llamaindex": "llama_index", "haystack": "haystack"}


class Block(NamedTuple):
    number: int
    heading: str
    language: str
    text: str


def blocks():
    found, heading = [], ""
    page = (ROOT / "docs" / "rag.md").read_text()
    for match in re.finditer(r"^## ([^\n]+)$|^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        heading = match[1] or heading
        if match[2]:
            found.append(Block(len(found), heading, match[2], match[3]))
    return found


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """Run blocks in a folder of their own; `fathom serve` stays until the end, on a port of its own."""
    home = tmp_path_factory.mktemp("recipe")
    (home / "src" / "project").mkdir(parents=True)
    (home / "src" / "project" / "retry.py").write_text(RETRY)
    (home / "src" / "project" / "shapes.py").write_text(SHAPES)
    (home / "bin").mkdir()
    (home / "bin" / "fathom").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cli.main "$@"\n')
    (home / "bin" / "fathom").chmod(0o755)
    kitchen = Kitchen(home)
    yield kitchen
    kitchen.close()


class Kitchen:
    def __init__(self, home):
        self._home, self._server, self._address, self._done = home, None, ADDRESS, {}
        self._environment = {
            **os.environ,
            "HOME": str(home),
            "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(filter(None, [*map(str, (ROOT, ROOT / "client")), os.getenv("PYTHONPATH")])),
            "FATHOM_INDEX": str(home / "index"),
            "FATHOM_PROCESSES": "1",
            "HAYSTACK_TELEMETRY_ENABLED": "False",
        }

    def run(self, block):
        """Run a block, and before it those that it builds upon, once each; return what it said."""
        for each in blocks()[: block.number + 1]:
            if each.number not in self._done and (each == block or not framework(each)):
                self._done[each.number] = self._serve() if each.text == "fathom serve\n" else self._ran(each)
        return self._done[block.number]

    def _ran(self, block):
        command = ["bash", "-e", "-c"] if block.language == "sh" else [sys.executable, "-c"]
        ran = subprocess.run(
            [*command, block.text.replace(ADDRESS, self._address)],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=self._home,
            env=self._environment,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def _serve(self):
        self._server = subprocess.Popen(
            ["fathom", "serve", "--port", "0"], stderr=subprocess.PIPE, text=True, cwd=self._home, env=self._environment
        )
        said = self._server.stderr.readline()
        self._address = re.search(r"http://\S+:\d+", said)[0]
        threading.Thread(target=self._server.stderr.read, daemon=True).start()
        return said

    def close(self):
        if self._server is not None:
            self._server.terminate()
            self._server.wait(timeout=30)
            self._server.stderr.close()


def framework(block):
    match = re.search(r"fathom_client\.(\w+)", block.text)
    return FRAMEWORKS[match[1]] if match else None


@pytest.mark.slow
@pytest.mark.parametrize("block", blocks(), ids=lambda block: f"{block.number}-{block.language}")
def test_a_block_runs(recipe, block):
    needed = framework(block)
    if needed and not importlib.util.find_spec(needed):
        pytest.skip(f"{needed} is not installed")
    said = recipe.run(block)
    if block.language == "python" and "print(" in block.text:
        assert SAID[block.heading] in said


def test_the_page_has_every_part():
    assert {block.heading for block in blocks() if block.language == "python"} == set(SAID)
    assert {framework(block) for block in blocks()} - {None} == set(FRAMEWORKS.values())
