"""Splitting identifiers into the words they are made of.

Pure functions on strings: no stemming, no term weights, no languages.
"""

from __future__ import annotations

import re

# An acronym before a capitalised word, a capitalised or plain word, an acronym, digits.
_ASCII_PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
# Case says little outside ASCII (many scripts have none): underscores and digits alone divide.
_OTHER_PARTS = re.compile(r"[^\W\d_]+|\d+")


def split_identifier(identifier: str) -> list[str]:
    """Return the parts of an identifier in order, as written.

    `parseHTTPResponse_v2` gives `parse`, `HTTP`, `Response`, `v`, `2`.
    """
    return (_ASCII_PARTS if identifier.isascii() else _OTHER_PARTS).findall(identifier)
