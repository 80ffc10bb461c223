"""Measures against values worked out by hand and against `ir_measures`; intervals; paired comparisons."""

import math
import random

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.evaluation.measures import DEPTH, MEASURES, compare, estimate, evaluate

THEIRS = {"NDCG@10": "nDCG@10", "MRR@10": "RR@10", "R@1": "R@1", "R@5": "R@5", "R@10": "R@10", "R@100": "R@100"}


def one(relevant, ranking):
    """Return every measure of a single query."""
    return {name: values["q"] for name, values in evaluate({"q": relevant}, {"q": ranking}).items()}


def test_nothing_asked_gives_nothing():
    assert evaluate({}, {"q": ["a"]}) == {name: {} for name in MEASURES}
    assert estimate([]) == estimate(()) == compare({}, {"q": 1.0})
    assert (estimate([]).value, estimate([]).queries) == (0.0, 0)


@pytest.mark.parametrize("run", [{}, {"q": []}, {"q": ["b", "c"]}, {"other": ["a"]}])
def test_a_query_that_finds_nothing_scores_nothing(run):
    assert evaluate({"q": {"a": 1}}, run) == {name: {"q": 0.0} for name in MEASURES}


def test_a_query_that_nobody_judged_does_not_count():
    assert evaluate({"q": {"a": 1}}, {"q": ["a"], "x": ["a"]}) == {name: {"q": 1.0} for name in MEASURES}


def test_values_worked_out_by_hand():
    found = one({"a": 1, "b": 1}, ["x", "a", "y", "z", "w", "b"])
    ideal = 1 + 1 / math.log2(3)
    assert found["NDCG@10"] == pytest.approx((1 / math.log2(3) + 1 / math.log2(7)) / ideal)
    assert found["MRR@10"] == 0.5
    assert (found["R@1"], found["R@5"], found["R@10"]) == (0.0, 0.5, 1.0)


def test_gains_are_linear_in_the_grade():
    found = one({"a": 3, "b": 1}, ["b", "a"])
    assert found["NDCG@10"] == pytest.approx((1 + 3 / math.log2(3)) / (3 + 1 / math.log2(3)))


def test_measures_look_as_deep_as_they_say():
    others = [f"x{n:03}" for n in range(200)]
    eleventh, last, beyond = (one({"a": 1}, [*others[:depth], "a"]) for depth in (10, DEPTH - 1, DEPTH))
    assert eleventh == dict.fromkeys(MEASURES, 0.0) | {"R@100": 1.0}
    assert last == eleventh
    assert beyond == dict.fromkeys(MEASURES, 0.0)


def test_the_order_of_a_run_counts_and_not_its_names():
    assert one({"z": 1}, ["z", "a"])["MRR@10"] == 1.0
    assert one({"a": 1}, ["z", "a"])["MRR@10"] == 0.5


def test_the_same_as_ir_measures_on_random_runs():
    chance = random.Random(7)
    texts = [f"t {n}" for n in range(150)]
    relevance, run = {}, {}
    for n in range(40):
        relevance[f"q{n}"] = {text: chance.choice([0, 1, 1, 2]) for text in chance.sample(texts, chance.randint(1, 9))}
        relevance[f"q{n}"][texts[n]] = 1
        run[f"q{n}"] = chance.sample(texts, chance.randint(0, DEPTH))
    ours = evaluate(relevance, run)
    scored = {query: {text: 1 / rank for rank, text in enumerate(found, 1)} for query, found in run.items()}
    for name, theirs in THEIRS.items():
        measure = ir_measures.parse_measure(theirs)
        wanted = {each.query_id: each.value for each in ir_measures.iter_calc([measure], relevance, scored)}
        assert ours[name] == pytest.approx(wanted)
        assert sum(wanted.values()) > 0


def test_an_interval_is_the_same_every_time_and_of_the_state_of_no_one():
    values = list(np.random.default_rng(3).random(60))
    first = estimate(values)
    np.random.default_rng().random(9)
    random.random()
    assert estimate(values) == first
    assert first.low < first.value < first.high
    assert first.value == pytest.approx(sum(values) / 60)
    assert first.queries == 60


@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
def test_equal_values_have_a_point_for_an_interval(value):
    found = estimate([value] * 30)
    assert (found.value, found.low, found.high) == (value, value, value)
    alone = estimate([value])
    assert (alone.value, alone.low, alone.high) == (value, value, value)


def test_the_interval_is_about_as_wide_as_the_normal_one():
    values = np.random.default_rng(5).random(400)
    found = estimate(values)
    width = 2 * 1.96 * values.std() / math.sqrt(400)
    assert found.high - found.low == pytest.approx(width, rel=0.1)


def test_a_wider_level_gives_a_wider_interval():
    values = list(np.random.default_rng(4).random(50))
    narrow, wide = estimate(values, 0.5), estimate(values, 0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


@settings(deadline=None, derandomize=True, max_examples=30)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_an_interval_lies_among_the_values_and_holds_their_mean(values):
    found = estimate(values)
    assert min(values) - 1e-9 <= found.low <= found.high <= max(values) + 1e-9
    assert found.low - 1e-9 <= found.value <= found.high + 1e-9


def test_comparing_pairs_by_query():
    chance = np.random.default_rng(6).random(50)
    left = {f"q{n}": value + 0.01 for n, value in enumerate(chance)}
    right = {f"q{n}": value for n, value in reversed(list(enumerate(chance)))}
    found = compare(left, right)
    # Unpaired, the queries' own spread would hide so small a difference.
    assert (found.value, found.low, found.high) == pytest.approx((0.01, 0.01, 0.01))
    backwards = compare(right, left)
    assert (backwards.value, backwards.low, backwards.high) == pytest.approx((-0.01, -0.01, -0.01))


def test_comparing_looks_only_at_what_both_have():
    found = compare({"a": 1.0, "b": 0.5, "left": 9.0}, {"b": 0.5, "a": 0.5, "right": -9.0})
    assert (found.value, found.queries) == (0.25, 2)
    assert compare({"left": 1.0}, {"right": 1.0}).queries == 0
