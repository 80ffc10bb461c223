"""`fathom migrate`: move an index to other back ends."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from cli.options import modelled, settings, shared
from cli.progress import progress
from indexer.settings import Backend


@click.command("migrate")
@click.option(
    "--from",
    "source",
    type=click.Choice([each.value for each in Backend]),
    help="Where the index is; as its folder says by default.",
)
@modelled
@shared
def command(source: str | None, folder: Path | None, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Move the index to the back end that --backend (or the settings) names; nothing is encoded again.

    Within a folder its words move. To elasticsearch-alone, or from there (--from), all of it is copied, and the old
    index stays. Searches go on meanwhile, and find what is moved when they, too, are told of the new back ends.
    """
    del verbose
    from indexer.migration import migrate

    chosen = settings(folder)
    with progress(shown=sys.stderr.isatty() and not quiet) as report:
        manifest = migrate(chosen.index, chosen, report=report, source=Backend(source) if source else None)
    if as_json:
        click.echo(json.dumps({"generation": manifest.generation, "backend": manifest.backend.value}))
    elif not quiet:
        click.echo(f"moved {manifest.documents} units to {manifest.backend.value}: {manifest.lexical}", err=True)
