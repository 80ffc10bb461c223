"""Literals in one spelling: equal values are written alike, and a value never changes.

Functions on the text of one literal; what cannot be read with certainty comes back as it was.
"""

from __future__ import annotations

import ast
import re
import warnings

_INTEGER = re.compile(r"0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|0[0-7]+|[1-9][0-9]*|0")
_DECIMAL = re.compile(r"(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][+-]?[0-9]+)?")
_ESCAPED = re.compile(r"\\(.)", re.S)
# Longer numbers are left alone: Python refuses to print them.
_DIGITS = 1000


def python_number(text: str) -> str:
    """Return a number of Python in its shortest common spelling."""
    lowered = text.lower().replace("_", "")
    if len(text) > _DIGITS or lowered.endswith("l"):
        return text
    imaginary = "j" if lowered.endswith("j") else ""
    body = lowered.removesuffix("j")
    if not imaginary and _INTEGER.fullmatch(body):
        return text if body.startswith("0") and body.isdigit() and body.strip("0") else str(int(body, 0))
    return _float(body, text, imaginary)


def c_number(text: str, separator: str, suffixes: str, floating_suffixes: str, old_octal: bool) -> str:
    """Return a number of a language like C; suffixes are kept, in lower case, since they are types."""
    if len(text) > _DIGITS:
        return text
    lowered = text.replace(separator, "").lower()
    hexadecimal = lowered.startswith(("0x", "0b"))
    body = lowered.rstrip(suffixes)
    if _INTEGER.fullmatch(body):
        suffix = "".join(sorted(lowered[len(body) :]))
        if body.startswith("0") and body.isdigit() and len(body) > 1:
            return str(int(body, 8)) + suffix if old_octal and not set(body) & set("89") else text
        return str(int(body, 0)) + suffix
    if hexadecimal:
        return text
    body = lowered.rstrip(floating_suffixes)
    return _float(body, text, lowered[len(body) :])


def _float(body: str, text: str, suffix: str) -> str:
    if not _DECIMAL.fullmatch(body):
        return text
    value = float(body)
    # Outside a double's range the spelling is all there is.
    if value in (float("inf"), 0.0) and set(body.partition("e")[0]) & set("123456789"):
        return text
    shortest = repr(value)
    # More digits than a double holds may mean a wider type.
    return shortest + suffix if sum(map(str.isdigit, body)) <= 17 else text


def python_value(text: str) -> str | bytes | None:
    """Return the value of a string of Python without interpolation, None where it cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = ast.literal_eval(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, str | bytes) else None


def double_quoted(inner: str) -> str:
    """Return the inside of a string with any quotes as one with double quotes, its escapes kept."""

    def unescape(match: re.Match[str]) -> str:
        return match[1] if match[1] in "'`" else match[0]

    plain = _ESCAPED.sub(unescape, inner)
    return '"' + re.sub(r'\\.|"', lambda match: '\\"' if match[0] == '"' else match[0], plain, flags=re.S) + '"'
