"""Which lines of a unit answer the query: the numbers to show, never the text or its colours.

Pure functions; no index, no query syntax, no markup.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence

from search.query import Pattern

# As many lines as a result shows without being opened.
MAX_LINES = 8
# A line with less than half the weight of the best one repeats a common word of the query.
_SHARE_OF_BEST = 0.5
# A line in the part of a long unit that is nearest in meaning counts half as much again: of the lines shown more are in
# the answer, .61 for .56 of them, and no answer is lost; with twice as much some are (`docs/experiments.md`).
_NEAR = 1.5


def matching_lines(
    text: str,
    start_line: int,
    terms: frozenset[str],
    terms_by_line: Callable[[str, frozenset[str]], Sequence[frozenset[str]]],
    patterns: Sequence[Pattern] = (),
    weights: Mapping[str, float] | None = None,
    limit: int = MAX_LINES,
    near: range = range(0),
) -> tuple[int, ...]:
    """Return the numbers of the lines that match, ascending; `start_line` is the first line's number.

    If a pattern matches, every line that any match touches, without limit. Otherwise at most `limit` lines with the
    most distinct query terms, each counting its weight (1 where `weights` has none), those whose numbers are in `near`
    half as much again, earlier lines first among equals. Lines end at a line feed only. `terms_by_line` returns, for
    each line of a text, which of the terms it holds.
    """
    first = range(near.start - start_line, near.stop - start_line)
    hit = _pattern_lines(text, patterns) or _term_lines(text, terms, terms_by_line, weights or {}, limit, first)
    return tuple(start_line + line for line in sorted(hit))


def _pattern_lines(text: str, patterns: Sequence[Pattern]) -> set[int]:
    if not patterns:
        return set()
    ends = [at for at, character in enumerate(text) if character == "\n"]
    lines: set[int] = set()
    for pattern in patterns:
        for match in pattern.finditer(text):
            # The last character that matched, so that a match of a line end stays on its line.
            last = max(match.start(), match.end() - 1)
            lines.update(range(_line_of(match.start(), ends), _line_of(last, ends) + 1))
    return lines


def _line_of(offset: int, ends: list[int]) -> int:
    return bisect_right(ends, offset - 1)


def _term_lines(
    text: str,
    terms: frozenset[str],
    terms_by_line: Callable[[str, frozenset[str]], Sequence[frozenset[str]]],
    weights: Mapping[str, float],
    limit: int,
    near: range,
) -> list[int]:
    if not terms:
        return []
    scores = [_score(each, weights) if each else 0.0 for each in terms_by_line(text, terms)]
    scores = [score * _NEAR if line in near else score for line, score in enumerate(scores)]
    least = max(scores) * _SHARE_OF_BEST
    ranked = sorted((-score, line) for line, score in enumerate(scores) if score > 0 and score >= least)
    return [line for _, line in ranked[:limit]]


def _score(found: frozenset[str], weights: Mapping[str, float]) -> float:
    # fsum gives the same sum in whatever order the set yields its terms.
    return math.fsum(weights.get(term, 1.0) for term in found)
