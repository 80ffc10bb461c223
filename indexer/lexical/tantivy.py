"""BM25 in an embedded tantivy index: the default back end.

Fields hold terms made by `tokens.py`, split at spaces only, so that scores are comparable with any
other engine given the same terms. tantivy's BM25 has k1 = 1.2 and b = 0.75.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tantivy
from numpy.typing import NDArray

from indexer.errors import EnvironmentFailed, IndexDamaged
from indexer.lexical.interface import FIELD_WEIGHTS, FIELDS, NOTHING, Frozen, LexicalDocument, Ranked, filtered
from indexer.store.manifest import WORK

# tantivy refuses less than 15 MB a thread; one thread gives the same segments for the same input.
_HEAP_BYTES = 128_000_000
_THREADS = 1
# Up to here a set of keys is a clause of the query; beyond, hits are filtered.
_CLAUSE_KEYS = 4_096
# All other files of an index are written once, under a name of their own.
_REWRITTEN = ("meta.json", ".managed.json")
# What the Rust side raises where it panics; it is no Exception.
_PANIC = "PanicException"


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("key", indexed=True, fast=True)
    builder.add_unsigned_field("file", indexed=True)
    for name in FIELDS:
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="freq")
    return builder.build()


def _open(folder: Path) -> tantivy.Index:
    analyzer = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
    index = tantivy.Index(_schema(), path=str(folder))
    index.register_tokenizer("whitespace", analyzer)
    return index


class TantivyIndex:
    """One generation's BM25 index, read-only, in `folder`."""

    def __init__(self, folder: Path) -> None:
        try:
            self._index = _open(folder)
            self._index.config_reader(reload_policy="manual")
            self._index.reload()
        except (ValueError, OSError) as error:
            raise IndexDamaged(f"the BM25 index {folder} cannot be opened: {error}") from error
        self._schema = self._index.schema
        self._searcher = self._index.searcher()

    def __len__(self) -> int:
        """Return the number of units."""
        return int(self._searcher.num_docs)

    def search(self, terms: Mapping[str, float], limit: int, within: NDArray[np.int64] | None = None) -> Ranked:
        """Return the best `limit` units that hold any of the weighted terms; `within` restricts the keys."""
        if not terms or limit < 1 or not len(self) or (within is not None and not len(within)):
            return Ranked(np.empty(0, np.int64), np.empty(0, np.float32))
        query = self._any_of(terms)
        if within is None:
            return self._collect(query, limit)
        if len(within) <= _CLAUSE_KEYS:
            return self._collect(self._restricted(query, within), limit)
        return filtered(lambda wanted: self._collect(query, wanted), len(self), limit, within)

    def containing(self, terms: Sequence[str]) -> NDArray[np.int64]:
        """Return the keys of all units that hold every one of the terms, each in any field, ascending."""
        clauses = [(tantivy.Occur.Must, self._in_any_field(term)) for term in terms]
        query = tantivy.Query.const_score_query(tantivy.Query.boolean_query(clauses), 1.0)
        return np.sort(self._collect(query, max(1, len(self))).keys)

    def frequencies(self, terms: Iterable[str]) -> dict[str, int]:
        """Return in how many units' bodies each term occurs."""
        return {term: int(self._searcher.doc_freq("body", term)) for term in terms}

    def _any_of(self, terms: Mapping[str, float]) -> tantivy.Query:
        clauses = [
            (tantivy.Occur.Should, tantivy.Query.boost_query(self._term(name, term), weight * boost))
            for term, boost in sorted(terms.items())
            for name, weight in FIELD_WEIGHTS.items()
        ]
        return tantivy.Query.boolean_query(clauses)

    def _in_any_field(self, term: str) -> tantivy.Query:
        return tantivy.Query.boolean_query([(tantivy.Occur.Should, self._term(name, term)) for name in FIELDS])

    def _term(self, name: str, term: str) -> tantivy.Query:
        return tantivy.Query.term_query(self._schema, name, term)

    def _restricted(self, query: tantivy.Query, within: NDArray[np.int64]) -> tantivy.Query:
        keys = tantivy.Query.term_set_query(self._schema, "key", within.tolist())
        allowed = tantivy.Query.boost_query(tantivy.Query.const_score_query(keys, 1.0), 0.0)
        return tantivy.Query.boolean_query([(tantivy.Occur.Must, query), (tantivy.Occur.Must, allowed)])

    def _collect(self, query: tantivy.Query, limit: int) -> Ranked:
        hits = self._searcher.search(query, limit=limit, count=False).hits
        keys = self._searcher.fast_field_values("key", [address for _, address in hits])
        return Ranked(np.array(keys, dtype=np.int64), np.array([score for score, _ in hits], dtype=np.float32))


class TantivyWriter:
    """Writes a working copy of a generation's index below `root`; starts from `base` when there is one."""

    def __init__(self, root: Path, base: Path | None) -> None:
        self._root, self._work = root, root / WORK
        work = self._work
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        if base is not None:
            _link(base, work, [path.name for path in base.iterdir()])
        self._index = _open(work)
        self._writer: tantivy.IndexWriter | None = None

    def add(self, document: LexicalDocument) -> None:
        """Add one unit."""
        row = tantivy.Document()
        row.add_unsigned("key", document.key)
        row.add_unsigned("file", document.file)
        for name in FIELDS:
            row.add_text(name, getattr(document, name) or NOTHING)
        with _failures():
            self._open_writer().add_document(row)

    def remove_file(self, file: int) -> None:
        """Remove all units of a file."""
        query = tantivy.Query.term_query(self._index.schema, "file", file)
        with _failures():
            self._open_writer().delete_documents_by_query(query)

    def freeze(self, generation: int) -> Frozen:
        """Write the present state into the generation's folder below the root. Writing can go on."""
        try:
            with _failures():
                writer = self._open_writer()
                writer.commit()
                writer.wait_merging_threads()
        finally:
            self._writer = None
        folder = self._root / str(generation)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        files = _link(self._work, folder, _committed(self._work))
        return Frozen(f"{self._root.name}/{generation}", tuple(files), _documents(self._work))

    def settle(self, generation: int) -> None:
        """Keep all: whoever publishes removes the folders that no manifest names."""

    def close(self) -> None:
        """Stop writing and drop what was not frozen."""
        self._writer = None
        shutil.rmtree(self._work, ignore_errors=True)

    def _open_writer(self) -> tantivy.IndexWriter:
        if self._writer is None:
            self._writer = self._index.writer(_HEAP_BYTES, _THREADS)
        return self._writer


@contextmanager
def _failures() -> Iterator[None]:
    """Turn what tantivy raises while writing into EnvironmentFailed: it says "ValueError" of a full disk."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise EnvironmentFailed(f"the BM25 index could not be written: {error}") from error
    except BaseException as error:
        if type(error).__name__ != _PANIC:
            raise
        raise EnvironmentFailed(f"the BM25 index could not be written: {error}") from error


def _documents(folder: Path) -> int:
    """Return how many units tantivy's last commit holds."""
    segments = json.loads((folder / "meta.json").read_text())["segments"]
    return sum(entry["max_doc"] - (entry["deletes"] or {}).get("num_deleted_docs", 0) for entry in segments)


def _committed(folder: Path) -> list[str]:
    """Return the names of the files that tantivy's last commit is made of."""
    meta = json.loads((folder / "meta.json").read_text())
    deletions = {entry["segment_id"].replace("-", ""): entry["deletes"] for entry in meta["segments"]}
    return [path.name for path in folder.iterdir() if path.name == "meta.json" or _current(path.name, deletions)]


def _current(name: str, deletions: Mapping[str, Mapping[str, int] | None]) -> bool:
    """Tell whether a file belongs to a committed segment and, if it lists deleted units, is the newest such list."""
    segment, *rest = name.split(".")
    if segment not in deletions:
        return False
    newest = deletions[segment]
    return rest[-1] != "del" or (newest is not None and rest[0] == str(newest["opstamp"]))


def _link(source: Path, target: Path, names: Sequence[str]) -> list[Path]:
    """Put files into another folder: shared where they never change, copied where they may."""
    linked = []
    for name in names:
        path = target / name
        if name in _REWRITTEN:
            shutil.copyfile(source / name, path)
        else:
            os.link(source / name, path)
        linked.append(path)
    return linked
