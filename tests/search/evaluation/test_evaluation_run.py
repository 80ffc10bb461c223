"""A set evaluated as a whole, with the stub encoder: what is refused, ranks, groups, and what is kept for the next time."""

import json
import math

import numpy as np
import pytest

from indexer.errors import UsageError
from indexer.settings import Settings
from search.evaluation.evaluate import evaluate_set, shares_words
from search.evaluation.measures import MEASURES
from search.evaluation.output import as_json
from search.evaluation.sets import Question
from search.evaluation.systems import SYSTEMS

BM25 = {"bm25": SYSTEMS["bm25"]}
SECOND = 1 / math.log2(3)


@pytest.fixture
def chosen(tmp_path):
    return Settings(cache=tmp_path / "cache", processes=1)


@pytest.fixture
def texts(small_sets, tmp_path):
    return small_sets.text_set(tmp_path / "tiny")


@pytest.fixture
def asked(small_sets, tmp_path):
    return small_sets.repository_set(tmp_path / "asked")


@pytest.fixture
def layout(small_sets, tmp_path):
    return small_sets.lay_out(tmp_path / "layout")


@pytest.fixture(scope="module")
def measured(small_sets, stub_module, tmp_path_factory):
    """Return the reports of both small sets, and of the first without docstrings."""
    base = tmp_path_factory.mktemp("measured")
    settings, encoder = Settings(cache=base / "cache", processes=1), stub_module.StubEncoder()
    folder = small_sets.text_set(base / "tiny")
    asked, layout = small_sets.repository_set(base / "asked"), small_sets.lay_out(base / "layout")
    return {
        "texts": evaluate_set(folder, settings, encoder),
        "stripped": evaluate_set(folder, settings, encoder, stripped=True),
        "repositories": evaluate_set(asked, settings, encoder, layout=layout),
    }


def listed(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("present", ["nothing", "no mark", "another version"])
def test_sources_that_do_not_lie_there_are_said_with_the_command(
    asked, small_sets, chosen, stub_encoder, tmp_path, present
):
    layout = tmp_path / "sources"
    if present != "nothing":
        small_sets.lay_out(layout, sources=[small_sets.SOURCES[0] | {"version": "0.9"}])
    if present == "no mark":
        next(path for path in layout.iterdir() if path.is_file()).unlink()
    with pytest.raises(UsageError, match=r"shapes 1\.0 does not lie at .*python -m benchmarks\.sources .*asked"):
        evaluate_set(asked, chosen, stub_encoder, layout=layout)
    assert not (tmp_path / "cache").exists()


def test_without_a_layout_sources_are_looked_for_below_the_cache(asked, small_sets, chosen, stub_encoder):
    with pytest.raises(UsageError, match=r"does not lie at .*cache/sets/asked/shapes"):
        evaluate_set(asked, chosen, stub_encoder)
    small_sets.lay_out(chosen.cache / "sets" / "asked")
    assert evaluate_set(asked, chosen, stub_encoder, systems=BM25).queries == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"path": "lib/square.py"}, "'k9': the answer lib/square.py is not in shapes"),
        ({"path": "lib"}, "'k9': the answer lib is not in shapes"),
        ({"end_line": 10}, "'k9': lib/circle form.py has no line 10"),
    ],
)
def test_an_answer_that_is_not_in_its_source_is_named(
    small_sets, chosen, stub_encoder, tmp_path, layout, changes, words
):
    question = {"_id": "k9", "text": "where", "kind": "usage", "answers": [small_sets.MEASURE | changes]}
    folder = small_sets.repository_set(tmp_path / "wrong", questions=[question])
    with pytest.raises(UsageError, match=words):
        evaluate_set(folder, chosen, stub_encoder, layout=layout)


def test_an_answer_that_is_not_indexed_is_named(asked, chosen, stub_encoder, layout):
    small = chosen.model_copy(update={"max_file_bytes": 100})
    with pytest.raises(UsageError, match=r"'k1': the answer lib/circle form\.py of shapes is not indexed"):
        evaluate_set(asked, small, stub_encoder, layout=layout)


def test_a_text_that_is_not_indexed_is_named(texts, chosen, stub_encoder):
    small = chosen.model_copy(update={"max_file_bytes": 500})
    with pytest.raises(UsageError, match=r"1 of 4 texts cannot be indexed, first.*far.*too large"):
        evaluate_set(texts, small, stub_encoder)


def test_texts_are_ranked_and_measured(measured, small_sets):
    report = measured["texts"]
    assert (report.name, report.queries, report.texts) == ("tiny", 3, 4)
    assert list(report.systems) == ["bm25", "vectors", "fused", "ranked"]
    judged = report.systems["bm25"]
    assert judged.run == {"q1": ["near", "far"], "q2": ["documented"], "q3": ["rust"]}
    assert judged.values["MRR@10"] == {"q1": 0.5, "q2": 1.0, "q3": 1.0}
    assert judged.values["NDCG@10"] == pytest.approx({"q1": SECOND, "q2": 1.0, "q3": 2 / (2 + SECOND)})
    assert judged.values["R@10"] == {"q1": 1.0, "q2": 1.0, "q3": 0.5}
    assert judged.line_values is None
    for name in ("vectors", "fused", "ranked"):
        for query in small_sets.QUERIES:
            assert sorted(report.systems[name].run[query]) == sorted(small_sets.TEXTS)


def test_vectors_alone_rank_by_cosine(measured, small_sets, stub_encoder):
    def vector(text):
        return stub_encoder.encode([stub_encoder.tokenise([text])[0].ids], 0)[0]

    # "far" is longer than one window of the stub; the others are one block each.
    short = {key: text for key, (text, _) in small_sets.TEXTS.items() if key != "far"}
    run = measured["texts"].systems["vectors"].run
    for query, text in small_sets.QUERIES.items():
        wanted = sorted(short, key=lambda key: -np.dot(vector(short[key].strip("\n")), vector(text)))
        assert [key for key in run[query] if key != "far"] == wanted


def test_texts_are_grouped_by_language_and_length(measured):
    groups = measured["texts"].groups
    assert groups["language"] == {"python": ["q1", "q2"], "rust": ["q3"]}
    assert groups["length"] == {"1 to 128 tokens": ["q3", "q2"], "129 to 256 tokens": ["q1"]}


def test_means_of_a_group_are_of_its_queries_alone(measured):
    judged = measured["texts"].systems["bm25"]
    assert judged.means(["q1"])["MRR@10"].value == 0.5
    assert judged.means(["q2", "q3"])["MRR@10"].value == 1.0
    assert judged.means([])["MRR@10"].queries == 0
    assert judged.means()["MRR@10"].value == pytest.approx(2.5 / 3)
    # Texts have no lines.
    assert judged.means(by_lines=True) == judged.means()


def test_stripped_docstrings_are_not_found(measured):
    report = measured["stripped"]
    assert report.name == "tiny without docstrings"
    assert report.systems["bm25"].run == {"q1": ["near", "far"], "q2": [], "q3": ["rust"]}
    assert report.systems["bm25"].values["R@100"]["q2"] == 0.0
    assert (report.queries, report.texts) == (3, 4)


def test_a_text_of_nothing_but_comments_stays_a_candidate(small_sets, chosen, stub_encoder, tmp_path):
    texts = {"said": ("# zebra said\n", "python"), "done": ("zebra = 1  # quokka\n", "python")}
    folder = small_sets.text_set(tmp_path / "said", texts, {"q": "zebra"}, [("q", "said", "1")])
    report = evaluate_set(folder, chosen, stub_encoder, systems=BM25, stripped=True)
    assert report.texts == 2
    assert set(report.systems["bm25"].run["q"]) == {"said", "done"}


def test_repositories_are_measured_by_file_and_by_lines(measured):
    report = measured["repositories"]
    assert (report.name, report.queries, report.texts) == ("asked", 3, 4)
    judged = report.systems["bm25"]
    assert judged.run == {"k1": ["shapes/lib/circle form.py"], "k2": ["shapes/lib/circle form.py"], "k3": []}
    assert judged.values["MRR@10"] == {"k1": 1.0, "k2": 1.0, "k3": 0.0}
    # The other function of the file says the word more often.
    assert judged.line_values["MRR@10"] == {"k1": 0.5, "k2": 1.0, "k3": 0.0}
    assert judged.line_values["NDCG@10"]["k1"] == pytest.approx(SECOND)
    assert judged.means(by_lines=True)["MRR@10"].value == 0.5
    # A question is asked of its own repository alone.
    assert {target.partition("/")[0] for target in report.systems["ranked"].run["k3"]} == {"pipes"}


def test_repositories_are_grouped_by_what_a_question_is(measured):
    assert measured["repositories"].groups == {
        "kind": {"behaviour": ["k1", "k3"], "symbol": ["k2"]},
        "words": {"shared": ["k2"], "none shared": ["k1", "k3"], "none shared, held out": ["k3"]},
        "language": {"python": ["k1", "k2"], "go": ["k3"]},
        "split": {"development": ["k1", "k2"], "held out": ["k3"]},
        "repository": {"shapes": ["k1", "k2"], "pipes": ["k3"]},
        "length": {"1 to 128 tokens": ["k3", "k1", "k2"]},
    }


@pytest.mark.parametrize(
    ("text", "shared"),
    [
        ("measures how far something reaches", True),
        ("everything about CIRCLE", True),
        ("the extents", True),
        ("a lib of which parts?", True),
        ("is it of the a", False),
        ("section b", False),
        ("half of the radius", False),
        ("", False),
    ],
)
def test_words_are_shared_by_stem_and_stop_words_are_none(small_sets, text, shared):
    place = small_sets.MEASURE | {"path": "lib/the_circle_b_a.py"}
    question = Question.model_construct(text=text, answers=Question.model_validate(_question(place)).answers)
    assert shares_words(question) is shared


def _question(place):
    return {"_id": "k", "text": "t", "kind": "usage", "answers": [place]}


def test_any_of_several_answers_shares_words(small_sets):
    other = small_sets.MEASURE | {"path": "b.py", "symbol": "quokka"}
    row = _question(small_sets.MEASURE) | {"text": "quokka"}
    assert not shares_words(Question.model_validate(row))
    assert shares_words(Question.model_validate(row | {"answers": [small_sets.MEASURE, other]}))


def test_a_second_evaluation_finds_the_index_of_the_first(texts, asked, layout, chosen, states):
    for folder, where in ((texts, None), (asked, layout)):
        first, second = states.CountingEncoder(), states.CountingEncoder()
        reports = [evaluate_set(folder, chosen, encoder, systems=BM25, layout=where) for encoder in (first, second)]
        assert reports[0] == reports[1]
        assert first.blocks > 0
        assert second.blocks == 0


def test_other_texts_are_another_index(texts, small_sets, chosen, stub_encoder):
    before = evaluate_set(texts, chosen, stub_encoder, systems=BM25)
    rows = [{"_id": key, "text": "def nothing(): pass"} for key in small_sets.TEXTS]
    small_sets.write_rows(texts / "corpus.jsonl", rows)
    after = evaluate_set(texts, chosen, stub_encoder, systems=BM25)
    assert before.systems["bm25"].run["q1"] == ["near", "far"]
    assert after.systems["bm25"].run["q1"] == []


def test_another_model_is_another_index(texts, chosen, stub_encoder, states):
    wide = evaluate_set(texts, chosen, stub_encoder)
    narrow = evaluate_set(texts, chosen, states.CountingEncoder())
    assert wide.systems["bm25"] == narrow.systems["bm25"]


@pytest.mark.parametrize(
    ("depth", "query_depth", "given"), [(None, None, (6,)), (0, None, (0, 6)), (6, 0, (0, 6)), (0, 0, (0,))]
)
def test_code_and_queries_are_encoded_at_the_depths_that_are_set(texts, chosen, states, depth, query_depth, given):
    encoder = states.CountingEncoder()
    at = chosen.model_copy(update={"depth": depth, "query_depth": query_depth})
    report = evaluate_set(texts, at, encoder, systems={"vectors": SYSTEMS["vectors"]})
    assert {depth for depth, blocks in encoder.given.items() if blocks} == set(given)
    assert encoder.given[6 if query_depth is None else query_depth] >= report.queries


def test_an_index_at_one_depth_does_not_stand_for_another(texts, chosen, states):
    """What is kept for the next time is kept by depth."""
    vectors = {"vectors": SYSTEMS["vectors"]}
    for depth in (0, 6):
        encoder = states.CountingEncoder()
        evaluate_set(texts, chosen.model_copy(update={"depth": depth}), encoder, systems=vectors)
        assert encoder.given[depth] > 0
        again = states.CountingEncoder()
        evaluate_set(texts, chosen.model_copy(update={"depth": depth}), again, systems=vectors)
        assert again.given == {0: 0, 6: 3}


def test_the_same_sources_elsewhere_can_be_evaluated_too(asked, layout, small_sets, chosen, stub_encoder, tmp_path):
    here = evaluate_set(asked, chosen, stub_encoder, systems=BM25, layout=layout)
    there = evaluate_set(asked, chosen, stub_encoder, systems=BM25, layout=small_sets.lay_out(tmp_path / "moved"))
    assert here == there


def test_nothing_is_written_beside_a_set_or_its_sources(texts, asked, layout, chosen, stub_encoder):
    before = [listed(folder) for folder in (texts, asked, layout)]
    evaluate_set(texts, chosen, stub_encoder, systems=BM25, stripped=True)
    evaluate_set(asked, chosen, stub_encoder, systems=BM25, layout=layout)
    assert [listed(folder) for folder in (texts, asked, layout)] == before


def test_progress_counts_the_queries_of_every_system(texts, chosen, stub_encoder):
    said = []
    evaluate_set(texts, chosen, stub_encoder, report=said.append)
    counted = [(each.step, each.done, each.total) for each in said if each.unit == "queries"]
    assert counted == [(name, count, 3) for name in SYSTEMS for count in (1, 2, 3)]


def test_json_has_the_public_shape(measured):
    entries = json.loads(json.dumps(as_json([measured["texts"], measured["repositories"]])))
    assert [(entry["set"], entry["queries"], entry["texts"]) for entry in entries] == [("tiny", 3, 4), ("asked", 3, 4)]
    for entry in entries:
        for figures in (entry["systems"], entry.get("systems_by_lines", entry["systems"])):
            assert set(figures) == set(SYSTEMS)
            for measures in figures.values():
                assert list(measures) == list(MEASURES)
                assert all(0 <= low <= value <= high <= 1 for value, low, high in measures.values())
        assert "comparison" not in entry
    assert entries[0]["systems"]["bm25"]["MRR@10"][0] == pytest.approx(2.5 / 3, abs=1e-6)
    assert "systems_by_lines" not in entries[0]
    assert entries[1]["systems_by_lines"]["bm25"]["MRR@10"][0] == 0.5


def test_json_has_the_groups_that_hold_queries(measured):
    groups = as_json([measured["repositories"]])[0]["groups"]
    assert groups["split"]["held out"]["queries"] == 1
    assert groups["split"]["development"]["systems"]["bm25"]["MRR@10"] == [1.0, 1.0, 1.0]
    assert groups["words"]["none shared"]["systems"]["bm25"]["R@1"][0] == 0.5
    bare = measured["repositories"].__class__("s", 0, 0, {}, {"words": {"shared": []}})
    assert as_json([bare])[0]["groups"] == {"words": {}}


def test_json_compares_two_systems_by_query(measured):
    entry = as_json([measured["texts"]], compared=("bm25", "vectors"))[0]
    comparison = entry["comparison"]
    assert comparison["systems"] == ["bm25", "vectors"]
    for name in MEASURES:
        difference = entry["systems"]["bm25"][name][0] - entry["systems"]["vectors"][name][0]
        assert comparison[name][0] == pytest.approx(difference, abs=1e-5)
    same = as_json([measured["texts"]], compared=("bm25", "bm25"))[0]["comparison"]
    assert all(same[name] == [0.0, 0.0, 0.0] for name in MEASURES)
