"""Near-duplicates in a ranked list: the first of them stands for those like it.

A pure function of what is ranked; nothing is read, and no page is cut.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from indexer.splitting.likeness import SKETCH_BYTES, likeness
from indexer.store.interface import Head

# Estimated share of common runs of three words from which units are near-duplicates: a name changed once in 40 words.
ALIKE = 0.85
# Units looked at, the best first: ten pages of ten. Copies further down stay where they are.
_LOOKED_AT = 100


def collapse(heads: Sequence[Head]) -> dict[int, tuple[int, ...]]:
    """Return the rows that stay in a ranked list, in order, each with the rows, in order, of the units like it.

    A unit joins the first above it that it is like and that stays itself; one without a sketch is like none.
    """
    rows = [row for row, head in enumerate(heads[:_LOOKED_AT]) if len(head.sketch) == SKETCH_BYTES]
    alike = likeness([heads[row].sketch for row in rows]) >= ALIKE
    like: dict[int, list[int]] = {}
    gone: set[int] = set()
    for above, below in np.argwhere(np.triu(alike, 1)).tolist():  # by the upper of each pair: it is settled by then
        if rows[above] not in gone and rows[below] not in gone:
            like.setdefault(rows[above], []).append(rows[below])
            gone.add(rows[below])
    return {row: tuple(like.get(row, ())) for row in range(len(heads)) if row not in gone}
