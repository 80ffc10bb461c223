"""Near-duplicates of texts: MinHash signatures in bands (LSH), over a whole set at once.

Sketches of single units (`splitting/likeness.py`) are coarser and stored; these are finer and live as long as a run.
"""

from __future__ import annotations

from array import array

import xxhash
from rensa import RMinHash

from indexer.lexical.tokens import words

# Texts that share this much of their runs of three words are one text to a model.
LIKE = 0.7
# Two texts meet if one of 20 bands of 6 minima is equal: at .7 with probability .92, at .5 with .27.
_BANDS = 20
_ROWS = 6
_SEED = 7
# Shorter texts are alike everywhere: only copies count.
_LEAST_WORDS = 12

# The minima, 4 bytes each; b"" for a text too short to say.
Signature = bytes


def signature(text: str) -> Signature:
    """Return a text's MinHash signature, b"" for one that is too short to say."""
    said = words(text)
    if len(said) < _LEAST_WORDS:
        return b""
    minima = RMinHash(_BANDS * _ROWS, _SEED)
    minima.update(map(" ".join, zip(said, said[1:], said[2:], strict=False)))
    return array("I", minima.digest()).tobytes()


class Seen:
    """The signatures seen so far."""

    def __init__(self) -> None:
        # A band's key → the place of its signature, or places where several share it: most are alone.
        self._bands: list[dict[int, int | list[int]]] = [{} for _ in range(_BANDS)]
        self._signatures: list[Signature] = []

    def like(self, found: Signature) -> bool:
        """Tell whether a text like this one was added."""
        if not found:
            return False
        met: set[int] = set()
        for band, key in zip(self._bands, _keys(found), strict=True):
            places = band.get(key, ())
            met.update((places,) if isinstance(places, int) else places)
        mine = memoryview(found).cast("I")
        return any(_jaccard(mine, memoryview(self._signatures[place]).cast("I")) >= LIKE for place in sorted(met))

    def add(self, found: Signature) -> None:
        """Add a text's signature."""
        if not found:
            return
        place = len(self._signatures)
        self._signatures.append(found)
        for band, key in zip(self._bands, _keys(found), strict=True):
            known = band.setdefault(key, place)
            if isinstance(known, list):
                known.append(place)
            elif known != place:
                band[key] = [known, place]


def _keys(found: Signature) -> list[int]:
    width = len(found) // _BANDS
    return [xxhash.xxh3_64_intdigest(found[start : start + width]) for start in range(0, len(found), width)]


def _jaccard(first: memoryview[int], second: memoryview[int]) -> float:
    return sum(map(int.__eq__, first, second)) / len(first)
