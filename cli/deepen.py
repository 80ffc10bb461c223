"""`fathom deepen`: bring what is indexed to a deeper exit of the encoder."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from cli.options import encoding, modelled, settings, shared
from cli.progress import progress


@click.command("deepen")
@click.option("--depth", type=int, help="The encoder's depth to reach; its deepest by default.")
@encoding
@modelled
@shared
def command(
    depth: int | None,
    folder: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Encode indexed code at a deeper exit, most useful units first; searches and indexing go on meanwhile.

    Stop it when you like: what was deepened stays, and the next run goes on from there.
    """
    from indexer.index import deepen

    chosen = settings(folder, depth=depth)
    with progress(shown=sys.stderr.isatty() and not quiet) as report:
        summary = deepen(chosen.index, chosen, report=report)
    if as_json:
        click.echo(json.dumps(asdict(summary), indent=2))
    elif not quiet:
        said = f"{summary.encoded} units deepened" if summary.encoded else "all units are at that depth already"
        click.echo(said, err=True)
        if verbose:
            click.echo(", ".join(f"{step} {seconds:.1f} s" for step, seconds in summary.seconds.items()), err=True)
