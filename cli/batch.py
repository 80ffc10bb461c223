"""`fathom batch`: many queries from a file, for pipelines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO

import click

from cli.options import settings, shared


@click.command("batch")
@click.argument("queries", type=click.File("rb"))
@click.option("-k", "k", default=10, show_default=True, type=click.IntRange(1, 1_000), help="Hits a query.")
@click.option("--format", "shape", type=click.Choice(["jsonl", "trec"]), default="jsonl", show_default=True)
@click.option("-o", "--output", type=click.File("w", encoding="utf-8", lazy=True), default="-", help="Where to.")
@shared
def command(
    queries: IO[bytes],
    k: int,
    shape: str,
    output: IO[str],
    folder: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Answer the queries in a file ("-" is standard input), a JSON object a line, in their order.

    A line is {"query", "id"?, "k"?, "offset"?, "mode"?, "rank"?}. One that cannot be answered gets an error in its
    place, is counted on standard error, and makes the exit code 1.
    """
    del as_json, verbose
    from indexer.index import Index
    from search.batch import batched, trec_lines
    from search.engine import Engine

    chosen = settings(folder)
    engine = Engine(Index.open(chosen.index), settings=chosen)
    count = wrong = 0
    for answer in batched(engine, queries, k):
        count += 1
        wrong += "error" in answer
        if shape == "jsonl":
            output.write(json.dumps(answer, ensure_ascii=False) + "\n")
        else:
            name = count if answer["id"] is None else answer["id"]
            output.writelines(f"{line}\n" for line in trec_lines({**answer, "id": name}, "fathom"))
    output.flush()
    if not quiet:
        click.echo(f"{count} queries, {wrong} of them not answered", err=True)
    return 1 if wrong else 0
