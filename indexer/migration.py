"""Moving an index to other back ends, from what its store has: nothing is parsed or encoded again."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from indexer.backends import Backends
from indexer.combining import CodeWeights
from indexer.copying import Copy
from indexer.encoder.interface import Encoder
from indexer.errors import IndexDamaged, IndexMissing, UsageError
from indexer.index import Index, load_encoder
from indexer.pipeline import Pipeline
from indexer.progress import Report, silent
from indexer.settings import Backend, Settings
from indexer.store.interface import Store
from indexer.store.manifest import REPAIR, Manifest, faults, refuse_other_model
from indexer.workers.local import LocalWorkers


def migrate(
    folder: Path,
    settings: Settings,
    encoder: Encoder | None = None,
    report: Report = silent,
    *,
    source: Backend | None = None,
) -> Manifest:
    """Move an index to the back end of the settings; return the generation that has it there.

    `source` is the back end that has it, as its folder says by default. Words alone move within a folder, and readers
    of the old generation go on until they meet the new one; what a cluster holds alone is copied from a folder, or into
    it, and the old index stays. Raises UsageError where it is there already, IndexMissing where there is none, and
    IndexDamaged for one that is to be repaired first.
    """
    if settings.backend.alone or (source is not None and source.alone):
        manifest = _copied(folder, settings, encoder, report, source or Backend.EMBEDDED)
    else:
        manifest = _words_moved(folder, settings, encoder, report)
    Index.open(folder, _of(settings, settings.backend)).close()
    return manifest


def _words_moved(folder: Path, settings: Settings, encoder: Encoder | None, report: Report) -> Manifest:
    backends = Backends(folder, settings)
    if not folder.is_dir():
        raise IndexMissing(f"there is no index at {folder}; make one with `fathom index SOURCE`")
    backends.open_store().close()
    with backends.written_store() as store:
        with store.snapshot() as manifest:
            weights = CodeWeights(*_movable(backends, manifest).weights)
        encoder = encoder or load_encoder(settings)
        workers = LocalWorkers(encoder, 1)
        pipeline = Pipeline(backends, store, encoder, workers, report=report, moved=True, weights=weights)
        with closing(pipeline):
            pipeline.publish()
    assert pipeline.manifest is not None
    return pipeline.manifest


def _movable(backends: Backends, manifest: Manifest | None) -> Manifest:
    """Return the manifest of an index that can be moved; raise what `migrate` does for another."""
    if manifest is None:
        raise IndexMissing(f"the index {backends.place} is empty as yet; run `fathom index SOURCE`")
    if manifest.backend is backends.kind:
        raise UsageError(f"the words of the index {backends.place} are in the back end {backends.kind.value} already")
    vectors = manifest.model_copy(update={"lexical_files": ()})
    found = faults(backends.folder, vectors)
    if found:
        raise IndexDamaged(f"{found[0].path}: {found[0].problem}; before it is moved, {REPAIR}")
    return manifest


def _copied(folder: Path, settings: Settings, encoder: Encoder | None, report: Report, source: Backend) -> Manifest:
    if source.alone and settings.backend.alone:
        raise UsageError(f"the index is in the back end {source.value} already")
    old, new = Backends(folder, _of(settings, source)), Backends(folder, _of(settings, settings.backend))
    encoder = encoder or load_encoder(settings)
    with closing(old.open_store()) as reading, reading.snapshot() as manifest:
        if manifest is None:
            raise IndexMissing(f"the index {old.place} is empty as yet; run `fathom index SOURCE`")
        refuse_other_model(manifest, encoder.name, encoder.fingerprint, old.place)
        return copy_into(new, reading, encoder, CodeWeights(*manifest.weights), report)


def copy_into(
    new: Backends, reading: Store, encoder: Encoder, weights: CodeWeights, report: Report = silent
) -> Manifest:
    """Copy what is published in a store to other back ends, or go on with that; return the generation that has it.

    Raises UsageError where another index is there, or this one whole.
    """
    with new.written_store() as store:
        _refuse_taken(new, store, reading)
        workers = LocalWorkers(encoder, 1)
        for _ in ("words", "meaning"):  # what a run that was stopped had staged, and then the vectors of that
            with closing(Pipeline(new, store, encoder, workers, report=report, weights=weights)) as pipeline:
                pipeline.publish()
        Copy(reading, store, encoder, weights).run(new, report)
        with store.snapshot() as moved:
            assert moved is not None
            return moved


def _refuse_taken(backends: Backends, new: Store, old: Store) -> None:
    """Raise UsageError for a place that has another index, or this one whole; a copy that was stopped goes on."""
    there = {source.name: source for source in new.sources()}
    wanted = {source.name: source for source in old.sources()}
    ours = all(name in wanted and wanted[name].location == source.location for name, source in there.items())
    whole = all(name in there and there[name].indexed_at for name, source in wanted.items() if source.indexed_at)
    if there and (whole or not ours):
        raise UsageError(f"there is an index in {backends.place} already; remove it first, or choose another place")


def _of(settings: Settings, backend: Backend) -> Settings:
    """Return the settings of one end of a move: an address is of the one that has a cluster."""
    urls = settings.elasticsearch_url if backend.clustered else ()
    return settings.model_copy(update={"backend": backend, "elasticsearch_url": urls})
