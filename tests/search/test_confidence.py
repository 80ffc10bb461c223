"""The probability of the first hit: what it is fitted for, what it says, and a file that is wrong."""

import json

import pytest

from indexer.errors import ModelDamaged
from indexer.index import Index, load_encoder
from indexer.settings import Settings
from search import confidence
from search.classes import QueryClass
from search.confidence import CONFIDENCE_FILE, EVIDENCE, calibrated, gather, probability
from search.engine import Engine
from search.ranking.weights import fitted
from search.retrieval import Mode, candidates, order
from tests.stub_encoder import StubEncoder

CODE = """def parse_header(line):
    name, _, value = line.partition(":")
    return name.strip(), value.strip()


def close_socket(sock):
    sock.close()
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("confidence")
    (folder / "code").mkdir()
    (folder / "code" / "http.py").write_text(CODE)
    return Index.build(folder / "index", [str(folder / "code")], settings=Settings(processes=1), encoder=StubEncoder())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content.pop("models"), "models"),
        (lambda content: content.update(nothing="much"), "much"),
        (lambda content: content.update(nothing=True), "True"),
        (lambda content: content["models"].update(six={"symbol": {"bias": 0, "weights": {}}}), "six"),
        (lambda content: content["models"]["6"].update(poem={"bias": 0, "weights": {}}), "poem"),
        (lambda content: content["models"]["6"]["symbol"]["weights"].update(moon=1.0), "moon"),
        (lambda content: content["models"]["6"]["symbol"].update(bias=float("nan")), "nan"),
    ],
)
def test_a_wrong_calibration_is_named(tmp_path, change, said):
    content = json.loads(CONFIDENCE_FILE.read_text())
    change(content)
    path = tmp_path / "confidence.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ModelDamaged, match=said):
        calibrated(path)


def test_a_calibration_that_is_not_there_or_no_json(tmp_path):
    with pytest.raises(ModelDamaged, match="install Fathom again"):
        calibrated(tmp_path / "nowhere.json")
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(ModelDamaged):
        calibrated(tmp_path / "list.json")


def test_the_shipped_calibration_is_of_the_shipped_model():
    encoder = load_encoder(Settings())
    found = calibrated()
    assert found.fingerprint == encoder.fingerprint
    assert {depth for depth, _ in found.models} == {encoder.depths[0], encoder.depths[-1]}
    assert 0 < found.nothing < 0.5


def test_nothing_is_said_of_another_model_or_depth_or_of_code(index):
    evidence = dict.fromkeys(EVIDENCE, 1.0)
    own = calibrated().fingerprint
    assert probability(evidence, "another", {6: 10}, QueryClass.LANGUAGE) is None
    assert probability(evidence, own, {4: 10}, QueryClass.LANGUAGE) is None
    assert probability(evidence, own, {}, QueryClass.LANGUAGE) is None
    assert probability(evidence, own, {6: 10}, QueryClass.CODE) is None
    assert Engine(index, StubEncoder()).search("parse a header").probability is None


def test_most_units_name_the_depth():
    evidence = dict.fromkeys(EVIDENCE, 0.5)
    own, asked = calibrated().fingerprint, QueryClass.LANGUAGE
    shallow, deep = (probability(evidence, own, {depth: 10}, asked) for depth in (0, 6))
    assert shallow != deep
    assert probability(evidence, own, {0: 9, 6: 10}, asked) == deep
    assert probability(evidence, own, {0: 10, 6: 9}, asked) == shallow


def test_more_evidence_is_more_likely():
    own = calibrated().fingerprint
    for asked in (QueryClass.LANGUAGE, QueryClass.SYMBOL):
        weak = dict.fromkeys(EVIDENCE, 0.1)
        strong = {**weak, "cosine": 0.9, "covered": 1.0}
        assert 0 <= probability(weak, own, {6: 1}, asked) < probability(strong, own, {6: 1}, asked) < 1


def test_evidence_of_a_name_and_of_words_that_nothing_says(index):
    def evidence(text):
        with index.view() as view:
            asked = Engine(index, StubEncoder()).asked(view, text, Mode.HYBRID)
            keys, found = candidates(view, asked)
            first = order(keys, found, asked, fitted(shallow=view.manifest.shallow)).keys[0]
            return gather(found, keys.tolist().index(first), view.lexical.frequencies)

    named, strange = evidence("parse_header"), evidence("quantum flux zebra")
    assert named.keys() == set(EVIDENCE)
    assert (named["named"], named["known"], named["covered"]) == (1.0, 1.0, 1.0)
    assert (strange["named"], strange["known"], strange["covered"]) == (0.0, 0.0, 0.0)


def test_a_list_without_an_answer_says_so(index, monkeypatch):
    model = confidence.Logistic(-5.0, {"covered": 10.0})
    made = confidence.Calibration("", 0.1, {(depth, QueryClass.LANGUAGE): model for depth in range(9)})
    with index.view() as view:
        made = confidence.Calibration(view.manifest.fingerprint, made.nothing, made.models)
    monkeypatch.setattr(confidence, "calibrated", lambda: made)
    engine = Engine(index, StubEncoder())
    found, missed = engine.search("how to parse the header line"), engine.search("where is the quantum flux zebra")
    assert found.probability > 0.9
    assert not any("nothing here answers" in note for note in found.notes)
    assert missed.probability < 0.1
    assert any("nothing here answers" in note for note in missed.notes)
    assert engine.search("how to parse the header line", rank=False).probability is None
    assert engine.search("how to parse the header line", mode="lexical").probability is None
