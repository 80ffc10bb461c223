"""The retriever for LangChain (extra `langchain`)."""

from __future__ import annotations

from typing import Any

from fathom_client.aio import AsyncClient
from fathom_client.client import TIMEOUT, Client
from fathom_client.documents import documents
from fathom_client.types import Answer, Mode
from fathom_client.wire import DEFAULT_URL

try:
    from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever
    from pydantic import Field, SecretStr
except ImportError as error:
    raise ImportError("this needs langchain-core: pip install 'fathom-client[langchain]'") from error


class FathomRetriever(BaseRetriever):
    """Finds code on a Fathom server: a document a hit or, with a `budget` of tokens, one that is the packed context.

    Raises FathomError. Every call has connections of its own, so that it may be made from any thread or event loop.
    """

    url: str = DEFAULT_URL
    api_key: SecretStr | None = None
    k: int = Field(default=10, ge=1)
    mode: Mode = "hybrid"
    budget: int | None = Field(default=None, ge=1)
    neighbours: bool = False
    timeout: float = Field(default=TIMEOUT, gt=0)

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        del run_manager  # tells of the call itself, by the base class
        with Client(self.url, **self._connection()) as client:
            return _documents(client.search(query, **self._options()))

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun
    ) -> list[Document]:
        del run_manager
        async with AsyncClient(self.url, **self._connection()) as client:
            return _documents(await client.search(query, **self._options()))

    def _connection(self) -> dict[str, Any]:
        return {"api_key": self.api_key.get_secret_value() if self.api_key else None, "timeout": self.timeout}

    def _options(self) -> dict[str, Any]:
        return {"k": self.k, "mode": self.mode, "budget": self.budget, "neighbours": self.neighbours}


def _documents(answer: Answer) -> list[Document]:
    return [Document(id=each.id, page_content=each.text, metadata=each.metadata) for each in documents(answer)]
