"""The repository's own code-to-code set: every snippet is code, every task has its versions and its twin."""

import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from indexer.languages import by_name
from indexer.languages.grammar import grammar_of
from indexer.splitting.units import split_units
from search.evaluation.sets import read_set

FOLDER = Path(__file__).parents[2] / "data" / "cross-language"
LANGUAGES = {"python", "javascript", "go", "rust", "java"}


@pytest.fixture(scope="module")
def rows():
    """Every snippet by its id: (task, twin, language, text)."""
    found = {}
    for name in ("corpus", "queries"):
        for line in (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            said = row["metadata"]
            assert row["_id"] not in found
            found[row["_id"]] = (said["task"], said["twin"], said["language"], row["text"])
    return found


@pytest.fixture(scope="module")
def versions(rows):
    """The snippets of each task by language."""
    found = defaultdict(dict)
    for task, _, language, text in rows.values():
        assert language not in found[task]
        found[task][language] = text
    return found


def test_it_is_as_large_as_its_description_says(versions):
    found = read_set(FOLDER)
    assert (len(found.queries), len(found.texts), len(versions)) == (100, 150, 50)
    assert all(text.language for text in found.texts.values())


def test_every_task_is_there_in_every_language(versions):
    assert {task: set(snippets) for task, snippets in versions.items()} == dict.fromkeys(versions, LANGUAGES)


def test_the_answers_to_a_query_are_the_other_versions_of_its_task(rows):
    found = read_set(FOLDER)
    for query, relevant in found.relevance.items():
        task, _, language, _ = rows[query]
        wanted = {text for text in found.texts if rows[text][0] == task}
        assert set(relevant) == wanted
        assert len(wanted) == 3
        assert language not in {rows[text][2] for text in wanted}


def test_beside_every_answer_lies_its_twin_in_the_same_language(rows):
    found = read_set(FOLDER)
    there = {(rows[text][0], rows[text][2]) for text in found.texts}
    for text in found.texts:
        task, twin, language, _ = rows[text]
        assert twin != task
        assert (twin, language) in there


def test_no_text_is_there_twice(rows):
    assert max(Counter(text for *_, text in rows.values()).values()) == 1


def test_every_snippet_parses_without_a_fault(rows):
    for key, (_, _, language, text) in rows.items():
        grammar = grammar_of(by_name(language))
        assert not grammar.parse(text.encode()).root_node.has_error, key


def test_versions_of_a_task_share_no_name_of_a_definition(versions):
    for task, snippets in versions.items():
        names = []
        for language, text in snippets.items():
            units = split_units(text, by_name(language)).units
            names += {unit.symbol.rpartition(".")[2].lower() for unit in units if unit.symbol}
        assert len(names) == len(set(names)), task


def test_ids_say_nothing_of_the_task(rows):
    assert all(key[0] in "cq" and key[1:].isdigit() for key in rows)
