"""An index as readers and builders hold it: a folder with a store and the indexes derived from it.

Ranks nothing and parses no query.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from indexer.backends import Backends
from indexer.combining import CodeWeights
from indexer.encoder.interface import Encoder
from indexer.errors import IndexBusy, IndexDamaged, IndexMissing, UsageError
from indexer.lexical.interface import LexicalIndex
from indexer.lexical.unreachable import Unreachable
from indexer.progress import Report, Summary, silent
from indexer.settings import Settings
from indexer.store.interface import Catalogue, CodeRewriting, Keys, Store
from indexer.store.manifest import REPAIR, Fault, Manifest, faults
from indexer.vectors.interface import VectorIndex

if TYPE_CHECKING:  # writing costs a tenth of a second to import, and readers never need it
    from indexer.pipeline import Pipeline
    from indexer.sources.interface import Source
    from indexer.workers.interface import Workers

# For so long deepening keeps the writer lock: who wants to index waits no longer.
_DEEPEN_SECONDS = 20.0
_RETRY_SECONDS = 0.5
# A publish can replace files between the reading of the manifest and the opening of what it names.
_OPEN_TRIES = 3
# Up to so many units a reader of a server keeps the heads and vectors of all; those that it reads ahead at a time.
_READ_AHEAD, _AT_ONCE = 100_000, 10_000

_One = TypeVar("_One")
_Other = TypeVar("_Other")


@dataclass(frozen=True)
class View:
    """One generation, opened: everything read through it is of one state."""

    store: Store
    manifest: Manifest
    lexical: LexicalIndex
    vectors: VectorIndex
    askers: ThreadPoolExecutor | None = None

    def at_once(self, one: Callable[[], _One], other: Callable[[], _Other]) -> tuple[_One, _Other]:
        """Return what two calls return: asked of servers, which answer side by side, they are waited for together."""
        if self.askers is None:
            return one(), other()
        waiting = self.askers.submit(other)
        return one(), waiting.result()

    @cached_property
    def catalogue(self) -> Catalogue:
        """Every live unit by its filterable fields, read at first use."""
        return self.store.catalogue()

    def read_ahead(self) -> None:
        """Read what queries look at, once: worth it for who is asked often, and takes seconds.

        That is the catalogue, and of a server's units, where all of them are kept, heads and vectors.
        """
        keys = self.catalogue.keys
        if self.askers is None or len(keys) > _READ_AHEAD:
            return
        for start in range(0, len(keys), _AT_ONCE):
            batch = keys[start : start + _AT_ONCE]
            self.store.heads(batch.tolist())
            self.vectors.vectors(batch)

    def texts(self, keys: Keys | None) -> Iterator[tuple[int, str]]:
        """Yield (key, text) of units, all by default, ascending by key; a server is asked only for what is not kept."""
        return self.store.texts(self.catalogue.keys if keys is None and self.askers is not None else keys)

    def rewritings(self, keys: Sequence[int]) -> dict[int, CodeRewriting]:
        """Return what was written for those of the units that have it; raise IndexDamaged for an altered row."""
        return self.store.rewritings(keys) if self._rewritten else {}

    @cached_property
    def _rewritten(self) -> bool:
        """Whether anything was written: most indexes need not be asked with every query."""
        return self.store.any_rewritings()

    @cached_property
    def wordless(self) -> View:
        """The same generation without its BM25 index: for as long as nobody answers who has that."""
        return replace(self, lexical=Unreachable(self.manifest.documents, lambda: self.catalogue.keys))


class Index:
    """A readable index in `folder`; safe to share between threads."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder = folder
        self._backends = Backends(folder, settings)
        self.store = self._backends.open_store()
        self._lock = threading.Lock()
        self._view: View | None = None
        self.summary: Summary | None = None

    @classmethod
    def open(cls, folder: Path | str | None = None, settings: Settings | None = None) -> Index:
        """Open an index for reading; raise IndexMissing, IndexIncompatible or IndexDamaged."""
        settings = settings or Settings()
        index = cls(Path(folder) if folder is not None else settings.index, settings)
        with index.view():
            return index

    @classmethod
    def build(
        cls,
        folder: Path | str | None,
        sources: Sequence[str],
        *,
        settings: Settings | None = None,
        encoder: Encoder | None = None,
        report: Report = silent,
    ) -> Index:
        """Add or refresh sources (paths, URLs, corpus files) and return the index; `summary` says what was done.

        Units come to the settings' depth; UsageError where the encoder has none such.
        """
        settings = settings or Settings()
        path = Path(folder) if folder is not None else settings.index
        opened = [_open(source, settings) for source in sources]
        with writing(path, settings, encoder, report) as pipeline:
            for source in opened:
                pipeline.refresh(source)
            pipeline.encode()
            pipeline.deepen()
            pipeline.sweep()
        index = cls.open(path, settings)
        index.summary = pipeline.summary
        return index

    @property
    def place(self) -> str:
        """Where the index is: its folder, or the name that it has in a cluster."""
        return self._backends.place

    def size(self) -> int:
        """Return the bytes that it takes on disk, wherever that is."""
        return self._backends.size()

    def close(self) -> None:
        """Free what the calling thread holds."""
        self.store.close()

    @contextmanager
    def view(self) -> Iterator[View]:
        """Pin the newest generation for a few reads; raise IndexMissing when nothing was published yet."""
        for last in (*[False] * (_OPEN_TRIES - 1), True):
            with self.store.snapshot() as manifest:
                if manifest is None:
                    raise IndexMissing(f"the index {self.place} is empty as yet; run `fathom index SOURCE`")
                try:
                    view = self._opened(manifest)
                except IndexDamaged:
                    if last or not self._superseded(manifest):
                        raise
                    continue
                yield view
                return

    def _superseded(self, manifest: Manifest) -> bool:
        """Tell whether a newer generation exists, seen from outside this thread's snapshot."""
        with ThreadPoolExecutor(1) as other:
            return other.submit(self._newest).result() != manifest.generation

    def _newest(self) -> int:
        try:
            with self.store.snapshot() as manifest:
                return manifest.generation if manifest else 0
        finally:
            self.store.close()

    def _opened(self, manifest: Manifest) -> View:
        with self._lock:
            if self._view is None or self._view.manifest != manifest:
                self._view = self._open(manifest)
            return self._view

    def _open(self, manifest: Manifest) -> View:
        self._backends.refuse_other(manifest)
        found = faults(self.folder, manifest)
        if found:
            raise IndexDamaged(_words(self.place, found))
        vectors = self._backends.open_vectors(manifest)
        return View(self.store, manifest, self._backends.open_lexical(manifest), vectors, self._backends.askers)


@contextmanager
def writing(
    folder: Path,
    settings: Settings,
    encoder: Encoder | None = None,
    report: Report = silent,
    *,
    brief: bool = False,
    workers: Workers | None = None,
) -> Iterator[Pipeline]:
    """Hold the writer lock and yield a pipeline on the index in `folder`, made if there is none.

    Other writers wait for a `brief` one, and it does not wait for them. `workers` parse and encode; without them those
    that the settings name are there for as long as the pipeline.
    """
    from indexer.pipeline import Pipeline
    from indexer.workers.factory import hired

    backends = Backends(folder, settings)
    with backends.written_store(brief=brief) as store:
        encoder = encoder or load_encoder(settings)
        weights = CodeWeights.of(settings)
        anew = repair_needed(backends, store) or _weighed_otherwise(store, weights)
        with hired(settings, encoder) if workers is None else nullcontext(workers) as crew:
            pipeline = Pipeline(
                backends, store, encoder, crew, depth=settings.depth, report=report, fresh=anew, weights=weights
            )
            with closing(pipeline):
                yield pipeline


def deepen(
    folder: Path,
    settings: Settings,
    encoder: Encoder | None = None,
    report: Report = silent,
    *,
    wait: bool = False,
    workers: Workers | None = None,
) -> Summary:
    """Bring every unit to the settings' depth, the model's deepest by default, letting other writers in between.

    Raises IndexMissing where there is nothing to deepen, and IndexBusy where another writer is at work already, unless
    it is to `wait`. A run that is stopped loses nothing: the next one goes on.
    """
    if workers is None:
        from indexer.workers.factory import hired

        Index.open(folder, settings).close()
        encoder = encoder or load_encoder(settings)
        with hired(settings, encoder) as crew:
            return deepen(folder, settings, encoder, report, wait=wait, workers=crew)
    total, finished = Summary(), False
    while not finished:
        try:
            with writing(folder, settings, encoder, report, brief=True, workers=workers) as pipeline:
                finished = pipeline.deepen(_DEEPEN_SECONDS)
                if finished:
                    pipeline.sweep(always=True)
        except IndexBusy:
            if not wait:
                raise
            time.sleep(_RETRY_SECONDS)
            continue
        wait = True
        total.add(pipeline.summary)
        if not finished:
            time.sleep(_RETRY_SECONDS)  # whoever waits for the lock has it now
    return total


def repair_needed(backends: Backends, store: Store) -> bool:
    """Tell whether a derived file or index is missing or damaged, so that all of them are to be built anew."""
    with store.snapshot() as manifest:
        return manifest is not None and bool(backends.faults(manifest))


def _weighed_otherwise(store: Store, weights: CodeWeights) -> bool:
    """Tell whether rewritings were combined with other weights, so that what is derived is to be built anew."""
    with store.snapshot() as manifest:
        return manifest is not None and manifest.weights != astuple(weights) and store.any_rewritings()


def load_encoder(settings: Settings, threads: int | None = None) -> Encoder:
    """Load the encoder that the settings name, or the shipped one; its own code runs if the settings name it for that.

    `threads` is how many cores it may take, all by default. With a cluster the device is that of its nodes: here texts
    are tokenised and encoded at exit 0 only. Raises as `indexer.encoder.factory.open_encoder`.
    """
    from indexer.encoder.factory import open_encoder

    trusted, folder = settings.trust_remote_code, settings.model
    if trusted is not None and (folder is None or trusted.resolve() != folder.resolve()):
        raise UsageError(f"the code of {trusted} is trusted, and the model is {folder or 'the shipped one'}")
    device = "cpu" if settings.ray else settings.device
    return open_encoder(folder, trusted=trusted is not None, threads=threads, device=device)


def _open(source: str, settings: Settings) -> Source:
    from indexer.sources.factory import open_source

    return open_source(
        source,
        cache=settings.cache,
        include_vendored=settings.include_vendored,
        max_bytes=settings.max_file_bytes,
    )


def _words(place: str, found: Sequence[Fault]) -> str:
    first = found[0]
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"the index {place} is damaged: {first.path}: {first.problem}{more}; {REPAIR}"
