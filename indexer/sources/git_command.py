"""Running git safely: no configuration but ours, no prompts, hooks or redirects, and time limits.

What is asked of git, and what its answers mean, is decided by the callers.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from indexer.errors import EnvironmentFailed

# Reading from a local disk; a clone has a limit of its own.
READ_SECONDS = 60
_CHUNK = 1 << 16
_SAFE = (
    *("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "credential.helper="),
    *("-c", "http.followRedirects=false", "-c", "submodule.recurse=false"),
    *("-c", "gc.auto=0", "-c", "maintenance.auto=false"),
    # A server that sends nothing for a minute is given up.
    *("-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=60"),
)
# Where programs and certificates are, and the proxy: all that git may know of who runs it.
_KEPT = (
    *("PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "CURL_CA_BUNDLE"),
    *("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"),
)
_FIXED = {
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    # A repository may name an address to fetch missing objects from; it is never asked.
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
}
_NO_PROTOCOL = "none"


class GitFailed(EnvironmentFailed):
    """git ran and reported a failure; `reason` is its last line, "" if it gave none."""

    def __init__(self, verb: str, reason: str) -> None:
        super().__init__(f"git {verb} failed: {reason or 'it gave no reason'}")
        self.reason = reason


def run_git(
    arguments: Sequence[str],
    *,
    git_dir: Path | None = None,
    protocol: str = _NO_PROTOCOL,
    seconds: float = READ_SECONDS,
    inherited: Sequence[int] = (),
) -> bytes:
    """Run git to its end and return its output; raise GitFailed, or EnvironmentFailed if it is missing or slow.

    `protocol` is the only transport that git may use; `inherited` are descriptors that it keeps open.
    """
    process = _start(arguments, git_dir, protocol, stderr=subprocess.PIPE, inherited=inherited)
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise EnvironmentFailed(f"git {_verb(arguments)} took more than {seconds:g} s and was stopped") from error
    finally:
        _stop(process)
    if process.returncode:
        raise _failure(arguments, errors)
    return output


@contextmanager
def reading_git(arguments: Sequence[str], git_dir: Path) -> Iterator[Conversation]:
    """Start git for a conversation over pipes; it is stopped at the end."""
    with tempfile.TemporaryFile() as errors:
        process = _start(arguments, git_dir, _NO_PROTOCOL, stderr=errors, stdin=subprocess.PIPE)
        try:
            yield Conversation(process, arguments, errors)
        finally:
            _stop(process)


class Conversation:
    """A running git: questions go in, answers come out, each within the time limit."""

    def __init__(self, process: subprocess.Popen[bytes], arguments: Sequence[str], errors: IO[bytes]) -> None:
        if process.stdin is None or process.stdout is None:
            raise EnvironmentFailed(f"git {_verb(arguments)} was started without pipes")
        self._process, self._arguments, self._errors = process, arguments, errors
        self._input, self._output = process.stdin.fileno(), process.stdout.fileno()
        self._poll = select.poll()
        self._poll.register(self._output, select.POLLIN)
        self._held = b""

    def ask(self, question: bytes) -> None:
        """Send a question, short enough for the pipe to take it at once."""
        try:
            os.write(self._input, question)
        except BrokenPipeError as error:
            raise self._ended() from error

    def records(self) -> Iterator[bytes]:
        """Yield the rest of the output, split at NUL; raise GitFailed when git failed."""
        while chunk := self._more():
            *records, self._held = (self._held + chunk).split(b"\0")
            yield from records
        if self._process.wait(READ_SECONDS) or self._held:
            raise self._ended()

    def line(self) -> bytes:
        """Return the next line without its end."""
        while b"\n" not in self._held:
            self._held += self._more() or self._fail()
        line, _, self._held = self._held.partition(b"\n")
        return line

    def exactly(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        chunks, missing = [self._held[:size]], size - len(self._held)
        self._held = self._held[size:]
        while missing > 0:
            chunk = self._more() or self._fail()
            chunks.append(chunk[:missing])
            self._held = chunk[missing:]
            missing -= len(chunk)
        return b"".join(chunks)

    def skip(self, size: int) -> None:
        """Pass over the next `size` bytes without holding them."""
        while size > 0:
            size -= len(self.exactly(min(size, _CHUNK)))

    def _more(self) -> bytes:
        if not self._poll.poll(READ_SECONDS * 1_000):
            raise EnvironmentFailed(f"git {_verb(self._arguments)} said nothing for {READ_SECONDS} s")
        return os.read(self._output, _CHUNK)

    def _fail(self) -> bytes:
        raise self._ended()

    def _ended(self) -> GitFailed:
        self._errors.seek(0)
        return _failure(self._arguments, self._errors.read(_CHUNK))


def _start(
    arguments: Sequence[str],
    git_dir: Path | None,
    protocol: str,
    *,
    stderr: int | IO[bytes],
    stdin: int = subprocess.DEVNULL,
    inherited: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    place = [f"--git-dir={git_dir}"] if git_dir is not None else []
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    try:
        return subprocess.Popen(
            ["git", *_SAFE, *place, *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**kept, **_FIXED, "GIT_ALLOW_PROTOCOL": protocol},
            pass_fds=inherited,
            start_new_session=True,  # so that the programs it starts can be stopped with it
        )
    except FileNotFoundError as error:
        raise EnvironmentFailed("git is not installed; install it, or index the folder of files itself") from error
    except OSError as error:
        raise EnvironmentFailed(f"git cannot run: {error.strerror}") from error


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a git that still runs, with all that it started, and close its pipes."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    process.wait()


def _failure(arguments: Sequence[str], errors: bytes) -> GitFailed:
    lines = errors.decode("utf-8", "replace").strip().splitlines()
    return GitFailed(_verb(arguments), lines[-1] if lines else "")


def _verb(arguments: Sequence[str]) -> str:
    """Return git's command, past the settings given for this run."""
    rest = list(arguments)
    while rest and rest[0] == "-c":
        rest = rest[2:]
    return rest[0] if rest else ""
