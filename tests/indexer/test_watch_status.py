"""What watchers say of themselves: read while they live, kept when they fail, known for what it is when they were killed."""

import json
import subprocess
import sys

import pytest

from indexer import watch_status
from indexer.errors import EnvironmentFailed
from indexer.progress import Progress
from indexer.watch_status import telling, watchers


def test_an_index_that_nobody_watches_has_no_watchers(tmp_path):
    assert watchers(tmp_path / "none") == ()
    assert watchers(tmp_path) == ()


def test_what_is_told_is_read_and_nothing_is_left_at_the_end(tmp_path):
    with telling(tmp_path, ["tree"]) as status:
        first = watchers(tmp_path)[0]
        assert (first.state, first.sources, first.changed, first.behind) == ("refreshing", ("tree",), None, True)
        status.tell("watching")
        assert [(each.state, each.behind) for each in watchers(tmp_path)] == [("watching", False)]
        with telling(tmp_path, ["other"]):
            assert {each.sources for each in watchers(tmp_path)} == {("tree",), ("other",)}
    assert watchers(tmp_path) == ()
    assert list((tmp_path / "watchers").iterdir()) == []


def test_a_state_keeps_the_time_at_which_it_began(tmp_path, monkeypatch):
    times = iter(["1", "2", "3"])
    monkeypatch.setattr(watch_status, "_now", lambda: next(times))
    with telling(tmp_path, ["tree"]) as status:
        status.tell("refreshing", 3)
        assert (watchers(tmp_path)[0].since, watchers(tmp_path)[0].changed) == ("1", 3)
        status.tell("watching")
        status.tell("watching")
        assert watchers(tmp_path)[0].since == "2"


def test_progress_is_told_in_words_and_not_all_of_it(tmp_path, monkeypatch):
    with telling(tmp_path, ["tree"]) as status:
        status.progress(Progress("Reading", 1, None, "files"))
        assert watchers(tmp_path)[0].message == "", "something was told just before"
        monkeypatch.setattr(watch_status, "_PROGRESS_EVERY", 0)
        status.progress(Progress("Deepening at depth 6", 1200, 3400, "units"))
        assert watchers(tmp_path)[0].message == "deepening at depth 6: 1,200 of 3,400 units"


def test_a_failure_stays_until_another_watches(tmp_path):
    with pytest.raises(EnvironmentFailed), telling(tmp_path, ["tree"]):
        raise EnvironmentFailed("no space left")
    failed = watchers(tmp_path)[0]
    assert (failed.state, failed.message, failed.behind) == ("failed", "no space left", True)
    with telling(tmp_path, ["tree"]):
        assert [each.state for each in watchers(tmp_path)] == ["refreshing"]


def test_interrupting_is_no_failure(tmp_path):
    with pytest.raises(KeyboardInterrupt), telling(tmp_path, ["tree"]):
        raise KeyboardInterrupt
    assert watchers(tmp_path) == ()


def test_one_that_was_killed_is_gone(tmp_path):
    program = (
        "import sys, pathlib\n"
        "from indexer.watch_status import telling\n"
        "with telling(pathlib.Path(sys.argv[1]), ['tree']) as status:\n"
        "    status.tell('watching')\n"
        "    print('told', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "told\n"
        assert [(each.state, each.pid) for each in watchers(tmp_path)] == [("watching", process.pid)]
        process.kill()
        process.wait()
        assert [(each.state, each.behind) for each in watchers(tmp_path)] == [("gone", True)]
    with telling(tmp_path, ["tree"]):
        assert [each.state for each in watchers(tmp_path)] == ["refreshing"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"state": "dancing"}', "\x00\xff"])
def test_a_file_that_cannot_be_read_says_nothing(tmp_path, content):
    (tmp_path / "watchers").mkdir()
    (tmp_path / "watchers" / "odd.json").write_text(content)
    assert watchers(tmp_path) == ()
    with telling(tmp_path, ["tree"]):
        assert len(watchers(tmp_path)) == 1


def test_a_file_is_whole_json_at_any_time(tmp_path):
    with telling(tmp_path, ["tree"] * 500) as status:
        path = next((tmp_path / "watchers").glob("*.json"))
        for changed in range(50):
            status.tell("refreshing", changed)
            assert json.loads(path.read_text())["changed"] == changed


def test_where_nothing_can_be_written_it_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFailed, match="could not be written"), telling(tmp_path / "file", ["tree"]):
        pass
