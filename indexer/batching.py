"""A stream in pieces. What streams is not known here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

_T = TypeVar("_T")


def batched(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Yield lists of `size` items in their order, the last one shorter; no more is read ahead than one of them."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
