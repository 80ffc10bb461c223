"""What a hit must be: filters, phrases, regular expressions and exclusions, answered completely.

Gives the keys of all units that qualify; ranks none of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from indexer.index import View
from indexer.lexical.tokens import terms
from indexer.store.interface import Catalogue, Keys
from search.filters import FieldFilter
from search.patterns import Pattern
from search.query import Phrase, Query, Word

_FILE_FIELDS = {"repo": 0, "path": 1, "ext": 1, "lang": 2}


def qualifying(view: View, query: Query) -> Keys | None:
    """Return the keys, ascending, of the units that a query's conditions allow; None: all."""
    allowed = _filtered(view, query.filters)
    for phrase in query.demanded:
        allowed = _matching(view, phrase.pattern, _candidates(view, phrase, allowed))
    for regex in query.regexes:
        allowed = _matching(view, regex.pattern, allowed)
    unwanted = [_matching(view, item.pattern, _candidates(view, item, allowed)) for item in _excluded(query)]
    unwanted += [_matching(view, regex.pattern, allowed) for regex in query.excluded_regexes]
    for keys in unwanted:
        allowed = np.setdiff1d(view.catalogue.keys if allowed is None else allowed, keys, assume_unique=True)
    return allowed


def _excluded(query: Query) -> Sequence[Word | Phrase]:
    return (*query.excluded_words, *query.excluded_phrases)


def _filtered(view: View, filters: Sequence[FieldFilter]) -> Keys | None:
    if not filters:
        return None
    catalogue = view.catalogue
    keep = np.ones(len(catalogue.keys), dtype=bool)
    for entry in filters:
        keep &= _accepted(catalogue, entry)
    return catalogue.keys[keep]


def _accepted(catalogue: Catalogue, entry: FieldFilter) -> NDArray[np.bool_]:
    """Ask the filter once for each distinct value, then look the units' values up."""
    column = _FILE_FIELDS.get(entry.field)
    if column is not None:
        return _verdicts(entry, [file[column] for file in catalogue.files])[catalogue.file]
    if entry.field == "kind":
        return _verdicts(entry, catalogue.kinds)[catalogue.kind]
    return _verdicts(entry, catalogue.symbols)[catalogue.symbol]


def _verdicts(entry: FieldFilter, values: Sequence[str]) -> NDArray[np.bool_]:
    return np.fromiter((entry.matches(value) for value in values), bool, len(values))


def _candidates(view: View, item: Word | Phrase, allowed: Keys | None) -> Keys | None:
    """Return the units that hold every word of a phrase: a phrase stands at word boundaries, so none is missed."""
    wanted = list(dict.fromkeys(terms(item.text)))
    if not wanted:
        return allowed
    holding = view.lexical.containing(wanted)
    return holding if allowed is None else np.intersect1d(holding, allowed, assume_unique=True)


def _matching(view: View, pattern: Pattern, keys: Keys | None) -> Keys:
    found = [key for key, text in view.texts(keys) if pattern.search(text)]
    return np.array(found, dtype=np.int64)
