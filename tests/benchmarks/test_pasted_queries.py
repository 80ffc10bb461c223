"""Pasted queries: the same each time, code to the search, and answered by the units that their lines are from."""

import re

import pytest

from benchmarks.pasted import PASTED_A_PACKAGE, pasted_queries
from indexer.index import Index
from indexer.settings import Settings
from search.classes import QueryClass, classify
from search.query import parse
from tests.stub_encoder import StubEncoder

FUNCTION = """def settle_{number}(account, rows):
    balance = account.opening({number})
    for amount in rows:
        if amount.kind == "{number}":
            balance = balance + amount.value
        else:
            balance = balance - account.fee(amount)
    return balance
"""
# Comments alone, and units of a line: nothing a person would paste.
PROSE = '''def described(x):
    """It does.

    Nothing else is to be said of it here, and what is said is said in words alone, as a person writes.
    Nothing else is to be said of it here, and what is said is said in words alone, as a person writes.
    Nothing else is to be said of it here, and what is said is said in words alone, as a person writes.
    Nothing else is to be said of it here, and what is said is said in words alone, as a person writes.
    Nothing else is to be said of it here, and what is said is said in words alone, as a person writes.
    """


def short():
    return 1
'''


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    base = tmp_path_factory.mktemp("pasted")
    (base / "src" / "tests").mkdir(parents=True)
    for number in range(40):
        (base / "src" / f"m{number}.py").write_text(FUNCTION.format(number=number))
    (base / "src" / "prose.py").write_text(PROSE)
    (base / "src" / "tests" / "test_m.py").write_text(FUNCTION.format(number=99))
    index = Index.build(base / "index", [str(base / "src")], settings=Settings(processes=1), encoder=StubEncoder())
    with index.view() as view:
        yield view
    index.close()


def test_they_are_the_same_each_time_and_code(view):
    found = pasted_queries(view)
    assert len(found) == PASTED_A_PACKAGE
    assert found == pasted_queries(view)
    assert {classify(parse(each.text)) for each in found} == {QueryClass.CODE}


def test_a_unit_that_holds_the_lines_answers(view):
    heads = {head.id: head for head in view.store.heads(view.catalogue.keys.tolist()).values()}
    texts = {heads_id: view.store.units([head.key])[head.key].text for heads_id, head in heads.items()}
    for place, each in enumerate(pasted_queries(view)):
        assert each.relevant
        assert not any("test" in heads[unit].path or "prose" in heads[unit].path for unit in each.relevant)
        for unit in each.relevant if place % 3 == 0 else ():
            wanted = " ".join(each.text.split())
            assert wanted in " ".join(texts[unit].split())


def test_one_of_three_is_as_it_stands_one_renamed_one_laid_out_anew_as_well(view):
    said = {line.strip() for number in range(40) for line in FUNCTION.format(number=number).split("\n")}
    plain, renamed, laid_out = ([each.text for each in pasted_queries(view)[start::3]] for start in range(3))
    assert all(line.strip() in said for text in plain for line in text.split("\n"))
    # A name in some ten stays by chance: most texts have another, none has all lines of another function.
    for edited in (renamed, laid_out):
        new = [text for text in edited if any(line.strip() not in said for line in text.split("\n"))]
        assert len(new) >= 0.75 * len(edited)
    assert not any("    " in text for text in laid_out)
    assert any("\t" in text for text in laid_out)
    assert any("    " in text for text in renamed)


def test_fields_and_what_is_called_keep_their_names(view):
    called = {"opening", "kind", "value", "fee"}
    after_dots = {name for each in pasted_queries(view) for name in re.findall(r"\.(\w+)", each.text)}
    assert after_dots
    assert after_dots <= called
