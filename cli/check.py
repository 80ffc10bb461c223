"""`fathom check`: verify everything; `--repair` builds anew what is derived."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import modelled, settings, shared
from indexer.errors import IndexDamaged


@click.command("check")
@click.option("--repair", is_flag=True, help="Rebuild the derived indexes from the store if they are damaged.")
@modelled
@shared
def command(
    repair: bool,
    folder: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Verify every row and file of the index."""
    del as_json, verbose
    from indexer.backends import Backends
    from indexer.index import writing

    chosen = settings(folder)
    backends = Backends(chosen.index, chosen)
    store = backends.open_store()
    found = store.faults()
    with store.snapshot() as manifest:
        derived = backends.faults(manifest) if manifest else []
    for fault in (*found, *derived):
        click.echo(f"{fault.path}: {fault.problem}", err=True)
    if found:
        cure = "run `fathom remove NAME` for the sources they belong to and index these again"
        raise IndexDamaged(f"{len(found)} rows of the store are damaged; {cure}")
    if derived and not repair:
        raise IndexDamaged(
            f"{len(derived)} derived files or indexes are damaged; `fathom check --repair` builds them anew"
        )
    if derived:
        with writing(chosen.index, chosen) as pipeline:
            pipeline.encode()
    if not quiet:
        click.echo("repaired" if derived else "everything is as it was written", err=True)
