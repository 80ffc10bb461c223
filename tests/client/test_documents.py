"""What frameworks get of an answer, and what is said where they are not installed."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("httpx", reason="httpx is not installed: pip install httpx")
from fathom_client import Answer
from fathom_client.documents import documents
from fathom_client.reading import read

from tests.client.scripted import answer, hit

CLIENT = str(Path(__file__).parents[2] / "client")


def test_a_document_a_hit():
    found = documents(read(Answer, answer(hits=[hit(id="a", lines=[2]), hit(id="b")])))
    assert [each.id for each in found] == ["a", "b"]
    assert found[0].text == "def f():\n    pass"
    assert found[0].metadata["source"] == "tree/a.py:1-2"
    assert found[0].metadata["lines"] == [2]
    assert not {"text", "parts"} & set(found[0].metadata)


def test_a_context_is_one_document_and_an_empty_one_none():
    context = {"text": "packed", "tokens": 3, "units": ["a"], "left_out": ["b"]}
    (found,) = documents(read(Answer, answer(hits=[hit(id="a"), hit(id="b")], context=context)))
    assert (found.text, found.score) == ("packed", 0.5)
    assert (found.metadata["units"], found.metadata["left_out"], found.metadata["tokens"]) == (["a"], ["b"], 3)
    nothing = {"text": "", "tokens": 0, "units": [], "left_out": ["a"]}
    assert documents(read(Answer, answer(hits=[hit(id="a")], context=nothing))) == []


@pytest.mark.parametrize(
    ("module", "package", "extra"),
    [
        ("langchain", "langchain_core", "langchain"),
        ("llamaindex", "llama_index", "llamaindex"),
        ("haystack", "haystack", "haystack"),
    ],
)
def test_a_framework_that_is_missing_is_named_with_the_command_that_installs_it(module, package, extra):
    if importlib.util.find_spec(package):
        pytest.skip(f"{package} is installed here")
    ran = subprocess.run(
        [sys.executable, "-c", f"import fathom_client.{module}"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": CLIENT},
        timeout=60,
    )
    assert ran.stderr.splitlines()[-1].endswith(f"pip install 'fathom-client[{extra}]'")


def test_the_client_itself_imports_no_framework_and_nothing_of_the_engine():
    code = (
        "import sys, fathom_client; print([name for name in ('pydantic', 'langchain_core', 'llama_index', 'haystack', "
        "'search', 'indexer', 'numpy') if name in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": CLIENT}, timeout=60, cwd=CLIENT
    )
    assert ran.stdout == "[]\n", ran.stderr
