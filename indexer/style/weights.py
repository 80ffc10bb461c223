"""How much a name says of a style: less, the more texts use it.

Names are counted or looked up here, not compared.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from indexer.lexical.interface import LexicalIndex
from indexer.lexical.tokens import terms
from indexer.style.snippets import Snippet


@dataclass(frozen=True, slots=True)
class Frequencies:
    """Of `documents` texts, how many use a name: as a variable, and as an API that they call.

    Where there are no documents, all names weigh the same.
    """

    documents: int
    variables: Callable[[str], int]
    apis: Callable[[str], int]

    def of_variable(self, name: str) -> float:
        """Return what a variable weighs; more than 0."""
        return _rarity(self.documents, self.variables(name))

    def of_api(self, name: str) -> float:
        """Return what an API weighs; more than 0."""
        return _rarity(self.documents, self.apis(name))


def counted(snippets: Iterable[Snippet]) -> Frequencies:
    """Return the frequencies of names in some snippets."""
    variables: Counter[str] = Counter()
    apis: Counter[str] = Counter()
    documents = 0
    for snippet in snippets:
        documents += 1
        variables.update(snippet.variables)
        apis.update(snippet.apis)
    return Frequencies(documents, variables.__getitem__, apis.__getitem__)


def indexed(lexical: LexicalIndex) -> Frequencies:
    """Return the frequencies of names in the bodies of an index's units, as variables, APIs or anything else."""

    def units(name: str) -> int:
        # The first term of an identifier is the whole of it.
        return max(lexical.frequencies(terms(name)[:1]).values(), default=0)

    return Frequencies(len(lexical), units, units)


def _rarity(documents: int, frequency: int) -> float:
    """Return the inverse document frequency of a name as BM25 has it."""
    seen = min(frequency, documents)
    return math.log(1 + (documents - seen + 0.5) / (seen + 0.5))


UNKNOWN = counted(())
