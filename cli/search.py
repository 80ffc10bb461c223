"""`fathom search`: ask the index."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import modelled, settings, shared, standard_input

if TYPE_CHECKING:
    from search.types import Rewriting


@click.command("search")
@click.argument("query", nargs=-1, required=True)
@click.option("-k", "k", default=10, show_default=True, help="How many hits.")
@click.option("--offset", default=0, help="Hits to leave out before the first.")
@click.option("--mode", default="hybrid", show_default=True, help="hybrid, lexical or vector.")
@click.option("--no-rank", is_flag=True, help="Only add up the two indexes' scores.")
@click.option("--explain", is_flag=True, help="Show what each score is made of.")
@click.option("--all", "everything", is_flag=True, help="List everything that matches, near-duplicates too.")
@click.option("--rewrite-ms", default=0, metavar="N", help="Also with code that a generator writes within N ms.")
@modelled
@shared
def command(
    query: tuple[str, ...],
    k: int,
    offset: int,
    mode: str,
    no_rank: bool,
    explain: bool,
    everything: bool,
    rewrite_ms: int,
    folder: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Search by meaning. QUERY is words, code or a symbol; "-" reads it from standard input.

    "exact phrase", /regex/, -word, and the fields lang: repo: path: kind: sym: ext: narrow it down.

    With --rewrite-ms, code that answers the query is written by the model that FATHOM_GENERATOR_URL and
    FATHOM_GENERATOR_MODEL name, and asked for beside it; the query, and a few functions of the index as examples, are
    sent there.
    """
    from cli.results import answer_json, roots, show_answer
    from indexer.index import Index
    from search.engine import Engine

    chosen = settings(folder)
    text = standard_input(" ".join(query))
    index = Index.open(chosen.index, chosen)
    with closing(Engine(index, settings=chosen)) as engine:
        answer = engine.search(
            text, k, offset=offset, mode=mode, rank=not no_rank, exhaustive=everything, rewrite_ms=rewrite_ms
        )
        if as_json:
            click.echo(answer_json(answer))
        else:
            named = roots(index.store.sources())
            show_answer(answer, named, index.store, explain=explain, quiet=quiet)
            if explain and answer.rewriting:
                _show_rewriting(answer.rewriting)
        for fault in () if quiet else answer.faults:
            click.echo(f"note: {fault}", err=True)
        if verbose:
            steps = ", ".join(f"{name} {value:.1f} ms" for name, value in answer.timings_ms.items())
            click.echo(steps, err=True)
    return 0 if answer.hits else 1


def _show_rewriting(rewriting: Rewriting) -> None:
    """Print the code that was asked for beside the query."""
    there = "was there" if rewriting.cached else f"came after {rewriting.ms:.0f} ms"
    click.echo(click.style(f"asked with code of {rewriting.generator}, which {there}:", dim=True))
    for exemplar in rewriting.exemplars:
        click.echo(click.style("\n".join(f"    {line}" for line in exemplar.split("\n")), dim=True))
