"""The repository's own questions: they read without fault, and are as many and as mixed as their figures claim."""

import os
from collections import Counter
from pathlib import Path

import pytest

from search.evaluation.evaluate import shares_words
from search.evaluation.sets import read_set

FOLDER = Path(__file__).parents[2] / "data" / "questions"
KINDS = {"behaviour", "architecture", "error", "usage", "code", "symbol"}
# Licences under which a package may be read, fetched and quoted by line.
LICENCES = {"MIT", "Apache-2.0", "BSD-3-Clause", "MPL-2.0", "MIT OR Apache-2.0"}


@pytest.fixture(scope="module")
def found():
    return read_set(FOLDER)


def test_there_are_enough_questions_packages_and_languages(found):
    asked = {question.repository for question in found.questions.values()}
    assert len(found.questions) >= 240
    assert len(asked) >= 12
    assert asked == found.sources.keys()
    assert len({source.language for source in found.sources.values()}) >= 8


def test_half_of_them_say_no_word_of_their_answer(found):
    unshared = [key for key, question in found.questions.items() if not shares_words(question)]
    assert len(unshared) >= len(found.questions) / 2


def test_held_out_packages_are_of_several_languages(found):
    held_out = [source for source in found.sources.values() if source.held_out]
    assert len(held_out) == 4
    assert len({source.language for source in held_out}) == 4


def test_every_kind_is_asked(found):
    kinds = Counter(question.kind for question in found.questions.values())
    assert kinds.keys() == KINDS


def test_no_question_is_asked_twice(found):
    said = Counter(" ".join(question.text.lower().split()) for question in found.questions.values())
    assert [text for text, count in said.items() if count > 1] == []


def test_every_answer_names_its_symbol_and_lines_that_a_person_could_read(found):
    answers = [(key, each) for key, question in found.questions.items() for each in question.answers]
    assert [key for key, each in answers if each.end_line - each.start_line >= 400] == []
    named = [key for key, each in answers if each.symbol]
    assert len(named) >= 0.9 * len(answers)


def test_every_package_may_be_read_and_is_pinned(found):
    assert {source.licence for source in found.sources.values()} <= LICENCES
    assert [source.repository for source in found.sources.values() if not any(map(str.isdigit, source.version))] == []


def test_no_package_is_one_that_is_left_out(found):
    base = os.environ.get("FATHOM_DATA")
    path = Path(base or "", "left-out.txt")
    if base is None or not path.is_file():
        pytest.skip("FATHOM_DATA, the folder with the list of left-out projects, is not set")
    left_out = {
        name.lower()
        for line in path.read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
        for name in line.partition(":")[2].split()
    }
    assert len(left_out) > 50
    for source in found.sources.values():
        # A package may be called by its path, its group or with a version.
        names = {source.repository, *source.package.replace(":", "/").split("/")}
        assert not {name.lower() for name in names} & left_out, source.repository
