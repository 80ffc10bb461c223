"""The HTTP layer: which handler answers which address, and what goes wrong as JSON."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any
from urllib.parse import parse_qs

from server.tokens import TokenInvalid, verify_token

PAGE = 50
MAX_BODY = 1 << 20
Handler = Callable[..., "Response"]


@dataclass
class Request:
    """One request as the web server hands it over."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    query: str = ""
    context: dict[str, Any] = field(default_factory=dict)

    def json(self) -> Any:
        """Return the body as JSON; raise HttpError 400 or 413 for one that is not."""
        if len(self.body) > MAX_BODY:
            raise HttpError(413, "request body is too large")
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise HttpError(400, "request body is not valid JSON") from error


@dataclass(frozen=True)
class Response:
    """What goes back."""

    status: int
    body: Any
    headers: tuple[tuple[str, str], ...] = ()


class HttpError(Exception):
    """Ends a request with a status and a message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Router:
    """A table of address patterns."""

    def __init__(self) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []

    def route(self, method: str, pattern: str) -> Callable[[Handler], Handler]:
        """Register a handler; "<name>" in the pattern becomes its keyword argument."""
        expression = re.compile(re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", pattern))

        def register(handler: Handler) -> Handler:
            self._routes.append((method, expression, handler))
            return handler

        return register

    def dispatch(self, request: Request) -> Response:
        """Answer a request; whatever a handler raises as HttpError becomes a JSON body."""
        allowed = []
        for method, expression, handler in self._routes:
            match = expression.fullmatch(request.path)
            if match is None:
                continue
            if method != request.method:
                allowed.append(method)
                continue
            try:
                return handler(request, **match.groupdict())
            except HttpError as error:
                return Response(error.status, {"error": str(error)})
        if allowed:
            return Response(405, {"error": "method not allowed"}, (("Allow", ", ".join(sorted(allowed))),))
        return Response(404, {"error": f"nothing is served at {request.path}"})


def require_scope(scope: str) -> Callable[[Handler], Handler]:
    """Let only callers through whose bearer token permits a scope."""

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        def guarded(request: Request, **arguments: str) -> Response:
            kind, _, token = request.headers.get("Authorization", "").partition(" ")
            if kind != "Bearer":
                raise HttpError(401, "missing bearer token")
            try:
                claims = verify_token(request.context["keys"], token)
            except TokenInvalid as error:
                raise HttpError(401, str(error)) from error
            if not claims.permits(scope):
                raise HttpError(403, f"this token does not permit {scope}")
            return handler(request, **arguments)

        return guarded

    return decorate


def normalise_tracking_number(text: str) -> str:
    """Return a tracking number without blanks and dashes, in capitals, its check digit verified."""
    number = re.sub(r"[\s-]", "", text).upper()
    match = re.fullmatch(r"[A-Z]{2}(\d{8})(\d)[A-Z]{2}", number)
    if match is None:
        raise ValueError(f"{text!r} is not a tracking number")
    weights = (8, 6, 4, 2, 3, 5, 9, 7)
    total = sum(int(digit) * weight for digit, weight in zip(match[1], weights))
    check = {10: 0, 11: 5}.get(11 - total % 11, 11 - total % 11)
    if check != int(match[2]):
        raise ValueError(f"{text!r} has a wrong check digit")
    return number


api = Router()


@api.route("GET", "/parcels/<number>")
@require_scope("parcels:read")
def show_parcel(request: Request, number: str) -> Response:
    """Answer with a parcel and where it was seen last."""
    parcel = request.context["store"].parcel(normalise_tracking_number(number))
    if parcel is None:
        raise HttpError(404, "no such parcel")
    return Response(200, parcel, (("Cache-Control", "private, max-age=30"),))


@api.route("POST", "/parcels")
@require_scope("parcels:write")
def register_parcel(request: Request) -> Response:
    """Take a new parcel in; asking twice with the same idempotency key makes one."""
    wanted = request.json()
    key = request.headers.get("Idempotency-Key", "")
    made = request.context["store"].remembered(key) if key else None
    if made is None:
        made = request.context["store"].add_parcel(wanted["number"], wanted["recipient"], key)
    return Response(201, made, (("Location", f"/parcels/{made['number']}"),))


@api.route("GET", "/parcels/<number>/scans")
@require_scope("parcels:read")
def list_scans(request: Request, number: str) -> Response:
    """Answer with one page of scans and the cursor of the next."""
    after = int(parse_qs(request.query).get("after", ["0"])[0])
    scans = request.context["store"].scans(normalise_tracking_number(number), after, PAGE + 1)
    following = scans[PAGE - 1]["id"] if len(scans) > PAGE else None
    return Response(200, {"scans": scans[:PAGE], "next": following})


@api.route("POST", "/hooks/<carrier>")
def receive_scan(request: Request, carrier: str) -> Response:
    """Store what a carrier pushes, once it has shown that it is the carrier."""
    key = request.context["settings"].carriers.get(carrier, {}).get("webhook_key")
    if key is None:
        raise HttpError(404, f"unknown carrier {carrier}")
    expected = hmac.new(key.encode(), request.body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, request.headers.get("X-Signature", "")):
        raise HttpError(403, "webhook signature mismatch")
    for scan in request.json()["scans"]:
        request.context["store"].add_scan(carrier, scan)
    return Response(202, {})
