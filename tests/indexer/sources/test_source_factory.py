"""Which source a text names: refusals first."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from indexer.errors import UsageError
from indexer.sources.factory import _split_address, open_source


@pytest.mark.parametrize("name", ["", " ", "-x", "a\nb", "a\0b"])
def test_a_name_that_cannot_be_shown_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        open_source(str(tmp_path), cache=tmp_path, name=name)


@pytest.mark.parametrize("text", ["nowhere", "nowhere@main", "@main", "nowhere@", "C:x", "~/nowhere-at-all"])
def test_what_is_not_there_is_refused_with_the_choices(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"there is nothing at .* name a folder"):
        open_source(text, cache=tmp_path)


def test_devices_and_pipes_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    for text in ("/dev/zero", str(tmp_path / "pipe.jsonl")):
        with pytest.raises(UsageError, match="neither a file nor a folder"):
            open_source(text, cache=tmp_path)


def test_ssh_addresses_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="clone it and name the folder"):
        open_source("git@example.org:team/tool.git", cache=tmp_path)


@pytest.mark.parametrize("text", ["https://8.8.8.8/team/tool@", "{}@"])
def test_an_at_sign_without_a_revision_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="names no revision"):
        open_source(text.format(tmp_path), cache=tmp_path)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("https://h.org/o/r", ("https://h.org/o/r", "")),
        ("https://h.org/o/r@v1", ("https://h.org/o/r", "v1")),
        ("https://h.org/o/r@feature/x@2", ("https://h.org/o/r", "feature/x@2")),
        ("https://u@h.org/o/r", ("https://u@h.org/o/r", "")),
    ],
)
def test_addresses_may_name_a_revision(text: str, parts: tuple[str, str]) -> None:
    assert _split_address(text) == parts


def test_a_link_to_a_file_or_folder_is_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a.py").write_text("x")
    (tmp_path / "folder").symlink_to("real")
    (tmp_path / "file").symlink_to("real/a.py")
    for text in ("folder", "file"):
        source = open_source(str(tmp_path / text), cache=tmp_path)
        assert (source.name, [entry.path for entry in source.entries()]) == ("real", ["a.py"])


def test_kinds_and_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "corpus.jsonl").write_text("{}")
    (tmp_path / "train.jsonl").write_text("{}")
    (tmp_path / "Test.JSONL.GZ").write_text("")
    (tmp_path / "a.py").write_text("x")
    (tmp_path / "a@b").mkdir()
    (tmp_path / "tree").mkdir()
    subprocess.run(["git", "init", "-q", tmp_path / "tree"], check=True)
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "bare.git"], check=True)
    monkeypatch.chdir(tmp_path)
    kinds = {
        text: (source.kind, source.name, source.location)
        for text in ("corpus.jsonl", "train.jsonl", "Test.JSONL.GZ", "a.py", "a@b", "tree", ".")
        for source in [open_source(text, cache=tmp_path)]
    }
    assert kinds == {
        "corpus.jsonl": ("corpus", tmp_path.name, str(tmp_path / "corpus.jsonl")),
        "train.jsonl": ("corpus", "train", str(tmp_path / "train.jsonl")),
        "Test.JSONL.GZ": ("corpus", "Test", str(tmp_path / "Test.JSONL.GZ")),
        "a.py": ("folder", tmp_path.name, str(tmp_path / "a.py")),
        "a@b": ("folder", "a@b", str(tmp_path / "a@b")),
        "tree": ("folder", "tree", str(tmp_path / "tree")),
        ".": ("folder", tmp_path.name, str(tmp_path)),
    }
    with pytest.raises(UsageError, match="no commit"):
        open_source("bare.git", cache=tmp_path)
    assert open_source("tree", cache=tmp_path, name="other").name == "other"
