"""`fathom show`: one unit, whole."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from cli.options import settings, shared
from indexer.errors import UsageError


@click.command("show")
@click.argument("unit_id", metavar="ID")
@shared
def command(unit_id: str, folder: Path | None, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Print the unit with this ID, as results show it."""
    del quiet, verbose
    from indexer.index import Index

    index = Index.open(settings=settings(folder))
    with index.view() as view:
        key = view.store.key_of(unit_id)
        if key is None:
            raise UsageError(f"the index has no unit {unit_id!r}; ids stand at the end of each result's first line")
        unit = view.store.units([key])[key]
        written = view.rewritings([key]).get(key)
    purpose = written.purpose if written else None
    if as_json:
        click.echo(json.dumps({**asdict(unit), "purpose": purpose}, ensure_ascii=False, indent=2))
        return
    click.echo(f"{unit.repository}/{unit.path}:{unit.start_line}-{unit.end_line}  {unit.symbol or unit.kind.value}")
    if purpose:
        click.echo(click.style(purpose, dim=True))
    click.echo(unit.text)
