"""The LangChain retriever, on langchain-core itself and a real server."""

import asyncio

import pytest

pytest.importorskip("langchain_core", reason="langchain-core is not installed: pip install langchain-core")
from fathom_client import BadRequest
from fathom_client.langchain import FathomRetriever
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from pydantic import ValidationError


@pytest.mark.parametrize("wrong", [{"k": 0}, {"mode": "psychic"}, {"budget": 0}, {"timeout": 0}])
def test_wrong_options_are_refused(wrong):
    with pytest.raises(ValidationError):
        FathomRetriever(**wrong)


def test_errors_are_raised_not_swallowed(served):
    retriever = FathomRetriever(url=served)
    with pytest.raises(BadRequest):
        retriever.invoke("/(/")
    with pytest.raises(BadRequest):
        asyncio.run(retriever.ainvoke("/(/"))


def test_a_key_is_not_shown():
    assert "secret" not in repr(FathomRetriever(api_key="secret"))


def test_documents_come_sync_and_async_alike(served):
    retriever = FathomRetriever(url=served, k=2)
    assert isinstance(retriever, BaseRetriever)
    found = retriever.invoke("read settings")
    assert "def read_settings" in found[0].page_content
    assert found[0].metadata["source"].startswith("tree/ring.py:")
    assert found[0].id
    assert len(found) == 2
    for _ in range(2):  # each in an event loop of its own
        assert asyncio.run(retriever.ainvoke("read settings")) == found
    assert retriever.batch(["read settings"] * 3) == [found] * 3


def test_a_budget_gives_the_context_and_it_goes_into_a_chain(served):
    chain = FathomRetriever(url=served, budget=400, neighbours=True) | RunnableLambda(
        lambda documents: "".join(each.page_content for each in documents)
    )
    prompt = chain.invoke("oldest entry")
    assert "quoted as data" in prompt
    assert "class Ring" in prompt
    assert FathomRetriever(url=served, budget=1).invoke("oldest entry") == []
