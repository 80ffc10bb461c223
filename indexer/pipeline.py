"""The write path as named steps: read what changed, parse, stage, publish BM25, encode, publish vectors.

A run can be stopped anywhere: what was staged or encoded is kept and the next run goes on from it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from indexer.encoder.aggregate import aggregate
from indexer.encoder.interface import Encoder
from indexer.encoder.units import plan_unit
from indexer.errors import IndexIncompatible, UsageError
from indexer.lexical.interface import LexicalDocument
from indexer.lexical.tokens import index_terms
from indexer.progress import Progress, Report, Summary, silent
from indexer.publishing import Publisher
from indexer.sources.interface import Entry, Source
from indexer.splitting.pool import ParsedFile, ParserPool
from indexer.store.interface import FileRecord, Forgotten, KnownFile, SourceReport, SourceRow, UnitVectors
from indexer.store.manifest import REINDEX, Manifest
from indexer.store.sqlite import SqliteStore
from indexer.types import Kind, Skipped, SkipReason, SourceFile, Unit

# Files staged in one transaction: bounds what a kill can cost and the memory in use.
_STAGE_FILES = 200
# Units encoded between two writes: sorted by length within, so that padding stays small.
_ENCODE_UNITS = 256
# The first early publish comes after this; each later one after twice the time of the one before.
_FIRST_PUBLISH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Work:
    entry: Entry
    content_hash: bytes
    known: KnownFile | None


class Pipeline:
    """One run of indexing into `folder`; the caller holds the writer lock."""

    def __init__(
        self,
        folder: Path,
        store: SqliteStore,
        encoder: Encoder,
        *,
        processes: int,
        report: Report = silent,
        fresh: bool = False,
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._depth = encoder.depths[-1]
        self._report = report
        self._processes = processes
        self._refuse_other_model(folder)
        self._publisher = Publisher(folder, store, encoder.fingerprint, self._depth, fresh=fresh)
        self.summary = Summary()
        self._publish_after = _FIRST_PUBLISH_SECONDS
        self._published_at = time.monotonic()
        try:
            if fresh:
                self.rebuild()
            self._resume()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Free what the run holds."""
        self._publisher.close()

    @property
    def manifest(self) -> Manifest | None:
        """The generation published last."""
        return self._publisher.manifest

    def refresh(self, source: Source) -> None:
        """Bring one source up to date and publish it, searchable by BM25."""
        started = time.monotonic()
        self._refuse_other_location(source)
        self._publish(None)
        self._store.announce(_row(source))
        known = self._store.known_files(source.name)
        skipped: list[Skipped] = []
        seen: set[str] = set()
        with ParserPool(self._processes) as pool:
            changed = self._changed(source, known, seen, skipped)
            for batch in _batches(pool.parse(changed), _STAGE_FILES):
                self._stage(batch)
                if self._due():
                    self._publish(None)
        closed = tuple(entry.path for entry in skipped if entry.reason is SkipReason.UNREADABLE)
        gone = [file.key for path, file in known.items() if path not in seen and not _below(path, closed)]
        self._publisher.remove(gone)
        self._publish(SourceReport(_row(source), tuple(skipped)))
        self.summary.removed += len(gone)
        for entry in skipped:
            self.summary.skipped[entry.reason.value] = self.summary.skipped.get(entry.reason.value, 0) + 1
        self._time("read, parse and BM25", started)

    def remove(self, name: str) -> int:
        """Remove a source and all its files; return how many files it had."""
        self._publish(None)
        gone = [file.key for file in self._store.known_files(name).values()]
        self._publisher.remove(gone)
        self._publish(Forgotten(name))
        self.summary.removed += len(gone)
        return len(gone)

    def rebuild(self) -> None:
        """Make both derived indexes anew from the store; the publisher was opened fresh."""
        for file_key, key, unit in self._store.live():
            self._publisher.add([_document(key, file_key, unit)])
        self.summary.notes.append("the derived indexes were built anew from the store")

    def encode(self) -> None:
        """Give every live unit its vectors, publishing as they come."""
        started = time.monotonic()
        total, _ = self._store.count_unencoded()
        done, after = 0, -1
        while total and (batch := self._store.unencoded(after, _ENCODE_UNITS)):
            after = batch[-1][0]
            self._encode(batch)
            done += len(batch)
            self._report(Progress("Encoding", done, total, "units"))
            if self._due():
                self._publish(None)
        self._publish(None)
        self._time("encode", started)

    def sweep(self) -> None:
        """Remove vectors that nothing uses any more."""
        if self.summary.changed or self.summary.removed:
            self._store.sweep()

    # reading

    def _changed(
        self, source: Source, known: dict[str, KnownFile], seen: set[str], skipped: list[Skipped]
    ) -> Iterator[tuple[_Work, SourceFile]]:
        """Yield the files whose content differs from what the store has."""
        stamps: dict[int, str] = {}
        for count, entry in enumerate(source.entries(), 1):
            self._report(Progress("Reading", count, None, "files"))
            if isinstance(entry, Skipped):
                skipped.append(entry)
                continue
            if entry.path in seen:
                skipped.append(Skipped(source.name, entry.path, SkipReason.MALFORMED, "another file has this path"))
                continue
            before = known.get(entry.path)
            if before is not None and entry.stamp and entry.stamp == before.stamp:
                seen.add(entry.path)
                self.summary.unchanged += 1
                continue
            file = entry.read()
            if isinstance(file, Skipped):
                skipped.append(file)
                continue
            seen.add(entry.path)
            content_hash = _content_hash(file)
            if before is not None and before.content_hash == content_hash:
                stamps[before.key] = entry.stamp
                self.summary.unchanged += 1
                continue
            yield _Work(entry, content_hash, before), file
        self._store.restamp(stamps)

    def _stage(self, batch: Sequence[tuple[_Work, SourceFile, ParsedFile]]) -> None:
        """Write a batch of parsed files to the store and to the BM25 index."""
        staged = self._store.stage([_record(work, file, parsed) for work, file, parsed in batch])
        self._publisher.remove(work.known.key for work, _, _ in batch if work.known is not None)
        for (work, file, parsed), (file_key, unit_keys) in zip(batch, staged, strict=True):
            self._publisher.add(_documents(file_key, unit_keys, parsed))
            self._count(file, parsed, changed=work.known is not None)

    def _count(self, file: SourceFile, parsed: ParsedFile, *, changed: bool) -> None:
        summary = self.summary
        summary.changed += changed
        summary.added += not changed
        summary.units += len(parsed.fields["units"])
        summary.bytes += len(file.content)
        summary.redactions += parsed.fields["redactions"]
        if parsed.failure:
            summary.notes.append(f"{file.path}: {parsed.failure}; it is indexed by lines")

    def _resume(self) -> None:
        """Put what an interrupted run staged or encoded back on its way: it is live with the next generation."""
        for file_key, key, unit in self._store.staged():
            self._publisher.add([_document(key, file_key, unit)])
        self._publisher.remove(self._store.superseded())
        self._restore_vectors()

    # encoding

    def _encode(self, batch: Sequence[tuple[int, Unit]]) -> None:
        """Encode units block by block, reusing vectors of blocks that the store knows."""
        encoder = self._encoder
        tokens = encoder.tokenise([unit.text for _, unit in batch])
        plans = [
            plan_unit(encoder, unit_tokens, unit.text, unit.start_line, unit.cuts, self._depth)
            for (_, unit), unit_tokens in zip(batch, tokens, strict=True)
        ]
        wanted = {key: ids for plan in plans for key, ids in zip(plan.keys, plan.token_ids, strict=True)}
        stored = self._store.known_vectors(list(wanted))
        missing = [key for key in wanted if key not in stored]
        vectors = dict(zip(missing, encoder.encode([wanted[key] for key in missing], self._depth), strict=True))
        self.summary.tokens += sum(len(wanted[key]) for key in missing)
        self._store.save_vectors(
            UnitVectors(key, plan.blocks, plan.keys, {k: vectors[k] for k in plan.keys if k in vectors})
            for (key, _), plan in zip(batch, plans, strict=True)
        )
        self.summary.encoded += len(batch)
        self._add_unit_vectors([key for key, _ in batch])

    def _add_unit_vectors(self, keys: Sequence[int]) -> None:
        blocks = self._store.blocks(keys)
        vectors = [aggregate(np.stack([vector for _, vector in blocks[key]])) for key in keys]
        self._publisher.add_vectors(keys, vectors)

    def _restore_vectors(self) -> None:
        """Queue the vectors that are stored but in no published segment."""
        held = self._publisher.held_keys()
        after = -1
        while batch := self._store.encoded(after, _ENCODE_UNITS):
            after = batch[-1]
            missing = np.setdiff1d(np.array(batch, dtype=np.int64), held)
            self._add_unit_vectors(missing.tolist())
            if self._publisher.crowded:
                self._publish(None)

    # publishing

    def _due(self) -> bool:
        return self._publisher.crowded or time.monotonic() - self._published_at >= self._publish_after

    def _publish(self, change: SourceReport | Forgotten | None) -> None:
        if change is None and not self._publisher.pending:
            return
        self._publisher.publish(change)
        self._published_at = time.monotonic()
        self._publish_after *= 2

    def _time(self, step: str, started: float) -> None:
        self.summary.seconds[step] = self.summary.seconds.get(step, 0.0) + time.monotonic() - started

    def _refuse_other_location(self, source: Source) -> None:
        before = self._store.source(source.name)
        if before is not None and before.indexed_at and before.location != source.location:
            raise UsageError(
                f"the index has a source {source.name!r} already, from {before.location}; "
                "give this one another name with --name, or remove that one with `fathom remove`"
            )

    def _refuse_other_model(self, folder: Path) -> None:
        with self._store.snapshot() as manifest:
            made_with = manifest.fingerprint if manifest else self._encoder.fingerprint
        if made_with != self._encoder.fingerprint:
            raise IndexIncompatible(f"the index {folder} was made with another model; {REINDEX}")


def _below(path: str, closed: Sequence[str]) -> bool:
    """Tell whether a path is, or lies in, one that could not be read: what was known of it stays."""
    return any(path == entry.rstrip("/") or (entry.endswith("/") and path.startswith(entry)) for entry in closed)


def _content_hash(file: SourceFile) -> bytes:
    """Return what tells two versions of a file apart: its bytes and what the source says of it."""
    digest = hashlib.blake2b(file.content, digest_size=16)
    digest.update("\0".join(("", file.language or "", file.symbol, file.docstring)).encode("utf-8", "surrogatepass"))
    return digest.digest()


def _row(source: Source) -> SourceRow:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return SourceRow(source.name, source.kind, source.location, source.revision, now)


def _record(work: _Work, file: SourceFile, parsed: ParsedFile) -> FileRecord:
    fields = parsed.fields
    units = tuple(
        Unit(
            id=row[0],
            repository=file.repository,
            path=file.path,
            language=fields["language"],
            kind=Kind(row[1]),
            symbol=row[2],
            signature=row[3],
            docstring=row[4],
            start_line=row[5],
            end_line=row[6],
            text=row[7],
            cuts=tuple(row[8]),
        )
        for row in fields["units"]
    )
    return FileRecord(
        repository=file.repository,
        path=file.path,
        language=fields["language"],
        stamp=work.entry.stamp,
        content_hash=work.content_hash,
        size=len(file.content),
        parsed=fields["parsed"],
        redactions=fields["redactions"],
        units=units,
        sketches=tuple(bytes.fromhex(row[12]) for row in fields["units"]),
    )


def _documents(file_key: int, unit_keys: Sequence[int], parsed: ParsedFile) -> Iterator[LexicalDocument]:
    path = parsed.fields["path"]
    for key, row in zip(unit_keys, parsed.fields["units"], strict=True):
        yield LexicalDocument(key, file_key, row[9], path, row[10], row[11])


def _document(key: int, file_key: int, unit: Unit) -> LexicalDocument:
    return LexicalDocument(
        key,
        file_key,
        index_terms(unit.symbol),
        index_terms(unit.path),
        index_terms(unit.docstring),
        index_terms(unit.text),
    )


def _batches(
    items: Iterable[tuple[_Work, SourceFile, ParsedFile]], size: int
) -> Iterator[list[tuple[_Work, SourceFile, ParsedFile]]]:
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
