"""One writer at a time: a second one is refused at once, or waits for a holder that lets it in soon."""

import threading
import time

import pytest

from indexer.errors import EnvironmentFailed, IndexBusy
from indexer.store import lock
from indexer.store.lock import LOCK_FILE, writer_lock


@pytest.mark.parametrize("brief", [False, True])
def test_a_holder_that_stays_is_not_waited_for(tmp_path, brief):
    started = time.monotonic()
    with writer_lock(tmp_path), pytest.raises(IndexBusy, match="another process"), writer_lock(tmp_path, brief=brief):
        pytest.fail("two writers")
    assert time.monotonic() - started < 1


def test_a_brief_one_does_not_wait_for_another(tmp_path):
    with writer_lock(tmp_path, brief=True), pytest.raises(IndexBusy), writer_lock(tmp_path, brief=True):
        pytest.fail("two writers")


def test_patience_has_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_PATIENCE", 0.2)
    started = time.monotonic()
    with writer_lock(tmp_path, brief=True), pytest.raises(IndexBusy, match="another process"), writer_lock(tmp_path):
        pytest.fail("two writers")
    assert time.monotonic() - started >= 0.2


def test_a_folder_that_is_not_there_is_the_environments_fault(tmp_path):
    with pytest.raises(EnvironmentFailed), writer_lock(tmp_path / "nowhere"):
        pytest.fail("a lock on nothing")


def test_what_a_killed_brief_holder_left_delays_nobody(tmp_path):
    (tmp_path / LOCK_FILE).write_bytes(b"brief")
    with writer_lock(tmp_path):
        started = time.monotonic()
        with pytest.raises(IndexBusy), writer_lock(tmp_path):
            pytest.fail("two writers")
        assert time.monotonic() - started < 1


def test_a_brief_holder_is_waited_for(tmp_path):
    held, order = threading.Event(), []

    def hold():
        with writer_lock(tmp_path, brief=True):
            held.set()
            time.sleep(0.2)
            order.append("brief")

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    with writer_lock(tmp_path):
        order.append("second")
    holder.join()
    assert order == ["brief", "second"]


def test_the_lock_is_free_after_an_error(tmp_path):
    with pytest.raises(KeyboardInterrupt), writer_lock(tmp_path, brief=True):
        raise KeyboardInterrupt
    with writer_lock(tmp_path):
        assert (tmp_path / LOCK_FILE).read_bytes() == b""
