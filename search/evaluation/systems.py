"""The systems that are compared: the same engine, asked with fewer or more of its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from indexer.store.interface import Head
from search.classes import QueryClass
from search.engine import Engine
from search.ranking.weights import FUSION, Weights
from search.retrieval import Mode
from search.rewriting.neighbours import Feedback


@dataclass(frozen=True)
class System:
    """How an engine is asked: which indexes, and which weights; `weights` None means the fitted ones.

    With `feedback` it is asked again, with its own best units.
    """

    mode: Mode
    weights: Mapping[QueryClass, Weights] | None = None
    feedback: Feedback | None = None

    def ranking(self, engine: Engine, text: str) -> tuple[Head, ...]:
        """Return the units that the system finds, best first."""
        return engine.pool(text, mode=self.mode, weights=self.weights, feedback=self.feedback).heads


SYSTEMS: Mapping[str, System] = {
    "bm25": System(Mode.LEXICAL, FUSION),
    "vectors": System(Mode.VECTOR, FUSION),
    "fused": System(Mode.HYBRID, FUSION),
    "ranked": System(Mode.HYBRID),
}
# The systems that a mode of `fathom search` has.
OF_MODE: Mapping[Mode, tuple[str, ...]] = {
    Mode.LEXICAL: ("bm25",),
    Mode.VECTOR: ("vectors",),
    Mode.HYBRID: tuple(SYSTEMS),
}
# What `--rewriter` calls feedback, and what is added to the name of a system with it.
NEIGHBOURS = "neighbours"


def with_feedback(systems: Mapping[str, System], feedback: Feedback) -> dict[str, System]:
    """Return systems, and each of them asked again with its own best units, `NAME+neighbours`."""
    again = {f"{name}+{NEIGHBOURS}": replace(system, feedback=feedback) for name, system in systems.items()}
    return {**systems, **again}
