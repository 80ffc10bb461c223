"""Choosing the BM25 back end: one place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from indexer.lexical.interface import LexicalIndex, LexicalWriter
from indexer.store.manifest import LEXICAL, Manifest

if TYPE_CHECKING:  # its client takes half a second to load, and the embedded index needs none
    from indexer.cluster.connection import Cluster


def open_lexical(folder: Path, manifest: Manifest, cluster: Cluster | None) -> LexicalIndex:
    """Open a generation's BM25 index: in the cluster, or below the index's folder where there is none."""
    if cluster is None:
        from indexer.lexical.tantivy import TantivyIndex

        return TantivyIndex(folder / manifest.lexical)
    from indexer.lexical.elasticsearch import ElasticsearchIndex

    return ElasticsearchIndex(cluster, manifest.lexical, manifest.generation, manifest.documents)


def lexical_writer(
    folder: Path, manifest: Manifest | None, cluster: Cluster | None, owner: str, *, fresh: bool
) -> LexicalWriter:
    """Start writing from the index that a manifest names, or, where it is to be `fresh`, from nothing."""
    if cluster is None:
        from indexer.lexical.tantivy import TantivyWriter

        return TantivyWriter(folder / LEXICAL, folder / manifest.lexical if manifest and not fresh else None)
    from indexer.lexical.elasticsearch import ElasticsearchWriter

    return ElasticsearchWriter(cluster, owner, manifest, fresh=fresh)
