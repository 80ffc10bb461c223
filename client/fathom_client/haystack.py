"""The retriever for Haystack (extra `haystack`)."""

from __future__ import annotations

from typing import Any

from fathom_client.aio import AsyncClient
from fathom_client.client import TIMEOUT, Client
from fathom_client.documents import documents
from fathom_client.types import Answer, Mode
from fathom_client.wire import DEFAULT_URL

try:
    from haystack import Document, component, default_from_dict, default_to_dict
    from haystack.utils import Secret
except ImportError as error:
    raise ImportError("this needs haystack-ai: pip install 'fathom-client[haystack]'") from error


@component
class FathomRetriever:
    """Finds code on a Fathom server: a document a hit or, with a `budget` of tokens, one that is the packed context.

    Raises FathomError. Every call has connections of its own, so that it may be made from any thread or event loop.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        api_key: Secret | None = None,
        top_k: int = 10,
        mode: Mode = "hybrid",
        budget: int | None = None,
        neighbours: bool = False,
        timeout: float = TIMEOUT,
    ) -> None:
        if top_k < 1:
            raise ValueError(f"top_k is {top_k}; it must be at least 1")
        self.url, self.api_key, self.timeout = url, api_key, timeout
        self.top_k, self.mode, self.budget, self.neighbours = top_k, mode, budget, neighbours

    def to_dict(self) -> dict[str, Any]:
        """Return the component as a pipeline's file holds it."""
        fields = {name: value for name, value in vars(self).items() if name in _FIELDS}
        key = self.api_key.to_dict() if self.api_key else None
        written: dict[str, Any] = default_to_dict(self, **{**fields, "api_key": key})
        return written

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> FathomRetriever:
        """Return the component that a pipeline's file holds."""
        fields = dict(data.get("init_parameters", {}))
        if isinstance(fields.get("api_key"), dict):
            fields["api_key"] = Secret.from_dict(fields["api_key"])
        made: FathomRetriever = default_from_dict(cls, {**data, "init_parameters": fields})
        return made

    @component.output_types(documents=list[Document])
    def run(
        self, query: str, filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """Return the documents for a query; raise ValueError for `filters`: a query names its own (`lang:go`)."""
        _refuse(filters)
        with Client(self.url, **self._connection()) as client:
            return _documents(client.search(query, **self._options(top_k)))

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query: str, filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """Return the documents for a query; raise ValueError for `filters`: a query names its own (`lang:go`)."""
        _refuse(filters)
        async with AsyncClient(self.url, **self._connection()) as client:
            return _documents(await client.search(query, **self._options(top_k)))

    def _connection(self) -> dict[str, Any]:
        return {"api_key": self.api_key.resolve_value() if self.api_key else None, "timeout": self.timeout}

    def _options(self, top_k: int | None) -> dict[str, Any]:
        k = self.top_k if top_k is None else top_k
        return {"k": k, "mode": self.mode, "budget": self.budget, "neighbours": self.neighbours}


_FIELDS = frozenset({"url", "top_k", "mode", "budget", "neighbours", "timeout"})


def _refuse(filters: dict[str, Any] | None) -> None:
    if filters:
        raise ValueError("filters are part of Fathom's query, as in 'lang:python path:src/** retries'")


def _documents(answer: Answer) -> dict[str, list[Document]]:
    found = [
        Document(id=each.id, content=each.text, score=each.score, meta=each.metadata) for each in documents(answer)
    ]
    return {"documents": found}
