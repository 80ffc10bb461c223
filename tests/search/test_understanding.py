"""Abbreviations and misspelt names, learnt from the vocabulary of a small index."""

import pytest

from indexer.index import Index
from search.engine import Engine
from search.understanding import Understanding, abbreviates

_CODE = '''
def load_config(cfg):
    """Read the config; cfg is a config mapping."""
    return cfg


def save_config(cfg):
    config = cfg
    return config


def merge_cfg(cfg, config):
    cfg.update(config)


def delay_retries(seconds):
    return seconds


def open_database(db):
    return db
'''


@pytest.fixture
def index(tmp_path, stub_encoder):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "settings.py").write_text(_CODE)
    index = Index.build(tmp_path / "index", [str(tmp_path / "code")], encoder=stub_encoder)
    yield index
    index.close()


@pytest.fixture
def meant(index):
    def ask(*terms):
        with index.view() as view:
            return Understanding(view).meant(dict.fromkeys(terms, 1.0))

    return ask


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("cfg", "config"),
        ("ctx", "context"),
        ("db", "databas"),
        ("msg", "messag"),
        ("auth", "authent"),
        ("idx", "index"),
    ],
)
def test_abbreviations_of_programming_are_known_by_their_form(short, long):
    assert abbreviates(short, long)


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("in", "index"),
        ("cat", "concat2"),
        ("config", "cfg"),
        ("ab", "abcd"),
        ("tea", "tree"),
        ("xfg", "config"),
        ("a", "abc"),
    ],
)
def test_other_pairs_are_no_abbreviations(short, long):
    assert not abbreviates(short, long)


def test_a_word_brings_the_abbreviation_that_the_same_units_say_and_the_other_way_round(meant):
    assert meant("config").terms == {"config": 1.0, "cfg": pytest.approx(0.4)}
    assert meant("cfg").terms == {"cfg": 1.0, "config": pytest.approx(0.4)}


def test_an_abbreviation_without_evidence_is_left_alone(meant):
    # One unit says "db", and names say "database": too few to tell.
    assert meant("databas").terms == {"databas": 1.0}


def test_a_misspelt_name_brings_the_nearest_and_says_so(meant):
    found = meant("retreis")
    assert found.terms["retri"] == pytest.approx(0.8)
    assert found.corrected == (("retreis", "retries"),)


@pytest.mark.parametrize("term", ["zzzzzzz", "ret", "12345", "quaternion"])
def test_what_is_near_to_nothing_is_left_alone(meant, term):
    found = meant(term)
    assert found.terms == {term: 1.0}
    assert not found.corrected


def test_a_search_with_a_misspelt_name_finds_it_and_notes_it(index, stub_encoder):
    answer = Engine(index, stub_encoder).search("delay retreis", mode="lexical")
    assert answer.hits[0].symbol == "delay_retries"
    assert any("retreis" in note for note in answer.notes)


def test_a_query_without_known_words_still_answers(index, stub_encoder):
    answer = Engine(index, stub_encoder).search("qqqqqq wwwwww")
    assert answer.hits
    assert not any("qqqqqq" in note for note in answer.notes)
