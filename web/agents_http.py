"""The tools for agents over HTTP: which hosts, origins and keys are let in."""

from __future__ import annotations

from collections.abc import Sequence

from mcp.server import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from web.keys import Keys
from web.keys import Scope as KeyScope

_WANTED = {"WWW-Authenticate": 'Bearer realm="fathom"'}
_LOOPBACK = ("127.0.0.1:*", "localhost:*", "[::1]:*")


def application(server: MCPServer, hosts: Sequence[str], origins: Sequence[str], keys: Keys | None) -> ASGIApp:
    """Return what answers at /mcp, to loopback names and `hosts`, to pages of `origins` alone, and to `keys`."""
    checks = TransportSecuritySettings(allowed_hosts=[*_LOOPBACK, *hosts], allowed_origins=list(origins))
    app: ASGIApp = server.streamable_http_app(stateless_http=True, transport_security=checks)
    return app if keys is None else _Keyed(app, keys)


class _Keyed:
    """An application behind keys, those of the JSON API; they must be good for searching."""

    def __init__(self, app: ASGIApp, known: Keys) -> None:
        self._app, self._keys = app, known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = self._refused(Headers(scope=scope)) if scope["type"] == "http" else None
        await (refused or self._app)(scope, receive, send)

    def _refused(self, headers: Headers) -> JSONResponse | None:
        kind, _, token = headers.get("authorization", "").partition(" ")
        secret = headers.get("x-api-key") or (token if kind.lower() == "bearer" else "")
        key = self._keys.find(secret) if secret else None
        if key is None:
            return _fault(
                401, "key_unknown" if secret else "key_missing", {"WWW-Authenticate": 'Bearer realm="fathom"'}
            )
        if KeyScope.SEARCH not in key.scopes:
            return _fault(403, "scope_missing", {})
        seconds = self._keys.wait(key)
        return _fault(429, "too_many_requests", {"Retry-After": str(seconds)}) if seconds else None


def _fault(status: int, code: str, headers: dict[str, str]) -> JSONResponse:
    message = {401: "this needs a key", 403: "this key is not good for 'search'", 429: "too many requests"}[status]
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)
