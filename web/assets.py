"""The page's own files: read and packed once, kept by browsers for as long as their content stays. Holds no page."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flask import Response, abort, request

_FOLDER = Path(__file__).with_name("static")
# An address that names the content never means another; any other address is asked about each time.
_FOREVER = "public, max-age=31536000, immutable"
_ASK = "public, no-cache"
_LEVEL = 9


@dataclass(frozen=True, slots=True)
class _Asset:
    content: bytes
    packed: bytes
    digest: str
    mimetype: str


def digest(name: str) -> str:
    """Return what stands for the content of a file of ours in its address."""
    return _assets()[name].digest


def asset_response(name: str) -> Response:
    """Return a file of ours, gzipped for those who take it; 404 for a name that is none."""
    asset = _assets().get(name) or abort(404)
    pack = request.accept_encodings["gzip"] > 0
    response = Response(asset.packed if pack else asset.content, mimetype=asset.mimetype)
    if pack:
        response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    response.headers["Cache-Control"] = _FOREVER if request.args.get("v") == asset.digest else _ASK
    response.set_etag(asset.digest, weak=True)
    response.make_conditional(request)
    return response


@cache
def _assets() -> dict[str, _Asset]:
    return {path.name: _read(path) for path in _FOLDER.iterdir() if path.is_file()}


def _read(path: Path) -> _Asset:
    content = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return _Asset(content, gzip.compress(content, _LEVEL, mtime=0), hashlib.sha256(content).hexdigest()[:8], kind)
