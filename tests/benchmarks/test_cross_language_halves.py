"""The halves of the cross-language set share no pair of tasks, and together are the whole."""

import json

from benchmarks.cross_language import CROSS_LANGUAGE, kept_queries, tuning_half
from search.evaluation.sets import read_set


def pairs_of(ids):
    rows = [
        json.loads(line)
        for name in ("queries", "corpus")
        for line in (CROSS_LANGUAGE / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    said = {row["_id"]: frozenset((row["metadata"]["task"], row["metadata"]["twin"])) for row in rows}
    return {said[each] for each in ids}


def test_every_query_is_in_one_half():
    tuned, kept = tuning_half(), kept_queries()
    assert tuned.queries.keys() | kept == read_set(CROSS_LANGUAGE).queries.keys()
    assert not tuned.queries.keys() & kept
    assert (len(tuned.queries), len(kept)) == (52, 48)


def test_no_pair_of_tasks_is_in_both():
    tuned = tuning_half()
    assert not pairs_of(tuned.queries) & pairs_of(kept_queries())
    # Not even as texts that are wrong answers.
    assert not pairs_of(tuned.texts) & pairs_of(kept_queries())


def test_every_answer_of_the_tuning_half_is_in_it():
    tuned = tuning_half()
    assert tuned.relevance.keys() == tuned.queries.keys()
    assert all(found.keys() <= tuned.texts.keys() for found in tuned.relevance.values())
