"""Git repositories: what is refused first, then what is read from the objects."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from indexer.errors import EnvironmentFailed, UsageError
from indexer.sources.clone import check_address, git_environment, run_git
from indexer.sources.factory import open_source
from indexer.sources.git import GitSource
from indexer.sources.interface import Entry
from indexer.types import Skipped, SkipReason, SourceFile

IDENTITY = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org"}
IDENTITY |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org"}


def git(root: Path, *arguments: str) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": str(root), **IDENTITY}
    command = ["git", "-C", str(root), "-c", "protocol.file.allow=always", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout.strip()


def commit(root: Path, **files: str) -> str:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    git(root, "add", "-A", "-f")
    git(root, "commit", "-q", "-m", "x")
    return git(root, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    commit(root, **{"a.py": "x = 1\n", "d/b.py": "y = 2\n"})
    return root


def opened(root: Path, revision: str = "main", **options: bool) -> GitSource:
    source = open_source(f"{root}@{revision}", cache=root / "no-cache", **options)
    assert isinstance(source, GitSource)
    return source


def files(source: GitSource) -> dict[str, bytes]:
    read = [item.read() for item in source.entries() if isinstance(item, Entry)]
    return {file.path: file.content for file in read if isinstance(file, SourceFile)}


def skips(source: GitSource) -> dict[str, SkipReason]:
    return {item.path: item.reason for item in source.entries() if isinstance(item, Skipped)}


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/r",
        "file:///etc",
        "ssh://git@example.org/r",
        "https://",
        "https://localhost/r",
        "https://127.0.0.1/r",
        "https://10.0.0.1/r",
        "https://[::1]/r",
        "https://[::ffff:127.0.0.1]/r",
        "https://169.254.169.254/r",
        "https://0x7f000001/r",
        "https://host.internal/r",
        "git://example.org/r",
    ],
)
def test_addresses_that_are_not_public_https_are_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot clone"):
        open_source(address, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_address_with_a_password_is_refused_without_repeating_it() -> None:
    with pytest.raises(UsageError, match="credential helper") as caught:
        check_address("https://user:hunter22@example.org/r")
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize("text", ["ext::sh -c id", "-upload-pack=x", "--help", "", "a\0b"])
def test_texts_that_git_would_take_for_something_else_are_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a source"):
        open_source(text, cache=tmp_path)


@pytest.mark.parametrize("revision", ["nowhere", "--all", "-h", "main:a.py", "main..main", "HEAD~99", "$(id)"])
def test_revisions_that_are_not_there_are_refused(repository: Path, revision: str) -> None:
    with pytest.raises(UsageError, match="no revision"):
        opened(repository, revision)


def test_a_repository_without_a_commit_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare")
    with pytest.raises(UsageError, match="no commit yet"):
        open_source(str(tmp_path), cache=tmp_path)


def test_a_failure_of_git_is_told_in_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="git rev-parse failed: fatal: not a git repository"):
        run_git(["rev-parse", "HEAD"], tmp_path)


def test_git_missing_is_said(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))
    with pytest.raises(EnvironmentFailed, match="git is not installed"):
        opened(repository)


def test_a_damaged_repository_fails_and_does_not_look_empty(repository: Path) -> None:
    blob = git(repository, "rev-parse", "main:d/b.py")
    source = opened(repository)
    (repository / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(EnvironmentFailed):
        files(source)


def test_only_https_leaves_the_machine_and_nothing_asks() -> None:
    environment = git_environment()
    assert environment["GIT_ALLOW_PROTOCOL"] == "https"
    assert environment["GIT_TERMINAL_PROMPT"] == "0"
    assert "GIT_DIR" not in environment


def test_links_and_submodules_are_counted_and_not_followed(repository: Path) -> None:
    (repository / "link.py").symlink_to("/etc/passwd")
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    git(repository, "add", "link.py")
    git(repository, "commit", "-q", "-m", "x")
    assert skips(opened(repository)) == {"link.py": SkipReason.SYMLINK, "sub": SkipReason.SUBMODULE}


def test_names_that_are_not_utf8_are_escaped(repository: Path) -> None:
    blob = git(repository, "rev-parse", "main:a.py")
    line = f"100644 {blob}\t".encode() + b"\xff.py\0"
    command = ["git", "-C", str(repository), "update-index", "-z", "--index-info"]
    subprocess.run(command, input=line, check=True)
    git(repository, "commit", "-q", "-m", "x")
    assert skips(opened(repository)) == {"\\xff.py": SkipReason.UNREADABLE}


def test_the_commit_is_read_and_not_the_work_tree(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    commit(repository, **{"a.py": "x = 3\n"})
    (repository / "a.py").write_text("uncommitted")
    assert files(opened(repository)) == {"a.py": b"x = 3\n", "d/b.py": b"y = 2\n"}
    before = opened(repository, first[:9])
    assert files(before)["a.py"] == b"x = 1\n"
    assert (before.revision, before.kind, before.name) == (first, "git", "project")


def test_bare_repositories_read_alike(repository: Path, tmp_path: Path) -> None:
    bare = tmp_path / "mirror.git"
    git(repository, "clone", "-q", "--bare", str(repository), str(bare))
    shutil.rmtree(bare / "hooks")
    source = open_source(str(bare), cache=tmp_path)
    assert isinstance(source, GitSource)
    assert files(source) == files(opened(repository))
    assert source.name == "mirror"
    assert open_source(str(repository / ".git"), cache=tmp_path).name == "project"


def test_stamps_are_blob_ids(repository: Path) -> None:
    stamps = {item.path: item.stamp for item in opened(repository).entries() if isinstance(item, Entry)}
    assert stamps["a.py"] == git(repository, "rev-parse", "main:a.py")


def test_committed_files_obey_fathomignore_and_not_gitignore(repository: Path) -> None:
    commit(repository, **{".gitignore": "*.py\n", ".fathomignore": "d/\n*.txt\n!keep.txt\n"})
    commit(repository, **{"n.txt": "x", "keep.txt": "x", "e/.fathomignore": "!n.txt\n", "e/n.txt": "x"})
    source = opened(repository)
    assert skips(source) == {"d/": SkipReason.IGNORED, "n.txt": SkipReason.IGNORED}
    assert {"a.py", "keep.txt", "e/n.txt"} <= files(source).keys()


def test_vendored_folders_are_counted_once(repository: Path) -> None:
    commit(repository, **{"vendor/a.go": "x", "vendor/b/c.go": "x", "dist/m.js": "x", "package.json": "{}"})
    assert skips(opened(repository)) == {"vendor/": SkipReason.VENDORED, "dist/": SkipReason.GENERATED}
    assert "vendor/b/c.go" in files(opened(repository, include_vendored=True))


def test_large_binary_and_empty_files_are_counted(repository: Path) -> None:
    commit(repository, **{"big.py": "x" * 2_000, "nul.py": "a\0b", "none.py": "\n"})
    source = open_source(f"{repository}@main", cache=repository, max_bytes=1_000)
    found = [item.read() if isinstance(item, Entry) else item for item in source.entries()]
    assert {item.path: item.reason for item in found if isinstance(item, Skipped)} == {
        "big.py": SkipReason.TOO_LARGE,
        "nul.py": SkipReason.BINARY,
        "none.py": SkipReason.EMPTY,
    }


def test_hooks_and_monitors_of_a_repository_do_not_run(repository: Path, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    script.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(script))
    git(repository, "config", "core.sshCommand", str(script))
    assert files(opened(repository))
    assert not (tmp_path / "ran").exists()


def test_an_abandoned_walk_leaves_no_process(repository: Path) -> None:
    walk = opened(repository).entries()
    first = next(walk)
    assert isinstance(first, Entry)
    first.read()
    walk.close()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
