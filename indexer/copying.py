"""Copying an index into another store, with its vectors and what was written for its units: nothing is encoded again.

Which stores those are, and whether one may be copied into the other, is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing

import numpy as np

from indexer.backends import Backends
from indexer.batching import batched
from indexer.combining import CodeWeights
from indexer.encoder.aggregate import aggregate
from indexer.encoder.interface import Encoder
from indexer.expansion import Expansion
from indexer.progress import Progress, Report
from indexer.publishing import Publisher
from indexer.store.interface import FileRecord, NewRewriting, SourceReport, Store, UnitVectors

# Files copied together, and published where so many vectors wait.
_FILES = 200

Copied = Sequence[tuple[FileRecord, list[int]]]
# Repository and path.
Place = tuple[str, str]


class Copy:
    """Copies what is published in `old` into `new`, whose writer lock the caller holds."""

    def __init__(self, old: Store, new: Store, encoder: Encoder, weights: CodeWeights) -> None:
        self._old, self._new, self._encoder, self._weights = old, new, encoder, weights
        self._expansion = Expansion(new, encoder, weights)

    def run(self, backends: Backends, report: Report) -> None:
        """Copy file by file, publishing as they come: what a run that was stopped copied whole stays."""
        total, done = self._old.statistics().files, 0
        publisher = Publisher(backends, self._new, self._encoder, weights=self._weights)
        with closing(publisher):
            there = self._there()
            for batch in batched(self._old.records(), _FILES):
                halves = [file for file in batch if _place(file[0]) in there]
                whole = self._whole(halves, there) if halves else set()
                publisher.remove(there[place] for record, _ in halves if (place := _place(record)) not in whole)
                self._copy([file for file in batch if _place(file[0]) not in whole], publisher)
                done += len(batch)
                report(Progress("Copying", done, total, "files"))
                if publisher.crowded:
                    publisher.publish()
            for source in self._old.sources():
                publisher.publish(SourceReport(source, tuple(self._old.skipped(source.name))))

    def _there(self) -> dict[Place, int]:
        return {
            (source.name, path): file.key
            for source in self._old.sources()
            for path, file in self._new.known_files(source.name).items()
        }

    def _whole(self, files: Copied, there: Mapping[Place, int]) -> set[Place]:
        """Return which of the files that are there have all vectors, and all that was written for their units."""
        copied = {_place(record): self._new.unit_keys([there[_place(record)]]).tolist() for record, _ in files}
        before = _held(self._old, [key for _, keys in files for key in keys])
        after = _held(self._new, [key for keys in copied.values() for key in keys])
        return {
            _place(record)
            for record, keys in files
            if [before.get(key) for key in keys] == [after.get(key) for key in copied[_place(record)]]
        }

    def _copy(self, files: Copied, publisher: Publisher) -> None:
        if not files:
            return
        for source in {record.repository for record, _ in files}:
            row = self._old.source(source)
            if row is not None:
                self._new.announce(row)
        staged = self._new.stage([record for record, _ in files])
        keys = {
            old: new
            for (_, before), (_, after) in zip(files, staged, strict=True)
            for old, new in zip(before, after, strict=True)
        }
        self._copy_rewritings(files)
        for (record, _), (file, units) in zip(files, staged, strict=True):
            publisher.add(
                self._expansion.documents((file, key, unit) for key, unit in zip(units, record.units, strict=True))
            )
        self._copy_vectors(keys, publisher)

    def _copy_rewritings(self, files: Copied) -> None:
        units = {key: unit for record, keys in files for key, unit in zip(keys, record.units, strict=True)}
        written = self._old.rewritings(list(units))
        self._new.save_rewritings(
            NewRewriting((units[key].id,), units[key].text, each.generator, each.purpose, each.code)
            for key, each in written.items()
        )
        for depth in self._encoder.depths:
            vectors = self._old.rewriting_vectors([each.key for each in written.values()], depth)
            if not vectors:
                continue
            named = {
                each.key: self._new.written_before(units[key].text, each.generator) for key, each in written.items()
            }
            self._new.save_rewriting_vectors(
                {new.key: vectors[old] for old, new in named.items() if new is not None and old in vectors}, depth
            )

    def _copy_vectors(self, keys: dict[int, int], publisher: Publisher) -> None:
        found = self._old.stored_vectors(list(keys))
        self._new.save_vectors(
            UnitVectors(keys[old], each.depth, each.blocks, each.keys, each.new) for old, each in found.items()
        )
        for depth in sorted({each.depth for each in found.values()}):
            units = {keys[old]: each for old, each in found.items() if each.depth == depth}
            originals = [
                aggregate(np.stack([each.new[name] for name in each.keys]), self._encoder.block_scorer)
                for each in units.values()
            ]
            publisher.add_vectors(list(units), self._expansion.vectors(list(units), originals, depth), depth)


def _held(store: Store, keys: Sequence[int]) -> dict[int, tuple[int | None, str | None]]:
    """Return the depth of the vectors of units, and the generator of what was written for them; none: left out."""
    depths = {key: each.depth for key, each in store.stored_vectors(keys).items()}
    written = {key: each.generator for key, each in store.rewritings(keys).items()}
    return {key: (depths.get(key), written.get(key)) for key in depths.keys() | written.keys()}


def _place(record: FileRecord) -> Place:
    return record.repository, record.path
