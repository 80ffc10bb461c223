"""Ordered trees with labels, and the tree edit distance between two: how many nodes to insert, delete or relabel.

No language is known here. The distance is that of Zhang and Shasha (1989), worked out a row at a time with numpy: all
subtrees of one side against one forest of the other at once.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

# Above either, the distance is not worked out but bounded. Two trees of 3,000 nodes (350 lines of code) take some 3 s
# and 150 MB, the largest twice that. Distances stay below 32,768.
LARGEST = 5_000
_CELLS = 1 << 27

Ints = NDArray[np.int32]
Shorts = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree in postorder: each node's label, and the position of the leftmost leaf below it (its own if a leaf)."""

    labels: tuple[str, ...]
    leftmost: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Distance:
    """A tree edit distance; where `exact` is False, a lower bound of it."""

    value: int
    exact: bool = True


def tree_edit_distance(left: Tree, right: Tree) -> Distance:
    """Return how many nodes are inserted, deleted or relabelled to make one tree of the other, each at a cost of 1.

    Trees that are too large for that get the edit distance of their labels in postorder, which is never more (Guha et
    al. 2002, section 4).
    """
    if left == right:
        return Distance(0)
    rows, columns = min(((left, right), (right, left)), key=lambda pair: len(pair[0]) * _width(pair[1]))
    if max(len(left), len(right)) > LARGEST or len(rows) * _width(columns) > _CELLS:
        return Distance(Levenshtein.distance(left.labels, right.labels), exact=False)
    known: dict[Hashable, int] = {}
    numbers = [[known.setdefault(label, len(known)) for label in tree.labels] for tree in (rows, columns)]
    return Distance(_Table(rows, columns, *numbers).distance())


def keyroots(leftmost: Sequence[int]) -> list[int]:
    """Return, in order, the root and every node that has a sibling to its left: each path of leftmost kids once."""
    return sorted({first: node for node, first in enumerate(leftmost)}.values())


def _width(tree: Tree) -> int:
    """Return how many cells a row takes: one for each node below each keyroot, and one for each empty forest."""
    return sum(root - tree.leftmost[root] + 2 for root in keyroots(tree.leftmost))


class _Columns:
    """The forests of one tree side by side: a segment for each keyroot, the empty forest first in it.

    Segments stand in order of how many keyroots are nested below theirs, so that what a segment needs of others lies
    to its left; `levels` are the bounds of those of equal nesting. `node` is each cell's node (−1 the empty forest),
    `size` its forest's size, `before` the cell of the forest without the node's subtree, `whole` whether the forest is
    that subtree.
    """

    def __init__(self, leftmost: Sequence[int]) -> None:
        nesting = _nesting(leftmost)
        order = sorted(nesting, key=lambda root: (nesting[root], root))
        nodes, starts, begins, at = [], [], [], 0
        self.levels: list[slice] = []
        bounds = []
        for place, root in enumerate(order):
            if place == 0 or nesting[root] != nesting[order[place - 1]]:
                bounds.append(at)
            first = leftmost[root]
            nodes.append(np.concatenate(([-1], np.arange(first, root + 1))))
            starts.append(np.full(root - first + 2, at))
            begins.append(np.full(root - first + 2, first))
            at += root - first + 2
        self.levels = [slice(low, high) for low, high in pairwise([*bounds, at])]
        self.node = np.concatenate(nodes)
        self.start, first_leaf = np.concatenate(starts), np.concatenate(begins)
        self.size: Ints = (np.arange(at) - self.start).astype(np.int32)
        left = np.where(self.node < 0, first_leaf, np.asarray(leftmost)[self.node])
        self.before = self.start + left - first_leaf
        self.empty = self.node < 0
        self.whole = (left == first_leaf) & ~self.empty


def _nesting(leftmost: Sequence[int]) -> dict[int, int]:
    """Return, by keyroot, the length of the longest chain of keyroots nested below it."""
    found: dict[int, int] = {}
    open_roots: list[int] = []
    for root in keyroots(leftmost):
        deepest = 0
        while open_roots and open_roots[-1] >= leftmost[root]:
            deepest = max(deepest, found[open_roots.pop()] + 1)
        found[root] = deepest
        open_roots.append(root)
    return found


class _Table:
    """Distances between all subtrees of two trees, filled keyroot by keyroot of the first."""

    def __init__(self, rows: Tree, columns: Tree, row_labels: list[int], column_labels: list[int]) -> None:
        self._leftmost = rows.leftmost
        self._columns = cells = _Columns(columns.leftmost)
        self._row_labels = row_labels
        self._labels = np.where(cells.empty, -1, np.asarray(column_labels)[cells.node])
        # Insertions run along a segment: with a cell's position subtracted they are a running minimum, and with a
        # larger amount for every segment to the right none runs on into the next.
        segment = np.cumsum(cells.empty)
        self._slope: Ints = (cells.size + segment * (len(rows) + len(columns) + 2)).astype(np.int32)
        self._subtrees: Ints = np.zeros((len(rows), len(columns)), np.int32)
        self._levels = [(part, np.flatnonzero(cells.whole[part])) for part in cells.levels]

    def distance(self) -> int:
        for root in keyroots(self._leftmost):
            self._fill(root)
        return int(self._subtrees[-1, -1])

    def _fill(self, root: int) -> None:
        """Fill in the distances of all subtrees on the leftmost path below a keyroot."""
        first = self._leftmost[root]
        forests = np.empty((root - first + 2, len(self._columns.node)), np.int16)
        forests[0] = self._columns.size
        for node in range(first, root + 1):
            row = node - first
            if self._leftmost[node] == first:
                self._own(node, row + 1, forests)
            else:
                without = forests[self._leftmost[node] - first][self._columns.before]
                apart = without + self._subtrees[node][self._columns.node]
                self._settle(np.minimum(forests[row] + 1, apart), row + 1, slice(None), forests)

    def _own(self, node: int, row: int, forests: Shorts) -> None:
        """Fill in a row whose forest is the node's whole subtree: the subtrees' distances come of it, inner first."""
        cells, above = self._columns, forests[row - 1]
        same = np.empty_like(above)
        same[1:] = above[:-1] + (self._labels[1:] != self._row_labels[node])
        apart, subtrees = cells.size[cells.before], self._subtrees[node]
        for part, whole in self._levels:
            nodes = cells.node[part]
            found = apart[part] + subtrees[nodes]
            found[whole] = same[part][whole]
            self._settle(np.minimum(above[part] + 1, found), row, part, forests)
            subtrees[nodes[whole]] = forests[row, part][whole]

    def _settle(self, costs: Ints, row: int, part: slice, forests: Shorts) -> None:
        """Write a part of a row: what its cells cost, or a cell to the left and one insertion for each step."""
        costs[self._columns.empty[part]] = row
        costs -= self._slope[part]
        np.minimum.accumulate(costs, out=costs)
        costs += self._slope[part]
        forests[row, part] = costs
