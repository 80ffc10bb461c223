"""Examples for a generator, drawn from the index itself: documented code in the style of the code base.

Drawn, not searched for: the same few for every query of a generation, so that a server can keep what it has read of
them, and no query's answer among its own examples but by chance.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from indexer.generators.interface import Budget, Generation, Generator, Pair, Request
from indexer.index import Index, View
from indexer.store.interface import Keys
from indexer.types import Kind, Unit

# As many as ReCo shows.
PAIRS = 4
# Units that are looked at for them.
_LOOKED_AT = 512
# Words and characters of a description, and characters of code: a prompt is read while somebody waits.
_LEAST_WORDS = 4
_MOST_DESCRIPTION, _LEAST_CODE, _MOST_CODE = 200, 40, 800
_KINDS = (Kind.FUNCTION.value, Kind.METHOD.value)


class WithPairs:
    """Gives a generator examples of an index with each request."""

    def __init__(self, generator: Generator, index: Index) -> None:
        self.name = generator.name
        self._generator, self._index = generator, index
        self._drawn: tuple[int, dict[str, tuple[Pair, ...]]] = (0, {})

    def generate(self, request: Request, budget: Budget) -> Generation:
        """Return what the generator writes by the examples of the newest generation."""
        return self._generator.generate(replace(request, pairs=self._pairs(request.language)), budget)

    def close(self) -> None:
        """Close the generator."""
        self._generator.close()

    def _pairs(self, language: str) -> tuple[Pair, ...]:
        try:
            with self._index.view() as view:
                if self._drawn[0] != view.manifest.generation:
                    self._drawn = (view.manifest.generation, {})
                drawn = self._drawn[1]
                if language not in drawn:
                    drawn[language] = draw_pairs(view, language)
                return drawn[language]
        finally:
            self._index.close()  # this thread ends


def draw_pairs(view: View, language: str = "") -> tuple[Pair, ...]:
    """Return up to PAIRS documented units, all in a language if one is named, as descriptions with their code.

    The draw is the same for a generation; fewer are returned where fewer are documented.
    """
    keys = _of_language(view, language)
    draw = np.random.default_rng(view.manifest.generation)
    drawn = draw.choice(len(keys), min(len(keys), _LOOKED_AT), replace=False)
    heads = view.store.heads(keys[drawn].tolist())
    documented = [key for key, head in heads.items() if head.documented and head.kind in _KINDS]
    found: list[Pair] = []
    for key in documented:
        pair = _pair(view.store.units([key])[key])
        if pair is not None:
            found.append(pair)
        if len(found) == PAIRS:
            break
    return tuple(found)


def _of_language(view: View, language: str) -> Keys:
    catalogue = view.catalogue
    if not language:
        return catalogue.keys
    files = [number for number, file in enumerate(catalogue.files) if file[2] == language]
    keys: Keys = catalogue.keys[np.isin(catalogue.file, files)]
    return keys


def _pair(unit: Unit) -> Pair | None:
    """Return a unit as an example, None where it is too long to be one or says too little."""
    description = " ".join(unit.docstring.strip().partition("\n\n")[0].split())[:_MOST_DESCRIPTION]
    fits = _LEAST_CODE <= len(unit.text) <= _MOST_CODE
    return Pair(description, unit.text) if fits and len(description.split()) >= _LEAST_WORDS else None
