"""Addresses that a server listens on: taken before it starts, and said."""

from __future__ import annotations

import socket

from indexer.errors import EnvironmentFailed


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raise EnvironmentFailed where the address cannot be had."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        found = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise EnvironmentFailed(f"{host}:{port} cannot be listened on: {error.strerror or error}") from error
    found.set_inheritable(True)
    return found


def said(host: str, listening: socket.socket) -> str:
    """Return the address of a server as a browser takes it, without a path."""
    return f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
