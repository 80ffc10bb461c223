"""Indices of a cluster as a whole: making one, telling whether it is ours and laid out as ours, dropping old ones.

What is in their documents is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elasticsearch import Elasticsearch

from indexer.cluster.connection import Cluster
from indexer.errors import UsageError

# Changes whenever an older version could misread an index.
FORMAT = 1
# Seconds that copies of a new index may take to be made; a cluster that lacks nodes goes on without.
_COPIES = "15s"


class KeptIndex:
    """The indices of one kind that an owner has under the cluster's name; an alias names the one in use."""

    def __init__(self, cluster: Cluster, kind: str, owner: str) -> None:
        """Raise UsageError where somebody else has the name."""
        self._cluster, self._owner = cluster, owner
        self._alias = f"{cluster.name}-{kind}"
        with cluster.written() as client:
            found = client.indices.get(index=f"{self._alias}-*", expand_wildcards="all").body
        self._ours = {name for name, index in found.items() if _mark(index).get("owner") == owner}
        others = sorted(name for name in found if name not in self._ours)
        if others:
            raise UsageError(
                f"another index uses the name {cluster.name!r} in Elasticsearch at {cluster.address} ({others[0]}); "
                "choose another with FATHOM_ELASTICSEARCH_NAME"
            )
        self._aliased = {name for name, index in found.items() if self._alias in index.get("aliases", {})}
        for name in self._ours:  # one of before there was such a name
            if writing_name(name) not in found[name].get("aliases", {}):
                with cluster.written() as client:
                    client.indices.put_alias(index=name, name=writing_name(name))

    def name_for(self, suffix: str) -> str:
        """Return the name of a new index."""
        return f"{self._alias}-{suffix}"

    def tidy(self, used: set[str]) -> None:
        """Delete our indices but those that are used."""
        stale = self._ours - used
        if stale:
            with self._cluster.written() as client:
                client.indices.delete(index=sorted(stale), ignore_unavailable=True)
        self._ours -= stale
        self._aliased -= stale

    def name(self, name: str) -> None:
        """Let the alias name an index and no other, in one step."""
        self._ours.add(name)
        if self._aliased == {name}:
            return
        actions: list[dict[str, Any]] = [
            {"remove": {"index": old, "alias": self._alias}} for old in sorted(self._aliased - {name})
        ]
        actions.append({"add": {"index": name, "alias": self._alias}})
        with self._cluster.written() as client:
            client.indices.update_aliases(actions=actions)
        self._aliased = {name}


def create(
    cluster: Cluster, name: str, mapping: Mapping[str, Any], owner: str, settings: Mapping[str, Any] | None = None
) -> None:
    """Make an index that is refreshed when told to, with a copy of each shard where there is a node for it."""
    mark = {"fathom": {"format": FORMAT, "owner": owner}}
    chosen = {
        "number_of_shards": cluster.shards,
        "auto_expand_replicas": "0-1",
        "refresh_interval": "-1",
        **(settings or {}),
    }
    with cluster.written() as client:
        client.indices.create(
            index=name,
            mappings={"dynamic": "strict", "_meta": mark, "properties": mapping},
            settings=chosen,
            aliases={writing_name(name): {}},
        )
        # What is written before a copy is there would be lost with the one node that has it.
        client.options(ignore_status=408).cluster.health(index=name, wait_for_status="green", timeout=_COPIES)


def writing_name(index: str) -> str:
    """Return the alias that documents are written by, which has to be there: an index that someone deleted stays so.

    By its own name a cluster would make it again at the next document, with a mapping that it guesses.
    """
    return f"{index}-writing"


def mapping_fault(client: Elasticsearch, name: str, mapping: Mapping[str, Any]) -> str:
    """Return in which way an index is missing or laid out otherwise; "" where it is as it should be."""
    found = client.options(ignore_status=404).indices.get_mapping(index=name).body.get(name)
    if found is None:
        return "missing"
    made = found["mappings"].get("_meta", {}).get("fathom", {}).get("format")
    if made != FORMAT:
        return f"it has format {made}, this version reads format {FORMAT}"
    properties = found["mappings"].get("properties", {})
    wrong = [field for field, wanted in mapping.items() if not _laid_out(properties.get(field), wanted)]
    return f"its field {wrong[0]} is laid out otherwise" if wrong else ""


def _laid_out(found: Any, wanted: Mapping[str, Any]) -> bool:
    return isinstance(found, dict) and all(found.get(key) == value for key, value in wanted.items())


def _mark(index: Mapping[str, Any]) -> Mapping[str, Any]:
    mark: Mapping[str, Any] = index.get("mappings", {}).get("_meta", {}).get("fathom", {})
    return mark
