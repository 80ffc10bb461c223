"""A set measured with generations: what is missing or another set's, what each arm finds, and what it is compared with."""

import json

import pytest

from indexer.errors import UsageError
from indexer.generators.interface import Budget, Generation, Refused, Task, Unusable
from indexer.generators.recorded import Recorded
from indexer.settings import Settings
from search.evaluation.evaluate import evaluate_set
from search.evaluation.generations import generate
from search.evaluation.measures import MEASURES
from search.evaluation.output import as_json, tables, write_runs
from search.evaluation.rewriting import ARMS
from search.evaluation.sets import read_set
from search.evaluation.systems import SYSTEMS

BM25 = {"bm25": SYSTEMS["bm25"]}
TEXTS = {
    "sum": ("def f(a):\n    return sum(a)\n", "python"),
    "max": ("def g(a):\n    return max(a)\n", "python"),
    "rot": ("def h(a):\n    return a[1:] + a[:1]\n", "python"),
}
QUERIES = {"q1": "add all entries", "q2": "the largest entry", "q3": "turn a list by one"}
QRELS = [("q1", "sum", "1"), ("q2", "max", "1"), ("q3", "rot", "1")]
EXEMPLARS = {
    "q1": ["def total(a):\n    return sum(a)"],
    "q2": ["def top(a):\n    return max(a)"],
    "q3": ["roll(zz)"],
}
PURPOSES = {"sum": "Adds all entries.", "max": "Finds the largest entry.", "rot": "Turns a list by one."}
REWRITTEN = {"sum": ["def total(a): ..."], "max": ["def top(a): ..."], "rot": ["def roll(a): ..."]}


class Writer:
    """A generator that writes from tables, and fails as it is told."""

    def __init__(self, failing=(), exemplars=EXEMPLARS):
        self.name, self.failing, self.asked, self.exemplars = "writer", dict(failing), [], exemplars

    def generate(self, request, budget):
        assert isinstance(budget, Budget)
        self.asked.append((request.task, request.key, request.text, request.language))
        if request.key in self.failing:
            raise self.failing[request.key]
        if request.task is Task.EXEMPLAR:
            return Generation(tuple(self.exemplars[request.key]), self.name, 0.1, 10, 2)
        if request.task is Task.PURPOSE:
            return Generation((PURPOSES[request.key],), self.name, 0.1, 20, None)
        return Generation(tuple(REWRITTEN[request.key]), self.name)

    def close(self):
        pass


@pytest.fixture
def folder(small_sets, tmp_path):
    """A set with its recordings."""
    where = small_sets.text_set(tmp_path / "tiny", TEXTS, QUERIES, QRELS)
    small_sets.write_rows(
        where / "exemplars.jsonl", [{"_id": key, "exemplars": texts} for key, texts in EXEMPLARS.items()]
    )
    rows = [{"_id": key, "purpose": PURPOSES[key], "rewritten": REWRITTEN[key]} for key in TEXTS]
    small_sets.write_rows(where / "rewritten.jsonl", rows)
    return where


@pytest.fixture
def chosen(tmp_path):
    return Settings(cache=tmp_path / "cache", processes=1)


@pytest.fixture
def measured(folder, chosen, stub_encoder):
    return evaluate_set(folder, chosen, stub_encoder, rewriter=Recorded(folder))


def test_the_questions_of_a_repository_set_are_asked_with_exemplars(small_sets, chosen, stub_encoder, tmp_path):
    measure = ["def measure_extent(radius): ..."]
    writer = Writer(exemplars={"k1": measure, "k2": measure, "k3": ["func Drain(left int) int"]})
    asked, layout = small_sets.repository_set(tmp_path / "asked"), small_sets.lay_out(tmp_path / "layout")
    report = evaluate_set(asked, chosen, stub_encoder, systems=BM25, rewriter=writer, layout=layout)
    assert list(report.systems) == ["bm25", "bm25+gar"]
    expected = {("k1", "python"), ("k2", "python"), ("k3", "go")}
    assert {(task, key, language) for task, key, _, language in writer.asked} == {
        (Task.EXEMPLAR, key, language) for key, language in expected
    }
    plain, helped = (report.systems[name].line_values["MRR@10"] for name in ("bm25", "bm25+gar"))
    assert plain["k1"] < helped["k1"] == 1.0
    assert plain["k3"] == 0.0 < helped["k3"]


def shift_ids(path):
    """Let a recording be of other ids."""
    path.write_text(path.read_text().replace('"_id": "', '"_id": "other-'))


def test_the_generations_of_another_set_are_told(folder, chosen, stub_encoder):
    for name in ("exemplars.jsonl", "rewritten.jsonl"):
        shift_ids(folder / name)
    with pytest.raises(UsageError, match=r"recorded in .*tiny: nothing is there for this set"):
        evaluate_set(folder, chosen, stub_encoder, rewriter=Recorded(folder))


@pytest.mark.parametrize(
    ("name", "arms"), [("exemplars.jsonl", ["rewritten", "purpose"]), ("rewritten.jsonl", ["gar"])]
)
def test_an_arm_for_which_nothing_was_generated_is_not_measured(folder, chosen, stub_encoder, name, arms):
    shift_ids(folder / name)
    report = evaluate_set(folder, chosen, stub_encoder, systems=BM25, rewriter=Recorded(folder))
    assert list(report.systems) == ["bm25", *(f"bm25+{arm}" for arm in arms)]
    with pytest.raises(UsageError, match=r"tiny was not measured with bm25\+reco: nothing was generated"):
        as_json([report], compared=("bm25", "bm25+reco"))


def test_a_failure_that_would_meet_every_text_ends_the_run(folder):
    writer = Writer({"q1": Refused("the server wants a key")})
    with pytest.raises(Refused, match="wants a key"):
        generate(read_set(folder), writer)
    assert {task for task, *_ in writer.asked} == {Task.EXEMPLAR}


def test_what_is_missing_is_counted_and_the_rest_is_used(folder, chosen, stub_encoder):
    writer = Writer({"q1": Unusable("garbage"), "rot": Unusable("garbage")})
    report = evaluate_set(folder, chosen, stub_encoder, systems=BM25, rewriter=writer)
    assert as_json([report])[0]["rewriter"] == {
        "name": "writer", "exemplars": 2, "purposes": 2, "rewritten": 2, "tokens_in": 60, "tokens_out": 4,
    }  # fmt: skip
    runs = {name: judged.run for name, judged in report.systems.items()}
    # Without an exemplar a query is asked as it is, of code that may have been rewritten.
    assert runs["bm25+gar"]["q1"] == runs["bm25"]["q1"]
    assert runs["bm25+gar"]["q2"][0] == "max"
    assert runs["bm25+purpose"]["q3"] == runs["bm25"]["q3"]


def test_a_rewriting_is_made_from_the_purpose_alone(folder):
    writer = Writer()
    found = generate(read_set(folder), writer)
    assert [each for each in writer.asked if each[0] is Task.REWRITING] == [
        (Task.REWRITING, key, PURPOSES[key], "python") for key in TEXTS
    ]
    assert (found.tokens_in, found.tokens_out) == (90, 6)


def test_each_arm_uses_what_it_says(measured):
    found = {
        name: {query: targets[:1] for query, targets in judged.run.items()} for name, judged in measured.systems.items()
    }
    # Words alone find nothing: no query says a word of its code.
    assert found["bm25"] == {"q1": [], "q2": [], "q3": []}
    # The exemplars of two queries call what their code calls; the third calls what only the rewriting says.
    assert found["bm25+gar"] == {"q1": ["sum"], "q2": ["max"], "q3": []}
    assert found["bm25+reco"] == {"q1": ["sum"], "q2": ["max"], "q3": ["rot"]}
    assert found["bm25+reco+purpose"] == found["bm25+purpose"] == found["bm25+reco"]


def test_every_system_is_measured_with_every_arm(measured):
    assert list(measured.systems) == [*SYSTEMS, *(f"{name}+{arm}" for arm in ARMS for name in SYSTEMS)]
    for name in ("vectors", "fused", "ranked"):
        for arm in ARMS:
            assert {tuple(sorted(targets)) for targets in measured.systems[f"{name}+{arm}"].run.values()} == {
                ("max", "rot", "sum")
            }


def test_plain_systems_are_what_they_are_without_a_rewriter(measured, folder, chosen, stub_encoder):
    plain = evaluate_set(folder, chosen, stub_encoder)
    assert {name: measured.systems[name] for name in SYSTEMS} == dict(plain.systems)
    assert plain.generations is None
    assert not {"rewriter", "gains"} & as_json([plain])[0].keys()


def test_gains_are_paired_with_the_same_system_without(measured):
    entry = json.loads(json.dumps(as_json([measured])))[0]
    assert list(entry["gains"]) == [f"{name}+{arm}" for arm in ARMS for name in SYSTEMS]
    for name, gains in entry["gains"].items():
        assert list(gains) == list(MEASURES)
        for measure, (value, low, high) in gains.items():
            difference = entry["systems"][name][measure][0] - entry["systems"][name.partition("+")[0]][measure][0]
            assert value == pytest.approx(difference, abs=1e-5)
            assert low <= value <= high
    assert entry["gains"]["bm25+reco"]["MRR@10"] == [1.0, 1.0, 1.0]
    assert entry["gains"]["bm25+gar"]["MRR@10"][0] == pytest.approx(2 / 3, abs=1e-5)


def test_tables_and_runs_hold_the_arms(measured, tmp_path):
    first, gains = tables(measured, groups=False)
    assert first.row_count == len(measured.systems)
    assert gains.row_count == len(SYSTEMS) * len(ARMS)
    assert "3 of 3 queries, 3 purposes and 3 rewritings of 3 texts" in gains.title
    assert "+1.000 [+1.000, +1.000]" in list(gains.columns[2].cells)
    assert tmp_path / "tiny.bm25+reco.trec" in write_runs([measured], tmp_path)


def test_vectors_of_an_arm_are_mixed_on_both_sides(folder, chosen, stub_encoder):
    """With exemplars and rewritings that are the same text, both vectors move to the same place."""
    same = {key: [f"zebra quokka {number}" for _ in range(1)] for number, key in enumerate(TEXTS)}
    rows = [{"_id": key, "purpose": same[key][0], "rewritten": same[key]} for key in TEXTS]
    (folder / "rewritten.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    answers = dict(zip(QUERIES, TEXTS, strict=True))
    rows = [{"_id": query, "exemplars": same[text]} for query, text in answers.items()]
    (folder / "exemplars.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = evaluate_set(folder, chosen, stub_encoder, rewriter=Recorded(folder))
    run = report.systems["vectors+reco+purpose"].run
    assert {query: targets[0] for query, targets in run.items()} == answers


def test_nothing_is_written_beside_the_set(folder, chosen, stub_encoder):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    evaluate_set(folder, chosen, stub_encoder, systems=BM25, rewriter=Recorded(folder))
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_progress_counts_what_is_generated_and_asked(folder, chosen, stub_encoder):
    said = []
    evaluate_set(folder, chosen, stub_encoder, systems=BM25, rewriter=Writer(), report=said.append)
    last = {each.step: (each.done, each.total) for each in said if each.unit in ("texts", "queries")}
    for step in ("exemplars", "rewritings", "encode exemplars", "encode purposes", "encode rewritings", "bm25+reco"):
        assert last[step] == (3, 3)
