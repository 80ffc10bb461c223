"""Running git safely, and bare clones of https addresses in a cache folder.

No prompts, hooks, submodules, redirects or other protocols; git gets argument lists, never a shell.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from indexer.errors import EnvironmentFailed, UsageError

# What reads a local repository is quick; a clone of a large one takes its time, but not for ever.
_SECONDS = 120
_CLONE_SECONDS = 3_600
SAFE_OPTIONS = (
    *("-c", "core.hooksPath=/dev/null", "-c", "http.followRedirects=false", "-c", "protocol.ext.allow=never"),
    *("-c", "core.fsmonitor=false", "-c", "safe.directory=*", "-c", "fetch.recurseSubmodules=false"),
)
_KEPT = (
    *("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO"),
    *("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"),
)
_REFS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_LOCAL_ENDINGS = (".localhost", ".local", ".internal", ".lan", ".home.arpa")


class GitFailed(EnvironmentFailed):
    """git ran and reported a failure."""


def run_git(arguments: Sequence[str], folder: Path, seconds: int = _SECONDS) -> bytes:
    """Run git in a folder and return its output.

    Raises GitFailed with git's last line, or EnvironmentFailed if git is missing or too slow.
    """
    command = ["git", *SAFE_OPTIONS, *arguments]
    if shutil.which("git") is None:
        raise EnvironmentFailed("git is not installed; install it, or index the folder itself")
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=git_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except OSError as error:
        raise EnvironmentFailed(f"git cannot run in {folder}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise EnvironmentFailed(f"git {arguments[0]} took more than {seconds} s and was stopped") from error
    if done.returncode:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
        raise GitFailed(f"git {arguments[0]} failed: {words[-1]}")
    return done.stdout


def git_environment() -> dict[str, str]:
    """Return the environment for git: little of ours, no prompts, https only."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {
        **kept,
        "GIT_ALLOW_PROTOCOL": "https",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
    }


def clone(url: str, cache: Path) -> Path:
    """Clone an address into the cache, bare, or fetch what is new; return the clone's folder.

    A clone that is cut off leaves nothing under its final name. Raises UsageError for an address
    that is not read, EnvironmentFailed where git or the disk fails.
    """
    check_address(url)
    folder = cache / "git" / hashlib.blake2b(url.encode(), digest_size=8).hexdigest()
    if folder.is_dir():
        fetch = ["fetch", "--quiet", "--prune", "--no-recurse-submodules", "--", url, *_REFS]
        run_git(fetch, folder, _CLONE_SECONDS)
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".part-") as place:
            _clone_into(url, Path(place, "clone"))
            Path(place, "clone").rename(folder)
    except OSError as error:
        raise EnvironmentFailed(f"the clone of {url} cannot be kept in {cache}: {error.strerror}") from error
    return folder


def check_address(url: str) -> None:
    """Raise UsageError for an address that is not https, holds a password or leads to this network."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise UsageError(f"cannot clone {url!r}: only https addresses are read; clone it and name the folder")
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            f"cannot clone from {parts.hostname}: the address holds a user name or a password;"
            " leave it out and use git's credential helper"
        )
    if _is_internal(parts.hostname):
        raise UsageError(f"cannot clone {url!r}: its host is internal; clone it and name the folder")


def _clone_into(url: str, folder: Path) -> None:
    arguments = ["clone", "--quiet", "--bare", "--no-recurse-submodules", "--", url, str(folder)]
    run_git(arguments, folder.parent, _CLONE_SECONDS)


def _is_internal(host: str) -> bool:
    if host == "localhost" or host.endswith(_LOCAL_ENDINGS):
        return True
    try:
        found = socket.getaddrinfo(host.strip("[]"), None)
    except (OSError, UnicodeError):
        return False  # a proxy may know the name; git says so if nobody does
    return not all(_is_public(str(address[0])) for *_, address in found)


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_global
