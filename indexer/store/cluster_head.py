"""The one document of a store in a cluster that says what is published: replaced whole, and only by who last read it.

It is the commit point. The rows it speaks of are not known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import xxhash
from elasticsearch import Elasticsearch
from pydantic import BaseModel, ConfigDict, ValidationError

from indexer.cluster.connection import Cluster
from indexer.cluster.indices import KeptIndex, create, mapping_fault, writing_name
from indexer.errors import EnvironmentFailed, IndexDamaged, IndexIncompatible, IndexMissing
from indexer.store.cluster_rows import MAPPING
from indexer.store.interface import SourceRow
from indexer.store.manifest import REINDEX, Manifest

_HEAD = "head"
KIND = "store"
_MISSING, _CONFLICT = 404, 409


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True)

    manifest: Manifest | None = None
    sources: tuple[tuple[str, str, str, str, str], ...] = ()
    next_file: int = 1
    next_unit: int = 1
    next_rewriting: int = 1
    writer: str = ""
    store: str = ""


@dataclass(frozen=True, slots=True)
class Head:
    """What is published: the manifest, the sources, the keys that are free, and who wrote it last.

    `store` is chosen when the store is made: it tells it from one of the same name that was deleted.
    `mark` is the version of the document that says so, empty where there is none as yet.
    """

    manifest: Manifest | None = None
    sources: tuple[SourceRow, ...] = ()
    next_file: int = 1
    next_unit: int = 1
    next_rewriting: int = 1
    writer: str = ""
    store: str = ""
    mark: Mapping[str, Any] = field(default_factory=lambda: {"op_type": "create"})

    @property
    def generation(self) -> int:
        """The generation that is published, 0 before the first."""
        return self.manifest.generation if self.manifest else 0


def store_index(cluster: Cluster) -> str:
    """Return the name of the index that holds a store's rows."""
    return f"{cluster.name}-{KIND}-1"


def make_store(cluster: Cluster, owner: str) -> str:
    """Make the index of a store where there is none; return its name. Raises UsageError where others use the name."""
    name = store_index(cluster)
    KeptIndex(cluster, KIND, owner)
    with cluster.written() as client:
        there = bool(client.indices.exists(index=name))
    if not there:
        try:
            create(cluster, name, MAPPING, owner)
        except EnvironmentFailed:
            with cluster.written() as client:
                if not client.indices.exists(index=name):  # nobody else made it at the same moment
                    raise
    return name


def check_store(client: Elasticsearch, cluster: Cluster, name: str) -> None:
    """Raise IndexMissing or IndexIncompatible where the index of a store is not one that can be read."""
    problem = mapping_fault(client, name, MAPPING)
    where = f"{cluster.name} in Elasticsearch at {cluster.address}"
    if problem == "missing":
        raise IndexMissing(f"there is no index {where}; make one with `fathom index SOURCE`")
    if problem:
        raise IndexIncompatible(f"the store of the index {where} is another than ours: {problem}")


def read_head(client: Elasticsearch, name: str) -> Head:
    """Return what is published; raise IndexDamaged where that was altered."""
    found = client.options(ignore_status=_MISSING).get(index=name, id=_HEAD)
    if not found.get("found"):
        return Head()
    body = found["_source"]["body"]
    text = str(body.get("said", ""))
    if _checksum(text) != body.get("checksum"):
        raise IndexDamaged(f"the index's manifest is damaged; {REINDEX}")
    try:
        said = _Said.model_validate_json(text)
    except ValidationError as error:
        raise IndexDamaged(f"the index's manifest cannot be read ({error.error_count()} faults); {REINDEX}") from error
    mark = {"if_seq_no": found["_seq_no"], "if_primary_term": found["_primary_term"]}
    sources = tuple(SourceRow(*each) for each in said.sources)
    keys = (said.next_file, said.next_unit, said.next_rewriting)
    return Head(said.manifest, sources, *keys, said.writer, said.store, mark)


def write_head(client: Elasticsearch, name: str, head: Head) -> Head:
    """Replace what is published, whose version `head` has; return it with its new one.

    Raises EnvironmentFailed where another writer replaced it meanwhile.
    """
    said = _Said(
        manifest=head.manifest,
        sources=tuple((each.name, each.kind, each.location, each.revision, each.indexed_at) for each in head.sources),
        next_file=head.next_file,
        next_unit=head.next_unit,
        next_rewriting=head.next_rewriting,
        writer=head.writer,
        store=head.store,
    )
    text = said.model_dump_json()
    document = {"row": "head", "body": {"said": text, "checksum": _checksum(text)}}
    answer = client.options(ignore_status=_CONFLICT).index(
        index=writing_name(name), id=_HEAD, document=document, require_alias=True, **head.mark
    )
    if answer.meta.status != _CONFLICT:
        return replace(head, mark={"if_seq_no": answer["_seq_no"], "if_primary_term": answer["_primary_term"]})
    there = read_head(client, name)
    if replace(there, mark=head.mark) == head:  # it was written, and the answer lost
        return there
    raise EnvironmentFailed(
        "another process began to write to this index; what was published is whole, run this again to go on"
    )


def _checksum(text: str) -> str:
    return xxhash.xxh3_128_hexdigest(text.encode("utf-8", "surrogatepass"))
