"""An answer as the documents that frameworks for language models pass on. Knows none of these frameworks."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

from fathom_client.types import Answer, Hit

# Fields of a hit that are not told beside its text: the text itself, and what only people who tune need.
_UNTOLD = frozenset({"text", "parts", "signature", "docstring", "purpose"})


@dataclass(frozen=True, slots=True)
class Document:
    """A text with an id of its own, what is known of it, and its score where there is one."""

    id: str
    text: str
    score: float | None
    metadata: dict[str, Any]


def documents(answer: Answer) -> list[Document]:
    """Return a document a hit, best first; of an answer with a context, the context as one, or none if it is empty."""
    context = answer.context
    if context is None:
        return [_of_hit(hit) for hit in answer.hits]
    if not context.text:
        return []
    told = {"tokens": context.tokens, "units": list(context.units), "left_out": list(context.left_out)}
    name = hashlib.sha256(context.text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    score = answer.hits[0].score if answer.hits else None
    return [Document(name, context.text, score, {"source": "fathom", "query": answer.query, **told})]


def _of_hit(hit: Hit) -> Document:
    told = {name: _plain(value) for name, value in asdict(hit).items() if name not in _UNTOLD}
    place = f"{hit.repository}/{hit.path}:{hit.start_line}-{hit.end_line}"
    return Document(hit.id, hit.text, hit.score, {"source": place, **told})


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
