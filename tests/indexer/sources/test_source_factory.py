"""Which kind of source a text names."""

import gzip
import os
from pathlib import Path

import pytest

from indexer.errors import UsageError
from indexer.sources.factory import _split_address, open_source


@pytest.mark.parametrize("text", ["nowhere", "nowhere@main", "@main", "nowhere@"])
def test_what_is_not_there_is_refused_with_the_choices(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is nothing at .* name a folder"):
        open_source(str(tmp_path / text), cache=tmp_path)


def test_a_folder_that_is_no_repository_has_no_revisions(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing at"):
        open_source(f"{tmp_path}@main", cache=tmp_path)


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        open_source(str(tmp_path / "pipe"), cache=tmp_path)


def test_kinds_and_names(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "one.py").write_text("x")
    (tmp_path / "set.jsonl").write_text("{}")
    (tmp_path / "set2.jsonl.gz").write_bytes(gzip.compress(b"{}"))
    found = {}
    for name in ("code", "one.py", "set.jsonl", "set2.jsonl.gz"):
        source = open_source(str(tmp_path / name), cache=tmp_path)
        found[name] = (source.kind, source.name)
        assert source.location == str((tmp_path / name).resolve())
        assert source.revision == ""
    assert found == {
        "code": ("folder", "code"),
        "one.py": ("folder", "one.py"),
        "set.jsonl": ("corpus", "set"),
        "set2.jsonl.gz": ("corpus", "set2"),
    }
    assert open_source(str(tmp_path / "code"), cache=tmp_path, name="mine").name == "mine"


def test_a_folder_with_an_at_sign_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a@b").mkdir()
    assert open_source(str(tmp_path / "a@b"), cache=tmp_path).kind == "folder"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("https://h.org/o/r", ("https://h.org/o/r", "")),
        ("https://h.org/o/r@v1", ("https://h.org/o/r", "v1")),
        ("https://h.org/o/r@feature/x", ("https://h.org/o/r", "feature/x")),
        ("https://u@h.org/o/r", ("https://u@h.org/o/r", "")),
    ],
)
def test_addresses_may_name_a_revision(text: str, parts: tuple[str, str]) -> None:
    assert _split_address(text) == parts
