"""Combining a unit's code with what was written from it: nothing, too much, and by hand."""

import math

import numpy as np
import pytest

from indexer.combining import CodeWeights, code_text, code_vector
from indexer.errors import UsageError

X, Y, Z = np.eye(3, dtype=np.float32)
ALL = CodeWeights(1, 1, 1)


@pytest.mark.parametrize("weights", [(0, 0, 0), (-1, 1, 1), (1, math.nan, 1), (1, 1, math.inf)])
def test_weights_that_weigh_nothing_are_refused(weights):
    with pytest.raises(UsageError, match="weights of code"):
        CodeWeights(*weights)


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


def test_code_that_weighs_nothing_is_its_own_text_where_there_is_no_other():
    assert code_text("o", [], "", CodeWeights(0, 1, 1)) == "o"
