"""Folders as they lie there: hostile names and links first, then ignore rules held against git itself."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.errors import EnvironmentFailed, UsageError
from indexer.sources import folder as folder_module
from indexer.sources.factory import open_source
from indexer.types import Skipped, SkipReason, SourceFile


def entries(root: Path, **options: bool | int) -> list:
    return list(open_source(str(root), cache=root.parent / "no-cache", **options).entries())


def paths(root: Path, **options: bool | int) -> list[str]:
    return [entry.path for entry in entries(root, **options) if not isinstance(entry, Skipped)]


def reads(root: Path, **options: bool | int) -> list[SourceFile | Skipped]:
    return [entry if isinstance(entry, Skipped) else entry.read() for entry in entries(root, **options)]


def reasons(root: Path, **options: bool | int) -> dict[str, SkipReason]:
    return {skipped.path: skipped.reason for skipped in reads(root, **options) if isinstance(skipped, Skipped)}


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        place = root / name.replace("__", "/").replace("_DOT_", ".")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


@pytest.mark.parametrize("text", ["", "  ", "missing", "-x", "ext::sh -c id", "a\nb", "a\0b"])
def test_what_is_no_source_is_refused(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError):
        open_source(text, cache=tmp_path)


def test_links_are_never_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(tmp_path, outside__secret_DOT_py="x = 1\n")
    write(root, a_DOT_py="x = 1\n")
    (root / "file.py").symlink_to(tmp_path / "outside/secret.py")
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "loop").symlink_to(".")
    (root / "dangling").symlink_to("nowhere")
    assert paths(root) == ["a.py"]
    assert reasons(root) == dict.fromkeys(["dangling", "file.py", "folder", "loop"], SkipReason.SYMLINK)


def test_a_folder_that_becomes_a_link_before_it_is_read_is_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(tmp_path, outside__a_DOT_py="stolen = 1\n")
    write(root, sub__a_DOT_py="x = 1\n")
    (entry,) = entries(root)
    (root / "sub").rename(tmp_path / "moved")
    (root / "sub").symlink_to(tmp_path / "outside")
    assert isinstance(entry.read(), Skipped)


def test_a_file_that_becomes_a_link_before_it_is_read_is_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(tmp_path, outside__a_DOT_py="stolen = 1\n")
    write(root, a_DOT_py="x = 1\n")
    (entry,) = entries(root)
    (root / "a.py").unlink()
    (root / "a.py").symlink_to(tmp_path / "outside/a.py")
    assert entry.read().reason is SkipReason.UNREADABLE


def test_a_file_that_vanished_is_counted_in_the_systems_words(tmp_path: Path) -> None:
    write(tmp_path, a_DOT_py="x = 1\n")
    (entry,) = entries(tmp_path)
    (tmp_path / "a.py").unlink()
    assert entry.read() == Skipped(tmp_path.name, "a.py", SkipReason.UNREADABLE, "No such file or directory")


def test_a_root_that_vanished_is_a_failure_and_no_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    source = open_source(str(tmp_path / "disk"), cache=tmp_path)
    (tmp_path / "disk").rmdir()
    with pytest.raises(EnvironmentFailed, match="No such file"):
        list(source.entries())


def test_a_root_that_may_not_be_read_is_a_failure_and_no_empty_folder(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root, a_DOT_py="x\n")
    source = open_source(str(root), cache=tmp_path)
    root.chmod(0o711)
    with as_another_user(root), pytest.raises(EnvironmentFailed, match="Permission denied"):
        list(source.entries())


def test_a_file_that_becomes_a_pipe_before_it_is_read_does_not_hang(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root, a_DOT_py="x = 1\n")
    (entry,) = entries(root)
    (root / "a.py").unlink()
    os.mkfifo(root / "a.py")
    assert entry.read().reason is SkipReason.UNREADABLE


def test_special_files_and_names_that_are_not_utf8_are_counted(tmp_path: Path) -> None:
    write(tmp_path, a_DOT_py="x = 1\n")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xff.py")).write_text("x = 1\n")
        assert paths(tmp_path) == ["a.py"]
        assert reasons(tmp_path) == dict.fromkeys(["b\\xff.py", "pipe", "socket"], SkipReason.UNREADABLE)


def test_odd_names_are_read(tmp_path: Path) -> None:
    names = sorted(["a b.py", "line\nbreak.py", "😀.py", "-rf.py", "é.py", "..."], key=os.fsencode)
    for name in names:
        (tmp_path / name).write_text("x = 1\n")
    assert paths(tmp_path) == names


@contextmanager
def as_another_user(root: Path) -> Iterator[None]:
    """Give up the rights of root, who may read everything; skip where there are none to give up."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    for folder in list(root.parents)[:-2]:
        folder.chmod(0o755)
    os.seteuid(65534)
    try:
        if not os.access(root, os.X_OK, effective_ids=True):
            pytest.skip("another user cannot reach the temporary folder")
        yield
    finally:
        os.seteuid(0)


def test_what_may_not_be_read_is_counted_with_the_systems_words(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root, a_DOT_py="x\n", b_DOT_py="x\n", closed__c_DOT_py="x\n", sub___DOT_gitignore="*\n", sub__d_DOT_py="x\n")
    for closed in ("b.py", "closed", "sub/.gitignore"):
        (root / closed).chmod(0)
    root.chmod(0o755)
    with as_another_user(root):
        found = {entry.path: entry.detail for entry in reads(root) if isinstance(entry, Skipped)}
        kept = paths(root)
    assert found == {
        "b.py": "Permission denied",
        "closed/": "Permission denied",
        "sub/.gitignore": "Permission denied; its rules are not applied",
    }
    assert kept == ["a.py", "b.py", "sub/d.py"]


def nest(root: Path, depth: int) -> None:
    """Make folders "d" in one another, a file in the innermost."""
    descriptor = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=descriptor)
        inner = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(os.open("a.py", os.O_WRONLY | os.O_CREAT, dir_fd=descriptor))
    os.close(descriptor)


@pytest.mark.parametrize(
    ("depth", "found"), [(1_200, "d/" * 1_200 + "a.py"), pytest.param(2_300, None, marks=pytest.mark.slow)]
)
def test_folders_are_read_as_deep_as_a_path_can_name(tmp_path: Path, depth: int, found: str | None) -> None:
    nest(tmp_path, depth)
    before = open_descriptors()
    try:
        (entry,) = entries(tmp_path)
    finally:
        # Python's own removal of trees is recursive, and pytest's clean-up would fail on this one.
        subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)
    assert open_descriptors() == before
    if found is None:
        assert (entry.reason, "longer than" in entry.detail) == (SkipReason.UNREADABLE, True)
        assert 4_000 < len(str(tmp_path / entry.path)) < 4_200
    else:
        assert entry.path == found


def test_stopping_early_leaves_no_descriptor_open(tmp_path: Path) -> None:
    write(tmp_path, a__b__c__d_DOT_py="x\n", a__b__e_DOT_py="x\n")
    before = open_descriptors()
    walk = open_source(str(tmp_path), cache=tmp_path).entries()
    next(walk)
    walk.close()
    assert open_descriptors() == before


def test_a_huge_file_is_refused_by_its_size_alone(tmp_path: Path) -> None:
    with (tmp_path / "huge.py").open("wb") as stream:
        stream.truncate(1 << 34)
    (found,) = entries(tmp_path)
    assert found.reason is SkipReason.TOO_LARGE


def test_a_file_that_grows_beyond_the_limit_is_refused_when_read(tmp_path: Path) -> None:
    write(tmp_path, a_DOT_py="x" * 100)
    (entry,) = entries(tmp_path, max_bytes=100)
    (tmp_path / "a.py").write_text("x" * 101)
    assert entry.read().reason is SkipReason.TOO_LARGE


def test_order_is_that_of_the_paths_bytes_and_version_control_is_invisible(tmp_path: Path) -> None:
    write(
        tmp_path,
        a__b_DOT_py="x\n",
        a_DOT_py="x\n",
        B_DOT_py="x\n",
        _DOT_git__config="x\n",
        **{"a-b.py": "x\n"},
    )
    assert paths(tmp_path) == ["B.py", "a-b.py", "a.py", "a/b.py"]
    assert reasons(tmp_path) == {}


def test_hard_links_are_two_files_and_one_file_can_be_a_source(tmp_path: Path) -> None:
    write(tmp_path, a_DOT_py="x = 1\n")
    os.link(tmp_path / "a.py", tmp_path / "b.py")
    assert paths(tmp_path) == ["a.py", "b.py"]
    source = open_source(str(tmp_path / "a.py"), cache=tmp_path)
    (entry,) = source.entries()
    assert (source.name, entry.path, entry.read().content) == (tmp_path.name, "a.py", b"x = 1\n")


def test_a_stamp_is_empty_while_young_and_changes_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stamp() -> str:
        (entry,) = entries(tmp_path)
        return entry.stamp

    write(tmp_path, a_DOT_py="x = 1\n")
    assert stamp() == ""
    monkeypatch.setattr(folder_module, "_RACY_NANOSECONDS", -60 * 10**9)  # as if it were a minute later
    before = stamp()
    assert stamp() == before != ""
    os.utime(tmp_path / "a.py", (1, 1))
    assert stamp() != before


def test_rules_of_parents_and_of_exclude_hold_below_the_top(tmp_path: Path) -> None:
    write(tmp_path, _DOT_gitignore="*.log\n/sub/a.py\n", _DOT_git__info__exclude="b.py\n", _DOT_git__HEAD="")
    write(tmp_path, sub__a_DOT_py="x\n", sub__b_DOT_py="x\n", sub__c_DOT_log="x\n", sub__d_DOT_py="x\n")
    assert paths(tmp_path / "sub") == ["d.py"]


def test_a_root_that_its_parents_ignore_was_named_on_purpose(tmp_path: Path) -> None:
    write(tmp_path, _DOT_gitignore="env/\n*.log\n", _DOT_git__HEAD="", env__lib__a_DOT_py="x\n", env__b_DOT_log="x\n")
    write(tmp_path, env___DOT_gitignore="*\n!.gitignore\n")
    assert paths(tmp_path / "env/lib") == ["a.py"]
    write(tmp_path, env___DOT_gitignore="*.tmp\n", env__lib__a_DOT_tmp="x\n", env__lib__b_DOT_log="x\n")
    assert paths(tmp_path / "env") == [".gitignore", "b.log", "lib/a.py", "lib/b.log"]
    assert paths(tmp_path / "env/lib") == ["a.py", "b.log"]


def test_rules_of_a_repository_end_at_its_top(tmp_path: Path) -> None:
    write(tmp_path, _DOT_gitignore="*.py\n", repo___DOT_git__HEAD="", repo__sub__a_DOT_py="x\n")
    assert paths(tmp_path / "repo/sub") == ["a.py"]


def test_an_ignore_file_that_is_too_large_is_counted_and_not_applied(tmp_path: Path) -> None:
    write(tmp_path, sub___DOT_gitignore="*.py\n" * 20_000, sub__a_DOT_py="x\n")
    assert paths(tmp_path) == ["sub/a.py"]
    (skipped,) = (entry for entry in entries(tmp_path) if isinstance(entry, Skipped))
    assert (skipped.path, skipped.reason) == ("sub/.gitignore", SkipReason.UNREADABLE)
    assert "65536 bytes of rules; its rules are not applied" in skipped.detail
    write(tmp_path, _DOT_git__HEAD="")
    (tmp_path / "sub/deep").mkdir()
    with pytest.raises(EnvironmentFailed, match="65536 bytes"):
        entries(tmp_path / "sub/deep")


def test_ignore_files_that_are_links_pipes_or_folders_hold_no_rules(tmp_path: Path) -> None:
    write(tmp_path, rules="*.py\n", a__a_DOT_py="x\n", b__a_DOT_py="x\n", c___DOT_gitignore__a_DOT_py="x\n")
    (tmp_path / "a/.gitignore").symlink_to(tmp_path / "rules")
    os.mkfifo(tmp_path / "b/.gitignore")
    assert paths(tmp_path) == ["a/a.py", "b/a.py", "c/.gitignore/a.py", "rules"]
    assert reasons(tmp_path) == {"a/.gitignore": SkipReason.SYMLINK, "b/.gitignore": SkipReason.UNREADABLE}


def test_the_file_that_names_a_linked_work_trees_repository_is_invisible(tmp_path: Path) -> None:
    write(tmp_path, sub___DOT_git="gitdir: /elsewhere\n", CVS="x\n")
    assert [entry.path for entry in entries(tmp_path)] == ["CVS"]


def test_fathomignore_speaks_before_gitignore(tmp_path: Path) -> None:
    write(tmp_path, _DOT_fathomignore="!a.py\nb.py\n", sub___DOT_gitignore="a.py\n!b.py\n")
    write(tmp_path, sub__a_DOT_py="x\n", sub__b_DOT_py="x\n")
    assert paths(tmp_path) == [".fathomignore", "sub/.gitignore", "sub/a.py"]


def test_an_ignored_folder_is_counted_once(tmp_path: Path) -> None:
    write(tmp_path, _DOT_gitignore="out/\n", out__a_DOT_py="x\n", out__b__c_DOT_py="x\n")
    assert reasons(tmp_path) == {"out/": SkipReason.IGNORED}


GLOBS = [
    "*",
    "a",
    "b*",
    "*.log",
    "c.py",
    "foo",
    "?",
    "[ab]",
    "[!a]",
    "**",
    "x y",
    "é",
    "[[:alpha:]]",
    "t\\ ",
    "*[!y]",
]
NAMES = ["a", "b", "c.py", "d.log", "foo", "x y", "é", "#h", "!n", "t "]


def rule(dice: random.Random) -> str:
    parts = "/".join(dice.choice(GLOBS) for _ in range(dice.choice([1, 1, 1, 2, 3])))
    return dice.choice(["", "", "!"]) + dice.choice(["", "", "", "/"]) + parts + dice.choice(["", "", "/"])


def grow(dice: random.Random, at: Path, depth: int) -> None:
    for name in dice.sample(NAMES, dice.randint(1, 5)):
        if depth < 3 and dice.random() < 0.45:
            (at / name).mkdir()
            grow(dice, at / name, depth + 1)
        else:
            (at / name).write_text("x = 1\n")
    if depth == 0 or dice.random() < 0.4:
        (at / ".gitignore").write_text("\n".join(rule(dice) for _ in range(dice.randint(1, 4))) + "\n")


def kept_by_git(root: Path) -> list[str]:
    command = ["git", "-C", root, "-c", "core.excludesFile=/dev/null"]
    listing = [*command, "ls-files", "-z", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, check=True, capture_output=True).stdout.split(b"\0")[:-1]
    return sorted(map(os.fsdecode, listed), key=os.fsencode)


@pytest.mark.parametrize("seed", range(60))
def test_ignore_rules_agree_with_git(tmp_path: Path, seed: int) -> None:
    grow(random.Random(seed), tmp_path, 0)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    assert paths(tmp_path, include_vendored=True) == kept_by_git(tmp_path)


RULES = ["*.py", "!a.py", "b/", "/c", "!/c/", "b/c", "**/d/", "a/**", "!*/", "*", "!*.txt", "a/**/c", "[ab].py", ""]
RULES += ["# a.py", "\\!x", "d ", "!", "!b", "/*", "!/a", "?.txt", " a.py", "c\r", "**", "[", "a\\", "b/*", "!b/a.py"]
RULES += [
    "**/f/**",
    "a/",
    "f",
    "!f/e.txt",
    "/**/b",
    "a/*/c",
    "!**/e.txt",
    "[[:alpha:]].py",
    "[!a-b].*",
    "/**/***/",
    "!**/**/f",
]


@pytest.mark.parametrize("seed", range(40))
def test_odd_rules_and_exclude_agree_with_git(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    folders = ["", "a/", "b/", "a/b/", "a/c/", "b/d/", "c/", "a/b/c/"]
    for place in (at + name for at in folders for name in ("a.py", "b.py", "c.txt", "x", "f/e.txt")):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("x")
    for at in dice.sample(folders, 3):
        (tmp_path / at / ".gitignore").write_text("\n".join(dice.sample(RULES, 4)))
    (tmp_path / ".git/info/exclude").write_text("\n".join(dice.sample(RULES, dice.choice((0, 1)))))
    assert paths(tmp_path, include_vendored=True) == kept_by_git(tmp_path)


@pytest.mark.slow
def test_many_rules_cost_little(tmp_path: Path) -> None:
    for number in range(2_000):
        (tmp_path / f"{number}.py").write_text("x\n")
    (tmp_path / ".gitignore").write_text("".join(f"*.e{number}\nname{number}/\n" for number in range(2_000)))
    started = time.process_time()
    assert len(paths(tmp_path)) == 2_001
    assert time.process_time() - started < 2  # one rule after the other takes 8 million searches


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_ignore_file_breaks_the_walk(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    root = tmp_path_factory.mktemp("tree")
    (root / ".gitignore").write_bytes(content)
    (root / "a.py").write_text("x\n")
    assert {entry.path for entry in entries(root)} == {".gitignore", "a.py"}


@pytest.mark.parametrize(
    ("folder", "beside", "inside", "reason"),
    [
        ("node_modules", None, None, SkipReason.VENDORED),
        ("__pycache__", None, None, SkipReason.GENERATED),
        ("anything", None, "pyvenv.cfg", SkipReason.VENDORED),
        ("vendor", "go.mod", None, SkipReason.VENDORED),
        ("vendor", None, None, None),
        ("build", None, "CMakeCache.txt", SkipReason.GENERATED),
        ("build", None, None, None),
        ("build", "package.json", None, None),
        ("dist", "package.json", None, SkipReason.GENERATED),
        ("dist", None, None, None),
        ("target", None, ".rustc_info.json", SkipReason.GENERATED),
        ("target", "Cargo.toml", None, None),
        ("bin", None, None, None),
    ],
)
def test_doubtful_folders_are_decided_by_evidence(
    tmp_path: Path, folder: str, beside: str | None, inside: str | None, reason: SkipReason | None
) -> None:
    (tmp_path / folder).mkdir()
    for place in (folder + "/a.py", beside, f"{folder}/{inside}" if inside else None):
        if place:
            (tmp_path / place).write_text("x = 1\n")
    assert reasons(tmp_path).get(f"{folder}/") == reason
    assert f"{folder}/a.py" in paths(tmp_path, include_vendored=True)


def test_content_is_bytes_as_they_lie(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"x = '\xff'\r\n")
    (entry,) = entries(tmp_path)
    assert entry.read() == SourceFile(tmp_path.name, "a.py", b"x = '\xff'\r\n")
