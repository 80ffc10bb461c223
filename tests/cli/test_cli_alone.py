"""The commands with an index that Elasticsearch holds alone: no folder is made, and none is needed."""

import json

import pytest

pytest.importorskip("elasticsearch", reason="the extra `elasticsearch` is not installed")

from cli.main import run

pytestmark = pytest.mark.slow


@pytest.fixture
def tree(tmp_path):
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "journal.py").write_text(
        'def read_journal(path):\n    """Read the journal."""\n    return open(path).read()\n'
    )
    (folder / "parcel.py").write_text("def weigh(parcel):\n    return parcel.grams / 1000\n")
    return folder


@pytest.fixture
def said(clustered, tmp_path, monkeypatch, capsys):
    """Run a command on an index in the cluster; return its exit code, output and errors."""
    monkeypatch.setenv("FATHOM_INDEX", str(tmp_path / "nowhere" / "index"))
    monkeypatch.setenv("FATHOM_ELASTICSEARCH_NAME", clustered["elasticsearch_name"])
    place = ["--backend", "elasticsearch-alone", "--url", clustered["elasticsearch_url"]]

    def told(command, *arguments, place=place):
        code = run([command, *arguments, *place])
        return code, *capsys.readouterr()

    return told


def test_an_address_is_needed(said):
    code, _, error = said("search", "journal", place=["--backend", "elasticsearch-alone"])
    assert code == 2
    assert "elasticsearch-alone needs an address" in error


@pytest.mark.parametrize("command", [["search", "journal"], ["status"], ["check"], ["deepen"], ["remove", "tree"]])
def test_a_cluster_without_the_index_is_said(said, command, tmp_path):
    code, _, error = said(*command)
    assert code == 3, error
    assert "there is no index test-" in error or "no source" in error
    assert not (tmp_path / "nowhere").exists()


def test_the_whole_way_without_a_folder(said, tree, tmp_path):
    assert said("index", str(tree))[0] == 0
    code, found, _ = said("search", "read the journal", "--json")
    assert code == 0
    assert json.loads(found)["hits"][0]["path"] == "journal.py"
    status = json.loads(said("status", "--json")[1])
    assert status["index"].startswith("test-")
    assert (status["backend"], status["files"], status["complete"]) == ("elasticsearch-alone", 2, 1.0)
    assert status["bytes_on_disk"] > 0
    assert said("check")[0] == 0
    (tree / "parcel.py").unlink()
    assert said("index", str(tree))[0] == 0
    assert json.loads(said("status", "--json")[1])["files"] == 1
    assert said("remove", "tree")[0] == 0
    assert json.loads(said("status", "--json")[1])["units"] == 0
    assert not (tmp_path / "nowhere").exists()


def test_an_index_is_copied_there_and_back(said, clustered, tree, tmp_path):
    here, again = ["--index", str(tmp_path / "here")], tmp_path / "again"
    assert said("index", str(tree), place=here)[0] == 0
    code, moved, error = said("migrate", "--json", *here)
    assert code == 0, error
    assert json.loads(moved)["backend"] == "elasticsearch-alone"
    assert said("check", place=here)[0] == said("check")[0] == 0
    code, _, error = said("migrate", *here)
    assert code == 2
    assert "already" in error
    back = ["--from", "elasticsearch-alone", "--url", clustered["elasticsearch_url"], "--index", str(again)]
    code, _, error = said("migrate", place=back)
    assert code == 0, error
    code, found, _ = said("search", "read the journal", "--json", place=["--index", str(again)])
    assert json.loads(found)["hits"][0]["path"] == "journal.py"
    assert said("migrate", "--from", "elasticsearch-alone")[0] == 2
