"""What a run of indexing says while it goes on and when it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step is: `done` of `total` (None: not known yet), in `unit`."""

    step: str
    done: int
    total: int | None
    unit: str


Report = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Report nothing."""


@dataclass(slots=True)
class Summary:
    """What a run did, counted in files, units and bytes."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    units: int = 0
    bytes: int = 0
    redactions: int = 0
    encoded: int = 0
    tokens: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, later: Summary) -> None:
        """Count what a later run encoded as well, with what it noted."""
        self.encoded += later.encoded
        self.tokens += later.tokens
        self.notes += [note for note in later.notes if note not in self.notes]
        for step, seconds in later.seconds.items():
            self.seconds[step] = self.seconds.get(step, 0.0) + seconds
