"""Rewriting an index's code: for every unit worth it one sentence, and code from that alone, written by a generator.

Asks, keeps and publishes; the words of prompts, servers and terminals are elsewhere. After ReCo ("Rewriting the Code",
Li et al., ACL 2024): asking for another version of the code itself hardly changes it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from indexer.backends import Backends
from indexer.encoder.interface import Encoder
from indexer.errors import IndexBusy
from indexer.generators.counting import estimate_tokens
from indexer.generators.interface import (
    Budget,
    Busy,
    Generation,
    GenerationFailed,
    Generator,
    NotRecorded,
    OutOfTime,
    Refused,
    Request,
    Task,
    Unreachable,
    Unusable,
    text_key,
)
from indexer.generators.replies import MAX_CODE, MAX_SENTENCE
from indexer.index import Index, load_encoder, writing
from indexer.progress import Progress, Report, silent
from indexer.rewriting_cost import Bounds, estimate, prompt_tokens, unit_tokens, unwritten
from indexer.settings import Settings
from indexer.store.interface import NewRewriting, Store

# Seconds for one text: nobody waits for it, and a model may be slow.
_PATIENCE = 120.0
# Texts are kept, durably, after so many or so many seconds: what a kill can cost. So many may wait for another writer.
_KEEP_TEXTS, _KEEP_SECONDS, _MOST_WAITING = 8, 1.0, 64
_RETRY_SECONDS = 0.5
# So long the end of an interrupted run waits for another writer, to keep what was paid for.
_LAST_SECONDS = 10.0
# The first publish comes after this; each later one after twice the time of the one before, or after so many texts.
_FIRST_PUBLISH_SECONDS, _PUBLISH_TEXTS = 5.0, 5_000
# After so many failures in a row the next one would fail too: a server that is down, a wrong key.
_GIVE_UP = 8
# The time that all will take is measured on the first few.
_MEASURED_ON = 8

_REASONS: tuple[tuple[type[GenerationFailed], str], ...] = (
    (NotRecorded, "not recorded"),
    (OutOfTime, "took too long"),
    (Unreachable, "generator cannot be reached"),
    (Busy, "generator is busy"),
    (Refused, "generator refuses"),
    (Unusable, "nothing usable was written"),
    (GenerationFailed, "generator failed"),
)


@dataclass(slots=True)
class Rewritten:
    """What a run did: `written` texts, `copied` to units that have the same, `failed` by reason, tokens and seconds.

    Tokens are those that the generator counted, else estimated. `stopped` says in words why it ended before its end;
    `fault` is the failure, if it was one.
    """

    written: int = 0
    copied: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    stopped: str = ""
    fault: GenerationFailed | None = None


def rewrite(
    folder: Path,
    settings: Settings,
    generator: Generator,
    encoder: Encoder | None = None,
    *,
    bounds: Bounds = Bounds(),  # noqa: B008 - it never changes
    report: Report = silent,
    measured: Callable[[float], None] = lambda _: None,
) -> Rewritten:
    """Write for every unit for which this generator has not, most useful first, and publish as it comes.

    What was kept is counted by `report`, and survives whatever happens; `measured` is told, once, how many seconds all
    will take. Other writers get in between. Raises UsageError for an unknown source and IndexMissing where there is
    nothing to rewrite.
    """
    Index.open(folder, settings).close()
    total = estimate(folder, settings, generator.name, bounds).texts
    run = _Run(folder, settings, generator, encoder or load_encoder(settings), bounds)
    with closing(Backends(folder, settings).open_store()) as store:
        run.write(store, _Told(total, report, measured))
    run.finish()
    return run.outcome


@dataclass(frozen=True, slots=True)
class _Told:
    """Who is told how far a run is, of how many texts."""

    total: int
    report: Report
    measured: Callable[[float], None]


@dataclass(slots=True)
class _Job:
    """A text to write for, the units that have it, and what there is of it."""

    text: str
    language: str
    key: str
    units: list[str]
    reserved: int
    asked: bool = False
    purpose: str = ""
    code: str = ""
    failure: GenerationFailed | None = None
    tokens_in: int = 0
    tokens_out: int = 0


class _Run:
    """One run: everything but the asking itself happens on the thread that made it."""

    def __init__(
        self, folder: Path, settings: Settings, generator: Generator, encoder: Encoder, bounds: Bounds
    ) -> None:
        self._backends = Backends(folder, settings)
        self._folder, self._settings, self._generator, self._encoder = folder, settings, generator, encoder
        self._bounds = bounds
        self._over = threading.Event()
        self._open: dict[str, _Job] = {}
        self._unkept: list[_Job] = []
        self._asked = self._reserved = self._kept = self._unpublished = self._in_a_row = 0
        self._begun = self._kept_at = self._published_at = time.monotonic()
        self._publish_after = _FIRST_PUBLISH_SECONDS
        self.outcome = Rewritten()

    def write(self, store: Store, told: _Told) -> None:
        """Ask for what is missing; what came is kept even where this is interrupted."""
        at_once = self._bounds.at_once
        pool = ThreadPoolExecutor(at_once, "fathom-rewrite")
        waiting: dict[Future[None], _Job] = {}
        kinds = {source.name: source.kind for source in store.sources()}
        try:
            for job in self._jobs(store, kinds):
                waiting[pool.submit(self._ask, job)] = job
                while len(waiting) >= at_once:
                    self._collect(waiting, told)
            while waiting:
                self._collect(waiting, told)
            self._keep(patience=None)
            told.report(Progress("Rewriting", self._kept, told.total, "texts"))
        except BaseException:
            self._over.set()
            self._generator.close()  # what is being asked for ends
            raise
        finally:
            pool.shutdown(cancel_futures=True)
            self._keep(patience=_LAST_SECONDS)
            self.outcome.seconds = time.monotonic() - self._begun

    def finish(self) -> None:
        """Publish what was kept, and remove what no unit has any more."""
        while True:
            try:
                with writing(self._folder, self._settings, self._encoder, brief=True) as pipeline:
                    pipeline.publish()
                    pipeline.sweep(always=True)
                return
            except IndexBusy:
                time.sleep(_RETRY_SECONDS)

    # what is asked for

    def _jobs(self, store: Store, kinds: dict[str, str]) -> Iterator[_Job]:
        """Yield the texts to ask for, until there is a reason to stop."""
        for unit in unwritten(store, self._generator.name, self._bounds.sources):
            text = text_key(unit.text)
            if text in self._open:
                self._open[text].units.append(unit.id)
                self.outcome.copied += 1
                continue
            # A recording of a corpus knows its records by their ids.
            key = unit.path if kinds.get(unit.repository) == "corpus" else text
            job = _Job(unit.text, unit.language, key, [unit.id], sum(unit_tokens(unit)))
            before = store.written_before(unit.text, self._generator.name)
            if before is not None:
                job.purpose, job.code = before.purpose, before.code
            if job.code:
                self.outcome.copied += 1
                self._unkept.append(job)
                continue
            if self._stops(job):
                return
            job.asked = True
            self._asked += 1
            self._reserved += job.reserved
            self._open[text] = job
            yield job

    def _stops(self, job: _Job) -> bool:
        spent = self.outcome.tokens_in + self.outcome.tokens_out + self._reserved
        if self.outcome.stopped:
            return True
        most = self._bounds
        if most.tokens == 0:
            self.outcome.stopped = "a budget of 0 tokens: nothing was asked"
        elif most.tokens is not None and spent + job.reserved > most.tokens:
            self.outcome.stopped = f"the budget of {most.tokens} tokens is used up"
        elif most.texts is not None and self._asked >= most.texts:
            self.outcome.stopped = f"the limit of {most.texts} texts is reached"
        return bool(self.outcome.stopped)

    def _ask(self, job: _Job) -> None:
        """Fill a job with what the generator writes for it, or with its failure; on a thread of the pool."""
        try:
            if not job.purpose:
                job.purpose = _sentence(self._made(job, Task.PURPOSE, job.text))
            job.code = self._made(job, Task.REWRITING, job.purpose)[:MAX_CODE]
        except GenerationFailed as failure:
            job.failure = failure

    def _made(self, job: _Job, task: Task, text: str) -> str:
        if self._over.is_set():
            raise GenerationFailed("the run was stopped")
        request = Request(task, text, key=job.key, language=job.language)
        try:
            made = self._generator.generate(request, Budget(_PATIENCE))
        except (Unusable, OutOfTime):  # the server has read it, and counts it
            job.tokens_in += prompt_tokens(request)
            raise
        if not made.cached:
            job.tokens_in += prompt_tokens(request) if made.tokens_in is None else made.tokens_in
            job.tokens_out += _reply_tokens(made) if made.tokens_out is None else made.tokens_out
        return made.texts[0]

    # what came

    def _collect(self, waiting: dict[Future[None], _Job], told: _Told) -> None:
        """Take what is done, keep it when it is time, and give up where nothing is to be expected any more."""
        done, _ = wait(waiting, timeout=_KEEP_SECONDS, return_when=FIRST_COMPLETED)
        for future in done:
            job = waiting.pop(future)
            future.result()  # what nobody expected
            self._take(job)
        if len(self._unkept) >= _KEEP_TEXTS or time.monotonic() - self._kept_at >= _KEEP_SECONDS:
            before = self._kept
            self._keep(patience=None if len(self._unkept) >= _MOST_WAITING else 0.0)
            if before < _MEASURED_ON <= self._kept < told.total:
                told.measured((time.monotonic() - self._begun) / self._kept * told.total)
            told.report(Progress("Rewriting", self._kept, told.total, "texts"))
            self._publish_if_due()

    def _take(self, job: _Job) -> None:
        self._reserved -= job.reserved
        self.outcome.tokens_in += job.tokens_in
        self.outcome.tokens_out += job.tokens_out
        if job.purpose:
            self._unkept.append(job)
        else:
            del self._open[text_key(job.text)]
        if job.failure is None:
            self._in_a_row = 0
            return
        reason = next(words for kind, words in _REASONS if isinstance(job.failure, kind))
        self.outcome.failed[reason] = self.outcome.failed.get(reason, 0) + 1
        self._in_a_row += not isinstance(job.failure, NotRecorded)
        if self._in_a_row >= _GIVE_UP and not self.outcome.stopped:
            self.outcome.stopped, self.outcome.fault = f"{self._in_a_row} texts in a row failed", job.failure

    def _keep(self, *, patience: float | None) -> None:
        """Write what came into the store, waiting for other writers so long; None is for ever."""
        until = None if patience is None else time.monotonic() + patience
        while self._unkept:
            try:
                with self._backends.written_store(brief=True) as store:
                    store.save_rewritings(self._new(job) for job in self._unkept)
            except IndexBusy:
                if until is not None and time.monotonic() >= until:
                    return
                time.sleep(_RETRY_SECONDS)
                continue
            written = sum(job.asked and job.failure is None for job in self._unkept)
            self.outcome.written += written
            self._kept += written
            self._unpublished += len(self._unkept)
            for job in self._unkept:
                self._open.pop(text_key(job.text), None)
            self._unkept = []
        self._kept_at = time.monotonic()

    def _new(self, job: _Job) -> NewRewriting:
        return NewRewriting(tuple(job.units), job.text, self._generator.name, job.purpose, job.code)

    def _publish_if_due(self) -> None:
        late = time.monotonic() - self._published_at >= self._publish_after
        if not self._unpublished or not (late or self._unpublished >= _PUBLISH_TEXTS):
            return
        try:
            with writing(self._folder, self._settings, self._encoder, brief=True) as pipeline:
                pipeline.publish()
        except IndexBusy:
            return  # who is at work publishes what was kept before, and the next time is soon
        self._unpublished, self._published_at = 0, time.monotonic()
        self._publish_after *= 2


def _reply_tokens(made: Generation) -> int:
    return sum(map(estimate_tokens, made.texts))


def _sentence(text: str) -> str:
    """Return a purpose as one line that any terminal can show; raise Unusable where nothing is left of it."""
    shown = "".join(each if each.isprintable() else " " for each in text)
    said = " ".join(shown.split())[:MAX_SENTENCE]
    if not said:
        raise Unusable("the purpose holds nothing that can be shown")
    return said
