"""Folders: links, pipes and odd names first, then ignore rules as git has them, then what is read."""

import os
import random
import socket
import subprocess
import time
from pathlib import Path

import pytest

from indexer.errors import EnvironmentFailed
from indexer.sources import folder as folder_module
from indexer.sources.folder import FolderSource
from indexer.sources.interface import Entry
from indexer.types import Skipped, SkipReason, SourceFile

MAX = 1_000


def source(root: Path, *, include_vendored: bool = False) -> FolderSource:
    return FolderSource(root.resolve(), "r", include_vendored, MAX)


def write(root: Path, **files: str) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def paths(root: Path, *, include_vendored: bool = False) -> list[str]:
    found = source(root, include_vendored=include_vendored).entries()
    return [item.path for item in found if isinstance(item, Entry)]


def skips(root: Path) -> dict[str, SkipReason]:
    return {item.path: item.reason for item in source(root).entries() if isinstance(item, Skipped)}


def test_links_are_never_followed(tmp_path: Path) -> None:
    write(tmp_path, **{"out/secret.py": "x", "in/a.py": "x"})
    (tmp_path / "in/file.py").symlink_to(tmp_path / "out/secret.py")
    (tmp_path / "in/folder").symlink_to(tmp_path / "out")
    (tmp_path / "in/loop").symlink_to(".")
    (tmp_path / "in/broken").symlink_to("nowhere")
    assert paths(tmp_path / "in") == ["a.py"]
    assert skips(tmp_path / "in") == dict.fromkeys(("file.py", "folder", "loop", "broken"), SkipReason.SYMLINK)


def test_a_file_swapped_for_a_link_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, **{"out.py": "secret", "in/a.py": "x"})
    (entry,) = source(tmp_path / "in").entries()
    (tmp_path / "in/a.py").unlink()
    (tmp_path / "in/a.py").symlink_to(tmp_path / "out.py")
    assert isinstance(entry, Entry)
    assert isinstance(entry.read(), Skipped)


def test_a_folder_swapped_for_a_link_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, **{"out/a.py": "secret", "in/d/a.py": "x"})
    (entry,) = source(tmp_path / "in").entries()
    (tmp_path / "in/d").rename(tmp_path / "in/e")
    (tmp_path / "in/d").symlink_to(tmp_path / "out")
    assert isinstance(entry, Entry)
    assert isinstance(entry.read(), Skipped)


def test_pipes_and_sockets_do_not_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.py")
        assert skips(tmp_path) == dict.fromkeys(("pipe.py", "socket.py"), SkipReason.UNREADABLE)


def test_a_file_swapped_for_a_pipe_does_not_block(tmp_path: Path) -> None:
    write(tmp_path, **{"a.py": "x"})
    (entry,) = source(tmp_path).entries()
    (tmp_path / "a.py").unlink()
    os.mkfifo(tmp_path / "a.py")
    assert isinstance(entry, Entry)
    assert entry.read() == Skipped("r", "a.py", SkipReason.UNREADABLE, "not a regular file")


def test_names_that_are_not_utf8_are_escaped(tmp_path: Path) -> None:
    try:
        with open(os.fsencode(tmp_path) + b"/\xff.py", "w") as stream:  # noqa: PTH123
            stream.write("x")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert skips(tmp_path) == {"\\xff.py": SkipReason.UNREADABLE}


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_files_are_counted_in_the_words_of_the_system(tmp_path: Path) -> None:
    write(tmp_path, **{"a.py": "x"})
    (tmp_path / "a.py").chmod(0)
    (entry,) = source(tmp_path).entries()
    assert isinstance(entry, Entry)
    assert entry.read() == Skipped("r", "a.py", SkipReason.UNREADABLE, "Permission denied")


def test_a_file_that_vanished_is_unreadable(tmp_path: Path) -> None:
    write(tmp_path, **{"a.py": "x"})
    (entry,) = source(tmp_path).entries()
    (tmp_path / "a.py").unlink()
    assert isinstance(entry, Entry)
    assert entry.read() == Skipped("r", "a.py", SkipReason.UNREADABLE, "No such file or directory")


def test_a_root_that_vanished_is_a_failure_and_no_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="No such file"):
        list(source(tmp_path / "gone").entries())


def test_large_files_are_not_read(tmp_path: Path) -> None:
    write(tmp_path, **{"a.py": "x" * (MAX + 1), "b.py": "x" * MAX})
    assert skips(tmp_path) == {"a.py": SkipReason.TOO_LARGE}
    (tmp_path / "a.py").unlink()
    (entry,) = source(tmp_path).entries()
    write(tmp_path, **{"b.py": "x" * (MAX + 1)})
    assert isinstance(entry, Entry)
    assert entry.read() == Skipped("r", "b.py", SkipReason.TOO_LARGE, f"more than {MAX} bytes")


def test_other_peoples_folders_are_counted_once(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{
            "node_modules/a/a.js": "x",
            "node_modules/b.js": "x",
            "env/pyvenv.cfg": "x",
            "__pycache__/a.py": "x",
        },
        **{"vendor/v.go": "x", "rust/Cargo.toml": "x", "rust/target/t.rs": "x", "web/dist/d.js": "x"},
        **{".git/config.py": "x", "target/t.py": "x", "build/b.py": "x"},
    )
    assert skips(tmp_path) == {
        "node_modules/": SkipReason.VENDORED,
        "env/": SkipReason.VENDORED,
        "vendor/": SkipReason.VENDORED,
        "__pycache__/": SkipReason.GENERATED,
        "rust/target/": SkipReason.GENERATED,
    }
    assert paths(tmp_path) == ["build/b.py", "rust/Cargo.toml", "target/t.py", "web/dist/d.js"]
    assert "vendor/v.go" in paths(tmp_path, include_vendored=True)
    assert paths(tmp_path / "node_modules/a") == ["a.js"]


def test_nothing_is_counted_twice_or_left_out_and_paths_are_in_order(tmp_path: Path) -> None:
    write(tmp_path, **{"a/x.py": "x", "a.py": "x", "a-b.py": "x", "a/b/c.py": "x", "Z.py": "x", "é.py": "x"})
    assert paths(tmp_path) == sorted(["a/x.py", "a.py", "a-b.py", "a/b/c.py", "Z.py", "é.py"])


def test_deep_folders_need_no_recursion(tmp_path: Path) -> None:
    deep = "/".join(["d"] * 1_200)
    here = tmp_path
    for _ in range(3):
        here = here / "/".join(["d"] * 400)
        here.mkdir(parents=True)
    write(here, **{"a.py": "x"})
    try:
        assert paths(tmp_path) == [f"{deep}/a.py"]
    finally:
        # Python's own removal of trees is recursive, and pytest's clean-up would fail on this one.
        subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)


def test_a_file_is_a_source_of_one(tmp_path: Path) -> None:
    write(tmp_path, **{"a.py": "x = 1", ".gitignore": "*"})
    (entry,) = source(tmp_path / "a.py").entries()
    assert isinstance(entry, Entry)
    assert entry.read() == SourceFile("r", "a.py", b"x = 1")


def test_stamps_tell_a_change_and_a_fresh_file_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stamp() -> str:
        (entry,) = source(tmp_path).entries()
        assert isinstance(entry, Entry)
        return entry.stamp

    write(tmp_path, **{"a.py": "x"})
    assert stamp() == ""
    monkeypatch.setattr(folder_module, "_RACY_SECONDS", -60.0)
    before = stamp()
    assert before == stamp() != ""
    os.utime(tmp_path / "a.py", (time.time() - 9, time.time() - 9))
    assert stamp() != before


# ignore rules


def git(root: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    command = ["git", "-C", str(root), "-c", "core.excludesFile=/dev/null", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, check=False).stdout


def kept_by_git(root: Path) -> list[str]:
    listed = git(root, "ls-files", "-z", "--others", "--cached", "--exclude-standard")
    return sorted(path.decode() for path in listed.split(b"\0") if path)


RULES = [
    "*.py",
    "!a.py",
    "b/",
    "/c",
    "!/c/",
    "b/c",
    "**/d/",
    "a/**",
    "!*/",
    "*",
    "!*.txt",
    "a/**/c",
    "[ab].py",
]
RULES += [
    "",
    "# a.py",
    "\\!x",
    "d ",
    "!",
    "!b",
    "/*",
    "!/a",
    "?.txt",
    " a.py",
    "c\r",
    "**",
    "[",
    "a\\",
    "b/*",
    "!b/a.py",
]


@pytest.mark.parametrize("seed", range(40))
def test_ignore_rules_are_git_s(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    git(tmp_path, "init", "-q")
    folders = ["", "a/", "b/", "a/b/", "a/c/", "b/d/", "c/", "a/b/c/"]
    write(tmp_path, **{at + name: "x" for at in folders for name in ("a.py", "b.py", "c.txt", "x", "f/e.txt")})
    for at in chance.sample(folders, 3):
        write(tmp_path, **{f"{at}.gitignore": "\n".join(chance.sample(RULES, 4))})
    write(tmp_path, **{".git/info/exclude": "\n".join(chance.sample(RULES, chance.choice((0, 1))))})
    assert paths(tmp_path) == kept_by_git(tmp_path)


def test_ignored_folders_are_counted_once(tmp_path: Path) -> None:
    write(tmp_path, **{".gitignore": "out/\n*.log\n", "out/a.py": "x", "out/b.py": "x", "a.log": "x"})
    assert skips(tmp_path) == {"out/": SkipReason.IGNORED, "a.log": SkipReason.IGNORED}


def test_the_rules_above_the_root_count_up_to_the_repository(tmp_path: Path) -> None:
    write(tmp_path, **{".gitignore": "*.py\n", "repo/.gitignore": "/sub/b.txt\n", "repo/.git/HEAD": "x"})
    write(tmp_path, **{"repo/sub/a.py": "x", "repo/sub/b.txt": "x", "repo/sub/c.txt": "x"})
    assert paths(tmp_path / "repo/sub") == ["a.py", "c.txt"]


def test_a_root_that_is_ignored_itself_was_named_on_purpose(tmp_path: Path) -> None:
    write(tmp_path, **{".git/HEAD": "x", ".gitignore": "build/\n*.log\n", "build/a.py": "x"})
    assert paths(tmp_path / "build") == ["a.py"]


def test_fathomignore_has_the_last_word_in_its_folder(tmp_path: Path) -> None:
    write(tmp_path, **{".gitignore": "a.py\n", ".fathomignore": "!a.py\nb.py\n", "a.py": "x", "b.py": "x"})
    assert paths(tmp_path) == [".fathomignore", ".gitignore", "a.py"]
