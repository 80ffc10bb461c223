"""The OpenAPI 3.1 document, made from the routes that exist and the pydantic models they use.

pydantic writes the schemas. No extension is used: those that take pydantic's models read bodies themselves, and take
one that is no JSON at all for an empty one.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from flask import Flask
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from werkzeug.routing import Rule

from web.errors import ErrorAnswer
from web.fields import NoFields
from web.keys import Scope
from web.operations import NDJSON, OPERATIONS, Operation

_PLACE = re.compile(r"<(?:[^<>:]+:)?([^<>]+)>")
_REFERENCE = "#/components/schemas/{model}"
_METHODS = ("GET", "POST")
_PLACES = {
    "unit_id": "a hit's id",
    "repository": "a source's name",
    "path": "the file's path in its source; its slashes may stand as they are",
}
_HEADERS = {
    401: {"WWW-Authenticate": "the scheme of the keys"},
    405: {"Allow": "the methods of the route"},
    429: {"Retry-After": "seconds to wait"},
    503: {"Retry-After": "seconds to wait"},
}
_KEYS: dict[str, dict[str, str]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "Authorization: Bearer KEY"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "password": {"type": "http", "scheme": "basic", "description": "any name, the key as password; for browsers"},
}

Schema = dict[str, Any]


def document(app: Flask, *, keyed: bool) -> Schema:
    """Return the document of an application's routes; `keyed` tells whether it asks for keys."""
    schemas = _schemas()
    paths: dict[str, Schema] = {}
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        operation = OPERATIONS.get(rule.endpoint)
        if operation is None:
            continue
        for method in sorted(set(_METHODS) & (rule.methods or set())):
            described = _described(rule, method, operation, schemas, keyed)
            paths.setdefault(_PLACE.sub(r"{\1}", rule.rule), {})[method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Fathom",
            "version": version("fathom-search"),
            "description": "Semantic code search. Every error has one shape, ErrorAnswer.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": schemas} | ({"securitySchemes": _KEYS} if keyed else {}),
    }


def _schemas() -> dict[str, Schema]:
    """Return the schemas of all models by name, what is answered as it is written."""
    wanted: dict[type[BaseModel], JsonSchemaMode] = {ErrorAnswer: "serialization"}
    for operation in OPERATIONS.values():
        for model in (operation.answers, *operation.lines[1:]):
            if model is not None:
                wanted[model] = "serialization"
        for model in (operation.takes, *operation.lines[:1]):
            wanted[model] = "validation"
    _, made = models_json_schema(list(wanted.items()), ref_template=_REFERENCE)
    found: dict[str, Schema] = made["$defs"]
    return found


def _described(rule: Rule, method: str, operation: Operation, schemas: dict[str, Schema], keyed: bool) -> Schema:
    places = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "description": _PLACES[name]}
        for name in _PLACE.findall(rule.rule)
    ]
    asked = _parameters(schemas[operation.takes.__name__]) if method == "GET" else []
    found: Schema = {
        "operationId": f"{method.lower()}_{rule.endpoint.rpartition('.')[2]}",
        "summary": operation.summary,
        "parameters": places + asked,
        "responses": _responses(method, operation, keyed),
    }
    if method == "POST":
        found["requestBody"] = {"required": not operation.lines, "content": _body(operation)}
    if keyed:
        found["security"] = _security(operation.scope)
    return found


def _parameters(schema: Schema) -> list[Schema]:
    """Return the fields of a model as those of an address, which cannot say null."""
    found = []
    for name, field in schema.get("properties", {}).items():
        kinds = [kind for kind in field.get("anyOf", ()) if kind != {"type": "null"}]
        kept = {key: value for key, value in field.items() if key not in ("anyOf", "title", "description", "default")}
        default = {"default": field["default"]} if field.get("default") is not None else {}
        found.append(
            {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", ()),
                "description": field.get("description", ""),
                "schema": {**kept, **(kinds[0] if len(kinds) == 1 else {}), **default},
            }
        )
    return found


def _responses(method: str, operation: Operation, keyed: bool) -> Schema:
    found: Schema = {"200": _answered(operation, tagged=operation.tagged and method == "GET")}
    if operation.tagged and method == "GET":
        found["304"] = _response(304, {"ETag": "what the caller has"})
    body = (413, 415)
    refuses = {status for status in operation.refuses if method == "POST" or status not in body} | {403, 421}
    if keyed and operation.scope is not None:
        refuses |= {401, 429}
    if method == "GET" and operation.takes is not NoFields:
        refuses.add(414)
    for status in sorted(refuses):
        content = {"application/json": {"schema": _reference(ErrorAnswer)}}
        found[str(status)] = _response(status, _HEADERS.get(status, {})) | {"content": content}
    return found


def _answered(operation: Operation, *, tagged: bool) -> Schema:
    headers = {"ETag": "changes with the index"} if tagged else {}
    if operation.answers is not None:
        content: Schema = {"schema": _reference(operation.answers)}
    elif operation.lines:
        content = {"schema": _lines(*operation.lines[1:])}
    else:
        content = {"schema": {"type": "string"}}
    return _response(200, headers) | {"content": {operation.media: content}}


def _body(operation: Operation) -> Schema:
    if operation.lines:
        return {NDJSON: {"schema": _lines(operation.lines[0])}}
    return {"application/json": {"schema": _reference(operation.takes)}}


def _lines(*models: type[BaseModel]) -> Schema:
    """Return the schema of lines, which OpenAPI 3.1 can only tell in words."""
    shapes = " or ".join(_REFERENCE.format(model=model.__name__) for model in models)
    return {"description": f"a JSON object a line, each {shapes}"}


def _response(status: int, headers: dict[str, str]) -> Schema:
    named = {"X-Request-ID": "what the log calls the request", **headers}
    # The words of the two that the standard library does not name yet as the RFC does are its own.
    return {
        "description": HTTPStatus(status).phrase,
        "headers": {name: {"description": said, "schema": {"type": "string"}} for name, said in named.items()},
    }


def _security(scope: Scope | None) -> list[dict[str, list[str]]]:
    return [] if scope is None else [{name: [scope.value]} for name in _KEYS]


def _reference(model: type[BaseModel]) -> Schema:
    return {"$ref": _REFERENCE.format(model=model.__name__)}
