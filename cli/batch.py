"""`fathom batch`: many queries from a file, for pipelines."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import click

from cli.options import modelled, settings, shared
from indexer.errors import EnvironmentFailed, UsageError

# Errors that are told one by one where the format has no place for them; the others are counted.
_TOLD = 10
_FORMATS = ("jsonl", "trec", "beir")


@click.command("batch")
@click.argument("queries", type=click.File("rb"))
@click.option("-k", "k", default=10, show_default=True, type=click.IntRange(1, 1_000), help="Hits a query.")
@click.option("--budget", type=click.IntRange(1, 1_000_000), help="Tokens of a context made of the hits (jsonl).")
@click.option("--neighbours", is_flag=True, help="Fill it up with class heads and the units after the hits.")
@click.option(
    "--rewrite-ms", metavar="N", type=click.IntRange(0, 60_000), help="Also with code that a generator writes in N ms."
)
@click.option("--format", "shape", type=click.Choice(_FORMATS), default="jsonl", show_default=True)
@click.option("--processes", type=click.IntRange(1, 256), help="Processes that answer; one a core by default.")
@click.option("-o", "--output", type=click.Path(path_type=Path, allow_dash=True, dir_okay=False), default="-")
@modelled
@shared
def command(
    queries: IO[bytes],
    k: int,
    budget: int | None,
    neighbours: bool,
    rewrite_ms: int | None,
    shape: str,
    processes: int | None,
    output: Path,
    folder: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Answer the queries in a file ("-" is standard input), a JSON object a line, in their order.

    A line is {"query", "id"?, "k"?, "offset"?, "mode"?, "rank"?, "budget"?, "neighbours"?, "rewrite_ms"?}, or BEIR's
    {"_id", "text"}; the options say what counts where it names nothing. One that cannot be answered gets an error in
    its place (in runs, which have none, on standard error), is counted, and makes the exit code 1. What -o names
    appears when all of it is written.
    """
    del as_json, verbose
    from indexer.generators.factory import GeneratorSettings, require_generator
    from search.parallel import batch
    from search.runs import FORMATS, named

    if shape != "jsonl" and (budget is not None or neighbours):
        raise UsageError(f"--budget and --neighbours make contexts, and --format {shape} has no place for them")
    chosen = settings(folder, processes=processes)
    if rewrite_ms:
        require_generator(GeneratorSettings.of(chosen))
    defaults = {"k": k, "budget": budget, "neighbours": neighbours, "rewrite_ms": rewrite_ms or 0}
    answers = batch(chosen, _lines(queries), defaults)
    tally = _Tally(show=shape != "jsonl")
    with _whole(output) as stream:
        for text in FORMATS[shape](tally.of(answers if shape == "jsonl" else named(answers))):
            stream.write(text.encode("utf-8", "backslashreplace"))  # of half a surrogate pair it makes JSON's escape
        stream.flush()
    if not quiet:
        click.echo(f"{tally.count} queries, {tally.wrong} of them not answered", err=True)
    return 1 if tally.wrong else 0


@dataclass
class _Tally:
    """Counts answers and errors as they pass; `show` tells the first errors on standard error too."""

    show: bool
    count: int = 0
    wrong: int = 0

    def of(self, answers: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for answer in answers:
            self.count += 1
            if "error" in answer:
                self.wrong += 1
                if self.show and self.wrong <= _TOLD:
                    click.echo(f"query {answer['id']}: {answer['error']['message']}", err=True)
            yield answer


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of a stream; of one that is too long, its beginning, which is too long as well."""
    from search.batch import MAX_LINE

    whole = True
    while piece := stream.readline(MAX_LINE + 1):
        if whole:
            yield piece
        whole = piece.endswith(b"\n")


@contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    """Yield a stream to standard output for "-", else to a file that appears, or is replaced, when all is written.

    A device or a pipe is written to as it is. Raise UsageError or EnvironmentFailed where nothing can be written.
    """
    if str(path) == "-":
        yield sys.stdout.buffer
        return
    target = path.resolve()
    special = target.exists() and not target.is_file()
    written = target if special else target.with_name(f".{target.name}.{os.getpid()}.tmp")
    stream = _opened(written, path, "wb" if special else "xb")
    try:
        with stream:
            yield stream
        if not special:
            written.replace(target)
    finally:
        if not special:
            written.unlink(missing_ok=True)


def _opened(written: Path, path: Path, mode: str) -> IO[bytes]:
    try:
        return written.open(mode)
    except FileNotFoundError as error:
        raise UsageError(f"{path} cannot be written: there is no folder {written.parent}") from error
    except OSError as error:
        raise EnvironmentFailed(f"{path} cannot be written: {error.strerror or error}") from error
