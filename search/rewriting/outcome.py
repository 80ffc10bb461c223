"""What became of the rewriting of a query. Values only."""

from __future__ import annotations

from dataclasses import dataclass

from search.types import Rewriting


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What was generated for a query, None where nothing was; `notes` say why not, for all, `faults` for the owner.

    A fault may name the generator's address and quote what it says; a note never does.
    """

    rewriting: Rewriting | None = None
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def exemplars(self) -> tuple[str, ...]:
        """The code that stands beside the query."""
        return self.rewriting.exemplars if self.rewriting else ()


# Of a query that nobody asked to rewrite.
AS_IT_IS = Rewritten()
