from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.languages import LANGUAGES, Language, by_name
from indexer.splitting.units import split_units
from indexer.types import Kind

NAMES = [language.name for language in LANGUAGES]
# What grammars, comment search and line counting stumble over.
FRAGMENTS = [
    "def f():\n", "    pass\n", "class A {\n", "}\n", "\n", "\r", "\f", "\u2028", "\0", "/* x\n",
    "*/\n", "# c\n", "// c\n", '"""', "'", "(", ")", "{", "}", "function g() {}\n", "fn h() {}\n",
    "@x\n", "#[y]\n", "# A\n", "===\n", "a: 1\n", "[t]\n", "<p>\n", "</p>", "\ud800", "é", "end\n",
    "module M where\n", "f x = x\n", "-- c\n", "  ", "x = 1; ", "impl A {\n", "namespace N {\n",
    "template <class T>\n", "a { b: c }\n", "CREATE TABLE t (a int);\n",
]  # fmt: skip


def language_named(name: str) -> Language:
    language = by_name(name)
    assert language is not None
    return language


def line_count(text: str) -> int:
    return text.count("\n") + bool(text and not text.endswith("\n"))


def assert_covers(text: str, language: Language | None) -> None:
    units = split_units(text, language).units
    rows = text.split("\n")
    bounds = [(0, 0), *((unit.start_line, unit.end_line) for unit in units)]
    assert all(start == before + 1 and end >= start for (_, before), (start, end) in pairwise(bounds))
    assert bounds[-1][1] == line_count(text)
    for unit in units:
        assert list(unit.cuts) == sorted(set(unit.cuts))
        assert all(unit.start_line < cut <= unit.end_line for cut in unit.cuts)
        assert "\n" not in unit.signature
        assert len(unit.signature) <= 300
        assert len(unit.docstring) <= 2000
        assert len(units) == 1 or any(row.strip() for row in rows[unit.start_line - 1 : unit.end_line])


@pytest.mark.parametrize("name", [*NAMES, None])
@pytest.mark.parametrize("text", ["", "\n", "\n\n\n", " ", "\r", "\0", "\f\n", "\u2028", "\r\n\r\n", "x", "\ud800\n"])
def test_small_and_odd_texts_are_covered(name: str | None, text: str) -> None:
    assert_covers(text, language_named(name) if name else None)


@settings(max_examples=250, deadline=None, derandomize=True)
@given(name=st.sampled_from(NAMES), parts=st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=4), max_size=40))
def test_random_text_is_covered_in_every_language(name: str, parts: list[str]) -> None:
    assert_covers("".join(parts), language_named(name))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(rows=st.lists(st.sampled_from(["x", "", " ", "y\r"]), max_size=300))
def test_random_text_is_covered_without_a_language(rows: list[str]) -> None:
    assert_covers("\n".join(rows), None)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("brackets", ["(" * 100_000, "{" * 2_000, "[" * 2_000, "<" * 2_000])
def test_unclosed_brackets_do_not_crash(name: str, brackets: str) -> None:
    assert_covers(brackets, language_named(name))


@pytest.mark.parametrize("name", ["python", "javascript", "typescript", "go", "java", "php", "c", "c++", "lua"])
def test_a_hundred_thousand_nested_parentheses(name: str) -> None:
    assert_covers("x = " + "(" * 100_000 + "1" + ")" * 100_000 + "\n", language_named(name))


@pytest.mark.parametrize("name", ["python", "javascript", "json"])
def test_a_line_of_a_megabyte(name: str) -> None:
    assert_covers("[" + "1, " * 350_000 + "1]", language_named(name))


def test_many_functions_are_all_found() -> None:
    text = "".join(f"def f{number}():\n    return {number}\n\n" for number in range(20_000))
    units = split_units(text, language_named("python")).units
    assert [unit.symbol for unit in units] == [f"f{number}" for number in range(20_000)]


def test_many_nested_classes_are_covered() -> None:
    text = "".join(f"class A{depth} {{\n" for depth in range(3000)) + "}\n" * 3000
    assert_covers(text, language_named("java"))


def test_syntax_errors_leave_the_functions_around_them() -> None:
    text = "def a():\n    return 1\n\ndef broken(a):\n    x = = 2\n\ndef b():\n    return 3\n"
    found = {unit.symbol: unit.start_line for unit in split_units(text, language_named("python")).units}
    assert found["a"] == 1
    assert found["b"] == 7


def test_only_line_feeds_end_lines() -> None:
    text = "x = 1\rdef f():\n    '''a\u2028b\f'''\n"
    assert_covers(text, language_named("python"))
    assert split_units(text, language_named("python")).units[-1].end_line == 2


def test_without_a_language_units_end_at_blank_lines() -> None:
    split = split_units("\n".join(["x"] * 50 + [""] + ["y"] * 50), None)
    assert not split.parsed
    assert [(unit.start_line, unit.end_line) for unit in split.units] == [(1, 51), (52, 101)]


def test_without_blank_lines_units_have_sixty_lines() -> None:
    split = split_units("x\n" * 130, None)
    assert [(unit.start_line, unit.end_line) for unit in split.units] == [(1, 60), (61, 120), (121, 130)]
    assert {unit.kind for unit in split.units} == {Kind.MODULE}


def test_a_shared_line_belongs_to_the_first_that_starts_there() -> None:
    text = "function a() {\n} function b() {\n} function c() {} function d() {\n}\n"
    units = split_units(text, language_named("javascript")).units
    assert [(unit.symbol, unit.start_line, unit.end_line) for unit in units] == [
        ("a", 1, 1),
        ("b", 2, 2),
        ("c", 3, 3),
        ("d", 4, 4),
    ]


def test_short_units_have_no_cuts() -> None:
    assert split_units("def f():\n    a()\n    b()\n", language_named("python")).units[0].cuts == ()


def test_long_units_are_cut_at_statements_only() -> None:
    body = (
        "    if x:\n        call(\n            1,\n        )\n        other()\n" + "    y = 'a long statement'\n" * 40
    )
    unit = split_units("def f(x):\n" + body, language_named("python")).units[0]
    assert unit.cuts[:4] == (2, 3, 6, 7)
    assert 4 not in unit.cuts
    assert unit.cuts[-1] == 46


def test_long_rests_are_cut_at_statements() -> None:
    units = split_units("x = 'a long enough statement'\n" * 50, language_named("python")).units
    assert units[0].cuts == tuple(range(2, 51))


def test_long_names_signatures_and_docstrings_are_capped() -> None:
    text = f"def {'f' * 5000}(a):\n    '''{'word' * 5000}'''\n"
    unit = split_units(text, language_named("python")).units[0]
    assert (len(unit.symbol), len(unit.signature), len(unit.docstring)) == (300, 300, 2000)


SPACED = """/**
 * The file.
 */

import a from "a";

/**
 * Suggest a similar word.
 */

function suggest(word) {
  return word;
}

// A plain comment stands by itself.

function plain() {
  return 1;
}

class Option {
  /**
   * Read the environment.
   */

  env(name) {
    return name;
  }
}
"""


def test_a_documentation_comment_belongs_to_what_follows_even_after_a_blank_line():
    units = {unit.symbol: unit for unit in split_units(SPACED, by_name("javascript")).units}
    assert (units["suggest"].start_line, units["suggest"].docstring) == (7, "Suggest a similar word.")
    assert (units["plain"].start_line, units["plain"].docstring) == (17, "")
    assert (units["Option.env"].start_line, units["Option.env"].docstring) == (22, "Read the environment.")
