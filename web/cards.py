"""What a page shows of a hit, a filter and a fault, made ready for the templates. Asks nothing of an index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import url_for

from indexer.errors import QueryError
from search.filters import FieldFilter
from search.query import Query, unparse
from search.service import Status
from search.types import Hit
from web.code_lines import Code, coloured, excerpt, numbered

_SIGNALS = {
    "bm25": "words of the query",
    "bm25_file": "words, in the whole file",
    "vector": "meaning",
    "vector_file": "meaning of the whole file",
    "definition": "defines what is named",
    "name": "its name",
    "late": "words of like meaning",
    "late_beyond": "words of like meaning, beyond its language's",
    "verbatim": "runs of words as pasted",
    "covered": "share of the words found",
    "documented": "documented",
    "size": "length, beside others of its file",
    "rest": "what is left of a file",
    "class_head": "head of a class",
    "noise": "a test, an example or a benchmark",
}
# Less than this is not worth a bar.
_LEAST_PART = 5e-4
# The units of an SVG bar's length.
_BAR = 200.0
# Values of one filter that are offered.
_OFFERED = 6
_FACETS = (("Language", "lang", "language"), ("Repository", "repo", "repository"), ("Kind", "kind", "kind"))
# Characters of a query on each side of its fault.
_AROUND = 40


@dataclass(frozen=True, slots=True)
class Bar:
    """One part of a score, and where its bar lies in the drawing."""

    label: str
    value: float
    x: str
    width: str


@dataclass(frozen=True, slots=True)
class Place:
    """Another unit: where it is and its page."""

    place: str
    url: str


@dataclass(frozen=True, slots=True)
class Card:
    """A hit as it is shown."""

    hit: Hit
    code: Code
    said: str
    first_line: int
    score: float | None
    bars: tuple[Bar, ...]
    axis: str
    like: tuple[Place, ...]
    unit_url: str
    file_url: str
    similar_url: str
    text_url: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A filter that can be added or taken away."""

    text: str
    url: str
    count: int = 0


@dataclass(frozen=True, slots=True)
class Facet:
    """The values of one filter among the hits shown."""

    title: str
    shown: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, in words; `around` are the query before, at and after its fault."""

    kind: str
    title: str
    message: str
    around: tuple[str, str, str] | None = None


@dataclass(frozen=True, slots=True)
class Doubt:
    """How likely the first hit answers, and below what that is taken for no."""

    chance: float
    least: float


def card(hit: Hit, like: Sequence[Place] = (), *, whole: bool = False, scored: bool = True) -> Card:
    """Return a hit ready to be shown, in part or `whole`."""
    file_url = url_for("pages.file_page", repository=hit.repository, path=hit.path)
    if whole:
        html = coloured(hit.text.rstrip(), hit.language)
        lines = numbered(html, hit.start_line, range(hit.start_line, hit.start_line + len(html)), hit.lines)
        code = Code(lines, file_url, anchors=True)
    else:
        code = excerpt(hit.text, hit.language, hit.start_line, hit.lines, file_url)
    bars, axis = _bars(hit.parts)
    return Card(
        hit=hit,
        code=code,
        said=hit.purpose or _first_sentence(hit.docstring),
        first_line=hit.lines[0] if hit.lines else hit.start_line,
        score=hit.score if scored else None,
        bars=bars,
        axis=axis,
        like=tuple(like),
        unit_url=url_for("pages.unit_page", unit_id=hit.id),
        file_url=file_url,
        similar_url=url_for("pages.similar_page", unit_id=hit.id),
        text_url=url_for("pages.unit_text", unit_id=hit.id),
    )


def facets(hits: Iterable[Hit], text: str, asked: Collection[FieldFilter]) -> list[Facet]:
    """Return the filters that would narrow the hits shown, each value with its count."""
    hits = list(hits)
    taken = {(field.field, value) for field in asked if not field.negated for value in field.values}
    found = []
    for title, field, attribute in _FACETS:
        counts = Counter(str(getattr(hit, attribute)) for hit in hits)
        shown = tuple(
            Choice(value, _search_url(f"{_written(FieldFilter(field, (value,)))} {text}"), count)
            for value, count in counts.most_common(_OFFERED)
            if (field, value) not in taken
        )
        if shown:
            found.append(Facet(title, shown))
    return found


def active(query: Query) -> list[Choice]:
    """Return the filters that a query has, each with the address of the query without it."""
    return [
        Choice(_written(field), _search_url(_with_filters(query, [each for each in query.filters if each != field])))
        for field in query.filters
    ]


def without_filters(query: Query) -> str:
    """Return the address of a query without its filters, or nothing where nothing is left of it."""
    rest = _with_filters(query, [])
    return _search_url(rest) if query.filters and rest.strip() else ""


def bad_query(text: str, error: QueryError) -> Failure:
    """Return a fault of the query with the place it is at."""
    at = min(max(error.position, 0), len(text))
    end = min(len(text), at + max(1, len(text[at:].split(maxsplit=1)[0]) if text[at:].strip() else 1))
    around = (text[max(0, at - _AROUND) : at], text[at : min(end, at + _AROUND)], text[end : end + _AROUND])
    return Failure("query", "This query cannot be read:", str(error), around if around[1].strip() else None)


def index_charts(status: Status) -> dict[str, Any]:
    """Return what the page of the index draws: facts, and the shares of depths and languages."""
    units = max(1, status.units)
    bare = status.units - sum(status.depths.values())
    depths: list[dict[str, Any]] = [
        {"name": f"depth {depth}", "units": count, "share": count / units} for depth, count in status.depths.items()
    ]
    if bare > 0:
        depths.append({"name": "none yet", "units": bare, "share": bare / units})
    most = max((count.units for count in status.languages.values()), default=1)
    return {
        "coverage": status.complete,
        "published_at": status.created,
        "model": status.model,
        "facts": [
            ("units", f"{status.units:,}"),
            ("files", f"{status.files:,}"),
            ("with vectors", f"{100 * status.complete:.0f} %"),
            ("generation", f"{status.generation:,}"),
            *([("with a purpose", f"{status.purposes:,}")] if status.purposes else []),
        ],
        "depths": depths,
        "languages": [
            {
                "name": name,
                "files": count.files,
                "units": count.units,
                "share": count.units / max(1, most),
                "url": _search_url(_written(FieldFilter("lang", (name,)))),
            }
            for name, count in sorted(status.languages.items(), key=lambda item: -item[1].units)
        ],
        "sources": [
            {
                "name": source.name,
                "kind": source.kind,
                "revision": source.revision[:12],
                "indexed_at": source.indexed_at,
                "url": _search_url(_written(FieldFilter("repo", (source.name,)))),
            }
            for source in status.sources
        ],
    }


def _bars(parts: dict[str, float]) -> tuple[tuple[Bar, ...], str]:
    """Return a bar for each part that counts, the largest first, on one scale around one axis."""
    counted = {name: value for name, value in parts.items() if abs(value) >= _LEAST_PART}
    low = min(0.0, *counted.values()) if counted else 0.0
    high = max(0.0, *counted.values()) if counted else 0.0
    scale = _BAR / (high - low) if high > low else 0.0
    bars = (
        Bar(
            _SIGNALS.get(name, name.replace("_", " ")),
            value,
            f"{(min(value, 0.0) - low) * scale:.1f}",
            f"{abs(value) * scale:.1f}",
        )
        for name, value in sorted(counted.items(), key=lambda item: -item[1])
    )
    return tuple(bars), f"{-low * scale:.1f}"


def _first_sentence(docstring: str) -> str:
    paragraph = " ".join(docstring.strip().split("\n\n", 1)[0].split())
    return paragraph if len(paragraph) <= 240 else paragraph[:239].rsplit(" ", 1)[0] + "…"


def _search_url(text: str) -> str:
    return url_for("pages.home", q=text)


def _written(field: FieldFilter) -> str:
    return unparse(Query("", filters=(field,)))


def _with_filters(query: Query, filters: list[FieldFilter]) -> str:
    if not query.literal:
        return unparse(replace(query, filters=tuple(filters)))
    return " ".join([*map(_written, filters), query.free_text])
