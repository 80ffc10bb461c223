"""How much two sets of terms say of each other: what the signals of names and files share."""

from __future__ import annotations

from collections.abc import Mapping, Set
from functools import lru_cache

from indexer.lexical.tokens import terms

# A name of one word that a long question happens to say is no answer yet: shorter names count as this long.
_LEAST_TERMS = 3


def share_of_name(own: Set[str], query: Set[str]) -> float:
    """Return the share of a name's terms that the query has."""
    return len(own & query) / max(1, min(_LEAST_TERMS, len(query)), len(own))


def share_of_query(own: frozenset[str], rarity: Mapping[str, float]) -> float:
    """Return the share of what the query says, each term by its rarity, that a name says too."""
    shared = own.intersection(rarity)
    total = sum(rarity.values()) if shared else 0.0
    return sum(rarity[term] for term in sorted(shared)) / total if total else 0.0


@lru_cache(maxsize=20_000)
def name_terms(text: str) -> frozenset[str]:
    """Return the terms of a name or of a part of a path."""
    return frozenset(terms(text))
