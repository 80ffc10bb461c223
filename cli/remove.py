"""`fathom remove`: take a source out of the index."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import modelled, settings, shared
from indexer.errors import UsageError


@click.command("remove")
@click.argument("name")
@modelled
@shared
def command(
    name: str,
    folder: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Remove the source NAME, as `fathom status` shows it, and all its files."""
    del as_json, verbose
    from indexer.index import Index, writing

    chosen = settings(folder)
    known = [source.name for source in Index.open(chosen.index, chosen).store.sources()]
    if name not in known:
        raise UsageError(f"the index has no source {name!r}; it has {', '.join(known) or 'none'}")
    with writing(chosen.index, chosen) as pipeline:
        files = pipeline.remove(name)
        pipeline.sweep()
    if not quiet:
        click.echo(f"removed {name}: {files} files", err=True)
