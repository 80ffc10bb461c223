"""`fathom eval`: wrong use is said before anything is measured, and JSON is the whole of standard output."""

import json
import socket

import ir_measures
import pytest

from cli.main import run
from indexer.encoder.onnx import OnnxEncoder
from search.evaluation.measures import MEASURES
from search.evaluation.rewriting import ARMS
from search.evaluation.systems import SYSTEMS


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("FATHOM_CACHE", str(folder))
    monkeypatch.setenv("FATHOM_PROCESSES", "1")
    monkeypatch.delenv("FATHOM_DATA", raising=False)
    return folder


@pytest.fixture
def folder(small_sets, tmp_path):
    return small_sets.text_set(tmp_path / "sets" / "tiny")


def evaluate(*arguments):
    return run(["eval", *map(str, arguments)])


def refused(capsys, *arguments):
    """Return what is said of wrong use."""
    assert evaluate(*arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    return said.err


def test_a_set_must_be_named(capsys):
    assert "DIR" in refused(capsys)


def test_an_unknown_set_is_said_with_where_it_was_looked_for(capsys, tmp_path, monkeypatch, cache):
    said = refused(capsys, "nothing")
    assert "no set nothing here" in said
    assert "FATHOM_DATA" in said
    monkeypatch.setenv("FATHOM_DATA", str(tmp_path))
    assert str(tmp_path) in refused(capsys, "nothing")
    assert not cache.exists()


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels.tsv"])
def test_a_broken_set_is_named_with_its_line(capsys, folder, name):
    (folder / name).write_text("\nnonsense\n")
    assert f"{folder / name}:2: " in refused(capsys, folder)


def test_a_file_is_no_set(capsys, folder):
    assert "there is no set" in refused(capsys, folder / "corpus.jsonl")


def test_an_unknown_mode_is_said_with_the_list(capsys, folder):
    said = refused(capsys, "--mode", "psychic", folder)
    for word in ("psychic", "hybrid", "lexical", "vector"):
        assert word in said


@pytest.mark.parametrize("option", ["--depth", "--query-depth"])
def test_an_unknown_depth_is_said_with_the_list(capsys, folder, option):
    said = refused(capsys, option, "99", folder)
    assert f"no exit at depth 99; it has {', '.join(map(str, OnnxEncoder.load(None).depths))}" in said


def test_a_depth_that_is_no_number_is_wrong_use(capsys, folder):
    assert "--depth" in refused(capsys, "--depth", "deep", folder)


@pytest.mark.parametrize(
    "compared", ["", "bm25", "bm25,", "bm25,psychic", "bm25,bm25", "bm25,vectors,fused", "bm25;vectors", "BM25,fused"]
)
def test_a_comparison_needs_two_systems(capsys, folder, compared):
    said = refused(capsys, "--compare", compared, folder)
    for name in SYSTEMS:
        assert name in said


def test_a_comparison_needs_systems_that_the_mode_has(capsys, folder):
    assert "of bm25" in refused(capsys, "--mode", "lexical", "--compare", "bm25,vectors", folder)


def test_sources_that_are_not_there_are_said_with_the_command(capsys, small_sets, tmp_path):
    asked = small_sets.repository_set(tmp_path / "asked")
    assert f"python -m benchmarks.sources {asked}" in refused(capsys, "--sources", tmp_path / "nowhere", asked)


def test_one_bad_set_stops_before_figures_are_shown(capsys, folder, small_sets, tmp_path):
    other = small_sets.text_set(tmp_path / "other", qrels=[])
    assert "no answer" in refused(capsys, "--mode", "lexical", "--json", folder, other)


def test_json_is_the_whole_of_standard_output(capfd, folder, small_sets, tmp_path):
    asked = small_sets.repository_set(tmp_path / "asked")
    layout = small_sets.lay_out(tmp_path / "layout")
    assert evaluate("--json", "--compare", "ranked, bm25", "--sources", layout, folder, asked) == 0
    entries = json.loads(capfd.readouterr().out)
    assert [(entry["set"], entry["queries"], entry["texts"]) for entry in entries] == [("tiny", 3, 4), ("asked", 3, 4)]
    for entry in entries:
        assert list(entry["systems"]) == list(SYSTEMS)
        assert all(list(measures) == list(MEASURES) for measures in entry["systems"].values())
        assert entry["comparison"]["systems"] == ["ranked", "bm25"]
    assert entries[0]["systems"]["bm25"]["MRR@10"][0] == pytest.approx(2.5 / 3, abs=1e-6)


@pytest.mark.parametrize(("mode", "systems"), [("lexical", ["bm25"]), ("vector", ["vectors"])])
def test_a_mode_measures_its_own_systems(capsys, folder, mode, systems):
    assert evaluate("--json", "--mode", mode, folder) == 0
    assert list(json.loads(capsys.readouterr().out)[0]["systems"]) == systems


def test_sets_are_looked_for_under_the_data_folder(capsys, folder, monkeypatch, tmp_path):
    monkeypatch.setenv("FATHOM_DATA", str(folder.parent))
    monkeypatch.chdir(tmp_path)
    assert evaluate("--json", "--mode", "lexical", "tiny") == 0
    assert json.loads(capsys.readouterr().out)[0]["set"] == "tiny"


def test_tables_differences_and_runs_are_for_people(capsys, folder, tmp_path):
    runs = tmp_path / "runs"
    assert evaluate("--groups", "--compare", "fused,bm25", "--strip-docstrings", "--runs", runs, folder) == 0
    said = capsys.readouterr()
    assert "tiny without docstrings: 3 queries, 4 units" in said.out
    assert "NDCG@10 by language" in said.out
    assert "fused − bm25, NDCG@10, paired: " in said.out
    assert len(list(runs.iterdir())) == len(SYSTEMS)
    for path in runs.iterdir():
        assert str(path) in said.err
        assert {each.query_id for each in ir_measures.read_trec_run(str(path))} <= {"q1", "q2", "q3"}


def test_quiet_says_nothing_beside_the_results(capsys, folder, tmp_path):
    assert evaluate("--quiet", "--mode", "lexical", "--runs", tmp_path / "runs", folder) == 0
    said = capsys.readouterr()
    assert "tiny: 3 queries" in said.out
    assert said.err == ""


@pytest.fixture
def recorded(folder, small_sets):
    small_sets.write_rows(folder / "exemplars.jsonl", [{"_id": "q2", "exemplars": ["def product(a): ..."]}])
    small_sets.write_rows(folder / "rewritten.jsonl", [{"_id": "near", "purpose": "Doubles.", "rewritten": ["x + x"]}])
    return folder


@pytest.mark.parametrize("rewriter", ["", "psychic", "psychic:folder", ":folder"])
def test_an_unknown_rewriter_is_said_with_the_list(capsys, folder, rewriter):
    assert "choose recorded, endpoint, local" in refused(capsys, "--rewriter", rewriter, folder)


def test_a_rewriter_without_recordings_is_said(capsys, folder, tmp_path):
    for rewriter in ("recorded", f"recorded:{tmp_path / 'nowhere'}"):
        assert "holds no recorded generations" in refused(capsys, "--rewriter", rewriter, folder)


def test_a_broken_recording_is_named_with_its_line(capsys, recorded):
    (recorded / "exemplars.jsonl").write_text("\nnonsense\n")
    assert f"{recorded / 'exemplars.jsonl'}:2: not JSON" in refused(capsys, "--rewriter", "recorded", recorded)


def test_a_rewriter_that_writes_needs_a_folder_and_settings(capsys, folder, tmp_path, monkeypatch):
    for name in ("URL", "MODEL", "KEY"):
        monkeypatch.delenv(f"FATHOM_GENERATOR_{name}", raising=False)
    for kind in ("endpoint", "local"):
        assert f"{kind}:FOLDER" in refused(capsys, "--rewriter", kind, folder)
    said = refused(capsys, "--rewriter", f"endpoint:{tmp_path / 'new'}", folder)
    assert "FATHOM_GENERATOR_URL and FATHOM_GENERATOR_MODEL" in said
    monkeypatch.setenv("FATHOM_GENERATOR_MODEL", "tiny")
    monkeypatch.setenv("FATHOM_GENERATOR_URL", "nonsense")
    assert "address is none" in refused(capsys, "--rewriter", f"endpoint:{tmp_path / 'new'}", folder)
    assert not (tmp_path / "new").exists()


def test_a_dead_endpoint_is_the_environment_s_failure(capsys, folder, tmp_path, monkeypatch):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        monkeypatch.setenv("FATHOM_GENERATOR_URL", f"http://127.0.0.1:{held.getsockname()[1]}/v1")
        monkeypatch.setenv("FATHOM_GENERATOR_MODEL", "tiny")
        monkeypatch.setenv("FATHOM_GENERATOR_KEY", "sk-secret")
        assert evaluate("--rewriter", f"endpoint:{tmp_path / 'new'}", folder) == 5
    said = capsys.readouterr()
    assert "cannot be reached" in said.err
    assert "sk-secret" not in said.err + said.out


def test_a_repository_set_without_recordings_is_said(capsys, small_sets, tmp_path):
    asked = small_sets.repository_set(tmp_path / "asked")
    assert "holds no recorded generations" in refused(capsys, "--rewriter", "recorded", asked)


def test_a_rewriter_s_systems_are_measured_and_can_be_compared(capfd, recorded):
    options = ("--mode", "lexical", "--rewriter", "recorded", "--compare", "bm25+gar,bm25")
    assert evaluate("--json", *options, recorded) == 0
    entry = json.loads(capfd.readouterr().out)[0]
    assert list(entry["systems"]) == ["bm25", *(f"bm25+{arm}" for arm in ARMS)]
    assert list(entry["gains"]) == list(entry["systems"])[1:]
    assert entry["rewriter"]["exemplars"] == entry["rewriter"]["rewritten"] == 1
    assert entry["comparison"]["MRR@10"] == entry["gains"]["bm25+gar"]["MRR@10"]
    assert evaluate(*options, recorded) == 0
    said = capfd.readouterr().out
    assert "gains over plain" in said
    assert "bm25+reco+purpose" in said
    assert "bm25+gar − bm25, NDCG@10, paired: " in said


def test_systems_of_a_rewriter_are_compared_only_with_one(capsys, folder):
    assert "of bm25, vectors" in refused(capsys, "--compare", "bm25+gar,bm25", folder)
