"""What is written of measured sets: TREC runs that other programs read, and tables that people do."""

import io

import ir_measures
import pytest
from rich.console import Console

from search.evaluation.evaluate import Judged, SetReport
from search.evaluation.measures import evaluate
from search.evaluation.output import tables, write_runs

RELEVANCE = {"q1": {"lib/a.py": 1}, "q2": {"b.py": 1}, "q3": {"c.py": 1}}
RUN = {"q1": ["b.py", "lib/a.py"], "q2": [f"x{n}.py" for n in range(99)] + ["b.py"], "q3": []}


def report_of(run, relevance=RELEVANCE, name="tiny"):
    judged = Judged(run, evaluate(relevance, run))
    return SetReport(name, len(relevance), 9, {"bm25": judged, "vectors": judged}, {"kind": {"usage": ["q1"], "x": []}})


def read(path):
    """Return a run as `ir_measures` reads it, best first."""
    found = {}
    for each in ir_measures.read_trec_run(str(path)):
        found.setdefault(each.query_id, []).append((each.doc_id, each.score))
    return {query: [target for target, _ in sorted(hits, key=lambda hit: -hit[1])] for query, hits in found.items()}


def test_runs_are_read_as_they_were_ranked(tmp_path):
    written = write_runs([report_of(RUN, name="tiny without docstrings")], tmp_path / "new" / "runs")
    assert [path.name for path in written] == [
        "tiny-without-docstrings.bm25.trec",
        "tiny-without-docstrings.vectors.trec",
    ]
    for path in written:
        assert read(path) == {query: found for query, found in RUN.items() if found}
        scores = [each.score for each in ir_measures.read_trec_run(str(path)) if each.query_id == "q2"]
        assert scores == sorted(set(scores), reverse=True)


def test_a_run_scores_the_same_once_read_back(tmp_path):
    report = report_of(RUN)
    path = write_runs([report], tmp_path)[0]
    measure = ir_measures.parse_measure("nDCG@10")
    found = ir_measures.iter_calc([measure], RELEVANCE, ir_measures.read_trec_run(str(path)))
    assert {each.query_id: each.value for each in found} == pytest.approx(report.systems["bm25"].values["NDCG@10"])


def test_white_space_in_names_parts_no_fields(tmp_path):
    run = {"q 1": ["repo/my file.py", "repo/tab\there.py", "repo/no\u00a0break.py", "repo/ü.py"]}
    path = write_runs([report_of(run, {"q 1": {"x": 1}})], tmp_path)[0]
    assert read(path) == {"q%201": ["repo/my%20file.py", "repo/tab%09here.py", "repo/no%C2%A0break.py", "repo/ü.py"]}


def test_sets_of_one_name_do_not_overwrite_each_other(tmp_path):
    other = {"q1": ["z.py"], "q2": [], "q3": []}
    written = write_runs([report_of(RUN), report_of(other), report_of(RUN, name="other")], tmp_path)
    assert len(set(written)) == len(written) == 6
    assert [len(read(path)) for path in written] == [2, 2, 1, 1, 2, 2]


def shown(report, *, groups):
    console = Console(file=io.StringIO(), width=240)
    for table in tables(report, groups=groups):
        console.print(table)
    return console.file.getvalue()


def test_tables_show_every_system_with_its_interval():
    text = shown(report_of({"q1": ["lib/a.py"], "q2": ["b.py"], "q3": ["c.py"]}), groups=False)
    assert "tiny: 3 queries, 9 units" in text
    rows = [line for line in text.splitlines() if "1.000 [1.000, 1.000]" in line]
    assert [row.count("1.000 [1.000, 1.000]") for row in rows] == [6, 6]
    assert "by unit" not in text
    assert "by kind" not in text


def test_tables_show_lines_and_groups_where_there_are_some():
    judged = Judged(RUN, evaluate(RELEVANCE, RUN), evaluate(RELEVANCE, {"q1": ["lib/a.py"]}))
    text = shown(SetReport("asked", 3, 9, {"bm25": judged}, {"kind": {"usage": ["q1"], "empty": []}}), groups=True)
    assert "bm25, by unit" in text
    assert "0.333 [0.000, 1.000]" in text
    assert "asked, NDCG@10 by kind" in text
    row = next(line for line in text.splitlines() if "usage" in line)
    assert "0.631 [0.631, 0.631]" in row
    assert "empty" not in text
