"""What is the embedded BM25 index's own: its files, and a disk that fails."""

import resource

import pytest

from indexer.errors import EnvironmentFailed, IndexDamaged
from indexer.lexical.interface import LexicalDocument
from indexer.lexical.tantivy import TantivyIndex, TantivyWriter


def _documents(count):
    return [LexicalDocument(key, key // 3, "name", "path", "", f"word t{key % 7}") for key in range(count)]


def test_frozen_states_share_files_stay_as_they_are_and_gather_no_lists_of_deletions(tmp_path):
    """A generation that each deletes one file of a large segment keeps one list of deleted units, not all."""
    writer = TantivyWriter(tmp_path, None)
    for document in _documents(300):
        writer.add(document)
    frozen = [writer.freeze(0).files]
    for file in range(6):
        writer.remove_file(file)
        frozen.append(writer.freeze(file + 1).files)
    writer.close()
    for number, files in enumerate(frozen):
        assert len(TantivyIndex(tmp_path / str(number))) == 300 - 3 * number
        lists = [path for path in files if path.suffix == ".del"]
        assert len(lists) == min(number, 1)
    writer = TantivyWriter(tmp_path, tmp_path / "6")
    writer.remove_file(50)
    assert len([path for path in writer.freeze(7).files if path.suffix == ".del"]) == 1
    writer.close()
    assert len(TantivyIndex(tmp_path / "7")) == 300 - 21
    assert len(TantivyIndex(tmp_path / "6")) == 300 - 18


def test_a_folder_without_an_index_is_damage(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "meta.json").write_text("{")
    with pytest.raises(IndexDamaged, match="BM25"):
        TantivyIndex(tmp_path / "x")


def test_a_disk_that_fails_is_no_damage(tmp_path):
    writer = TantivyWriter(tmp_path, None)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    documents = _documents(2000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, hard))
    try:
        with pytest.raises(EnvironmentFailed, match="BM25"):
            _write_all(writer, documents)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    writer.close()


def _write_all(writer, documents):
    for document in documents:
        writer.add(document)
    writer.freeze(1)
