"""A file's text into units: every line in exactly one, in order.

No file is read here, and no unit is cut into blocks.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace

import tree_sitter

from indexer.languages.grammar import Grammar, grammar_of
from indexer.languages.table import Language
from indexer.splitting.cuts import LONG_UNIT_CHARS, statement_rows
from indexer.splitting.definitions import Definition, find, nest
from indexer.splitting.lines import Lines, line_units
from indexer.splitting.sections import sections
from indexer.types import Kind, UnitSpan

# Nested sections, mappings and lists: a document's statements lie deeper than a function's.
_DOCUMENT_DEPTH = 8
_REST = -1
# A tree that is one error with this many children tells nothing, and a query takes their square in time.
_HOPELESS = 10_000


@dataclass(frozen=True, slots=True)
class Split:
    """The units of a file, ascending, covering every line; `parsed` is False where they are line units."""

    units: tuple[UnitSpan, ...]
    parsed: bool


def split_units(text: str, language: Language | None) -> Split:
    """Split a text into its units; without a grammar into line units of at most 60 lines."""
    lines = Lines.of(text)
    grammar = grammar_of(language) if language is not None else None
    if language is None or grammar is None:
        return Split(line_units(lines), parsed=False)
    if not lines.rows:
        return Split((), parsed=True)
    # A grammar may take NUL for the end of the file; a space keeps every position.
    source = text.encode("utf-8", "replace").replace(b"\0", b" ")
    root = grammar.parse(source).root_node
    if root.is_error and root.child_count > _HOPELESS:
        return Split(line_units(lines), parsed=False)
    if language.document:
        return Split(_document(grammar, root, source, lines, language), parsed=True)
    return Split(_code(grammar, root, source, lines, language), parsed=True)


def _document(
    grammar: Grammar, root: tree_sitter.Node, source: bytes, lines: Lines, language: Language
) -> tuple[UnitSpan, ...]:
    units = sections(grammar, root, source, lines, language)
    if not any(_long(unit, lines) for unit in units):
        return tuple(units)
    rows = statement_rows(root, lines, [_REST] * len(lines.rows), _REST, _DOCUMENT_DEPTH)
    return tuple(_with_cuts(unit, rows) if _long(unit, lines) else unit for unit in units)


def _code(
    grammar: Grammar, root: tree_sitter.Node, source: bytes, lines: Lines, language: Language
) -> tuple[UnitSpan, ...]:
    definitions = nest(find(grammar, root, source, language), lines, language)
    owner = _owners(definitions, lines)
    runs = _runs(owner, lines)
    return _cut(_units(runs, definitions), [run[0] for run in runs], definitions, root, lines, owner)


def _owners(definitions: list[Definition], lines: Lines) -> list[int]:
    """Give every row to a definition, by its place in the list, or to the rest."""
    count = len(lines.rows)
    owner = [_REST] * count
    started: set[int] = set()
    for index, definition in enumerate(definitions):
        first = definition.first + (definition.first in started)
        after = min(definition.last + 1, count)
        if first < after:
            started.add(first)
            owner[first:after] = [index] * (after - first)
    _give_blank(owner, lines.blank)
    return owner


def _give_blank(owner: list[int], blank: list[bool]) -> None:
    """Give blank rows to the unit before them, those at the top to the first unit."""
    first = next((row for row, empty in enumerate(blank) if not empty), 0)
    owner[:first] = [owner[first]] * first
    for row in range(first + 1, len(owner)):
        if blank[row]:
            owner[row] = owner[row - 1]


def _runs(owner: list[int], lines: Lines) -> list[tuple[int, int, int]]:
    """Return (owner, first row, last row) runs; brackets that only close go to the run before."""
    runs: list[tuple[int, int, int]] = []
    begun: set[int] = set()
    row = 0
    while row < len(owner):
        mine, first = owner[row], row
        while row < len(owner) and owner[row] == mine:
            row += 1
        tail = mine == _REST or mine in begun
        begun.add(mine)
        if runs and (runs[-1][0] == mine or (tail and lines.closing(first, row - 1))):
            before, start, _ = runs[-1]
            owner[first:row] = [before] * (row - first)
            runs[-1] = (before, start, row - 1)
        else:
            runs.append((mine, first, row - 1))
    return runs


def _units(runs: list[tuple[int, int, int]], definitions: list[Definition]) -> list[UnitSpan]:
    units: list[UnitSpan] = []
    documented: set[int] = set()
    for mine, first, last in runs:
        if mine == _REST:
            units.append(UnitSpan(Kind.MODULE, "", "", "", first + 1, last + 1))
            continue
        found = definitions[mine]
        docstring = "" if mine in documented else found.docstring
        documented.add(mine)
        units.append(UnitSpan(found.kind, found.symbol, found.signature, docstring, first + 1, last + 1))
    return units


def _cut(
    units: list[UnitSpan],
    owners: list[int],
    definitions: list[Definition],
    root: tree_sitter.Node,
    lines: Lines,
    owner: list[int],
) -> tuple[UnitSpan, ...]:
    """Add cuts to the long units; the tree of one owner is walked once."""
    rows: dict[int, list[int]] = {}
    for place, (unit, mine) in enumerate(zip(units, owners, strict=True)):
        if not _long(unit, lines):
            continue
        if mine not in rows:
            rows[mine] = statement_rows(_origin(mine, definitions, root), lines, owner, mine)
        units[place] = _with_cuts(unit, rows[mine])
    return tuple(units)


def _origin(mine: int, definitions: list[Definition], root: tree_sitter.Node) -> tree_sitter.Node:
    if mine == _REST:
        return root
    return definitions[mine].body or definitions[mine].node


def _long(unit: UnitSpan, lines: Lines) -> bool:
    return unit.end_line > unit.start_line and lines.chars(unit.start_line - 1, unit.end_line - 1) > LONG_UNIT_CHARS


def _with_cuts(unit: UnitSpan, rows: list[int]) -> UnitSpan:
    cuts = tuple(row + 1 for row in _between(rows, unit.start_line, unit.end_line))
    return replace(unit, cuts=cuts)


def _between(rows: list[int], after: int, until: int) -> list[int]:
    """Return the rows whose lines lie after one line and up to another."""
    return rows[bisect_left(rows, after) : bisect_left(rows, until)]
