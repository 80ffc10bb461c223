"""The LlamaIndex retriever, on llama-index-core itself and a real server."""

import asyncio

import pytest

pytest.importorskip("llama_index.core", reason="llama-index-core is not installed: pip install llama-index-core")
from fathom_client import BadRequest
from fathom_client.llamaindex import FathomRetriever
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import MetadataMode, QueryBundle


def test_errors_are_raised_not_swallowed(served):
    retriever = FathomRetriever(served)
    with pytest.raises(BadRequest):
        retriever.retrieve("/(/")
    with pytest.raises(BadRequest):
        asyncio.run(retriever.aretrieve("/(/"))


def test_nodes_come_sync_and_async_alike(served):
    retriever = FathomRetriever(served, k=2)
    assert isinstance(retriever, BaseRetriever)
    found = retriever.retrieve("read settings")
    assert "def read_settings" in found[0].node.get_content()
    assert found[0].score > found[1].score
    assert found[0].node.metadata["repository"] == "tree"
    shown = found[0].node.get_content(MetadataMode.LLM)
    assert "source: tree/ring.py:" in shown
    assert "repository:" not in shown
    for _ in range(2):  # each in an event loop of its own
        later = asyncio.run(retriever.aretrieve(QueryBundle("read settings")))
        assert [each.node_id for each in later] == [each.node_id for each in found]


def test_a_budget_gives_the_context_as_one_node(served):
    (found,) = FathomRetriever(served, budget=400, neighbours=True).retrieve("oldest entry")
    assert "quoted as data" in found.node.get_content()
    assert found.node.metadata["tokens"] <= 400
    assert FathomRetriever(served, budget=1).retrieve("oldest entry") == []
