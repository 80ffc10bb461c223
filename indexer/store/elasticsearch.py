"""The store in an Elasticsearch cluster, which then holds all there is of an index: any number of servers read it.

Rows of files and units never change once written; they carry the generations that they come and go with, and the head
says which generation is published. No index is derived here.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from indexer.cluster.connection import Cluster
from indexer.cluster.generations import NEVER, Query, born, purge, unmark
from indexer.cluster.lease import Lease
from indexer.errors import EnvironmentFailed
from indexer.store.cluster_access import Rows, batches
from indexer.store.cluster_head import Head as Published
from indexer.store.cluster_head import check_store, store_index, write_head
from indexer.store.cluster_reading import ClusterReader
from indexer.store.cluster_rows import (
    Document,
    blocks_row,
    file_row,
    skipped_row,
    unit_row,
    unpacked,
    vector_row,
)
from indexer.store.interface import (
    CodeRewriting,
    FileRecord,
    Forgotten,
    Keys,
    KnownFile,
    NewRewriting,
    SourceReport,
    SourceRow,
    UnitVectors,
)
from indexer.store.manifest import Manifest
from indexer.types import Unit

# Units looked at together for those that lack something.
_LOOKED_AT = 2_000
# Rows that go with their file.
_OF_FILES = ("file", "unit", "blocks", "link")


class ElasticsearchStore(ClusterReader):
    """Files, units, blocks, block vectors and the generation, in one index of a cluster."""

    def __init__(self, cluster: Cluster, lease: Lease | None = None) -> None:
        """Open it: for writing by who holds the `lease`, who finds what was begun and not published undone or staged.

        Raises IndexMissing where there is none, and IndexIncompatible for one of another format.
        """
        self._cluster, self._index = cluster, store_index(cluster)
        super().__init__(Rows(cluster, self._index, lease))
        self._written: Published | None = None
        self._next_file = self._next_unit = self._next_rewriting = 1
        with self._rows.asked() as client:
            check_store(client, cluster, self._index)
        if lease is not None:
            self._begin(lease)

    def close(self) -> None:
        """Free nothing: the connections are the cluster's."""

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

    def _head(self) -> Published:
        """Return what this thread reads: what it pinned, or what is published, as a writer knows it."""
        return getattr(self._pinned, "head", None) or self._written or self._published()

    def _staged(self) -> list[Query]:
        return [{"range": {"added": {"gt": self._head().generation}}}]

    def _kept(self) -> list[Query]:
        """Return what leaves the rows that are live or staged."""
        return [{"range": {"removed": {"gt": self._head().generation}}}]

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
        published = self._published()
        head = replace(published, writer=lease.owner, store=published.store or uuid.uuid4().hex)
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
