import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.fusion import min_max, reciprocal_rank, weighted_sum, z_score

keys = st.text("abcdef", min_size=1, max_size=2)
numbers = st.floats(allow_nan=False, allow_infinity=False)
moderate = st.floats(-1e6, 1e6)


def ranked(scores: st.SearchStrategy[float]) -> st.SearchStrategy[list[tuple[str, float]]]:
    return st.lists(st.tuples(keys, scores), max_size=12, unique_by=lambda pair: pair[0])


@pytest.mark.parametrize("scale", [min_max, z_score])
@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_scores_that_cannot_be_compared_are_refused(scale: object, score: float) -> None:
    with pytest.raises(ValueError, match="'b'"):
        scale([("a", 1.0), ("b", score)])  # type: ignore[operator]


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
    assert min_max([("a", 5.0), ("b", 3.0), ("c", 1.0)]) == [("a", 1.0), ("b", 0.5), ("c", 0.0)]


def test_z_score_counts_deviations_from_the_mean() -> None:
    scaled = z_score([("a", 3.0), ("b", 1.0), ("c", 2.0)])
    assert [key for key, _ in scaled] == ["a", "b", "c"]
    assert [score for _, score in scaled] == pytest.approx([math.sqrt(1.5), -math.sqrt(1.5), 0.0])


@pytest.mark.parametrize("scale", [min_max, z_score])
def test_equal_scores_become_zero(scale: object) -> None:
    assert scale([("b", 7.0), ("a", 7.0)]) == [("b", 0.0), ("a", 0.0)]  # type: ignore[operator]
    assert scale([("a", 7.0)]) == [("a", 0.0)]  # type: ignore[operator]
    assert scale([]) == []  # type: ignore[operator]


def test_weighted_sum_adds_what_each_list_gives() -> None:
    lists = [[("a", 1.0), ("b", 0.5)], [("c", 1.0), ("b", 0.8)]]
    assert weighted_sum(lists, [1.0, 0.5]) == [("a", 1.0), ("b", 0.9), ("c", 0.5)]


def test_reciprocal_rank_follows_the_paper() -> None:
    lists = [[("a", 9.0), ("b", 8.0)], [("b", 0.1), ("c", 0.2)]]
    assert reciprocal_rank(lists) == [("b", 1 / 61 + 1 / 62), ("a", 1 / 61), ("c", 1 / 62)]


def test_ties_are_broken_by_key() -> None:
    assert [key for key, _ in weighted_sum([[("b", 1.0)], [("a", 1.0)]], [1.0, 1.0])] == ["a", "b"]
    assert [key for key, _ in reciprocal_rank([[(10, 1.0)], [(9, 1.0)]])] == [9, 10]


@given(ranked(numbers))
def test_min_max_keeps_order_and_bounds(scores: list[tuple[str, float]]) -> None:
    before = list(scores)
    scaled = min_max(scores)
    assert scores == before
    assert [key for key, _ in scaled] == [key for key, _ in scores]
    assert all(0.0 <= score <= 1.0 for _, score in scaled)
    assert_same_order(scores, scaled)
    if len({score for _, score in scores}) > 1:
        assert {min(s for _, s in scaled), max(s for _, s in scaled)} == {0.0, 1.0}


@given(ranked(numbers))
def test_z_score_keeps_order_and_has_mean_zero(scores: list[tuple[str, float]]) -> None:
    scaled = z_score(scores)
    assert [key for key, _ in scaled] == [key for key, _ in scores]
    assert all(math.isfinite(score) for _, score in scaled)
    assert_same_order(scores, scaled)


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


@given(st.lists(ranked(moderate), max_size=4))
def test_reciprocal_rank_is_bounded_and_sorted(lists: list[list[tuple[str, float]]]) -> None:
    fused = reciprocal_rank(lists)
    assert fused == reciprocal_rank(lists[::-1])
    assert fused == sorted(fused, key=lambda pair: (-pair[1], pair[0]))
    assert all(0 < score <= (len(lists) + 1e-9) / 61 for _, score in fused)


def assert_same_order(before: list[tuple[str, float]], after: list[tuple[str, float]]) -> None:
    scaled = dict(after)
    ascending = sorted(before, key=lambda pair: pair[1])
    values = [scaled[key] for key, _ in ascending]
    assert values == sorted(values)
