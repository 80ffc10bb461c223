"""`fathom mcp`: the index as tools for agents."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.listening import bound, said
from cli.options import modelled, settings, shared
from indexer.errors import UsageError

if TYPE_CHECKING:
    from search.service import Service

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.command("mcp")
@click.option("--http", is_flag=True, help="Serve over HTTP (path /mcp) instead of standard input and output.")
@click.option("--host", default="127.0.0.1", show_default=True, help="With --http, the address to listen on.")
@click.option("--port", default=8421, show_default=True, type=click.IntRange(1, 65535), help="With --http.")
@click.option("--allow-host", "hosts", multiple=True, help="With --http, a Host header to accept besides loopback.")
@click.option("--allow-origin", "origins", multiple=True, help="With --http, an Origin header to accept.")
@modelled
@shared
def command(
    http: bool,
    host: str,
    port: int,
    hosts: tuple[str, ...],
    origins: tuple[str, ...],
    folder: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Serve five tools to an agent: search_code, similar_code, read_unit, list_files, index_status."""
    del as_json, verbose
    if http and host not in _LOOPBACK and not hosts:
        raise UsageError(f"listening on {host} needs --allow-host: the name by which clients reach it")
    try:
        from web.agents import build
    except ImportError as error:
        raise UsageError(f"agents need the extra `mcp` ({error}): pip install 'fathom-search[mcp]'") from error
    chosen = settings(folder)

    def service() -> Service:
        from search.service import Service

        return Service(chosen)

    server = build(service, version=version("fathom-search"))
    if not http:
        server.run("stdio")
        return
    import uvicorn

    from web.agents_http import application
    from web.keys import read_keys

    app = application(server, hosts, origins, read_keys(chosen.keys) if chosen.keys is not None else None)
    listening = bound(host, port)
    if not quiet:
        click.echo(f"{said(host, listening)}/mcp (stop with ctrl-c)", err=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])
