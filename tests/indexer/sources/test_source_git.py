"""Repositories read from their objects: hostile ones first. Real git, no network."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

import pytest

from indexer.errors import EnvironmentFailed, FathomError, UsageError
from indexer.sources.factory import open_source
from indexer.types import Skipped, SkipReason

WHO = {f"GIT_{who}_{what}": "tester@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def git(place: Path, *arguments: str, stdin: bytes | None = None) -> str:
    environment = {**os.environ, **WHO, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-C", str(place), *arguments]
    done = subprocess.run(command, env=environment, input=stdin, capture_output=True, check=True)
    return done.stdout.decode().strip()


def commit(place: Path, files: dict[str, str | bytes]) -> str:
    for name, text in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    git(place, "add", "-A", "-f")
    git(place, "commit", "-qm", "step", "--allow-empty")
    return git(place, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    place = tmp_path / "repo"
    place.mkdir()
    git(place, "init", "-q", "-b", "main")
    return place


def look(place: Path, revision: str = "HEAD", **options: object) -> tuple[list[str], dict[str, SkipReason]]:
    kept, skipped = [], {}
    for entry in open_source(f"{place}@{revision}", cache=place.parent / "cache", **options).entries():
        found = entry if isinstance(entry, Skipped) else entry.read()
        if isinstance(found, Skipped):
            skipped[found.path] = found.reason
        else:
            kept.append(found.path)
    return kept, skipped


@pytest.mark.parametrize(
    "revision",
    [
        "missing",
        "-x",
        "--help",
        "main^{tree}",
        "HEAD~5",
        "a b",
        "..",
        "@{-1}",
        "HEAD:a.py",
        "main..main",
        "--all",
        "$(id)",
    ],
)
def test_a_revision_that_is_not_there_is_named(repository: Path, revision: str) -> None:
    commit(repository, {"a.py": "x = 1\n"})
    with pytest.raises(UsageError, match="revision"):
        open_source(f"{repository}@{revision}", cache=repository)


def test_a_repository_without_a_commit_says_so(repository: Path) -> None:
    with pytest.raises(UsageError, match="no commit yet"):
        open_source(f"{repository}@HEAD", cache=repository)


def test_a_folder_that_is_no_repository_has_no_revision(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with pytest.raises(UsageError, match="not a git repository"):
        open_source(f"{tmp_path / 'plain'}@main", cache=tmp_path)


def test_a_damaged_repository_is_an_environment_failure_with_gits_words(repository: Path) -> None:
    commit(repository, {"a.py": "x = 1\n"})
    tree = git(repository, "rev-parse", "HEAD^{tree}")
    (repository / ".git/objects" / tree[:2] / tree[2:]).unlink()
    with pytest.raises(EnvironmentFailed, match="git"):
        look(repository)


def test_a_missing_blob_is_no_crash(repository: Path) -> None:
    commit(repository, {"a.py": "x = 1\n", "b.py": "y = 1\n"})
    blob = git(repository, "rev-parse", "HEAD:a.py")
    (repository / ".git/objects" / blob[:2] / blob[2:]).unlink()
    assert look(repository) == (["b.py"], {"a.py": SkipReason.UNREADABLE})


def test_git_that_is_not_there_is_named(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(repository, {"a.py": "x = 1\n"})
    monkeypatch.setenv("PATH", str(repository))
    with pytest.raises(EnvironmentFailed, match="git is not installed"):
        open_source(f"{repository}@main", cache=repository)


def test_a_hostile_repository_runs_nothing(repository: Path, tmp_path: Path) -> None:
    """Its settings name programs for every occasion; a blob is missing, which would start a fetch."""
    head = commit(repository, {"a.py": "x = 1\n", "b.py": "y = 1\n"})
    trap = tmp_path / "trap"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {trap}\n")
    program.chmod(0o755)
    for hook in ("post-checkout", "reference-transaction", "pre-auto-gc", "post-index-change"):
        (repository / ".git/hooks").mkdir(exist_ok=True)
        (repository / ".git/hooks" / hook).symlink_to(program)
    for key, value in {
        "core.fsmonitor": str(program),
        "core.sshCommand": str(program),
        "core.pager": str(program),
        "extensions.partialClone": "origin",
        "remote.origin.url": f"ext::{program}",
        "remote.origin.promisor": "true",
        "protocol.ext.allow": "always",
        "core.alternateRefsCommand": str(program),
        "credential.helper": f"!{program}",
    }.items():
        git(repository, "config", key, value)
    blob = git(repository, "rev-parse", f"{head}:a.py")
    (repository / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with contextlib.suppress(FathomError):
        look(repository, head)
    assert not trap.exists()


def test_the_users_own_settings_are_not_used(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(repository, {"a.py": "x = 1\n"})
    trap = tmp_path / "trap"
    (tmp_path / ".gitconfig").write_text(f"[core]\n\tfsmonitor = touch {trap}\n[broken\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", "/nonexistent")
    assert look(repository)[0] == ["a.py"]


def test_links_submodules_and_odd_paths_are_counted(repository: Path) -> None:
    head = commit(repository, {"a.py": "x = 1\n"})
    blob = git(repository, "hash-object", "-w", "--stdin", stdin=b"/etc/passwd")
    git(repository, "update-index", "--add", "--cacheinfo", f"120000,{blob},link")
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{head},module")
    git(repository, "commit", "-qm", "odd")
    assert look(repository) == (["a.py"], {"link": SkipReason.SYMLINK, "module": SkipReason.SUBMODULE})


def test_a_tree_with_paths_that_leave_it_or_are_not_utf8(repository: Path) -> None:
    blob = git(repository, "hash-object", "-w", "--stdin", stdin=b"x = 1\n")
    tree = git(repository, "mktree", "-z", stdin=b"100644 blob %b\ta\xff.py\0" % blob.encode())
    outer = git(repository, "mktree", "-z", stdin=f"040000 tree {tree}\t..\x00100644 blob {blob}\tok.py\x00".encode())
    head = git(repository, "commit-tree", outer, "-m", "x")
    kept, skipped = look(repository, head)
    assert kept == ["ok.py"]
    assert set(skipped.values()) == {SkipReason.UNREADABLE}


def test_committed_files_are_read_whatever_gitignore_says_but_fathomignore_holds(repository: Path) -> None:
    files = {
        ".gitignore": "*.py\n",
        "a.py": "x\n",
        "b/.fathomignore": "!keep.py\n*.log\n/sub/\n",
        "b/a.log": "x\n",
    }
    commit(repository, {**files, "b/sub/a.py": "x\n", "b/sub/deep/b.py": "x\n", "c/a.log": "x\n"})
    (repository / "uncommitted.py").write_text("x\n")
    kept, skipped = look(repository)
    assert kept == [".gitignore", "a.py", "b/.fathomignore", "c/a.log"]
    assert skipped == {"b/a.log": SkipReason.IGNORED, "b/sub/": SkipReason.IGNORED}


def test_a_committed_ignore_file_that_is_too_large_is_counted_and_not_applied(repository: Path) -> None:
    files = {"a/.fathomignore": "*.py\n" * 20_000, "a/a.py": "x\n", ".fathomignore": "*.log\n", "a.log": "x\n"}
    commit(repository, files)
    assert look(repository) == (
        [".fathomignore", "a/a.py"],
        {"a.log": SkipReason.IGNORED, "a/.fathomignore": SkipReason.UNREADABLE},
    )


def test_committed_dependencies_are_counted_once(repository: Path) -> None:
    files = {"node_modules/x/a.js": "x\n", "node_modules/y/b.js": "x\n", "vendor/modules.txt": "x\n"}
    commit(repository, {**files, "vendor/a/a.go": "x\n", "go.mod": "x\n", "lib/vendor/list.py": "x\n"})
    kept, skipped = look(repository)
    assert kept == ["go.mod", "lib/vendor/list.py"]
    assert skipped == dict.fromkeys(["node_modules/", "vendor/"], SkipReason.VENDORED)
    assert len(look(repository, include_vendored=True)[0]) == 6


def test_contents_are_judged_as_in_folders(repository: Path) -> None:
    commit(
        repository,
        {"big.py": "x" * 200, "nul.py": b"\0\0", "empty.py": "", ".env": "K=1\n", "a.py": "x = 1\n"},
    )
    kept, skipped = look(repository, max_bytes=100)
    assert kept == ["a.py"]
    assert skipped == {
        "big.py": SkipReason.TOO_LARGE,
        "nul.py": SkipReason.BINARY,
        "empty.py": SkipReason.EMPTY,
        ".env": SkipReason.SECRET,
    }


def test_a_stamp_is_the_blob_and_old_revisions_can_be_read(repository: Path) -> None:
    first = commit(repository, {"a.py": "one\n", "b.py": "same\n"})
    git(repository, "tag", "v1")
    commit(repository, {"a.py": "two\n"})
    old, new = (
        {entry.path: (entry.stamp, entry.read().content) for entry in open_source(place, cache=repository).entries()}
        for place in (f"{repository}@v1", f"{repository}@main")
    )
    assert old["b.py"] == new["b.py"]
    assert old["a.py"][0] != new["a.py"][0]
    assert (old["a.py"][1], new["a.py"][1]) == (b"one\n", b"two\n")
    assert open_source(f"{repository}@{first[:10]}", cache=repository).revision == first


def test_bare_repositories_and_linked_work_trees_are_read(repository: Path, tmp_path: Path) -> None:
    head = commit(repository, {"a.py": "x = 1\n"})
    git(tmp_path, "clone", "-q", "--bare", str(repository), "bare.git")
    git(repository, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    bare = open_source(str(tmp_path / "bare.git"), cache=tmp_path)
    assert (bare.kind, bare.name, bare.revision) == ("git", "bare", head)
    assert bare.location == str(tmp_path / "bare.git")
    assert open_source(str(repository / ".git"), cache=tmp_path).name == "repo"
    assert look(tmp_path / "side", "side")[0] == ["a.py"]


def test_large_and_many_files_come_whole(repository: Path) -> None:
    files = {f"{number}.py": f"x = {number}\n" * (1 + number * 300) for number in range(30)}
    commit(repository, files)
    found = [entry.read() for entry in open_source(f"{repository}@main", cache=repository).entries()]
    assert {file.path: file.content.decode() for file in found} == files


def test_stopping_early_leaves_no_process(repository: Path) -> None:
    commit(repository, {f"{number}.py": "x\n" for number in range(5)})
    walk = open_source(f"{repository}@main", cache=repository).entries()
    next(walk).read()
    walk.close()
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    assert not [pid for pid in children if Path(f"/proc/{pid}/comm").read_text().strip() == "git"]
