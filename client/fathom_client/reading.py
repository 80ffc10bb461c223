"""From JSON to the types, each field checked for what its type says; what is not known is left aside."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from fathom_client.errors import BadAnswer

_T = TypeVar("_T")
_Read = Callable[[Any, str], Any]

_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false", type(None): "null"}


def read(kind: type[_T], value: Any) -> _T:
    """Return a JSON value as a type of `fathom_client.types`; raise BadAnswer that names the field that is wrong."""
    hint: Any = kind
    return cast("_T", _reader(hint)(value, ""))


@cache
def _reader(hint: Any) -> _Read:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _one_of([(each, _reader(each)) for each in arguments])
    if origin is tuple:
        return _many(_reader(arguments[0]))
    if origin is Mapping:
        return _by_name(_reader(arguments[1]))
    return _record(hint) if is_dataclass(hint) else _plain(hint)


def _plain(kind: Any) -> _Read:
    def take(value: Any, place: str) -> Any:
        if type(value) is kind:
            return value
        if kind is float and type(value) is int:
            return float(value)
        raise _wrong(place, f"must be {_NAMES[kind]}")

    return take


def _one_of(readers: list[tuple[Any, _Read]]) -> _Read:
    def take(value: Any, place: str) -> Any:
        if value is None and any(kind is type(None) for kind, _ in readers):
            return None
        *others, (_, last) = [(kind, reader) for kind, reader in readers if kind is not type(None)]
        for kind, reader in others:
            if type(value) is kind:
                return reader(value, place)
        return last(value, place)

    return take


def _many(reader: _Read) -> _Read:
    def take(value: Any, place: str) -> Any:
        if not isinstance(value, list):
            raise _wrong(place, "must be a list")
        return tuple([reader(each, f"{place}.{number}") for number, each in enumerate(value)])

    return take


def _by_name(reader: _Read) -> _Read:
    def take(value: Any, place: str) -> Any:
        if not isinstance(value, dict):
            raise _wrong(place, "must be an object")
        return {name: reader(each, f"{place}.{name}") for name, each in value.items()}

    return take


def _record(kind: Any) -> _Read:
    hints = get_type_hints(kind)
    known = [
        (field.name, field.metadata.get("name", field.name), _reader(hints[field.name]), _required(field))
        for field in fields(kind)
    ]

    def take(value: Any, place: str) -> Any:
        if not isinstance(value, dict):
            raise _wrong(place, "must be an object")
        found = {}
        for name, sent, reader, required in known:
            if sent in value:
                found[name] = reader(value[sent], f"{place}.{sent}")
            elif required:
                raise _wrong(f"{place}.{sent}", "is missing")
        return kind(**found)

    return take


def _required(field: Any) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _wrong(place: str, what: str) -> BadAnswer:
    return BadAnswer("bad_answer", f"the server's {place.lstrip('.') or 'answer'} {what}")
