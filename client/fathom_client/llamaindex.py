"""The retriever for LlamaIndex (extra `llamaindex`)."""

from __future__ import annotations

from typing import Any

from fathom_client.aio import AsyncClient
from fathom_client.client import TIMEOUT, Client
from fathom_client.documents import Document, documents
from fathom_client.types import Answer, Mode
from fathom_client.wire import DEFAULT_URL

try:
    from llama_index.core.callbacks import CallbackManager
    from llama_index.core.retrievers import BaseRetriever
    from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
except ImportError as error:
    raise ImportError("this needs llama-index-core: pip install 'fathom-client[llamaindex]'") from error

# What a language model is told of a node beside its text.
_TOLD = frozenset({"source", "symbol"})


class FathomRetriever(BaseRetriever):
    """Finds code on a Fathom server: a node a hit or, with a `budget` of tokens, one that is the packed context.

    Raises FathomError. Every call has connections of its own, so that it may be made from any thread or event loop.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        k: int = 10,
        mode: Mode = "hybrid",
        budget: int | None = None,
        neighbours: bool = False,
        timeout: float = TIMEOUT,
        callback_manager: CallbackManager | None = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(callback_manager=callback_manager, verbose=verbose)
        self._url = url
        self._connection: dict[str, Any] = {"api_key": api_key, "timeout": timeout}
        self._options: dict[str, Any] = {"k": k, "mode": mode, "budget": budget, "neighbours": neighbours}

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        with Client(self._url, **self._connection) as client:
            return _nodes(client.search(query_bundle.query_str, **self._options))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        async with AsyncClient(self._url, **self._connection) as client:
            return _nodes(await client.search(query_bundle.query_str, **self._options))


def _nodes(answer: Answer) -> list[NodeWithScore]:
    return [NodeWithScore(node=_node(each), score=each.score) for each in documents(answer)]


def _node(document: Document) -> TextNode:
    untold = sorted(set(document.metadata) - _TOLD)
    return TextNode(
        id_=document.id,
        text=document.text,
        metadata=document.metadata,
        excluded_llm_metadata_keys=untold,
        excluded_embed_metadata_keys=untold,
    )
