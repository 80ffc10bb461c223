"""`fathom eval`: measure how good the search is on sets of questions."""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.options import modelled, settings, shared
from indexer.errors import UsageError

if TYPE_CHECKING:
    from indexer.encoder.interface import Encoder
    from indexer.generators.interface import Generator
    from indexer.settings import Settings
    from search.evaluation.evaluate import SetReport

# Characters of a line of a table that no terminal shows.
_WIDTH = 170


@click.command("eval")
@click.argument("sets", nargs=-1, required=True, metavar="DIR...")
@click.option("--mode", default="hybrid", show_default=True, help="hybrid (all systems), lexical or vector.")
@click.option("--depth", type=int, help="The encoder's depth for code.")
@click.option("--query-depth", type=int, help="The encoder's depth for queries.")
@click.option("--strip-docstrings", is_flag=True, help="Take comments and docstrings out of a corpus.")
@click.option("--sources", type=click.Path(path_type=Path, file_okay=False), help="Where a set's packages lie.")
@click.option(
    "--rewriter",
    metavar="KIND[:FOLDER]",
    help="Also with generations: recorded (in FOLDER, or in DIR), or endpoint and local, which record into FOLDER; "
    "neighbours: with each query's own best units.",
)
@click.option("--groups", is_flag=True, help="Also by language, length, kind of question.")
@click.option("--compare", metavar="A,B", help="Also the paired difference of two systems.")
@click.option("--runs", type=click.Path(path_type=Path, file_okay=False), help="Write TREC runs into this folder.")
@modelled
@shared
def command(
    sets: tuple[str, ...],
    mode: str,
    depth: int | None,
    query_depth: int | None,
    strip_docstrings: bool,
    sources: Path | None,
    rewriter: str | None,
    groups: bool,
    compare: str | None,
    runs: Path | None,
    folder: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Measure BM25 alone, vectors alone, both fused, and ranked, on sets in BEIR layout and repository sets.

    A DIR that does not exist here is looked for under $FATHOM_DATA. Indexes are kept in the cache folder.
    """
    from cli.progress import progress
    from indexer.encoder.interface import check_depth
    from indexer.index import load_encoder
    from search.evaluation import require_measures
    from search.evaluation.output import as_json as entries
    from search.evaluation.output import write_runs
    from search.evaluation.rewriting import ARMS
    from search.evaluation.systems import NEIGHBOURS, OF_MODE, SYSTEMS, with_feedback
    from search.retrieval import read_mode
    from search.rewriting.neighbours import Feedback

    require_measures()
    chosen = settings(folder, depth=depth, query_depth=query_depth)
    systems = {name: SYSTEMS[name] for name in OF_MODE[read_mode(mode)]}
    if rewriter == NEIGHBOURS:
        systems, rewriter = with_feedback(systems, Feedback()), None
    arms = [f"{name}+{arm}" for arm in ARMS for name in systems] if rewriter is not None else []
    compared = _compared(compare, (*systems, *arms))
    encoder = load_encoder(chosen)
    for wanted in (chosen.depth, chosen.query_depth):
        if wanted is not None:
            check_depth(wanted, encoder.depths)
    folders = [_found(name) for name in sets]
    _refuse_repositories(folders if strip_docstrings else [])
    options = {"systems": systems, "stripped": strip_docstrings, "layout": sources}
    with progress(shown=sys.stderr.isatty() and not quiet) as report:
        reports = [_measured(each, rewriter, chosen, encoder, **options, report=report) for each in folders]
    written = write_runs(reports, runs) if runs is not None else []
    if as_json:
        click.echo(json.dumps(entries(reports, compared=compared), indent=2))
        return
    for measured in reports:
        _show(measured, compared, groups=groups or verbose)
    for path in written if not quiet else ():
        click.echo(f"run written to {path}", err=True)


def _measured(folder: Path, rewriter: str | None, chosen: Settings, encoder: Encoder, **options: Any) -> SetReport:
    """Measure one set, with a rewriter if one is named."""
    from search.evaluation.evaluate import evaluate_set

    if rewriter is None:
        return evaluate_set(folder, chosen, encoder, **options)
    with closing(_rewriter(rewriter, folder, chosen)) as opened:
        return evaluate_set(folder, chosen, encoder, rewriter=opened, **options)


def _rewriter(named: str, folder: Path, chosen: Settings) -> Generator:
    """Return the generator that --rewriter names; raise UsageError for one that is none."""
    from indexer.generators.factory import GeneratorSettings, Kind, open_generator, read_kind

    kind, where = read_kind(named)
    if where is None and kind is not Kind.RECORDED:
        raise UsageError(f"--rewriter {kind} needs a folder to record into: --rewriter {kind}:FOLDER")
    return open_generator(kind, where or folder, GeneratorSettings.of(chosen))


def _show(measured: SetReport, compared: tuple[str, str] | None, *, groups: bool) -> None:
    """Print a set's tables and the difference of the two systems that are compared."""
    from rich.console import Console

    from search.evaluation.output import differences, tables

    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    for table in tables(measured, groups=groups):
        console.print(table)
    if compared is not None:
        found = differences(measured, *compared)["NDCG@10"]
        sign = f"{found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
        click.echo(f"{compared[0]} − {compared[1]}, NDCG@10, paired: {sign}")


def _found(name: str) -> Path:
    """Return a set's folder: as named, or under $FATHOM_DATA."""
    here, base = Path(name), os.environ.get("FATHOM_DATA")
    if here.is_dir():
        return here
    if base is not None and (Path(base) / name).is_dir():
        return Path(base) / name
    where = f"nor under FATHOM_DATA ({base})" if base else "and FATHOM_DATA, a folder of sets, is not set"
    raise UsageError(f"there is no set {name} here {where}")


def _refuse_repositories(folders: list[Path]) -> None:
    """Raise UsageError where --strip-docstrings does nothing: the lines of a package stay as they are."""
    from search.evaluation.sources import SOURCES

    for each in folders:
        if (each / SOURCES).is_file():
            raise UsageError(f"--strip-docstrings is for sets in BEIR layout; {each} is a repository set")


def _compared(text: str | None, systems: tuple[str, ...]) -> tuple[str, str] | None:
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if len(names) != 2 or len({*names} & {*systems}) != 2:
        raise UsageError(f"--compare takes two different systems, with a comma between, of {', '.join(systems)}")
    return names[0], names[1]
