"""Files of weights: damaged ones are refused by name, and the shipped one loads."""

import json
import math

import pytest

from indexer.errors import ModelDamaged
from search.classes import QueryClass
from search.ranking.model import SIGNALS
from search.ranking.weights import FUSION, WEIGHTS_FILE, fitted

GOOD = {each.value: {"bm25": 0.5, "vector": 0.5} for each in QueryClass}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.json"


def refused(path):
    with pytest.raises(ModelDamaged) as raised:
        fitted(path)
    assert str(path) in str(raised.value)
    return str(raised.value)


def test_a_missing_file_is_named(path):
    assert "install Fathom again" in refused(path)


@pytest.mark.parametrize("content", [b"", b"{", b'{"weights": ', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_is_named(path, content):
    path.write_bytes(content)
    assert "cannot be read" in refused(path)


@pytest.mark.parametrize("content", ["[]", "7", "null", "{}", '{"weights": []}', '{"weights": null}'])
def test_what_has_no_weights_is_named(path, content):
    path.write_text(content)
    assert '"weights"' in refused(path)


@pytest.mark.parametrize("missing", list(QueryClass))
@pytest.mark.parametrize("instead", [None, [], "bm25"])
def test_a_class_without_weights_is_named(path, missing, instead):
    weights = {name: each for name, each in GOOD.items() if name != missing}
    path.write_text(json.dumps({"weights": weights if instead is None else weights | {missing.value: instead}}))
    assert repr(missing.value) in refused(path)


def test_an_unknown_signal_is_named_with_those_there_are(path):
    path.write_text(json.dumps({"weights": GOOD | {"code": {"bm25": 1.0, "psychic": 0.5}}}))
    said = refused(path)
    assert "'psychic'" in said
    assert [name for name in SIGNALS if name not in said] == []


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400, '"0.5"', "null", "true", "[0.5]"]
)
def test_a_weight_that_is_no_finite_number_is_named(path, number):
    path.write_text(json.dumps({"weights": GOOD}).replace("0.5", number, 1))
    assert "'bm25' no finite number" in refused(path)


def test_a_good_file_is_read_as_it_stands(path):
    path.write_text(json.dumps({"provenance": {"date": "today"}, "weights": GOOD | {"code": {"noise": -1}}}))
    found = fitted(path)
    assert list(found) == list(QueryClass)
    assert found[QueryClass.CODE] == {"noise": -1.0}
    assert found[QueryClass.SYMBOL] == GOOD["symbol"]


def test_nobody_can_change_the_weights_of_others(path):
    path.write_text(json.dumps({"weights": GOOD}))
    found = fitted(path)
    with pytest.raises(TypeError):
        found[QueryClass.CODE]["bm25"] = 9.0
    with pytest.raises(TypeError):
        found[QueryClass.CODE] = {}


@pytest.mark.parametrize("content", [{}, {"shallow": []}, {"shallow": {"first_look": GOOD}}])
def test_what_has_no_weights_for_shallow_vectors_is_named(path, content):
    path.write_text(json.dumps({"weights": GOOD, **content}))
    assert fitted(path)[QueryClass.CODE] == GOOD["code"]
    with pytest.raises(ModelDamaged, match='"weights" in "shallow"'):
        fitted(path, shallow=True)


def test_weights_for_shallow_vectors_are_their_own(path):
    path.write_text(json.dumps({"weights": GOOD, "shallow": {"weights": GOOD | {"code": {"bm25": 1}}}}))
    assert fitted(path, shallow=True)[QueryClass.CODE] == {"bm25": 1.0}
    assert fitted(path, shallow=True)[QueryClass.SYMBOL] == fitted(path)[QueryClass.SYMBOL] == GOOD["symbol"]


def test_beside_shallow_vectors_words_say_more():
    deep, shallow = fitted()[QueryClass.LANGUAGE], fitted(shallow=True)[QueryClass.LANGUAGE]
    assert shallow["bm25"] / shallow["vector"] > deep["bm25"] / deep["vector"]


@pytest.mark.parametrize("shallow", [False, True])
@pytest.mark.parametrize("query_class", QueryClass)
def test_the_shipped_weights_load(query_class, shallow):
    weights = fitted(shallow=shallow)[query_class]
    assert weights.keys() <= SIGNALS.keys()
    # Both indexes count, and nothing pushes down what they find; pasted code's words count in runs.
    assert weights.get("bm25", 0) + weights.get("bm25_file", 0) + weights.get("verbatim", 0) > 0
    assert weights.get("vector", 0) > 0
    assert all(math.isfinite(weight) for weight in weights.values())


def test_the_shipped_weights_lie_beside_the_code():
    assert WEIGHTS_FILE.is_file()
    assert fitted(WEIGHTS_FILE) == fitted()


def test_fusing_alone_weighs_the_two_indexes_and_nothing_else():
    assert list(FUSION) == list(QueryClass)
    for weights in FUSION.values():
        assert weights.keys() == {"bm25", "vector"}
        assert sum(weights.values()) == pytest.approx(1.0)
