"""Text to terms: the same for what is indexed and what is asked."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.lexical.tokens import MAX_WORD, index_terms, terms, terms_by_line, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \t\n", []),
        ("+-*/(){}[];", []),
        ("\0\ud800", []),
        ("parseHTTPResponse", ["parsehttpresponse", "pars", "http", "respons"]),
        ("parse_http_response", ["parsehttpresponse", "pars", "http", "respons"]),
        ("_private", ["privat"]),
        ("__init__", ["init"]),
        ("_", []),
        ("utf8", ["utf8", "utf", "8"]),
        ("3.14", ["3", "14"]),
        ("running runs run", ["run", "run", "run"]),
        ("größeÄndern", ["größeändern"]),
        ("变量_名", ["变量名", "变量", "名"]),
        ("naïve café", ["naïv", "café"]),
        ("x" * 300, ["x" * MAX_WORD]),
    ],
)
def test_terms_of_a_text(text, expected):
    assert terms(text) == expected


def test_camel_and_snake_case_are_the_same_terms():
    assert terms("readAllBytes2") == terms("read_all_bytes_2")


@given(st.text(max_size=200))
def test_terms_are_lower_case_without_spaces_and_bounded(text):
    found = terms(text)
    assert found == index_terms(text).split(" ") if found else index_terms(text) == ""
    assert all(term and not term.isspace() and len(term) <= 4 * MAX_WORD for term in found)


@given(st.text(alphabet=st.characters(categories=["L", "N"]), min_size=1, max_size=90))
def test_what_is_indexed_is_found_by_asking_the_same(word):
    indexed = set(terms(f"def {word}(): pass"))
    assert set(terms(word)) <= indexed


@given(st.text(max_size=80))
def test_words_are_as_written(text):
    assert all(word in text for word in words(text))


@given(st.text(st.characters(max_codepoint=127), max_size=80) | st.text(max_size=20))
def test_words_are_runs_of_word_characters(text):
    assert words(text) == re.findall(r"\w+", text)


@given(st.text(st.sampled_from("ab_AB1 .\n\r\x85é"), max_size=60), st.sets(st.sampled_from(["a", "b", "ab", "é", "1"])))
def test_terms_by_line_are_those_of_each_line_that_are_wanted(text, wanted):
    expected = [wanted.intersection(terms(line)) for line in text.split("\n")]
    assert terms_by_line(text, frozenset(wanted)) == expected
