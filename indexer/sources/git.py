"""A git repository at a revision as a source, read from its objects: no work tree, hooks or submodules."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from indexer.errors import EnvironmentFailed, UsageError
from indexer.sources.content import by_content, by_name
from indexer.sources.ignore import Rules
from indexer.sources.interface import Entry
from indexer.types import Skipped, SkipReason, SourceFile

_SECONDS = 120
_CLONE_SECONDS = 3_600
_SYMLINK, _SUBMODULE = "120000", "160000"
_SAFE = (
    *("-c", "core.hooksPath=/dev/null", "-c", "http.followRedirects=false", "-c", "protocol.ext.allow=never"),
    *("-c", "core.fsmonitor=false", "-c", "safe.directory=*"),
)


@dataclass(frozen=True)
class GitSource:
    """The files of one commit of the repository in `folder`; `location` is what the user named."""

    folder: Path
    name: str
    location: str
    revision: str
    max_bytes: int
    kind: str = "git"

    def entries(self) -> Iterator[Entry | Skipped]:
        """Yield every file in the order of its path, or why it is skipped."""
        listing = git(["ls-tree", "-r", "-z", "--long", self.revision], self.folder)
        rows = [_row(line) for line in listing.decode("utf-8", "backslashreplace").split("\0") if line]
        with _Blobs(self.folder) as blobs:
            rules = self._rules(rows, blobs)
            for mode, blob, size, path in rows:
                yield self._entry(mode, blob, size, path, rules, blobs)

    def _rules(self, rows: Sequence[tuple[str, str, int, str]], blobs: _Blobs) -> Rules:
        rules = Rules()
        for _, blob, size, path in rows:
            if path.rpartition("/")[2] == ".fathomignore" and size <= self.max_bytes:
                rules = rules.within(path[: -len(".fathomignore")], blobs.read(blob).decode("utf-8", "replace"))
        return rules

    def _entry(self, mode: str, blob: str, size: int, path: str, rules: Rules, blobs: _Blobs) -> Entry | Skipped:
        reason = {_SYMLINK: SkipReason.SYMLINK, _SUBMODULE: SkipReason.SUBMODULE}.get(mode) or by_name(path)
        if reason is None and any(path.startswith(at) and _ignored(rules, path) for at, _ in rules.specs):
            reason = SkipReason.IGNORED
        if reason is not None:
            return Skipped(self.name, path, reason)
        if size > self.max_bytes:
            return Skipped(self.name, path, SkipReason.TOO_LARGE, f"{size} bytes")
        return Entry(path, blob, partial(self._read, path, blob, blobs))

    def _read(self, path: str, blob: str, blobs: _Blobs) -> SourceFile | Skipped:
        content = blobs.read(blob)
        reason = by_content(path, content)
        return Skipped(self.name, path, reason) if reason else SourceFile(self.name, path, content)


class _Blobs:
    """One `git cat-file --batch` that answers for blob after blob."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            ["git", *_SAFE, "cat-file", "--batch"],
            cwd=folder,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> _Blobs:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.wait()

    def read(self, blob: str) -> bytes:
        """Return a blob's content."""
        source, sink = self._process.stdin, self._process.stdout
        if source is None or sink is None:
            raise EnvironmentFailed("git cat-file has no pipes")
        source.write(f"{blob}\n".encode())
        source.flush()
        header = sink.readline().split()
        if len(header) != 3:
            raise EnvironmentFailed(f"git has no object {blob}: the repository is damaged or incomplete")
        content = sink.read(int(header[2]) + 1)
        return content[:-1]


def open_git(text: str, revision: str, name: str | None, cache: Path, max_bytes: int) -> GitSource:
    """Open a local repository or a clone of a URL at a revision ("" for its HEAD)."""
    remote = "://" in text
    folder = _clone(text, cache) if remote else Path(text).resolve()
    commit = resolve(folder, revision or "HEAD", text)
    location = text if remote else str(folder)
    return GitSource(folder, name or _base(text), location, commit, max_bytes)


def is_repository(path: Path) -> bool:
    """Tell whether a path is a work tree's top or a bare repository."""
    return (path / ".git").exists() or is_bare(path)


def is_bare(path: Path) -> bool:
    """Tell whether a path is a bare repository."""
    return (path / "HEAD").is_file() and (path / "objects").is_dir() and (path / "refs").is_dir()


def resolve(folder: Path, revision: str, shown: str) -> str:
    """Return the commit that a revision names; raise UsageError for one that is not there."""
    try:
        output = git(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"], folder)
    except EnvironmentFailed as error:
        raise UsageError(f"the repository {shown} has no revision {revision!r}") from error
    return output.decode().split()[-1]


def git(arguments: Sequence[str], folder: Path, seconds: int = _SECONDS) -> bytes:
    """Run git without prompts, hooks or redirects; return its output; raise EnvironmentFailed."""
    command = ["git", *_SAFE, *arguments]
    try:
        done = subprocess.run(
            command, cwd=folder, env=_environment(), capture_output=True, timeout=seconds, check=False
        )
    except FileNotFoundError as error:
        raise EnvironmentFailed("git is not installed; install it, or index the folder itself") from error
    except subprocess.TimeoutExpired as error:
        raise EnvironmentFailed(f"git {arguments[0]} took more than {seconds} s") from error
    if done.returncode:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
        raise EnvironmentFailed(f"git {arguments[0]} failed: {words[-1]}")
    return done.stdout


def _environment() -> dict[str, str]:
    kept = {
        name: os.environ[name]
        for name in ("PATH", "HOME", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR")
        if name in os.environ
    }
    return {
        **kept,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "https",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_OPTIONAL_LOCKS": "0",
    }


def _clone(url: str, cache: Path) -> Path:
    """Clone a URL into the cache, bare, or fetch what is new; a killed clone leaves nothing behind."""
    _check_url(url)
    folder = cache / "git" / hashlib.blake2b(url.encode(), digest_size=8).hexdigest()
    if folder.is_dir():
        git(
            ["fetch", "--quiet", "--prune", "--no-recurse-submodules", "origin", "+refs/*:refs/*"],
            folder,
            _CLONE_SECONDS,
        )
        return folder
    partial_clone = folder.with_suffix(".part")
    shutil.rmtree(partial_clone, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    git(
        ["clone", "--quiet", "--bare", "--no-recurse-submodules", "--", url, str(partial_clone)],
        folder.parent,
        _CLONE_SECONDS,
    )
    partial_clone.rename(folder)
    return folder


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise UsageError(f"cannot clone {url!r}: only https addresses are read")
    try:
        address = ipaddress.ip_address(parts.hostname)
    except ValueError:
        local = parts.hostname == "localhost" or parts.hostname.endswith((".localhost", ".local", ".internal"))
    else:
        local = not address.is_global
    if local:
        raise UsageError(f"cannot clone {url!r}: its host is internal")


def _row(line: str) -> tuple[str, str, int, str]:
    facts, _, path = line.partition("\t")
    mode, _, blob, size = facts.split()
    return mode, blob, 0 if size == "-" else int(size), path


def _ignored(rules: Rules, path: str) -> bool:
    parts = path.split("/")
    folders = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
    return any(_rule(rules, folder, folder=True) for folder in folders) or _rule(rules, path, folder=False)


def _rule(rules: Rules, path: str, *, folder: bool) -> bool:
    return Rules(tuple(entry for entry in rules.specs if path.startswith(entry[0]))).ignores(path, folder=folder)


def _base(text: str) -> str:
    return text.rstrip("/").rpartition("/")[2].removesuffix(".git") or text
