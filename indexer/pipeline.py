"""The write path as named steps: read what changed, parse, stage, publish BM25, encode, publish vectors.

A run can be stopped anywhere: what was staged or encoded is kept and the next run goes on from it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import closing, contextmanager
from dataclasses import dataclass

import numpy as np

from indexer.backends import Backends
from indexer.batching import batched
from indexer.combining import CodeWeights
from indexer.encoder.aggregate import aggregate
from indexer.encoder.interface import Encoder, Ids, Vectors, check_depth
from indexer.encoder.units import UnitPlan, plan_unit, tokenise_units
from indexer.errors import EnvironmentFailed, OutOfMemory, UsageError
from indexer.expansion import Expansion
from indexer.keys import among
from indexer.lexical.interface import LexicalDocument
from indexer.progress import Progress, Report, Summary, silent
from indexer.publishing import Publisher
from indexer.records import content_hash, file_record, source_row
from indexer.sources.interface import Entry, Source
from indexer.splitting.pool import ParsedFile
from indexer.store.interface import Forgotten, Keys, KnownFile, SourceReport, Store, UnitVectors
from indexer.store.manifest import Manifest, refuse_other_model
from indexer.types import Skipped, SkipReason, SourceFile, Unit
from indexer.workers.interface import Workers

# Files staged in one transaction: bounds what a kill can cost and the memory in use.
_STAGE_FILES = 200
# Units encoded between two writes: what a kill can cost.
_ENCODE_UNITS = 256
# The token table is a hundred times faster: its writes would take longer than it does.
_STATIC_UNITS = 2_048
# Where deepening may be asked to halt, it is asked after so many: a saved file waits so long at most.
_HALT_UNITS = 16
# So few units go to the wanted depth at once: a shallow generation before it would only be in the way.
_AT_ONCE = 256
# The first early publish comes after this; each later one after twice the time of the one before.
_FIRST_PUBLISH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Work:
    entry: Entry
    digest: bytes
    known: KnownFile | None


@dataclass(frozen=True, slots=True)
class _Batch:
    """Units on their way to vectors: each one's key and plan, and the tokens of the blocks that have none as yet."""

    plans: list[tuple[int, UnitPlan]]
    missing: dict[bytes, Ids]


@dataclass(slots=True)
class _Until:
    """How long units are taken up: some seconds, or until it is to halt; one batch is always done."""

    started: float
    seconds: float | None
    halt: Callable[[], bool] | None
    begun: bool = False

    def reached(self) -> bool:
        """Tell whether nothing more is to begin."""
        over = self.seconds is not None and time.monotonic() - self.started >= self.seconds
        return self.begun and (over or bool(self.halt and self.halt()))


class Pipeline:
    """One run of indexing into `backends`; the caller holds the writer lock."""

    def __init__(
        self,
        backends: Backends,
        store: Store,
        encoder: Encoder,
        workers: Workers,
        *,
        depth: int | None = None,
        report: Report = silent,
        fresh: bool = False,
        weights: CodeWeights = CodeWeights(),  # noqa: B008 - it never changes
        moved: bool = False,
    ) -> None:
        """Prepare a run to `depth`, the model's deepest by default; raise UsageError where it has no exit.

        `weights` say how much what was written for a unit counts beside its code. What is derived is made anew where it
        is to be `fresh`, and only the words where they are `moved` elsewhere.
        """
        self._store = store
        self._encoder = encoder
        self._depth = encoder.depths[-1] if depth is None else depth
        check_depth(self._depth, encoder.depths)
        self._report = report
        self._workers = workers
        self._refuse_other_model(backends.place)
        self._publisher = Publisher(backends, store, encoder, fresh=fresh, moved=moved, weights=weights)
        self._expansion = Expansion(store, encoder, weights)
        self._under_way = _Batch([], {})
        self.summary = Summary()
        self._publish_after = _FIRST_PUBLISH_SECONDS
        self._published_at = time.monotonic()
        try:
            if fresh or moved:
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
        whole = self._is_whole(source)
        self._publish(None)
        self._store.announce(source_row(source))
        known = self._store.known_files(source.name)
        skipped: list[Skipped] = []
        seen: set[str] = set()
        with closing(self._workers.parse(self._changed(source, known, seen, skipped))) as parsed:
            for batch in batched(parsed, _STAGE_FILES):
                self._stage(batch)
                # What is whole already changes in one publish: nobody searches half a branch.
                if not whole and self._due():
                    self._publish(None)
        closed = tuple(entry.path for entry in skipped if entry.reason is SkipReason.UNREADABLE)
        gone = [file.key for path, file in known.items() if path not in seen and not _below(path, closed)]
        self._publisher.remove(gone)
        self._publish(SourceReport(source_row(source), tuple(skipped)))
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
        """Make the words anew from the store; the publisher was opened fresh, or for words that move."""
        self._publisher.add(self._expansion.documents(self._store.live()))
        self.summary.notes.append("the derived indexes were built anew from the store")

    def encode(self) -> None:
        """Give every live unit vectors, publishing as they come: at the cheapest depth, where many have none."""
        cheapest = min(self._encoder.depths[0], self._depth)
        few = self._store.count_shallower(cheapest) <= _AT_ONCE
        self._bring_to(self._depth if few else cheapest, "Encoding", below=cheapest)

    def deepen(self, seconds: float | None = None, halt: Callable[[], bool] | None = None) -> bool:
        """Bring the units that are shallower to the run's depth, most useful first; tell whether all are there.

        After `seconds`, or as soon as it is to `halt`, what was done is published and the rest is left for another run.
        """
        return self._bring_to(self._depth, "Deepening", below=self._depth, seconds=seconds, halt=halt)

    def _bring_to(
        self,
        depth: int,
        step: str,
        *,
        below: int,
        seconds: float | None = None,
        halt: Callable[[], bool] | None = None,
    ) -> bool:
        """Encode at `depth` the units that have no vectors, or only of less than `below`; tell whether all were."""
        started = time.monotonic()
        missing = self._store.count_shallower(below)
        size = _STATIC_UNITS if depth == 0 else _HALT_UNITS if halt else _ENCODE_UNITS
        until, done = _Until(started, seconds, halt), 0
        # One after the other: what is under way of the first would be found again by the second.
        for useful in (True, False) if missing else ():
            planned = self._planned(below, depth, size, until, useful=useful)
            with self._named_where_too_large(), closing(self._workers.encode(planned, depth)) as encoded:
                for batch, made in encoded:
                    self._keep(batch, made, depth)
                    done += len(batch.plans)
                    self._report(Progress(f"{step} at depth {depth}", done, missing, "units"))
                    if self._due():
                        self._publish(None)
        self._publish(None)
        self._note_shortage()
        self._time(step.lower(), started)
        return not until.reached()

    @property
    def deep(self) -> bool:
        """Whether every live unit has vectors of the run's depth or more."""
        return not self._store.count_shallower(self._depth)

    def sweep(self, *, always: bool = False) -> None:
        """Remove vectors that nothing uses any more: of units that are gone, and of those that were deepened.

        A run that changed nothing leaves that out, but `always`: one before it may have been stopped too early.
        """
        if always or self.summary.changed or self.summary.removed or self.summary.encoded:
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
            digest = content_hash(file)
            if before is not None and before.content_hash == digest:
                stamps[before.key] = entry.stamp
                self.summary.unchanged += 1
                continue
            yield _Work(entry, digest, before), file
        self._store.restamp(stamps)

    def _stage(self, batch: Sequence[tuple[_Work, SourceFile, ParsedFile]]) -> None:
        """Write a batch of parsed files to the store and to the BM25 index."""
        staged = self._store.stage(
            [file_record(file, parsed, stamp=work.entry.stamp, digest=work.digest) for work, file, parsed in batch]
        )
        self._publisher.remove(work.known.key for work, _, _ in batch if work.known is not None)
        for (work, file, parsed), (file_key, unit_keys) in zip(batch, staged, strict=True):
            self._publisher.add(self._documents(file_key, unit_keys, parsed))
            self._count(file, parsed, changed=work.known is not None)

    def _documents(self, file_key: int, unit_keys: Sequence[int], parsed: ParsedFile) -> Iterator[LexicalDocument]:
        """Yield a parsed file's units with the terms that the parser made, and those of what was written for them."""
        path, written = parsed.fields["path"], self._expansion.written(unit_keys)
        for key, row in zip(unit_keys, parsed.fields["units"], strict=True):
            body = self._expansion.body(row[7], written[key]) if key in written else row[11]
            yield LexicalDocument(key, file_key, row[9], path, row[10], body)

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
        self._publisher.add(self._expansion.documents(self._store.staged()))
        superseded = self._store.superseded()
        self._publisher.remove(superseded)
        self._replace_rewritten(set(superseded))
        self._restore_vectors()

    def _replace_rewritten(self, removed: Set[int]) -> None:
        """Put the units for which something else was written in their places, but those of files that go."""
        relinked = [each for each in self._store.relinked() if each[0] not in removed]
        for file_key in dict.fromkeys(file_key for file_key, _, _ in relinked):
            units = self._store.units(self._store.unit_keys([file_key]).tolist())
            self._publisher.replace(
                file_key, self._expansion.documents((file_key, key, unit) for key, unit in units.items())
            )
        for depth in sorted({depth for _, _, depth in relinked if depth is not None}):
            keys = np.array([key for _, key, at in relinked if at == depth], dtype=np.int64)
            # The others are in no segment as yet: they are restored with all such.
            self._add_stored(keys[among(keys, self._publisher.held_keys(depth))].tolist(), depth)

    # encoding

    def _planned(
        self, below: int, depth: int, size: int, until: _Until, *, useful: bool
    ) -> Iterator[tuple[_Batch, list[Ids]]]:
        """Yield batches of units, and the tokens of those of their blocks that the store does not know."""
        after = -1
        while not until.reached() and (units := self._store.shallower(below, after, size, useful=useful)):
            after, until.begun = units[-1][0], True
            self._under_way = batch = self._plan(units, depth)
            yield batch, list(batch.missing.values())

    def _plan(self, units: Sequence[tuple[int, Unit]], depth: int) -> _Batch:
        tokens = tokenise_units(self._encoder, [(unit.path, unit.symbol, unit.text) for _, unit in units])
        plans = [
            (key, plan_unit(self._encoder, text, head, unit.text, unit.start_line, unit.cuts, depth))
            for (key, unit), (text, head) in zip(units, tokens, strict=True)
        ]
        wanted = {key: ids for _, plan in plans for key, ids in zip(plan.keys, plan.token_ids, strict=True)}
        stored = self._store.known_vectors(list(wanted))
        return _Batch(plans, {key: ids for key, ids in wanted.items() if key not in stored})

    def _keep(self, batch: _Batch, made: Vectors, depth: int) -> None:
        """Store the vectors of a batch's missing blocks, and queue those of its units."""
        # As the store keeps them, so that what is built from it is the same.
        vectors = dict(zip(batch.missing, made.astype(np.float16).astype(np.float32), strict=True))
        self.summary.tokens += sum(map(len, batch.missing.values()))
        self._store.save_vectors(
            UnitVectors(key, depth, plan.blocks, plan.keys, {k: vectors[k] for k in plan.keys if k in vectors})
            for key, plan in batch.plans
        )
        self.summary.encoded += len(batch.plans)
        self._add_unit_vectors(batch.plans, vectors, depth)

    @contextmanager
    def _named_where_too_large(self) -> Iterator[None]:
        """Name the unit of a block for which this machine has too little memory: the batch begun last holds it."""
        try:
            yield
        except OutOfMemory as error:
            batch = self._under_way
            block = list(batch.missing)[error.row]
            key = next(key for key, plan in batch.plans if block in plan.keys)
            unit = self._store.units([key])[key]
            where = f"{unit.path}, lines {unit.start_line} to {unit.end_line}"
            raise EnvironmentFailed(f"{where}: {error}; what was done is kept") from error

    def _note_shortage(self) -> None:
        """Say once what the encoder made smaller for want of memory."""
        shortage = self._encoder.shortage
        if shortage and shortage not in self.summary.notes:
            self.summary.notes.append(shortage)

    def _add_unit_vectors(
        self, units: Sequence[tuple[int, UnitPlan]], vectors: Mapping[bytes, Vectors], depth: int
    ) -> None:
        """Queue the vectors of units whose blocks were encoded now; those of others are read from the store."""
        now = [(key, plan) for key, plan in units if all(block in vectors for block in plan.keys)]
        joined = [self._aggregate([vectors[block] for block in plan.keys]) for _, plan in now]
        self._add_vectors([key for key, _ in now], joined, depth)
        known = {key for key, _ in now}
        self._add_stored([key for key, _ in units if key not in known], depth)

    def _add_stored(self, keys: Sequence[int], depth: int) -> None:
        blocks = self._store.blocks(keys)
        self._add_vectors(keys, [self._aggregate([vector for _, vector in blocks[key]]) for key in keys], depth)

    def _add_vectors(self, keys: Sequence[int], originals: Sequence[Vectors], depth: int) -> None:
        self._publisher.add_vectors(keys, self._expansion.vectors(keys, originals, depth), depth)

    def _aggregate(self, blocks: Sequence[Vectors]) -> Vectors:
        return aggregate(np.stack(blocks), self._encoder.block_scorer)

    def _restore_vectors(self) -> None:
        """Queue the vectors that are stored but in no published segment."""
        held: dict[int, Keys] = {}
        after = -1
        while batch := self._store.encoded(after, _ENCODE_UNITS):
            after = batch[-1][0]
            for depth in sorted({depth for _, depth in batch}):
                if depth not in held:
                    held[depth] = self._publisher.held_keys(depth)
                keys = np.array([key for key, at in batch if at == depth], dtype=np.int64)
                self._add_stored(keys[~among(keys, held[depth])].tolist(), depth)
            if self._publisher.crowded:
                self._publish(None)

    # publishing

    def publish(self) -> None:
        """Publish what an interrupted run staged or encoded, and what was written for units meanwhile, if any was."""
        self._publish(None)

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

    def _is_whole(self, source: Source) -> bool:
        """Tell whether a source was indexed to its end before; raise UsageError if that was another of its name."""
        before = self._store.source(source.name)
        whole = before is not None and bool(before.indexed_at)
        if before is not None and whole and before.location != source.location:
            raise UsageError(
                f"the index has a source {source.name!r} already, from {before.location}; "
                "give this one another name with --name, or remove that one with `fathom remove`"
            )
        return whole

    def _refuse_other_model(self, place: str) -> None:
        with self._store.snapshot() as manifest:
            if manifest is not None:
                refuse_other_model(manifest, self._encoder.name, self._encoder.fingerprint, place)


def _below(path: str, closed: Sequence[str]) -> bool:
    """Tell whether a path is, or lies in, one that could not be read: what was known of it stays."""
    return any(path == entry.rstrip("/") or (entry.endswith("/") and path.startswith(entry)) for entry in closed)
