"""What a person can do wrong at the terminal: a clear line, the documented exit code, nothing lost."""

import os
import stat
import subprocess
import sys
import threading

import pytest

from cli import main
from cli.main import run

GOOD = "def keep_me(value):\n    return value\n"


@pytest.fixture
def index(tmp_path):
    return tmp_path / "index"


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "good.py").write_text(GOOD)
    return folder


def fathom(*arguments):
    return run([str(argument) for argument in arguments])


def indexed(index, folder):
    return fathom("index", "--no-vectors", "--index", index, folder)


def finds(index, query, capsys):
    capsys.readouterr()
    code = fathom("search", "--mode", "lexical", "--index", index, "--quiet", query)
    return code == 0 and query in capsys.readouterr().out


def skipped(index, capsys):
    capsys.readouterr()
    assert fathom("status", "--index", index, "--skipped") == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    "source", ["no/such/folder", "-x", "ext::sh -c id", "http://example.org/a.git", "https://127.0.0.1/a.git"]
)
def test_a_source_that_cannot_be(source, index, capsys):
    assert fathom("index", "--index", index, "--", source) == 2
    assert source.partition("://")[2][:5] in capsys.readouterr().err


def test_an_empty_folder_is_said(tmp_path, index, capsys):
    (tmp_path / "empty").mkdir()
    assert indexed(index, tmp_path / "empty") == 0
    assert "no file" in capsys.readouterr().err
    assert fathom("search", "--index", index, "anything") == 1


def test_a_folder_of_binaries_is_counted(tmp_path, index, capsys):
    folder = tmp_path / "binaries"
    folder.mkdir()
    (folder / "a.bin").write_bytes(bytes(range(256)))
    (folder / "b").write_bytes(b"\0\1\2")
    assert indexed(index, folder) == 0
    assert "2 binary" in capsys.readouterr().err


def test_one_file_is_a_source(project, index, capsys):
    assert indexed(index, project / "good.py") == 0
    assert finds(index, "keep_me", capsys)


def test_a_huge_file_is_not_read(project, index, capsys):
    with (project / "huge.py").open("wb") as stream:
        stream.truncate(1 << 30)
    assert indexed(index, project) == 0
    assert "too large" in skipped(index, capsys)
    assert finds(index, "keep_me", capsys)


def test_hostile_files_stay_searchable_and_hurt_no_other(project, index, capsys):
    (project / "line.js").write_text("var needle_in_line = 1; " * 40_000)
    (project / "latin.py").write_bytes(b"def caf\xe9_needle():\n    return '\xff'\n")
    (project / "nested.go").write_text("package p\nvar needle_nested = " + "(" * 100_000)
    (project / "broken.py").write_text(
        "def needle_before():\n    return 1\n\ndef broken(:\n  ]]\n\nclass Needle_after:\n    pass\n"
    )
    assert indexed(index, project) == 0
    for name in ("keep_me", "needle_nested", "needle_before", "Needle_after"):
        assert finds(index, name, capsys), name


def test_links_loops_and_special_files_are_not_followed(project, index, capsys):
    (project / "loop").symlink_to(project, target_is_directory=True)
    (project / "outside.py").symlink_to("/etc/passwd")
    os.mkfifo(project / "pipe.py")
    assert indexed(index, project) == 0
    listed = skipped(index, capsys)
    assert listed.count("symbolic link") >= 2
    assert any("unreadable" in line and "pipe.py" in line for line in listed.splitlines())


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything; run the tests as another user")
def test_an_unreadable_file_is_counted(project, index, capsys):
    (project / "closed.py").write_text(GOOD)
    (project / "closed.py").chmod(0)
    assert indexed(index, project) == 0
    assert "unreadable" in skipped(index, capsys)


def test_secrets_are_neither_read_nor_stored(project, index, capsys):
    key = "AKIA" + "Q3EGRPL7Z2WXK5TN"
    (project / ".env").write_text("PASSWORD=hunter2hunter2\n")
    (project / "settings.py").write_text(f"KEY = '{key}'\nneedle_setting = 1\n")
    assert indexed(index, project) == 0
    assert "secret" in skipped(index, capsys)
    assert finds(index, "needle_setting", capsys)
    stored = b"".join(path.read_bytes() for path in index.rglob("*") if path.is_file())
    assert key.encode() not in stored
    assert b"hunter2" not in stored
    assert stat.S_IMODE(index.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("query", "word"),
    [
        (["-k", "0", "x"], "k is 0"),
        (["--offset", "-1", "x"], "offset"),
        (["--mode", "psychic", "x"], "psychic"),
        (['"open'], "column 1"),
        (["a /(/ b"], "column 3"),
        (["/a*/"], "empty"),
        (["/(?<=a)b/"], "look-around"),
        (["langg:go x"], "lang"),
        (["lang:klingon x"], "klingon"),
        (["kind:thing x"], "thing"),
        ([""], "empty"),
        (["  "], "empty"),
        (["x" * 100_001], "100"),
    ],
)
def test_a_query_that_cannot_be_read(query, word, project, index, capsys):
    indexed(index, project)
    capsys.readouterr()
    assert fathom("search", "--index", index, *query) == 2
    said = capsys.readouterr()
    assert word in said.err
    assert said.out == ""
    assert "Traceback" not in said.err


def test_only_stop_words_are_words_all_the_same(project, index, capsys):
    (project / "prose.md").write_text("# Title\n\nto be or not to be\n")
    indexed(index, project)
    assert fathom("search", "--mode", "lexical", "--index", index, "to be or not to be") == 0


@pytest.mark.parametrize(
    "arguments", [["show", "ffff"], ["similar", "good.py"], ["similar", "good.py:999"], ["remove", "nothing"]]
)
def test_what_is_not_there(arguments, project, index, capsys):
    indexed(index, project)
    assert fathom(arguments[0], "--index", index, *arguments[1:]) == 2
    assert capsys.readouterr().err


def test_an_unknown_command_or_option_is_wrong_use(index):
    assert fathom("serach", "x") == 2
    assert fathom("search", "--frobnicate", "x") == 2


def test_a_folder_that_is_no_index(tmp_path, capsys):
    (tmp_path / "store.sqlite3").write_bytes(b"not a database at all, but long enough to look at" * 100)
    assert fathom("search", "--index", tmp_path, "x") == 3
    assert "Traceback" not in capsys.readouterr().err


def test_two_sources_of_one_name_do_not_replace_each_other(tmp_path, project, index, capsys):
    other = tmp_path / "elsewhere" / "project"
    other.mkdir(parents=True)
    (other / "other.py").write_text("def other_one():\n    return 1\n")
    assert indexed(index, project) == 0
    assert indexed(index, other) == 2
    assert "--name" in capsys.readouterr().err
    assert fathom("index", "--no-vectors", "--name", "second", "--index", index, other) == 0
    assert finds(index, "other_one", capsys)
    assert finds(index, "keep_me", capsys)
    assert fathom("remove", "--index", index, "second") == 0
    assert not finds(index, "other_one", capsys)
    assert finds(index, "keep_me", capsys)


def test_a_closed_pipe_is_no_error(project, index):
    indexed(index, project)
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "cli.main", "search", "--mode", "lexical", "--index", str(index), "keep_me"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("cause", [KeyboardInterrupt(), None])
def test_an_interrupt_while_a_module_is_loaded_is_one(monkeypatch, cause, capsys):
    def load(**_):
        raise ImportError("initialization failed") from cause

    monkeypatch.setattr(main.fathom, "main", load)
    if cause is None:
        with pytest.raises(ImportError):
            main.run([])
    else:
        assert main.run([]) == 130
        assert "interrupted" in capsys.readouterr().err


def test_interrupting_keeps_what_was_done(tmp_path, index, capsys):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(400):
        (folder / f"file{number}.py").write_text(f"def function_{number}():\n    return {number}\n" * 20)
    command = [sys.executable, "-m", "cli.main", "index", "--index", str(index), str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    timer = threading.Timer(1.5, process.send_signal, [2])
    timer.start()
    _, said = process.communicate(timeout=60)
    timer.cancel()
    assert process.returncode == 130
    assert b"Traceback" not in said
    assert indexed(index, folder) == 0
    assert finds(index, "function_399", capsys)


def test_a_lack_of_memory_while_a_module_is_loaded_is_the_machines_failure(monkeypatch, capsys):
    def body(*arguments, **options):
        raise ImportError("onnxruntime_pybind11_state.so: failed to map segment from shared object")

    monkeypatch.setattr("cli.main.fathom.main", body)
    assert run(["status"]) == 5
    assert "the machine failed: onnxruntime_pybind11_state.so" in capsys.readouterr().err
