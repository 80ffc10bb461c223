"""`fathom style`: how alike two texts are in style."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import settings, shared
from indexer.errors import UsageError

if TYPE_CHECKING:
    from indexer.style.similarity import StyleSimilarity
    from indexer.style.weights import Frequencies

_FILE = click.Path(exists=True, dir_okay=False, readable=False, allow_dash=True, path_type=Path)
_STANDARD_INPUT = Path("-")


@click.command("style")
@click.argument("left", metavar="A", type=_FILE)
@click.argument("right", metavar="B", type=_FILE)
@click.option("--language", help="Language of both, such as python; by default told by their names.")
@click.option(
    "--variant",
    type=click.Choice(["paper", "released"]),
    default="paper",
    show_default=True,
    help="The formula of the ReCo paper, or that of the code released with it.",
)
@shared
def command(
    left: Path,
    right: Path,
    language: str | None,
    variant: str,
    folder: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Print how alike the files A and B are in style, from 0 to 1; "-" reads standard input.

    The similarity is the mean of three: names of variables, names of called APIs, and syntax trees. With --index, a
    name counts the more the fewer units of that index use it; without, all count the same.
    """
    del verbose
    from indexer.sources.content import decode
    from indexer.style.similarity import Variant, compare
    from indexer.style.snippets import common_language, read

    if left == right == _STANDARD_INPUT:
        raise UsageError("only one of the two can be standard input")
    places = (left, right)
    contents = [_content(place) for place in places]
    chosen = common_language(*_languages(places, contents, language))
    snippets = []
    for place, content in zip(places, contents, strict=True):
        with _named(place):
            snippets.append(read(decode(content), chosen))
    with _frequencies(folder) as frequencies:
        found = compare(*snippets, variant=Variant(variant), frequencies=frequencies)
    _show(found, chosen, variant, as_json=as_json, quiet=quiet)


def _content(place: Path) -> bytes:
    """Return what a file holds, or no more of it than shows that it is too long; raise UsageError if it is no text."""
    from indexer.sources.content import refuse_content
    from indexer.style.snippets import LONGEST
    from indexer.types import SkipReason

    most = 4 * LONGEST + 8
    if place == _STANDARD_INPUT:
        content = sys.stdin.buffer.read(most)
    else:
        with place.open("rb") as file:
            content = file.read(most)
    refusal = refuse_content(str(place), content)
    if refusal is not None and refusal.reason in (SkipReason.EMPTY, SkipReason.BINARY):
        raise UsageError(f"{place} is {refusal.reason.value}: {refusal.detail}")
    return content


def _languages(places: tuple[Path, Path], contents: list[bytes], given: str | None) -> tuple[str, str]:
    """Return the language of each side: as given, else as its name or first line tells, else, of a stream, the other's.

    Raises UsageError where nothing tells it.
    """
    from indexer.languages import detect

    if given is not None:
        return given, given
    found = [detect(str(place), content) for place, content in zip(places, contents, strict=True)]
    names = [language.name if language else None for language in found]
    for side, other in ((0, 1), (1, 0)):
        if names[side] is None and places[side] == _STANDARD_INPUT:
            names[side] = names[other]
    left, right = names
    if left is None or right is None:
        unknown = places[0] if left is None else places[1]
        raise UsageError(f"nothing tells the language of {unknown}; name it with --language")
    return left, right


@contextmanager
def _named(place: Path) -> Iterator[None]:
    """Say which side an error is about."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{place}: {error}") from error


@contextmanager
def _frequencies(folder: Path | None) -> Iterator[Frequencies]:
    """Yield the frequencies of names in an index, or that nothing is known of them."""
    from indexer.index import Index
    from indexer.style.weights import UNKNOWN, indexed

    if folder is None:
        yield UNKNOWN
        return
    index = Index.open(settings=settings(folder))
    try:
        with index.view() as view:
            yield indexed(view.lexical)
    finally:
        index.close()


def _show(found: StyleSimilarity, language: str, variant: str, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        click.echo(
            json.dumps({**asdict(found), "language": language, "variant": variant}, ensure_ascii=False, indent=2)
        )
        return
    for name in ("similarity", "variables", "apis", "tree"):
        value: float | None = getattr(found, name)
        click.echo(f"{name:<10}  {'left out' if value is None else f'{value:.3f}'}")
    for note in () if quiet else found.notes:
        click.echo(f"note: {note}", err=True)
