"""`fathom search`: ask the index."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import settings, shared, standard_input


@click.command("search")
@click.argument("query", nargs=-1, required=True)
@click.option("-k", "k", default=10, show_default=True, help="How many hits.")
@click.option("--offset", default=0, help="Hits to leave out before the first.")
@click.option("--mode", default="hybrid", show_default=True, help="hybrid, lexical or vector.")
@click.option("--no-rank", is_flag=True, help="Only add up the two indexes' scores.")
@click.option("--explain", is_flag=True, help="Show what each score is made of.")
@click.option("--all", "everything", is_flag=True, help="List everything that matches, near-duplicates too.")
@shared
def command(
    query: tuple[str, ...],
    k: int,
    offset: int,
    mode: str,
    no_rank: bool,
    explain: bool,
    everything: bool,
    folder: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Search by meaning. QUERY is words, code or a symbol; "-" reads it from standard input.

    "exact phrase", /regex/, -word, and the fields lang: repo: path: kind: sym: ext: narrow it down.
    """
    from cli.results import answer_json, roots, show_answer
    from indexer.index import Index
    from search.engine import Engine

    chosen = settings(folder)
    text = standard_input(" ".join(query))
    index = Index.open(chosen.index)
    engine = Engine(index, settings=chosen)
    answer = engine.search(text, k, offset=offset, mode=mode, rank=not no_rank, exhaustive=everything)
    if as_json:
        click.echo(answer_json(answer))
    else:
        named = roots(index.store.sources())
        show_answer(answer, named, index.store, explain=explain, quiet=quiet)
    if verbose:
        steps = ", ".join(f"{name} {value:.1f} ms" for name, value in answer.timings_ms.items())
        click.echo(steps, err=True)
    return 0 if answer.hits else 1
