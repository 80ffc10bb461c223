"""Which files an index holds: listed by the same query language as hits, without ranking."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

from indexer.index import View
from search.conditions import qualifying
from search.query import Query, parse


class FileEntry(BaseModel):
    """A file and the number of its units that the query's conditions allow."""

    model_config = ConfigDict(frozen=True)

    repository: str
    path: str
    language: str
    units: int


class FileList(BaseModel):
    """One page of files, by repository and path; `total` counts all that match."""

    model_config = ConfigDict(frozen=True)

    generation: int
    total: int
    files: tuple[FileEntry, ...]


def list_files(view: View, text: str = "", offset: int = 0, limit: int = 100) -> FileList:
    """Return files `offset` to `offset` + `limit` that a query allows.

    Fields, phrases and regular expressions keep the files with a unit that qualifies; each word must stand in the
    path, case apart. Raise QueryError for a query that cannot be read.
    """
    query = parse(text) if text.strip() else Query(text="")
    catalogue = view.catalogue
    allowed = qualifying(view, query)
    kept = catalogue.file if allowed is None else catalogue.file[np.isin(catalogue.keys, allowed)]
    counts = np.bincount(kept, minlength=len(catalogue.files))
    words = [word.text.lower() for word in query.words]
    found = sorted(
        (*catalogue.files[number], int(counts[number]))
        for number in np.flatnonzero(counts).tolist()
        if all(word in catalogue.files[number][1].lower() for word in words)
    )
    page = found[offset : offset + limit]
    return FileList(
        generation=view.manifest.generation,
        total=len(found),
        files=tuple(
            FileEntry(repository=repository, path=path, language=language, units=units)
            for repository, path, language, units in page
        ),
    )
