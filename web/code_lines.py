"""Code as numbered, coloured lines of HTML. Knows nothing of requests, hits or templates."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

# Characters: what is longer is shown without colours, so that no page waits for a lexer.
_MAX_COLOURED = 200_000
# A unit of so many lines is shown whole; of a longer one, so many.
WHOLE = 14
_SHOWN = 16
_AROUND = 1
# Lines of a unit that is shown from its start.
_OPENING = 6


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its number in the file, its HTML, whether it matched, and whether lines before it are left out."""

    number: int
    html: Markup
    hit: bool = False
    gap: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """Lines to show, the address of their file, how many lines of the whole are not among them.

    `more` tells whether the last lines are; with `anchors`, every line has an id of its own.
    """

    lines: tuple[Line, ...]
    file_url: str
    left_out: int = 0
    more: bool = False
    anchors: bool = False


def coloured(text: str, language: str) -> list[Markup]:
    """Return the lines of a text as HTML with Pygments' classes; a line ends at a line feed only."""
    plain = text.split("\n")
    if len(text) > _MAX_COLOURED:
        return [escape(line) for line in plain]
    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return [escape(line) for line in plain]
    # Pygments takes a lone carriage return for a line's end.
    source = text.replace("\r\n", "\n").replace("\r", " ")
    lines = highlight(source, lexer, HtmlFormatter(nowrap=True)).split("\n")
    if len(lines) == len(plain) + 1 and not lines[-1]:
        lines.pop()
    if len(lines) != len(plain):
        return [escape(line) for line in plain]
    # Every character of the source has been escaped by the formatter.
    return [Markup(line) for line in lines]  # noqa: S704


def excerpt(text: str, language: str, start: int, hits: Collection[int], file_url: str) -> Code:
    """Return the lines of a unit that are worth showing: its first, those that matched, and what is around them."""
    html = coloured(text.rstrip(), language)
    last = start + len(html) - 1
    wanted = range(start, last + 1) if len(html) <= WHOLE else _wanted(start, last, hits)
    lines = numbered(html, start, wanted, hits)
    shown = len(lines)
    return Code(lines, file_url, len(html) - shown, bool(lines) and lines[-1].number < last)


def numbered(html: list[Markup], start: int, wanted: Iterable[int], hits: Collection[int]) -> tuple[Line, ...]:
    """Return the wanted lines, ascending, of a text that starts at a line number."""
    lines: list[Line] = []
    for number in wanted:
        gap = bool(lines) and lines[-1].number != number - 1
        lines.append(Line(number, html[number - start], number in hits, gap))
    return tuple(lines)


def _wanted(start: int, last: int, hits: Collection[int]) -> list[int]:
    wanted = {start}
    for hit in sorted(hits):
        near = {line for line in range(hit - _AROUND, hit + _AROUND + 1) if start <= line <= last}
        if len(wanted | near) > _SHOWN:
            break
        wanted |= near
    for line in range(start, last + 1):
        if len(wanted) >= _OPENING:
            break
        wanted.add(line)
    # A gap of one line takes as much room as the line.
    wanted |= {line for line in range(start, last) if line - 1 in wanted and line + 1 in wanted}
    return sorted(wanted)
