"""What is read of a store in a cluster as a whole: every unit's filterable fields, counts, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.batching import batched
from indexer.cluster.generations import Query
from indexer.errors import IndexDamaged
from indexer.store.cluster_access import Rows
from indexer.store.cluster_rewritings import altered_links
from indexer.store.cluster_rows import (
    blocks_of,
    rewriting_of,
    unit_of,
    vector_of,
    written_vectors_of,
)
from indexer.store.interface import Catalogue, SourceRow, Statistics
from indexer.store.manifest import Manifest

# Values of a field that are counted one by one: more than there are languages, kinds, reasons and sources.
_MOST_VALUES = 10_000
# Rows of blocks whose vectors are verified together.
_CHECKED = 200


def read_catalogue(rows: Rows, seen: Sequence[Query]) -> Catalogue:
    """Return every unit that is seen by its filterable fields."""
    files = _files(rows, seen)
    units = list(rows.columns("unit", seen, ("key", "file", "kind", "symbol")))
    columns = list(zip(*units, strict=True)) or [(), (), (), ()]
    long = [key for key, symbol in zip(columns[0], columns[3], strict=True) if symbol is None]
    whole = {int(name): row["symbol"] for name, row in rows.get("unit", long, ("symbol",)).items()} if long else {}
    named = [
        whole.get(key, "") if symbol is None else symbol for key, symbol in zip(columns[0], columns[3], strict=True)
    ]
    kinds, symbols = list(dict.fromkeys(columns[2])), list(dict.fromkeys(named))
    file_keys = np.array([row[0] for row in files], dtype=np.int64)
    return Catalogue(
        keys=np.array(columns[0], dtype=np.int64),
        file=np.searchsorted(file_keys, np.array(columns[1], dtype=np.int64)).astype(np.int32),
        kind=_places(columns[2], kinds),
        symbol=_places(named, symbols),
        files=[(row[1], row[2], row[3]) for row in files],
        kinds=kinds,
        symbols=symbols,
    )


def _files(rows: Rows, seen: Sequence[Query]) -> list[tuple[Any, ...]]:
    """Return (key, repository, path, language) of files, from whole rows where one is longer than a field."""
    names = ("key", "repository", "path", "language")
    files = list(rows.columns("file", seen, names))
    long = [row[0] for row in files if None in row]
    whole = {int(name): tuple(row[each] for each in names) for name, row in rows.get("file", long, names).items()}
    return [whole.get(row[0], row) for row in files]


def _places(values: Sequence[str], distinct: Sequence[str]) -> NDArray[np.int32]:
    place = {value: at for at, value in enumerate(distinct)}
    return np.fromiter((place[value] for value in values), np.int32, len(values))


def read_statistics(rows: Rows, seen: Sequence[Query], sources: tuple[SourceRow, ...]) -> Statistics:
    """Return counts of what is seen."""
    size, units = {"sum": {"field": "size"}}, {"sum": {"field": "units"}}
    files = rows.sums(
        "file",
        seen,
        {
            "size": size,
            "units": units,
            "redactions": {"sum": {"field": "redactions"}},
            "unparsed": {"filter": {"term": {"parsed": False}}},
            "languages": {**_values("language"), "aggs": {"size": size, "units": units}},
        },
    )
    languages = {
        each["key"]: (each["doc_count"], _whole(each["units"]), _whole(each["size"]))
        for each in files["languages"]["buckets"]
    }
    kinds = rows.sums("unit", seen, {"kinds": _values("kind")})["kinds"]["buckets"]
    skipped = {**_values("repository"), "aggs": {"reasons": _values("reason")}}
    left_out = rows.sums("skipped", seen, {"skipped": skipped})["skipped"]["buckets"]
    return Statistics(
        sources=sources,
        languages=dict(sorted(languages.items(), key=lambda each: (-each[1][1], each[0]))),
        skipped={
            each["key"]: {reason["key"]: reason["doc_count"] for reason in _sorted(each["reasons"]["buckets"])}
            for each in _sorted(left_out)
        },
        files=sum(count for count, _, _ in languages.values()),
        units=_whole(files["units"]),
        blocks=_whole(rows.sums("blocks", seen, {"blocks": {"sum": {"field": "blocks"}}})["blocks"]),
        bytes=_whole(files["size"]),
        redactions=_whole(files["redactions"]),
        unparsed=files["unparsed"]["doc_count"],
        kinds={each["key"]: each["doc_count"] for each in sorted(kinds, key=_most_first)},
        rewritten=rows.count("link", seen),
    )


def _values(field: str) -> dict[str, Any]:
    return {"terms": {"field": field, "size": _MOST_VALUES}}


def _whole(found: dict[str, Any]) -> int:
    return int(found["value"])


def _sorted(buckets: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(buckets, key=lambda each: str(each["key"]))


def _most_first(bucket: dict[str, Any]) -> tuple[int, str]:
    return -bucket["doc_count"], bucket["key"]


def problems(rows: Rows, seen: Sequence[Query], manifest: Manifest | None) -> Iterator[str]:
    """Yield what is said of every row that is not what was written, of files that are not whole, and of the sum."""
    for row in rows.rows("unit", []):
        try:
            unit_of(row)
        except IndexDamaged:
            yield f"unit {row.get('unit_id')} of {row.get('path')} is altered"
    yield from _altered_blocks(rows)
    for row in rows.rows("rewriting", []):
        if rewriting_of(row) is None:
            yield f"rewriting {row['key']} is altered"
    yield from altered_links(rows)
    for row in rows.rows("rewritten", []):
        if written_vectors_of(row) is None:
            yield f"the vectors of rewriting {row['key']} are altered"
    counts: dict[int, int] = {}
    for (file,) in rows.columns("unit", seen, ("file",)):
        counts[file] = counts.get(file, 0) + 1
    for row in rows.rows("file", seen, fields=("key", "path", "units")):
        if counts.get(row["key"], 0) != row["units"]:
            yield f"{row['path']} has {counts.get(row['key'], 0)} of {row['units']} units"
    live = sum(counts.values())
    if manifest is not None and live != manifest.documents:
        yield f"{live} units are live instead of {manifest.documents}"


def _altered_blocks(rows: Rows) -> Iterator[str]:
    for batch in batched(rows.rows("blocks", []), _CHECKED):
        vectors = rows.get("vector", {name for row in batch for name in row.get("uses", ())})
        for row in batch:
            try:
                for _, name in blocks_of(row):
                    vector_of(name, vectors[name])
            except (IndexDamaged, KeyError, TypeError):
                yield f"a block of unit {row.get('key')}, or its vector, is altered"
