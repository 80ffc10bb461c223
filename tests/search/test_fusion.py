import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from search.fusion import min_max, reciprocal_rank, weighted_sum, z_score

keys = st.text("abcdef", min_size=1, max_size=2)
Scale = Callable[[NDArray[np.float64]], NDArray[np.float64]]
numbers = st.floats(allow_nan=False, allow_infinity=False)
vectors = arrays(np.float64, st.integers(0, 12), elements=numbers)
moderate = st.floats(-1e6, 1e6)


def ranked(scores: st.SearchStrategy[float]) -> st.SearchStrategy[list[tuple[str, float]]]:
    return st.lists(st.tuples(keys, scores), max_size=12, unique_by=lambda pair: pair[0])


@pytest.mark.parametrize("scale", [min_max, z_score])
@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_scores_that_cannot_be_compared_are_refused(scale: Scale, score: float) -> None:
    with pytest.raises(ValueError, match=f"score 1 is {score}"):
        scale(np.array([1.0, score]))


def test_faulty_lists_and_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="2 lists need as many weights, not 1"):
        weighted_sum([[("a", 1.0)], []], [1.0])
    with pytest.raises(ValueError, match="finite"):
        weighted_sum([[("a", 1.0)]], [math.nan])
    with pytest.raises(ValueError, match="cannot be compared"):
        weighted_sum([[("a", math.inf)]], [1.0])
    with pytest.raises(ValueError, match="'a' is twice"):
        weighted_sum([[("a", 1.0), ("a", 0.5)]], [1.0])
    with pytest.raises(ValueError, match="'a' is twice"):
        reciprocal_rank([[("a", 1.0), ("a", 0.5)]])
    with pytest.raises(ValueError, match="at least 0"):
        reciprocal_rank([], k=-1)


def test_min_max_scales_to_zero_and_one() -> None:
    assert min_max(np.array([3.0, 5.0, 1.0])).tolist() == [0.5, 1.0, 0.0]


def test_z_score_counts_deviations_from_the_mean() -> None:
    expected = [math.sqrt(1.5), -math.sqrt(1.5), 0.0]
    assert z_score(np.array([3.0, 1.0, 2.0])) == pytest.approx(expected)


@pytest.mark.parametrize("scale", [min_max, z_score])
def test_equal_scores_become_zero(scale: Scale) -> None:
    assert scale(np.array([7.0, 7.0])).tolist() == [0.0, 0.0]
    assert scale(np.array([7.0])).tolist() == [0.0]
    assert scale(np.array([])).tolist() == []


@pytest.mark.parametrize("scale", [min_max, z_score])
@pytest.mark.parametrize("scores", [[1e308, -1e308], [5e-324, 0.0], [1.0, 1.0 + 2**-52]])
def test_extreme_ranges_neither_overflow_nor_vanish_in_order(scale: Scale, scores: list[float]) -> None:
    scaled = scale(np.array(scores))
    assert np.isfinite(scaled).all()
    assert (scaled[0] - scaled[1]) * (scores[0] - scores[1]) >= 0


def test_single_precision_is_read_and_not_changed() -> None:
    scores = np.array([1, 3, 2], dtype=np.float32)
    scores.flags.writeable = False
    assert min_max(scores).tolist() == [0.0, 1.0, 0.5]
    assert z_score(scores).dtype == np.float64


def test_weighted_sum_adds_what_each_list_gives() -> None:
    lists = [[("a", 1.0), ("b", 0.5)], [("c", 1.0), ("b", 0.8)]]
    assert weighted_sum(lists, [1.0, 0.5]) == [("a", 1.0), ("b", 0.9), ("c", 0.5)]


def test_reciprocal_rank_follows_the_paper() -> None:
    lists = [[("a", 9.0), ("b", 8.0)], [("b", 0.1), ("c", 0.2)]]
    assert reciprocal_rank(lists) == [("b", 1 / 61 + 1 / 62), ("a", 1 / 61), ("c", 1 / 62)]


def test_ties_are_broken_by_key() -> None:
    assert [key for key, _ in weighted_sum([[("b", 1.0)], [("a", 1.0)]], [1.0, 1.0])] == ["a", "b"]
    assert [key for key, _ in reciprocal_rank([[(10, 1.0)], [(9, 1.0)]])] == [9, 10]


@settings(deadline=None, derandomize=True)
@given(vectors)
def test_min_max_keeps_order_and_bounds(scores: NDArray[np.float64]) -> None:
    before = scores.copy()
    scaled = min_max(scores)
    assert np.array_equal(scores, before)
    assert scaled.shape == scores.shape
    assert ((scaled >= 0) & (scaled <= 1)).all()
    assert_same_order(scores, scaled)
    if len(set(scores.tolist())) > 1:
        assert {scaled.min(), scaled.max()} == {0.0, 1.0}


@settings(deadline=None, derandomize=True)
@given(vectors)
def test_z_score_keeps_order_and_is_finite(scores: NDArray[np.float64]) -> None:
    before = scores.copy()
    scaled = z_score(scores)
    assert np.array_equal(scores, before)
    assert np.isfinite(scaled).all()
    assert_same_order(scores, scaled)


@settings(deadline=None, derandomize=True)
@given(arrays(np.float64, st.integers(2, 12), elements=st.integers(-9, 9).map(float)))
def test_z_score_has_mean_zero_and_deviation_one(scores: NDArray[np.float64]) -> None:
    scaled = z_score(scores)
    assert scaled.mean() == pytest.approx(0.0, abs=1e-9)
    assert scaled.std() == pytest.approx(1.0 if len(set(scores.tolist())) > 1 else 0.0)


@settings(deadline=None, derandomize=True)
@given(ranked(moderate), ranked(moderate), moderate, moderate)
def test_weighted_sum_does_not_depend_on_the_order_of_lists(
    first: list[tuple[str, float]], second: list[tuple[str, float]], left: float, right: float
) -> None:
    before = (list(first), list(second))
    fused = weighted_sum([first, second], [left, right])
    assert (first, second) == before
    assert fused == weighted_sum([second, first], [right, left])
    assert {key for key, _ in fused} == {key for key, _ in first} | {key for key, _ in second}
    assert fused == sorted(fused, key=lambda pair: (-pair[1], pair[0]))


@settings(deadline=None, derandomize=True)
@given(st.lists(ranked(moderate), max_size=4))
def test_reciprocal_rank_is_bounded_and_sorted(lists: list[list[tuple[str, float]]]) -> None:
    fused = reciprocal_rank(lists)
    assert fused == reciprocal_rank(lists[::-1])
    assert fused == sorted(fused, key=lambda pair: (-pair[1], pair[0]))
    assert all(0 < score <= (len(lists) + 1e-9) / 61 for _, score in fused)


def assert_same_order(before: NDArray[np.float64], after: NDArray[np.float64]) -> None:
    ascending = after[np.argsort(before, kind="stable")]
    assert (np.diff(ascending) >= 0).all()
