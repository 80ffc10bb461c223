"""Moving an index to other back ends, from what its store has: nothing is parsed or encoded again."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from indexer.backends import Backends
from indexer.combining import CodeWeights
from indexer.encoder.interface import Encoder
from indexer.errors import IndexDamaged, IndexMissing, UsageError
from indexer.index import Index, load_encoder
from indexer.pipeline import Pipeline
from indexer.progress import Report, silent
from indexer.settings import Settings
from indexer.store.manifest import REPAIR, Manifest, faults
from indexer.workers.local import LocalWorkers


def migrate(folder: Path, settings: Settings, encoder: Encoder | None = None, report: Report = silent) -> Manifest:
    """Move the words of an index to the back end of the settings; return the generation that has it there.

    Readers of the old generation go on until they meet the new one. Raises UsageError where it is there already,
    IndexMissing where there is none, and IndexDamaged for one that is to be repaired first.
    """
    backends = Backends(folder, settings)
    if not folder.is_dir():
        raise IndexMissing(f"there is no index at {folder}; make one with `fathom index SOURCE`")
    backends.open_store().close()
    with backends.written_store() as store:
        with store.snapshot() as manifest:
            weights = CodeWeights(*_movable(folder, manifest, backends).weights)
        encoder = encoder or load_encoder(settings)
        workers = LocalWorkers(encoder, 1)
        pipeline = Pipeline(backends, store, encoder, workers, report=report, moved=True, weights=weights)
        with closing(pipeline):
            pipeline.publish()
    Index.open(folder, settings).close()
    assert pipeline.manifest is not None
    return pipeline.manifest


def _movable(folder: Path, manifest: Manifest | None, backends: Backends) -> Manifest:
    """Return the manifest of an index that can be moved; raise what `migrate` does for another."""
    if manifest is None:
        raise IndexMissing(f"the index {folder} is empty as yet; run `fathom index SOURCE`")
    if manifest.backend is backends.kind:
        raise UsageError(f"the words of the index {folder} are in the back end {manifest.backend.value} already")
    vectors = manifest.model_copy(update={"lexical_files": ()})
    found = faults(folder, vectors)
    if found:
        raise IndexDamaged(f"{found[0].path}: {found[0].problem}; before it is moved, {REPAIR}")
    return manifest
