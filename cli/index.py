"""`fathom index`: add or refresh sources."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.options import encoding, modelled, settings, shared
from cli.progress import progress
from indexer.errors import UsageError
from indexer.progress import Summary

if TYPE_CHECKING:  # parsing and encoding are loaded when a run begins
    from indexer.encoder.interface import Encoder
    from indexer.settings import Settings
    from indexer.sources.interface import Source


@click.command("index")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--name", help="Call the source this instead of its folder's name.")
@click.option("--no-vectors", is_flag=True, help="Stop when BM25 is searchable; vectors come with a later run.")
@click.option("--no-deepen", is_flag=True, help="Stop when all is searchable by meaning at the cheapest depth.")
@click.option("--watch", is_flag=True, help="Go on: take up what is saved in the folders until stopped.")
@click.option("--depth", type=int, help="The encoder's depth to reach; its deepest by default.")
@click.option("--processes", type=int, help="Parser processes (or FATHOM_PROCESSES).")
@click.option("--include-vendored", is_flag=True, default=None, help="Index dependencies and build folders too.")
@encoding
@modelled
@shared
def command(
    sources: tuple[str, ...],
    name: str | None,
    no_vectors: bool,
    no_deepen: bool,
    watch: bool,
    depth: int | None,
    processes: int | None,
    include_vendored: bool | None,
    folder: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Index folders, git repositories (path, path@revision, https address) and corpus files (.jsonl, .jsonl.gz).

    The sources named are added or brought up to date; others in the index stay. They are searchable by words within
    seconds, then by meaning, and deepening makes that better; stop it when you like, `fathom deepen` goes on.
    """
    from indexer.index import load_encoder
    from indexer.watch import watched
    from indexer.watch_status import forget

    chosen = settings(folder, depth=depth, processes=processes, include_vendored=include_vendored)
    if name is not None and len(sources) > 1:
        raise UsageError("--name names one source; index the others with commands of their own")
    if watch and no_vectors:
        raise UsageError("--watch keeps an index complete; it does not go with --no-vectors")
    if watch and chosen.ray:
        raise UsageError("--watch takes up what is saved here within a second; it does not go with --ray")
    found = opened(chosen, sources, name)
    if watch:
        watched(found)
    encoder = load_encoder(chosen)
    summary = _indexed(chosen, found, encoder, vectors=not no_vectors, deepening=not (no_deepen or watch), quiet=quiet)
    forget(chosen.index, [source.name for source in found])
    if as_json:
        click.echo(json.dumps(asdict(summary), indent=2))
    elif not quiet:
        _say(summary, verbose=verbose)
    if watch:
        _go_on(chosen, found, encoder, deepening=not no_deepen, as_json=as_json, quiet=quiet)


def _indexed(
    chosen: Settings, found: Sequence[Source], encoder: Encoder, *, vectors: bool, deepening: bool, quiet: bool
) -> Summary:
    """Bring the sources up to date, by words, then by meaning, and say what each one is."""
    from indexer.index import deepen, writing
    from indexer.workers.factory import hired

    shown = sys.stderr.isatty() and not quiet
    with hired(chosen, encoder) as workers, progress(shown=shown) as report:
        with writing(chosen.index, chosen, encoder, report, workers=workers) as pipeline:
            for source in found:
                before = replace(pipeline.summary)
                pipeline.refresh(source)
                if not quiet:
                    click.echo(f"{source.name}: {_state(before, pipeline.summary, vectors=vectors)}", err=True)
            if vectors:
                pipeline.encode()
            pipeline.sweep()
            deep = not (vectors and deepening) or pipeline.deep
        if not deep:
            pipeline.summary.add(deepen(chosen.index, chosen, encoder, report, wait=True, workers=workers))
    return pipeline.summary


def _go_on(
    chosen: Settings, found: Sequence[Source], encoder: Encoder, *, deepening: bool, as_json: bool, quiet: bool
) -> None:
    """Watch the sources until interrupted or ended, and say what each time did."""
    import signal
    from threading import Event

    from indexer.watch import watch

    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    for summary in watch(chosen.index, found, chosen, encoder, deepening=deepening, stop=stop):
        if as_json:
            click.echo(json.dumps(asdict(summary)))
        elif not quiet:
            click.echo(said_of(summary), err=True)


def _state(before: Summary, after: Summary, *, vectors: bool) -> str:
    """Say what a source is now, from what the run had done before it and after."""
    if (after.added, after.changed, after.removed) != (before.added, before.changed, before.removed):
        return f"searchable by words; {'vectors follow' if vectors else 'stopping'}"
    return "nothing changed" if after.unchanged > before.unchanged else "no file of it can be indexed"


def said_of(summary: Summary) -> str:
    """Say what one time did while watching."""
    return f"{summary.added} files added, {summary.changed} changed, {summary.removed} removed; searchable"


def opened(chosen: Settings, sources: Sequence[str], name: str | None = None) -> list[Source]:
    """Return what the arguments of a command name, as sources."""
    from indexer.sources.factory import open_source

    return [
        open_source(
            source,
            name=name,
            cache=chosen.cache,
            include_vendored=chosen.include_vendored,
            max_bytes=chosen.max_file_bytes,
        )
        for source in sources
    ]


def _say(summary: Any, *, verbose: bool) -> None:
    click.echo(
        f"{summary.added} files added, {summary.changed} changed, {summary.unchanged} unchanged, "
        f"{summary.removed} removed; {summary.units} units, {summary.bytes / 1e6:.2f} MB, {summary.encoded} encoded",
        err=True,
    )
    if summary.skipped:
        click.echo("not indexed: " + ", ".join(f"{n} {why}" for why, n in summary.skipped.items()), err=True)
    if summary.redactions:
        click.echo(f"{summary.redactions} secrets were taken out before anything was stored", err=True)
    if not summary.added + summary.changed + summary.unchanged:
        click.echo("note: no file of these sources can be indexed", err=True)
    for note in summary.notes:
        click.echo(f"note: {note}", err=True)
    if verbose:
        click.echo(", ".join(f"{step} {seconds:.1f} s" for step, seconds in summary.seconds.items()), err=True)
