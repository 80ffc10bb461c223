"""Code Style Similarity: how alike two texts of one language are in names, calls and shape, whatever they do.

After Li, Zhou and Shen (2024), "Rewriting the Code: A Simple Method for Large Language Model Augmented Code Search"
(ReCo). How a text is read is in `indexer.style.snippets`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from indexer.errors import UsageError
from indexer.style.snippets import Snippet, read
from indexer.style.trees import tree_edit_distance
from indexer.style.weights import UNKNOWN, Frequencies

# Names of one side compared at a time with all of the other: 10,000 names against 10,000 stay below 50 MB.
_ROWS = 512

Weight = Callable[[str], float]


class Variant(StrEnum):
    """Whose formula: the paper's text, or the code released with it.

    They differ in how the two directions of a comparison of names become one (the mean; the less similar one), and in
    what is where a side has no names (two sides without are alike, one without is not; the part is left out).
    """

    PAPER = "paper"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class StyleSimilarity:
    """A similarity and the parts it is the mean of, each from 0 to 1; a part that was left out is None.

    Each part is 1 minus its distance in the paper. `notes` say, in words, what was not worked out as defined.
    """

    similarity: float
    variables: float | None
    apis: float | None
    tree: float
    notes: tuple[str, ...] = ()


def similarity(
    left: str,
    right: str,
    language: str,
    *,
    variant: Variant = Variant.PAPER,
    frequencies: Frequencies = UNKNOWN,
) -> StyleSimilarity:
    """Return the similarity of two texts of one language; raise UsageError as `read` does.

    `frequencies` weigh names by their rarity; without them all names of a side weigh the same.
    """
    return compare(read(left, language), read(right, language), variant=variant, frequencies=frequencies)


def compare(
    left: Snippet, right: Snippet, *, variant: Variant = Variant.PAPER, frequencies: Frequencies = UNKNOWN
) -> StyleSimilarity:
    """Return the similarity of two snippets; raise UsageError where they were read as different languages.

    The tree's part is 1 − TED / (nodes of the larger tree), and 0 where more nodes than that must change.
    """
    if left.language != right.language:
        raise UsageError(f"one side is {left.language}, the other {right.language}: their trees cannot be compared")
    variables = _names(left.variables, right.variables, frequencies.of_variable, variant)
    apis = _names(left.apis, right.apis, frequencies.of_api, variant)
    distance = tree_edit_distance(left.tree, right.tree)
    tree = max(0.0, 1 - distance.value / max(len(left.tree), len(right.tree)))
    parts = [part for part in (variables, apis, tree) if part is not None]
    notes = [
        f"the {side} text does not parse at line {snippet.fault}: it was read as far as the grammar makes sense of it"
        for side, snippet in (("first", left), ("second", right))
        if snippet.fault is not None
    ]
    if not distance.exact:
        sizes = f"{len(left.tree)} and {len(right.tree)} nodes"
        notes.append(f"the trees are too large to compare ({sizes}): the tree's part is an upper bound")
    return StyleSimilarity(sum(parts) / len(parts), variables, apis, tree, tuple(notes))


def _names(left: frozenset[str], right: frozenset[str], weight: Weight, variant: Variant) -> float | None:
    """Return how alike two sets of names are, None where a variant leaves that out."""
    if not left or not right:
        return None if variant is Variant.RELEASED else float(left == right)
    ours, theirs = sorted(left), sorted(right)
    nearest = _nearest(ours, theirs)
    directions = [
        1 - float(np.average(distances, weights=[weight(name) for name in side]))
        for side, distances in zip((ours, theirs), nearest, strict=True)
    ]
    return min(directions) if variant is Variant.RELEASED else sum(directions) / 2


def _nearest(ours: list[str], theirs: list[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each name's edit distance, by the length of the longer, to the nearest of the other side."""
    rows = []
    columns = np.ones(len(theirs))
    for start in range(0, len(ours), _ROWS):
        part = cdist(ours[start : start + _ROWS], theirs, scorer=Levenshtein.normalized_distance, dtype=np.float64)
        rows.append(part.min(axis=1))
        np.minimum(columns, part.min(axis=0), out=columns)
    return np.concatenate(rows), columns
