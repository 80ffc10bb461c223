"""Settings: defaults, then the file, then the environment; whoever comes later wins."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PREFIX = "WAYBILL_"
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class ConfigError(Exception):
    """A setting is missing or cannot be read."""


@dataclass(frozen=True)
class Settings:
    """All that can be set, with what holds where nothing is said."""

    host: str = "127.0.0.1"
    port: int = 8080
    journal: Path = Path("waybill.journal")
    session_lifetime: float = 3600.0
    carriers: dict[str, Any] = field(default_factory=dict)


def load_settings(path: Path | None, environment: Mapping[str, str]) -> Settings:
    """Return the settings of a file with the environment laid over them."""
    values = deep_merge(_read_file(path) if path else {}, _from_environment(environment))
    unknown = values.keys() - Settings.__dataclass_fields__.keys()
    if unknown:
        raise ConfigError(f"unknown settings: {', '.join(sorted(unknown))}")
    if "session_lifetime" in values:
        values["session_lifetime"] = parse_duration(str(values["session_lifetime"]))
    return Settings(**values)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            return tomllib.load(stream)
    except FileNotFoundError as error:
        raise ConfigError(f"there is no configuration file at {path}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Turn WAYBILL_CARRIERS__POST=x into {"carriers": {"post": "x"}}."""
    values: dict[str, Any] = {}
    for name, value in environment.items():
        if not name.startswith(PREFIX):
            continue
        *parents, last = name.removeprefix(PREFIX).lower().split("__")
        place = values
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return values


def deep_merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return both mappings as one; nested mappings are joined, anything else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        known = merged.get(key)
        both = isinstance(known, Mapping) and isinstance(value, Mapping)
        merged[key] = deep_merge(known, value) if both else value
    return merged


def parse_duration(text: str) -> float:
    """Return the seconds in "90s", "1h30m" or a bare number."""
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        return float(text)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text)
    if "".join(number + unit for number, unit in parts) != text or not parts:
        raise ConfigError(f"{text!r} is no length of time; write for example 90s or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def masked(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings fit for a log: whatever sounds like a key shows as stars."""
    hidden = re.compile(r"key|token|password|secret", re.I)
    return {
        name: "***" if hidden.search(name) else masked(value) if isinstance(value, Mapping) else value
        for name, value in values.items()
    }
