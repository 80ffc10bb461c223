"""Combining a query with what was generated for it: nothing, too much, and by hand."""

import math

import numpy as np
import pytest

from search.rewriting.combine import MAX_TERMS, query_terms, query_vector

X, Y, Z = np.eye(3, dtype=np.float32)


def test_without_exemplars_a_query_stays_as_it_is():
    asked = {"sort": 2.0}
    assert query_terms(asked, []) == asked
    assert query_terms(asked, []) is not asked
    assert np.array_equal(query_vector(X, []), X)


@pytest.mark.parametrize("exemplar", ["", "\n\t ", "()[]{}"])
def test_an_exemplar_that_says_nothing_leaves_the_order_of_the_query_s_terms(exemplar):
    assert query_terms({"sort": 2.0, "row": 1.0}, [exemplar]) == {"sort": 2.0, "row": 1.0}


def test_the_query_counts_once_for_every_exemplar():
    asked = {"sort": 1.0, "row": 0.5}
    found = query_terms(asked, ["sort sort sort lines", "lines"])
    assert found == pytest.approx({"sort": 2 + 1 + math.log(3), "row": 1.0, "line": 2.0})
    assert asked == {"sort": 1.0, "row": 0.5}


def test_terms_are_bounded_and_those_of_the_query_are_kept():
    asked = {f"asked{n}": 0.001 for n in range(10)}
    exemplar = "often often " + " ".join(f"word{n}" for n in range(5_000))
    found = query_terms(asked, [exemplar])
    assert len(found) == MAX_TERMS
    assert asked.keys() < found.keys()
    assert "often" in found


def test_a_megabyte_of_one_word_is_read_in_part():
    found = query_terms({"a": 1.0}, ["word " * 200_000])
    assert found["word"] < 1 + math.log(5_000)


def test_a_vector_is_half_the_query_and_half_the_mean_of_its_exemplars():
    assert query_vector(X, [Y]) == pytest.approx((X + Y) / math.sqrt(2))
    mixed = 0.5 * X + 0.25 * Y + 0.25 * Z
    assert query_vector(X, [Y, Z]) == pytest.approx(mixed / np.linalg.norm(mixed))
    assert query_vector(X, [Y, Z]).dtype == np.float32


def test_opposites_leave_the_query():
    assert np.array_equal(query_vector(X, [-X]), X)
