"""`fathom similar`: code like the code at a line."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import modelled, settings, shared
from indexer.errors import UsageError


@click.command("similar")
@click.argument("place", metavar="FILE:LINE")
@click.option("-k", "k", default=10, show_default=True, help="How many hits.")
@click.option("--repo", "repository", help="Repository, where several hold the path.")
@modelled
@shared
def command(
    place: str,
    k: int,
    repository: str | None,
    folder: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Find units like the one at FILE:LINE; FILE is a path as results show it."""
    del verbose
    from cli.results import answer_json, roots, show_answer
    from indexer.index import Index
    from search.engine import Engine

    chosen = settings(folder)
    path, line = _place(place)
    index = Index.open(chosen.index, chosen)
    named = roots(index.store.sources())
    repository, path = _in_source(path, repository, named)
    answer = Engine(index, settings=chosen).similar(path, line, k, repository=repository)
    if as_json:
        click.echo(answer_json(answer))
    else:
        show_answer(answer, named, index.store, explain=False, quiet=quiet)
    return 0 if answer.hits else 1


def _place(text: str) -> tuple[str, int]:
    path, _, line = text.rpartition(":")
    if not path or not line.isdigit():
        raise UsageError(f"{text!r} is not FILE:LINE, such as src/app.py:120")
    return path, int(line)


def _in_source(path: str, repository: str | None, roots: dict[str, str]) -> tuple[str | None, str]:
    """Turn a path on this machine into one relative to its source, where it is in one."""
    full = Path(path).expanduser().resolve()
    for name, root in roots.items():
        if repository in (None, name) and full.is_relative_to(root) and full.exists():
            return name, full.relative_to(root).as_posix()
    for name in roots:
        if repository is None and path.startswith(f"{name}/"):
            return name, path.removeprefix(f"{name}/")
    return repository, path
