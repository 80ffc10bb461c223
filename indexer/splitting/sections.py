"""Documents into sections: Markdown by headings, the rest at the top-level nodes that a query marks.

Functions and classes are not known here.
"""

from __future__ import annotations

from dataclasses import dataclass

import tree_sitter

from indexer.languages.grammar import Grammar
from indexer.languages.table import Language
from indexer.splitting.lines import SYMBOL_CHARS, Lines, one_line
from indexer.types import Kind, UnitSpan

_LEVELS = {f"h{level}": level for level in range(1, 7)}


@dataclass(slots=True)
class _Section:
    row: int
    names: list[str]
    level: int = 1


def sections(
    grammar: Grammar, root: tree_sitter.Node, source: bytes, lines: Lines, language: Language
) -> list[UnitSpan]:
    """Return the sections of a document, in order, covering every line."""
    starts = _starts(grammar, root, source)
    for start in starts:
        start.row = _with_comment(start.row, lines, language)
    starts = _one_a_row(starts, lines)
    if any(start.level > 1 for start in starts) or language.section_lines == 0:
        _paths(starts, nested=language.name == "markdown")
    if language.section_lines:
        starts = _grouped(starts, len(lines.rows), language.section_lines)
    ends = [start.row for start in starts[1:]] + [len(lines.rows)]
    return [_unit(start, end, lines) for start, end in zip(starts, ends, strict=True)]


def _starts(grammar: Grammar, root: tree_sitter.Node, source: bytes) -> list[_Section]:
    found = []
    for _, captures in tree_sitter.QueryCursor(grammar.query).matches(root):
        capture = next(name for name in captures if name == "section" or name in _LEVELS)
        name = captures.get("name")
        raw = source[name[0].start_byte : name[0].end_byte][: 4 * SYMBOL_CHARS] if name else b""
        words = " ".join(raw.decode("utf-8", "ignore").split()).strip("\"'")
        found.append(_Section(captures[capture][0].start_point.row, [words], _LEVELS.get(capture, 1)))
    return sorted(found, key=lambda section: section.row)


def _with_comment(row: int, lines: Lines, language: Language) -> int:
    while row > 0 and not lines.blank[row - 1]:
        start = lines.comment_above(row - 1, 0, language.comments)
        if start >= row:
            break
        row = start
    return row


def _one_a_row(starts: list[_Section], lines: Lines) -> list[_Section]:
    """Keep the first section of a row; what stands before the first is a section without a name."""
    kept: list[_Section] = []
    for start in starts:
        if not kept or start.row > kept[-1].row:
            kept.append(start)
    first = next((row for row, blank in enumerate(lines.blank) if not blank), 0)
    if not kept or kept[0].row > first:
        return [_Section(0, [""]), *kept]
    kept[0].row = 0
    return kept


def _paths(starts: list[_Section], *, nested: bool) -> None:
    """Replace every heading by its path from the document's top."""
    path: list[tuple[int, str]] = []
    for start in starts:
        while nested and path and path[-1][0] >= start.level:
            path.pop()
        if nested and start.names != [""]:
            path.append((start.level, start.names[0]))
            start.names = [" > ".join(name for _, name in path)]


def _grouped(starts: list[_Section], count: int, limit: int) -> list[_Section]:
    """Join neighbours while together they stay within `limit` lines."""
    ends = [start.row for start in starts[1:]] + [count]
    grouped: list[_Section] = []
    for start, end in zip(starts, ends, strict=True):
        if grouped and end - grouped[-1].row <= limit:
            grouped[-1].names += start.names
        else:
            grouped.append(start)
    return grouped


def _unit(start: _Section, end: int, lines: Lines) -> UnitSpan:
    symbol = ", ".join(dict.fromkeys(name for name in start.names if name))[:SYMBOL_CHARS]
    first = next((row for row in range(start.row, end) if not lines.blank[row]), start.row)
    signature = one_line(lines.rows[first][:SYMBOL_CHARS].encode("utf-8", "replace"))
    return UnitSpan(Kind.SECTION, symbol, signature, "", start.row + 1, end)
