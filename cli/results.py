"""Answers as a terminal shows them, and as JSON. Decides nothing about what is in them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from indexer.store.interface import Head, StoreReader
from search.types import Answer, Hit

# Lines of code shown for a hit before it is opened.
_SHOWN_LINES = 6
_MAX_WIDTH = 160
# Near-duplicates of a hit that are named; the others are counted.
_NAMED_LIKE = 3


def answer_json(answer: Answer) -> str:
    """Return an answer in its public shape."""
    return json.dumps(answer.model_dump(), ensure_ascii=False, indent=2)


def show_answer(answer: Answer, roots: dict[str, str], store: StoreReader, *, explain: bool, quiet: bool) -> None:
    """Print hits for a person, with the places, in `store`, of those like them; notes go to standard error."""
    for hit in answer.hits:
        click.echo(_heading(hit, roots))
        if hit.purpose:
            click.echo(click.style(f"      {hit.purpose}", italic=True))
        for line in _excerpt(hit):
            click.echo(line)
        if explain:
            parts = "  ".join(f"{name} {value:+.3f}" for name, value in hit.parts.items())
            click.echo(click.style(f"      score {hit.score:.3f} = {parts}", dim=True))
        if hit.like:
            click.echo(click.style(f"      {_like(hit, roots, store)}", dim=True))
        click.echo()
    if not quiet:
        shown = f"{len(answer.hits)} of {answer.total}"
        click.echo(f"{shown} · {answer.took_ms:.0f} ms · asked as {answer.query_class}", err=True)
        for note in answer.notes:
            click.echo(f"note: {note}", err=True)


def roots(sources: Any) -> dict[str, str]:
    """Return where each folder source lies, so that paths can be opened."""
    return {source.name: source.location for source in sources if source.kind == "folder"}


def _heading(hit: Hit, roots: dict[str, str]) -> str:
    place = click.style(f"{_place(hit, roots)}:{hit.lines[0] if hit.lines else hit.start_line}", fg="cyan")
    name = click.style(hit.symbol or hit.kind, bold=True)
    return f"{hit.rank:>3}. {place}  {name}  {click.style(f'{hit.kind} · {hit.language} · {hit.id}', dim=True)}"


def _like(hit: Hit, roots: dict[str, str], store: StoreReader) -> str:
    """Return how many units are like a hit, and where the first of them are."""
    with store.snapshot():
        keys = [key for unit_id in hit.like[:_NAMED_LIKE] if (key := store.key_of(unit_id)) is not None]
        places = [f"{_place(head, roots)}:{head.start_line}" for head in store.heads(keys).values()]
    more = ["…"] if len(hit.like) > len(places) else []
    return f"and {len(hit.like)} like it: {', '.join(places + more)}"


def _place(hit: Hit | Head, roots: dict[str, str]) -> str:
    """Return a path that a terminal can open where the file lies on this machine, else repository and path."""
    root = roots.get(hit.repository)
    path = Path(root, hit.path) if root and Path(root).is_dir() else None
    if path is None:
        return f"{hit.repository}/{hit.path}"
    near = os.path.relpath(path)
    return near if not near.startswith("../..") else str(path)


def _excerpt(hit: Hit) -> list[str]:
    """Return the first lines of a hit and those that matched, numbered, matches marked."""
    text = hit.text.split("\n")
    wanted = sorted({hit.start_line, *hit.lines[:_SHOWN_LINES]})
    if len(wanted) < _SHOWN_LINES:
        wanted = sorted({*wanted, *range(hit.start_line, min(hit.end_line, hit.start_line + 3) + 1)})[:_SHOWN_LINES]
    lines = []
    for number in wanted:
        if number - hit.start_line >= len(text):
            continue
        content = text[number - hit.start_line].rstrip()[:_MAX_WIDTH]
        mark = ">" if number in hit.lines else " "
        lines.append(f"    {mark}{number:>6}  " + (click.style(content, fg="yellow") if mark == ">" else content))
    return lines
