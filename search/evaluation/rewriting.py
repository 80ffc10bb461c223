"""A set asked with what was generated for it: on the query's side, on the code's, on both, beside the plain systems.

The read path is the engine's own: only what a query asks for and what the indexes hold is another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from indexer.combining import CodeWeights, code_text, code_vector
from indexer.encoder.interface import Encoder, Vectors
from indexer.encoder.units import embed_texts
from indexer.expansion import lexical_document
from indexer.index import View
from indexer.lexical.tantivy import TantivyIndex, TantivyWriter
from indexer.progress import Progress, Report, silent
from indexer.settings import Settings
from indexer.store.interface import Head, Keys
from indexer.types import Unit
from indexer.vectors.factory import build_segment, searched
from indexer.vectors.index import SegmentedIndex
from indexer.vectors.segments import part_of
from search.engine import Engine
from search.evaluation.generations import Generations
from search.evaluation.systems import System
from search.ranking.weights import fitted
from search.retrieval import Asked, candidates, order
from search.rewriting.combine import query_terms, query_vector

# Texts that are encoded together.
_BATCH = 128
_NO_KEYS: Keys = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Arm:
    """Which generations a system uses: exemplars for its queries or none, and what the code's texts weigh."""

    exemplars: bool
    code: CodeWeights

    def usable(self, generations: Generations) -> bool:
        """Tell whether all that the arm uses is there for some query or text."""
        wanted = (
            (self.exemplars, generations.exemplars),
            (self.code.rewritten > 0, generations.rewritten),
            (self.code.purpose > 0, generations.purposes),
        )
        return all(there for needed, there in wanted if needed)


_PLAIN_CODE = CodeWeights(1, 0, 0)
# What a plain system is given besides: exemplars with its queries (GAR), rewritten code too (ReCo), purposes too; and
# both sides of the code, or purposes alone, for which nothing is generated while somebody waits.
ARMS: Mapping[str, Arm] = {
    "gar": Arm(exemplars=True, code=_PLAIN_CODE),
    "reco": Arm(exemplars=True, code=CodeWeights(1, 1, 0)),
    "reco+purpose": Arm(exemplars=True, code=CodeWeights(1, 1, 1)),
    "rewritten": Arm(exemplars=False, code=CodeWeights(1, 1, 1)),
    "purpose": Arm(exemplars=False, code=CodeWeights(1, 0, 1)),
}


@dataclass(frozen=True)
class Encoded:
    """Generations with the vectors (dim,) of their texts, in the same order."""

    generations: Generations
    exemplars: Mapping[str, Sequence[Vectors]]
    purposes: Mapping[str, Sequence[Vectors]]
    rewritten: Mapping[str, Sequence[Vectors]]


class RewrittenSet:
    """An engine's index as an arm sees it: `view` is the index with the code's texts, `written` each unit's text."""

    def __init__(self, engine: Engine, plain: View, view: View, arm: Arm, encoded: Encoded) -> None:
        self._engine, self._plain, self._view = engine, plain, view
        self._arm, self._encoded = arm, encoded

    def ranking(self, system: System, query: str, text: str) -> tuple[Head, ...]:
        """Return the units that a system finds for a query of the set, best first."""
        asked = self._asked(self._engine.asked(self._plain, text, system.mode), query)
        keys, found = candidates(self._view, asked)
        # The signals that read texts read what was written, too.
        found = replace(found, texts=lambda rows: self._texts(keys, rows))
        return order(keys, found, asked, system.weights or fitted(shallow=self._view.manifest.shallow)).heads

    def _asked(self, asked: Asked, query: str) -> Asked:
        exemplars = self._encoded.generations.exemplars.get(query, ()) if self._arm.exemplars else ()
        if not exemplars:
            return asked
        vector = asked.vector
        if vector is not None:
            vector = query_vector(vector, self._encoded.exemplars[query])
        return replace(asked, terms=query_terms(asked.terms, exemplars), vector=vector)

    def _texts(self, keys: Keys, rows: NDArray[np.int64]) -> dict[int, str]:
        units = self._plain.store.units(keys[rows].tolist())
        return {int(row): _text(units[int(keys[row])], self._arm, self._encoded.generations) for row in rows}


def encode(generations: Generations, encoder: Encoder, settings: Settings, report: Report = silent) -> Encoded:
    """Return generations with vectors: exemplars at the depth of queries, the rest at that of code."""
    deepest = encoder.depths[-1]
    code = deepest if settings.depth is None else settings.depth
    query = deepest if settings.query_depth is None else settings.query_depth
    purposes = {key: (purpose,) for key, purpose in generations.purposes.items()}
    return Encoded(
        generations,
        _vectors(encoder, generations.exemplars, query, "exemplars", report),
        _vectors(encoder, purposes, code, "purposes", report),
        _vectors(encoder, generations.rewritten, code, "rewritings", report),
    )


def _vectors(
    encoder: Encoder, texts: Mapping[str, Sequence[str]], depth: int, what: str, report: Report
) -> dict[str, list[Vectors]]:
    flat = [(key, text) for key, several in texts.items() for text in several]
    found: dict[str, list[Vectors]] = {key: [] for key in texts}
    for start in range(0, len(flat), _BATCH):
        batch = flat[start : start + _BATCH]
        prompted = [encoder.document_prompt + text for _, text in batch]
        for (key, _), vector in zip(batch, embed_texts(encoder, prompted, depth), strict=True):
            found[key].append(vector)
        report(Progress(f"encode {what}", start + len(batch), len(flat), "texts"))
    return found


@contextmanager
def rewritten_set(engine: Engine, plain: View, arm: Arm, encoded: Encoded) -> Iterator[RewrittenSet]:
    """Yield what an arm makes of an index; its own indexes lie in a folder that goes with it."""
    if arm.code == _PLAIN_CODE:
        yield RewrittenSet(engine, plain, plain, arm, encoded)
        return
    keys = plain.catalogue.keys
    units = plain.store.units(keys.tolist())
    with TemporaryDirectory(prefix="fathom-eval-") as name:
        lexical = _write_lexical(Path(name), units, arm, encoded.generations)
        segment = build_segment(Path(name) / "vectors", [part_of(keys, _mixed(plain, units, arm, encoded), _NO_KEYS)])
        vectors = SegmentedIndex([searched(segment)], _NO_KEYS)
        view = replace(plain, lexical=lexical, vectors=vectors)
        yield RewrittenSet(engine, plain, view, arm, encoded)


def _write_lexical(folder: Path, units: Mapping[int, Unit], arm: Arm, generations: Generations) -> TantivyIndex:
    writer = TantivyWriter(folder, None)
    for key, unit in units.items():
        writer.add(lexical_document(key, key, unit, _text(unit, arm, generations)))
    writer.freeze(1)
    writer.close()
    return TantivyIndex(folder / "1")


def _text(unit: Unit, arm: Arm, generations: Generations) -> str:
    rewritten, purpose = generations.rewritten.get(unit.path, ()), generations.purposes.get(unit.path, "")
    return code_text(unit.text, rewritten, purpose, arm.code)


def _mixed(plain: View, units: Mapping[int, Unit], arm: Arm, encoded: Encoded) -> Vectors:
    """Return the vectors (n, dim) of units as an arm mixes them."""
    originals = plain.vectors.vectors(np.array(list(units), dtype=np.int64))
    return np.stack(
        [
            code_vector(
                original,
                encoded.rewritten.get(unit.path, ()),
                next(iter(encoded.purposes.get(unit.path, ())), None),
                arm.code,
            )
            for original, unit in zip(originals, units.values(), strict=True)
        ]
    )
