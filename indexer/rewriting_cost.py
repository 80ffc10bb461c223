"""What rewriting an index will take, before anything is asked: which units, how many tokens, at what cost.

Only reads; nothing is sent, and nothing written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from indexer.backends import Backends
from indexer.errors import UsageError
from indexer.generators import prompts
from indexer.generators.counting import estimate_tokens
from indexer.generators.interface import Request, Task, text_key
from indexer.settings import Settings
from indexer.store.interface import Store
from indexer.types import Unit

# Units read at a time.
_PAGE = 200
# Texts whose tokens are counted for the estimate; the others' follow from their length.
_SAMPLE = 500
# Tokens of a sentence, as models write them when they are asked for one.
_SENTENCE_TOKENS = 40


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of which sources (() is all) how much is asked for at most, tokens and texts (None is no bound), and at once."""

    sources: tuple[str, ...] = ()
    tokens: int | None = None
    texts: int | None = None
    at_once: int = 1


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is to be written: `texts` of units, which `copies` more units have too, and the tokens that it takes."""

    texts: int = 0
    copies: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def cost(self, settings: Settings) -> float | None:
        """Return what that costs at the settings' prices, in their currency; None where a price is not set."""
        return cost_of(self.tokens_in, self.tokens_out, settings)


def cost_of(tokens_in: int, tokens_out: int, settings: Settings) -> float | None:
    """Return what tokens cost at the settings' prices a million; None where a price is not set."""
    if settings.price_in is None or settings.price_out is None:
        return None
    return (tokens_in * settings.price_in + tokens_out * settings.price_out) / 1e6


def estimate(folder: Path, settings: Settings, generator: str, bounds: Bounds = Bounds()) -> Estimate:
    """Return what a generator has to write for an index; raise UsageError for a source that it does not have."""
    with closing(Backends(folder, settings).open_store()) as store:
        _check_sources(store, bounds.sources)
        texts: set[bytes] = set()
        copies, counted, length, tokens_in, tokens_out = 0, 0, 0, 0, 0
        for unit in unwritten(store, generator, bounds.sources):
            key = bytes.fromhex(text_key(unit.text))
            if key in texts:
                copies += 1
                continue
            if bounds.texts is not None and len(texts) >= bounds.texts:
                continue
            texts.add(key)
            length += min(len(unit.text), prompts.MAX_QUOTED)
            if len(texts) <= _SAMPLE:
                read, written = unit_tokens(unit)
                tokens_in, tokens_out, counted = tokens_in + read, tokens_out + written, length
    scale = length / counted if counted else 0.0
    return Estimate(len(texts), copies, round(tokens_in * scale), round(tokens_out * scale))


def unwritten(store: Store, generator: str, sources: Sequence[str]) -> Iterator[Unit]:
    """Yield the units for which a generator has to write, most useful first, as deepening takes them."""
    for useful in (True, False):
        after = -1
        while batch := store.unwritten(generator, after, _PAGE, useful=useful, sources=sources):
            after = batch[-1][0]
            yield from (unit for _, unit in batch)


def _check_sources(store: Store, sources: Sequence[str]) -> None:
    """Raise UsageError, with those there are, for a source that an index does not have."""
    known = [source.name for source in store.sources()]
    unknown = [name for name in sources if name not in known]
    if unknown:
        raise UsageError(f"the index has no source {unknown[0]!r}; it has {', '.join(known) or 'none'}")


def unit_tokens(unit: Unit) -> tuple[int, int]:
    """Return about how many tokens are read and written for a unit: its purpose, and code from that."""
    purpose = prompt_tokens(Request(Task.PURPOSE, unit.text, language=unit.language))
    rewriting = prompt_tokens(Request(Task.REWRITING, "Does.", language=unit.language)) + _SENTENCE_TOKENS
    code = min(prompts.REPLY_TOKENS[Task.REWRITING], estimate_tokens(unit.text[: prompts.MAX_QUOTED]))
    return purpose + rewriting, _SENTENCE_TOKENS + code


def prompt_tokens(request: Request) -> int:
    """Return about how many tokens are read for a request."""
    return sum(estimate_tokens(message["content"]) for message in prompts.messages(request))
