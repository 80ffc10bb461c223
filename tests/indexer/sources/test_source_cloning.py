"""Copies of repositories in the cache: refusals, locks and interruptions first. Real git, local paths."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

import pytest

from indexer.errors import EnvironmentFailed, IndexBusy, UsageError
from indexer.sources import cloning
from indexer.sources.cloning import check_address, clone, update
from indexer.sources.factory import open_source
from indexer.sources.git import resolve

WHO = {f"GIT_{who}_{what}": "tester@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def git(place: Path, *arguments: str) -> str:
    environment = {**os.environ, **WHO, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(["git", "-C", str(place), *arguments], env=environment, capture_output=True, check=True)
    return done.stdout.decode().strip()


def commit(place: Path, text: str) -> str:
    (place / "a.py").write_text(text)
    git(place, "add", "-A")
    git(place, "commit", "-qm", text)
    return git(place, "rev-parse", "HEAD")


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    place = tmp_path / "origin"
    place.mkdir()
    git(place, "init", "-q", "-b", "main")
    commit(place, "one")
    return place


def copy(origin: Path, into: Path) -> Path:
    """Copy as from a server, but from this disk: no test needs the network."""
    into.parent.mkdir(exist_ok=True)
    return update(str(origin), into, protocol="file")


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/x",
        "git://example.org/x",
        "ssh://git@example.org/x",
        "file:///etc",
        "https://",
        "https://:80/x",
        "https://localhost/x",
        "https://host.internal/x",
        "https://printer.local/x",
        "https://127.0.0.1/x",
        "https://10.0.0.1:8443/x",
        "https://0.0.0.0/x",
        "https://100.64.0.1/x",
        "https://169.254.169.254/latest",
        "https://224.0.0.1/x",
        "https://2130706433/x",
        "https://0x7f000001/x",
        "https://0x7f.1/x",
        "https://127%2e0.0.1/x",
        "https://[::1]/x",
        "https://[fe80::1%25eth0]/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://[2002:7f00:1::]/x",
        "https://user:word@example.org/x",
        "https://example.org\\@127.0.0.1/x",
        "https://8.8.8.8#x/y",
        "https://8.8.8.8?x/y",
        "https://example.org./x",
        "https://b\u00fccher.example/x",
        "https://example.org:port/x",
        "https://example.org:99999/x",
        "https://[broken/x",
        "https://8.8.8.8/a b",
    ],
)
def test_addresses_that_are_not_public_https_are_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(UsageError, match="cannot clone"):
        open_source(address, cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_an_address_with_a_password_is_refused_without_repeating_it() -> None:
    with pytest.raises(UsageError, match="user or a password") as caught:
        check_address("https://user:hunter22@example.org/r")
    assert "hunter22" not in str(caught.value)


def test_a_host_that_nobody_knows_is_left_to_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = f"https://{'a' * 64}.example/x"  # too long a name to be asked for
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(EnvironmentFailed, match="cannot be found"):
        check_address(unknown)
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    assert check_address(unknown) == []
    monkeypatch.setenv("no_proxy", ".example")
    with pytest.raises(EnvironmentFailed, match="cannot be found"):
        check_address(unknown)


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(EnvironmentFailed, match="cannot be kept"):
        clone("https://8.8.8.8/x", tmp_path / "cache" / "x.git")


def test_what_cannot_be_copied_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="git fetch failed"):
        copy(tmp_path / "missing", tmp_path / "cache" / "x.git")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["x.git.lock"]


def test_what_was_interrupted_is_not_taken_for_a_copy(origin: Path, tmp_path: Path) -> None:
    (tmp_path / "x.git.unfinished").mkdir()
    (tmp_path / "x.git.unfinished" / "HEAD").write_text("half")
    copy(origin, tmp_path / "x.git")
    assert not (tmp_path / "x.git.unfinished").exists()
    assert resolve(tmp_path / "x.git", "main", "x")


def test_two_processes_do_not_copy_the_same_at_once(origin: Path, tmp_path: Path) -> None:
    with (tmp_path / "x.git.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(IndexBusy):
            copy(origin, tmp_path / "x.git")
    assert not (tmp_path / "x.git").exists()


def test_a_git_that_takes_too_long_is_ended_with_all_that_it_started(
    origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program that git starts to serve the origin writes its id and sleeps."""
    server = tmp_path / "server"
    server.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/id\nsleep 60\n")
    server.chmod(0o755)
    settings = ["-c", f"remote.there.url={origin}", "-c", f"remote.there.uploadpack={server}"]
    monkeypatch.setattr(cloning, "_CLONE_SECONDS", 0.5)
    with pytest.raises(EnvironmentFailed, match="git fetch took more than"):
        update("there", tmp_path / "x.git", settings=settings, protocol="file")
    started = int((tmp_path / "id").read_text())
    assert not Path(f"/proc/{started}").exists() or Path(f"/proc/{started}/stat").read_text().split()[2] == "Z"
    assert not (tmp_path / "x.git").exists()
    assert not (tmp_path / "x.git.unfinished").exists()


def test_a_copy_follows_its_origin(origin: Path, tmp_path: Path) -> None:
    place = copy(origin, tmp_path / "x.git")
    git(origin, "tag", "v1")
    git(origin, "checkout", "-q", "-b", "trunk")
    head = commit(origin, "two")
    git(origin, "branch", "-D", "main")
    assert copy(origin, place) == place
    assert resolve(place, "HEAD", "x") == resolve(place, "trunk", "x") == head
    assert resolve(place, "v1", "x") == resolve(place, "HEAD~1", "x") != head
    with pytest.raises(UsageError, match="main"):
        resolve(place, "main", "x")


def test_an_origin_whose_head_names_nothing_still_has_branches(origin: Path, tmp_path: Path) -> None:
    place = copy(origin, tmp_path / "x.git")
    git(origin, "branch", "-m", "main", "other")
    git(origin, "symbolic-ref", "HEAD", "refs/heads/gone")
    copy(origin, place)
    assert resolve(place, "other", "x") == git(origin, "rev-parse", "other")
    with pytest.raises(UsageError, match="no commit yet"):
        resolve(place, "HEAD", "x")


def test_an_empty_origin_has_no_commit_yet(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    git(tmp_path / "empty", "init", "-q")
    place = copy(tmp_path / "empty", tmp_path / "x.git")
    with pytest.raises(UsageError, match="no commit yet"):
        resolve(place, "HEAD", "x")


def test_the_host_is_bound_to_the_addresses_that_were_looked_at() -> None:
    assert check_address("https://8.8.8.8:444/x") == ["-c", "http.curloptResolve=8.8.8.8:444:8.8.8.8"]
