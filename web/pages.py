"""The pages for people: search, a unit, what is like it, a file, the index, the query language.

Everything works as plain links and forms; the script in `static/` adds to it.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Flask, Response, current_app, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.wrappers import Response as AnyResponse

from indexer.errors import FathomError, IndexBuilding, IndexMissing, QueryError, UsageError
from search.confidence import calibrated, doubtful
from search.filters import FieldFilter
from search.query import Query, parse, unparse
from search.service import File, Service
from search.types import Answer, Hit
from web import assets
from web.cards import Doubt, Failure, Place, active, bad_query, card, facets, index_charts, without_filters
from web.code_lines import Code, coloured, numbered
from web.errors import for_machines, http, words
from web.live import live
from web.service import service
from web.trace import request_id
from web.transfer import packed

pages = Blueprint("pages", __name__, template_folder="templates")

_K = 10
_MAX_K = 50
_MAX_PAGE = 10_000
# Characters of a query, as an address has them: servers refuse request lines of 4 KB and more.
_LONG = 2_000
# Near-duplicates of a hit that are named; the others are counted.
_NAMED_LIKE = 8
# Parts between slashes that a repository's name may have: host, owner, name.
_NAME_PARTS = 3
_WARMING = "read a file"
# A word that no code says, and a field.
_RARE = "zzyzxq lang:text"
# How the engine's note of doubt begins; a page has more room for it.
_DOUBT_NOTE = "probably nothing here answers"
# Seconds after which a page that shows nothing yet may be asked again.
_RETRY = 2
_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; object-src 'none';"
    " base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_CLASS_NAMES = {"symbol": "a symbol", "language": "words", "code": "code"}
_EXAMPLES = (
    ("In words", ("read a file line by line", "retry a request after it failed", "parse command line options")),
    ("By symbol", ("main", "sym:parse*", "kind:class Error")),
    ("To the letter", ('"import re"', "/raise \\w+Error/", "open -lang:markdown")),
)
_LANGUAGE = (
    ("words", "what the code does, or a name; order does not matter much", "read settings from a file"),
    ('"a phrase"', "these words together; case counts if there is a capital", '"import os"'),
    ("/expression/", "a regular expression; /…/i ignores case", "/def \\w+_file/"),
    ("-word", "not with this word, phrase, expression or field", "parse -test"),
    ("lang:", "a language, by name or ending", "lang:python open"),
    ("repo:", "a repository; * stands for any characters", ""),
    ("path:", "a folder, a file or a glob", "path:**/*.py read"),
    ("kind:", "function, method, class, module or section", "kind:class error"),
    ("sym:", "a symbol, by its whole name or the end of it", "sym:__init__"),
    ("ext:", "the ending of the file's name", "ext:py write"),
    ("lang:go,rust", "any of several values", "lang:python,go parse"),
    ("\\lang:go", "a backslash makes a word of it", ""),
)


def warm(app: Flask) -> None:
    """Answer a question that nobody asked: what is loaded once is loaded then. Raises as a search does.

    What only fields and rare words need takes a second on a large index, and what a cluster holds of each unit some
    more: it is read while others are answered.
    """
    service(app).search(_WARMING)
    with app.test_request_context():
        _answered(_WARMING, 1, _K)
    threading.Thread(target=_read_ahead, args=(service(app),), daemon=True).start()


def _read_ahead(held: Service) -> None:
    with suppress(FathomError):
        held.search(_RARE)
        held.read_ahead()


@pages.after_request
def _guard(response: Response) -> Response:
    """Let a page load nothing but its own files, whatever code it shows."""
    response.headers.setdefault("Content-Security-Policy", _POLICY)
    response.headers.setdefault("Referrer-Policy", "same-origin")
    return packed(response)


@pages.app_context_processor
def _names() -> dict[str, Any]:
    """Return what every template may use."""
    return {
        "asset": _asset,
        "live": live(_service().watchers()),
        "suggest_url": "/api/v1/suggest",
        "example_queries": _EXAMPLES,
        "class_names": _CLASS_NAMES,
    }


@pages.errorhandler(FathomError)
def _failed(error: FathomError) -> AnyResponse:
    """Show an error that was raised on purpose."""
    failure, status = _failure(error)
    return _fault_page("fault.html", failure, status)


@pages.app_errorhandler(404)
def _no_page(error: NotFound) -> Response | HTTPException:
    """Say that an address is none of ours."""
    if for_machines():
        return http(error)
    return _guard(_fault_page("fault.html", Failure("usage", "There is no such page here.", ""), 404))


@pages.errorhandler(500)
def _unforeseen(_: Exception) -> AnyResponse:
    """Say that a fault of ours was met; the log has it."""
    message = f"The log has it under the request's id, {request_id()}."
    return _fault_page("fault.html", Failure("fault", "This is a fault of ours.", message), 500)


@pages.get("/static/<name>")
def static_file(name: str) -> Response:
    """Return a file that pages need."""
    return assets.asset_response(name)


@pages.get("/live")
def live_line() -> str:
    """Return the line that says how up to date the index is, for a page that is looked at for long."""
    return render_template("live.html")


@pages.get("/")
def home() -> AnyResponse | tuple[str, int]:
    """Show the start page, or the answers to `q`."""
    text = request.args.get("q", "")
    if not text.strip():
        return render_template("search.html", query="", start=True, code_form="form" in request.args), 200
    return _answered(text, _number("page", 1, _MAX_PAGE), _number("k", _K, _MAX_K))


@pages.post("/")
def search_long() -> AnyResponse | tuple[str, int]:
    """Answer a query that may be too long for an address; a short one moves there."""
    text = request.form.get("q", "").replace("\r\n", "\n")
    if len(quote(text)) <= _LONG:
        return redirect(url_for("pages.home", q=text), 303)
    return _answered(text, _number("page", 1, _MAX_PAGE), _number("k", _K, _MAX_K), long=True)


@pages.get("/unit/<unit_id>")
def unit_page(unit_id: str) -> str:
    """Show one unit whole."""
    return render_template("unit.html", card=card(_unit(unit_id), whole=True, scored=False))


@pages.get("/unit/<unit_id>/text")
def unit_text(unit_id: str) -> Response:
    """Return the text of a unit and nothing else."""
    return Response(_unit(unit_id).text, mimetype="text/plain")


@pages.get("/similar/<unit_id>")
def similar_page(unit_id: str) -> str:
    """Show the units most like one."""
    own = _unit(unit_id)
    answer = _service().similar(unit_id, _number("k", _K, _MAX_K))
    own_url = url_for("pages.unit_page", unit_id=unit_id)
    return render_template(
        "similar.html", own=own, own_url=own_url, answer=answer, cards=[card(hit) for hit in answer.hits]
    )


@pages.get("/file/<repository>/<path:path>")
def file_page(repository: str, path: str) -> str:
    """Show a file, as far as the index holds it, each line with an address of its own."""
    repository, path, file = _file(repository, path)
    held = {line.number: line.text for line in file.lines}
    # What the index does not hold stays out of sight and yet lets a lexer see the lines at their places.
    last = max(held, default=0)
    html = coloured("\n".join(held.get(number, "") for number in range(1, last + 1)), file.language)
    file_url = url_for("pages.file_page", repository=repository, path=path)
    code = Code(numbered(html, 1, sorted(held), ()), file_url, anchors=True)
    repo_query = unparse(Query("", filters=(FieldFilter("repo", (repository,)),)))
    return render_template(
        "file.html",
        code=code,
        repository=repository,
        path=path,
        language=file.language,
        count=len(held),
        repo_query=repo_query,
    )


@pages.get("/index")
def index_page() -> str:
    """Show what the index holds."""
    return render_template("index.html", here="index", **index_charts(_service().status()))


@pages.get("/help")
def help_page() -> str:
    """Explain the query language."""
    return render_template("help.html", language=_LANGUAGE, here="help")


def _answered(text: str, page: int, k: int, *, long: bool = False) -> AnyResponse | tuple[str, int]:
    try:
        answer: Answer = _service().search(text, k, (page - 1) * k)
        query = parse(text)
    except QueryError as error:
        return _fault_page("search.html", bad_query(text, error), 400, query=text)
    except FathomError as error:
        return _fault_page("search.html", *_failure(error), query=text)
    first = (page - 1) * k + 1
    return render_template(
        "search.html",
        query=text,
        answer=answer,
        notes=[note for note in answer.notes if not note.startswith(_DOUBT_NOTE)],
        doubt=_doubt(answer),
        cards=[card(hit, _like(hit)) for hit in answer.hits],
        facets=[] if long else facets(answer.hits, text, query.filters),
        active=[] if long else active(query),
        bare="" if long else without_filters(query),
        page=page,
        k=k,
        k_given=k if k != _K else None,
        long=long,
        first=first,
        last=first + len(answer.hits) - 1,
    ), 200


def _doubt(answer: Answer) -> Doubt | None:
    """Return how little speaks for the hits, where that is too little."""
    if answer.probability is None or not doubtful(answer.probability):
        return None
    return Doubt(answer.probability, calibrated().nothing)


def _failure(error: FathomError) -> tuple[Failure, int]:
    if isinstance(error, IndexBuilding):
        return Failure("building", "The index is being built.", "Answers are here as soon as the first files are."), 503
    if isinstance(error, IndexMissing):
        advice = "Make one with “fathom index FOLDER”; this page answers as soon as it is there."
        return Failure("index", "There is no index yet.", advice), 503
    if isinstance(error, UsageError):
        # A page of its own has one thing to be wrong in its address: what it names.
        missing = request.endpoint != "pages.home"
        return Failure("usage", "There is no such thing here:" if missing else "This cannot be asked:", str(error)), (
            404 if missing else 400
        )
    return Failure("index", "The index cannot be searched:", words(error)[2]), 503


def _fault_page(template: str, failure: Failure, status: int, **values: Any) -> Response:
    response = Response(render_template(template, failure=failure, **values), status)
    if status == 503:
        response.headers["Retry-After"] = str(_RETRY)
    return response


def _unit(unit_id: str) -> Hit:
    """Return a unit in the shape of a hit that nothing was asked of."""
    return Hit(**_service().unit(unit_id).model_dump(), rank=1, score=0.0, parts={}, lines=())


def _file(repository: str, path: str) -> tuple[str, str, File]:
    """Return a file with its repository and path; a repository's name may have slashes."""
    parts = path.split("/")
    for cut in range(min(len(parts), _NAME_PARTS)):
        name, rest = "/".join([repository, *parts[:cut]]), "/".join(parts[cut:])
        with suppress(UsageError):
            return name, rest, _service().file(name, rest)
    raise UsageError(f"the index has no file {repository}/{path}")


def _like(hit: Hit) -> list[Place]:
    """Return where the first of the units are that a hit stands for."""
    places = []
    for unit_id in hit.like[:_NAMED_LIKE]:
        # One that has left the index since the search is not named.
        with suppress(UsageError):
            unit = _service().unit(unit_id)
            place = f"{unit.repository}/{unit.path}:{unit.start_line}"
            places.append(Place(place, url_for("pages.unit_page", unit_id=unit_id)))
    return places


def _number(name: str, default: int, most: int) -> int:
    value = request.values.get(name, default, type=int)
    return min(max(value, 1), most)


def _service() -> Service:
    return service(current_app)


def _asset(name: str) -> str:
    """Return the address of a file of ours; it changes with the content, so that browsers may keep it."""
    return url_for("pages.static_file", name=name, v=assets.digest(name))
