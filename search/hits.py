"""From ranked keys to hits: units with their texts, the parts of their scores, and the lines to show.

Ranks nothing, and cuts no page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from indexer.encoder.interface import Vectors
from indexer.index import View
from indexer.lexical.tokens import terms_by_line
from indexer.types import Block, Unit
from search.highlight import matching_lines
from search.query import Query
from search.retrieval import Asked, Pool, rarity
from search.types import Hit


def read_hits(
    view: View, asked: Asked, pool: Pool, keys: Sequence[int], offset: int, like: Mapping[int, tuple[str, ...]]
) -> tuple[Hit, ...]:
    """Return the hits of `keys`, which follow `offset` others; `like` has the ids of the units like some of them."""
    units, nearest = view.at_once(lambda: view.store.units(keys), lambda: _nearest_lines(view, keys, asked.vector))
    purposes = {key: written.purpose for key, written in view.rewritings(keys).items()}
    places = {key: place for place, key in enumerate(pool.keys.tolist())}
    weights = rarity(view, asked.said)
    hits = []
    for rank, key in enumerate(keys, offset + 1):
        place = places.get(key)
        parts = {} if place is None else {name: float(values[place]) for name, values in pool.parts.items()}
        shown = _lines(asked.query, units[key], weights, nearest.get(key, range(0)))
        hits.append(_hit(rank, units[key], purposes.get(key), parts, shown, like.get(key, ())))
    return tuple(hits)


def _lines(query: Query, unit: Unit, weights: Mapping[str, float], near: range) -> tuple[int, ...]:
    """Return the lines to show: where no word matched, the first of those that are nearest in meaning."""
    patterns = query.marked_patterns()
    found = matching_lines(unit.text, unit.start_line, frozenset(weights), terms_by_line, patterns, weights, near=near)
    return found or tuple(near[:1])


def _nearest_lines(view: View, keys: Sequence[int], vector: Vectors | None) -> dict[int, range]:
    """Return the lines that are nearest in meaning, of units that have vectors; none where no vector is wanted."""
    if vector is None:
        return {}
    return {key: _nearest(blocks, vector) for key, blocks in view.store.blocks(keys).items()}


def _nearest(blocks: Sequence[tuple[Block, Vectors]], vector: Vectors) -> range:
    """Return the lines of the block whose vector is nearest to the query's.

    What the encoder attends to in a unit says less of where an answer is: alone, and as a factor, it was worse.
    """
    best = max(blocks, key=lambda entry: float(entry[1] @ vector))[0]
    return range(best.start_line, best.end_line + 1)


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
