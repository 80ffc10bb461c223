"""What tells near-duplicates: a small sketch of a unit's words, and how like two sketches say their units are.

The sketch is b-bit minwise hashing (Li and König, 2010) with one bit: of each of 128 minima only the lowest bit is
kept. In the same room this tells copies from what is only similar better than fewer minima with more bits each.
numpy stays out of the head of this module: parser processes start without it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rensa import RMinHash

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Sketches are stored: a change of these numbers, or of rensa's algorithm, is a change of the store's FORMAT.
SKETCH_BYTES = 16
_PERMUTATIONS = 8 * SKETCH_BYTES
_SEED = 2010
# Fewer words say too little: accessors and constructors are alike everywhere.
LEAST_WORDS = 15

_MINIMA = struct.Struct(f"<{_PERMUTATIONS}I")
_LOW_BITS = bytes(ord("0") + (byte & 1) for byte in range(256))


def sketch(words: Sequence[str]) -> bytes:
    """Return the sketch of a unit's words as written; b"" for fewer than LEAST_WORDS, too few to say.

    It follows from the set of all three words in a row, and is the same on every machine.
    """
    if len(words) < LEAST_WORDS:
        return b""
    minima = RMinHash(_PERMUTATIONS, _SEED)
    minima.update(map(" ".join, zip(words, words[1:], words[2:], strict=False)))
    lowest_bytes = _MINIMA.pack(*minima.digest())[::4]
    return int(lowest_bytes.translate(_LOW_BITS), base=2).to_bytes(SKETCH_BYTES, "big")


def likeness(sketches: Sequence[bytes]) -> NDArray[np.float64]:
    """Return (n, n) the Jaccard similarity of every two units, estimated from their sketches, none of them b"".

    Units that share nothing agree in half the bits by chance; only what agrees beyond that counts. An estimate is
    right on average and exactly 1 for copies; its standard deviation is .09 at 0, .06 at .7 and .04 at .85.
    """
    import numpy as np

    words = np.frombuffer(b"".join(sketches), np.uint64).reshape(len(sketches), SKETCH_BYTES // 8).T
    differing = sum(np.bitwise_count(word[:, None] ^ word) for word in words)
    return np.asarray(1 - differing * (2 / _PERMUTATIONS), dtype=np.float64)
