"""`fathom status`: what the index holds, and what it does not."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.options import settings, shared

if TYPE_CHECKING:
    from indexer.index import Index, View


@click.command("status")
@click.option("--skipped", is_flag=True, help="List every file that is not indexed, with the reason.")
@shared
def command(skipped: bool, folder: Path | None, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Show sizes, languages, generation and coverage."""
    del quiet, verbose
    from indexer.index import Index

    index = Index.open(settings=settings(folder))
    with index.view() as view:
        status = _status(view, index)
        listed = [asdict(entry) for entry in view.store.skipped()] if skipped else []
    if as_json:
        click.echo(json.dumps({**status, "skipped_files": listed} if skipped else status, indent=2, ensure_ascii=False))
        return
    _show(status)
    for entry in listed:
        click.echo(f"{entry['reason']:>16}  {entry['repository']}/{entry['path']}  {entry['detail']}")


def _status(view: View, index: Index) -> dict[str, Any]:
    from indexer.watch_status import watchers
    from search.service import status_of

    where = {"index": index.place, "bytes_on_disk": index.size()}
    words = {"backend": view.manifest.backend.value, "lexical": view.manifest.lexical}
    return {**where, **words, **status_of(view, watchers(index.folder)).model_dump()}


def _show(status: dict[str, Any]) -> None:
    mega = 1e6
    click.echo(f"index        {status['index']}  ({status['bytes_on_disk'] / mega:.1f} MB on disk)")
    click.echo(f"generation   {status['generation']}, {status['created']}")
    click.echo(
        f"holds        {status['files']} files, {status['units']} units, {status['bytes'] / mega:.1f} MB of source"
    )
    click.echo(f"words        {status['backend']}: {status['lexical']}")
    depths = ", ".join(f"{count} at depth {depth}" for depth, count in status["depths"].items())
    click.echo(f"vectors      {status['complete']:.0%} of the units, {status['blocks']} blocks: {depths or 'none yet'}")
    if status["purposes"]:
        click.echo(f"purposes     {status['purposes']} units have one that a language model wrote")
    click.echo(f"model        {status['model']}")
    for source in status["sources"]:
        click.echo(f"source       {source['name']}  {source['kind']} {source['location']} {source['revision'][:12]}")
    for watcher in status["watchers"]:
        said = f": {watcher['message']}" if watcher["message"] else ""
        click.echo(f"watcher      {watcher['state']} since {watcher['since']}, {', '.join(watcher['sources'])}{said}")
    for name, counts in status["languages"].items():
        click.echo(
            f"  {name:<12} {counts['files']:>6} files {counts['units']:>8} units {counts['bytes'] / mega:>8.2f} MB"
        )
    if status["unparsed"] or status["redactions"]:
        click.echo(f"by lines     {status['unparsed']} files; {status['redactions']} secrets taken out")
    for repository, reasons in status["skipped"].items():
        said = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        click.echo(f"not indexed  {repository}: {said}  (fathom status --skipped lists them)")
