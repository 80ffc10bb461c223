"""Which pairs make a batch, and in which shape each text is seen. The same seed and step give the same batch.

No torch and no model here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.encoder.interface import Ids
from indexer.training.pairs import Pairs
from indexer.training.recipe import DataPart

_NOTHING = np.empty(0, dtype=np.int32)
# How people begin a question to a search engine, and the words that they leave out.
_OPENINGS = ((), ("how", "to"), ("how", "do", "i"), ("function", "to"), ("code", "to"), ("best", "way", "to"))
_SMALL_WORDS = ("a", "an", "the", "of", "this", "that", "given", ".", ",")
# Queries looked through for the neighbours of a seed: a sample keeps a step's cost small.
_NEIGHBOUR_SAMPLE = 4_096
# So many times the rows wanted are drawn, as some have the code of another: a batch has each code once.
_SPARE = 3


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """A batch's texts as token ids without special tokens.

    `rows` are its pairs, `negatives` more pairs of one language whose frozen queries it is told from. `documented`
    tells which codes have their documentation before them.
    """

    rows: NDArray[np.int64]
    queries: list[Ids]
    codes: list[Ids]
    documented: NDArray[np.bool_]
    negatives: NDArray[np.int64]


class _Languages:
    """The rows of pairs by language, and how often each language is drawn."""

    def __init__(self, pairs: Pairs, rows: NDArray[np.int64], power: float) -> None:
        self.rows = [rows[pairs.language[rows] == number] for number in range(len(pairs.languages))]
        shares = np.array([len(rows) for rows in self.rows], dtype=float) ** power
        self._shares = shares / max(1.0, shares.sum())
        self._any = len(rows) > 0

    def __bool__(self) -> bool:
        return self._any

    def draw(self, random: np.random.Generator) -> int:
        return int(random.choice(len(self.rows), p=self._shares))


class Sampler:
    """Draws batches from pairs."""

    def __init__(
        self, pairs: Pairs, recipe: DataPart, seed: int, words: NDArray[np.int64], vocabulary: Mapping[str, int]
    ) -> None:
        """`words` are the token ids that may stand in for each other, `vocabulary` names all token ids."""
        self._pairs, self._recipe, self._seed = pairs, recipe, seed
        self._words = words
        self._is_word = np.zeros(1 << 16, dtype=bool)
        self._is_word[words] = True
        self._openings = [_ids(vocabulary, opening) for opening in _OPENINGS]
        self._languages = [_ids(vocabulary, _spelled(name)) for name in pairs.languages]
        self._is_small = np.zeros(1 << 16, dtype=bool)
        self._is_small[_ids(vocabulary, _SMALL_WORDS)] = True
        self._all = _Languages(pairs, np.arange(len(pairs)), recipe.language_power)
        self._written = _Languages(pairs, np.flatnonzero(pairs.written), recipe.language_power)

    def batch(self, step: int, size: int, negatives: int) -> TrainingBatch:
        """Return the batch of a step: pairs of one language, so that the negatives are of it too."""
        random = np.random.default_rng([self._seed, step])
        drawn = self._written if self._written and random.random() < self._recipe.written else self._all
        number = drawn.draw(random)
        if random.random() < self._recipe.neighbours:
            rows = self._neighbours(random, drawn.rows[number], size)
        else:
            rows = self._distinct(_draw(random, drawn.rows[number], _SPARE * size), size)
        queries = [self._shape_query(random, row) for row in rows]
        # As many in every batch: a processor's kernels are made once for each shape.
        documented = random.permutation(len(rows)) < round(self._recipe.documented * len(rows))
        codes = [self._shape_code(random, row, spoken) for row, spoken in zip(rows, documented, strict=True)]
        return TrainingBatch(rows, queries, codes, documented, _draw(random, self._all.rows[number], negatives))

    def _neighbours(self, random: np.random.Generator, language: NDArray[np.int64], size: int) -> NDArray[np.int64]:
        """Return seeds with the pairs whose queries are nearest to theirs: the hardest negatives there are."""
        group = self._recipe.neighbour_group
        sample = _draw(random, language, _NEIGHBOUR_SAMPLE)
        seeds = sample[: max(1, size // group)]
        frozen = self._pairs.frozen[sample].astype(np.float32)
        near = np.argsort(-(frozen[: len(seeds)] @ frozen.T), axis=1, kind="stable")[:, :group]
        rows = np.unique(sample[near.ravel()])
        more = np.setdiff1d(sample, rows)
        return self._distinct(np.concatenate([rows, random.permutation(more)]), size)

    def _distinct(self, rows: NDArray[np.int64], size: int) -> NDArray[np.int64]:
        """Return the first `size` rows, of those that have the same code only the first."""
        _, first = np.unique(self._pairs.unit[rows], return_index=True)
        return rows[np.sort(first)[:size]]

    def _shape_query(self, random: np.random.Generator, row: int) -> Ids:
        ids = self._renamed(random, self._pairs.queries[row].astype(np.int32))
        if self._pairs.written[row] or random.random() >= self._recipe.asked:
            return ids
        language = self._languages[self._pairs.language[row]]
        before, after = (language, _NOTHING) if random.random() < 0.5 else (_NOTHING, language)
        opening = self._openings[random.integers(len(self._openings))]
        ids = ids[~self._is_small[ids]] if random.random() < 0.5 else ids
        return np.concatenate([before, opening, ids, after])[: self._recipe.query_tokens]

    def _shape_code(self, random: np.random.Generator, row: int, documented: bool) -> Ids:
        recipe, pairs = self._recipe, self._pairs
        ids = (pairs.normals if random.random() < recipe.normal else pairs.codes)[row].astype(np.int32)
        ids = self._renamed(random, ids)
        if documented:
            ids = np.concatenate([pairs.documentation[row].astype(np.int32), ids])
        if random.random() < recipe.named:
            ids = np.concatenate([pairs.names[row].astype(np.int32), ids])
        return ids[: recipe.code_tokens]

    def _renamed(self, random: np.random.Generator, ids: Ids) -> Ids:
        """Return ids, of which now and then some words are others, each the same one everywhere."""
        if random.random() >= self._recipe.renamed:
            return ids
        found = np.unique(ids[self._is_word[ids]])
        chosen = found[random.random(len(found)) < self._recipe.renamed_words]
        table = np.arange(1 << 16, dtype=np.int32)
        table[chosen] = random.choice(self._words, size=len(chosen))
        return table[ids]


def _spelled(language: str) -> list[str]:
    """Return a language's name as the tokenizer divides it: signs one by one."""
    return re.findall(r"\w+|\S", language)


def _ids(vocabulary: Mapping[str, int], words: Iterable[str]) -> Ids:
    """Return the ids of those words that the vocabulary has."""
    return np.array([vocabulary[word] for word in words if word in vocabulary], dtype=np.int32)


def _draw(random: np.random.Generator, rows: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return up to `size` distinct rows, in random order."""
    if size >= len(rows):
        return random.permutation(rows)
    return random.choice(rows, size=size, replace=False)
