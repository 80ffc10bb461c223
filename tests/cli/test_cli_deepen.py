"""Depths at the terminal: what cannot be, `--depth`, `--no-deepen`, `fathom deepen`, and what `status` says of it."""

import json

import pytest

from cli.main import run
from indexer import pipeline as pipeline_module
from indexer.store.lock import writer_lock

UNITS = 12


@pytest.fixture
def project(tmp_path, quick, monkeypatch):
    """A few functions; the encoder without a model, and more than a few new units for it."""
    for module in ("search.engine", "indexer.index"):
        monkeypatch.setattr(f"{module}.load_encoder", lambda settings: quick.CountingEncoder())
    monkeypatch.setattr(pipeline_module, "_ENCODE_UNITS", 4)
    monkeypatch.setattr("indexer.index._RETRY_SECONDS", 0.0)
    monkeypatch.delenv("FATHOM_DEPTH", raising=False)
    folder = tmp_path / "project"
    folder.mkdir()
    for number in range(UNITS):
        (folder / f"f{number}.py").write_text(quick.text_of(f"w{number}", 1))
    return folder


@pytest.fixture
def fathom(tmp_path, capsys):
    """Run a command on an index; return its exit code, output and errors."""

    def command(name, *arguments):
        capsys.readouterr()
        code = run([name, "--index", str(tmp_path / "index"), *map(str, arguments)])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, said.err

    return command


def depths(fathom):
    code, out, _ = fathom("status", "--json")
    assert code == 0
    return json.loads(out)["depths"]


def test_no_index_to_deepen(tmp_path, project, fathom):
    code, out, err = fathom("deepen")
    assert (code, out) == (3, "")
    assert "fathom index" in err
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize("depth", ["3", "-1", "99"])
def test_an_unknown_depth_is_said_with_the_list(project, fathom, depth):
    code, _, err = fathom("index", "--depth", depth, project)
    assert (code, f"no exit at depth {depth}; it has 0, 6" in err) == (2, True)
    assert fathom("index", "--depth", "0", project)[0] == 0
    code, _, err = fathom("deepen", "--depth", depth)
    assert (code, f"no exit at depth {depth}; it has 0, 6" in err) == (2, True)
    assert depths(fathom) == {"0": UNITS}


@pytest.mark.parametrize("command", ["index", "deepen"])
def test_a_depth_that_is_no_number_is_wrong_use(project, fathom, command):
    arguments = [project] if command == "index" else []
    assert fathom(command, "--depth", "deep", *arguments)[0] == 2


def test_an_index_of_another_model_is_not_deepened(project, fathom, monkeypatch, stub_module):
    assert fathom("index", "--no-deepen", project)[0] == 0
    before = depths(fathom)
    monkeypatch.setattr("indexer.index.load_encoder", lambda settings: stub_module.StubEncoder(dimension=8))
    code, _, err = fathom("deepen")
    assert (code, "another model" in err) == (3, True)
    assert depths(fathom) == before


def test_indexing_reaches_the_deepest_exit(project, fathom):
    code, out, _ = fathom("index", "--json", project)
    assert code == 0
    summary = json.loads(out)
    assert (summary["added"], summary["units"], summary["encoded"]) == (UNITS, UNITS, 2 * UNITS)
    assert {"encoding", "deepening"} <= set(summary["seconds"])
    assert depths(fathom) == {"6": UNITS}


def test_without_deepening_all_is_searchable_at_the_cheapest_exit(project, fathom):
    assert fathom("index", "--no-deepen", project)[0] == 0
    assert depths(fathom) == {"0": UNITS}
    code, out, _ = fathom("search", "--json", "w3_0")
    assert (code, json.loads(out)["complete"]) == (0, 1.0)
    code, out, err = fathom("deepen", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["encoded"] == UNITS
    assert depths(fathom) == {"6": UNITS}
    code, out, err = fathom("deepen")
    assert (code, out) == (0, "")
    assert "already" in err


def test_a_depth_from_the_environment(project, fathom, monkeypatch):
    monkeypatch.setenv("FATHOM_DEPTH", "0")
    assert fathom("index", project)[0] == 0
    assert depths(fathom) == {"0": UNITS}
    assert fathom("deepen", "--depth", "6")[0] == 0
    assert depths(fathom) == {"6": UNITS}


def test_without_vectors_there_is_no_depth(project, fathom):
    assert fathom("index", "--no-vectors", project)[0] == 0
    assert depths(fathom) == {}
    assert "none yet" in fathom("status")[1]
    assert fathom("deepen")[0] == 0
    assert depths(fathom) == {"6": UNITS}


def test_status_shows_every_depth(project, fathom):
    assert fathom("index", "--no-deepen", project)[0] == 0
    (project / "added.py").write_text("def common_added():\n    return 1\n")
    assert fathom("index", "--no-deepen", project)[0] == 0
    _, out, _ = fathom("status")
    assert f"{UNITS} at depth 0, 1 at depth 6" in out
    assert "100% of the units" in out


def test_interrupting_keeps_what_was_deepened(project, fathom, monkeypatch, quick):
    assert fathom("index", "--no-deepen", project)[0] == 0
    encode, left = quick.CountingEncoder.encode, [2]

    def stopped(encoder, token_ids, depth):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return encode(encoder, token_ids, depth)

    with monkeypatch.context() as patch:
        patch.setattr(quick.CountingEncoder, "encode", stopped)
        code, _, err = fathom("deepen")
    assert (code, "interrupted" in err) == (130, True)
    code, out, _ = fathom("deepen", "--json")
    assert (code, json.loads(out)["encoded"]) == (0, UNITS - 8)
    assert depths(fathom) == {"6": UNITS}


def test_an_index_of_two_depths_is_checked_and_repaired(tmp_path, project, fathom, quick):
    assert fathom("index", "--no-deepen", project)[0] == 0
    (project / "added.py").write_text("def common_added():\n    return 1\n")
    assert fathom("index", "--no-deepen", project)[0] == 0
    assert fathom("check")[0] == 0
    manifest, units = quick.check(tmp_path / "index")
    assert len(manifest.segments) == 2
    for depth in (0, 6):
        segments = quick.check(tmp_path / "index")[0].segments
        path = next(segment.files[0].path for segment in segments if segment.depth == depth)
        (tmp_path / "index" / path).write_bytes(b"")
        code, _, err = fathom("check")
        assert (code, path in err) == (3, True)
        assert fathom("deepen")[0] == 3
        assert fathom("check", "--repair")[0] == 0
        assert fathom("check")[0] == 0
        manifest, found = quick.check(tmp_path / "index")
        assert (manifest.depths, found) == ({0: UNITS, 6: 1}, units)


def test_a_source_is_removed_in_the_middle_of_deepening(tmp_path, project, fathom, quick):
    other = tmp_path / "other"
    other.mkdir()
    for number in range(UNITS):
        (other / f"o{number}.py").write_text(quick.text_of(f"o{number}", 1))
    assert fathom("index", project)[0] == 0
    assert fathom("index", "--no-deepen", other)[0] == 0
    assert depths(fathom) == {"0": UNITS, "6": UNITS}
    assert fathom("remove", "project")[0] == 0
    assert depths(fathom) == {"0": UNITS}
    assert fathom("check")[0] == 0


def test_indexing_beside_a_writer_is_refused_at_once(tmp_path, project, fathom):
    assert fathom("index", "--no-deepen", project)[0] == 0
    with writer_lock(tmp_path / "index"):
        assert fathom("index", project)[0] == 4
