"""The weights of the linear model: a small readable file, read once and checked.

`benchmarks/tune.py` writes it; nothing is fitted here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from indexer.errors import ModelDamaged
from search.classes import QueryClass
from search.ranking.model import SIGNALS, TEXT_SIGNALS

Weights = Mapping[str, float]

WEIGHTS_FILE = Path(__file__).with_name("weights.json")
# What the file calls the weights for vectors made at exit 0.
SHALLOW = "shallow"

# What the two indexes weigh without code-aware signals (`--no-rank`).
FUSION: Mapping[QueryClass, Weights] = {
    QueryClass.SYMBOL: {"bm25": 0.7, "vector": 0.3},
    QueryClass.LANGUAGE: {"bm25": 0.2, "vector": 0.8},
    QueryClass.CODE: {"bm25": 0.4, "vector": 0.6},
}


@cache
def fitted(path: Path = WEIGHTS_FILE, *, shallow: bool = False) -> Mapping[QueryClass, Weights]:
    """Return the weights of every query class; raise ModelDamaged naming what is wrong with the file.

    `shallow`: for an index most of whose vectors were made at exit 0.
    """
    return _read(path, "weights", SIGNALS, shallow=shallow)


@cache
def first_look(path: Path = WEIGHTS_FILE, *, shallow: bool = False) -> Mapping[QueryClass, Weights]:
    """Return the weights by which the candidates whose texts are read are chosen; raise ModelDamaged as `fitted`."""
    return _read(path, "first_look", SIGNALS.keys() - TEXT_SIGNALS, shallow=shallow)


def _read(path: Path, part: str, known: Collection[str], *, shallow: bool) -> Mapping[QueryClass, Weights]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelDamaged(f"the ranking weights {path} cannot be read: {error}; install Fathom again") from error
    if shallow:
        content = content.get(SHALLOW) if isinstance(content, dict) else None
    weights = content.get(part) if isinstance(content, dict) else None
    if not isinstance(weights, dict):
        named = f'"{part}" in "{SHALLOW}"' if shallow else f'"{part}"'
        raise ModelDamaged(f"the ranking weights {path} have no {named}; install Fathom again")
    return MappingProxyType({each: _checked(path, each, weights.get(each.value), known) for each in QueryClass})


def _checked(path: Path, query_class: QueryClass, weights: Any, signals: Collection[str]) -> Weights:
    if not isinstance(weights, dict):
        raise ModelDamaged(f"the ranking weights {path} have none for the class {query_class.value!r}")
    for name, weight in weights.items():
        if name not in signals:
            known = ", ".join(sorted(signals))
            raise ModelDamaged(f"the ranking weights {path} name an unknown signal {name!r}; there are {known}")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not _finite(weight):
            raise ModelDamaged(f"the ranking weights {path} give {name!r} no finite number but {weight!r}")
    return MappingProxyType({name: float(weight) for name, weight in weights.items()})


def _finite(weight: float) -> bool:
    # False for NaN too, and for a whole number that no float can hold.
    return abs(weight) <= sys.float_info.max
