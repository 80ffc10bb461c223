"""Pairs written by hand: what means the same has one normal form, what differs in meaning never has."""

import json
from pathlib import Path

import pytest

from indexer.style.normalise import normalise

PAIRS = Path(__file__).parents[2] / "data" / "normal-form"


def pairs(name):
    rows = [json.loads(line) for line in (PAIRS / f"{name}.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == 200
    return rows


def forms(row):
    return normalise(row["left"], row["language"]), normalise(row["right"], row["language"])


def test_texts_that_mean_the_same_have_one_form():
    rows = pairs("equal")
    equal = [left == right for left, right in map(forms, rows)]
    assert sum(equal) >= 0.95 * len(rows)


@pytest.mark.parametrize("row", pairs("different"), ids=lambda row: f"{row['language']} {row['name']} {row['change']}")
def test_texts_that_differ_in_meaning_have_two(row):
    left, right = forms(row)
    assert left != right


@pytest.mark.parametrize("name", ["equal", "different"])
def test_the_form_of_a_form_is_itself(name):
    for row in pairs(name):
        for form in forms(row):
            assert normalise(form, row["language"]) == form
