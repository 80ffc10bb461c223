"""Connecting to a Ray cluster, in bounded time and in silence. What is done there is no business of this room."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from contextlib import suppress
from typing import Any

from indexer.errors import EnvironmentFailed, UsageError

# What starts a cluster of its own on this machine, for as long as the run; what finds the one that runs here.
LOCAL, AUTO = "local", "auto"

# A cluster in the same building answers in milliseconds; so long for a far one.
_CONNECT_SECONDS = 5.0
# Ray itself tries for two minutes, and can end the process that tries: another one does, for so long.
_PROBE_SECONDS = 25.0
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
            raise self._failed(str(error)) from error
        self._ours = True

    def close(self) -> None:
        """End the connection, and a local cluster with it."""
        if self._ours:
            import ray

            ray.shutdown()

    def free(self) -> tuple[int, int]:
        """Return how many cores and GPUs nobody uses."""
        import ray

        found = ray.available_resources()
        return int(found.get("CPU", 0)), int(found.get("GPU", 0))

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
        try:
            done = subprocess.run(
                [sys.executable, "-c", _PROBE, self.address],
                capture_output=True,
                text=True,
                timeout=_PROBE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            said = str(error.stderr)
            raise self._failed(_reason(said) or f"it did not answer within {_PROBE_SECONDS:g} s") from error
        if done.returncode:
            raise self._failed(_reason(done.stderr) or _last_line(done.stderr))

    def _failed(self, why: str) -> EnvironmentFailed:
        where = "on this machine" if self.address in (LOCAL, AUTO) else f"at {self.address}"
        return EnvironmentFailed(
            f"no Ray cluster can be used {where}: {why.splitlines()[0] if why else 'no reason given'}; this machine "
            "must be a node of it (`ray start --address HOST:PORT`), or use --ray local"
        )


def _split(address: str) -> tuple[str, int]:
    """Return the host and the port of an address."""
    host, _, port = address.rpartition(":")
    with suppress(ValueError):
        if host and "/" not in host and 0 < int(port) < 65536:
            return host.strip("[]"), int(port)
    raise UsageError(f"--ray takes HOST:PORT, `auto` or `local`, not {address!r}")


def _reason(said: str) -> str:
    """Return what a user can do about what Ray wrote, where that is known."""
    if "AuthToken" in said or "AuthenticationError" in said:
        return f"it asks for another token; {_TOKEN}"
    return ""


def _last_line(said: str) -> str:
    lines = said.strip().splitlines()
    return lines[-1].rpartition(": ")[2] if lines else ""
