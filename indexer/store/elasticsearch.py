"""The store in an Elasticsearch cluster, which then holds all there is of an index: any number of servers read it.

Rows of files and units never change once written; they carry the generations that they come and go with, and the head
says which generation is published. No index is derived here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from indexer.batching import batched
from indexer.cluster.connection import Cluster
from indexer.cluster.generations import NEVER, Query, born, purge, seen_by, unmark
from indexer.cluster.lease import Lease
from indexer.errors import EnvironmentFailed, IndexDamaged
from indexer.store.cluster_access import Rows, batches
from indexer.store.cluster_head import Head as Published
from indexer.store.cluster_head import check_store, read_head, store_index, write_head
from indexer.store.cluster_overview import problems, read_catalogue, read_statistics
from indexer.store.cluster_rewritings import Rewritings
from indexer.store.cluster_rows import (
    HEAD_FIELDS,
    Document,
    blocks_of,
    blocks_row,
    file_row,
    head_of,
    record_of,
    skipped_of,
    skipped_row,
    text_hash,
    unit_of,
    unit_row,
    unpacked,
    vector_of,
    vector_row,
)
from indexer.store.interface import (
    Catalogue,
    CodeRewriting,
    FileRecord,
    Forgotten,
    Head,
    Keys,
    KnownFile,
    NewRewriting,
    SourceReport,
    SourceRow,
    Statistics,
    UnitVectors,
    unit_vectors,
)
from indexer.store.manifest import REPAIR, Fault, Manifest
from indexer.types import Block, Skipped, Unit

# Rows never change: heads and whole units that were read are kept, up to so many.
_KEPT_HEADS, _KEPT_UNITS = 100_000, 2_000
# Units looked at together for those that lack something.
_LOOKED_AT = 2_000
# Files whose units are listed together.
_FILES = 200
# Rows that go with their file.
_OF_FILES = ("file", "unit", "blocks", "link")

_T = TypeVar("_T")


class ElasticsearchStore:
    """Files, units, blocks, block vectors and the generation, in one index of a cluster."""

    def __init__(self, cluster: Cluster, lease: Lease | None = None) -> None:
        """Open it: for writing by who holds the `lease`, who finds what was begun and not published undone or staged.

        Raises IndexMissing where there is none, and IndexIncompatible for one of another format.
        """
        self._cluster, self._index = cluster, store_index(cluster)
        self._rows = Rows(cluster, self._index, lease)
        self._pinned = threading.local()
        self._heads = _Kept[Head](_KEPT_HEADS)
        self._units = _Kept[Unit](_KEPT_UNITS)
        self._written: Published | None = None
        self._next_file = self._next_unit = self._next_rewriting = 1
        with self._rows.asked() as client:
            check_store(client, cluster, self._index)
        if lease is not None:
            self._begin(lease)

    def close(self) -> None:
        """Free nothing: the connections are the cluster's."""

    # reading

    @contextmanager
    def snapshot(self) -> Iterator[Manifest | None]:
        """Pin one state; yield its manifest, or None when nothing was published yet."""
        pinned: Published | None = getattr(self._pinned, "head", None)
        if pinned is not None:  # then it is of the same state as the snapshot around it
            yield pinned.manifest
            return
        self._pinned.head = head = self._published()
        try:
            yield head.manifest
        finally:
            self._pinned.head = None

    def units(self, keys: Sequence[int]) -> dict[int, Unit]:
        """Return whole units by key, verified; raise IndexDamaged for a row that is gone or altered."""
        found = self._units.of(keys)
        missing = [key for key in keys if key not in found]
        read = {int(name): unit_of(row) for name, row in self._rows.get("unit", missing).items()} if missing else {}
        self._units.keep(read)
        return _in_order(keys, found | read)

    def heads(self, keys: Sequence[int]) -> dict[int, Head]:
        """Return units without text by key, in the order of the keys; raise IndexDamaged for a row that is gone."""
        found = self._heads.of(keys)
        missing = [key for key in keys if key not in found]
        read = {head.key: head for batch in batches(missing) for head in self._heads_where([{"terms": {"key": batch}}])}
        self._heads.keep(read)
        return _in_order(keys, found | read)

    def key_of(self, unit_id: str) -> int | None:
        """Return the key of a live unit by its id."""
        filters = [*self._live(), {"term": {"unit_id": unit_id}}]
        found = list(self._rows.columns("unit", filters, ("key",), 1))
        return int(found[0][0]) if found else None

    def siblings(self, unit_id: str) -> list[Head]:
        """Return the units, without text, of the file that holds a live unit, in the order of their lines."""
        live = self._live()
        file = list(self._rows.columns("unit", [*live, {"term": {"unit_id": unit_id}}], ("file",), 1))
        if not file:
            return []
        heads = self._heads_where([*live, {"term": {"file": file[0][0]}}])
        return sorted(heads, key=lambda head: (head.start_line, head.key))

    def unit_at(self, path: str, line: int, repository: str | None) -> list[int]:
        """Return the keys of the live units that hold this line of a path."""
        filters = [
            *self._live(),
            {"term": {"place": text_hash(path)}},
            {"range": {"start_line": {"lte": line}}},
            {"range": {"end_line": {"gte": line}}},
        ]
        if repository is not None:
            filters.append({"term": {"repository": repository}})
        return [row[0] for row in self._rows.columns("unit", filters, ("key",))]

    def texts(self, keys: Keys | None = None) -> Iterator[tuple[int, str]]:
        """Yield (key, text) of the live units, or of those named, ascending by key."""
        if keys is None:
            rows = self._rows.rows("unit", self._live(), fields=("key", "body.text"))
            yield from ((row["key"], row["body"]["text"]) for row in rows)
            return
        for batch in batches(np.sort(keys).tolist()):
            found = self._rows.get("unit", batch, ("body.text",))
            yield from ((key, found[str(key)]["body"]["text"]) for key in batch if str(key) in found)

    def blocks(self, keys: Sequence[int]) -> dict[int, list[tuple[Block, NDArray[np.float32]]]]:
        """Return the blocks of units with their vectors; units without vectors are left out."""
        found = {int(name): blocks_of(row) for name, row in self._rows.get("blocks", keys).items()}
        names = dict.fromkeys(name for blocks in found.values() for _, name in blocks)
        vectors = {name: vector_of(name, row) for name, row in self._rows.get("vector", names).items()}
        if len(vectors) < len(names):
            raise IndexDamaged(f"{len(names) - len(vectors)} vectors of blocks are not in the store; {REPAIR}")
        return {key: [(block, vectors[name]) for block, name in found[key]] for key in sorted(found)}

    def records(self) -> Iterator[tuple[FileRecord, list[int]]]:
        """Yield every live file as it was staged, with the keys of its units."""
        live = self._live()
        for files in batched(self._rows.rows("file", live), _FILES):
            of: dict[int, list[Document]] = {row["key"]: [] for row in files}
            for row in self._rows.rows("unit", [*live, {"terms": {"file": list(of)}}]):
                of[row["file"]].append(row)
            for file in files:
                yield record_of(file, of[file["key"]]), [row["key"] for row in of[file["key"]]]

    def stored_vectors(self, keys: Sequence[int]) -> dict[int, UnitVectors]:
        """Return the blocks of units with all their vectors, as they were saved; units without are left out."""
        rows = {int(name): row for name, row in self._rows.get("blocks", keys).items()}
        named = {
            unit: [(row["depth"], bytes.fromhex(name)) for _, name in blocks_of(row)] for unit, row in rows.items()
        }
        return {unit: unit_vectors(unit, named[unit], blocks) for unit, blocks in self.blocks(list(rows)).items()}

    def rewritings(self, keys: Sequence[int], *, staged: bool = False) -> dict[int, CodeRewriting]:
        """Return what was written for those of the units that have it, verified: by this generation, or the next one.

        Raises IndexDamaged for a row that is gone or altered.
        """
        return self._rewritings().of(keys, staged=staged)

    def catalogue(self) -> Catalogue:
        """Return every live unit by its filterable fields."""
        return read_catalogue(self._rows, self._live())

    def sources(self) -> tuple[SourceRow, ...]:
        """Return the sources by name."""
        return tuple(sorted(self._head().sources, key=lambda source: source.name))

    def statistics(self) -> Statistics:
        """Return counts of the published state."""
        with self.snapshot():
            return read_statistics(self._rows, self._live(), self.sources())

    def skipped(self, repository: str | None = None) -> Iterator[Skipped]:
        """Yield the files that are not indexed, with the reason."""
        filters: list[Query] = self._live()
        if repository is not None:
            filters.append({"term": {"repository": repository}})
        found = [skipped_of(row) for row in self._rows.rows("skipped", filters)]
        yield from sorted(found, key=lambda entry: (entry.repository, entry.path))

    def faults(self) -> list[Fault]:
        """Verify every row; return what is wrong."""
        with self.snapshot() as manifest:
            return [
                Fault(f"elasticsearch/{self._index}", problem)
                for problem in problems(self._rows, self._live(), manifest)
            ]

    # writing

    def known_files(self, repository: str) -> dict[str, KnownFile]:
        """Return the repository's live files by path."""
        filters = [*self._live(), {"term": {"repository": repository}}]
        return {
            row["path"]: KnownFile(row["key"], row["body"]["stamp"], unpacked(row["body"]["content_hash"]))
            for row in self._rows.rows("file", filters, fields=("key", "path", "body"))
        }

    def announce(self, source: SourceRow) -> None:
        """Note a source that is about to be read for the first time, so that it can be shown and removed."""
        if self.source(source.name) is None:
            named = SourceRow(source.name, source.kind, source.location, "", "")
            self._replace(replace(self._known, sources=(*self._known.sources, named)))

    def stage(self, records: Iterable[FileRecord]) -> list[tuple[int, list[int]]]:
        """Write files and units durably; return each file's key and its units' keys.

        Files come after their units: what is staged is whole.
        """
        staged: list[tuple[int, list[int]]] = []
        files: list[tuple[object, Document]] = []
        units: list[tuple[object, Document]] = []
        texts: list[tuple[int, int, str]] = []
        generation = born(self._known.generation + 1)
        for record in records:
            file = self._next_file
            keys = list(range(self._next_unit, self._next_unit + len(record.units)))
            self._next_file, self._next_unit = file + 1, self._next_unit + len(keys)
            for key, unit, sketch in zip(keys, record.units, record.sketches, strict=True):
                units.append((key, unit_row(unit, sketch, key, file, len(keys)) | generation))
                texts.append((key, file, unit.text))
            files.append((file, file_row(record, file) | generation))
            staged.append((file, keys))
        links = self._rewritings().for_staged(texts)
        self._rows.write([*units, *links])
        self._rows.write(files)
        return staged

    def restamp(self, stamps: Mapping[int, str]) -> None:
        """Note a new stamp of files whose content did not change."""
        if stamps:
            self._rows.update("file", ((key, {"body": {"stamp": stamp}}) for key, stamp in stamps.items()))

    def staged(self) -> Iterator[tuple[int, int, Unit]]:
        """Yield (file key, unit key, unit) of everything staged."""
        return self._units_of(self._staged())

    def superseded(self) -> list[int]:
        """Return the keys of live files of which a newer version is staged."""
        places = [row[0] for row in self._rows.columns("file", self._staged(), ("place",))]
        return sorted(
            row[0]
            for batch in batches(places)
            for row in self._rows.columns("file", [*self._live(), {"terms": {"place": batch}}], ("key",))
        )

    def source(self, name: str) -> SourceRow | None:
        """Return a source by its name."""
        return next((source for source in self._head().sources if source.name == name), None)

    def live(self) -> Iterator[tuple[int, int, Unit]]:
        """Yield (file key, unit key, unit) of everything live."""
        return self._units_of(self._live())

    def encoded(self, after: int, limit: int) -> list[tuple[int, int]]:
        """Return up to `limit` keys, following `after`, of live units that have vectors, ascending, and the depth."""
        filters = [*self._live(), {"range": {"key": {"gt": after}}}]
        return [(key, depth) for key, depth in self._rows.columns("blocks", filters, ("key", "depth"), limit)]

    def publish(self, manifest: Manifest, removed: Iterable[int], change: SourceReport | Forgotten | None) -> None:
        """Move the generation: staged files become live and `removed` files go, with `change`, as the head is replaced.

        Where that fails, readers go on with what was published, and the next writer with what is staged.
        """
        self._rows.held()
        self._mark_files(sorted(removed))
        self._rewritings().publish()
        head = replace(
            self._known,
            manifest=manifest,
            sources=self._changed_sources(change),
            next_file=self._next_file,
            next_unit=self._next_unit,
            next_rewriting=self._next_rewriting,
        )
        self._rows.refresh()
        self._refuse_twice()
        self._rows.held()
        self._replace(head)
        with suppress(EnvironmentFailed):  # then the next publish does
            purge(self._cluster, self._index, "key", manifest.generation)

    def shallower(self, depth: int, after: int, limit: int, *, useful: bool) -> list[tuple[int, Unit]]:
        """Return up to `limit` live units whose keys follow `after`, ascending, without vectors of a depth or more.

        `useful` asks for those that answer most questions only: functions, methods and classes outside tests.
        """
        filters: list[Query] = [{"term": {"useful": True}}] if useful else []
        return self._lacking(filters, after, limit, lambda keys: self._as_deep(keys, depth))

    def count_shallower(self, depth: int) -> int:
        """Return how many live units have no vectors of a depth or more."""
        live = self._live()
        return self._rows.count("unit", live) - self._rows.count(
            "blocks", [*live, {"range": {"depth": {"gte": depth}}}]
        )

    def unit_keys(self, file_keys: Sequence[int]) -> Keys:
        """Return the keys of the units of files, ascending."""
        found = [
            row[0]
            for batch in batches(list(file_keys))
            for row in self._rows.columns("unit", [*self._kept(), {"terms": {"file": batch}}], ("key",))
        ]
        return np.sort(np.array(found, dtype=np.int64))

    def count_after(self, removed: Sequence[int]) -> int:
        """Return how many units will be live once what is staged is published and `removed` files are gone."""
        units = self._rows.sums("file", self._kept(), {"units": {"sum": {"field": "units"}}})["units"]["value"]
        return int(units) - len(self.unit_keys(removed))

    def known_vectors(self, keys: Sequence[bytes]) -> set[bytes]:
        """Return which block vectors are stored already."""
        return {bytes.fromhex(name) for name in self._rows.there("vector", [key.hex() for key in keys])}

    def save_vectors(self, encoded: Iterable[UnitVectors]) -> None:
        """Write the blocks of units and their new vectors (as float16) durably; blocks come after their vectors."""
        units = list(encoded)
        new = {key.hex(): vector for unit in units for key, vector in unit.new.items()}
        self._rows.write((name, vector_row(name, vector)) for name, vector in new.items())
        of = self._rows.get("unit", [unit.unit for unit in units], ("file", "added", "removed"))
        self._rows.write((unit.unit, blocks_row(unit, of[str(unit.unit)])) for unit in units if unit.blocks)
        self._rows.delete("blocks", [unit.unit for unit in units if not unit.blocks])

    def sweep(self) -> int:
        """Remove block vectors that no block uses, and rewritings that no unit has; return how many vectors."""
        self._rewritings().sweep()
        unused = 0
        for batch in batches([row[0] for row in self._rows.columns("vector", [], ("place",), sort=("place",))]):
            used = {
                name
                for row in self._rows.rows("blocks", [{"terms": {"uses": batch}}], fields=("uses",))
                for name in row["uses"]
            }
            gone = [name for name in batch if name not in used]
            self._rows.delete("vector", gone)
            unused += len(gone)
        return unused

    def unwritten(
        self, generator: str, after: int, limit: int, *, useful: bool, sources: Sequence[str] = ()
    ) -> list[tuple[int, Unit]]:
        """Return up to `limit` live units whose keys follow `after`, ascending, for which a generator has to write.

        They are worth it: functions, methods and classes of more than a few characters; the `useful` ones, or only the
        others; of all sources or of those named.
        """
        filters: list[Query] = [{"term": {"rewritable": True}}, {"term": {"useful": useful}}]
        if sources:
            filters.append({"terms": {"repository": list(sources)}})
        written = self._rewritings()
        return self._lacking(filters, after, limit, lambda keys: written.written_for(keys, generator))

    def written_before(self, text: str, generator: str) -> CodeRewriting | None:
        """Return the newest of what a generator wrote from a text."""
        return self._rewritings().newest(text, generator)

    def save_rewritings(self, written: Iterable[NewRewriting]) -> None:
        """Write rewritings durably; the units that have the texts have them from the next generation on."""
        self._next_rewriting = self._rewritings().save(written, self._next_rewriting)

    def relinked(self) -> list[tuple[int, int, int | None]]:
        """Return (file key, unit key, depth of its vectors) of the live units that will have another rewriting."""
        return self._rewritings().relinked()

    def any_rewritings(self) -> bool:
        """Tell whether there is any rewriting."""
        return self._rewritings().any()

    def rewriting_vectors(self, keys: Sequence[int], depth: int) -> dict[int, NDArray[np.float32]]:
        """Return the vectors (texts, dim) made at a depth, by rewriting; those that were not made are left out."""
        return self._rewritings().vectors(keys, depth)

    def save_rewriting_vectors(self, vectors: Mapping[int, NDArray[np.float32]], depth: int) -> None:
        """Write the vectors (texts, dim) of rewritings, made at a depth, durably in place of those that were there."""
        self._rewritings().save_vectors(vectors, depth)

    # inside

    def _published(self) -> Published:
        with self._rows.asked() as client:
            return read_head(client, self._index)

    def _head(self) -> Published:
        """Return what this thread reads: what it pinned, or the newest, which a writer knows."""
        return getattr(self._pinned, "head", None) or self._written or self._published()

    def _live(self) -> list[Query]:
        return list(seen_by(self._head().generation))

    def _staged(self) -> list[Query]:
        return [{"range": {"added": {"gt": self._head().generation}}}]

    def _kept(self) -> list[Query]:
        """Return what leaves the rows that are live or staged."""
        return [{"range": {"removed": {"gt": self._head().generation}}}]

    def _rewritings(self) -> Rewritings:
        return Rewritings(self._rows, self._head().generation)

    @property
    def _known(self) -> Published:
        """What is published, as the writer knows it."""
        self._rows.held()
        assert self._written is not None
        return self._written

    def _replace(self, head: Published) -> None:
        with self._cluster.written() as client:
            self._written = write_head(client, self._index, head)

    def _begin(self, lease: Lease) -> None:
        """Take the head over, so that who wrote before cannot publish, and tidy up what was not published."""
        head = replace(self._published(), writer=lease.owner)
        self._replace(head)
        self._rows.refresh()
        self._next_file = max(head.next_file, self._last("unit", "file") + 1)
        self._next_unit = max(head.next_unit, self._last("unit") + 1)
        self._next_rewriting = max(head.next_rewriting, self._last("rewriting") + 1)
        unmark(self._cluster, self._index, "key", head.generation)
        staged = self._staged()
        self._rows.delete("skipped", [row[0] for row in self._rows.columns("skipped", staged, ("key",))])
        files = dict(self._rows.columns("file", staged, ("key", "place")))
        newest = set({place: key for key, place in files.items()}.values())  # who lost the lock may have staged late
        halves = {row[0] for row in self._rows.columns("unit", staged, ("key", "file")) if row[1] not in newest}
        links = self._rows.columns("link", staged, ("key", "added"))
        self._rows.delete("link", [f"{unit}-{added}" for unit, added in links if unit in halves])
        self._rows.delete("file", files.keys() - newest)
        self._rows.delete("blocks", halves)
        self._rows.delete("unit", halves)

    def _last(self, kind: str, field: str = "key") -> int:
        found = self._rows.sums(kind, [], {"last": {"max": {"field": field}}})["last"]["value"]
        return int(found or 0)

    def _mark_files(self, files: Sequence[int]) -> None:
        self._rows.refresh()
        for batch in batches(files):
            for kind in _OF_FILES:
                self._rows.mark_removed(kind, [{"terms": {"file": batch}}], self._known.generation + 1)

    def _refuse_twice(self) -> None:
        """Raise EnvironmentFailed where a path would have two files: one staged by who had lost the lock."""
        places = [row[0] for row in self._rows.columns("file", self._staged(), ("place",))]
        twice = len(places) - len(set(places))
        for batch in batches(places):
            there: list[Query] = [*self._live(), {"term": {"removed": NEVER}}, {"terms": {"place": batch}}]
            twice += self._rows.count("file", there)
        if twice:
            raise EnvironmentFailed(
                f"{twice} file{'s' * (twice > 1)} would be in the index twice: another process wrote to it meanwhile; "
                "what was published is whole, run this again to go on"
            )

    def _changed_sources(self, change: SourceReport | Forgotten | None) -> tuple[SourceRow, ...]:
        """Return the sources with a change, whose files that are not indexed are written or marked as well."""
        if change is None:
            return self._known.sources
        name = change.source.name if isinstance(change, SourceReport) else change.name
        generation = self._known.generation
        self._rows.mark_removed("skipped", [{"term": {"repository": name}}], generation + 1)
        others = tuple(each for each in self._known.sources if each.name != name)
        if isinstance(change, SourceReport):
            first = self._last("skipped") + 1
            self._rows.write(
                (key, skipped_row(entry, key) | born(generation + 1)) for key, entry in enumerate(change.skipped, first)
            )
            return (*others, change.source)
        return others

    def _heads_where(self, filters: Sequence[Query]) -> Iterator[Head]:
        """Yield heads from columns, three times as fast as from rows; what is too long for these is in its row."""
        for values in self._rows.columns("unit", filters, HEAD_FIELDS):
            row = dict(zip(HEAD_FIELDS, values, strict=True))
            if None in values:
                row = self._rows.get("unit", [row["key"]], HEAD_FIELDS).get(str(row["key"]), {})
            yield head_of(row)

    def _units_of(self, filters: Sequence[Query]) -> Iterator[tuple[int, int, Unit]]:
        for row in self._rows.rows("unit", filters):
            yield row["file"], row["key"], unit_of(row)

    def _lacking(
        self, filters: Sequence[Query], after: int, limit: int, have: Callable[[Sequence[int]], set[int]]
    ) -> list[tuple[int, Unit]]:
        """Return up to `limit` live units, following `after`, that are not among those which `have` something."""
        live, keys = [*self._live(), *filters], list[int]()
        while len(keys) < limit:
            page = [
                row[0]
                for row in self._rows.columns("unit", [*live, {"range": {"key": {"gt": after}}}], ("key",), _LOOKED_AT)
            ]
            having = have(page)
            keys += [key for key in page if key not in having]
            if len(page) < _LOOKED_AT:
                break
            after = page[-1]
        return list(self.units(keys[:limit]).items())

    def _as_deep(self, keys: Sequence[int], depth: int) -> set[int]:
        """Return those of the units whose vectors are of a depth or more."""
        rows = self._rows.get("blocks", keys, ("depth",))
        return {int(name) for name, row in rows.items() if row["depth"] >= depth}


class _Kept(Generic[_T]):
    """What was read of rows that never change, up to so many; safe to share between threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._by_key: dict[int, _T] = {}
        self._lock = threading.Lock()

    def of(self, keys: Sequence[int]) -> dict[int, _T]:
        """Return what is kept of keys."""
        known = self._by_key
        return {key: known[key] for key in keys if key in known}

    def keep(self, read: Mapping[int, _T]) -> None:
        """Keep what was read, and forget all else where that is too much."""
        with self._lock:
            if len(self._by_key) + len(read) > self._most:
                self._by_key = {}
            self._by_key.update(read)


def _in_order(keys: Sequence[int], found: Mapping[int, _T]) -> dict[int, _T]:
    missing = sum(key not in found for key in keys)
    if missing:
        raise IndexDamaged(f"{missing} units that the index names are not in its store; {REPAIR}")
    return {key: found[key] for key in keys}
