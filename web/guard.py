"""Who is let in: the host that was asked for, the page that asks, and the key. Decides before any route is run."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from flask import Flask, Response, request

from indexer.errors import UsageError
from indexer.settings import Settings
from web.errors import Refused, for_machines
from web.keys import Key, Keys, Scope, read_keys
from web.operations import OPERATIONS
from web.trace import note

_EXTENSION = "fathom-guard"
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_PORT = re.compile(r":[0-9]+$")
_EXPOSED = "X-Request-ID, ETag, Retry-After"
_ALLOWED = "Authorization, Content-Type, If-None-Match, X-API-Key, X-Request-ID"


def install(app: Flask, settings: Settings) -> None:
    """Guard an application by the settings; raise UsageError for settings that guard nothing."""
    app.extensions[_EXTENSION] = guard = Guard(settings)
    app.before_request(guard.admit)
    app.after_request(guard.share)


def keyed(app: Flask) -> bool:
    """Tell whether an application asks for keys."""
    guard: Guard = app.extensions[_EXTENSION]
    return guard.keys is not None


def only_here(app: Flask) -> bool:
    """Tell whether nobody but this machine asks an application, as far as its settings and its address say."""
    guard: Guard = app.extensions[_EXTENSION]
    return guard.only_here


class Guard:
    """What the settings let in."""

    def __init__(self, settings: Settings) -> None:
        self._hosts = tuple(each.lower() for each in settings.hosts)
        self._origins = frozenset(_origin(each) for each in settings.cors)
        self.keys: Keys | None = read_keys(settings.keys) if settings.keys is not None else None

    @property
    def only_here(self) -> bool:
        """Whether the request came in by this machine's own address, and by no other name than that."""
        return not self._hosts and _is_loopback(request.environ["SERVER_NAME"])

    def admit(self) -> None:
        """Raise Refused for a request that is not to be answered."""
        self._check_host()
        self._check_origin()
        if request.method != "OPTIONS" and self.keys is not None:
            self._check_key(self.keys)

    def share(self, response: Response) -> Response:
        """Let the pages of other origins that are named read what programs may."""
        if not self._origins or not for_machines():
            return response
        response.vary.add("Origin")
        origin = request.headers.get("Origin")
        if origin is None or not self._is_shared(origin):
            return response
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = "GET, HEAD, POST"
            response.headers["Access-Control-Allow-Headers"] = _ALLOWED
            response.headers["Access-Control-Max-Age"] = "600"
        return response

    def _check_host(self) -> None:
        """Refuse names that are not ours: a foreign page can give one of its own our address, and then read us."""
        ours = self._hosts or (_LOOPBACK if self.only_here else ())
        if ours and not _is_one_of(request.host.lower(), ours):
            raise Refused(421, "foreign_host", "this server does not go by that name (see FATHOM_HOSTS)")

    def _check_origin(self) -> None:
        """Refuse requests that another site's page makes, unless it is named."""
        origin = request.headers.get("Origin")
        if origin is None or self._is_shared(origin) or _authority(origin) == request.host.lower():
            return
        raise Refused(403, "foreign_origin", "pages of that origin may not ask this server (see FATHOM_CORS)")

    def _is_shared(self, origin: str) -> bool:
        return "*" in self._origins or origin.lower() in self._origins

    def _check_key(self, keys: Keys) -> None:
        if request.endpoint is None or (scope := _scope(request.endpoint)) is None:
            return
        secret = _secret()
        if secret is None:
            raise _unauthorised("key_missing", "this needs a key")
        key = keys.find(secret)
        if key is None:
            raise _unauthorised("key_unknown", "there is no such key")
        note(key=key.name)
        _check_scope(key, scope)
        if seconds := keys.wait(key):
            message = f"this key is good for {key.per_minute} requests a minute"
            raise Refused(429, "too_many_requests", message, headers={"Retry-After": str(seconds)})


def _check_scope(key: Key, scope: Scope) -> None:
    if scope not in key.scopes:
        raise Refused(403, "scope_missing", f"this key is not good for {scope.value!r}")


def _scope(endpoint: str) -> Scope | None:
    """Return what a key must open for a route; pages are for searching, and what says that we are well is open."""
    operation = OPERATIONS.get(endpoint)
    return operation.scope if operation is not None else Scope.SEARCH


def _secret() -> str | None:
    """Return the key that was sent: as a bearer's, in its own header, or as a password, as browsers send it."""
    own, sent = request.headers.get("X-API-Key"), request.authorization
    if own or sent is None:
        return own or None
    found = sent.token if sent.type == "bearer" else sent.password if sent.type == "basic" else None
    return found or None


def _unauthorised(code: str, message: str) -> Refused:
    scheme = "Bearer" if for_machines() else "Basic"
    extra = ', charset="UTF-8"' if scheme == "Basic" else ""
    return Refused(401, code, message, headers={"WWW-Authenticate": f'{scheme} realm="fathom"{extra}'})


def _is_one_of(host: str, names: tuple[str, ...]) -> bool:
    """Tell whether a host, whatever its port, is named; a name with a dot before it stands for all below it."""
    name = _PORT.sub("", host)
    return any(name == each or (each.startswith(".") and name.endswith(each)) for each in names)


def _is_loopback(name: str) -> bool:
    """Tell whether the address that a request came in by is this machine's own."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _authority(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _origin(text: str) -> str:
    if text == "*":
        return text
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or text.lower() != f"{parts.scheme}://{parts.netloc.lower()}":
        raise UsageError(f"FATHOM_CORS: {text!r} is not an origin; write https://host or https://host:port, or *")
    return text.lower()
