"""One writer at a time, wherever it runs: a document that only one can make, renewed for as long as it writes.

Who finds it left behind takes it over: at once where its holder ran here and does not any more, else when its time is
over by our clock and nobody renews it while we watch. A wrong clock thus delays a takeover and causes none. What a
writer publishes is refused by the store once another has begun.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from indexer.cluster.connection import Cluster
from indexer.cluster.indices import writing_name
from indexer.errors import EnvironmentFailed, FathomError, IndexBusy

_LOCK = "lock"
# Seconds for which a lock is one's own, and between two renewals.
_HELD = 60.0
_RENEWED = 15.0
# So many seconds before the end a holder stops writing: a request that is under way has time to end.
_MARGIN = 20.0
# How far the clocks of two machines may be apart, and how long a lock whose time is over is watched: a holder that is
# there after all renews it meanwhile.
_SKEW = 10.0
_WATCHED = 20.0
# Seconds for a request that renews: one that hangs is to leave time for another.
_ASKED = 10.0
# So long, in seconds, a brief holder is waited for, and so often it is tried.
_PATIENCE = 60.0
_TRY_EVERY = 0.2
_CONFLICT = 409
_MISSING = 404

# Locks that this process holds or takes: another of its number, after a restart in a container, is not this one.
_ours: set[str] = set()


class Lease:
    """The writer lock, held by `owner`; renewed in the background until it is released."""

    def __init__(self, cluster: Cluster, index: str, *, brief: bool) -> None:
        """Take it; raise IndexBusy where another has it and does not let others in soon."""
        self._cluster, self._index, self._brief = cluster, index, brief
        self.owner = uuid.uuid4().hex
        self._mark: dict[str, Any] = {}
        self._until = 0.0
        self._lost = ""
        self._over = threading.Event()
        _ours.add(self.owner)
        try:
            self._take()
        except BaseException:
            _ours.discard(self.owner)
            raise
        self._thread = threading.Thread(target=self._renew, daemon=True, name="fathom-lease")
        self._thread.start()

    def refuse_lost(self) -> None:
        """Raise EnvironmentFailed where somebody else may be writing by now."""
        if not self._lost and time.monotonic() > self._until:
            self._lost = f"the writer lock could not be renewed for {_HELD - _MARGIN:.0f} seconds"
        if self._lost:
            raise EnvironmentFailed(f"{self._lost}; what was published is whole, run this again to go on")

    def release(self) -> None:
        """Let others write; a cluster that is away now finds the lock to be old later."""
        self._over.set()
        self._thread.join()
        _ours.discard(self.owner)
        if not self._lost:
            with suppress(FathomError), self._cluster.written() as client:
                client.options(ignore_status=[_CONFLICT, _MISSING]).delete(index=self._index, id=_LOCK, **self._mark)

    def _take(self) -> None:
        until = time.monotonic() + _PATIENCE
        watched: Mapping[str, Any] = {}
        since = 0.0
        while not self._written({"op_type": "create"}):
            holder = self._holder()
            if holder is None:
                continue
            body, mark = holder
            if self._is_left(body) and self._written(mark):
                return
            if _is_over(body) and watched in ({}, mark):
                if not watched:
                    watched, since = mark, time.monotonic()
                if time.monotonic() - since > _WATCHED and self._written(mark):
                    return
            elif self._brief or not body.get("brief") or time.monotonic() > until:
                raise self._busy(body)
            time.sleep(_TRY_EVERY)

    def _is_left(self, body: Mapping[str, Any]) -> bool:
        """Tell whether a lock is ours, made by a request whose answer was lost, or of a process that is gone."""
        return body.get("owner") == self.owner or _is_dead(body)

    def _busy(self, body: Mapping[str, Any]) -> IndexBusy:
        return IndexBusy(
            f"another process, {body.get('process')} on {body.get('host')}, is writing to {self._cluster.name} "
            f"in Elasticsearch at {self._cluster.address}; wait until it is done, then run this again"
        )

    def _written(self, condition: Mapping[str, Any]) -> bool:
        """Write the lock under a condition; tell whether that held."""
        asked = time.monotonic()
        body = {
            "owner": self.owner,
            "brief": self._brief,
            "host": socket.gethostname(),
            "machine": _machine(),
            "process": os.getpid(),
            "until": time.time() + _HELD,
        }
        with self._cluster.written() as client:
            answer = client.options(ignore_status=_CONFLICT, request_timeout=_ASKED).index(
                index=writing_name(self._index),
                id=_LOCK,
                document={"row": "lock", "body": body},
                require_alias=True,
                **condition,
            )
        if answer.meta.status == _CONFLICT:
            return False
        self._mark = {"if_seq_no": answer["_seq_no"], "if_primary_term": answer["_primary_term"]}
        self._until = asked + _HELD - _MARGIN
        return True

    def _holder(self) -> tuple[Mapping[str, Any], dict[str, Any]] | None:
        with self._cluster.written() as client:
            found = client.options(ignore_status=_MISSING).get(index=self._index, id=_LOCK)
        if not found.get("found"):
            return None
        return found["_source"]["body"], {"if_seq_no": found["_seq_no"], "if_primary_term": found["_primary_term"]}

    def _renew(self) -> None:
        while not self._over.wait(_RENEWED):
            with suppress(FathomError):  # then it is tried again until the time is up
                if not self._written(self._mark) and not self._is_ours():
                    self._lost = "another process took the writer lock"
                    return

    def _is_ours(self) -> bool:
        """Tell whether the lock is ours all the same: a renewal whose answer was lost."""
        holder = self._holder()
        if holder is None or holder[0].get("owner") != self.owner:
            return False
        self._mark = holder[1]
        self._until = time.monotonic() + float(holder[0]["until"]) - time.time() - _MARGIN
        return True


@contextmanager
def leased(cluster: Cluster, index: str, *, brief: bool = False) -> Iterator[Lease]:
    """Hold the writer lock, a document of `index`; raise IndexBusy if another has it and lets no others in soon.

    A `brief` holder promises to; it does not wait itself.
    """
    lease = Lease(cluster, index, brief=brief)
    allowed, cluster.refuse = cluster.refuse, lease.refuse_lost
    try:
        yield lease
    finally:
        cluster.refuse = allowed
        lease.release()


def _is_over(body: Mapping[str, Any]) -> bool:
    """Tell whether a lock's time is over by our clock."""
    return time.time() > float(body.get("until", 0)) + _SKEW


def _is_dead(body: Mapping[str, Any]) -> bool:
    """Tell whether the holder of a lock ran here and does not any more."""
    if body.get("machine") != _machine():
        return False
    process = int(body.get("process", 0))
    if process == os.getpid():
        return body.get("owner") not in _ours
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _machine() -> str:
    """Return what tells whose process numbers these are: containers that share a host's name have their own."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not Linux: no containers share its name
        return socket.gethostname()
