"""One set of pairs from what packages gave: no pair twice, none near another, none of an evaluation set.

Held-out packages come first, so that what is like them is not trained on. The same packages give the same files.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from indexer.lexical.tokens import words
from indexer.progress import Progress, Report, silent
from indexer.training.duplicates import Seen, signature
from indexer.training.heldout import write_sets
from indexer.training.left_out import LeftOut
from indexer.training.mining import Mined, Pair, normal, write_lines
from indexer.training.written import read_written, written_pairs
from indexer.types import Kind

TRAIN, HELD_OUT, MANIFEST = "train.jsonl.gz", "heldout.jsonl.gz", "mined.json"
WRITTEN = "written.jsonl.gz"
HELD_OUT_SETS = "heldout"
# So that no giant rules.
MAX_PAIRS = 6_000
# "Returns the value." asks for nothing in particular; in evaluation a question has one answer.
_MAX_QUERY, _MAX_HELD_OUT_QUERY = 3, 1
# Heads of classes beside functions: three to seventeen are 15 % of the whole.
_CLASSES, _FUNCTIONS = 3, 17


@dataclass(slots=True)
class Merged:
    """The pairs of a set in order, and what became of each package's."""

    train: list[Pair] = field(default_factory=list)
    held_out: list[Pair] = field(default_factory=list)
    packages: list[dict[str, Any]] = field(default_factory=list)

    def counts(self, *, held_out: bool = False) -> dict[str, int]:
        """Return language → pairs, most first."""
        return dict(Counter(pair.language for pair in (self.held_out if held_out else self.train)).most_common())


def merge(results: Sequence[Mined], left_out: LeftOut, *, report: Report = silent) -> Merged:
    """Return the pairs of all packages that may stand in one set."""
    merged, sieve = Merged(), _Sieve(left_out)
    ordered = sorted(results, key=lambda mined: not mined.package.held_out)
    for place, mined in enumerate(ordered):
        report(Progress("merging", place, len(ordered), "packages"))
        dropped: Counter[str] = Counter()
        kept = _ordered(_capped(sieve.passed(mined, dropped), dropped))
        (merged.held_out if mined.package.held_out else merged.train).extend(kept)
        merged.packages.append(_entry(mined, kept, dropped))
    report(Progress("merging", len(ordered), len(ordered), "packages"))
    return merged


class _Sieve:
    """Lets a pair through once, and none of an evaluation set."""

    def __init__(self, left_out: LeftOut) -> None:
        self._queries: Counter[str] = Counter()
        self._codes: set[bytes] = set()
        self._evaluated: set[bytes] = set()
        self._measured, self._seen = Seen(), Seen()
        for text in left_out.texts():
            self._evaluated.add(_digest(_words(text)))
            self._measured.add(signature(text))

    def passed(self, mined: Mined, dropped: Counter[str]) -> Iterator[Pair]:
        """Yield a package's pairs that may stay, in an order that has nothing to do with where they stand."""
        for pair in sorted(mined.pairs, key=_lot):
            reason = self._refused(pair, held_out=mined.package.held_out)
            if reason:
                dropped[reason] += 1
            else:
                yield pair

    def _refused(self, pair: Pair, *, held_out: bool) -> str:
        query, code = normal(pair.query), _words(pair.code)
        code_digest = _digest(code)
        if code_digest in self._evaluated or _digest(_words(pair.query)) in self._evaluated:
            return "of an evaluation set"
        if code_digest in self._codes:
            return "a copy"
        if self._queries[query] >= (_MAX_HELD_OUT_QUERY if held_out else _MAX_QUERY):
            return "a question asked before"
        found = signature(pair.code)
        if self._measured.like(found):
            return "like one of an evaluation set"
        if self._seen.like(found):
            return "a near-duplicate"
        self._queries[query] += 1
        self._codes.add(code_digest)
        self._seen.add(found)
        return ""


def _capped(pairs: Iterable[Pair], dropped: Counter[str]) -> list[Pair]:
    functions: list[Pair] = []
    classes: list[Pair] = []
    for pair in pairs:
        (classes if pair.kind == Kind.CLASS.value else functions).append(pair)
    allowed = len(functions[:MAX_PAIRS]) * _CLASSES // _FUNCTIONS
    over = len(classes) - min(allowed, len(classes))
    kept = [*functions, *classes[:allowed]]
    dropped.update({"more heads of classes than are wanted": over} if over else {})
    dropped.update({"more than a package may give": len(kept) - MAX_PAIRS} if len(kept) > MAX_PAIRS else {})
    return sorted(kept, key=_lot)[:MAX_PAIRS]


def _ordered(pairs: Iterable[Pair]) -> list[Pair]:
    return sorted(pairs, key=lambda pair: (pair.path, pair.symbol, pair.query, pair.code))


def _lot(pair: Pair) -> bytes:
    return _digest(f"{pair.path}\0{pair.symbol}\0{pair.query}\0{pair.code}")


def _words(text: str) -> str:
    return " ".join(words(text))


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=12).digest()


def _entry(mined: Mined, kept: Sequence[Pair], dropped: Counter[str]) -> dict[str, Any]:
    left_out = mined.left_out + dropped
    return {
        **mined.package.model_dump(mode="json"),
        "pairs": dict(sorted(Counter(pair.language for pair in kept).items())),
        "left_out": dict(sorted(left_out.items())),
        **({"broken": mined.broken} if mined.broken else {}),
        **({"failure": mined.failure} if mined.failure else {}),
    }


def write_merged(merged: Merged, target: Path) -> None:
    """Write the pairs, those of written queries, what was held out also as sets a language, and last the manifest."""
    write_lines(target / TRAIN, map(asdict, merged.train))
    write_lines(target / WRITTEN, written_pairs(map(asdict, merged.train), read_written()))
    write_lines(target / HELD_OUT, map(asdict, merged.held_out))
    write_sets(map(asdict, merged.held_out), target / HELD_OUT_SETS)
    left_out: Counter[str] = Counter()
    for package in merged.packages:
        left_out.update(package["left_out"])
    manifest = {
        "train": {"pairs": len(merged.train), "languages": merged.counts()},
        "held_out": {"pairs": len(merged.held_out), "languages": merged.counts(held_out=True)},
        "left_out": dict(left_out.most_common()),
        "packages": merged.packages,
    }
    fresh = target / f".{MANIFEST}.fresh"
    fresh.write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    fresh.replace(target / MANIFEST)
