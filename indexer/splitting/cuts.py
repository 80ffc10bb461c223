"""Where a block may begin inside a long unit: the lines at which a statement of its tree starts.

Short units have no cuts, and no block is made here.
"""

from __future__ import annotations

from functools import cache

import tree_sitter

from indexer.splitting.lines import Lines

# About the encoder's window: a unit below it is one block whatever its statements are.
LONG_UNIT_CHARS = 1000
# Statements in a branch in a loop in a function; below that a cut tells little.
_DEPTH = 4
# Nodes that hold no statements: a cut inside a parameter list or a string helps nobody.
_OPAQUE = ("argument", "parameter", "string", "comment", "heredoc", "quoted", "header", "type_")


def statement_rows(
    origin: tree_sitter.Node, lines: Lines, owner: list[int], mine: int, depth: int = _DEPTH
) -> list[int]:
    """Return the rows of `mine`, ascending, on which a node up to `depth` under `origin` is first."""
    rows: set[int] = set()
    stack = [(origin, depth)]
    while stack:
        node, left = stack.pop()
        for child in node.named_children:
            row, column = child.start_point
            if row >= len(owner) or owner[row] != mine:
                continue
            if row not in rows and _first_on_line(lines.rows[row], column):
                rows.add(row)
            if left > 1 and child.end_point.row > row and not _opaque(child.type):
                stack.append((child, left - 1))
    return sorted(rows)


def _first_on_line(line: str, column: int) -> bool:
    return column == 0 or not line[:column].strip()


@cache
def _opaque(node_type: str) -> bool:
    return any(part in node_type for part in _OPAQUE)
