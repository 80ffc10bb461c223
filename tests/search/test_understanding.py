"""Abbreviations and misspelt names, learnt from the vocabulary of a small index."""

import pytest

from indexer.index import Index
from indexer.lexical.tokens import terms
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
def code(tmp_path):
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "settings.py").write_text(_CODE)
    return folder


@pytest.fixture
def index(tmp_path, code, stub_encoder):
    index = Index.build(tmp_path / "index", [str(code)], encoder=stub_encoder)
    yield index
    index.close()


@pytest.fixture
def meant(index):
    def ask(*words, names=True):
        with index.view() as view:
            return Understanding(view).meant({terms(word)[-1]: word for word in words}, names=names)

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


def test_a_rare_word_brings_the_names_that_abbreviate_it_or_that_it_abbreviates(meant):
    assert meant("configuration").forms == {"cfg": 0.4}
    assert meant("conf").forms == {"config": 0.4}


def test_a_word_that_many_units_say_is_left_alone(index, code, meant, stub_encoder):
    assert meant("cfg").forms == {"config": 0.4}
    (code / "more.py").write_text("".join(f"def use{n}(cfg):\n    return cfg\n\n" for n in range(9)))
    Index.build(index.folder, [str(code)], encoder=stub_encoder).close()
    assert meant("cfg").forms == {}


def test_a_misspelt_name_is_taken_for_the_nearest(meant):
    assert meant("dleay").corrected == {"dleay": "delay"}
    assert meant("retreis").corrected == {"retrei": "retries"}
    assert meant("databsae").corrected == {"databsa": "database"}


def test_a_word_of_a_question_is_never_taken_for_a_name(meant):
    assert not meant("dleay", names=False).corrected


@pytest.mark.parametrize("word", ["zzzzzzz", "dly", "12345", "quaternion", "delayed"])
def test_what_is_near_to_nothing_is_left_alone(meant, word):
    assert not meant(word).corrected


def test_a_search_with_a_misspelt_name_finds_it_and_notes_it(index, stub_encoder):
    answer = Engine(index, stub_encoder).search("delay_retreis", mode="lexical")
    assert answer.hits[0].symbol == "delay_retries"
    assert any("'retreis'" in note and "'retries'" in note for note in answer.notes)
    assert not Engine(index, stub_encoder).search("delay_retreis", mode="vector").notes


def test_a_query_without_known_words_still_answers(index, stub_encoder):
    answer = Engine(index, stub_encoder).search("qqqqqq wwwwww")
    assert answer.hits
    assert not answer.notes


@pytest.mark.parametrize("query", ["retreis", "delay retreis", "delay_retreis"])
def test_a_misspelt_word_is_asked_for_as_meant_by_both_indexes(index, stub_encoder, query):
    engine = Engine(index, stub_encoder)
    meant = engine.search(query.replace("retreis", "retries"))
    found = engine.search(query)
    assert [hit.id for hit in found.hits] == [hit.id for hit in meant.hits]
    assert [hit.parts["vector"] for hit in found.hits] == [hit.parts["vector"] for hit in meant.hits]
