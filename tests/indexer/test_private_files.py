"""An index is readable by its owner only, also in a folder that others may read."""

import stat

from indexer.index import Index


def test_files_are_the_owners_alone_in_a_folder_made_by_others(tmp_path, stub_encoder):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "a.py").write_text("def f():\n    return 1\n")
    folder = tmp_path / "index"
    folder.mkdir(mode=0o755)
    Index.build(folder, [str(tmp_path / "code")], encoder=stub_encoder).close()
    # Readers make empty lock files, and SQLite makes its own beside the store.
    files = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size and "-shm" not in path.name]
    assert files
    assert {path.name: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in files} == {path.name: 0 for path in files}
