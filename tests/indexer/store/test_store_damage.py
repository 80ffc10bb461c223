"""Every file of an index cut short, altered, zeroed or gone: found before an answer, said in one typed error."""

import random
import shutil
import sqlite3

import pytest

from cli.main import run
from indexer.errors import EnvironmentFailed, FathomError, IndexDamaged, IndexIncompatible, IndexMissing
from indexer.index import Index, writing
from indexer.settings import Settings
from indexer.store.connection import STORE_FILE, sqlite_errors
from indexer.store.interface import NewRewriting, SourceRow
from indexer.store.sqlite import SqliteStore

_PAGE = 4096


def _cut(size):
    return lambda content, chance: content[:size]


def _half(content, chance):
    return content[: len(content) // 2]


def _flip(content, chance):
    at = chance.randrange(len(content))
    return content[:at] + bytes([content[at] ^ (1 << chance.randrange(8))]) + content[at + 1 :]


def _zero(content, chance):
    at = chance.randrange(len(content)) // _PAGE * _PAGE
    return (content[:at] + bytes(min(_PAGE, len(content) - at)) + content[at + _PAGE :])[: len(content)]


DAMAGE = {"empty": _cut(0), "one byte": _cut(1), "half": _half, "a byte short": _cut(-1), "bit": _flip, "page": _zero}


@pytest.fixture
def built(tmp_path, quick):
    """An index with two segments, dead vectors, deleted documents and rewritings, closed."""
    tree, folder, encoder = tmp_path / "tree", tmp_path / "index", quick.CountingEncoder()
    tree.mkdir()
    for number in range(12):
        (tree / f"f{number}.py").write_text(quick.text_of(f"w{number}", 3))
    quick.update(folder, [quick.folder_source(tree)], encoder)
    store = SqliteStore(folder, writable=True)
    units = list(store.units(store.catalogue().keys.tolist()[:8]).values())
    store.save_rewritings([NewRewriting((u.id,), u.text, "model", f"Tells {u.symbol}.", "pass") for u in units])
    store.close()
    quick.update(folder, [quick.folder_source(tree)], encoder)
    (tree / "f3.py").unlink()
    (tree / "new.py").write_text(quick.text_of("new"))
    quick.update(folder, [quick.folder_source(tree)], encoder)
    return folder


@pytest.mark.parametrize("kind", [*DAMAGE, "gone"])
def test_a_damaged_derived_file_is_named_with_the_command_and_built_anew(tmp_path, built, quick, kind):
    manifest, units = quick.check(built)
    assert len(manifest.segments) == 2
    assert manifest.dead is not None
    chance = random.Random(kind)
    for entry in manifest.files():
        copy = tmp_path / "copy"
        shutil.copytree(built, copy)
        path = copy / entry.path
        whole = path.read_bytes()
        path.unlink()
        if kind != "gone":
            damaged = DAMAGE[kind](whole, chance)
            if damaged == whole:  # a page of zeros already
                damaged = b"\1" + whole[1:]
            path.write_bytes(damaged)
        with pytest.raises(IndexDamaged, match="fathom check --repair") as caught:
            Index.open(copy)
        assert entry.path in str(caught.value)
        with writing(copy, quick.settings(copy), quick.CountingEncoder()) as pipeline:
            pipeline.encode()
        assert quick.check(copy)[1] == units
        with Index.open(copy).view() as view:
            assert view.manifest.encoded == view.manifest.documents
        shutil.rmtree(copy)


def _everything(folder):
    """Read all that a reader can; return it, and what the check of all rows says."""
    index = Index(folder, Settings())
    try:
        with index.view() as view:
            store = view.store
            keys = view.catalogue.keys.tolist()
            units = store.units(keys)
            held = [
                units,
                store.heads(keys),
                {key: [(block, vector.tolist()) for block, vector in row] for key, row in store.blocks(keys).items()},
                dict(store.texts()),
                store.rewritings(keys),
                store.statistics(),
                list(store.skipped()),
                [store.key_of(unit.id) for unit in units.values()],
                [store.unit_at(unit.path, unit.start_line, None) for unit in units.values()],
                (view.catalogue.files, view.catalogue.symbols, view.catalogue.kinds, view.catalogue.kind.tolist()),
                view.lexical.containing(["common"]).tolist(),
            ]
        return held, index.store.faults()
    finally:
        index.close()


def test_the_damaged_store_never_gives_another_answer_or_an_error_of_sqlite(built):
    """A bit of every table that answers come from, pages, and cut ends: the same answer, or found."""
    truth, faults = _everything(built)
    assert faults == []
    path = built / STORE_FILE
    whole = path.read_bytes()
    chance = random.Random(7)
    silent = []
    kinds = ["empty", "one byte", "half", "a byte short", *["bit"] * 500, *["page"] * (len(whole) // _PAGE)]
    found, codes = 0, set()
    for kind in kinds:
        damaged = DAMAGE[kind](whole, chance)
        path.write_bytes(damaged)
        try:
            held, faults = _everything(built)
        except FathomError as error:
            found += 1
            codes.add(error.exit_code)
            continue
        finally:
            for journal in built.glob(f"{STORE_FILE}-*"):
                journal.unlink()
        found += bool(faults)
        if not faults and held != truth:
            places = [at for at, pair in enumerate(zip(held, truth, strict=True)) if pair[0] != pair[1]]
            silent.append((kind, places, [n for n in range(len(whole)) if whole[n] != damaged[n]][:1]))
    assert found > 100
    assert codes == {3}
    # What a source or a file was called, its size and its state when read are shown, and answer nothing.
    assert [entry for entry in silent if set(entry[1]) - {5, 6}] == []


def test_a_store_that_is_gone_is_no_index_and_is_made_anew(built, tmp_path, quick):
    (built / STORE_FILE).unlink()
    with pytest.raises(IndexMissing, match="fathom index"):
        Index.open(built)
    quick.update(built, [quick.folder_source(tmp_path / "tree")], quick.CountingEncoder())
    assert quick.check(built)


def test_the_journal_of_a_store_that_is_gone_is_not_replayed_into_a_new_one(built, tmp_path, quick):
    store = SqliteStore(built, writable=True)
    with store.snapshot():  # keeps the journal from being folded in when the writer closes
        other = sqlite3.connect(built / STORE_FILE)
        other.execute("UPDATE files SET stamp = 'later'")
        other.commit()
        journal = (built / f"{STORE_FILE}-wal").read_bytes()
        other.close()
    store.close()
    assert journal
    (built / STORE_FILE).unlink()
    (built / f"{STORE_FILE}-wal").write_bytes(journal)
    quick.update(built, [quick.folder_source(tmp_path / "tree")], quick.CountingEncoder())
    assert quick.check(built)


def test_check_says_every_damaged_row_and_a_removed_source_heals_it(built, tmp_path, quick, capsys, monkeypatch):
    monkeypatch.setattr("indexer.index.load_encoder", lambda settings: quick.CountingEncoder())
    connection = sqlite3.connect(built / STORE_FILE)
    connection.execute("UPDATE units SET text = text || ' ' WHERE unit_key = (SELECT min(unit_key) FROM units)")
    connection.commit()
    connection.close()
    assert run(["check", "--index", str(built)]) == 3
    assert "altered" in capsys.readouterr().err
    index = Index.open(built)
    with index.view() as view, pytest.raises(IndexDamaged, match="fathom remove tree"):
        view.store.units(view.catalogue.keys.tolist())
    index.close()
    assert run(["remove", "--index", str(built), "tree"]) == 0
    quick.update(built, [quick.folder_source(tmp_path / "tree")], quick.CountingEncoder())
    assert quick.check(built)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE units SET kind = 'opera'",
        "UPDATE units SET symbol = 'other'",
        "UPDATE units SET cuts = '['",
        "UPDATE units SET text = CAST(text AS BLOB)",
        "UPDATE units SET docstring = CAST(docstring AS BLOB)",
        "UPDATE units SET sketch = x'00'",
        "UPDATE units SET unit_key = unit_key + 1000",
        "UPDATE files SET path = path || 'x'",
        "UPDATE files SET language = 'cobol'",
        "UPDATE files SET live = 0",
        "UPDATE files SET units = units + 1",
        "UPDATE blocks SET start_line = start_line + 1",
        "UPDATE blocks SET depth = 0",
        "UPDATE vectors SET vector = zeroblob(length(vector))",
        "UPDATE rewritings SET purpose = 'something else'",
        "UPDATE rewritings SET generator = generator || 'x'",
        "UPDATE unit_rewritings SET rewriting_key = rewriting_key + 1",
        "UPDATE rewriting_vectors SET depth = depth + 1",
        "DELETE FROM rewritings",
        "UPDATE generations SET manifest = x'00'",
        "UPDATE generations SET manifest = replace(manifest, 'documents\":', 'documents\":1')",
        "DELETE FROM units WHERE unit_key % 2",
        "DELETE FROM vectors",
        "DROP TABLE units",
    ],
)
def test_an_altered_row_is_found(built, statement):
    connection = sqlite3.connect(built / STORE_FILE)
    connection.execute(statement)
    connection.commit()
    connection.close()
    try:
        faults = SqliteStore(built).faults()
    except IndexDamaged:
        return
    assert faults


def test_another_format_another_program_and_another_model_are_refused(built, tmp_path, quick, stub_module):
    with (
        pytest.raises(IndexIncompatible, match="fathom index"),
        writing(built, quick.settings(built), stub_module.StubEncoder(dimension=8)),
    ):
        pytest.fail("another model's vectors were mixed in")
    assert quick.check(built)
    for older in (1, 2, 3):
        connection = sqlite3.connect(built / STORE_FILE)
        connection.execute(f"PRAGMA user_version={older}")
        connection.close()
        for attempt in (lambda: Index.open(built), lambda: SqliteStore(built, writable=True)):
            with pytest.raises(IndexIncompatible, match=rf"format {older}.*format 5.*fathom index"):
                attempt()
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    connection = sqlite3.connect(foreign / STORE_FILE)
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    with pytest.raises(IndexIncompatible, match="--index"):
        Index.open(foreign)
    (foreign / STORE_FILE).write_text("a text, no database " * 100)
    with pytest.raises(IndexDamaged):
        Index.open(foreign)


def test_a_full_disk_is_not_taken_for_damage(built):
    store = SqliteStore(built)
    connection = store._connections.get()
    connection.execute(f"PRAGMA max_page_count={connection.execute('PRAGMA page_count').fetchone()[0]}")
    before = store.faults()
    row = SourceRow("x" * (1 << 20), "folder", "/", "", "")
    with pytest.raises(EnvironmentFailed, match="full"):
        store.announce(row)
    assert store.faults() == before == []
    store.close()


def test_a_snapshot_inside_another_is_of_the_same_state(built):
    store = SqliteStore(built)
    with store.snapshot() as outer, store.snapshot() as inner:
        assert inner == outer
    with store.snapshot() as again:
        assert again == outer
    store.close()


def test_an_error_of_the_disk_is_no_damage(tmp_path):
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    with pytest.raises(EnvironmentFailed), sqlite_errors(tmp_path):
        raise error
    with pytest.raises(IndexDamaged), sqlite_errors(tmp_path):
        raise sqlite3.OperationalError("Could not decode to UTF-8 column")
