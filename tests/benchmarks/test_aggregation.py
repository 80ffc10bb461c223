"""What the benchmark of aggregation says of units whose answer is, or is not, in their first block."""

import numpy as np

from benchmarks.aggregation import Asked, measure


def _rows(*rows):
    return np.array(rows, dtype=np.float32)


def _asked(query):
    """A unit of two blocks, one of one block, and what is asked; the answer is the longer one."""
    long, short = _rows([1, 0, 0], [0, 1, 0]), _rows([0, 0.9, np.sqrt(1 - 0.81)])
    first = np.stack([long[0], short[0]])
    return Asked(
        "set", ["long", "short"], [long, short], {"long": 300, "short": 20}, first, {"q": query}, {"q": {"long": 1}}
    )


def test_a_detail_of_the_second_block_is_found_by_the_nearest_block_only():
    rows = measure([_asked(_rows(0, 1, 0))], "first block", None)["256-512"]
    assert rows["queries"] == 1
    assert rows["first block"]["MRR@10"][0] == 0.5
    assert rows["mean"]["MRR@10"][0] == 0.5
    assert rows["best block"]["MRR@10"][0] == 1.0
    assert rows["best block"]["above the beginning"][0] == 0.5


def test_what_the_beginning_says_is_found_by_all_and_scorer_weighs_blocks():
    rows = measure([_asked(_rows(1, 0, 0))], "first block", _rows(0, 9, 0))["256-512"]
    assert {way: row["MRR@10"][0] for way, row in rows.items() if way != "queries"} == dict.fromkeys(
        ("first block", "mean", "max", "attention", "best block"), 1.0
    )
    detail = measure([_asked(_rows(0, 1, 0))], "first block", _rows(0, 90, 0))["256-512"]
    assert detail["attention"]["MRR@10"][0] == 1.0
    assert detail["mean"]["MRR@10"][0] == 0.5
