"""Where a page of a list ended: a word that only means something beside the query it was given for."""

from __future__ import annotations

import binascii
import hashlib
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from web.errors import Refused

_PLACE = struct.Struct(">QI")
_SUM = 9


@dataclass(frozen=True, slots=True)
class Place:
    """The offset of the next page, and the generation that the last one was of."""

    generation: int
    offset: int


def write(place: Place, query: Sequence[object]) -> str:
    """Return the cursor of a place in the list of a query and its options."""
    packed = _PLACE.pack(place.generation, place.offset)
    return urlsafe_b64encode(packed + _sum(packed, query)).decode()


def read(cursor: str, query: Sequence[object]) -> Place:
    """Return the place of a cursor; raise Refused for one that is damaged or another query's."""
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii"))
    except (binascii.Error, UnicodeEncodeError):
        raw = b""
    packed = raw[: _PLACE.size]
    # What decodes to the same bytes is not yet the same word.
    if (
        len(packed) != _PLACE.size
        or raw[_PLACE.size :] != _sum(packed, query)
        or urlsafe_b64encode(raw) != cursor.encode()
    ):
        raise Refused(400, "bad_cursor", "this is no cursor of this query; begin without one", "cursor")
    return Place(*_PLACE.unpack(packed))


def _sum(packed: bytes, query: Sequence[object]) -> bytes:
    return hashlib.blake2b(packed + repr(tuple(query)).encode("utf-8", "surrogatepass"), digest_size=_SUM).digest()
