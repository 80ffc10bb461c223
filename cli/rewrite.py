"""`fathom rewrite`: have a language model say what each unit is for, and write it anew."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import modelled, settings, shared
from cli.progress import progress
from indexer.errors import UsageError

if TYPE_CHECKING:
    from indexer.rewriting import Rewritten
    from indexer.rewriting_cost import Estimate
    from indexer.settings import Settings

_MINUTE = 60.0
_HOUR = 60 * _MINUTE
# Less is shown with its first two digits.
_CENTS = 0.1


@click.command("rewrite")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--dry-run", is_flag=True, help="Only say what it would take; nothing is sent.")
@click.option("--yes", is_flag=True, help="Begin without a question.")
@click.option("--budget", type=click.IntRange(min=0), metavar="TOKENS", help="Stop before more tokens are used.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Stop after N texts.")
@click.option(
    "--generator",
    "chosen_generator",
    default="",
    metavar="KIND[:FOLDER]",
    help="recorded:FOLDER replays; endpoint:FOLDER and local:FOLDER record what is written, too.",
)
@modelled
@shared
def command(
    names: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    budget: int | None,
    limit: int | None,
    chosen_generator: str,
    folder: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Write a purpose and a rewriting for every function, method and class of the sources NAME, or of all.

    They are written by the model that FATHOM_GENERATOR_URL and FATHOM_GENERATOR_MODEL name, and searched beside the
    code: the code is sent there, and nothing is without these settings. What it takes is said first. Stop it when you
    like: what was written stays, is searchable with the next run, and no unit is asked for again before it changes.
    """
    del verbose
    from indexer.generators.factory import GeneratorSettings, open_for_code
    from indexer.index import Index
    from indexer.rewriting import rewrite
    from indexer.rewriting_cost import Bounds, estimate

    chosen, recorded = settings(folder), chosen_generator.startswith("recorded")
    Index.open(chosen.index, chosen).close()
    generator, at_once = open_for_code(GeneratorSettings.of(chosen), chosen.generator_concurrency, chosen_generator)
    with closing(generator):
        bounds = Bounds(names, budget, limit, at_once)
        wanted = estimate(chosen.index, chosen, generator.name, bounds)
        if not quiet:
            _say_estimate(wanted, chosen, generator.name, sent=not recorded)
        if dry_run:
            _write_estimate(wanted, chosen, as_json=as_json)
            return
        if wanted.texts and budget != 0 and not recorded and not _agreed(yes=yes):
            click.echo("nothing was sent", err=True)
            return
        with progress(shown=sys.stderr.isatty() and not quiet) as report:
            measured = _silent if quiet else _say_time
            done = rewrite(chosen.index, chosen, generator, bounds=bounds, report=report, measured=measured)
    _say(done, chosen, as_json=as_json, quiet=quiet)
    if done.fault is not None:
        raise done.fault


def _agreed(*, yes: bool) -> bool:
    """Tell whether to begin; raise UsageError where nobody can answer."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked whether to begin; say --yes, or --dry-run to see what it takes")
    return click.confirm("Begin?", err=True)


def _say_estimate(wanted: Estimate, chosen: Settings, generator: str, *, sent: bool) -> None:
    if not wanted.texts:
        click.echo(f"{generator} has written for all units that are worth it: nothing to do", err=True)
        return
    copies = f" ({wanted.copies} more have the text of another one)" if wanted.copies else ""
    cost = wanted.cost(chosen)
    click.echo(
        f"{wanted.texts} units to write for{copies}, by {generator}: about {wanted.tokens_in:,} tokens to read and "
        f"{wanted.tokens_out:,} to write" + _price(cost),
        err=True,
    )
    if sent and chosen.generator_url:
        click.echo(f"their code is sent to {chosen.generator_url}", err=True)
    click.echo("how long it takes is not known before the first few are written", err=True)


def _write_estimate(wanted: Estimate, chosen: Settings, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({**asdict(wanted), "cost": wanted.cost(chosen)}, indent=2))


def _say(done: Rewritten, chosen: Settings, *, as_json: bool, quiet: bool) -> None:
    from indexer.rewriting_cost import cost_of

    cost = cost_of(done.tokens_in, done.tokens_out, chosen)
    if as_json:
        fault = str(done.fault) if done.fault else None
        click.echo(json.dumps({**asdict(done), "fault": fault, "cost": cost}, ensure_ascii=False, indent=2))
    elif not quiet:
        copied = f" and {done.copied} copied" if done.copied else ""
        used = f"{done.tokens_in:,} tokens read, {done.tokens_out:,} written{_price(cost)}"
        click.echo(f"{done.written} written{copied}; {used}, in {_time(done.seconds)}", err=True)
        if done.failed:
            reasons = ", ".join(f"{count} {reason}" for reason, count in done.failed.items())
            click.echo(f"failed: {reasons}; the next run asks for them again", err=True)
        if done.stopped:
            click.echo(f"stopped: {done.stopped}", err=True)


def _price(cost: float | None) -> str:
    if cost is None:
        return ""
    return f", at a cost of {cost:.2f}" if cost >= _CENTS else f", at a cost of {cost:.2g}"


def _say_time(seconds: float) -> None:
    click.echo(f"all will take about {_time(seconds)}", err=True)


def _silent(_: float) -> None:
    """Say nothing."""


def _time(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / _MINUTE:.0f} min" if seconds < _HOUR else f"{seconds / _HOUR:.1f} h"
