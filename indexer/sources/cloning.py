"""A bare copy of a repository in the cache: which addresses are allowed, cloned, kept up to date.

What is in the repository is read elsewhere.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import re
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from indexer.errors import EnvironmentFailed, IndexBusy, UsageError
from indexer.sources.git_command import GitFailed, run_git

# Where the server's HEAD is kept, and what the copy's HEAD stands for: it may be another branch at every fetch.
_REMOTE_HEAD = "refs/fathom/head"
_WANTED = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_NO_HEAD = "remote ref HEAD"
# The largest public repositories (some 5 GB) at 1.5 MB/s.
_CLONE_SECONDS = 3_600
_HTTPS_PORT = 443
# What this program, git and curl read alike: no escapes, no letters beyond ASCII, no dot at the end.
_HOST = re.compile(r"[a-z0-9._-]*[a-z0-9_-]|[0-9a-f:.]+")
_INTERNAL = re.compile(r"(?:.*\.)?(?:localhost|local|internal|lan|home\.arpa)")


def clone(url: str, into: Path) -> Path:
    """Copy the repository at an https address to the bare repository `into`, or bring it up to date.

    What is interrupted leaves nothing that is taken for a copy. Raise UsageError for an address that is not
    allowed, IndexBusy while another process copies the same, EnvironmentFailed when git or the disk fails.
    """
    settings = check_address(url)
    try:
        into.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return update(url, into, settings=settings)
    except OSError as error:
        raise EnvironmentFailed(f"the copy of {url} cannot be kept in {into.parent}: {error.strerror}") from error


def update(origin: str, into: Path, *, settings: Sequence[str] = (), protocol: str = "https") -> Path:
    """Make `into` a bare copy of `origin`; `protocol` is the only transport that git may use."""
    with _alone(into) as lock:
        if into.is_dir():
            _fetch(origin, into, settings, protocol, lock)
            return into
        unfinished = into.with_name(f"{into.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            run_git(["init", "--quiet", "--bare", "--template=", "--", str(unfinished)])
            run_git(["symbolic-ref", "HEAD", _REMOTE_HEAD], git_dir=unfinished)
            _fetch(origin, unfinished, settings, protocol, lock)
            unfinished.rename(into)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return into


def _fetch(origin: str, git_dir: Path, settings: Sequence[str], protocol: str, lock: int) -> None:
    options = ("--quiet", "--prune", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")

    def fetch(*wanted: str) -> None:
        arguments = [*settings, "fetch", *options, "--", origin, *wanted]
        run_git(arguments, git_dir=git_dir, protocol=protocol, seconds=_CLONE_SECONDS, inherited=[lock])

    try:
        fetch(f"+HEAD:{_REMOTE_HEAD}", *_WANTED)
    except GitFailed as error:
        if _NO_HEAD not in error.reason:
            raise
        # Its HEAD names a branch that is not there, as in a repository without a commit.
        run_git(["update-ref", "-d", _REMOTE_HEAD], git_dir=git_dir)
        fetch(*_WANTED)


def check_address(url: str) -> list[str]:
    """Return git's settings for an address; raise UsageError for one that is refused.

    Only https, no password in it, and no host inside this network: the addresses that were looked at are
    the ones that git connects to.
    """
    parts = _split(url)
    if parts.scheme != "https" or not parts.hostname:
        raise UsageError(f"cannot clone {url!r}: only https addresses are read; clone it and name the folder")
    if "@" in parts.netloc:
        raise UsageError(
            f"cannot clone from {parts.hostname}: the address holds a user or a password, which would be stored;"
            " clone the repository yourself and name its folder"
        )
    if any(character.isspace() or not character.isprintable() for character in url):
        raise UsageError(f"cannot clone {url!r}: an address has no spaces or control characters")
    if not _HOST.fullmatch(parts.hostname) or not {"\\", "?", "#"}.isdisjoint(url):
        raise UsageError(f"cannot clone {url!r}: an address is https://host/path in plain letters")
    if _INTERNAL.fullmatch(parts.hostname):
        raise UsageError(f"cannot clone {url!r}: its host is inside this network; clone it and name the folder")
    return _pinned(parts, url)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # is checked only when asked for
    except ValueError as error:
        raise UsageError(f"cannot clone {url!r}: {error}") from error
    return parts


def _pinned(parts: SplitResult, url: str) -> list[str]:
    """Return the setting that binds the host to the addresses looked at here."""
    host, port = parts.hostname or "", parts.port or _HTTPS_PORT
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        if _is_proxied(host):
            return []  # the proxy may know the name, and it is the proxy that connects
        raise EnvironmentFailed(f"the host {host} of {url} cannot be found: {error}") from error
    addresses = sorted({str(row[4][0]).partition("%")[0] for row in found})
    internal = [address for address in addresses if not _is_public(address)]
    if internal:
        raise UsageError(
            f"cannot clone {url!r}: {host} is inside this network ({internal[0]}); clone it and name the folder"
        )
    shown = ",".join(f"[{address}]" if ":" in address else address for address in addresses)
    return ["-c", f"http.curloptResolve={host}:{port}:{shown}"]


def _is_proxied(host: str) -> bool:
    proxies = getproxies_environment()
    return not proxies.keys().isdisjoint(("https", "all")) and not proxy_bypass(host)


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    mapped = parsed.ipv4_mapped or parsed.sixtofour if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_global and not parsed.is_multicast


@contextmanager
def _alone(into: Path) -> Iterator[int]:
    """Hold the copy's lock; git inherits it, so that it is held until the last program of a killed run ends."""
    descriptor = os.open(into.with_name(f"{into.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    except BlockingIOError as error:
        raise IndexBusy(f"another process is copying a repository to {into}; try again when it is done") from error
    finally:
        os.close(descriptor)
