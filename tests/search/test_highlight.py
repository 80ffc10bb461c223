import math
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.highlight import matching_lines
from search.query import compile_phrase, compile_regex

TEXT = "def retry(times):\n    # wait, then retry\n    sleep(times)\n\n    return None"


def terms_by_line(text: str, wanted: frozenset[str]) -> list[frozenset[str]]:
    return [wanted.intersection(terms_of(line)) for line in text.split("\n")]


def terms_of(line: str) -> Iterable[str]:
    return "".join(c if c.isalnum() else " " for c in line.lower()).split()


def lines(text: str, terms: str = "", **options: object) -> tuple[int, ...]:
    return matching_lines(text, 10, frozenset(terms.split()), terms_by_line, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "\n", "\n\n", "no such word"])
def test_nothing_matches_nothing(text: str) -> None:
    assert lines(text, "retry") == ()
    assert lines(text) == ()
    assert lines(text, "retry", patterns=[compile_phrase("retry")]) == ()


def test_the_lines_with_the_most_terms_are_chosen() -> None:
    assert lines(TEXT, "retry times") == (10, 11, 12)
    assert lines(TEXT, "def retry times") == (10,)


def test_terms_count_once_and_by_weight() -> None:
    text = "get get get get\nbackoff"
    assert lines(text, "get backoff", weights={"get": 0.1, "backoff": 5.0}) == (11,)
    assert lines(text, "get backoff") == (10, 11)


def test_terms_without_weight_never_match() -> None:
    assert lines("the\nthe", "the", weights={"the": 0.0}) == ()


def test_chosen_lines_are_capped_earlier_first() -> None:
    assert lines("retry\n" * 20, "retry") == tuple(range(10, 18))
    assert lines("a\nb\na b\nb\na", "a b", limit=2) == (10, 12)


def test_lines_nearest_in_meaning_count_half_as_much_again() -> None:
    text = "alpha beta gamma\n\nalpha beta\n\nalpha"
    assert lines(text, "alpha beta gamma") == (10, 12)
    assert lines(text, "alpha beta gamma", near=range(10, 11)) == (10,)
    assert lines(text, "alpha beta gamma", near=range(14, 15)) == (10, 12, 14)
    assert lines(text, "alpha beta gamma", near=range(10, 15)) == (10, 12)
    assert lines(text, "delta", near=range(10, 15)) == ()


def test_every_line_that_a_pattern_hits_counts_and_terms_do_not() -> None:
    text = "retry\n" * 20 + "sleep\n"
    assert lines(text, "sleep", patterns=[compile_phrase("retry")]) == tuple(range(10, 30))


def test_terms_are_used_where_no_pattern_matches() -> None:
    assert lines(TEXT, "sleep", patterns=[compile_phrase("no such phrase")]) == (12,)


def test_a_match_over_several_lines_counts_all_of_them() -> None:
    assert lines(TEXT, patterns=[compile_phrase("then retry sleep")]) == (11, 12)
    assert lines("a\n\n\nb", patterns=[compile_regex(r"a\s+b")]) == (10, 11, 12, 13)


def test_a_match_of_a_line_end_stays_on_its_line() -> None:
    assert lines("a;\nb;\n", patterns=[compile_regex(r"a;\n")]) == (10,)
    assert lines("x\n\ny", patterns=[compile_regex(r"\ny")]) == (11, 12)


def test_several_patterns_are_joined() -> None:
    assert lines(TEXT, patterns=[compile_phrase("return"), compile_regex("^def")]) == (10, 14)


def test_only_line_feeds_end_lines() -> None:
    text = "a\r\nb\u2028b\x0cb\rb\nretry é"
    assert lines(text, "retry") == (12,)
    assert lines(text, patterns=[compile_regex("é")]) == (12,)


@settings(deadline=None, derandomize=True)
@given(st.text("ab \n", max_size=60), st.sampled_from(["a", "b", "a b", "ab"]))
def test_pattern_lines_agree_with_counting(text: str, phrase: str) -> None:
    pattern = compile_phrase(phrase)
    expected = set()
    for match in pattern.finditer(text):
        first, last = text[: match.start()].count("\n"), text[: match.end()].count("\n")
        expected |= set(range(10 + first, 11 + last))
    assert lines(text, patterns=[pattern]) == tuple(sorted(expected))


@settings(deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(["a", "b", "a b", "c", ""]), max_size=20), st.integers(0, 9))
def test_chosen_lines_have_terms_and_keep_to_the_limit(rows: list[str], limit: int) -> None:
    found = lines("\n".join(rows), "a b", limit=limit)
    assert len(found) <= limit
    assert list(found) == sorted(set(found))
    assert all({"a", "b"} & set(rows[line - 10].split()) for line in found)
    best = max((len(row.split()) for row in rows if row != "c"), default=0)
    assert not found or max(len(rows[line - 10].split()) for line in found) == best
    assert math.isfinite(best)
