"""`fathom index`: add or refresh sources."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.options import settings, shared
from indexer.errors import UsageError
from indexer.progress import Progress as Step
from indexer.progress import Report, silent

if TYPE_CHECKING:
    from rich.progress import TaskID


@click.command("index")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--name", help="Call the source this instead of its folder's name.")
@click.option("--no-vectors", is_flag=True, help="Stop when BM25 is searchable; vectors come with a later run.")
@click.option("--processes", type=int, help="Parser processes (or FATHOM_PROCESSES).")
@click.option("--include-vendored", is_flag=True, default=None, help="Index dependencies and build folders too.")
@shared
def command(
    sources: tuple[str, ...],
    name: str | None,
    no_vectors: bool,
    processes: int | None,
    include_vendored: bool | None,
    folder: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Index folders, git repositories (path, path@revision, https address) and corpus files (.jsonl, .jsonl.gz).

    The sources named are added or brought up to date; others in the index stay.
    """
    from indexer.index import writing
    from indexer.sources.factory import open_source

    if name is not None and len(sources) > 1:
        raise UsageError("--name names one source; index the others with commands of their own")
    chosen = settings(folder, processes=processes, include_vendored=include_vendored)
    opened = [
        open_source(
            source,
            name=name,
            cache=chosen.cache,
            include_vendored=chosen.include_vendored,
            max_bytes=chosen.max_file_bytes,
        )
        for source in sources
    ]
    shown = sys.stderr.isatty() and not quiet
    with _progress(shown=shown) as report, writing(chosen.index, chosen, report=report) as pipeline:
        for source in opened:
            pipeline.refresh(source)
            if not quiet:
                click.echo(
                    f"{source.name}: searchable by words; {'stopping' if no_vectors else 'vectors follow'}",
                    err=True,
                )
        if not no_vectors:
            pipeline.encode()
        pipeline.sweep()
    if as_json:
        click.echo(json.dumps(asdict(pipeline.summary), indent=2))
    elif not quiet:
        _say(pipeline.summary, verbose=verbose)


@contextmanager
def _progress(*, shown: bool) -> Iterator[Report]:
    """Show each step, how far it is and how long it will take, where there is a terminal to show it on."""
    if not shown:
        yield silent
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        SpinnerColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns: tuple[ProgressColumn, ...] = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
    )
    tasks: dict[str, TaskID] = {}
    with Progress(
        *columns, TextColumn("{task.fields[unit]}"), TimeRemainingColumn(), console=Console(stderr=True)
    ) as bars:

        def report(step: Step) -> None:
            if step.step not in tasks:
                tasks[step.step] = bars.add_task(step.step, total=step.total, unit=step.unit)
            bars.update(tasks[step.step], completed=step.done, total=step.total)

        yield report


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
