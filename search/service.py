"""What the page, the API and agents ask: one engine on one index, opened when first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, TypeVar

import numpy as np
import xxhash
from pydantic import BaseModel, ConfigDict

from indexer.encoder.interface import Encoder
from indexer.errors import IndexBuilding, IndexMissing, UsageError
from indexer.generators.counting import estimate_tokens
from indexer.index import Index, View, load_encoder
from indexer.settings import Settings
from indexer.store.manifest import Manifest
from indexer.watch_status import WatcherStatus, watchers
from search.batch import BatchQuery, batched
from search.engine import Engine
from search.listing import FileList, list_files
from search.packing import Context, Count, pack
from search.packing import neighbours as beside
from search.retrieval import Mode
from search.types import Answer

_T = TypeVar("_T")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Line(_Model):
    """A line of a file, counted from 1."""

    number: int
    text: str


class File(_Model):
    """A file as far as the index holds it: `lines` ascend, `units` are the ids of the units in it."""

    repository: str
    path: str
    language: str
    lines: tuple[Line, ...]
    units: tuple[str, ...]


class UnitRecord(_Model):
    """A unit with its text, its fields named as a hit's; `purpose` is None where no language model wrote one."""

    id: str
    repository: str
    path: str
    start_line: int
    end_line: int
    language: str
    kind: str
    symbol: str
    signature: str
    docstring: str
    purpose: str | None = None
    text: str


class Source(_Model):
    """A source of the index."""

    name: str
    kind: str
    location: str
    revision: str
    indexed_at: str


class Language(_Model):
    """How much of the index is of one language; `bytes` of source."""

    files: int
    units: int
    bytes: int


class Status(_Model):
    """What the index holds and what it does not.

    `complete` is the share of units that have vectors, `depths` their number by depth, `recall` what approximate
    vector search found of exact search's ten when it was built; `skipped` counts files that are not indexed by
    repository and reason, `unparsed` those cut by lines, `redactions` secrets taken out, `purposes` the units for which
    a language model wrote one. `watchers` keep it up to date.
    """

    generation: int
    created: str
    complete: float
    depths: dict[str, int]
    model: str
    recall: float | None
    files: int
    units: int
    blocks: int
    bytes: int
    unparsed: int
    redactions: int
    purposes: int
    languages: dict[str, Language]
    kinds: dict[str, int]
    skipped: dict[str, dict[str, int]]
    sources: tuple[Source, ...]
    watchers: tuple[WatcherStatus, ...] = ()


class Suggestion(_Model):
    """Something that could be typed on: a `symbol` or a `path`."""

    text: str
    kind: str


def status_of(view: View, kept_by: Sequence[WatcherStatus] = ()) -> Status:
    """Return what the generation that `view` pins holds, and what its watchers say."""
    found, manifest = view.store.statistics(), view.manifest
    return Status(
        generation=manifest.generation,
        created=manifest.created,
        complete=manifest.complete,
        depths={str(depth): count for depth, count in manifest.depths.items()},
        model=manifest.model,
        recall=manifest.recall,
        files=found.files,
        units=found.units,
        blocks=found.blocks,
        bytes=found.bytes,
        unparsed=found.unparsed,
        redactions=found.redactions,
        purposes=found.rewritten,
        languages={
            name: Language(files=files, units=units, bytes=size)
            for name, (files, units, size) in found.languages.items()
        },
        kinds=dict(found.kinds),
        skipped={repository: dict(reasons) for repository, reasons in found.skipped.items()},
        sources=tuple(Source(**asdict(source)) for source in found.sources),
        watchers=tuple(kept_by),
    )


def _record(view: View, key: int) -> UnitRecord:
    found = view.store.units([key])[key]
    written = view.rewritings([key]).get(key)
    fields = {name: getattr(found, name) for name in UnitRecord.model_fields if name != "purpose"}
    return UnitRecord(**{**fields, "kind": found.kind.value, "purpose": written and written.purpose})


class Service:
    """One engine and its index; safe to share between threads.

    A new generation is read as soon as it is published; an index that is not there yet is looked for again.
    """

    def __init__(self, settings: Settings, index: Index | None = None, encoder: Encoder | None = None) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._index, self._encoder = index, encoder
        self._engine: Engine | None = None
        self._names: tuple[Manifest, tuple[tuple[str, str, str], ...]] | None = None

    @property
    def engine(self) -> Engine:
        """The engine; raise IndexMissing, IndexBuilding, IndexIncompatible, IndexDamaged or ModelDamaged."""
        with self._lock:
            if self._engine is None:
                self._index = self._index or self._open()
                self._encoder = self._encoder or load_encoder(self.settings)
                self._engine = Engine(self._index, self._encoder, self.settings)
            return self._engine

    def search(
        self,
        text: str,
        k: int = 10,
        offset: int = 0,
        *,
        mode: Mode | str = Mode.HYBRID,
        rank: bool = True,
        rewrite_ms: int = 0,
    ) -> Answer:
        """Return hits `offset` to `offset` + `k`, as `Engine.search` does; raise QueryError or UsageError."""
        return self.engine.search(text, k, offset=offset, mode=mode, rank=rank, rewrite_ms=rewrite_ms)

    def read_ahead(self) -> None:
        """Read what queries look at, as `View.read_ahead` does; raise as a search does."""
        self._read(View.read_ahead)

    def batch(
        self, lines: Iterable[str | bytes], defaults: Mapping[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield the answers to a batch as `search.batch.batched` does; raise at once where there is no index."""
        self.generation()
        return batched(self.engine, lines, defaults, self._packed)

    def context(
        self, answer: Answer, budget: int, *, neighbours: bool = False, count: Count = estimate_tokens
    ) -> Context:
        """Return an answer's hits as a context of at most `budget` tokens, as `search.packing.pack` does.

        With `neighbours` the heads of their classes and the units that follow them fill it up. `count` says how many
        tokens a text has: a language model's own tokeniser, say.
        """
        if not neighbours:
            return pack(answer.hits, budget, count=count)
        return self._read(lambda view: pack(answer.hits, budget, count=count, beside=partial(beside, view.store)))

    def _packed(self, answer: Answer, query: BatchQuery) -> Context:
        return self.context(answer, query.budget or 0, neighbours=query.neighbours)

    def similar(self, unit_id: str, k: int = 10) -> Answer:
        """Return the units most like one; raise UsageError for an id that the index does not have."""
        unit = self.unit(unit_id)
        return self.engine.similar(unit.path, unit.start_line, k, repository=unit.repository)

    def unit(self, unit_id: str) -> UnitRecord:
        """Return a unit; raise UsageError for an id that the index does not have."""

        def read(view: View) -> UnitRecord:
            key = view.store.key_of(unit_id)
            if key is None:
                raise UsageError(f"no unit has the id {unit_id!r}; a new version of its file has new ones")
            return _record(view, key)

        return self._read(read)

    def unit_at(self, path: str, line: int) -> UnitRecord:
        """Return the unit at a line of a path, which may begin with its repository; raise UsageError for none."""

        def read(view: View) -> UnitRecord:
            keys = view.store.unit_at(path, line, None)
            for source in () if keys else view.store.sources():
                if path.startswith(f"{source.name}/"):
                    keys = keys or view.store.unit_at(path.removeprefix(f"{source.name}/"), line, source.name)
            if not keys:
                raise UsageError(f"no unit of the index holds line {line} of {path}")
            return _record(view, keys[0])

        return self._read(read)

    def file(self, repository: str, path: str) -> File:
        """Return a file's units put together; raise UsageError for one that the index does not have."""

        def read(view: View) -> File:
            catalogue = view.catalogue
            numbers = [n for n, file in enumerate(catalogue.files) if file[:2] == (repository, path)]
            heads = view.store.heads(catalogue.keys[np.isin(catalogue.file, numbers)].tolist())
            if not heads:
                raise UsageError(f"the index has no file {path!r} in {repository!r}")
            units = view.store.units(list(heads))
            lines = {
                number: text
                for unit in sorted(units.values(), key=lambda unit: (unit.start_line, -unit.end_line))
                for number, text in enumerate(unit.text.split("\n"), unit.start_line)
            }
            return File(
                repository=repository,
                path=path,
                language=next(iter(heads.values())).language,
                lines=tuple(Line(number=number, text=lines[number]) for number in sorted(lines)),
                units=tuple(head.id for head in heads.values()),
            )

        return self._read(read)

    def status(self) -> Status:
        """Return what the newest generation holds."""
        return self._read(lambda view: status_of(view, self.watchers()))

    def watchers(self) -> tuple[WatcherStatus, ...]:
        """Return what those say who keep the index up to date, the index being there or not; none where nobody does."""
        return watchers(self._index.folder if self._index else self.settings.index)

    def suggest(self, prefix: str, limit: int = 8) -> list[Suggestion]:
        """Return names and paths that begin with, or have a part that begins with, what was typed; short ones first."""
        wanted = prefix.strip().lower()
        if not wanted:
            return []
        found = [(name.find(wanted) > 0, len(text), text, kind) for name, text, kind in self._named() if wanted in name]
        return [Suggestion(text=text, kind=kind) for _, _, text, kind in sorted(found)[:limit]]

    def files(self, text: str = "", offset: int = 0, limit: int = 100) -> FileList:
        """Return the files that a query allows, as `search.listing.list_files` does."""
        return self._read(lambda view: list_files(view, text, offset, limit))

    def generation(self) -> int:
        """Return the number of the newest generation."""
        return self._read(lambda view: view.manifest.generation)

    def version(self) -> str:
        """Return what tells the newest generation from all others, those of an index that was here before too."""
        return self._read(lambda view: xxhash.xxh3_128_hexdigest(view.manifest.model_dump_json().encode()))

    def _named(self) -> tuple[tuple[str, str, str], ...]:
        """Return every symbol's last part and every path: (lower-cased, as written, kind), read once a generation."""

        def read(view: View) -> tuple[tuple[str, str, str], ...]:
            if self._names is None or self._names[0] != view.manifest:
                symbols = {symbol.rpartition(".")[2] for symbol in view.catalogue.symbols} - {""}
                paths = {path for _, path, _ in view.catalogue.files}
                named = [(name.lower(), name, "symbol") for name in symbols]
                named += [(path.lower(), path, "path") for path in paths]
                self._names = view.manifest, tuple(named)
            return self._names[1]

        return self._read(read)

    def _open(self) -> Index:
        try:
            return Index.open(settings=self.settings)
        except IndexMissing as error:
            if any(each.state == "refreshing" for each in self.watchers()):
                raise IndexBuilding("the index is being built; ask again in a moment") from error
            raise

    def _read(self, reader: Callable[[View], _T]) -> _T:
        """Return what `reader` reads of the newest generation."""
        _ = self.engine  # opens the index, or says why not
        assert self._index is not None
        with self._index.view() as view:
            return reader(view)
