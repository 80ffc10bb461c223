"""The lines of a text and what can be told of them without a grammar: blank, closing, comments.

No tree is looked at here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from indexer.types import Kind, UnitSpan

# A screen or two: what an unparsed file is cut into.
_LINE_UNIT = 60
# A comment that documents what follows it, even after a blank line.
_DOC_OPENER, _DOC_CLOSER = "/**", "*/"
# What a symbol, a signature and a docstring may hold at most, so that one of them never drowns a unit.
SYMBOL_CHARS = 300
SIGNATURE_CHARS = 300
DOCSTRING_CHARS = 2000
# A signature is looked for in so many bytes: white space is collapsed before the cap is applied.
_HEADER_BYTES = 4 * SIGNATURE_CHARS

_OPENING = " {;:"
_OPENING_WORDS = (" =", " do", " where", " AS", " as", " end")
_CLOSING = re.compile(r"[\s\])}>;,]*\Z|\s*end[;,)]*\s*\Z|\s*#endif\b.*\Z")
_MARKERS = re.compile(
    r"^\s*(?:/\*+!?|///?[/!]*|\*+(?!/)|#+[:!']?|--+\[*|\{-|<!--)?[ \t]?[|^]?[ \t]?"
    r"(.*?)\s*(?:\*+/|-\}|--+\]*>?|-->)?\s*$"
)
_BLOCKS = {"/*": "*/", "{-": "-}", "<!--": "-->"}


@dataclass(frozen=True, slots=True)
class Lines:
    """A text as lines, split on line feeds alone; rows count from 0."""

    rows: list[str]
    blank: list[bool]

    @classmethod
    def of(cls, text: str) -> Lines:
        """Split a text; a final line feed starts no new line."""
        rows = text.split("\n")
        if not rows[-1]:
            rows.pop()
        return cls(rows, [not row or row.isspace() for row in rows])

    def closing(self, first: int, last: int) -> bool:
        """Tell whether rows hold only closing brackets, `end` and the like."""
        return all(_CLOSING.match(self.rows[row]) for row in range(first, last + 1))

    def chars(self, first: int, last: int) -> int:
        """Return how many characters the rows hold, without line ends."""
        return sum(map(len, self.rows[first : last + 1]))

    def comment_above(self, row: int, floor: int, markers: tuple[str, ...]) -> int:
        """Return the first row, not above `floor`, of the comment that ends at `row`; else row + 1."""
        line = self.rows[row].strip()
        for marker in markers:
            closer = _BLOCKS.get(marker)
            if closer is None:
                if line.startswith(marker) and not (row == 0 and line.startswith("#!")):
                    return row
            elif line.endswith(closer):
                return self._block_start(row, floor, marker, closer)
        return row + 1

    def spaced_doc(self, row: int, floor: int, markers: tuple[str, ...]) -> bool:
        """Tell whether a row is the one blank line between a documentation comment and what it documents."""
        if row <= floor or not self.blank[row] or self.blank[row - 1] or _DOC_CLOSER not in self.rows[row - 1]:
            return False
        start = self.comment_above(row - 1, floor, markers)
        return start < row and self.rows[start].lstrip().startswith(_DOC_OPENER)

    def _block_start(self, row: int, floor: int, opener: str, closer: str) -> int:
        for above in range(row, floor - 1, -1):
            line = self.rows[above].strip()
            if line.startswith(opener):
                return above
            if above < row and line.endswith(closer):
                break
        return row + 1


def comment_text(rows: list[str]) -> str:
    """Return the words of comment lines, without their markers, capped."""
    stripped = (_MARKERS.sub(r"\1", row[:DOCSTRING_CHARS]) for row in rows)
    return "\n".join(stripped).strip()[:DOCSTRING_CHARS]


def one_line(header: bytes) -> str:
    """Return a header as a signature: one line, white space collapsed, no opening of the body, capped."""
    text = " ".join(header[:_HEADER_BYTES].decode("utf-8", "ignore").split()).rstrip(_OPENING)
    while text.endswith(_OPENING_WORDS):
        text = text[: text.rindex(" ")].rstrip(_OPENING)
    return text[:SIGNATURE_CHARS]


def line_units(lines: Lines) -> tuple[UnitSpan, ...]:
    """Cut lines into units of at most 60, before a line that follows a blank one where there is one."""
    units = []
    first = 0
    while first < len(lines.rows):
        after = _line_cut(lines, first)
        units.append(UnitSpan(Kind.MODULE, "", "", "", first + 1, after))
        first = after
    return tuple(units)


def _line_cut(lines: Lines, first: int) -> int:
    count = len(lines.rows)
    limit = first + _LINE_UNIT
    if limit >= count:
        return count
    blank = lines.blank
    seen = False  # a line that is not blank: a unit of blank lines alone is none
    best = 0
    for row in range(first, limit + 1):
        if not blank[row] and seen and blank[row - 1]:
            best = row
        seen = seen or not blank[row]
    if best or not blank[limit]:
        return best if best else limit
    return _next_filled(blank, limit)


def _next_filled(blank: list[bool], row: int) -> int:
    while row < len(blank) and blank[row]:
        row += 1
    return row
