"""Recordings: broken ones named by file and line, torn ones mended, and nothing asked twice."""

import json
import resource
import threading

import pytest

from indexer.errors import EnvironmentFailed, IndexBusy, UsageError
from indexer.generators.interface import Budget, Generation, NotRecorded, OutOfTime, Request, Task
from indexer.generators.recorded import EXEMPLARS, REWRITTEN, Recorded, Recorder, read_recordings

TIME = Budget(1.0)


class Writer:
    """A generator that counts what it is asked, and fails where it is told to."""

    def __init__(self, name="writer", failing=()):
        self.name, self.failing, self.asked, self.closed = name, set(failing), [], False

    def generate(self, request, budget):
        self.asked.append((request.task, request.identity))
        if request.identity in self.failing:
            raise OutOfTime("too slow")
        texts = tuple(f"{request.task} {number} of {request.text} by {self.name}" for number in range(request.count))
        return Generation(texts, self.name, 0.1, 3, 4)

    def close(self):
        self.closed = True


def ask(key, task=Task.EXEMPLAR, count=1):
    return Request(task, f"text {key}", key=key, count=count)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / EXEMPLARS).write_text('{"_id": "q1", "exemplars": ["def a(): ...", "def b(): ..."]}\n')
    (tmp_path / REWRITTEN).write_text('{"_id": "c1", "purpose": "Adds.", "rewritten": ["def add(): ..."]}\n')
    return tmp_path


def test_a_folder_without_recordings_is_said(tmp_path):
    for where in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UsageError, match=r"holds no recorded generations: neither exemplars\.jsonl"):
            Recorded(where)


@pytest.mark.parametrize("name", [EXEMPLARS, REWRITTEN])
@pytest.mark.parametrize(
    "line",
    ["nonsense", "[]", '"text"', "7", "{}", "\udcff", "[" * 100_000, '{"_id": ""}', '{"_id": 7}', '{"_id": "a"}',
     '{"_id": "a", "exemplars": [], "rewritten": []}', '{"_id": "a", "exemplars": "x", "rewritten": "x"}',
     '{"_id": "a", "exemplars": [""], "rewritten": [" "]}', '{"_id": "a", "exemplars": [7], "rewritten": [7]}',
     '{"_id": "a", "purpose": "", "exemplars": null}', '{"_id": "a", "purpose": ["x"], "exemplars": {}}',
     '{"_id": "a", "exemplars": ["\\ud800"], "rewritten": ["\\ud800"]}',
     '{"_id": "a", "exemplars": ["x"], "rewritten": ["x"], "by": 7}', '{"_id": "a", "exemplars": ["x"'],
)  # fmt: skip
def test_a_broken_line_is_named_by_file_and_line(folder, name, line):
    with (folder / name).open("ab") as stream:
        stream.write(b"\n" + line.encode("utf-8", "surrogateescape") + b"\n")
    with pytest.raises(UsageError) as caught:
        read_recordings(folder)
    assert f"{folder / name}:3: " in str(caught.value)


def test_a_recording_that_cannot_be_read_is_said(folder):
    (folder / EXEMPLARS).unlink()
    (folder / EXEMPLARS).mkdir()
    with pytest.raises(UsageError, match="cannot be read after line 0"):
        read_recordings(folder)


def test_what_is_recorded_is_replayed(folder):
    recorded = Recorded(folder)
    assert recorded.generate(ask("q1"), TIME).texts == ("def a(): ...",)
    made = recorded.generate(ask("q1", count=5), TIME)
    assert made.texts == ("def a(): ...", "def b(): ...")
    assert (made.seconds, made.tokens_in, made.tokens_out) == (0.0, None, None)
    assert made.source == f"recorded in {folder}"
    assert recorded.generate(ask("c1", Task.PURPOSE), TIME).texts == ("Adds.",)
    assert recorded.generate(ask("c1", Task.REWRITING), TIME).texts == ("def add(): ...",)


def test_what_is_not_recorded_is_said(folder):
    for request in (ask("q2"), ask("c1"), ask("q1", Task.PURPOSE)):
        with pytest.raises(NotRecorded, match=f"{request.task} of '{request.key}'"):
            Recorded(folder).generate(request, TIME)


def test_lines_of_an_id_add_up_and_later_ones_win(folder):
    with (folder / REWRITTEN).open("a") as stream:
        stream.write('{"_id": "c1", "purpose": "Sums."}\n\n{"_id": "c2", "rewritten": ["x"], "by": "m", "more": 1}\n')
    recorded = Recorded(folder)
    assert recorded.generate(ask("c1", Task.PURPOSE), TIME).texts == ("Sums.",)
    assert recorded.generate(ask("c1", Task.REWRITING), TIME).texts == ("def add(): ...",)
    assert recorded.generate(ask("c2", Task.REWRITING), TIME).texts == ("x",)


def test_what_is_written_is_recorded_and_not_asked_for_again(tmp_path):
    first = Writer()
    requests = [ask("q1"), ask("q2", count=2), ask("c1", Task.PURPOSE), ask("c1", Task.REWRITING)]
    recorder = Recorder(first, tmp_path / "new")
    made = [recorder.generate(request, TIME).texts for request in requests]
    assert [recorder.generate(request, TIME).texts for request in requests] == made
    recorder.close()
    assert (len(first.asked), first.closed) == (4, True)
    assert [list(row) for row in lines(tmp_path / "new" / REWRITTEN)] == [
        ["_id", "purpose", "by"],
        ["_id", "rewritten", "by"],
    ]

    again = Writer()
    recorder = Recorder(again, tmp_path / "new")
    assert [recorder.generate(request, TIME).texts for request in requests] == made
    recorder.close()
    assert again.asked == []
    assert [Recorded(tmp_path / "new").generate(request, TIME).texts for request in requests] == made


def test_a_failure_is_not_recorded_and_what_was_stays(tmp_path):
    recorder = Recorder(Writer(failing={"q2"}), tmp_path)
    recorder.generate(ask("q1"), TIME)
    with pytest.raises(OutOfTime):
        recorder.generate(ask("q2"), TIME)
    recorder.close()
    assert [row["_id"] for row in lines(tmp_path / EXEMPLARS)] == ["q1"]


def test_other_prompts_are_asked_anew_and_come_after_what_was(folder):
    for name in ("model (prompts 1)", "model (prompts 2)"):
        writer = Writer(name)
        recorder = Recorder(writer, folder)
        assert recorder.generate(ask("q9"), TIME).texts[0].endswith(f"by {name}")
        # What does not say who wrote it is kept.
        assert recorder.generate(ask("q1"), TIME).texts == ("def a(): ...",)
        recorder.close()
        assert writer.asked == [(Task.EXEMPLAR, "q9")]
    assert [row.get("by") for row in lines(folder / EXEMPLARS)] == [None, "model (prompts 1)", "model (prompts 2)"]
    assert Recorded(folder).generate(ask("q9"), TIME).texts[0].endswith("(prompts 2)")


def test_more_texts_than_are_recorded_are_asked_for(folder):
    recorder = Recorder(Writer(), folder)
    assert len(recorder.generate(ask("q1", count=3), TIME).texts) == 3
    recorder.close()


@pytest.mark.parametrize("torn", [b'{"_id": "q2", "exem', b"\xc3", b"7", b'{"_id": "q2", "exemplars": ["x"]'])
def test_a_torn_line_is_cut_off_and_its_text_asked_for_again(folder, torn):
    with (folder / EXEMPLARS).open("ab") as stream:
        stream.write(torn)
    recorder = Recorder(Writer(), folder)
    recorder.generate(ask("q2"), TIME)
    recorder.close()
    assert [row["_id"] for row in lines(folder / EXEMPLARS)] == ["q1", "q2"]


def test_a_whole_line_without_an_end_gets_one(folder):
    (folder / EXEMPLARS).write_text('{"_id": "q1", "exemplars": ["kept"]}')
    recorder = Recorder(Writer(), folder)
    recorder.generate(ask("q2"), TIME)
    recorder.close()
    assert [row["_id"] for row in lines(folder / EXEMPLARS)] == ["q1", "q2"]


def test_a_torn_line_longer_than_one_look_is_cut_off(folder):
    with (folder / EXEMPLARS).open("ab") as stream:
        stream.write(b'{"_id": "' + b"x" * 200_000)
    Recorder(Writer(), folder).close()
    assert [row["_id"] for row in lines(folder / EXEMPLARS)] == ["q1"]


def test_a_broken_recording_is_not_written_to(folder):
    before = (folder / EXEMPLARS).read_bytes() + b"nonsense\n"
    (folder / EXEMPLARS).write_bytes(before)
    with pytest.raises(UsageError, match=f"{EXEMPLARS}:2: "):
        Recorder(Writer(), folder)
    assert (folder / EXEMPLARS).read_bytes() == before
    (folder / EXEMPLARS).write_bytes(b"")
    Recorder(Writer(), folder).close()  # what failed holds no lock


def test_one_process_records_at_a_time(folder):
    first = Recorder(Writer(), folder)
    with pytest.raises(IndexBusy, match="another process records generations"):
        Recorder(Writer(), folder)
    first.close()
    Recorder(Writer(), folder).close()


def test_a_place_that_is_no_folder_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFailed, match="cannot be recorded into"):
        Recorder(Writer(), tmp_path / "file")


@pytest.mark.parametrize("room", [0, 20])
def test_a_full_disk_is_said_and_leaves_whole_lines(folder, room):
    recorder = Recorder(Writer(), folder)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((folder / EXEMPLARS).stat().st_size + room, hard))
    try:
        with pytest.raises(EnvironmentFailed, match=r"exemplars\.jsonl: a generation cannot be recorded"):
            recorder.generate(ask("q2"), TIME)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    recorder.generate(ask("q3"), TIME)
    recorder.close()
    assert [row["_id"] for row in lines(folder / EXEMPLARS)] == ["q1", "q3"]


def test_many_threads_record_whole_lines(tmp_path):
    recorder = Recorder(Writer(), tmp_path)
    threads = [
        threading.Thread(target=lambda n=n: [recorder.generate(ask(f"q{n}-{i}"), TIME) for i in range(25)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.close()
    assert len({row["_id"] for row in lines(tmp_path / EXEMPLARS)}) == 100


def test_texts_of_any_language_survive(tmp_path):
    class Foreign(Writer):
        def generate(self, request, budget):
            return Generation(("π = 3  # 円周率\u2028\n",), self.name)

    recorder = Recorder(Foreign(), tmp_path)
    made = recorder.generate(ask("q1"), TIME).texts
    recorder.close()
    assert Recorded(tmp_path).generate(ask("q1"), TIME).texts == made
