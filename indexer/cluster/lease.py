"""One writer at a time, wherever it runs: a document that only one can make, renewed for as long as it writes.

Who finds it left behind takes it over. That needs clocks which differ by less than a few seconds, and nothing depends
on them: what a writer publishes is refused by the store once another has begun.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from indexer.cluster.connection import Cluster
from indexer.errors import EnvironmentFailed, IndexBusy, ServerUnavailable

_LOCK = "lock"
# Seconds for which a lock is one's own, and between two renewals.
_HELD = 60.0
_RENEWED = 15.0
# How far the clocks of two machines may be apart.
_SKEW = 10.0
# So long, in seconds, a brief holder is waited for, and so often it is tried.
_PATIENCE = 60.0
_TRY_EVERY = 0.2
_CONFLICT = 409
_MISSING = 404

# Locks that this process holds: another of its number, after a restart in a container, is not this one.
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
        self._take()
        _ours.add(self.owner)
        self._thread = threading.Thread(target=self._renew, daemon=True, name="fathom-lease")
        self._thread.start()

    def refuse_lost(self) -> None:
        """Raise EnvironmentFailed where somebody else may be writing by now."""
        if not self._lost and time.monotonic() > self._until:
            self._lost = f"the writer lock could not be renewed for {_HELD:.0f} seconds"
        if self._lost:
            raise EnvironmentFailed(f"{self._lost}; what was published is whole, run this again to go on")

    def release(self) -> None:
        """Let others write; a cluster that is away now finds the lock to be old later."""
        self._over.set()
        self._thread.join()
        _ours.discard(self.owner)
        if not self._lost:
            with suppress(ServerUnavailable, EnvironmentFailed), self._cluster.written() as client:
                client.options(ignore_status=[_CONFLICT, _MISSING]).delete(index=self._index, id=_LOCK, **self._mark)

    def _take(self) -> None:
        until = time.monotonic() + _PATIENCE
        while not self._taken():
            holder = self._holder()
            if holder is None:
                continue
            body, mark = holder
            if _is_dead(body) and self._written(mark):
                return
            if self._brief or not body.get("brief") or time.monotonic() > until:
                raise IndexBusy(
                    f"another process, {body.get('process')} on {body.get('host')}, is writing to the index "
                    f"{self._cluster.name} in Elasticsearch at {self._cluster.address}; wait until it is done, then "
                    "run this again"
                )
            time.sleep(_TRY_EVERY)

    def _taken(self) -> bool:
        return self._written({"op_type": "create"})

    def _written(self, condition: Mapping[str, Any]) -> bool:
        """Write the lock under a condition; tell whether that held."""
        asked = time.monotonic()
        body = {
            "owner": self.owner,
            "brief": self._brief,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "until": time.time() + _HELD,
        }
        with self._cluster.written() as client:
            answer = client.options(ignore_status=_CONFLICT).index(
                index=self._index, id=_LOCK, document={"row": "lock", "body": body}, **condition
            )
        if answer.meta.status == _CONFLICT:
            return False
        self._mark = {"if_seq_no": answer["_seq_no"], "if_primary_term": answer["_primary_term"]}
        self._until = asked + _HELD
        return True

    def _holder(self) -> tuple[Mapping[str, Any], dict[str, Any]] | None:
        with self._cluster.written() as client:
            found = client.options(ignore_status=_MISSING).get(index=self._index, id=_LOCK)
        if not found.get("found"):
            return None
        return found["_source"]["body"], {"if_seq_no": found["_seq_no"], "if_primary_term": found["_primary_term"]}

    def _renew(self) -> None:
        while not self._over.wait(_RENEWED):
            with suppress(ServerUnavailable, EnvironmentFailed):  # then it is tried again until the time is up
                if not self._written(self._mark) and not self._is_ours():
                    self._lost = "another process took the writer lock"
                    return

    def _is_ours(self) -> bool:
        """Tell whether the lock is ours all the same: a renewal whose answer was lost."""
        holder = self._holder()
        if holder is None or holder[0].get("owner") != self.owner:
            return False
        self._mark = holder[1]
        return True


@contextmanager
def leased(cluster: Cluster, index: str, *, brief: bool = False) -> Iterator[Lease]:
    """Hold the writer lock, a document of `index`; raise IndexBusy if another has it and lets no others in soon.

    A `brief` holder promises to; it does not wait itself.
    """
    lease = Lease(cluster, index, brief=brief)
    try:
        yield lease
    finally:
        lease.release()


def _is_dead(body: Mapping[str, Any]) -> bool:
    """Tell whether the holder of a lock is gone: its time is over, or it ran here and does not any more."""
    if time.time() > float(body.get("until", 0)) + _SKEW:
        return True
    if body.get("host") != socket.gethostname():
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
