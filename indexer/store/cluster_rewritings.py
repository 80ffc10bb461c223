"""Rewritings of a store in a cluster: what was written from units' texts, which units have it, and its vectors.

A link gives a unit a rewriting from one generation on; which generations there are is the store's to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from indexer.cluster.generations import NEVER, Query, seen_by
from indexer.errors import IndexDamaged
from indexer.store.cluster_access import Rows, batches
from indexer.store.cluster_rows import (
    Document,
    rewriting_of,
    rewriting_row,
    text_hash,
    written_vectors_of,
    written_vectors_row,
)
from indexer.store.interface import CodeRewriting, NewRewriting
from indexer.store.manifest import REINDEX
from indexer.store.schema import row_hash

_BY_KEY: Sequence[str] = ("key",)


class Rewritings:
    """The rewritings among the rows of a store whose published generation is `generation`."""

    def __init__(self, rows: Rows, generation: int) -> None:
        self._rows = rows
        self._live: list[Query] = list(seen_by(generation))
        self._staged: list[Query] = [{"range": {"added": {"gt": generation}}}]
        self._either: list[Query] = [{"range": {"removed": {"gt": generation}}}]
        self._next = generation + 1

    def any(self) -> bool:
        """Tell whether there is any rewriting."""
        return self._rows.count("rewriting", []) > 0

    def of(self, keys: Sequence[int], *, staged: bool) -> dict[int, CodeRewriting]:
        """Return the rewritings of units, as live or as `staged`; raise IndexDamaged for a row not as written."""
        links = self._links(keys, self._either if staged else self._live)
        written = self._rows.get("rewriting", {link["rewriting"] for link in links.values()})
        found = {}
        for unit, link in links.items():
            row = written.get(str(link["rewriting"]))
            said = rewriting_of(row) if row is not None and _is_whole(link) else None
            if said is None:
                raise IndexDamaged(f"the rewriting of unit {unit} is damaged; {REINDEX}")
            found[unit] = said
        return found

    def _links(self, keys: Sequence[int], filters: Sequence[Query]) -> dict[int, Document]:
        """Return the newest link of each unit that has one."""
        found: dict[int, Document] = {}
        for batch in batches(keys):
            for link in self._rows.rows("link", [*filters, {"terms": {"key": batch}}]):
                if link["added"] >= found.get(link["key"], link)["added"]:
                    found[link["key"]] = link
        return found

    def newest(self, text: str, generator: str) -> CodeRewriting | None:
        """Return the newest rewriting of a text by a generator; one that is damaged is none."""
        filters = [{"term": {"text_hash": text_hash(text)}}, {"term": {"generator": generator}}]
        rows = self._rows.found("rewriting", filters, [{"key": "desc"}], 1)
        return rewriting_of(rows[0]) if rows else None

    def save(self, written: Iterable[NewRewriting], first: int) -> int:
        """Write rewritings, keys from `first` on, and stage them for units with their texts; return the next key."""
        rows: list[tuple[object, Document]] = []
        made: dict[tuple[str, str, str, str], int] = {}
        for each in written:
            hashed = text_hash(each.text)
            said = (hashed, each.generator, each.purpose, each.code)
            key = made.get(said) or self._key_of(said)
            if key is None:
                key, first = first, first + 1
                rows.append((key, rewriting_row(CodeRewriting(key, each.generator, each.purpose, each.code), hashed)))
            made[said] = key
            for unit in self._rows.rows("unit", [*self._either, {"terms": {"unit_id": list(each.units)}}]):
                if unit["body"]["text"] == each.text:
                    rows.append(self._link(unit["key"], unit["file"], key))
        self._rows.write(rows)
        return first

    def _key_of(self, said: tuple[str, str, str, str]) -> int | None:
        filters = [{"term": {"text_hash": said[0]}}, {"term": {"generator": said[1]}}]
        for row in self._rows.found("rewriting", filters, [{"key": "desc"}]):
            if (row["body"]["purpose"], row["body"]["code"]) == said[2:]:
                return int(row["key"])
        return None

    def _link(self, unit: int, file: int, rewriting: int) -> tuple[str, Document]:
        where = {"row": "link", "key": unit, "file": file, "rewriting": rewriting}
        row = {**where, "added": self._next, "removed": NEVER, "body": {"hash": row_hash((unit, rewriting))}}
        return f"{unit}-{self._next}", row

    def for_staged(self, units: Sequence[tuple[int, int, str]]) -> list[tuple[object, Document]]:
        """Return the links that give new units, by key, file and text, the newest rewriting that their texts have."""
        if not units or not self.any():
            return []
        hashes = {key: text_hash(text) for key, _, text in units}
        newest: dict[str, int] = {}
        for batch in batches(sorted(set(hashes.values()))):
            for row in self._rows.rows("rewriting", [{"terms": {"text_hash": batch}}], fields=("key", "text_hash")):
                newest[row["text_hash"]] = row["key"]  # ascending by key
        return [self._link(key, file, newest[hashes[key]]) for key, file, _ in units if hashes[key] in newest]

    def publish(self) -> None:
        """Mark the links that staged ones take the place of."""
        units = [row[0] for row in self._rows.columns("link", self._staged, _BY_KEY)]
        for batch in batches(units):
            self._rows.mark_removed("link", [{"terms": {"key": batch}}, *self._live], self._next)

    def relinked(self) -> list[tuple[int, int, int | None]]:
        """Return (file key, unit key, depth of its vectors) of the live units with a staged rewriting."""
        units = [row[0] for row in self._rows.columns("link", self._staged, _BY_KEY)]
        live: dict[int, int] = {}
        for batch in batches(units):
            live |= dict(self._rows.columns("unit", [*self._live, {"terms": {"key": batch}}], ("key", "file")))
        depths = self._rows.get("blocks", live, ("depth",))
        found = [(file, key, depths.get(str(key), {}).get("depth")) for key, file in live.items()]
        return sorted(found, key=lambda each: each[:2])

    def written_for(self, keys: Sequence[int], generator: str) -> set[int]:
        """Return those of the units for which a generator has written all."""
        links = [
            (link["key"], link["rewriting"])
            for batch in batches(keys)
            for link in self._rows.rows("link", [*self._either, {"terms": {"key": batch}}], fields=("key", "rewriting"))
        ]
        rows = self._rows.get("rewriting", {rewriting for _, rewriting in links})
        done = {name for name, row in rows.items() if row["generator"] == generator and row["body"]["code"]}
        return {unit for unit, rewriting in links if str(rewriting) in done}

    def vectors(self, keys: Sequence[int], depth: int) -> dict[int, NDArray[np.float32]]:
        """Return the vectors (texts, dim) of rewritings at a depth; a damaged row is none: it can be made again."""
        found = {}
        for name, row in self._rows.get("rewritten", keys).items():
            vectors = written_vectors_of(row)
            if row["depth"] == depth and vectors is not None:
                found[int(name)] = vectors
        return found

    def save_vectors(self, vectors: Mapping[int, NDArray[np.float32]], depth: int) -> None:
        """Write the vectors (texts, dim) of rewritings, as float16, in place of those that were there."""
        self._rows.write((key, written_vectors_row(key, each, depth)) for key, each in vectors.items())

    def sweep(self) -> None:
        """Remove the rewritings that no unit has, with their vectors."""
        keys = [row[0] for row in self._rows.columns("rewriting", [], _BY_KEY)]
        for batch in batches(keys):
            linked = {row[0] for row in self._rows.columns("link", [{"terms": {"rewriting": batch}}], ("rewriting",))}
            gone = [key for key in batch if key not in linked]
            if gone:
                self._rows.delete("rewritten", gone)
                self._rows.delete("rewriting", gone)


def altered_links(rows: Rows) -> Iterator[str]:
    """Yield what is said of every unit's link to a rewriting that is altered, or whose rewriting is gone."""
    written = {row[0] for row in rows.columns("rewriting", [], _BY_KEY)}
    for link in rows.rows("link", []):
        if not _is_whole(link) or link["rewriting"] not in written:
            yield f"the rewriting of unit {link['key']} is not what was written"


def _is_whole(link: Document) -> bool:
    return bool(row_hash((link["key"], link["rewriting"])) == link["body"].get("hash"))
