"""From ranked keys to hits: units with their texts, the parts of their scores, and the lines to show.

Ranks nothing, and cuts no page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from indexer.index import View
from indexer.lexical.tokens import terms
from indexer.types import Unit
from search.highlight import matching_lines
from search.query import Query
from search.retrieval import Asked, Pool, rarity
from search.types import Hit


def read_hits(
    view: View, asked: Asked, pool: Pool, keys: Sequence[int], offset: int, like: Mapping[int, tuple[str, ...]]
) -> tuple[Hit, ...]:
    """Return the hits of `keys`, which follow `offset` others; `like` has the ids of the units like some of them."""
    units = view.store.units(keys)
    purposes = {key: written.purpose for key, written in view.rewritings(keys).items()}
    places = {key: place for place, key in enumerate(pool.keys.tolist())}
    weights = rarity(view, asked.said)
    lines = {key: _lines(asked.query, unit, weights) for key, unit in units.items()}
    wordless = [key for key, found in lines.items() if not found]
    blocks = view.store.blocks(wordless) if asked.vector is not None else {}
    hits = []
    for rank, key in enumerate(keys, offset + 1):
        place = places.get(key)
        parts = {} if place is None else {name: float(values[place]) for name, values in pool.parts.items()}
        shown = lines[key] or _best_block(blocks.get(key), asked.vector)
        hits.append(_hit(rank, units[key], purposes.get(key), parts, shown, like.get(key, ())))
    return tuple(hits)


def _lines(query: Query, unit: Unit, weights: Mapping[str, float]) -> tuple[int, ...]:
    patterns = query.required_patterns()
    return matching_lines(unit.text, unit.start_line, frozenset(weights), terms, patterns, weights)


def _best_block(blocks: Any, vector: Any) -> tuple[int, ...]:
    """Return the first line of the block that is nearest to the query."""
    if not blocks or vector is None:
        return ()
    best = max(blocks, key=lambda entry: float(entry[1] @ vector))[0]
    return (best.start_line,)


def _hit(
    rank: int, unit: Unit, purpose: str | None, parts: dict[str, float], lines: tuple[int, ...], like: tuple[str, ...]
) -> Hit:
    return Hit(
        rank=rank,
        id=unit.id,
        repository=unit.repository,
        path=unit.path,
        start_line=unit.start_line,
        end_line=unit.end_line,
        language=unit.language,
        kind=unit.kind.value,
        symbol=unit.symbol,
        signature=unit.signature,
        docstring=unit.docstring,
        purpose=purpose,
        score=sum(parts.values()),
        parts=parts,
        lines=lines,
        text=unit.text,
        like=like,
    )
