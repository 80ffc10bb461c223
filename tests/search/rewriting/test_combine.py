"""Combining what was generated with what was there: nothing, too much, and by hand."""

import math

import numpy as np
import pytest

from indexer.errors import UsageError
from search.rewriting.combine import MAX_TERMS, CodeWeights, code_text, code_vector, query_terms, query_vector

X, Y, Z = np.eye(3, dtype=np.float32)
ALL = CodeWeights(1, 1, 1)


@pytest.mark.parametrize("weights", [(0, 0, 0), (-1, 1, 1), (1, math.nan, 1), (1, 1, math.inf)])
def test_weights_that_weigh_nothing_are_refused(weights):
    with pytest.raises(UsageError, match="weights of code"):
        CodeWeights(*weights)


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


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        ((1, 1, 1), "p\nr\no"),
        ((1, 0, 0), "o"),
        ((0, 1, 0), "r"),
        ((0, 0, 1), "p"),
        ((1, 0.2, 2), "p\np\nr\no"),
    ],
)
def test_a_weight_of_0_leaves_a_text_out(weights, text):
    assert code_text("o", ["r"], "p", CodeWeights(*weights)) == text


def test_code_counts_once_for_every_rewriting():
    assert code_text("o", ["r", "s"], "", ALL) == "r\ns\no\no"
    assert code_text("o", [], "", ALL) == "o"


def test_code_s_vector_is_the_weighted_sum():
    assert code_vector(X, [Y], Z, ALL) == pytest.approx((X + Y + Z) / math.sqrt(3))
    assert code_vector(X, [Y, Z], None, ALL) == pytest.approx((X + Y / 2 + Z / 2) / math.sqrt(1.5))
    assert code_vector(X, [Y], Z, CodeWeights(1, 0, 2)) == pytest.approx((X + 2 * Z) / math.sqrt(5))
    assert code_vector(X, [], None, ALL) == pytest.approx(X)


def test_code_that_weighs_nothing_keeps_its_own_vector_where_there_is_no_other():
    assert code_vector(X, [], None, CodeWeights(0, 1, 1)) == pytest.approx(X)
