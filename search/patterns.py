"""Phrases, globs and regular expressions as RE2 patterns: no pattern a user writes can be slow.

No query syntax here: what arrives is the text of one phrase, glob or expression.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Protocol, cast

import re2

from indexer.errors import QueryError

# Long enough for any line of code; a compiled pattern of this length stays within `_MAX_MEMORY`.
MAX_PATTERN = 1_000
# Bytes for one compiled pattern and its automaton; re2 keeps up to 128 of them.
_MAX_MEMORY = 4 << 20
# Instructions: a program of this size, matched in its worst case, took 0.08 s for 100 KB of text.
_MAX_PROGRAM = 10_000
# Letters that name a class, a code point or a group, and are not text to be found.
_NOT_LITERAL = re.compile(r"\\[pP](?:\{[^}]*\}|.)|\\x(?:\{[^}]*\}|..)|\\.|\(\?P?<\w+>|\[:\^?\w+:\]", re.S)
_UNSUPPORTED = re.compile(r"invalid perl operator: \(\?<?[=!]|invalid escape sequence: \\[1-9kK]")
_STARS = re.compile(r"\*{2,}")
_EDGE_CHARACTER = re.compile(r"[A-Za-z0-9_]")


class Match(Protocol):
    """Where a pattern matched: half-open character offsets."""

    def start(self) -> int:
        """Return the offset of the first character."""

    def end(self) -> int:
        """Return the offset after the last character."""


class Pattern(Protocol):
    """A compiled pattern, as far as this package uses it."""

    def search(self, text: str) -> Match | None:
        """Return the first match anywhere in the text."""

    def fullmatch(self, text: str) -> Match | None:
        """Return the match of the whole text."""

    def finditer(self, text: str) -> Iterator[Match]:
        """Yield the matches that do not overlap, in order."""


def is_case_sensitive(text: str) -> bool:
    """Tell whether smart case makes this text case-sensitive: it has an upper-case letter."""
    return any(character.isupper() for character in text)


def compile_phrase(phrase: str) -> Pattern:
    """Compile a phrase, or a single word, to be found as whole words.

    Any run of white space matches any other. Where the phrase begins or ends with an ASCII letter,
    digit or underscore, a word must begin or end there (RE2 knows ASCII word boundaries only).
    Case counts if the phrase has an upper-case letter. Raises ValueError for a blank phrase.
    """
    words = phrase.split()
    if not words:
        raise ValueError("a phrase needs at least one character that is not white space")
    body = r"\s+".join(re2.escape(word) for word in words)
    before = r"\b" if _EDGE_CHARACTER.match(words[0][0]) else ""
    after = r"\b" if _EDGE_CHARACTER.match(words[-1][-1]) else ""
    return cast(Pattern, _compile(before + body + after, ignore_case=not is_case_sensitive(phrase)))


def compile_regex(source: str, ignore_case: bool = False, position: int = 0) -> Pattern:
    r"""Compile a regular expression in RE2's syntax; `^` and `$` match at the ends of lines.

    Case counts if a letter to be found is in upper case (`\S` has none), unless `ignore_case`.
    Raises QueryError, with `position`, for one that RE2 refuses, that is too large, or that
    matches the empty string.
    """
    if len(source) > MAX_PATTERN:
        raise _refused(f"longer than {MAX_PATTERN:,} characters", position)
    ignore_case = ignore_case or not is_case_sensitive(_NOT_LITERAL.sub("", source))
    try:
        _compile(source, ignore_case)  # by itself, so that RE2's message quotes what was written
        pattern = _compile("(?m)" + source, ignore_case)
    except re2.error as error:
        raise _refused(_reason(error), position) from error
    if pattern.programsize > _MAX_PROGRAM:
        raise _refused("too large once its repetitions are written out", position)
    if _matches_nothing(pattern):
        raise _refused("it matches the empty string, and so everything", position)
    return cast(Pattern, pattern)


def glob_source(glob: str, separator: str) -> str:
    """Return a glob in RE2's syntax: `*` and `?` stay within a part, `**` crosses `separator`.

    `**` with a separator after it also stands for no part at all.
    """
    within = f"[^{re2.escape(separator)}]"
    crossing = f"(?:.*{re2.escape(separator)})?"
    meanings = {"**" + separator: crossing, "**": ".*", "*": within + "*", "?": within}
    # Runs of stars are one wildcard: the pattern's size stays in proportion to what was meant.
    parts = re.split(rf"(\*\*{re.escape(separator)}|\*\*|\*|\?)", _STARS.sub("**", glob))
    return "".join(meanings.get(part) or re2.escape(part) for part in parts)


def compile_names(sources: Iterable[str]) -> Pattern:
    """Compile alternatives, as `glob_source` gives them, into one pattern that ignores case."""
    return cast(Pattern, _compile("(?s)(?:" + "|".join(sources) + ")", ignore_case=True))


def has_wildcard(glob: str) -> bool:
    """Tell whether a value is a glob and not a plain name."""
    return "*" in glob or "?" in glob


def _compile(source: str, ignore_case: bool) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEMORY
    # Only whole matches are used; finding the groups of a large pattern took 80 times as long.
    options.never_capture = True
    options.case_sensitive = not ignore_case
    return re2.compile(source, options)


def _refused(reason: str, position: int) -> QueryError:
    return QueryError(f"the regular expression at column {position + 1} cannot be used: {reason}", position)


def _reason(error: Exception) -> str:
    message = error.args[0]
    text = message.decode("utf-8", "replace") if isinstance(message, bytes) else str(message)
    if _UNSUPPORTED.match(text):
        return f"{text} (look-around and back-references are not supported)"
    return text


def _matches_nothing(pattern: Pattern) -> bool:
    found = (pattern.search(probe) for probe in ("", "a"))
    return any(match is not None and match.start() == match.end() for match in found)
