"""Units to blocks that fit the encoder's window, cut where statements begin (after SEA, section 3).

Every token is in exactly one block. No tokeniser and no model here.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from indexer.types import Block

# A block is cut at a statement or line only if that fills at least this share of the window:
# else the blocks would be many and small.
_FILL = 0.5


def cut_blocks(
    starts: NDArray[np.int32], text: str, start_line: int, cuts: Sequence[int], window: int
) -> tuple[Block, ...]:
    """Return neighbouring blocks of at most `window` tokens that cover all tokens.

    `starts` are the characters of `text` at which tokens begin, `start_line` is the number of its
    first line, `cuts` the lines at which a statement begins. A block ends at a statement if it can,
    else at a line's end, else inside a line. Lines end at a line feed only.
    """
    count = len(starts)
    if count <= window:
        return (one_block(text, start_line, count),)
    breaks = [match.start() for match in re.finditer("\n", text)]
    lines = np.searchsorted(np.array(breaks, dtype=np.int64), starts, side="left")
    statements = _first_tokens(lines, [cut - start_line for cut in cuts])
    line_starts = (np.flatnonzero(np.diff(lines)) + 1).tolist()
    blocks, first = [], 0
    while first < count:
        last = _end(first, count, window, statements, line_starts)
        blocks.append(Block(start_line + int(lines[first]), start_line + int(lines[last - 1]), first, last))
        first = last
    return tuple(blocks)


def one_block(text: str, start_line: int, count: int) -> Block:
    """Return a text of `count` tokens as one block."""
    return Block(start_line, start_line + text.count("\n", 0, max(0, len(text) - 1)), 0, count)


def _end(first: int, count: int, window: int, statements: list[int], line_starts: list[int]) -> int:
    """Return where the block that starts at token `first` ends."""
    if count - first <= window:
        return count
    # What is left is shared evenly, so that no tiny block remains at the end.
    wanted = -(-(count - first) // -(-(count - first) // window))
    for places in (statements, line_starts):
        place = _nearest(places, first + max(1, int(wanted * _FILL)), first + wanted, first + window)
        if place is not None:
            return place
    return first + wanted


def _nearest(places: list[int], least: int, wanted: int, most: int) -> int | None:
    """Return the place in [least, most] nearest to `wanted`."""
    found = places[bisect_left(places, least) : bisect_right(places, most)]
    return min(found, key=lambda place: (abs(place - wanted), place), default=None)


def _first_tokens(lines: NDArray[np.int64], wanted: Sequence[int]) -> list[int]:
    """Return the first token at or after each wanted line (0-based), ascending and distinct."""
    return sorted({int(place) for place in np.searchsorted(lines, np.array(wanted, dtype=np.int64))} - {0, len(lines)})
