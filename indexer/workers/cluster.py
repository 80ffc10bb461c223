"""Connecting to a Ray cluster, in bounded time and in silence. What is done there is no business of this room."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from typing import IO, Any

from indexer.errors import EnvironmentFailed, UsageError

# What starts a cluster of its own on this machine, for as long as the run; what finds the one that runs here.
LOCAL, AUTO = "local", "auto"

# A cluster in the same building answers in milliseconds; so long for a far one.
_CONNECT_SECONDS = 5.0
# Ray itself tries for two minutes, and can end the process that tries: another one does, for so long.
_PROBE_SECONDS = 25.0
_LOOK_SECONDS = 0.1
# What a run before this one used is free a moment after it.
_FREE_SECONDS = 5.0
_PROBE = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False)"
# Ray reports how it is used to its makers unless it is told not to.
_NO_REPORTS = "RAY_USAGE_STATS_ENABLED"
_TOKEN = "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH as its nodes have it"  # noqa: S105


class Cluster:
    """A connection to the cluster at an address: HOST:PORT, `auto` or `local`."""

    def __init__(self, address: str, cores: int | None = None) -> None:
        """Name a cluster; a `local` one has so many cores, or all. Raises UsageError for what is no address."""
        self.address = address
        self._cores = cores
        self._ours = False
        if address not in (LOCAL, AUTO):
            _split(address)

    def connect(self) -> None:
        """Connect, or use the connection of this process; raise EnvironmentFailed where no cluster answers."""
        os.environ[_NO_REPORTS] = "0"
        import ray

        if ray.is_initialized():
            return
        logging.getLogger("ray").setLevel(logging.ERROR)
        options: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
        if self.address == LOCAL:
            options |= {"num_cpus": self._cores, "include_dashboard": False}
        else:
            self._probe()
        try:
            ray.init(address=self.address, **options)
        except (OSError, RuntimeError, ValueError) as error:
            raise self._failed(str(error) or type(error).__name__) from error
        self._ours = True
        _hush()

    def close(self) -> None:
        """End the connection, and a local cluster with it."""
        if self._ours:
            import ray

            ray.shutdown()

    def free(self) -> tuple[int, int]:
        """Return how many cores and GPUs nobody uses."""
        import ray

        until = time.monotonic() + _FREE_SECONDS
        while True:
            found = ray.available_resources()
            if found.get("CPU", 0) >= 1 or time.monotonic() >= until:
                return int(found.get("CPU", 0)), int(found.get("GPU", 0))
            time.sleep(_LOOK_SECONDS)

    def actor(self, kind: type, options: dict[str, Any], *arguments: Any) -> Any:
        """Return a new actor of a class that is installed on every node."""
        import ray

        return ray.remote(**options)(kind).remote(*arguments)

    def _probe(self) -> None:
        """Raise EnvironmentFailed where Ray could not connect from here."""
        if self.address != AUTO:
            try:
                socket.create_connection(_split(self.address), _CONNECT_SECONDS).close()
            except OSError as error:
                raise self._failed(error.strerror or str(error)) from error
        with tempfile.TemporaryFile("w+") as said:
            command = [sys.executable, "-c", _PROBE, self.address]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said) as process:
                why = _outcome(process, said)
        if why:
            raise self._failed(why)

    def _failed(self, why: str) -> EnvironmentFailed:
        where = "on this machine" if self.address in (LOCAL, AUTO) else f"at {self.address}"
        return EnvironmentFailed(
            f"no Ray cluster can be used {where}: {why.splitlines()[0].rstrip('.')}; this machine "
            "must be a node of it (`ray start --address HOST:PORT`), or use --ray local"
        )


def _hush() -> None:
    """Keep Ray from writing to standard output, which is for results: it tells of lost workers there, unasked."""
    from ray._private import worker

    worker._worker_logs_enabled = False


def _split(address: str) -> tuple[str, int]:
    """Return the host and the port of an address."""
    host, _, port = address.rpartition(":")
    with suppress(ValueError):
        if host and "/" not in host and 0 < int(port) < 65536:
            return host.strip("[]"), int(port)
    raise UsageError(f"--ray takes HOST:PORT, `auto` or `local`, not {address!r}")


def _outcome(process: subprocess.Popen[bytes], said: IO[str]) -> str:
    """Wait for the process that tries, and end it; return why it cannot connect, nothing where it can."""
    until = time.monotonic() + _PROBE_SECONDS
    while process.poll() is None and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
        said.seek(0)
        # Ray would go on asking for all of its time.
        if "AuthToken" in said.read():
            process.kill()
            return f"it asks for another token; {_TOKEN}"
    if process.poll() is None:
        process.kill()
        return f"it did not answer within {_PROBE_SECONDS:g} s"
    said.seek(0)
    lines = said.read().strip().splitlines() if process.returncode else []
    return lines[-1].rpartition(": ")[2] if lines else "no reason given" if process.returncode else ""
