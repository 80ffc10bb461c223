"""The Haystack component, on haystack-ai itself and a real server."""

import asyncio
import os

import pytest

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"  # no test needs the network
pytest.importorskip("haystack", reason="haystack-ai is not installed: pip install haystack-ai")
from fathom_client import BadRequest
from fathom_client.haystack import FathomRetriever
from haystack import Pipeline
from haystack.components.builders import PromptBuilder
from haystack.utils import Secret


def test_wrong_use_is_refused(served):
    with pytest.raises(ValueError, match="top_k"):
        FathomRetriever(top_k=0)
    retriever = FathomRetriever(served)
    with pytest.raises(ValueError, match="lang:python"):
        retriever.run("q", filters={"field": "meta.language"})
    with pytest.raises(BadRequest):
        retriever.run("/(/")
    with pytest.raises(BadRequest):
        asyncio.run(retriever.run_async("/(/"))


def test_documents_come_sync_and_async_alike(served):
    retriever = FathomRetriever(served)
    found = retriever.run("read settings", top_k=2)["documents"]
    assert "def read_settings" in found[0].content
    assert found[0].score > found[1].score
    assert found[0].meta["source"].startswith("tree/ring.py:")
    assert len(found) == 2
    for _ in range(2):  # each in an event loop of its own
        assert asyncio.run(retriever.run_async("read settings", top_k=2))["documents"] == found


def test_a_pipeline_is_written_and_read_again_without_its_key(served, monkeypatch):
    monkeypatch.setenv("FATHOM_KEY", "secret")
    pipeline = Pipeline()
    retriever = FathomRetriever(served, Secret.from_env_var("FATHOM_KEY"), top_k=3, budget=400, neighbours=True)
    pipeline.add_component("retriever", retriever)
    template = "{% for each in documents %}{{ each.content }}{% endfor %}Question: {{ question }}"
    pipeline.add_component("prompt", PromptBuilder(template, required_variables=["documents", "question"]))
    pipeline.connect("retriever.documents", "prompt.documents")
    written = pipeline.dumps()
    assert "secret" not in written
    again = Pipeline.loads(written, **_allowing())
    asked = {"retriever": {"query": "oldest entry"}, "prompt": {"question": "which?"}}
    for each in (pipeline, again):
        prompt = each.run(asked)["prompt"]["prompt"]
        assert "quoted as data" in prompt
        assert prompt.endswith("Question: which?")
    assert FathomRetriever(served, budget=1).run("oldest entry") == {"documents": []}


def _allowing():
    """Return what newer versions ask before they load classes of other packages."""
    import inspect

    return (
        {"allowed_modules": ["fathom_client.*"]}
        if "allowed_modules" in inspect.signature(Pipeline.loads).parameters
        else {}
    )
