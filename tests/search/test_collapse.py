"""Near-duplicates in results: one hit that names the others; everything where everything is promised."""

import json
import random

import pytest

from cli.main import run
from indexer.index import Index
from indexer.splitting.likeness import sketch
from indexer.store.interface import Head
from search.collapse import collapse
from search.engine import Engine

COPY = '''def parse_header(line):
    """Split a header line into its name and its parameters."""
    name, *rest = line.split(";")
    parameters = {}
    for part in rest:
        key, _, value = part.strip().partition("=")
        parameters[key.lower()] = value.strip('"')
    return name.strip(), parameters
'''
QUERY = "split a header line into name and parameters"


def text(seed, count=60):
    chance = random.Random(seed)
    return " ".join(f"t{chance.randrange(10**9)}" for _ in range(count))


def heads(*texts):
    return [
        Head(key, f"u{key}", "r", f"{key}.py", "python", "function", "f", 1, 2, False, sketch(said.split()))
        for key, said in enumerate(texts)
    ]


def test_a_list_without_copies_stays():
    assert collapse([]) == {}
    assert collapse(heads(*map(text, range(50)))) == dict.fromkeys(range(50), ())


def test_copies_join_the_first_in_order():
    one, other = text(1), text(2)
    found = collapse(heads(one, other, one, text(3), f"{one} more", other))
    assert found == {0: (2, 4), 1: (5,), 3: ()}
    assert list(found) == [0, 1, 3]


def test_a_unit_that_is_like_a_copy_only_stays():
    """Like is no chain: what is listed under a unit is like that unit."""
    words = text(1, 200).split()
    chain = [" ".join(words[start : start + 160]) for start in (0, 10, 20)]
    found = collapse(heads(*chain))
    assert found == {0: (1,), 2: ()}


def test_units_too_small_to_say_stay():
    assert collapse(heads("a b c", "a b c", "")) == {0: (), 1: (), 2: ()}


def test_only_the_first_hundred_are_looked_at():
    one = text(0)
    found = collapse(heads(one, *map(text, range(1, 99)), one, one))
    assert found[0] == (99,)
    assert found[100] == ()


@pytest.fixture
def tree(tmp_path):
    folder = tmp_path / "tree"
    folder.mkdir()
    for name in ("one", "two", "three"):
        (folder / f"{name}.py").write_text(COPY)
    (folder / "other.py").write_text("def write_header(name):\n    return name + ': parameters'\n")
    return folder


@pytest.fixture
def asked(tmp_path, tree, quick, monkeypatch):
    """Return an engine on the tree's index."""
    encoder = quick.CountingEncoder()
    monkeypatch.setattr("search.engine.load_encoder", lambda settings: encoder)
    quick.update(tmp_path / "index", [quick.folder_source(tree)], encoder)
    index = Index.open(tmp_path / "index")
    yield Engine(index, encoder)
    index.close()


def symbols(answer):
    return [hit.symbol for hit in answer.hits]


def test_copies_are_one_hit_that_names_the_others(asked):
    answer = asked.search(QUERY)
    assert sorted(symbols(answer)) == ["parse_header", "write_header"]
    assert answer.total == 2
    hit = next(hit for hit in answer.hits if hit.symbol == "parse_header")
    every = asked.search(QUERY, exhaustive=True)
    assert [each.id for each in every.hits if each.symbol == "parse_header"] == [hit.id, *hit.like]
    assert {each.like for each in (*every.hits, *asked.search("write_header", 1).hits)} == {()}
    assert [each.rank for each in answer.hits] == [1, 2]


@pytest.mark.parametrize("options", [{"exhaustive": True}, {"rank": False}, {"mode": "lexical"}, {"mode": "vector"}])
def test_other_ways_to_ask_list_every_copy(asked, options):
    answer = asked.search(QUERY, **options)
    assert symbols(answer).count("parse_header") == 3
    assert answer.total == len(answer.hits)
    assert not any(hit.like for hit in answer.hits)


@pytest.mark.parametrize(
    "query", ['"header line into"', r"/partition\(/", "header path:*.py", "header -nowhere", "header kind:function"]
)
def test_conditions_list_every_copy(asked, query):
    answer = asked.search(query)
    assert symbols(answer).count("parse_header") == 3
    assert not any(hit.like for hit in answer.hits)


def test_code_like_a_copy_lists_every_copy(asked):
    assert symbols(asked.similar("one.py", 1)).count("parse_header") == 2


def test_pages_hold_each_hit_once(tmp_path, quick):
    tree, encoder, chance = tmp_path / "many", quick.CountingEncoder(), random.Random(5)
    tree.mkdir()
    for number in range(80):
        words = [f"w{chance.randrange(10**6)}" for _ in range(25)]
        body = f"def f{number}(common):\n    return {' + '.join(words)}\n"
        for copy in range(chance.choice([1, 1, 2, 4])):
            (tree / f"{number}_{copy}.py").write_text(body)
    quick.update(tmp_path / "index", [quick.folder_source(tree)], encoder)
    engine = Engine(Index.open(tmp_path / "index"), encoder)
    pages = [engine.search("common", 7, offset=offset) for offset in range(0, 300, 7)]
    hits = [hit for page in pages for hit in page.hits]
    shown = [unit_id for hit in hits for unit_id in (hit.id, *hit.like)]
    assert any(hit.like for hit in hits)
    assert len(shown) == len(set(shown)) == len(list(tree.iterdir()))
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert pages[-1].total == len(hits)
    whole = engine.search("common", 300)
    assert [(hit.id, hit.like) for hit in whole.hits] == [(hit.id, hit.like) for hit in hits]


def test_the_terminal_names_three_and_counts_the_others(asked, tmp_path, tree, quick, capsys, monkeypatch):
    command = ["search", "--index", str(tmp_path / "index"), "--quiet"]
    assert run([*command, QUERY]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "like it" in line]
    assert line.startswith("      and 2 like it: ")
    assert "…" not in line
    assert line.count(".py:1") == 2
    for number in range(5):
        (tree / f"late{number}.py").write_text(COPY)
    quick.update(tmp_path / "index", [quick.folder_source(tree)], quick.CountingEncoder())
    assert run([*command, QUERY]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "like it" in line]
    assert line.startswith("      and 7 like it: ")
    assert line.count(".py:1") == 3
    assert line.endswith(", …")
    assert run([*command, "--all", QUERY]) == 0
    shown = capsys.readouterr().out
    assert shown.count("def parse_header") == 8
    assert "like it" not in shown
    assert run([*command, "--json", QUERY]) == 0
    assert sorted(len(hit["like"]) for hit in json.loads(capsys.readouterr().out)["hits"]) == [0, 7]
