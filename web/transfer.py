"""How an answer travels: not at all when the caller has it, and packed when the caller can unpack it."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from functools import cache
from importlib.metadata import version

from flask import Response, current_app, request

from web.service import service

# Bytes: less fits one packet anyway.
_LEAST_PACKED = 1_000
_LEVEL = 5


def tagged(make: Callable[[], Response]) -> Response:
    """Return what `make` makes with a tag that changes with the index; nothing is made for who holds that."""
    if request.method not in ("GET", "HEAD"):
        return make()
    # The index is looked at before it is read: a tag may be older than what it stands for, which costs a caller one
    # answer more, and never newer.
    return _with_tag(_tag(), make)


def tagged_by_content(response: Response) -> Response:
    """Return an answer with a tag of what it says; for what changes between two generations too."""
    tag = hashlib.blake2b(response.get_data(), digest_size=16).hexdigest()
    return _with_tag(tag, lambda: response)


def packed(response: Response) -> Response:
    """Return an answer gzipped for those who take it, unless it is short or sent while it is made."""
    if response.is_streamed or response.direct_passthrough or "Content-Encoding" in response.headers:
        return response
    response.vary.add("Accept-Encoding")
    if request.accept_encodings["gzip"] > 0 and len(response.get_data()) > _LEAST_PACKED:
        response.set_data(gzip.compress(response.get_data(), _LEVEL, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
    return response


def _with_tag(tag: str, make: Callable[[], Response]) -> Response:
    # "*" is for those who write: whether there is such an answer is not known before it is made.
    held = request.if_none_match.as_set(include_weak=True)
    response = Response(status=304) if tag in held else make()
    # An answer says how long it took: two of them are never the same bytes.
    response.set_etag(tag, weak=True)
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def _tag() -> str:
    """Return what tells this answer from all others: the index as it is, how it is asked, and the question."""
    held = service(current_app)
    state = (
        held.version(),
        held.settings.query_depth,
        _release(),
        request.path,
        sorted(request.args.items()),
    )
    return hashlib.blake2b(repr(state).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


@cache
def _release() -> str:
    return version("fathom-search")
