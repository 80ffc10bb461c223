"""The JSON API: it reads requests, asks the service and writes what it says."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from flask import Blueprint, Response, current_app, jsonify

from indexer.errors import UsageError
from search.service import File, Service, Source
from search.types import Answer
from web.batches import answered
from web.cursor import Place
from web.cursor import read as read_cursor
from web.cursor import write as write_cursor
from web.errors import Refused, answer_in
from web.fields import MAX_OFFSET, FileFields, NoFields, SearchFields, SimilarFields, SuggestFields, read
from web.guard import keyed, only_here
from web.metrics import metrics
from web.openapi import document as openapi_document
from web.service import service
from web.trace import note
from web.transfer import packed, tagged, tagged_by_content

# Parts between slashes that a repository's name may have: host, owners, name.
_NAME_PARTS = 8
# Characters of a path that are repeated to who sent it.
_SHOWN = 200

api = Blueprint("api", __name__)
api.after_request(packed)
answer_in(api)


@api.route("/search", methods=["GET", "POST"])
def search() -> Response:
    """Answer a query."""
    wanted = read(SearchFields)
    note(query=wanted.query)
    if wanted.rewrite_ms:
        # Code that comes late changes the next answer on the same index: none is one that the caller has.
        return _unkept(jsonify(_searched(wanted)))
    return tagged(lambda: jsonify(_searched(wanted)))


@api.route("/similar", methods=["GET", "POST"])
def similar() -> Response:
    """Return the units most like one."""
    wanted = read(SimilarFields)
    return tagged(lambda: jsonify(_service().similar(wanted.id, wanted.k).model_dump()))


@api.get("/units/<unit_id>")
def unit(unit_id: str) -> Response:
    """Return one unit."""
    read(NoFields)
    return tagged(lambda: jsonify(_service().unit(unit_id).model_dump()))


@api.get("/files/<repository>/<path:path>")
def file(repository: str, path: str) -> Response:
    """Return a file as far as the index holds it."""
    wanted = read(FileFields)
    return tagged(lambda: jsonify(_cut(_file(repository, path), wanted)))


@api.post("/batch")
def batch() -> Response:
    """Answer queries, a JSON object a line, in their order; a line that is none gets an error in its place."""
    return answered()


@api.get("/status")
def status() -> Response:
    """Say what the index holds; where on the disk its folders are, this machine alone is told."""
    read(NoFields)
    said = _service().status()
    if not only_here(current_app):
        said = said.model_copy(update={"sources": tuple(map(_placeless, said.sources))})
    return tagged_by_content(jsonify(said.model_dump()))


def _placeless(source: Source) -> Source:
    """Return a source without its place on this machine; an address on the net is nobody's secret."""
    return source if "://" in source.location else source.model_copy(update={"location": ""})


@api.get("/suggest")
def suggest() -> Response:
    """Return names and paths that begin with what was typed."""
    wanted = read(SuggestFields)
    note(query=wanted.prefix)
    return tagged(lambda: jsonify(_suggested(wanted)))


@api.get("/openapi.json")
def document() -> Response:
    """Return the OpenAPI document of this server."""
    read(NoFields)
    return tagged_by_content(jsonify(openapi_document(current_app, keyed=keyed(current_app))))


def _searched(wanted: SearchFields) -> dict[str, Any]:
    place = _place(wanted)
    offset = wanted.offset if place is None else place.offset
    answer = _service().search(
        wanted.query, wanted.k, offset, mode=wanted.mode, rank=wanted.rank, rewrite_ms=wanted.rewrite_ms
    )
    if answer.faults:
        note(faults=answer.faults)
    metrics(current_app).observe(answer.timings_ms)
    said = answer.model_dump() | {"cursor": _next(wanted, answer, offset)}
    if place is not None and place.generation != answer.generation:
        said["notes"] = (*answer.notes, "the index has changed since the last page: hits may come again or be left out")
    if wanted.budget is not None:
        said["context"] = _service().context(answer, wanted.budget, neighbours=wanted.neighbours).model_dump()
    return said | ({"timings_ms": answer.timings_ms} if wanted.explain else {})


def _place(wanted: SearchFields) -> Place | None:
    if wanted.cursor is None:
        return None
    if wanted.offset:
        raise Refused(400, "bad_cursor", "a cursor goes without an offset", "cursor")
    return read_cursor(wanted.cursor, _identity(wanted))


def _next(wanted: SearchFields, answer: Answer, offset: int) -> str | None:
    """Return the cursor of the page after a full one; how many hits there are beyond is only known when it is asked."""
    following = offset + len(answer.hits)
    if len(answer.hits) < wanted.k or following > MAX_OFFSET:
        return None
    return write_cursor(Place(answer.generation, following), _identity(wanted))


def _identity(wanted: SearchFields) -> tuple[object, ...]:
    """Return what makes a list of hits the one it is; pages of it may be of any size."""
    rewritten = ("rewritten",) if wanted.rewrite_ms else ()
    return wanted.query, wanted.mode.value, wanted.rank, *rewritten


def _unkept(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response


def _file(repository: str, path: str) -> File:
    """Return a file; what of the address is its repository's name, which may have slashes, the index knows."""
    parts = path.split("/")
    for cut in range(min(len(parts), _NAME_PARTS)):
        with suppress(UsageError):
            return _service().file("/".join([repository, *parts[:cut]]), "/".join(parts[cut:]))
    raise UsageError(f"the index has no file {f'{repository}/{path}'[:_SHOWN]!r}")


def _cut(found: File, wanted: FileFields) -> dict[str, Any]:
    said = found.model_dump()
    return said | {"lines": [line for line in said["lines"] if wanted.start_line <= line["number"] <= wanted.end_line]}


def _suggested(wanted: SuggestFields) -> dict[str, Any]:
    return {"suggestions": [each.model_dump() for each in _service().suggest(wanted.prefix, wanted.limit)]}


def _service() -> Service:
    return service(current_app)
